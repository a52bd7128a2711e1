package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/tenant"
)

const (
	village tenant.ID = "994413"
	city    tenant.ID = "992011"
)

var notes = store.Schema{Service: "notes", Migrations: []store.Migration{{Number: 1, Steps: []store.Step{
	store.CreateTable{Name: "notes", Key: []string{"id"}, Columns: []store.Column{{Name: "id", Type: store.Int}, {Name: "body"}}},
}}}}

var (
	addNote  = store.Insert{Table: "notes", Columns: []string{"id", "body"}}
	allNotes = store.Select{Table: "notes", Columns: []string{"id"}, Order: "id"}
	system   = store.System("test")
)

func number(row store.Row) (n int64, err error) { return n, row.Scan(&n) }

func addNotes(ctx context.Context, db *store.DB, id tenant.ID, number int64) error {
	return db.Change(ctx, id, system, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "note.add"})
		return tx.Insert(ctx, addNote, number, "body")
	})
}

// The second wall: what a statement that forgot the tenant would see, run with
// the store's own role on a connection of its own.
func TestRowLevelSecurityHoldsARawConnection(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.New(t)
	db, err := store.Open(t.Context(), store.Config{URL: url}, notes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, id := range []tenant.ID{village, city} {
		if err := addNotes(t.Context(), db, id, 1); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	count := func(tx pgx.Tx, table string) (n int) {
		t.Helper()
		if err := tx.QueryRow(t.Context(), "SELECT COUNT(*) FROM "+table).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	errDone := errors.New("rolled back")
	in := func(setting string, fn func(pgx.Tx)) {
		t.Helper()
		err := pgx.BeginFunc(t.Context(), conn, func(tx pgx.Tx) error {
			if setting != "" {
				if _, err := tx.Exec(t.Context(), "SELECT set_config('sekikura.tenant', $1, true)", setting); err != nil {
					return err
				}
			}
			fn(tx)
			return errDone
		})
		if !errors.Is(err, errDone) {
			t.Error(err)
		}
	}
	for round := range 2 { // in the second the setting exists in the session, and is empty
		for _, table := range []string{"notes", "bodies", "sekikura_audit", "sekikura_audit_heads"} {
			in("", func(tx pgx.Tx) {
				if n := count(tx, table); n != 0 {
					t.Errorf("round %d: without a tenant %s shows %d rows, want 0", round, table, n)
				}
			})
		}
		in(string(village), func(tx pgx.Tx) {
			if n := count(tx, "notes"); n != 1 {
				t.Errorf("with the village set there are %d notes, want its 1", n)
			}
		})
	}
	in(string(village)+","+string(city), func(tx pgx.Tx) {
		if n := count(tx, "notes"); n != 2 {
			t.Errorf("with both set there are %d notes, want 2", n)
		}
	})
	in(string(village), func(tx pgx.Tx) {
		tag, err := tx.Exec(t.Context(), "UPDATE notes SET body = 'x'")
		if err != nil || tag.RowsAffected() != 1 {
			t.Errorf("an update of everything changed %d rows, %v, want 1", tag.RowsAffected(), err)
		}
		tag, err = tx.Exec(t.Context(), "DELETE FROM notes WHERE tenant = '992011'")
		if err != nil || tag.RowsAffected() != 0 {
			t.Errorf("a delete of the city's notes removed %d rows, %v, want 0", tag.RowsAffected(), err)
		}
	})
	for _, statement := range []string{
		"INSERT INTO notes (tenant, id, body) VALUES ('992011', 2, 'x')",
		"UPDATE notes SET tenant = '992011', id = 3",
	} {
		for _, setting := range []string{"", string(village), string(village) + "," + string(city), "*"} {
			in(setting, func(tx pgx.Tx) {
				if tag, err := tx.Exec(t.Context(), statement); err == nil && tag.RowsAffected() > 0 {
					t.Errorf("with %q set, %s was run", setting, statement)
				}
			})
		}
	}
}

func TestEveryTableStandsBehindTheSecondWall(t *testing.T) {
	server := postgrestest.Start(t)
	url := server.New(t)
	db, err := store.Open(t.Context(), store.Config{URL: url}, notes)
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := conn.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	rows, err := conn.Query(t.Context(), `SELECT relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant'
		WHERE relkind = 'r' AND NOT (relrowsecurity AND relforcerowsecurity)`)
	if err != nil {
		t.Fatal(err)
	}
	open, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil || len(open) != 0 {
		t.Errorf("tables with a tenant but without forced row-level security: %q, %v", open, err)
	}
}

func TestASuperuserIsRefusedAsTheStoresRole(t *testing.T) {
	server := postgrestest.Start(t)
	db, err := store.Open(t.Context(), store.Config{URL: server.SuperURL(server.New(t))}, notes)
	if err == nil {
		t.Error("the store opened with a role that no row-level security holds")
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}
}

func TestAStoreThatCannotBeOpenedSaysSo(t *testing.T) {
	for _, conf := range []store.Config{
		{},
		{Path: "a", URL: "postgres://localhost/a"},
		{Path: "/nonexistent/folder/control.db"},
		{Path: t.TempDir()},
		{URL: "postgres://localhost:not-a-port/x"},
		{URL: "postgres://nobody@/x?host=/nonexistent"},
	} {
		db, err := store.Open(t.Context(), conf, notes)
		if err == nil {
			t.Errorf("%+v opened", conf)
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

func TestStoppedPostgreSQLGivesErrorsAndComesBack(t *testing.T) {
	server := postgrestest.Start(t)
	db, err := store.Open(t.Context(), store.Config{URL: server.New(t)}, notes)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := addNotes(t.Context(), db, village, 1); err != nil {
		t.Fatal(err)
	}
	// Stopped within a change: the change must end with an error.
	err = db.Change(t.Context(), village, system, func(tx *store.Tx) error {
		server.Stop(t)
		return tx.Insert(t.Context(), addNote, 2, "body")
	})
	if err == nil {
		t.Error("a change was acknowledged by a stopped server")
	}
	if err := addNotes(t.Context(), db, village, 3); err == nil {
		t.Error("a stopped server took a row")
	}
	if _, err := store.All(t.Context(), db.Tenant(village), allNotes, number); err == nil {
		t.Error("a stopped server gave rows")
	}
	if err := db.Ping(t.Context()); err == nil {
		t.Error("a stopped server answered")
	}
	server.Resume(t)
	if err := addNotes(t.Context(), db, village, 4); err != nil {
		t.Errorf("after the server is back: %v", err)
	}
	got, err := store.All(t.Context(), db.Tenant(village), allNotes, number)
	if err != nil || len(got) != 2 || got[0] != 1 || got[1] != 4 {
		t.Errorf("rows are %v, %v, want 1 and 4", got, err)
	}
	if report, err := db.VerifyAudit(t.Context(), village, nil); err != nil || report.Faults != nil || report.Records != 2 {
		t.Errorf("the audit chain is %+v, %v", report, err)
	}
}
