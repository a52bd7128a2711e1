package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store/ship"
	"github.com/sekikura/sekikura/tenant"
)

// benchEvents is how many events the event path has to carry: enough for many
// flushes of the log store.
const benchEvents = 1_000_000

// benchEventPath runs the bus and the log store as they run in the product, and
// sends events from this process through them.
func benchEventPath(ctx context.Context) (figures []figure, err error) {
	folder, err := os.MkdirTemp("", "sk-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)                      //nolint:errcheck // best effort
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // role groups pass through
		return nil, err
	}
	conf := defaults()
	conf.Data, conf.Logs.Listen, conf.Bus.MaxBytes = folder, "127.0.0.1:0", 8<<30
	if conf.Bus.Listen, err = freePort(ctx); err != nil {
		return nil, err
	}
	m, err := newMachine(&conf)
	if err != nil {
		return nil, err
	}
	sup := &role.Supervisor{Groups: []role.Group{m.logsGroup(), m.busGroup()}, Dir: m.path("run"), Output: io.Discard, Log: slog.New(slog.DiscardHandler)}
	m.addr = sup.Addr
	if err := sup.Open(ctx); err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- sup.Run(running) }()
	defer func() { stop(); err = errors.Join(err, <-ended) }()
	bounded, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	if err := sup.WaitReady(bounded); err != nil {
		return nil, err
	}
	seed := newDemoSeed()
	bodies, err := tenant.NewDirectory(seed.tenants()...)
	if err != nil {
		return nil, err
	}
	events, end, err := openJournal(bounded, m.busAccess(), "bench", filepath.Join(folder, "spool"), bodies, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, end()) }()
	load := ship.Load{Journal: events, Store: m.logStore().client(), Operator: demoOperator, Events: 1000}
	for _, b := range seed.Bodies {
		load.Bodies = append(load.Bodies, b.Tenant.ID)
	}
	if _, err := ship.Measure(bounded, load); err != nil { // everything is awake
		return nil, err
	}
	single := load
	single.Events = 1
	one, err := ship.Measure(bounded, single)
	if err != nil {
		return nil, err
	}
	load.Events = benchEvents
	f, err := ship.Measure(bounded, load)
	if err != nil {
		return nil, err
	}
	how := fmt.Sprintf("%d events of three bodies, 4 writers, batches of 512", benchEvents)
	return []figure{
		{"event path", "≥ 50,000 events/s", fmt.Sprintf("%.0f events/s", f.PerSecond()), how + "; from the first Append until a search counts all"},
		{"acknowledged", "-", fmt.Sprintf("%.0f events/s", float64(f.Events)/f.Acknowledged.Seconds()), "the same run, on the bus's disk"},
		{"producer", "≤ 2 µs CPU an event", fmt.Sprintf("%.2f µs", float64((f.Producer-f.Making).Nanoseconds())/1e3), "the same run, this process, without making the load"},
		{"searchable", "≤ 5 s", fmt.Sprintf("%.2f s", one.Stored.Seconds()), "one event on an idle machine"},
	}, nil
}
