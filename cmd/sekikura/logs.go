package main

import (
	"context"
	"crypto/rand"
	"log/slog"
	"net/http"
	"time"

	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/engine"
)

// flushInterval is how long rows may stay in the log store's memory only.
const flushInterval = 2 * time.Second

// logsSettings is what the log store's process needs.
type logsSettings struct {
	Dir       string
	Secret    string
	Retention time.Duration
}

func (m *machine) logsGroup() role.Group {
	uid, gid := m.account(1)
	return role.Group{
		Name: "logs", UID: uid, GID: gid,
		Sandbox:  role.Sandbox{Write: []string{m.path("logs")}},
		Sockets:  []role.Socket{{Name: "http", Network: "tcp", Address: m.conf.Logs.Listen}, m.adminSocket(1)},
		Limits:   role.Limits{Files: 65536, Memory: 512 << 20},
		Settings: jsonSettings(func() any { return logsSettings{m.path("logs"), hexKey(m.keys.Logs), m.conf.Logs.Retention.Duration()} }),
		Drain:    20 * time.Second,
	}
}

func runLogs(ctx context.Context, child *role.Child, log *slog.Logger) error {
	var s logsSettings
	if err := child.Decode(&s); err != nil {
		return err
	}
	figures, administrative, err := administration(child, log)
	if err != nil {
		return err
	}
	listener, err := child.Listener("http")
	if err != nil {
		return err
	}
	client := &logs.Client{URL: "http://" + listener.Addr().String(), Secret: s.Secret, HTTP: &http.Client{Timeout: 5 * time.Second}}
	server := &engine.Server{
		Listener: listener, Dir: s.Dir, Secret: s.Secret, Boot: rand.Text(),
		Retention: s.Retention, FlushInterval: flushInterval, MinFreeDisk: leastLogsRoom, Log: log,
	}
	figures.Check("log store", client.Health)
	figures.Check("disk", roomOn(s.Dir, leastLogsRoom))
	return child.Run(ctx, administrative, role.Role{Name: "logs", Run: server.Run})
}

// logStore is where the log store answers, and with which secret.
type logStore struct{ URL, Secret string }

func (m *machine) logStore() logStore {
	if m.conf.Logs.URL != "" {
		return logStore{URL: m.conf.Logs.URL}
	}
	return logStore{URL: "http://" + m.addr("logs", "http"), Secret: hexKey(m.keys.Logs)}
}

func (s logStore) client() *logs.Client { return &logs.Client{URL: s.URL, Secret: s.Secret} }

// logsSilence is how long the log store may think before a job in the background
// gives up. It ends queries of its own accord after half that time.
const logsSilence = time.Minute

// patient is a client for jobs that read and write for hours, but that must end
// when the store does: its socket takes connections while it is away.
func (s logStore) patient() *logs.Client {
	c := s.client()
	c.HTTP = &http.Client{Transport: &http.Transport{ResponseHeaderTimeout: logsSilence, MaxIdleConnsPerHost: 2, IdleConnTimeout: logsSilence}}
	return c
}
