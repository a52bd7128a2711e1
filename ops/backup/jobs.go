package backup

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/riverqueue/river"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// The kinds of job.
const (
	KindBackup = "backup"
	KindDrill  = "drill"
)

// The states of a job.
const (
	Queued  = "queued"
	Running = "running"
	Done    = "done"
	Failed  = "failed"
)

// Job is one backup or drill that somebody, or the calendar, asked for.
type Job struct {
	ID       string
	Kind     string
	State    string
	Progress float64 // 0 to 1
	Started  time.Time
	Finished time.Time
	Error    string
}

// ErrBusy says that a job of the kind is waiting or at work.
var ErrBusy = errors.New("one is at work already")

var jobColumns = []string{"id", "kind", "state", "progress", "asked", "started", "finished", "error"} //nolint:gochecknoglobals // a constant

// Schema is what this package keeps in the control store: the jobs, under the operator.
var Schema = store.Schema{Service: "backup", Migrations: []store.Migration{{Number: 1, Steps: []store.Step{ //nolint:gochecknoglobals // a constant
	store.CreateTable{Name: "backup_job", Key: []string{"id"}, Columns: []store.Column{
		{Name: "id"},
		{Name: "kind"},
		{Name: "state"},
		{Name: "progress", Type: store.Float},
		{Name: "asked", Type: store.Time},
		{Name: "started", Type: store.Time},
		{Name: "finished", Type: store.Time},
		{Name: "error"},
	}},
}}}, Statements: []store.Statement{oneJob, openJobs, addJob, jobStarted, jobMoved, jobEnded, jobsBroken}}

//nolint:gochecknoglobals // constants
var (
	oneJob     = store.Select{Table: "backup_job", Columns: jobColumns, Where: "id = ?"}
	openJobs   = store.Count{Table: "backup_job", Where: "kind = ? AND finished = ?"}
	addJob     = store.Insert{Table: "backup_job", Columns: jobColumns}
	jobStarted = store.Update{Table: "backup_job", Set: []string{"state", "started"}, Where: "id = ?"}
	jobMoved   = store.Update{Table: "backup_job", Set: []string{"progress"}, Where: "id = ?"}
	jobEnded   = store.Update{Table: "backup_job", Set: []string{"state", "progress", "finished", "error"}, Where: "id = ?"}
	jobsBroken = store.Update{Table: "backup_job", Set: []string{"state", "finished", "error"}, Where: "finished = ?"}
)

// Jobs keeps the jobs and does them. Every field must be set.
type Jobs struct {
	DB       *store.DB
	Operator tenant.ID
	// Backup and Drill do the work, and call progress after each part.
	Backup, Drill func(ctx context.Context, progress func(Progress)) error
	Now           func() time.Time
}

type jobArgs struct {
	ID   string `json:"id"`   // "" when the calendar asked
	What string `json:"what"` // KindBackup or KindDrill
}

// Kind implements river.JobArgs.
func (jobArgs) Kind() string { return "backup" }

// once keeps a job that ended badly from being done again by itself: the next one
// comes by the calendar, and meanwhile somebody should look.
func once() *river.InsertOpts { return &river.InsertOpts{MaxAttempts: 1} }

// Ask enqueues a job of a kind within a change of the operator, or answers
// ErrBusy.
func (j *Jobs) Ask(ctx context.Context, tx *store.Tx, kind string) (id string, err error) {
	open, err := tx.Count(ctx, openJobs, kind, time.Time{})
	if err != nil {
		return "", err
	}
	if open > 0 {
		return "", ErrBusy
	}
	id = rand.Text()
	if err := tx.Insert(ctx, addJob, id, kind, Queued, 0.0, j.Now(), time.Time{}, time.Time{}, ""); err != nil {
		return "", err
	}
	return id, tx.Enqueue(ctx, jobArgs{ID: id, What: kind}, once())
}

// Job returns one job, or store.ErrNone.
func (j *Jobs) Job(ctx context.Context, id string) (Job, error) {
	return store.One(ctx, j.DB.Tenant(j.Operator), oneJob, func(row store.Row) (Job, error) {
		var job Job
		var asked time.Time
		err := row.Scan(&job.ID, &job.Kind, &job.State, &job.Progress, &asked, &job.Started, &job.Finished, &job.Error)
		return job, err
	}, id)
}

