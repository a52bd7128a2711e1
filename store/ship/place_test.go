package ship

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// holder is a store that has some events, not all of which a search finds.
type holder struct{ held logs.Held }

func (h holder) Held(context.Context, tenant.ID, []tenant.ID, []event.ID, logs.Range) (logs.Held, error) {
	return h.held, nil
}
func (holder) Insert(context.Context, tenant.ID, []byte) (string, error) { return "", nil }
func (holder) Flush(context.Context) error                               { return nil }
func (holder) State(context.Context) (logs.State, error)                 { return logs.State{}, nil }

func TestAStreamThatLostItsIndexIsBroughtBack(t *testing.T) {
	now := time.Now()
	held := logs.Held{Stored: make(map[event.ID]int), Found: make(map[event.ID]bool)}
	line := func(body tenant.ID, service string) row {
		e := event.Event{ID: event.NewID(now), Time: now, Tenant: body, Service: service, Name: "n"}
		r, err := readRow(e.AppendRow(nil), body)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	hidden, hiddenToo, alsoHidden, missing, found := line("994413", "waf"), line("994413", "waf"), line("994413", "proxy"), line("994413", "proxy"), line("994413", "mail")
	for _, r := range []row{hidden, hiddenToo, alsoHidden, found} {
		held.Stored[r.id] = 1
	}
	held.Found[found.id] = true
	s := &Shipper{Store: holder{held}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	left, err := s.missing(t.Context(), "990001", []part{{operator: "990001", body: "994413", check: true, rows: []row{hidden, hiddenToo, alsoHidden, missing, found, missing}}})
	if err != nil {
		t.Fatal(err)
	}
	var services []string
	for _, p := range left {
		for _, r := range p.rows {
			services = append(services, string(r.service))
			if _, err := readRow(r.line, "994413"); err != nil {
				t.Errorf("the row %s is none of the body: %v", r.line, err)
			}
		}
	}
	// The missing row brings its own stream back; waf needs one row more.
	if len(services) != 2 || services[0] != "proxy" || services[1] != "waf" {
		t.Errorf("rows of %v are inserted, want one of proxy and one of waf", services)
	}
	if st := s.Stats(); st.Skipped != 5 || st.Restored != 1 {
		t.Errorf("Stats = %+v, want 5 skipped and 1 restored", st)
	}
}

func TestRowsThatNeedNoCheckAreNotLeftOut(t *testing.T) {
	now := time.Now()
	e := event.Event{ID: event.NewID(now), Time: now, Tenant: "994413", Service: "waf", Name: "n"}
	r, err := readRow(e.AppendRow(nil), "994413")
	if err != nil {
		t.Fatal(err)
	}
	s := &Shipper{Store: holder{}, Log: slog.New(slog.DiscardHandler), Now: time.Now}
	left, err := s.missing(t.Context(), "990001", []part{{operator: "990001", body: "994413", rows: []row{r}}})
	if err != nil || len(left) != 1 || len(left[0].rows) != 1 {
		t.Errorf("missing = %v, %v; want the row", left, err)
	}
}
