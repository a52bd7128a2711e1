package storetest

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
)

// thing is a row of every type.
type thing struct {
	name  string
	n     *int64
	flag  *bool
	at    *time.Time
	raw   []byte
	doc   json.RawMessage
	ratio *float64
	user  string
}

var (
	thingColumns = []string{"name", "number", "flag", "at", "raw", "doc", "ratio", "user"}
	addThing     = store.Insert{Table: "things", Columns: thingColumns}
	oneThing     = store.Select{Table: "things", Columns: thingColumns, Where: "name = ?"}
)

func scanThing(row store.Row) (v thing, err error) {
	return v, row.Scan(&v.name, &v.n, &v.flag, &v.at, &v.raw, &v.doc, &v.ratio, &v.user)
}

type kind string

func typesRoundTrip(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	late := time.Date(2026, 11, 22, 1, 2, 3, 123456000, time.FixedZone("JST", 9*3600))
	doc := json.RawMessage("{\"b\": 1,  \"a\":\"若葉\\u0000\"}")
	change(t, db, village, func(tx *store.Tx) error {
		return errors.Join(
			tx.Insert(t.Context(), addThing, kind("全部 '\"\\%"), math.MaxInt64, true, late, []byte{0, 255, 1}, doc, 1.5, "利用者"),
			tx.Insert(t.Context(), addThing, "", math.MinInt64, false, time.Time{}, []byte{}, `null`, -0.25, ""),
			tx.Insert(t.Context(), addThing, "null", nil, nil, nil, nil, nil, (*float64)(nil), "x"),
		)
	})
	got, err := store.One(t.Context(), db.Tenant(village), oneThing, scanThing, "全部 '\"\\%")
	if err != nil {
		t.Fatal(err)
	}
	if *got.n != math.MaxInt64 || !*got.flag || !got.at.Equal(late) || !bytes.Equal(got.raw, []byte{0, 255, 1}) || !bytes.Equal(got.doc, doc) || *got.ratio != 1.5 || got.user != "利用者" {
		t.Errorf("the full row came back as %+v", got)
	}
	if got.at.Location() != time.UTC {
		t.Errorf("a time came back in %v, want UTC", got.at.Location())
	}
	got, err = store.One(t.Context(), db.Tenant(village), oneThing, scanThing, "")
	if err != nil || *got.n != math.MinInt64 || *got.flag || !got.at.IsZero() || got.raw == nil || string(got.doc) != "null" || *got.ratio != -0.25 {
		t.Errorf("the row of zero values came back as %+v, %v", got, err)
	}
	got, err = store.One(t.Context(), db.Tenant(village), oneThing, scanThing, "null")
	if err != nil || got.n != nil || got.flag != nil || got.at != nil || got.raw != nil || got.doc != nil || got.ratio != nil {
		t.Errorf("the row of nulls came back as %+v, %v", got, err)
	}
	var when sql.Null[time.Time]
	var short int8
	one := func(columns []string, name string, into ...any) error {
		_, err := store.One(t.Context(), db.Tenant(village), store.Select{Table: "things", Columns: columns, Where: "name = ?"},
			func(row store.Row) (struct{}, error) { return struct{}{}, row.Scan(into...) }, name)
		return err
	}
	if err := one([]string{"at"}, "null", &when); err != nil || when.Valid {
		t.Errorf("a null time scans as %+v, %v", when, err)
	}
	if err := one([]string{"number"}, "", &short); err == nil {
		t.Errorf("a number that does not fit an int8 became %d", short)
	}
	if err := one([]string{"number", "at"}, "", &short); err == nil {
		t.Error("two columns scanned into one value")
	}
	if err := one([]string{"name"}, "", short); err == nil {
		t.Error("a column scanned into something that is no pointer")
	}
	if err := one([]string{"name"}, "absent", new(string)); !errors.Is(err, store.ErrNone) {
		t.Errorf("One without a row ends with %v, want ErrNone", err)
	}
}

