// Package storetest is the suite that every engine of package store passes.
package storetest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Place is an empty store for one test.
type Place struct {
	Config store.Config
	// Raw runs SQL behind the store's back, as somebody who owns the database.
	// On PostgreSQL it is the superuser, whom no wall holds.
	Raw func(ctx context.Context, statements ...string) error
}

// Run runs the suite; fresh makes an empty place, which is removed when its test ends.
func Run(t *testing.T, fresh func(testing.TB) Place) {
	for _, part := range []struct {
		name string
		run  func(*testing.T, func(testing.TB) Place)
	}{
		{"every type comes back as it went in", typesRoundTrip},
		{"values that do not fit are refused", badValues},
		{"conditions and orders mean the same everywhere", conditions},
		{"statements that reach further are refused", statementsRefused},
		{"a limit as an argument must be positive", limits},
		{"no statement reaches another tenant", wall},
		{"a tenant must be valid", badTenants},
		{"a unique value everywhere collides across tenants", uniqueEverywhere},
		{"reads across tenants stop at the operator", across},
		{"reads across tenants are noted", acrossNoted},
		{"a change happens wholly or not at all", changeRollsBack},
		{"a change by a person needs an audit record", unaudited},
		{"after an error a change cannot commit", brokenStays},
		{"a statement within the rows of another is refused", nested},
		{"or replace overwrites what it names", orReplace},
		{"concurrent changes are as if one after the other", concurrent},
		{"changes that read what the other writes are repeated", writeSkew},
		{"a cancelled context stops a change", cancelled},
		{"migrations run once and only add", migrations},
		{"a migration that changed is an error that names it", migrationChanged},
		{"a database of the next release opens", nextRelease},
		{"openers wait for each other", openersWait},
		{"a migration that breaks leaves nothing", migrationBreaks},
		{"the audit chain holds every field", auditFields},
		{"the audit log is read by pages and filters", auditPages},
		{"tampering with the audit chain is found", auditTampering},
		{"a rewritten chain is found by its signed head", auditRewritten},
		{"an exported audit log is verified without the store", auditExport},
		{"the audit table refuses to be changed", auditStands},
		{"concurrent changes leave one chain", auditConcurrent},
		{"one body is restored from another store", restoreTenant},
		{"a topic wakes those who wait", topics},
		{"a job exists exactly when its change does", jobs},
		{"jobs of a service run by the clock", periodicJobs},
		{"a worker that fails is asked again", jobRetried},
		{"a running job may end before its worker does", jobEndsFirst},
	} {
		t.Run(part.name, func(t *testing.T) { part.run(t, fresh) })
	}
}

// The bodies of the suite: two under one operator, and one under another.
const (
	operator tenant.ID = "990001"
	village  tenant.ID = "994413"
	city     tenant.ID = "992011"
	stranger tenant.ID = "x-stranger"
)

var (
	clerk  = store.Actor{Account: "mura01", Tenant: village, Address: "127.10.0.9"}
	ken    = store.Actor{Account: "ken01", Tenant: operator, Address: "127.0.0.1"}
	system = store.System("storetest")
)

// clock is a fixed time with more than microseconds.
var clock = time.Date(2026, 11, 22, 12, 0, 0, 123456789, time.UTC)

// schema has one table with every type and one that counts.
var schema = store.Schema{
	Service: "suite",
	Migrations: []store.Migration{
		{Number: 1, Steps: []store.Step{
			store.CreateTable{
				Name: "things", Key: []string{"name"},
				Columns: []store.Column{
					{Name: "name"},
					{Name: "number", Type: store.Int, Null: true},
					{Name: "flag", Type: store.Bool, Null: true},
					{Name: "at", Type: store.Time, Null: true},
					{Name: "raw", Type: store.Bytes, Null: true},
					{Name: "doc", Type: store.JSON, Null: true},
					{Name: "ratio", Type: store.Float, Null: true},
					{Name: "user", Default: "'nobody'"}, // a reserved word of PostgreSQL
				},
			},
			store.CreateIndex{Table: "things", Name: "things_by_number", Columns: []string{"number"}, Unique: true},
		}},
		{Number: 2, Steps: []store.Step{
			store.AddColumn{Table: "things", Column: store.Column{Name: "state", Default: "'new'"}},
			store.CreateTable{Name: "counters", Columns: []store.Column{{Name: "value", Type: store.Int}}},
			store.CreateTable{Name: "logins", Key: []string{"login"}, Columns: []store.Column{{Name: "login"}}},
			store.CreateIndex{Table: "logins", Name: "logins_everywhere", Columns: []string{"login"}, UniqueEverywhere: true},
		}},
	},
	Statements: []store.Statement{allNames, addName, addCounter, setCounter, readCounter, overview},
}

var (
	allNames    = store.Select{Table: "things", Columns: []string{"name"}, Order: "name"}
	addName     = store.Insert{Table: "things", Columns: []string{"name"}}
	addCounter  = store.Insert{Table: "counters", Columns: []string{"value"}}
	setCounter  = store.Update{Table: "counters", Set: []string{"value"}, Where: "TRUE"}
	readCounter = store.Select{Table: "counters", Columns: []string{"value"}}
	overview    = store.Across{Name: "suite.overview", Reason: "試験", Select: allNames}
)

func open(tb testing.TB, p Place) *store.DB {
	tb.Helper()
	db, err := tryOpen(tb.Context(), p, schema)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { shut(tb, db) })
	return db
}

func tryOpen(ctx context.Context, p Place, schemas ...store.Schema) (*store.DB, error) {
	conf := p.Config
	if conf.Now == nil {
		conf.Now = func() time.Time { return clock }
	}
	return store.Open(ctx, conf, schemas...)
}

func shut(tb testing.TB, db *store.DB) {
	tb.Helper()
	if err := db.Close(); err != nil {
		tb.Error(err)
	}
}

// change makes a change by the system, which must succeed.
func change(tb testing.TB, db *store.DB, id tenant.ID, fn func(*store.Tx) error) {
	tb.Helper()
	if err := db.Change(tb.Context(), id, system, fn); err != nil {
		tb.Fatal(err)
	}
}

// add adds things by their names.
func add(tb testing.TB, db *store.DB, id tenant.ID, list ...string) {
	tb.Helper()
	change(tb, db, id, func(tx *store.Tx) error {
		for _, name := range list {
			if err := tx.Insert(tb.Context(), addName, name); err != nil {
				return err
			}
		}
		return nil
	})
}

func text(row store.Row) (s string, err error) { return s, row.Scan(&s) }

func number(row store.Row) (n int64, err error) { return n, row.Scan(&n) }

// names lists the things of a body.
func names(tb testing.TB, db *store.DB, id tenant.ID) []string {
	tb.Helper()
	all, err := store.All(tb.Context(), db.Tenant(id), allNames, text)
	if err != nil {
		tb.Fatal(err)
	}
	return all
}

// register puts the suite's bodies into the register, as package tenants would.
func register(tb testing.TB, db *store.DB) {
	tb.Helper()
	for id, above := range map[tenant.ID]tenant.ID{operator: operator, village: operator, city: operator, stranger: stranger} {
		change(tb, db, id, func(tx *store.Tx) error {
			return tx.Insert(tb.Context(), store.Insert{Table: store.Bodies, Columns: []string{"operator", "document", "version"}}, above, `{}`, 1)
		})
	}
}

var errOurs = errors.New("ours")
