package store

import (
	"context"

	"github.com/riverqueue/river"
)

// engine is what SQLite and PostgreSQL each do in their own way.
type engine interface {
	dialect() dialect
	// read runs fn with the rows of scope visible: a tenant, or a list of them
	// joined by commas, or everybody; "" is nobody. All that fn reads is of one
	// moment only when it uses one statement, or when whole is asked for.
	read(ctx context.Context, scope string, fn func(session) error) error
	// view is read, with all of fn's statements seeing the same moment.
	view(ctx context.Context, scope string, fn func(session) error) error
	// write runs fn in one transaction and commits when fn returns nil. It tries once.
	write(ctx context.Context, scope string, fn func(session) error) error
	// again tells whether a write that ended with err may work when repeated.
	again(err error) bool
	// doubtful tells whether err may come from a change that ran at the same time
	// rather than from this one; then it is worth one repetition.
	doubtful(err error) bool
	// explain turns the engine's errors into this package's.
	explain(err error) error
	// alone runs fn while no other opener of the same database runs it.
	alone(ctx context.Context, fn func(context.Context) error) error
	prepareJobs(ctx context.Context) error
	enqueue(ctx context.Context, s session, args river.JobArgs, opts *river.InsertOpts) error
	startJobs(ctx context.Context, conf *river.Config) (jobClient, error)
	copyTo(ctx context.Context, path string) error
	close() error
}

// everybody is the scope in which rows of all tenants are visible.
const everybody = "*"

// session runs SQL on one connection.
type session interface {
	// each calls row for every row; scan is valid within the call.
	each(ctx context.Context, sql string, args []any, row func(scan func(...any) error) error) error
	exec(ctx context.Context, sql string, args ...any) (int64, error)
	// scope changes whose rows are visible for the rest of the transaction.
	scope(ctx context.Context, to string) error
}

// jobClient is the part of a river.Client that Jobs uses.
type jobClient interface {
	Stop(context.Context) error
	StopAndCancel(context.Context) error
	Stopped() <-chan struct{}
}