func badValues(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	for _, tt := range []struct {
		what string
		args []any
	}{
		{"a text with NUL", []any{"a\x00b", nil, nil, nil, nil, nil, nil, ""}},
		{"a text that is not UTF-8", []any{"\xff", nil, nil, nil, nil, nil, nil, ""}},
		{"a number for a text", []any{7, nil, nil, nil, nil, nil, nil, ""}},
		{"a text for a number", []any{"a", "7", nil, nil, nil, nil, nil, ""}},
		{"a number beyond int64", []any{"a", uint64(math.MaxUint64), nil, nil, nil, nil, nil, ""}},
		{"a number for a bool", []any{"a", nil, 1, nil, nil, nil, nil, ""}},
		{"a text for a time", []any{"a", nil, nil, "2026-11-22", nil, nil, nil, ""}},
		{"a text for bytes", []any{"a", nil, nil, nil, "x", nil, nil, ""}},
		{"no JSON", []any{"a", nil, nil, nil, nil, "{", nil, ""}},
		{"NaN", []any{"a", nil, nil, nil, nil, nil, math.NaN(), ""}},
		{"null where it may not be", []any{"a", nil, nil, nil, nil, nil, nil, nil}},
		{"a struct", []any{struct{}{}, nil, nil, nil, nil, nil, nil, ""}},
		{"too few values", []any{"a"}},
		{"too many values", []any{"a", nil, nil, nil, nil, nil, nil, "", "b"}},
	} {
		err := db.Change(t.Context(), village, system, func(tx *store.Tx) error { return tx.Insert(t.Context(), addThing, tt.args...) })
		if err == nil {
			t.Errorf("%s was stored", tt.what)
		}
		if _, err := store.All(t.Context(), db.Tenant(village), oneThing, scanThing, tt.args...); err == nil && len(tt.args) > 1 {
			t.Errorf("%s: a select of one argument took %d", tt.what, len(tt.args))
		}
	}
	for _, bad := range []any{nil, "a\x00", "\xff", struct{}{}, []int{1}} {
		if _, err := store.All(t.Context(), db.Tenant(village), oneThing, scanThing, bad); err == nil {
			t.Errorf("%#v was taken as the argument of a condition", bad)
		}
	}
	if left := names(t, db, village); len(left) != 0 {
		t.Errorf("refused values left rows %q", left)
	}
}

