// Package store keeps the control plane's data: tenants, policies, accounts,
// records and the audit chain, in SQLite on one machine or PostgreSQL when that
// is outgrown.
//
// A service declares its tables and migrations as a [Schema] and its statements
// as values ([Select], [Insert], …); it never holds a database handle. Only this
// package builds and runs SQL, and it adds the tenant predicate to every
// statement, so that a forgotten WHERE cannot show one body's rows to another:
//
//	db, err := store.Open(ctx, store.Config{Path: "control.db"}, accounts.Schema, …)
//	rows, err := store.All(ctx, db.Tenant(id), listAccounts, scanAccount)
//	err = db.Change(ctx, id, actor, func(tx *store.Tx) error {
//		if err := tx.Insert(ctx, addAccount, name, role); err != nil {
//			return err
//		}
//		tx.Audit(store.Audit{Action: "account.add", Object: name})
//		return nil
//	})
//
// Reads across tenants are declared by name ([Across]), limited to the bodies of
// one operator, and audited. On PostgreSQL forced row-level security is a second
// wall behind the predicate.
package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// What callers decide by. Other errors are the database's own.
var (
	// ErrNone says that One found no row.
	ErrNone = errors.New("there is no such row")
	// ErrExists says that a row with the same key or unique value exists.
	ErrExists = errors.New("such a row exists already")
	// ErrUnaudited says that a person's Change wrote something and audited nothing.
	ErrUnaudited = errors.New("a change by a person needs an audit record")
	// ErrAway says that the database does not answer, or cannot write because its
	// disk is full. Nothing is wrong with what was asked: it may work later.
	ErrAway = errors.New("the control store is away or its disk is full")
	// ErrForeign says that the actor may not read across these tenants.
	ErrForeign = errors.New("the actor does not belong to this operator")
)

// Config says where the data is. Exactly one of Path and URL is set.
type Config struct {
	// Path is the SQLite file. It is made with mode 0600 when absent; its folder
	// must exist. Besides it SQLite keeps Path-wal and Path-shm.
	Path string
	// URL is a PostgreSQL connection URL or key=value string (libpq). Its role
	// must own the database's schema public and must be neither superuser nor
	// BYPASSRLS, or row-level security would not hold it.
	URL string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Poll is how often Wait asks the database for changes made by another
	// process; 0 means a second.
	Poll time.Duration
}

// DB is an open store. It is safe for concurrent use.
type DB struct {
	engine  engine
	catalog *catalog
	now     func() time.Time
	poll    time.Duration
	turn    chan struct{} // held by the change that is being repeated

	mu     sync.Mutex // guards topics; never held while calling out
	topics map[string]chan struct{}
}

// Open opens the store, brings its tables up to schemas, and checks their
// declared statements. Openers of the same database wait for each other. A
// database that a newer release has migrated further opens, since migrations
// only add; one whose past migrations differ from this program's does not. The
// caller closes the DB after everything that uses it has ended.
func Open(ctx context.Context, conf Config, schemas ...Schema) (*DB, error) {
	all := append([]Schema{builtin}, schemas...)
	catalog, err := newCatalog(all)
	if err != nil {
		return nil, err
	}
	db := &DB{catalog: catalog, now: conf.Now, poll: conf.Poll, turn: make(chan struct{}, 1), topics: make(map[string]chan struct{})}
	if db.now == nil {
		db.now = time.Now
	}
	if db.poll <= 0 {
		db.poll = time.Second
	}
	switch {
	case conf.Path != "" && conf.URL == "":
		db.engine, err = openSQLite(ctx, conf.Path)
	case conf.URL != "" && conf.Path == "":
		db.engine, err = openPostgres(ctx, conf.URL)
	default:
		return nil, errors.New("opening the store: exactly one of a path and a URL must be set")
	}
	if err != nil {
		return nil, err
	}
	catalog.dialect = db.engine.dialect()
	if err := db.migrate(ctx, all); err != nil {
		return nil, errors.Join(err, db.engine.close())
	}
	return db, nil
}

