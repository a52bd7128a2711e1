package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
	sqlitedriver "modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// sqliteEngine has one connection that writes and several that read. In WAL mode
// readers never wait for the writer. River's jobs use the writer's connection,
// so that within this process nothing ever meets a busy database; other
// processes (a second opener, a backup) are waited for by busy_timeout.
type sqliteEngine struct {
	writer, readers *sql.DB
	source          func(extra string) string // the data source name
	jobs            *river.Client[*sql.Tx]
}

// readConnections bounds concurrent reads; more only contend for two or four cores.
const readConnections = 8

func openSQLite(ctx context.Context, path string) (_ *sqliteEngine, err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	// SQLite gives its -wal and -shm files the mode of the database.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	source := func(extra string) string {
		// synchronous FULL: a commit is on disk when it returns.
		return (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath(), RawQuery: "_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)" +
			"&_pragma=foreign_keys(1)&_pragma=case_sensitive_like(1)&_pragma=trusted_schema(0)" + extra}).String()
	}
	e := &sqliteEngine{source: source}
	if e.writer, err = sql.Open("sqlite", source("&_txlock=immediate&_pragma=journal_mode(WAL)")); err != nil {
		return nil, fmt.Errorf("opening the store %s: %w", path, err)
	}
	e.writer.SetMaxOpenConns(1)
	if e.readers, err = sql.Open("sqlite", source("&_txlock=deferred&_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), e.close())
	}
	e.readers.SetMaxOpenConns(readConnections)
	e.readers.SetMaxIdleConns(readConnections)
	if err := e.writer.PingContext(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store %s: %w", path, err), e.close())
	}
	return e, nil
}

func (e *sqliteEngine) dialect() dialect { return sqlite }

func (e *sqliteEngine) close() error {
	var wrong error
	for _, db := range []*sql.DB{e.readers, e.writer} { // the last to close checkpoints the WAL
		if db != nil {
			wrong = errors.Join(wrong, db.Close())
		}
	}
	return wrong
}

func (e *sqliteEngine) read(ctx context.Context, _ string, fn func(session) error) error {
	return unwritable(fn(sqliteSession{conn: e.readers}))
}

func (e *sqliteEngine) view(ctx context.Context, _ string, fn func(session) error) error {
	return unwritable(inTx(ctx, e.readers, fn))
}

func (e *sqliteEngine) write(ctx context.Context, _ string, fn func(session) error) error {
	return unwritable(inTx(ctx, e.writer, fn))
}

// unwritable says ErrAway of a disk that is full or does not work.
func unwritable(err error) error {
	var broken *sqlitedriver.Error
	if errors.As(err, &broken) {
		switch broken.Code() & 0xff {
		case sqlitelib.SQLITE_FULL, sqlitelib.SQLITE_IOERR, sqlitelib.SQLITE_CANTOPEN, sqlitelib.SQLITE_READONLY:
			return fmt.Errorf("%w: %w", ErrAway, err)
		}
	}
	return err
}

func inTx(ctx context.Context, db *sql.DB, fn func(session) error) (err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { // also when fn panics
		if back := tx.Rollback(); back != nil && !errors.Is(back, sql.ErrTxDone) && err != nil {
			err = errors.Join(err, back)
		}
	}()
	if err := fn(sqliteSession{conn: tx, tx: tx}); err != nil {
		return err
	}
	return tx.Commit()
}

func (e *sqliteEngine) again(err error) bool {
	var broken *sqlitedriver.Error
	if !errors.As(err, &broken) {
		return false
	}
	primary := broken.Code() & 0xff
	return primary == sqlitelib.SQLITE_BUSY || primary == sqlitelib.SQLITE_LOCKED
}

// doubtful is never true: writers come one after the other.
func (e *sqliteEngine) doubtful(error) bool { return false }

func (e *sqliteEngine) explain(err error) error {
	var broken *sqlitedriver.Error
	if errors.As(err, &broken) {
		switch broken.Code() {
		case sqlitelib.SQLITE_CONSTRAINT_UNIQUE, sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY:
			return fmt.Errorf("%w (%w)", ErrExists, err)
		}
	}
	return err
}

// alone needs nothing here: each migration's transaction is immediate, looks
// first whether it is still needed, and others wait for it.
func (e *sqliteEngine) alone(ctx context.Context, fn func(context.Context) error) error {
	return fn(ctx)
}

func (e *sqliteEngine) copyTo(ctx context.Context, path string) error {
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("copying the store: %s exists", path)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // the operator's own path
	if err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	if err := f.Close(); err != nil {
		return fmt.Errorf("copying the store: %w", err)
	}
	if err := e.vacuumInto(ctx, path); err != nil {
		return errors.Join(fmt.Errorf("copying the store to %s: %w", path, err), os.Remove(path))
	}
	return nil
}

// vacuumInto uses a connection of its own: those that read may only query, and
// the one that writes must not wait for it.
func (e *sqliteEngine) vacuumInto(ctx context.Context, path string) (err error) {
	db, err := sql.Open("sqlite", e.source(""))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	_, err = db.ExecContext(ctx, "VACUUM INTO ?", path)
	return err
}

// sqliteConn is what a *sql.DB and a *sql.Tx have in common.
type sqliteConn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

type sqliteSession struct {
	conn sqliteConn
	tx   *sql.Tx // nil outside a transaction
}

func (s sqliteSession) each(ctx context.Context, query string, args []any, row func(func(...any) error) error) (err error) {
	rows, err := s.conn.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s sqliteSession) exec(ctx context.Context, query string, args ...any) (int64, error) {
	result, err := s.conn.ExecContext(ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

func (s sqliteSession) scope(context.Context, string) error { return nil }

func (e *sqliteEngine) prepareJobs(ctx context.Context) error {
	quiet := slog.New(slog.DiscardHandler)
	driver := riversqlite.New(e.writer)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return err
	}
	err = inTx(ctx, e.writer, func(s session) error {
		// In one transaction, unlike what River advises for PostgreSQL: SQLite's
		// migrations all allow it, and other openers wait until it ends.
		_, err := migrator.MigrateTx(ctx, s.(sqliteSession).tx, rivermigrate.DirectionUp, nil) //nolint:staticcheck // see above
		return err
	})
	if err != nil {
		return err
	}
	e.jobs, err = river.NewClient(driver, &river.Config{Logger: quiet})
	return err
}

func (e *sqliteEngine) enqueue(ctx context.Context, s session, args river.JobArgs, opts *river.InsertOpts) error {
	_, err := e.jobs.InsertTx(ctx, s.(sqliteSession).tx, args, opts)
	return err
}

func (e *sqliteEngine) startJobs(ctx context.Context, conf *river.Config) (jobClient, error) {
	client, err := river.NewClient(riversqlite.New(e.writer), conf)
	if err != nil {
		return nil, err
	}
	return client, client.Start(ctx)
}
