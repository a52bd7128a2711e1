package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/riverqueue/river"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/rivermigrate"
)

// postgresEngine writes in serializable transactions, so that a change sees the
// same world that it has on SQLite; what collides is repeated by Change.
type postgresEngine struct {
	pool *pgxpool.Pool
	jobs *river.Client[pgx.Tx]
}

func openPostgres(ctx context.Context, url string) (*postgresEngine, error) {
	conf, err := pgxpool.ParseConfig(url)
	if err != nil {
		return nil, errors.New("opening the store: the URL is no PostgreSQL URL") // err would show the password
	}
	if conf.ConnConfig.ConnectTimeout == 0 {
		conf.ConnConfig.ConnectTimeout = reachWithin
	}
	pool, err := pgxpool.NewWithConfig(ctx, conf)
	if err != nil {
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	var free bool
	within, cancel := context.WithTimeout(ctx, 2*reachWithin)
	defer cancel()
	err = pool.QueryRow(within, "SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = current_user").Scan(&free)
	if err != nil {
		pool.Close()
		return nil, fmt.Errorf("opening the store: %w", err)
	}
	if free {
		pool.Close()
		return nil, fmt.Errorf("opening the store: role %s is superuser or BYPASSRLS, so row-level security would not hold it", conf.ConnConfig.User)
	}
	return &postgresEngine{pool: pool}, nil
}

func (e *postgresEngine) dialect() dialect { return postgres }

func (e *postgresEngine) close() error {
	e.pool.Close()
	return nil
}

func (e *postgresEngine) read(ctx context.Context, scope string, fn func(session) error) error {
	return e.in(ctx, scope, pgx.TxOptions{AccessMode: pgx.ReadOnly}, fn)
}

func (e *postgresEngine) view(ctx context.Context, scope string, fn func(session) error) error {
	return e.in(ctx, scope, pgx.TxOptions{AccessMode: pgx.ReadOnly, IsoLevel: pgx.RepeatableRead}, fn)
}

func (e *postgresEngine) write(ctx context.Context, scope string, fn func(session) error) error {
	return e.in(ctx, scope, pgx.TxOptions{IsoLevel: pgx.Serializable}, fn)
}

// reachWithin is how long PostgreSQL may take to begin a transaction, a new
// connection included. People wait for it.
const reachWithin = 5 * time.Second

func (e *postgresEngine) in(ctx context.Context, scope string, opts pgx.TxOptions, fn func(session) error) error {
	within, cancel := context.WithTimeout(ctx, reachWithin)
	tx, err := e.pool.BeginTx(within, opts)
	cancel()
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	defer func() { // after a commit it does nothing; also when fn panics
		_ = tx.Rollback(context.WithoutCancel(ctx)) //nolint:errcheck // a connection that cannot roll back is closed
	}()
	if err := e.within(ctx, tx, scope, fn); err != nil {
		return lost(ctx, tx, err)
	}
	if err := tx.Commit(ctx); err != nil {
		return lost(ctx, tx, err)
	}
	return nil
}

func (e *postgresEngine) within(ctx context.Context, tx pgx.Tx, scope string, fn func(session) error) error {
	s := postgresSession{tx}
	if scope != "" {
		if err := s.scope(ctx, scope); err != nil {
			return err
		}
	}
	return fn(s)
}

// lost says ErrAway of an error that came with the end of the connection, or
// with a disk that is full (53100).
func lost(ctx context.Context, tx pgx.Tx, err error) error {
	var said *pgconn.PgError
	if ctx.Err() == nil && (tx.Conn().IsClosed() || errors.As(err, &said) && said.Code == "53100") {
		return fmt.Errorf("%w: %w", ErrAway, err)
	}
	return err
}

func (e *postgresEngine) again(err error) bool {
	var broken *pgconn.PgError
	// serialization_failure, deadlock_detected
	return errors.As(err, &broken) && (broken.Code == "40001" || broken.Code == "40P01")
}

// doubtful: of two serializable transactions that look for a row and then add
// it, the second may be told of a unique violation instead of a serialization
// failure (PostgreSQL manual, 13.5). Repeated, it sees the row that it looked for.
func (e *postgresEngine) doubtful(err error) bool {
	var broken *pgconn.PgError
	return errors.As(err, &broken) && broken.Code == uniqueViolation
}

const uniqueViolation = "23505"

func (e *postgresEngine) explain(err error) error {
	var broken *pgconn.PgError
	if errors.As(err, &broken) && broken.Code == uniqueViolation {
		return fmt.Errorf("%w (%w)", ErrExists, err)
	}
	return err
}

// migrationLock is the advisory lock that openers hold while they migrate.
const migrationLock = 0x53656b696b757261

func (e *postgresEngine) alone(ctx context.Context, fn func(context.Context) error) (err error) {
	conn, err := e.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("locking the store for migration: %w", err)
	}
	defer conn.Release()
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", int64(migrationLock)); err != nil {
		return fmt.Errorf("locking the store for migration: %w", err)
	}
	defer func() {
		ctx := context.WithoutCancel(ctx)
		if _, unlock := conn.Exec(ctx, "SELECT pg_advisory_unlock($1)", int64(migrationLock)); unlock != nil {
			// Closing the connection gives the lock back as well.
			err = errors.Join(err, unlock, conn.Conn().Close(ctx))
		}
	}()
	return fn(ctx)
}

func (e *postgresEngine) copyTo(context.Context, string) error {
	return errors.New("copying the store: a PostgreSQL store is copied with pg_dump")
}

type postgresSession struct{ tx pgx.Tx }

func (s postgresSession) each(ctx context.Context, query string, args []any, row func(func(...any) error) error) error {
	rows, err := s.tx.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}

func (s postgresSession) exec(ctx context.Context, query string, args ...any) (int64, error) {
	tag, err := s.tx.Exec(ctx, query, args...)
	return tag.RowsAffected(), err
}

func (s postgresSession) scope(ctx context.Context, to string) error {
	_, err := s.tx.Exec(ctx, "SELECT set_config('sekikura.tenant', $1, true)", to)
	return err
}

func (e *postgresEngine) prepareJobs(ctx context.Context) error {
	quiet := slog.New(slog.DiscardHandler)
	driver := riverpgxv5.New(e.pool)
	migrator, err := rivermigrate.New(driver, &rivermigrate.Config{Logger: quiet})
	if err != nil {
		return err
	}
	if _, err := migrator.Migrate(ctx, rivermigrate.DirectionUp, nil); err != nil {
		return err
	}
	e.jobs, err = river.NewClient(driver, &river.Config{Logger: quiet})
	return err
}

func (e *postgresEngine) enqueue(ctx context.Context, s session, args river.JobArgs, opts *river.InsertOpts) error {
	_, err := e.jobs.InsertTx(ctx, s.(postgresSession).tx, args, opts)
	return err
}

func (e *postgresEngine) startJobs(ctx context.Context, conf *river.Config) (jobClient, error) {
	client, err := river.NewClient(riverpgxv5.New(e.pool), conf)
	if err != nil {
		return nil, err
	}
	return client, client.Start(ctx)
}
