package journal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// fakeBus keeps messages, unless err is set.
type fakeBus struct {
	mu       sync.Mutex
	err      error // what Publish answers
	lost     bool  // with err, the message is kept all the same
	slow     time.Duration
	messages []message
}

type message struct {
	subject, id string
	replayed    bool
	data        string
}

func (b *fakeBus) Publish(ctx context.Context, subject, id string, replayed bool, data []byte) error {
	if b.slow > 0 {
		select {
		case <-time.After(b.slow):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.err == nil || b.lost {
		b.messages = append(b.messages, message{subject, id, replayed, string(data)})
	}
	return b.err
}

func (b *fakeBus) set(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.err = err
}

// ids returns how often each event is on the bus.
func (b *fakeBus) ids(t *testing.T) map[string]int {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	ids := make(map[string]int)
	for _, m := range b.messages {
		for line := range strings.Lines(m.data) {
			var row map[string]any
			if err := json.Unmarshal([]byte(line), &row); err != nil {
				t.Fatalf("a row is no JSON: %v: %s", err, line)
			}
			if want := "ev.990001." + row["tenant"].(string); m.subject != want {
				t.Errorf("a row of %s travels as %s", row["tenant"], m.subject)
			}
			ids[row["event.id"].(string)]++
		}
	}
	return ids
}

func (b *fakeBus) count() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.messages)
}

var errAway = errors.New("the bus is away")

func directory(tb testing.TB) *tenant.Directory {
	tb.Helper()
	d, err := tenant.NewDirectory(
		tenant.Tenant{ID: "990001", Operator: "990001"}, tenant.Tenant{ID: "994413", Operator: "990001"}, tenant.Tenant{ID: "992011", Operator: "990001"},
	)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func open(tb testing.TB, b Bus, dir string, limit int64) *Journal {
	tb.Helper()
	j, err := Open(Config{Bus: b, Tenants: directory(tb), Dir: dir, MaxSpool: limit, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	return j
}

func shut(tb testing.TB, j *Journal) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := j.Close(ctx); err != nil {
		tb.Error(err)
	}
}

func one(body tenant.ID, fields ...slog.Attr) event.Event {
	now := time.Now()
	return event.Event{ID: event.NewID(now), Time: now, Tenant: body, Service: "waf", Name: "request_blocked", Fields: fields}
}

func TestConcurrentAppendsShareMessages(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBus{slow: 10 * time.Millisecond}
		j := open(t, b, dir, 0)
		var wait sync.WaitGroup
		for range 200 {
			wait.Go(func() {
				if err := j.Append(t.Context(), []event.Event{one("994413"), one("992011"), one("994413")}); err != nil {
					t.Error(err)
				}
			})
		}
		wait.Wait()
		if got := len(b.ids(t)); got != 600 {
			t.Errorf("%d events are on the bus, want 600", got)
		}
		if got := b.count(); got > 40 {
			t.Errorf("200 callers took %d messages, want them to share few", got)
		}
		shut(t, j)
	})
}

func TestAppendReturnsOnlyWhenTheEventsAreOnADisk(t *testing.T) {
	b := &fakeBus{err: errAway}
	dir := t.TempDir()
	j := open(t, b, dir, 0)
	var events []event.Event
	for i := range 3000 {
		events = append(events, one("994413", slog.Int("n", i)))
	}
	if err := j.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	if s := j.Stats(); s.Spooled != 3000 || s.Waiting == 0 || !s.Away || s.Appended != 3000 {
		t.Errorf("Stats = %+v, want 3000 events spooled and the bus away", s)
	}
	// The process dies here without a word: only the folder is left.
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	shut(t, j)
	back := &fakeBus{}
	j = open(t, back, copied, 0)
	wait(t, func() bool { return len(back.ids(t)) == 3000 })
	back.mu.Lock()
	for _, m := range back.messages {
		if !m.replayed {
			t.Errorf("the message %s is not marked as replayed", m.id)
		}
	}
	back.mu.Unlock()
	wait(t, func() bool { return j.Stats().Waiting == 0 })
	shut(t, j)
}

func TestAnUnknownAnswerIsRepeatedUnderTheSameID(t *testing.T) {
	b := &fakeBus{err: errAway, lost: true}
	j := open(t, b, t.TempDir(), 0)
	if err := j.Append(t.Context(), []event.Event{one("994413")}); err != nil {
		t.Fatal(err)
	}
	b.set(nil)
	wait(t, func() bool { return j.Stats().Waiting == 0 })
	shut(t, j)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) < 2 {
		t.Fatalf("%d messages, want the first and its repetition", len(b.messages))
	}
	for _, m := range b.messages[1:] {
		if m.id != b.messages[0].id || m.data != b.messages[0].data || !m.replayed {
			t.Errorf("the repetition %+v differs from the first message", m)
		}
	}
}

