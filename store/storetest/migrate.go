package storetest

import (
	"strings"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/store"
)

// upTo is the suite's schema as an older release had it.
func upTo(migration int) store.Schema {
	return store.Schema{Service: schema.Service, Migrations: schema.Migrations[:migration]}
}

func migrations(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	old, err := tryOpen(t.Context(), p, upTo(1))
	if err != nil {
		t.Fatal(err)
	}
	add(t, old, village, "kept")
	shut(t, old)
	for range 2 { // the second time nothing is left to do
		db, err := tryOpen(t.Context(), p, schema)
		if err != nil {
			t.Fatal(err)
		}
		states, err := store.All(t.Context(), db.Tenant(village), store.Select{Table: "things", Columns: []string{"state"}}, text)
		if err != nil || len(states) != 1 || states[0] != "new" {
			t.Errorf("after the added column states are %q, %v", states, err)
		}
		shut(t, db)
	}
	column := store.Column{Name: "a"}
	table := func(steps ...store.Step) store.Schema {
		return store.Schema{Service: "bad", Migrations: []store.Migration{{Number: 1, Steps: steps}}}
	}
	good := store.CreateTable{Name: "t", Columns: []store.Column{column}, Key: []string{"a"}}
	for what, bad := range map[string]store.Schema{
		"no service":               {},
		"the built-in service":     {Service: "store"},
		"a migration 2 without 1":  {Service: "bad", Migrations: []store.Migration{{Number: 2}}},
		"a table twice":            table(good, good),
		"a table of another":       table(store.CreateTable{Name: "bodies", Columns: []store.Column{column}}),
		"a reserved name":          table(store.CreateTable{Name: "sekikura_x", Columns: []store.Column{column}}),
		"a name with a quote":      table(store.CreateTable{Name: `t"`, Columns: []store.Column{column}}),
		"a column tenant":          table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "tenant"}}}),
		"a column twice":           table(store.CreateTable{Name: "t", Columns: []store.Column{column, column}}),
		"a column named null":      table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "null"}}}),
		"a column of no type":      table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "a", Type: 99}}}),
		"a default of two words":   table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "a", Default: "'a' CHECK"}}}),
		"a default that calls":     table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "a", Default: "now()"}}}),
		"a key of nothing":         table(store.CreateTable{Name: "t", Columns: []store.Column{column}, Key: []string{"b"}}),
		"a null key":               table(store.CreateTable{Name: "t", Columns: []store.Column{{Name: "a", Null: true}}, Key: []string{"a"}}),
		"an added column not null": table(good, store.AddColumn{Table: "t", Column: store.Column{Name: "b"}}),
		"a column for another":     table(store.AddColumn{Table: "bodies", Column: store.Column{Name: "b", Null: true}}),
		"an index on nothing":      table(good, store.CreateIndex{Table: "t", Name: "i", Columns: []string{"b"}}),
		"an index on another":      table(store.CreateIndex{Table: "bodies", Name: "i", Columns: []string{"operator"}}),
		"a statement on another":   {Service: "bad", Statements: []store.Statement{store.Count{Table: "bodies"}}},
		"a statement on nothing":   {Service: "bad", Statements: []store.Statement{store.Count{Table: "t"}}},
		"a condition that escapes": {Service: "bad", Migrations: table(good).Migrations, Statements: []store.Statement{store.Count{Table: "t", Where: "a = '') OR ('' = ''"}}},
	} {
		db, err := tryOpen(t.Context(), p, schema, bad)
		if err == nil {
			t.Errorf("a schema with %s was opened", what)
			shut(t, db)
		}
	}
}

func migrationChanged(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	db, err := tryOpen(t.Context(), p, upTo(1))
	if err != nil {
		t.Fatal(err)
	}
	shut(t, db)
	other := store.Schema{Service: schema.Service, Migrations: []store.Migration{{Number: 1, Steps: []store.Step{
		store.CreateTable{Name: "things", Key: []string{"name"}, Columns: []store.Column{{Name: "name"}}},
	}}}}
	db, err = tryOpen(t.Context(), p, other)
	if err == nil {
		shut(t, db)
		t.Fatal("a migration that changed after it was applied was not noticed")
	}
	if !strings.Contains(err.Error(), "migration 1 of suite") {
		t.Errorf("the error %q does not name the migration", err)
	}
}

// nextRelease opens with release N-1 what release N has migrated.
func nextRelease(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	next := open(t, p)
	old, err := tryOpen(t.Context(), p, upTo(1))
	if err != nil {
		t.Fatalf("the older release does not open: %v", err)
	}
	defer shut(t, old)
	add(t, old, village, "by the older")
	add(t, next, village, "by the newer")
	for _, db := range []*store.DB{old, next} {
		if got := names(t, db, village); len(got) != 2 {
			t.Errorf("a release reads %q, want both rows", got)
		}
	}
}

func openersWait(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			db, err := tryOpen(t.Context(), p, schema)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := store.All(t.Context(), db.Tenant(village), allNames, text); err != nil {
				t.Error(err)
			}
			shut(t, db)
		})
	}
	all.Wait()
}

func migrationBreaks(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	db := open(t, p)
	change(t, db, village, func(tx *store.Tx) error {
		if err := tx.Insert(t.Context(), addThing, "a", nil, nil, nil, nil, nil, nil, "same"); err != nil {
			return err
		}
		return tx.Insert(t.Context(), addThing, "b", nil, nil, nil, nil, nil, nil, "same")
	})
	// The table is made, then the index cannot be: the rows already collide.
	grown := schema
	grown.Migrations = append(append([]store.Migration{}, schema.Migrations...), store.Migration{Number: 3, Steps: []store.Step{
		store.CreateTable{Name: "later", Columns: []store.Column{{Name: "a"}}},
		store.CreateIndex{Table: "things", Name: "things_by_user", Columns: []string{"user"}, Unique: true},
	}})
	broken, err := tryOpen(t.Context(), p, grown)
	if err == nil {
		shut(t, broken)
		t.Fatal("a unique index was made over rows that collide")
	}
	if !strings.Contains(err.Error(), "migration 3 of suite") {
		t.Errorf("the error %q does not name the migration", err)
	}
	change(t, db, village, func(tx *store.Tx) error {
		_, err := tx.Delete(t.Context(), store.Delete{Table: "things", Where: "name = 'b'"})
		return err
	})
	mended, err := tryOpen(t.Context(), p, grown) // the table must not stand already
	if err != nil {
		t.Fatalf("after mending the rows: %v", err)
	}
	shut(t, mended)
}