func conditions(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	change(t, db, village, func(tx *store.Tx) error {
		for i, name := range []string{"Apple", "apple", "a%b", "a_b", `a\b`, "若葉", "~"} {
			var n any
			if i > 1 {
				n = i
			}
			if err := tx.Insert(t.Context(), addThing, name, n, i%2 == 0, time.UnixMicro(int64(i)+1), nil, nil, float64(i), ""); err != nil {
				return err
			}
		}
		return nil
	})
	for _, tt := range []struct {
		where, order string
		args         []any
		want         string
	}{
		{"", "name", nil, `Apple a%b a\b a_b apple ~ 若葉`}, // by bytes
		{"name LIKE ?", "name", []any{"a%"}, `a%b a\b a_b apple`},
		{"name LIKE ?", "name", []any{store.HasPrefix("a%")}, "a%b"},
		{"name LIKE ?", "name", []any{store.Contains("_")}, "a_b"},
		{"name LIKE ?", "name", []any{store.Contains(`\`)}, `a\b`},
		{"LOWER(name) LIKE LOWER(?)", "name", []any{store.HasPrefix("APP")}, "Apple apple"},
		{"name NOT LIKE '%p%' AND name <> ?", "name", []any{"~"}, `a%b a\b a_b 若葉`},
		{"number IS NULL", "name DESC", nil, "apple Apple"},
		{"number IS NOT NULL AND number > ?", "number DESC", []any{4}, "~ 若葉"},
		{"number BETWEEN ? AND ?", "number", []any{3, 4}, `a_b a\b`},
		{"flag", "name", nil, `Apple a%b a\b ~`},
		{"NOT flag", "name", nil, "a_b apple 若葉"},
		{"flag = ?", "name", []any{false}, "a_b apple 若葉"},
		{"at <= ? AND at > ?", "at", []any{time.UnixMicro(3), time.UnixMicro(1)}, "apple a%b"},
		{"ratio >= ?", "ratio", []any{5.0}, "若葉 ~"},
		{store.In("name", 2), "name", []any{"~", "apple"}, "apple ~"},
		{store.In("name", 0), "name", nil, ""},
		{"COALESCE(number, 0) = 0 or length(name) = 2", "name", nil, "Apple apple 若葉"},
		{"CASE WHEN flag THEN name ELSE 'x' END = 'Apple'", "", nil, "Apple"},
		{"user || name = ?", "", []any{"~"}, "~"},
		{"number + 1 - 1 = 2", "", nil, "a%b"},
		{"FALSE", "", nil, ""},
		{"name = ? OR TRUE", "number DESC, name", []any{"x"}, `~ 若葉 a\b a_b a%b Apple apple`}, // NULL sorts first
		{"TRUE", "number, name", nil, `Apple apple a%b a_b a\b 若葉 ~`},
		{"STATE = 'new' AND Name = '若葉'", "", nil, "若葉"},
	} {
		got, err := store.All(t.Context(), db.Tenant(village), store.Select{Table: "things", Columns: []string{"name"}, Where: tt.where, Order: tt.order}, text, tt.args...)
		if err != nil {
			t.Errorf("%s: %v", tt.where, err)
			continue
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%s ordered by %q found %q, want %s", tt.where, tt.order, got, tt.want)
		}
		n, err := db.Tenant(village).Count(t.Context(), store.Count{Table: "things", Where: tt.where}, tt.args...)
		if err != nil || n != int64(len(got)) {
			t.Errorf("%s: counted %d, %v, want %d", tt.where, n, err, len(got))
		}
	}
}

// escapes are conditions that try to reach behind the tenant predicate.
var escapes = []string{
	"TRUE) OR (TRUE", ") OR TRUE OR (", "TRUE; DELETE FROM things", "TRUE -- ", "TRUE /* ", "TRUE */", "name = 'a' -- '",
	"EXISTS (SELECT 1 FROM bodies)", "name IN (SELECT name FROM things)", "TRUE UNION ALL SELECT name FROM things",
	"tenant = '992011'", `"tenant" <> ''`, "[tenant] <> ''", "`tenant` <> ''", "things.tenant = 'a'", "name = 'it''s'", `name = '\'' OR 1=1`, "name = 'a",
	"name = $1", "name = ?1", "name = :a", "name = @a", "name = ??", "name = E'a'", "name::text = ''", "CAST(name AS TEXT) = ''", "name COLLATE nocase = ''",
	"pg_sleep(1) IS NULL", "current_setting('a') = ''", "set_config('sekikura.tenant', 'a', FALSE) = ''", "load_extension('a') IS NULL",
	"rowid = 1", "oid = 1", "ctid = '(0,1)'", "sqlite_version() = ''", "name LIKE name", "name LIKE ? ESCAPE '!'", "name ~ 'a'", "name GLOB 'a'", "name REGEXP 'a'",
	"number / 0 = 1", "number % 0 = 1", "0x10 = 16", "1e5 = 1", "1. = 1", "(name = ''", "name = '')", "nothing = 1", "lower = 'a'", "name()", "\xff", "name = '\xff'", "name = '\x00'", "１=１", "TRUE\x00",
}

func statementsRefused(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add(t, db, village, "mine")
	add(t, db, city, "theirs")
	try := func(st store.Statement) error {
		return db.Change(t.Context(), village, system, func(tx *store.Tx) (err error) {
			switch st := st.(type) {
			case store.Select:
				_, err = store.All(t.Context(), tx, st, text)
			case store.Count:
				_, err = tx.Count(t.Context(), st)
			case store.Update:
				_, err = tx.Update(t.Context(), st, "x")
			case store.Delete:
				_, err = tx.Delete(t.Context(), st)
			case store.Insert:
				err = tx.Insert(t.Context(), st, "x", "y")
			}
			return err
		})
	}
	for _, where := range escapes {
		for _, st := range []store.Statement{
			store.Select{Table: "things", Columns: []string{"name"}, Where: where},
			store.Count{Table: "things", Where: where},
			store.Update{Table: "things", Set: []string{"state"}, Where: where},
			store.Delete{Table: "things", Where: where},
		} {
			if err := try(st); err == nil {
				t.Errorf("%#v was run", st)
			}
		}
	}
	for _, st := range []store.Statement{
		store.Select{Table: "things", Columns: []string{"name"}, Order: "name; DROP TABLE things"},
		store.Select{Table: "things", Columns: []string{"name"}, Order: "tenant"},
		store.Select{Table: "things", Columns: []string{"name"}, Order: "1"},
		store.Select{Table: "things", Columns: []string{"name"}, Order: "name,"},
		store.Select{Table: "things", Columns: []string{"name"}, Order: "name SIDEWAYS"},
		store.Select{Table: "things", Columns: []string{"name"}, Limit: -1},
		store.Select{Table: "things", Columns: []string{"tenant"}},
		store.Select{Table: "things", Columns: []string{`name", "tenant`}},
		store.Select{Table: "things", Columns: []string{"name", "name"}},
		store.Select{Table: "things"},
		store.Select{Table: "sekikura_audit", Columns: []string{"actor"}},
		store.Select{Table: "river_job", Columns: []string{"args"}},
		store.Select{Table: "sqlite_master", Columns: []string{"name"}},
		store.Select{Table: `things" --`, Columns: []string{"name"}},
		store.Insert{Table: "things", Columns: []string{"tenant", "name"}},
		store.Insert{Table: "things", Columns: []string{"name", "tenant"}},
		store.Insert{Table: "things", Columns: []string{"name", "nothing"}},
		store.Update{Table: "things", Set: []string{"tenant"}, Where: "TRUE"},
		store.Update{Table: "things", Set: []string{"state"}},
		store.Update{Table: "things", Where: "TRUE"},
		store.Delete{Table: "things"},
		store.Delete{Table: "things", Where: "  "},
	} {
		if err := try(st); err == nil {
			t.Errorf("%#v was run", st)
		}
	}
	if got := append(names(t, db, village), names(t, db, city)...); !slices.Equal(got, []string{"mine", "theirs"}) {
		t.Errorf("refused statements left %q", got)
	}
}

func limits(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add(t, db, village, "a", "b", "c")
	sel := store.Select{Table: "things", Columns: []string{"name"}, Where: "name >= ?", Order: "name", LimitArg: true}
	if got, err := store.All(t.Context(), db.Tenant(village), sel, text, "b", 1); err != nil || !slices.Equal(got, []string{"b"}) {
		t.Errorf("limit 1 found %q, %v", got, err)
	}
	if got, err := store.One(t.Context(), db.Tenant(village), sel, text, "b", 2); err != nil || got != "b" {
		t.Errorf("One found %q, %v", got, err)
	}
	for _, bad := range []any{0, -1, "1", nil, 1.5} {
		if _, err := store.All(t.Context(), db.Tenant(village), sel, text, "b", bad); err == nil {
			t.Errorf("limit %v was taken", bad)
		}
	}
	sel.LimitArg, sel.Limit = false, 2
	if got, err := store.All(t.Context(), db.Tenant(village), sel, text, "a"); err != nil || len(got) != 2 {
		t.Errorf("a fixed limit of 2 found %q, %v", got, err)
	}
}
