package site

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sekikura/sekikura/event"
)

// without is a journal whose directory does not have one body.
type without struct {
	journal
	tries int
}

func (j *without) Append(ctx context.Context, batch []event.Event) error {
	j.tries++
	for _, e := range batch {
		if e.Tenant == hanami {
			return fmt.Errorf("keeping events: %w", event.ErrNoBody)
		}
	}
	return j.journal.Append(ctx, batch)
}

type counted struct{ events []event.Event }

func (c *counted) Emit(_ context.Context, e event.Event) { c.events = append(c.events, e) }

func TestEventsOfABodyThatIsGoneDoNotHoldUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept, lost := new(without), new(counted)
		r := newRecorder(kept, lost, slog.New(slog.DiscardHandler), 100, nil)
		for i := range 20 {
			e := event.Event{ID: event.NewID(time.Now()), Tenant: wakaba, Name: "request_served"}
			if i == 7 || i == 8 || i == 19 {
				e.Tenant = hanami
			}
			r.record(t.Context(), e)
		}
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { defer close(done); r.run(t.Context(), stop) }()
		time.Sleep(time.Second) // of the bubble
		close(stop)
		<-done
		seen := make(map[event.ID]int)
		for _, e := range kept.all() {
			seen[e.ID]++
			if e.Tenant != wakaba || seen[e.ID] > 1 {
				t.Errorf("event %s of %s was kept %d times", e.ID, e.Tenant, seen[e.ID])
			}
		}
		if len(seen) != 17 || len(lost.events) != 3 {
			t.Errorf("%d events were kept and %d counted as lost after %d tries, want 17 and 3", len(seen), len(lost.events), kept.tries)
		}
	})
}

func TestAJournalInTroubleIsTriedAgainUntilItTakesTheEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kept := new(journal)
		kept.err = errors.New("the disk is full")
		r := newRecorder(kept, new(counted), slog.New(slog.DiscardHandler), 100, nil)
		r.record(t.Context(), event.Event{ID: event.NewID(time.Now()), Tenant: wakaba, Name: "request_served"})
		stop, done := make(chan struct{}), make(chan struct{})
		go func() { defer close(done); r.run(t.Context(), stop) }()
		time.Sleep(time.Minute) // of the bubble
		kept.mu.Lock()
		kept.err = nil
		kept.mu.Unlock()
		time.Sleep(time.Second)
		close(stop)
		<-done
		if got := len(kept.all()); got != 1 {
			t.Errorf("%d events were kept once the disk had room, want 1", got)
		}
	})
}
