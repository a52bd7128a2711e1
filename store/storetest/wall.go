package storetest

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// wall tries every kind of statement as the village on rows of the city that
// have the same keys.
func wall(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add(t, db, city, "same", "only theirs")
	add(t, db, village, "same")

	if got := names(t, db, village); !slices.Equal(got, []string{"same"}) {
		t.Errorf("a select of all rows found %q, want the village's alone", got)
	}
	for _, where := range []string{"TRUE", "name = 'only theirs' OR TRUE", "name = 'only theirs'", "NOT FALSE OR name = 'x'"} {
		got, err := store.All(t.Context(), db.Tenant(village), store.Select{Table: "things", Columns: []string{"name"}, Where: where}, text)
		if err != nil || slices.Contains(got, "only theirs") {
			t.Errorf("a select where %s found %q, %v", where, got, err)
		}
	}
	if n, err := db.Tenant(village).Count(t.Context(), store.Count{Table: "things", Where: "TRUE OR TRUE"}); err != nil || n != 1 {
		t.Errorf("counted %d, %v, want 1", n, err)
	}
	change(t, db, village, func(tx *store.Tx) error {
		if got, err := store.All(t.Context(), tx, allNames, text); err != nil || !slices.Equal(got, []string{"same"}) {
			t.Errorf("within a change a select found %q, %v", got, err)
		}
		if n, err := tx.Count(t.Context(), store.Count{Table: "things"}); err != nil || n != 1 {
			t.Errorf("within a change counted %d, %v, want 1", n, err)
		}
		if n, err := tx.Update(t.Context(), store.Update{Table: "things", Set: []string{"state"}, Where: "TRUE OR TRUE"}, "taken"); err != nil || n != 1 {
			t.Errorf("an update of everything changed %d rows, %v, want 1", n, err)
		}
		if n, err := tx.Update(t.Context(), store.Update{Table: "things", Set: []string{"state"}, Where: "name = ?"}, "taken", "only theirs"); err != nil || n != 0 {
			t.Errorf("an update of the city's row changed %d rows, %v, want 0", n, err)
		}
		replace := store.Insert{Table: "things", Columns: []string{"name", "state"}, OrReplace: true}
		if err := tx.Insert(t.Context(), replace, "only theirs", "replaced"); err != nil {
			t.Error(err)
		}
		if n, err := tx.Delete(t.Context(), store.Delete{Table: "things", Where: "TRUE OR TRUE"}); err != nil || n != 2 {
			t.Errorf("a delete of everything removed %d rows, %v, want the village's 2", n, err)
		}
		return nil
	})
	states, err := store.All(t.Context(), db.Tenant(city), store.Select{Table: "things", Columns: []string{"state"}}, text)
	if err != nil || !slices.Equal(states, []string{"new", "new"}) {
		t.Errorf("after the village's statements the city's rows are in states %q, %v, want new", states, err)
	}
}

func badTenants(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	for _, id := range []tenant.ID{"", "*", "994414", "994413,992011", "' OR ''='", "x-", "99441"} {
		if _, err := store.All(t.Context(), db.Tenant(id), allNames, text); err == nil {
			t.Errorf("rows of %q were read", id)
		}
		if _, err := db.Tenant(id).Count(t.Context(), store.Count{Table: "things"}); err == nil {
			t.Errorf("rows of %q were counted", id)
		}
		if err := db.Change(t.Context(), id, system, func(*store.Tx) error { return nil }); err == nil {
			t.Errorf("a change of %q was made", id)
		}
		if _, err := db.AuditLog(t.Context(), id, store.AuditFilter{}); err == nil {
			t.Errorf("the audit log of %q was read", id)
		}
		if _, err := db.VerifyAudit(t.Context(), id, nil); err == nil {
			t.Errorf("the audit log of %q was verified", id)
		}
	}
	if err := db.Change(t.Context(), village, store.Actor{}, func(*store.Tx) error { return nil }); err == nil {
		t.Error("a change by nobody was made")
	}
}

func uniqueEverywhere(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add := func(id tenant.ID) error {
		return db.Change(t.Context(), id, system, func(tx *store.Tx) error {
			return tx.Insert(t.Context(), store.Insert{Table: "logins", Columns: []string{"login"}}, "taro")
		})
	}
	if err := add(village); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tenant.ID{village, city} {
		if err := add(id); !errors.Is(err, store.ErrExists) {
			t.Errorf("a login that the village has, added by %s, ends with %v, want ErrExists", id, err)
		}
	}
}

