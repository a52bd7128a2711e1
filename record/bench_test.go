package record_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/sekikura/sekikura/record"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
)

// benchRecords is how many records stand in the store while it is measured;
// RECORD_BENCH_ROWS sets another number.
func benchRecords() int {
	if n, err := strconv.Atoi(os.Getenv("RECORD_BENCH_ROWS")); err == nil {
		return n
	}
	return 100_000
}

// BenchmarkRecords measures what a screen waits for, over 100,000 open records
// of one body.
func BenchmarkRecords(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) {
		bench(b, func(b *testing.B) store.Config { return store.Config{Path: filepath.Join(b.TempDir(), "control.db")} })
	})
	b.Run("PostgreSQL", func(b *testing.B) {
		bench(b, func(b *testing.B) store.Config { return store.Config{URL: postgrestest.Start(b).New(b)} })
	})
}

func bench(b *testing.B, conf func(*testing.B) store.Config) {
	place := conf(b)
	h := open(b, place)
	severities := []record.Severity{record.Critical, record.Important, record.Caution, record.Info}
	begin, began := h.now(), time.Now()
	for done := 0; done < benchRecords(); done += 1000 {
		var drafts []record.Draft
		for i := done; i < done+1000; i++ {
			drafts = append(drafts, record.Draft{
				Kind: []string{"case", "ticket", "failure", "task"}[i%4], Severity: severities[i/4%4], Owner: fmt.Sprint("staff", i%20),
				Title: fmt.Sprintf("端末 PC-%05d の検知", i), Body: "プロキシの記録に、既知の悪性サイトへの通信があった。利用者に確認し、端末を隔離する。", System: fmt.Sprint("system", i%200),
			})
		}
		h.set(begin.Add(time.Duration(done) * time.Second))
		if _, wrong, err := h.Import(b.Context(), ken, wakaba, drafts, false); err != nil || wrong != nil {
			b.Fatal(wrong, err)
		}
	}
	b.Logf("%d records imported in %v", benchRecords(), time.Since(began).Round(time.Second))
	if place.URL != "" {
		analyse(b, place.URL)
	}
	open := true
	for _, tt := range []struct {
		name string
		f    record.Filter
	}{
		{"newest", record.Filter{Open: &open}},
		{"due", record.Filter{Open: &open, Order: record.ByDue}},
		{"worst", record.Filter{Open: &open, Order: record.BySeverity}},
		{"kind", record.Filter{Open: &open, Kinds: []string{"failure"}}},
		{"owner", record.Filter{Open: &open, Owner: ptr("staff7")}},
		{"search_many", record.Filter{Text: "隔離"}},
		{"search_one", record.Filter{Text: "ｐｃ-00042"}},
		{"search_none", record.Filter{Text: "どこにもない語"}},
	} {
		b.Run("list/"+tt.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := h.List(b.Context(), ken, wakaba, tt.f); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("list/page_in_the_middle", func(b *testing.B) {
		f := record.Filter{Open: &open, Limit: 500}
		for range 40 {
			page, err := h.List(b.Context(), ken, wakaba, f)
			if err != nil || page.Next == "" {
				b.Skip("there are too few records for a middle")
			}
			f.Cursor = page.Next
		}
		f.Limit = 50
		for b.Loop() {
			if _, err := h.List(b.Context(), ken, wakaba, f); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("create", func(b *testing.B) {
		for b.Loop() {
			h.make(b, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
		}
	})
	b.Run("move", func(b *testing.B) {
		rec := h.make(b, ken, wakaba, record.Draft{Kind: "case", Title: "x", Owner: "ken"})
		rec = h.move(b, ken, rec, record.Step{Move: "take"})
		for b.Loop() {
			if rec.Entries > record.MaxEntries-10 {
				rec = h.move(b, ken, h.make(b, ken, wakaba, record.Draft{Kind: "case", Title: "x", Owner: "ken"}), record.Step{Move: "take"})
			}
			step := record.Step{Move: "ask", Reason: "x"}
			if rec.State == "waiting" {
				step = record.Step{Move: "answer"}
			}
			rec = h.move(b, ken, rec, step)
		}
	})
}

// analyse does at once what autovacuum does within minutes of such a load:
// without statistics the planner sorts where it could walk an index.
func analyse(b *testing.B, url string) {
	b.Helper()
	conn, err := pgx.Connect(b.Context(), url)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := conn.Close(b.Context()); err != nil {
			b.Error(err)
		}
	}()
	if _, err := conn.Exec(b.Context(), "ANALYZE"); err != nil {
		b.Fatal(err)
	}
}
