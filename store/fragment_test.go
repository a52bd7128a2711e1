package store

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

const (
	fuzzMine   tenant.ID = "994413"
	fuzzTheirs tenant.ID = "992011"
)

// fuzzTime is fixed, so that every process of a fuzz run signs the same.
var fuzzTime = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

var fuzzSchema = Schema{Service: "fuzz", Migrations: []Migration{{Number: 1, Steps: []Step{
	CreateTable{Name: "things", Key: []string{"name"}, Columns: []Column{{Name: "name"}, {Name: "n", Type: Int, Null: true}, {Name: "flag", Type: Bool, Default: "TRUE"}}},
}}}}

func openFuzz(tb testing.TB) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), Config{Path: filepath.Join(tb.TempDir(), "fuzz.db"), Now: func() time.Time { return fuzzTime }}, fuzzSchema)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	for _, id := range []tenant.ID{fuzzMine, fuzzTheirs} {
		err := db.Change(tb.Context(), id, System("fuzz"), func(tx *Tx) error {
			for _, name := range []string{"a", "b", "of " + string(id)} {
				if err := tx.Insert(tb.Context(), Insert{Table: "things", Columns: []string{"name", "n"}}, name, len(name)); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	return db
}

// FuzzConditionsStayWithinTheTenant asks SQLite itself for the second opinion:
// whatever condition or order passes the check, no row of another tenant comes
// back, none is changed, and the schema is the same afterwards.
func FuzzConditionsStayWithinTheTenant(f *testing.F) {
	for _, seed := range []string{
		"", "name = ?", "name LIKE ? AND n IS NOT NULL", "LOWER(name) LIKE LOWER(?)", "n IN (?, ?, 3) OR NOT flag", "TRUE) OR (TRUE",
		"name = 'a' -- ", "name = 'a''b'", "n BETWEEN 1 AND 2", "CASE WHEN flag THEN n ELSE 0 END > -1", "COALESCE(n, 0) + 1.5 >= ABS(?)",
		"TRUE; DROP TABLE things", "name = \"tenant\"", "((TRUE))", "name LIKE '%' ESCAPE 'x'", "E'a'", "name || 'x' <> 'y'", "n=1 OR/**/TRUE",
	} {
		f.Add(seed, "name DESC, n")
	}
	f.Add("TRUE", "name; DROP TABLE things")
	f.Add("TRUE", "1, (SELECT 1)")
	db := openFuzz(f)
	f.Fuzz(func(t *testing.T, where, order string) {
		whole := wholeInstallation{Select{Table: "things", Columns: []string{"name"}}}
		c, err := db.catalog.compile(Select{Table: "things", Columns: []string{"name"}, Where: where, Order: order})
		if err != nil {
			return
		}
		if p, err := db.catalog.build(Select{Table: "things", Columns: []string{"name"}, Where: where, Order: order}, postgres); err != nil || strings.Contains(p.sql, "?") != strings.Contains(strings.Join(texts(where), ""), "?") {
			t.Errorf("PostgreSQL's form of %q is %+v, %v", where, p, err)
		}
		args := make([]any, 0, len(c.params))
		for range len(c.params) - 1 {
			args = append(args, "a")
		}
		ctx := t.Context()
		_ = db.engine.read(ctx, string(fuzzMine), func(s session) error { // an error of SQLite is as good as a refusal
			return selectRows(ctx, db.catalog, s, fuzzMine, Select{Table: "things", Columns: []string{"name"}, Where: where, Order: order}, args, func(row Row) error {
				var name string
				if err := row.Scan(&name); err != nil {
					return err
				}
				if strings.Contains(name, string(fuzzTheirs)) {
					t.Errorf("condition %q ordered by %q found another tenant's row", where, order)
				}
				return nil
			})
		})
		if strings.TrimSpace(where) != "" {
			_ = db.Change(ctx, fuzzMine, System("fuzz"), func(tx *Tx) error {
				n, err := tx.Delete(ctx, Delete{Table: "things", Where: where}, args...)
				if err == nil && n > 3 {
					t.Errorf("condition %q deleted %d rows, and the tenant has 3", where, n)
				}
				if err != nil {
					return err
				}
				return ErrNone // roll back
			})
		}
		rows := 0
		err = db.engine.read(ctx, everybody, func(s session) error {
			return acrossRows(ctx, db.catalog, s, Across{Name: "x", Reason: "x", Select: whole.Select}, "", nil, func(tenant.ID, Row) error { rows++; return nil })
		})
		if err != nil || rows != 6 {
			t.Fatalf("after condition %q there are %d rows, %v, want 6", where, rows, err)
		}
	})
}

// texts returns the quoted parts of a condition that passed the check.
func texts(where string) []string {
	tokens, err := tokenize(where)
	if err != nil {
		return nil
	}
	var all []string
	for _, tok := range tokens {
		if tok.kind == textToken {
			all = append(all, tok.text)
		}
	}
	return all
}

func TestPatternsFindWhatTheyWereMadeFrom(t *testing.T) {
	for _, tt := range []struct{ got, want string }{
		{Contains(`50%_a\b`), `%50\%\_a\\b%`},
		{HasPrefix("若葉"), "若葉%"},
		{In("a", 3), "a IN (?, ?, ?)"},
		{In("a", -1), "(FALSE)"},
	} {
		if tt.got != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
}

func TestOnlyWhatTheDatabaseAsksToRepeatIsRepeated(t *testing.T) {
	db := openFuzz(t)
	calls := 0
	err := db.Change(t.Context(), fuzzMine, System("fuzz"), func(tx *Tx) error {
		calls++
		return tx.Insert(t.Context(), Insert{Table: "things", Columns: []string{"name"}}, "a")
	})
	if err == nil || calls != 1 {
		t.Errorf("a change that violates a key ran %d times and ended with %v, want once", calls, err)
	}
}

func BenchmarkSelectOne(b *testing.B) {
	db := openFuzz(b)
	sel := Select{Table: "things", Columns: []string{"name", "n"}, Where: "name = ?"}
	b.ReportAllocs()
	for b.Loop() {
		_, err := One(b.Context(), db.Tenant(fuzzMine), sel, func(row Row) (name string, err error) {
			var n int
			return name, row.Scan(&name, &n)
		}, "a")
		if err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAuditAppend(b *testing.B) {
	db := openFuzz(b)
	actor := Actor{Account: "mura01", Tenant: fuzzMine, Address: "127.10.0.9"}
	b.ReportAllocs()
	for b.Loop() {
		err := db.Change(b.Context(), fuzzMine, actor, func(tx *Tx) error {
			tx.Audit(Audit{Action: "policy.write", Object: "waf", Before: []byte(`{"level":1}`), After: []byte(`{"level":2}`), Reason: "令8-0412"})
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