// Recover ends the jobs that an earlier process left unfinished. Call it before
// Workers' jobs run; only one process may work the operator's jobs.
func (j *Jobs) Recover(ctx context.Context) error {
	return j.change(ctx, func(tx *store.Tx) error {
		_, err := tx.Update(ctx, jobsBroken, Failed, j.Now(), "the process ended before the work did", time.Time{})
		return err
	})
}

// Workers returns the workers for store.Jobs.
func (j *Jobs) Workers() *river.Workers {
	workers := river.NewWorkers()
	river.AddWorker(workers, &jobWorker{jobs: j})
	return workers
}

// Periodic returns the calendar: a backup a day and a drill a week.
func (j *Jobs) Periodic() []*river.PeriodicJob {
	ask := func(kind string) river.PeriodicJobConstructor {
		return func() (river.JobArgs, *river.InsertOpts) { return jobArgs{What: kind}, once() }
	}
	return []*river.PeriodicJob{
		river.NewPeriodicJob(at{hour: 3, minute: 10}, ask(KindBackup), nil),
		river.NewPeriodicJob(at{hour: 4, minute: 10, weekday: time.Sunday, weekly: true}, ask(KindDrill), nil),
	}
}

// at is a time of day in Japan, every day or on one day of the week.
type at struct {
	hour, minute int
	weekday      time.Weekday
	weekly       bool
}

// Next implements river.PeriodicSchedule.
func (a at) Next(after time.Time) time.Time {
	japan := time.FixedZone("JST", 9*60*60)
	after = after.In(japan)
	next := time.Date(after.Year(), after.Month(), after.Day(), a.hour, a.minute, 0, 0, japan)
	for !next.After(after) || a.weekly && next.Weekday() != a.weekday {
		next = next.AddDate(0, 0, 1)
	}
	return next
}

// change is what the jobs write by themselves.
func (j *Jobs) change(ctx context.Context, fn func(*store.Tx) error) error {
	return j.DB.Change(ctx, j.Operator, store.System("backup"), fn)
}

type jobWorker struct {
	river.WorkerDefaults[jobArgs]
	jobs *Jobs
}

// Timeout implements river.Worker: a backup takes as long as it takes.
func (*jobWorker) Timeout(*river.Job[jobArgs]) time.Duration { return -1 }

// Work implements river.Worker.
func (w *jobWorker) Work(ctx context.Context, job *river.Job[jobArgs]) error {
	j, id := w.jobs, job.Args.ID
	work := j.Backup
	if job.Args.What == KindDrill {
		work = j.Drill
	}
	err := j.change(ctx, func(tx *store.Tx) error {
		if id == "" {
			id = rand.Text()
			return tx.Insert(ctx, addJob, id, job.Args.What, Running, 0.0, j.Now(), j.Now(), time.Time{}, "")
		}
		_, err := tx.Update(ctx, jobStarted, Running, j.Now(), id)
		return err
	})
	if err != nil {
		return fmt.Errorf("beginning the %s: %w", job.Args.What, err)
	}
	failed := work(ctx, j.teller(ctx, id))
	state, progress, text := Done, 1.0, ""
	if failed != nil {
		state, progress, text = Failed, 0, failed.Error()
	}
	err = j.change(context.WithoutCancel(ctx), func(tx *store.Tx) error {
		_, err := tx.Update(ctx, jobEnded, state, progress, j.Now(), text, id)
		return err
	})
	if failed != nil {
		return river.JobCancel(failed) // told above; never again by itself
	}
	return err
}

// teller writes progress at most once a second.
func (j *Jobs) teller(ctx context.Context, id string) func(Progress) {
	var mu sync.Mutex
	var last time.Time
	return func(p Progress) {
		mu.Lock()
		defer mu.Unlock()
		if now := j.Now(); p.Of > 0 && now.Sub(last) >= time.Second {
			last = now
			// A progress that cannot be written is not worth a failed backup.
			_ = j.change(ctx, func(tx *store.Tx) error {
				_, err := tx.Update(ctx, jobMoved, float64(p.Done)/float64(p.Of), id)
				return err
			})
		}
	}
}