func across(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	register(t, db)
	for _, id := range []tenant.ID{operator, village, city, stranger} {
		add(t, db, id, "of "+string(id))
	}
	machine := store.Across{Name: "suite.machine", Reason: "試験", Machine: true, Select: allNames}
	read := func(a store.Across, above tenant.ID, actor store.Actor) ([]string, error) {
		var got []string
		err := db.Across(t.Context(), a, above, actor, func(id tenant.ID, row store.Row) error {
			name, err := text(row)
			got = append(got, fmt.Sprintf("%s %s", id, name))
			return err
		})
		return got, err
	}
	want := []string{"990001 of 990001", "992011 of 992011", "994413 of 994413"}
	for _, tt := range []struct {
		a     store.Across
		actor store.Actor
	}{{overview, ken}, {overview, system}, {machine, system}} {
		if got, err := read(tt.a, operator, tt.actor); err != nil || !slices.Equal(got, want) {
			t.Errorf("%s by %s read %q, %v, want %q", tt.a.Name, tt.actor.Account, got, err, want)
		}
	}
	if got, err := read(machine, "", system); err != nil || len(got) != 4 {
		t.Errorf("the whole installation is %q, %v, want 4 rows", got, err)
	}
	if got, err := read(overview, village, clerk); err != nil || len(got) != 0 {
		t.Errorf("a village that is no operator read %q, %v, want nothing", got, err)
	}
	for _, tt := range []struct {
		why   string
		a     store.Across
		above tenant.ID
		actor store.Actor
	}{
		{"a village under its operator's name", overview, operator, clerk},
		{"another operator", overview, stranger, ken},
		{"a person through a machine's read", machine, operator, ken},
		{"a person over the whole installation", machine, "", ken},
		{"a person's read over the whole installation", overview, "", system},
		{"a read without a name", store.Across{Reason: "x", Select: allNames}, operator, ken},
		{"a read without a reason", store.Across{Name: "x", Select: allNames}, operator, ken},
		{"a condition that escapes", store.Across{Name: "x", Reason: "x", Select: store.Select{Table: "things", Columns: []string{"name"}, Where: "TRUE) OR (TRUE"}}, operator, ken},
	} {
		if got, err := read(tt.a, tt.above, tt.actor); err == nil {
			t.Errorf("%s read %q", tt.why, got)
		}
	}
	// Within a change the machine's reads see others, and then the wall stands again.
	change(t, db, village, func(tx *store.Tx) error {
		seen := 0
		if err := tx.Across(t.Context(), machine, "", func(tenant.ID, store.Row) error { seen++; return nil }); err != nil || seen != 4 {
			t.Errorf("within a change saw %d rows, %v, want 4", seen, err)
		}
		if got, err := store.All(t.Context(), tx, allNames, text); err != nil || len(got) != 1 {
			t.Errorf("after it the village reads %q, %v", got, err)
		}
		return tx.Insert(t.Context(), addName, "later")
	})
	err := db.Change(t.Context(), village, system, func(tx *store.Tx) error {
		return tx.Across(t.Context(), overview, operator, func(tenant.ID, store.Row) error { return nil })
	})
	if err == nil {
		t.Error("a person's read was made within a change, unnoted")
	}
	err = db.View(t.Context(), func(v *store.View) error {
		return v.Across(t.Context(), overview, func(tenant.ID, store.Row) error { return nil })
	})
	if err == nil {
		t.Error("a person's read was made in a view, unnoted")
	}
}

func acrossNoted(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	register(t, db)
	if err := db.Across(t.Context(), overview, operator, ken, func(tenant.ID, store.Row) error { return nil }); err != nil {
		t.Fatal(err)
	}
	for _, id := range []tenant.ID{village, city} {
		page, err := db.AcrossLog(t.Context(), id, store.AuditFilter{})
		if err != nil || len(page.Records) != 1 || page.Records[0].Actor != "ken01" || page.Records[0].Object != "suite.overview" || page.Records[0].Reason != "試験" {
			t.Errorf("%s sees %+v, %v", id, page, err)
		}
	}
	if page, err := db.AcrossLog(t.Context(), stranger, store.AuditFilter{}); err != nil || len(page.Records) != 0 {
		t.Errorf("another operator's body sees %+v, %v", page, err)
	}
}
