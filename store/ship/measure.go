package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// Load is what Measure sends.
type Load struct {
	Journal  event.Journal
	Store    *logs.Client
	Operator tenant.ID
	Bodies   []tenant.ID // the events are shared out among them
	Events   int
	Batch    int // events in one Append; 512 when zero
	Writers  int // how many append at once; 4 when zero
}

// Figures are what Measure saw.
type Figures struct {
	Events int
	// Acknowledged is how long it took until the last Append returned, Stored
	// until a search counted every event.
	Acknowledged, Stored time.Duration
	// Producer is the processor time of this process in an event, from making it
	// to its acknowledgement; Making is the share of making the load itself.
	Producer, Making time.Duration
}

// PerSecond is how many events a second went from Append to stored.
func (f Figures) PerSecond() float64 { return float64(f.Events) / f.Stored.Seconds() }

func (f Figures) String() string {
	return fmt.Sprintf("%d events: %.0f/s to the bus's disk, %.0f/s to stored and found; producer %v an event beyond the %v of making it",
		f.Events, float64(f.Events)/f.Acknowledged.Seconds(), f.PerSecond(), f.Producer-f.Making, f.Making)
}

// Measure appends events and waits until a search finds all of them. The events
// are of the service "bench" and stay in the store.
func Measure(ctx context.Context, l Load) (Figures, error) {
	if l.Batch <= 0 {
		l.Batch = 512
	}
	if l.Writers <= 0 {
		l.Writers = 4
	}
	run := event.NewID(time.Now()).String()
	start := time.Now()
	cpu := processorTime()
	var wait sync.WaitGroup
	work, failed := make(chan int), make(chan error, l.Writers)
	for range l.Writers {
		wait.Go(func() {
			batch := make([]event.Event, 0, l.Batch)
			for first := range work {
				batch = appendLoad(batch[:0], l, run, first)
				if err := l.Journal.Append(ctx, batch); err != nil {
					failed <- err
					return
				}
			}
		})
	}
	var err error
	for first := 0; first < l.Events && err == nil; first += l.Batch {
		select {
		case work <- first:
		case err = <-failed:
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	close(work)
	wait.Wait()
	select {
	case late := <-failed:
		err = errors.Join(err, late)
	default:
	}
	if err != nil {
		return Figures{}, fmt.Errorf("measuring the event path: %w", err)
	}
	f := Figures{Events: l.Events, Acknowledged: time.Since(start), Producer: (processorTime() - cpu) / time.Duration(l.Events)}
	scope := logs.Scope{Operator: l.Operator, Tenants: l.Bodies}
	for {
		n, err := l.Store.Count(ctx, scope, `service:=bench run:="`+run+`"`, logs.Range{From: start.Add(-time.Minute)})
		if err != nil {
			return f, fmt.Errorf("measuring the event path: %w", err)
		}
		if n >= uint64(l.Events) { //nolint:gosec // not negative
			f.Stored = time.Since(start)
			if n > uint64(l.Events) { //nolint:gosec // not negative
				return f, fmt.Errorf("measuring the event path: %d events of %d are stored", n, l.Events)
			}
			break
		}
		select {
		case <-ctx.Done():
			return f, fmt.Errorf("measuring the event path: %d of %d events stored: %w", n, l.Events, ctx.Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	// What it costs to make such events, without keeping them.
	cpu = processorTime()
	batch := make([]event.Event, 0, l.Batch)
	for first := 0; first < l.Events; first += l.Batch {
		batch = appendLoad(batch[:0], l, run, first)
	}
	f.Making = (processorTime() - cpu) / time.Duration(l.Events)
	return f, nil
}

// appendLoad appends a batch of one body's events, as a web front reports them.
func appendLoad(batch []event.Event, l Load, run string, first int) []event.Event {
	now := time.Now()
	body := l.Bodies[first/l.Batch%len(l.Bodies)]
	for i := first; i < min(first+l.Batch, l.Events); i++ {
		batch = append(batch, event.Event{
			ID: event.NewID(now), Time: now, Tenant: body, Service: "bench", Name: "request_served",
			Fields: []slog.Attr{
				slog.String("run", run), slog.Int("n", i),
				slog.String("client.ip", addresses[i%len(addresses)]), slog.String("url.full", "https://www.vill.wakaba.example/news/index.html?page=12"),
				slog.String("http.request.method", "GET"), slog.Int("http.response.status_code", 200), slog.Int("http.response.bytes", i*37%65536),
				slog.String("user_agent.original", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"), slog.Int("event.duration", i*7919%10000000),
			},
		})
	}
	return batch
}

var addresses = [...]string{"203.0.113.7", "203.0.113.8", "198.51.100.23", "198.51.100.99", "192.0.2.1", "192.0.2.77", "203.0.113.200"}

// processorTime is the time the processors gave this process.
func processorTime() time.Duration {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		return 0
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
