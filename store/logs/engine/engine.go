// Package engine runs the VictoriaLogs engine as a role of its own process.
//
// The engine ends its process when it meets an I/O error it cannot survive, and
// it is configured by the process's global flags. A process therefore runs at
// most one [Server], once, and does nothing else beside it. Everybody else talks
// to it over HTTP through package logs, so that one machine and a cluster look
// the same.
package engine

import (
	"context"
	"crypto/subtle"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlinsert"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlinsert/insertutil"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlselect"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/appmetrics"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"

	"github.com/sekikura/sekikura/store/logs"
)

// Server is the log store of one machine. Listener, Dir, Secret, Boot and Log
// must be set before Run; the rest has defaults.
type Server struct {
	// Listener takes the requests, usually on a loopback address. Run closes it.
	Listener net.Listener
	// Dir holds the logs of all operators and tenants.
	Dir string
	// Secret is what a client must show as bearer token: on loopback it keeps the
	// machine's other users out. Empty is refused.
	Secret string
	// Boot is a value that differs at every start of the process. Clients learn
	// from it that rows which were not on disk yet may be gone.
	Boot string

	// Retention is how long a row is kept, counted from its _time: 365 days when
	// zero, at least one day.
	Retention time.Duration
	// FlushInterval is how long rows may stay in memory only: 2 s when zero, at
	// least one second. The shipper waits several times as long before it acknowledges.
	FlushInterval time.Duration
	// MinFreeDisk is how many bytes of the disk stay free: below it rows are
	// refused and the bus keeps them. 512 MiB when zero.
	MinFreeDisk int64
	// Memory bounds the engine's caches in bytes: 64 MiB when zero.
	Memory int64
	// MaxQueryTime ends a query that takes longer: 30 s when zero.
	MaxQueryTime time.Duration
	// MaxQueries bounds how many queries run at once: 4 when zero; more wait for
	// up to ten seconds.
	MaxQueries int

	Log *slog.Logger
}

// settings are the engine's flags. All that matter to us are named, so that a
// newer engine with other defaults cannot change what we promised.
func (s *Server) settings() (map[string]string, error) {
	if s.Secret == "" || s.Boot == "" {
		return nil, errors.New("starting the log store: neither its secret nor its boot value may be empty")
	}
	retention := or(s.Retention, 365*24*time.Hour)
	if retention < 24*time.Hour {
		return nil, fmt.Errorf("starting the log store: a retention of %v is below one day", retention)
	}
	flush := or(s.FlushInterval, 2*time.Second)
	if flush < time.Second {
		return nil, fmt.Errorf("starting the log store: a flush interval of %v is below one second", flush)
	}
	return map[string]string{
		"storageDataPath":               filepath.Clean(s.Dir),
		"retentionPeriod":               strconv.FormatInt(int64(retention/time.Hour), 10) + "h",
		"futureRetention":               "2d",
		"inmemoryDataFlushInterval":     flush.String(),
		"storage.minFreeDiskSpaceBytes": strconv.FormatInt(or(s.MinFreeDisk, 512<<20), 10),
		"memory.allowedBytes":           strconv.FormatInt(or(s.Memory, 64<<20), 10),
		"search.maxQueryDuration":       or(s.MaxQueryTime, 30*time.Second).String(),
		"search.maxConcurrentRequests":  strconv.Itoa(or(s.MaxQueries, 4)),
		"search.maxQueueDuration":       "10s",
		"insert.maxLineSizeBytes":       strconv.Itoa(logs.MaxRow),
		"insert.maxFieldsPerLine":       "1000",
		// The engine's warnings quote rows and queries: bodies' data does not
		// belong into the operator's log. What it drops is counted in /metrics.
		"loggerLevel": "ERROR",
	}, nil
}

// Run serves until ctx ends, then writes what is in memory to disk and returns
// nil. It may be called once in a process.
func (s *Server) Run(ctx context.Context) error {
	settings, err := s.settings()
	if err != nil {
		return err
	}
	for name, value := range settings {
		if err := flag.Set(name, value); err != nil {
			return fmt.Errorf("setting the log store's %s to %s: %w", name, value, err)
		}
	}
	if !flag.Parsed() {
		if err := flag.CommandLine.Parse(nil); err != nil {
			return fmt.Errorf("preparing the log store's settings: %w", err)
		}
	}
	logger.Init()
	vlstorage.Init()
	vlselect.Init()
	insertutil.SetLogRowsStorage(&vlstorage.Storage{})
	vlinsert.Init()
	s.Log.Info("log store is open", "dir", s.Dir, "addr", s.Listener.Addr().String())

	web := &http.Server{
		Handler:           http.HandlerFunc(s.serve),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- web.Serve(s.Listener) }()
	select {
	case err = <-served:
	case <-ctx.Done():
		// Queries in flight get a moment; rows in flight are answered or sent again.
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
		if err := web.Shutdown(grace); err != nil {
			s.Log.Warn("log store cut off requests at its end", "err", err)
			if err := web.Close(); err != nil {
				s.Log.Warn("closing the log store's connections", "err", err)
			}
		}
		cancel()
		if end := <-served; !errors.Is(end, http.ErrServerClosed) {
			err = end
		}
	}
	vlinsert.Stop()
	vlselect.Stop()
	vlstorage.Stop()
	if err != nil {
		return fmt.Errorf("serving the log store: %w", err)
	}
	return nil
}

// serve answers one request of somebody who knows the secret.
func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/health" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = w.Write([]byte("OK")) // the asker is gone when this does not arrive
		return
	}
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if subtle.ConstantTimeCompare([]byte(token), []byte(s.Secret)) != 1 {
		http.Error(w, "this log store answers only to its own product", http.StatusUnauthorized)
		return
	}
	w.Header().Set(logs.BootHeader, s.Boot)
	if r.URL.Path == "/metrics" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		appmetrics.WritePrometheusMetrics(w)
		return
	}
	answer := &answer{ResponseWriter: w}
	defer func() {
		// The engine takes a panic for the end of the process: its locks and
		// files are in an unknown state. net/http would swallow it.
		if reason := recover(); reason != nil {
			go panic(reason)
			select {}
		}
		if answer.broken {
			panic(http.ErrAbortHandler) // the client must not take half an answer for a whole one
		}
	}()
	if !route(answer, r) {
		http.NotFound(answer, r)
	}
}

// route lets through what the product uses and nothing else.
func route(w http.ResponseWriter, r *http.Request) bool {
	path := r.URL.Path
	switch {
	case path == "/insert/jsonline":
		return vlinsert.RequestHandler(w, r)
	case strings.HasPrefix(path, "/select/logsql/"):
		return vlselect.RequestHandler(w, r)
	case path == "/internal/force_flush", strings.HasPrefix(path, "/internal/partition/snapshot/"):
		return vlstorage.RequestHandler(w, r)
	}
	return false
}

// answer notices an error that comes after the first rows were sent.
type answer struct {
	http.ResponseWriter
	started, broken bool
}

func (a *answer) WriteHeader(code int) {
	if a.started {
		a.broken = true
		return
	}
	a.started = true
	a.ResponseWriter.WriteHeader(code)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.broken {
		return len(p), nil
	}
	a.started = true
	return a.ResponseWriter.Write(p)
}

func or[T ~int | ~int64](value, otherwise T) T {
	if value == 0 {
		return otherwise
	}
	return value
}
