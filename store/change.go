package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/riverqueue/river"

	"github.com/sekikura/sekikura/tenant"
)

// Tx is one write transaction for one body. It is valid until the function it
// was passed to returns, and for one goroutine. After a statement has returned
// an error nothing more can be done with it: Change rolls back and returns that
// error, even when the function returns nil. The same holds for a statement made
// while the rows of another are being read: PostgreSQL has one answer at a time.
type Tx struct {
	db    *DB
	id    tenant.ID
	actor Actor
	conn  session

	broken  error
	reading bool // a row of a read is being looked at
	wrote   bool
	audits  []Audit
	topics  []string
}

// Tenant returns whose transaction it is.
func (tx *Tx) Tenant() tenant.ID { return tx.id }

// Actor returns who makes the change.
func (tx *Tx) Actor() Actor { return tx.actor }

// Now is the store's clock.
func (tx *Tx) Now() time.Time { return tx.db.now() }

// maxAttempts bounds how often a change is repeated. A change that loses this
// often stands in a queue that somebody should look at.
const maxAttempts = 12

// Change runs fn in one transaction on the rows of id and commits when it
// returns nil. When fn returns an error nothing has happened and Change returns
// it. fn is called again when the database asks for it (on PostgreSQL, two
// changes that read what the other writes), so it must do nothing outside tx.
// Where the connection to PostgreSQL breaks while it commits, the error leaves
// open whether the change has happened.
//
// A change that writes must call tx.Audit at least once, or it ends with
// ErrUnaudited; a system actor may do without. On SQLite changes run one after
// the other: keep fn short, and never call the DB itself inside it.
func (db *DB) Change(ctx context.Context, id tenant.ID, actor Actor, fn func(*Tx) error) error {
	if _, err := tenant.Parse(string(id)); err != nil {
		return err
	}
	if actor.Account == "" {
		return errors.New("a change needs an actor")
	}
	var topics []string
	err := db.retry(ctx, func() error {
		tx := &Tx{db: db, id: id, actor: actor}
		topics = nil
		return db.engine.write(ctx, string(id), func(s session) error {
			tx.conn = s
			err := fn(tx)
			if tx.broken != nil {
				return tx.broken
			}
			if err != nil {
				return err
			}
			if tx.wrote && len(tx.audits) == 0 && !actor.IsSystem() {
				return ErrUnaudited
			}
			topics = tx.topics
			return tx.finish(ctx)
		})
	})
	if err != nil {
		return err
	}
	db.wake(topics)
	return nil
}

// finish takes the rows that every change of a kind competes for last, so that
// they are held for as short as possible: first the revisions, in order, then
// the head of the audit chain.
func (tx *Tx) finish(ctx context.Context) error {
	if err := tx.bump(ctx); err != nil {
		return err
	}
	return tx.appendAudit(ctx)
}

// retry runs attempt again while the engine says that this may help. Those of
// this process that have lost once go on one at a time, or many changes that
// touch the same rows could keep each other losing.
func (db *DB) retry(ctx context.Context, attempt func() error) error {
	wait, doubted := 2*time.Millisecond, false
	for n := 1; ; n++ {
		err := attempt()
		if err == nil || n == maxAttempts {
			return err
		}
		if !db.engine.again(err) {
			if doubted || !db.engine.doubtful(err) {
				return err
			}
			doubted = true
		}
		if n == 1 {
			select {
			case <-ctx.Done():
				return err
			case db.turn <- struct{}{}:
				defer func() { <-db.turn }()
			}
		}
		pause := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // jitter
		select {
		case <-ctx.Done():
			pause.Stop()
			return err
		case <-pause.C:
		}
		wait = min(2*wait, 250*time.Millisecond)
	}
}

func (tx *Tx) rows(ctx context.Context, sel Select, args []any, row func(Row) error) error {
	if err := tx.ready(); err != nil {
		return err
	}
	tx.reading = true
	err := selectRows(ctx, tx.db.catalog, tx.conn, tx.id, sel, args, row)
	tx.reading = false
	return tx.keep(err)
}

var errReading = errors.New("a statement was made while the rows of another are being read")

// ready tells why no statement can be made now, or nil.
func (tx *Tx) ready() error {
	if tx.broken == nil && tx.reading {
		tx.broken = errReading
	}
	return tx.broken
}

// Count counts rows of the body.
func (tx *Tx) Count(ctx context.Context, c Count, args ...any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	n, err := countRows(ctx, tx.db.catalog, tx.conn, tx.id, c, args)
	return n, tx.keep(err)
}

// keep remembers the first error: PostgreSQL refuses a transaction's further
// statements after one, and SQLite should not behave better in a test than
// PostgreSQL in production.
func (tx *Tx) keep(err error) error {
	if err == nil {
		return nil
	}
	err = tx.db.engine.explain(err)
	if tx.broken == nil {
		tx.broken = err
	}
	return err
}

// Insert adds one row of the body. ErrExists says that the key is taken.
func (tx *Tx) Insert(ctx context.Context, ins Insert, args ...any) error {
	_, err := tx.run(ctx, "adding to", ins.Table, ins, args)
	return err
}

// Update changes rows of the body and returns how many there were.
func (tx *Tx) Update(ctx context.Context, upd Update, args ...any) (int64, error) {
	return tx.run(ctx, "changing", upd.Table, upd, args)
}

// Delete removes rows of the body and returns how many there were.
func (tx *Tx) Delete(ctx context.Context, del Delete, args ...any) (int64, error) {
	return tx.run(ctx, "removing from", del.Table, del, args)
}

func (tx *Tx) run(ctx context.Context, doing, table string, st Statement, args []any) (int64, error) {
	if err := tx.ready(); err != nil {
		return 0, err
	}
	tx.wrote = true
	n, err := func() (int64, error) {
		c, err := tx.db.catalog.compile(st)
		if err != nil {
			return 0, err
		}
		values, err := c.arguments(args, string(tx.id))
		if err != nil {
			return 0, err
		}
		return tx.conn.exec(ctx, c.sql, values...)
	}()
	if err != nil {
		return 0, tx.keep(fmt.Errorf("%s %s of %s: %w", doing, table, tx.id, err))
	}
	return n, nil
}

// Enqueue adds a job that exists exactly when the change is committed. A worker
// for it runs where Jobs runs; opts may be nil.
func (tx *Tx) Enqueue(ctx context.Context, args river.JobArgs, opts *river.InsertOpts) error {
	if err := tx.ready(); err != nil {
		return err
	}
	if err := tx.db.engine.enqueue(ctx, tx.conn, args, opts); err != nil {
		return tx.keep(fmt.Errorf("enqueueing %s: %w", args.Kind(), err))
	}
	return nil
}
