package site

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/event"
)

// recorder carries events to the journal in batches, so that a request never
// pays for a disk alone. What does not fit goes to the sink, which counts.
type recorder struct {
	journal event.Journal
	sink    event.Sink
	log     *slog.Logger
	items   chan recorded
	metrics *Metrics
}

type recorded struct {
	event event.Event
	kept  chan<- struct{} // closed when durable; nil when nobody waits
}

const (
	recordBatch  = 512
	recordLinger = 20 * time.Millisecond // when nobody waits
	recordRetry  = 250 * time.Millisecond
	recordFlush  = 5 * time.Second // at the end of Run
)

func newRecorder(j event.Journal, s event.Sink, log *slog.Logger, waiting int, m *Metrics) *recorder {
	return &recorder{journal: j, sink: s, log: log, items: make(chan recorded, waiting), metrics: m}
}

// record hands e over without waiting.
func (r *recorder) record(ctx context.Context, e event.Event) {
	r.put(ctx, recorded{event: e})
}

// put tells whether there was room for one more.
func (r *recorder) put(ctx context.Context, item recorded) bool {
	select {
	case r.items <- item:
		r.metrics.saw(item.event, true, len(r.items))
		return true
	default:
		r.metrics.saw(item.event, false, len(r.items))
		r.sink.Emit(ctx, item.event)
		return false
	}
}

// durable hands e over and waits until it is kept, for at most limit. It tells
// whether it is; if not, the recorder goes on trying.
func (r *recorder) durable(ctx context.Context, e event.Event, limit time.Duration) bool {
	kept := make(chan struct{})
	timer := time.NewTimer(limit)
	defer timer.Stop()
	if !r.put(ctx, recorded{e, kept}) {
		return false
	}
	select {
	case <-kept:
		return true
	case <-timer.C:
		return false
	}
}

// run writes until stop is closed, and then what still waits.
func (r *recorder) run(ctx context.Context, stop <-chan struct{}) {
	for {
		select {
		case first := <-r.items:
			r.write(ctx, r.batch(first), stop)
		case <-stop:
			ctx, cancel := context.WithTimeout(ctx, recordFlush)
			defer cancel()
			for {
				select {
				case first := <-r.items:
					r.write(ctx, r.batch(first), stop)
				default:
					return
				}
			}
		}
	}
}

// batch collects what waits behind first. It lingers only while nobody waits.
func (r *recorder) batch(first recorded) []recorded {
	batch := append(make([]recorded, 0, 16), first)
	hurry := first.kept != nil
	var linger <-chan time.Time
	for len(batch) < recordBatch {
		select {
		case next := <-r.items:
			batch = append(batch, next)
			hurry = hurry || next.kept != nil
			continue
		default:
		}
		if hurry {
			return batch
		}
		if linger == nil {
			linger = time.After(recordLinger)
		}
		select {
		case next := <-r.items:
			batch = append(batch, next)
			hurry = hurry || next.kept != nil
		case <-linger:
			return batch
		}
	}
	return batch
}

// write appends batch, again and again until it is kept: the journal spools to
// disk, so an error means that the disk itself is in trouble. An event that is
// appended twice has one ID.
func (r *recorder) write(ctx context.Context, batch []recorded, stop <-chan struct{}) {
	events := make([]event.Event, len(batch))
	for i := range batch {
		events[i] = batch[i].event
	}
	for told := false; ; {
		err := r.journal.Append(ctx, events)
		if err == nil {
			break
		}
		if errors.Is(err, event.ErrNoBody) {
			r.part(ctx, batch, stop)
			return
		}
		if !told {
			r.log.Error("writing events of sites", "events", len(events), "error", err)
			told = true
		}
		select {
		case <-time.After(recordRetry):
			continue
		case <-stop:
		case <-ctx.Done():
		}
		if err := r.journal.Append(ctx, events); err == nil {
			break
		}
		for _, e := range events {
			r.sink.Emit(ctx, e)
		}
		return
	}
	for _, b := range batch {
		if b.kept != nil {
			close(b.kept)
		}
	}
}

// part writes the halves of a batch in which one body is not in the directory,
// such as one that was taken out while a request was under way. Its own events
// go to the sink, which counts them: nobody could read them, and the others'
// must not wait for them.
func (r *recorder) part(ctx context.Context, batch []recorded, stop <-chan struct{}) {
	if len(batch) == 1 {
		r.sink.Emit(ctx, batch[0].event)
		return
	}
	r.write(ctx, batch[:len(batch)/2], stop)
	r.write(ctx, batch[len(batch)/2:], stop)
}
