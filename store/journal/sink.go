package journal

import (
	"context"
	"time"

	"github.com/sekikura/sekikura/event"
)

// gatherFor is how long the first of the emitted events waits for others.
const gatherFor = 100 * time.Millisecond

// Emit implements event.Sink. An event that finds the ring full is counted and
// gone; so is one of a body that the directory does not have.
func (j *Journal) Emit(_ context.Context, e event.Event) {
	j.emit.RLock()
	defer j.emit.RUnlock()
	if j.ended {
		j.count.dropped.Add(1)
		return
	}
	select {
	case j.ring <- e:
	default:
		j.count.dropped.Add(1)
	}
}

// gather appends emitted events in batches until the ring is closed and empty.
func (j *Journal) gather(ctx context.Context) {
	batch := make([]event.Event, 0, maxEvents)
	// Two batches may be on their way: while one is being made durable the next fills.
	slots := make(chan struct{}, 2)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for open := true; open; {
		e, ok := <-j.ring
		if !ok {
			break
		}
		batch = append(batch, e)
		timer.Reset(gatherFor)
	fill:
		for len(batch) < maxEvents {
			select {
			case e, ok := <-j.ring:
				if !ok {
					open = false
					break fill
				}
				batch = append(batch, e)
			case <-timer.C:
				break fill
			}
		}
		slots <- struct{}{}
		go func(batch []event.Event) {
			j.appendKnown(ctx, batch)
			<-slots
		}(batch)
		batch = make([]event.Event, 0, min(maxEvents, 2*len(batch)+16))
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}

// appendKnown appends the events whose body is known, and counts what is not kept.
func (j *Journal) appendKnown(ctx context.Context, batch []event.Event) {
	known := batch[:0]
	for _, e := range batch {
		if _, ok := j.conf.Tenants.Get(e.Tenant); !ok {
			j.count.dropped.Add(1)
			continue
		}
		known = append(known, e)
	}
	if len(known) == 0 {
		return
	}
	if err := j.Append(context.WithoutCancel(ctx), known); err != nil {
		j.count.dropped.Add(uint64(len(known)))
		j.conf.Log.Error("events are lost", "count", len(known), "err", err)
	}
}
