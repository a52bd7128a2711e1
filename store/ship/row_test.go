package ship

import (
	"encoding/json"
	"log/slog"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// Whatever travels as a body's message, a row that is taken names that body, to
// a reader of JSON too.
func FuzzARowThatIsTakenIsOfItsBody(f *testing.F) {
	e := event.Event{
		ID: event.NewID(time.UnixMilli(1)), Time: time.Unix(1763802000, 5).UTC(), Tenant: "994413", Service: "waf", Name: "request_blocked",
		Fields: []slog.Attr{slog.String("url.full", "https://x/")},
	}
	f.Add(e.AppendRow(nil), "994413")
	f.Add(e.AppendRow(nil), "99441")
	f.Add([]byte("\n"), "994413")
	f.Fuzz(func(t *testing.T, line []byte, body string) {
		r, err := readRow(line, tenant.ID(body))
		if err != nil {
			return
		}
		if id, err := event.ParseID(string(line[idAt : idAt+36])); err != nil || id != r.id {
			t.Fatalf("the ID is %v, want %v, %v", r.id, id, err)
		}
		var parsed struct {
			Time   time.Time `json:"_time"`
			ID     string    `json:"event.id"`
			Tenant string    `json:"tenant"`
		}
		if json.Unmarshal(line, &parsed) != nil {
			return // the store counts it as dropped, and it is found out
		}
		if !parsed.Time.Equal(r.at) {
			t.Fatalf("the time is %v, want %v", r.at, parsed.Time)
		}
	})
}

func TestARowOfAnotherBodyIsNotTaken(t *testing.T) {
	e := event.Event{ID: event.NewID(time.UnixMilli(1)), Time: time.Unix(1763802000, 5).UTC(), Tenant: "x-ab", Service: "waf", Name: "n"}
	line := e.AppendRow(nil)
	if r, err := readRow(line, "x-ab"); err != nil || string(r.service) != "waf" || r.id != e.ID || !r.at.Equal(e.Time) {
		t.Errorf("readRow = %+v, %v; want the event", r, err)
	}
	for _, body := range []tenant.ID{"x-a", "x-abc", "994413", "", `x-ab","service":"waf`} {
		if _, err := readRow(line, body); err == nil {
			t.Errorf("a row of x-ab is taken for one of %q", body)
		}
	}
	for cut := range line {
		if _, err := readRow(line[:cut], "x-ab"); err == nil {
			t.Errorf("the row cut to %d bytes is taken", cut)
		}
	}
}

func BenchmarkReadRow(b *testing.B) {
	e := event.Event{ID: event.NewID(time.UnixMilli(1)), Time: time.Unix(1763802000, 5).UTC(), Tenant: "994413", Service: "waf", Name: "n"}
	line := e.AppendRow(nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := readRow(line, "994413"); err != nil {
			b.Fatal(err)
		}
	}
}
