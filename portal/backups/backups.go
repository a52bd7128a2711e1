// Package backups serves backups, restore drills and jobs to the operator.
package backups

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
)

// ErrNone is the Jobs' answer for a job that does not exist.
var ErrNone = errors.New("no such job")

// ErrBusy is the Jobs' answer when one of the kind is at work already.
var ErrBusy = errors.New("one is at work already")

// Jobs starts and shows work in the background.
type Jobs interface {
	// List names the backups that are known, newest first, and the last drill,
	// nil when there was none.
	List(ctx context.Context) ([]Backup, *Drill, error)
	// Start begins a "backup" or a "drill" within the change and returns its job,
	// so that it is begun exactly when it is written down who began it.
	Start(ctx context.Context, tx *store.Tx, kind string) (job string, err error)
	// Job shows one job, or ErrNone.
	Job(ctx context.Context, id string) (Job, error)
}

// API serves the operations. Jobs may be nil: no backups are configured here.
type API struct {
	DB     *store.DB
	Jobs   Jobs
	Events event.Sink
	Log    *slog.Logger
	Now    func() time.Time
}

// mine keeps the whole installation's backups to accounts of an operator.
func mine(ctx context.Context) error {
	if !access.From(ctx).Wide() {
		return rest.NotFound()
	}
	return nil
}

func (a *API) list(ctx context.Context, _ *rest.Nothing) (*rest.Body[List], error) {
	if err := mine(ctx); err != nil {
		return nil, err
	}
	out := List{Items: []Backup{}}
	if a.Jobs == nil {
		return &rest.Body[List]{Body: out}, nil
	}
	items, drill, err := a.Jobs.List(ctx)
	if err != nil {
		return nil, rest.Unavailable("backups_unavailable", err)
	}
	out.Items, out.LastDrill = append(out.Items, items...), drill
	return &rest.Body[List]{Body: out}, nil
}

func (a *API) run(ctx context.Context, _ *rest.Nothing) (*rest.Body[Started], error) {
	return a.start(ctx, "backup")
}

func (a *API) drill(ctx context.Context, _ *rest.Nothing) (*rest.Body[Started], error) {
	return a.start(ctx, "drill")
}

func (a *API) start(ctx context.Context, kind string) (*rest.Body[Started], error) {
	if err := mine(ctx); err != nil {
		return nil, err
	}
	if a.Jobs == nil {
		return nil, rest.NewProblem(409, "backups_not_configured")
	}
	who := access.From(ctx)
	var job string
	err := a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) (err error) {
		if job, err = a.Jobs.Start(ctx, tx, kind); err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "backup." + kind, Object: job})
		return nil
	})
	if errors.Is(err, ErrBusy) {
		return nil, rest.NewProblem(409, "busy")
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), who.Tenant.ID, kind+"_requested"))
	return &rest.Body[Started]{Body: Started{Job: job}}, nil
}

func (a *API) job(ctx context.Context, in *idInput) (*rest.Body[Job], error) {
	if err := mine(ctx); err != nil {
		return nil, err
	}
	if a.Jobs == nil {
		return nil, rest.NotFound()
	}
	j, err := a.Jobs.Job(ctx, in.ID)
	if errors.Is(err, ErrNone) {
		return nil, rest.NotFound()
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	return &rest.Body[Job]{Body: j}, nil
}
