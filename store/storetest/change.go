package storetest

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

func changeRollsBack(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	err := db.Change(t.Context(), village, system, func(tx *store.Tx) error {
		if err := tx.Insert(t.Context(), addName, "a"); err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "test.add"})
		tx.Touch("things")
		return errOurs
	})
	if !errors.Is(err, errOurs) {
		t.Errorf("Change returned %v, want the function's own error", err)
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("a panic was swallowed")
			}
		}()
		err := db.Change(t.Context(), village, system, func(tx *store.Tx) error {
			if err := tx.Insert(t.Context(), addName, "b"); err != nil {
				return err
			}
			panic("broken invariant")
		})
		t.Errorf("Change returned %v behind a panic", err)
	}()
	if got := names(t, db, village); len(got) != 0 {
		t.Errorf("changes that did not commit left %q", got)
	}
	if n, err := db.Revision(t.Context(), "things"); err != nil || n != 0 {
		t.Errorf("a change that did not commit moved the topic to %d, %v", n, err)
	}
	if page, err := db.AuditLog(t.Context(), village, store.AuditFilter{}); err != nil || len(page.Records) != 0 {
		t.Errorf("a change that did not commit left audit records %+v, %v", page, err)
	}
	add(t, db, village, "c") // and the store still works
}

func unaudited(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	insert := func(tx *store.Tx) error { return tx.Insert(t.Context(), addName, "a") }
	for _, actor := range []store.Actor{clerk, {Account: "system:"}, {Account: "System:x"}} {
		if err := db.Change(t.Context(), village, actor, insert); !errors.Is(err, store.ErrUnaudited) {
			t.Errorf("an unaudited change by %s ends with %v, want ErrUnaudited", actor.Account, err)
		}
	}
	if got := names(t, db, village); len(got) != 0 {
		t.Errorf("unaudited changes left %q", got)
	}
	if err := db.Change(t.Context(), village, clerk, func(*store.Tx) error { return nil }); err != nil {
		t.Errorf("a change that wrote nothing ends with %v", err)
	}
	for _, bad := range []store.Audit{{}, {Action: "x", After: []byte("{")}, {Action: "x", Before: []byte("nope")}} {
		err := db.Change(t.Context(), village, clerk, func(tx *store.Tx) error { tx.Audit(bad); return insert(tx) })
		if err == nil {
			t.Errorf("audit record %+v was taken", bad)
		}
	}
	err := db.Change(t.Context(), village, clerk, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "thing.add"})
		return insert(tx)
	})
	if err != nil || len(names(t, db, village)) != 1 {
		t.Errorf("an audited change ends with %v", err)
	}
}

func brokenStays(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add(t, db, village, "a")
	err := db.Change(t.Context(), village, system, func(tx *store.Tx) error {
		if err := tx.Insert(t.Context(), addName, "b"); err != nil {
			return err
		}
		if err := tx.Insert(t.Context(), addName, "a"); !errors.Is(err, store.ErrExists) {
			t.Errorf("a second row of the same key ends with %v, want ErrExists", err)
		}
		if _, err := store.All(t.Context(), tx, allNames, text); !errors.Is(err, store.ErrExists) {
			t.Errorf("a read after an error ends with %v, want that error", err)
		}
		return nil // swallowed
	})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("Change returned %v, want ErrExists", err)
	}
	if got := names(t, db, village); !slices.Equal(got, []string{"a"}) {
		t.Errorf("left are %q, want a alone", got)
	}
	err = db.Change(t.Context(), village, system, func(tx *store.Tx) error {
		return errors.Join(tx.Insert(t.Context(), addThing, "x", 1, nil, nil, nil, nil, nil, ""), tx.Insert(t.Context(), addThing, "y", 1, nil, nil, nil, nil, nil, ""))
	})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("a second row in a unique index ends with %v, want ErrExists", err)
	}
}

// nested would work on SQLite and not on PostgreSQL, if it were let through.
func nested(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	add(t, db, village, "a", "b")
	machine := store.Across{Name: "suite.machine", Reason: "試験", Machine: true, Select: allNames}
	for what, within := range map[string]func(*store.Tx) error{
		"an insert": func(tx *store.Tx) error { return tx.Insert(t.Context(), addName, "c") },
		"a count": func(tx *store.Tx) error {
			_, err := tx.Count(t.Context(), store.Count{Table: "things"})
			return err
		},
		"a select": func(tx *store.Tx) error {
			_, err := store.All(t.Context(), tx, allNames, text)
			return err
		},
		"a job": func(tx *store.Tx) error { return tx.Enqueue(t.Context(), greet{"c"}, nil) },
		"a read across": func(tx *store.Tx) error {
			return tx.Across(t.Context(), machine, "", func(tenant.ID, store.Row) error { return nil })
		},
	} {
		for _, read := range []func(*store.Tx) error{
			func(tx *store.Tx) error {
				_, err := store.All(t.Context(), tx, allNames, func(store.Row) (string, error) { return "", within(tx) })
				return err
			},
			func(tx *store.Tx) error {
				return tx.Across(t.Context(), machine, "", func(tenant.ID, store.Row) error { return within(tx) })
			},
		} {
			if err := db.Change(t.Context(), village, system, read); err == nil {
				t.Errorf("%s within the rows of a read was made", what)
			}
		}
	}
	err := db.View(t.Context(), func(v *store.View) error {
		return v.Across(t.Context(), machine, func(tenant.ID, store.Row) error {
			_, err := v.Revision(t.Context(), "settings")
			return err
		})
	})
	if err == nil {
		t.Error("a revision within the rows of a view was read")
	}
	if got := names(t, db, village); !slices.Equal(got, []string{"a", "b"}) {
		t.Errorf("left are %q", got)
	}
}