// Close waits for running statements and closes the database.
func (db *DB) Close() error { return db.engine.close() }

// Ping tells whether the database answers.
func (db *DB) Ping(ctx context.Context) error {
	return db.engine.read(ctx, "", func(s session) error {
		return s.each(ctx, "SELECT 1", nil, func(func(...any) error) error { return nil })
	})
}

// Tenant returns the reads of one body. An invalid ID shows at the first read.
func (db *DB) Tenant(id tenant.ID) *Scope { return &Scope{db: db, id: id} }

// Scope reads the rows of one body, each statement for itself.
type Scope struct {
	db *DB
	id tenant.ID
}

// Reader is what All and One read from: a *Scope, or within a change a *Tx.
type Reader interface {
	rows(ctx context.Context, sel Select, args []any, row func(Row) error) error
	// Count counts rows of one body.
	Count(ctx context.Context, c Count, args ...any) (int64, error)
}

// All returns every row that sel finds, converted by scan; no rows is not an error.
func All[T any](ctx context.Context, r Reader, sel Select, scan func(Row) (T, error), args ...any) ([]T, error) {
	var all []T
	err := r.rows(ctx, sel, args, func(row Row) error {
		v, err := scan(row)
		if err == nil {
			all = append(all, v)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// One returns the first row that sel finds, or ErrNone.
func One[T any](ctx context.Context, r Reader, sel Select, scan func(Row) (T, error), args ...any) (T, error) {
	var none T
	if !sel.LimitArg {
		sel.Limit = 1
	}
	all, err := All(ctx, r, sel, scan, args...)
	if err != nil {
		return none, err
	}
	if len(all) == 0 {
		return none, fmt.Errorf("reading %s: %w", sel.Table, ErrNone)
	}
	return all[0], nil
}

func (s *Scope) rows(ctx context.Context, sel Select, args []any, row func(Row) error) error {
	return s.db.read(ctx, s.id, func(conn session) error {
		return selectRows(ctx, s.db.catalog, conn, s.id, sel, args, row)
	})
}

// Count counts rows of one body.
func (s *Scope) Count(ctx context.Context, c Count, args ...any) (n int64, err error) {
	err = s.db.read(ctx, s.id, func(conn session) error {
		n, err = countRows(ctx, s.db.catalog, conn, s.id, c, args)
		return err
	})
	return n, err
}

// read runs fn with the rows of one body visible.
func (db *DB) read(ctx context.Context, id tenant.ID, fn func(session) error) error {
	if _, err := tenant.Parse(string(id)); err != nil {
		return err
	}
	return db.engine.read(ctx, string(id), fn)
}

func selectRows(ctx context.Context, cat *catalog, conn session, id tenant.ID, sel Select, args []any, row func(Row) error) error {
	st, err := cat.compile(sel)
	if err != nil {
		return err
	}
	values, err := st.arguments(args, string(id))
	if err != nil {
		return err
	}
	r := Row{types: st.types, values: make([]any, len(st.types))}
	err = conn.each(ctx, st.sql, values, func(scan func(...any) error) error {
		r.scan = scan
		return row(r)
	})
	if err != nil {
		return fmt.Errorf("reading %s: %w", sel.Table, err)
	}
	return nil
}

func countRows(ctx context.Context, cat *catalog, conn session, id tenant.ID, c Count, args []any) (n int64, err error) {
	st, err := cat.compile(c)
	if err != nil {
		return 0, err
	}
	values, err := st.arguments(args, string(id))
	if err != nil {
		return 0, err
	}
	err = conn.each(ctx, st.sql, values, func(scan func(...any) error) error { return scan(&n) })
	if err != nil {
		return 0, fmt.Errorf("counting %s: %w", c.Table, err)
	}
	return n, nil
}
