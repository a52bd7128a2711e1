package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/store/ship"
)

// busSettings is what the event bus's process needs.
type busSettings struct {
	Dir       string
	Listen    string
	Bus       busAccess // of the owner
	Producer  string    // token
	MaxBytes  int64
	Logs      logStore
	Retention time.Duration
}

// busGroup is the bus and the shipper that empties it into the log store: they
// share a process, and each survives the death of the store's.
func (m *machine) busGroup() role.Group {
	uid, gid := m.account(2)
	return role.Group{
		Name: "bus", UID: uid, GID: gid,
		Sandbox: role.Sandbox{Write: []string{m.path("bus")}},
		Sockets: []role.Socket{m.adminSocket(2)},
		Limits:  role.Limits{Files: 65536, Memory: 256 << 20},
		Settings: jsonSettings(func() any {
			return busSettings{
				Dir: m.path("bus"), Listen: m.conf.Bus.Listen, Bus: m.busOwner(), Producer: m.busAccess().Token, MaxBytes: m.conf.Bus.MaxBytes,
				Logs: m.logStore(), Retention: m.conf.Logs.Retention.Duration(),
			}
		}),
		Drain: 20 * time.Second,
	}
}

func runBus(ctx context.Context, child *role.Child, log *slog.Logger) error {
	var s busSettings
	if err := child.Decode(&s); err != nil {
		return err
	}
	figures, administrative, err := administration(child, log)
	if err != nil {
		return err
	}
	open := make(chan struct{})
	server := &bus.Server{
		Listen: s.Listen, Dir: s.Dir, Token: s.Bus.Token, ProducerToken: s.Producer, MaxBytes: s.MaxBytes, Readers: []string{ship.Reader},
		Ready: func(string) { close(open) }, Log: log,
	}
	figures.Check("event bus", func(context.Context) error { return closed(open, "it is still opening its store") })
	figures.Check("disk", roomOn(s.Dir, leastRoom))
	shipper := &ship.Shipper{
		Store: s.Logs.client(), FlushInterval: flushInterval, Retention: s.Retention,
		Log: log.With("service", "shipper"), Now: time.Now,
	}
	if err := figures.Register(shipper); err != nil {
		return err
	}
	return child.Run(ctx, administrative,
		role.Role{Name: "bus", Run: server.Run},
		role.Role{Name: "shipper", Run: func(ctx context.Context) error {
			select {
			case <-ctx.Done():
				return nil
			case <-open:
			}
			conn, err := bus.Connect(ctx, bus.Address{URL: s.Bus.URL, Token: s.Bus.Token, Name: "shipper"}, log)
			if err != nil {
				return err
			}
			defer conn.Close()
			shipper.Conn = conn
			return shipper.Run(ctx)
		}},
	)
}