func orReplace(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	change(t, db, village, func(tx *store.Tx) error {
		return errors.Join(
			tx.Insert(t.Context(), addThing, "a", 1, true, nil, nil, nil, nil, "taro"),
			tx.Insert(t.Context(), store.Insert{Table: "things", Columns: []string{"name", "number"}, OrReplace: true}, "a", 2),
			tx.Insert(t.Context(), store.Insert{Table: "things", Columns: []string{"name"}, OrReplace: true}, "a"),
			tx.Insert(t.Context(), addCounter, 1),
			tx.Insert(t.Context(), store.Insert{Table: "counters", Columns: []string{"value"}, OrReplace: true}, 5),
		)
	})
	got, err := store.One(t.Context(), db.Tenant(village), oneThing, scanThing, "a")
	if err != nil || *got.n != 2 || got.user != "taro" {
		t.Errorf("after replacing the number the row is %+v, %v", got, err)
	}
	if n, err := store.One(t.Context(), db.Tenant(village), readCounter, number); err != nil || n != 5 {
		t.Errorf("the only row of a table without key is %d, %v, want 5", n, err)
	}
}

// concurrent lets many changes read a number and write it back one higher.
func concurrent(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	change(t, db, village, func(tx *store.Tx) error { return tx.Insert(t.Context(), addCounter, 0) })
	const workers, each = 4, 15
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				err := db.Change(t.Context(), village, clerk, func(tx *store.Tx) error {
					n, err := store.One(t.Context(), tx, readCounter, number)
					if err != nil {
						return err
					}
					if _, err = tx.Update(t.Context(), setCounter, n+1); err != nil {
						return err
					}
					tx.Audit(store.Audit{Action: "counter.add"})
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	if n, err := store.One(t.Context(), db.Tenant(village), readCounter, number); err != nil || n != workers*each {
		t.Errorf("%d changes counted to %d, %v", workers*each, n, err)
	}
	if report, err := db.VerifyAudit(t.Context(), village, nil); err != nil || report.Faults != nil || report.Records != workers*each {
		t.Errorf("their audit chain is %+v, %v", report, err)
	}
}

// writeSkew lets two changes each add a row only if the other's is absent: the
// anomaly that snapshot isolation allows and a serializable transaction does not.
func writeSkew(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	for round := range 10 {
		a, b := string(rune('a'+round))+"1", string(rune('a'+round))+"2"
		var both sync.WaitGroup
		for _, pair := range [][2]string{{a, b}, {b, a}} {
			both.Go(func() {
				err := db.Change(t.Context(), village, system, func(tx *store.Tx) error {
					n, err := tx.Count(t.Context(), store.Count{Table: "things", Where: "name = ?"}, pair[1])
					if err != nil || n > 0 {
						return err
					}
					return tx.Insert(t.Context(), addName, pair[0])
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if n, err := db.Tenant(village).Count(t.Context(), store.Count{Table: "things", Where: store.In("name", 2)}, a, b); err != nil || n != 1 {
			t.Errorf("round %d: both changes thought they were alone: %d rows, %v", round, n, err)
		}
	}
}

func cancelled(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	ctx, cancel := context.WithCancel(t.Context())
	err := db.Change(ctx, village, system, func(tx *store.Tx) error {
		if err := tx.Insert(ctx, addName, "a"); err != nil {
			return err
		}
		cancel()
		return nil
	})
	if err == nil {
		t.Error("a change was committed after its context had ended")
	}
	if _, err := store.All(ctx, db.Tenant(village), allNames, text); err == nil {
		t.Error("a read went on after its context had ended")
	}
	if got := names(t, db, village); len(got) != 0 {
		t.Errorf("left are %q", got)
	}
	add(t, db, village, "b") // and the store still works
}

func topics(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	p.Config.Poll = 10 * time.Millisecond
	db, other := open(t, p), open(t, p) // as two processes
	touch := func() {
		change(t, db, village, func(tx *store.Tx) error {
			tx.Touch("settings")
			tx.Touch("accounts")
			tx.Touch("settings") // counts once
			return nil
		})
	}
	woken := make(chan int64, 2)
	for _, d := range []*store.DB{db, other} {
		go func() {
			n, err := d.Wait(t.Context(), "settings", 0)
			if err != nil {
				t.Error(err)
			}
			woken <- n
		}()
	}
	touch()
	for range 2 {
		if n := <-woken; n != 1 {
			t.Errorf("woken at revision %d, want 1", n)
		}
	}
	touch()
	if n, err := other.Revision(t.Context(), "settings"); err != nil || n != 2 {
		t.Errorf("revision is %d, %v, want 2", n, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := db.Wait(ctx, "settings", 2); err == nil {
		t.Error("Wait outlived its context")
	}
}