func TestAFullSpoolRefusesAndRecovers(t *testing.T) {
	b := &fakeBus{err: errAway}
	j := open(t, b, t.TempDir(), 8<<10)
	acked, refused := 0, 0
	for range 100 {
		switch err := j.Append(t.Context(), []event.Event{one("994413", slog.String("text", strings.Repeat("x", 500)))}); {
		case err == nil:
			acked++
		case errors.Is(err, ErrFull):
			refused++
		default:
			t.Fatal(err)
		}
	}
	if acked == 0 || refused == 0 {
		t.Fatalf("%d acknowledged and %d refused, want some of both", acked, refused)
	}
	if s := j.Stats(); s.Refused != uint64(refused) || s.Waiting > 8<<10 {
		t.Errorf("Stats = %+v, want %d refused and at most 8 KiB waiting", s, refused)
	}
	b.set(nil)
	wait(t, func() bool { return len(b.ids(t)) == acked && j.Stats().Waiting == 0 })
	if err := j.Append(t.Context(), []event.Event{one("994413")}); err != nil {
		t.Errorf("Append after the bus came back = %v", err)
	}
	shut(t, j)
}

func TestASpoolWithoutDiskDoesNotKeepTheJournalAwayFromTheBus(t *testing.T) {
	b := &fakeBus{err: errAway}
	j := open(t, b, t.TempDir(), 1) // nothing fits
	if err := j.Append(t.Context(), []event.Event{one("994413")}); !errors.Is(err, ErrFull) {
		t.Fatalf("Append = %v, want ErrFull", err)
	}
	b.set(nil)
	wait(t, func() bool { return j.Append(t.Context(), []event.Event{one("994413")}) == nil })
	shut(t, j)
}

func TestWhatIsAppendedAgainAfterARefusalIsMarked(t *testing.T) {
	b := &fakeBus{err: errAway, lost: true} // it keeps the message and its answer does not come
	j := open(t, b, t.TempDir(), 1)         // nothing fits
	again := []event.Event{one("994413")}
	if err := j.Append(t.Context(), again); !errors.Is(err, ErrFull) {
		t.Fatalf("Append = %v, want ErrFull", err)
	}
	b.set(nil)
	wait(t, func() bool { return j.Append(t.Context(), again) == nil })
	shut(t, j)
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.messages) < 2 {
		t.Fatalf("the bus has %d messages, want the first and its repetition", len(b.messages))
	}
	for n, m := range b.messages {
		if got, want := m.replayed, n > 0; got != want {
			t.Errorf("message %d is marked as replayed: %v, want %v: the store would have the event twice", n, got, want)
		}
	}
}

func TestAppendRefusesAnUnknownBodyAndAClosedJournal(t *testing.T) {
	b := &fakeBus{}
	j := open(t, b, t.TempDir(), 0)
	if err := j.Append(t.Context(), []event.Event{one("131016")}); err == nil {
		t.Error("Append took an event of a body that nobody knows")
	}
	if err := j.Append(t.Context(), nil); err != nil {
		t.Errorf("Append of nothing = %v", err)
	}
	if _, err := Open(Config{Bus: b, Tenants: directory(t), Dir: j.conf.Dir, Log: slog.New(slog.DiscardHandler), Now: time.Now}); err == nil {
		t.Error("two journals share one spool")
	}
	shut(t, j)
	if err := j.Append(t.Context(), []event.Event{one("994413")}); !errors.Is(err, ErrClosed) {
		t.Errorf("Append after Close = %v, want ErrClosed", err)
	}
	j.Emit(t.Context(), one("994413"))
	if got := j.Stats().Dropped; got != 1 {
		t.Errorf("%d events dropped after Close, want 1", got)
	}
}

func TestABatchWithAnUnknownBodyIsRefusedBeforeAnyOfItIsKept(t *testing.T) {
	bus := new(fakeBus)
	j := open(t, bus, t.TempDir(), 0)
	batch := []event.Event{one("994413"), one("131016"), one("994413")}
	for range 3 { // its reporter tries again
		if err := j.Append(t.Context(), batch); !errors.Is(err, event.ErrNoBody) {
			t.Fatalf("Append of an unknown body's event: %v, want %v", err, event.ErrNoBody)
		}
	}
	if err := j.Append(t.Context(), batch[:1]); err != nil {
		t.Fatal(err)
	}
	if got := bus.ids(t); len(got) != 1 || got[batch[0].ID.String()] != 1 {
		t.Errorf("on the bus are %v, want the known body's event once", got)
	}
	shut(t, j)
}

func TestAWaitingCallerMayLeave(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBus{slow: time.Second}
		j := open(t, b, dir, 0)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := j.Append(ctx, []event.Event{one("994413")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Append = %v, want its caller's deadline", err)
		}
		shut(t, j)
	})
}

func TestEmitNeverBlocksAndCountsWhatIsLost(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		b := &fakeBus{slow: patience / 2}
		j, err := Open(Config{Bus: b, Tenants: directory(t), Dir: dir, Ring: 64, Log: slog.New(slog.DiscardHandler), Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		for range 20_000 {
			j.Emit(t.Context(), one("994413"))
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("20000 calls of Emit waited %v", took)
		}
		if err := j.Close(t.Context()); err != nil {
			t.Error(err)
		}
		kept, dropped := len(b.ids(t)), int(j.Stats().Dropped)
		if kept+dropped != 20_000 || dropped == 0 || kept == 0 {
			t.Errorf("%d kept and %d dropped, want 20000 together and some of both", kept, dropped)
		}
	})
}

func TestCloseKeepsWhatWasEmitted(t *testing.T) {
	b := &fakeBus{}
	j := open(t, b, t.TempDir(), 0)
	for range 5000 {
		j.Emit(t.Context(), one("994413"))
	}
	j.Emit(t.Context(), one("131016")) // of nobody
	shut(t, j)
	if got := len(b.ids(t)); got != 5000 || j.Stats().Dropped != 1 {
		t.Errorf("%d events kept and %d dropped, want 5000 and 1", got, j.Stats().Dropped)
	}
}

func TestEveryRowIsOneThatTheLogStoreKeeps(t *testing.T) {
	now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	many := make([]slog.Attr, 5000)
	long := make([]slog.Attr, 200)
	for i := range many {
		many[i] = slog.Int(fmt.Sprint("field", i), i)
	}
	for i := range long {
		long[i] = slog.String(fmt.Sprint("long", i), strings.Repeat("\x00語", 9000))
	}
	deep := slog.Group("a", slog.Group(strings.Repeat("b", 200), slog.String("c", "d")), slog.Int("e", 1))
	for _, tt := range []struct {
		name   string
		e      event.Event
		fields int // at most
	}{
		{"nothing set", event.Event{Tenant: "994413"}, 10},
		{"far future", event.Event{Tenant: "994413", Time: now.AddDate(80000, 0, 0)}, 10},
		{"long ago", event.Event{Tenant: "994413", Time: now.AddDate(-3, 0, 0)}, 10},
		{"many fields", event.Event{Tenant: "994413", Time: now, Fields: many}, 320},
		{"long fields", event.Event{Tenant: "994413", Time: now, Fields: long}, 320},
		{"deep fields", event.Event{Tenant: "994413", Time: now, Fields: []slog.Attr{deep}}, 10},
		{"long names", event.Event{Tenant: "994413", Time: now, Service: strings.Repeat("s", 1<<20), Name: strings.Repeat("\x01", 1<<20)}, 10},
	} {
		line := appendRow(nil, &tt.e, now)
		var row map[string]any
		if err := json.Unmarshal(line, &row); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		at, err := time.Parse("2006-01-02T15:04:05.000000000Z", row["_time"].(string))
		if err != nil || at.Sub(now).Abs() > 31*24*time.Hour {
			t.Errorf("%s: the time is %v, %v", tt.name, row["_time"], err)
		}
		if len(line) > maxRow || len(row) > tt.fields {
			t.Errorf("%s: %d bytes and %d fields, want at most %d and %d", tt.name, len(line), len(row), maxRow, tt.fields)
		}
		for name := range row {
			if len(name) > 128 {
				t.Errorf("%s: a name of %d bytes", tt.name, len(name))
			}
		}
		if id, err := event.ParseID(row["event.id"].(string)); err != nil || id.IsZero() && tt.e.ID.IsZero() {
			t.Errorf("%s: the ID is %v", tt.name, row["event.id"])
		}
	}
}

func TestADamagedSegmentIsSetAsideAndTheRestGoesOn(t *testing.T) {
	b := &fakeBus{err: errAway}
	dir := t.TempDir()
	for range 2 {
		j := open(t, b, dir, 0)
		for range 3 {
			if err := j.Append(t.Context(), []event.Event{one("994413")}); err != nil {
				t.Fatal(err)
			}
		}
		shut(t, j)
	}
	segments, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	if err != nil || len(segments) < 2 {
		t.Fatalf("segments %v, %v; want two or more", segments, err)
	}
	content, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	content[30] ^= 1
	if err := os.WriteFile(segments[0], content, 0o600); err != nil {
		t.Fatal(err)
	}
	b.set(nil)
	j := open(t, b, dir, 0)
	wait(t, func() bool { return j.Stats().Waiting == 0 })
	shut(t, j)
	if bad, _ := filepath.Glob(filepath.Join(dir, "*.bad")); len(bad) != 1 {
		t.Errorf("%d segments are set aside, want 1", len(bad))
	}
	if got := len(b.ids(t)); got < 3 {
		t.Errorf("%d events reached the bus, want those of the whole segments", got)
	}
}

// wait polls for what other goroutines bring about.
func wait(t *testing.T, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within 20 s")
		}
	}
}

func BenchmarkAppendOf512(b *testing.B) {
	j := open(b, &fakeBus{}, b.TempDir(), 0)
	defer shut(b, j)
	batch := make([]event.Event, 512)
	for i := range batch {
		batch[i] = one("994413", slog.String("client.ip", "203.0.113.7"), slog.String("url.full", "https://www.vill.wakaba.example/news/index.html?page=12"),
			slog.String("http.request.method", "GET"), slog.Int("http.response.status_code", 200), slog.Int("event.duration", 7919))
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := j.Append(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/512, "ns/event")
}
