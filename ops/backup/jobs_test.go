package backup

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
)

// onBothStores runs a test with jobs kept in SQLite and in PostgreSQL. The jobs
// do nothing yet.
func onBothStores(t *testing.T, test func(*testing.T, *Jobs)) {
	open := func(t *testing.T, conf store.Config) {
		t.Helper()
		db, err := store.Open(t.Context(), conf, Schema)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		})
		nothing := func(context.Context, func(Progress)) error { return nil }
		test(t, &Jobs{DB: db, Operator: operator, Backup: nothing, Drill: nothing, Now: time.Now})
	}
	t.Run("SQLite", func(t *testing.T) { open(t, store.Config{Path: filepath.Join(t.TempDir(), "control.db")}) })
	t.Run("PostgreSQL", func(t *testing.T) { open(t, store.Config{URL: postgrestest.Start(t).New(t)}) })
}

func ask(t *testing.T, j *Jobs, kind string) (id string, err error) {
	t.Helper()
	err = j.DB.Change(t.Context(), operator, builder, func(tx *store.Tx) error {
		id, err = j.Ask(t.Context(), tx, kind)
		return err
	})
	return id, err
}

func asked(t *testing.T, j *Jobs, kind string) string {
	t.Helper()
	id, err := ask(t, j, kind)
	if err != nil {
		t.Fatalf("asking for a %s: %v", kind, err)
	}
	return id
}

func look(t *testing.T, j *Jobs, id string) Job {
	t.Helper()
	job, err := j.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return job
}

// work works the queue until one backup has been done, as backup does it, and
// returns once that is written down.
func work(t *testing.T, j *Jobs, backup func(context.Context, func(Progress)) error) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	j.Backup = func(ctx context.Context, progress func(Progress)) error {
		defer stop()
		return backup(ctx, progress)
	}
	if err := (&store.Jobs{DB: j.DB, Workers: j.Workers()}).Run(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestASecondJobOfAKindIsRefusedUntilTheFirstHasEnded(t *testing.T) {
	onBothStores(t, func(t *testing.T, j *Jobs) {
		first := asked(t, j, KindBackup)
		if _, err := ask(t, j, KindBackup); !errors.Is(err, ErrBusy) {
			t.Errorf("asking for a second backup: %v, want ErrBusy", err)
		}
		asked(t, j, KindDrill) // another kind may wait beside it
		if job := look(t, j, first); job.State != Queued || job.Kind != KindBackup || !job.Started.IsZero() || !job.Finished.IsZero() {
			t.Errorf("before it is worked the job is %+v", job)
		}
		work(t, j, func(ctx context.Context, progress func(Progress)) error {
			progress(Progress{Done: 1, Of: 4})
			if job := look(t, j, first); job.State != Running || job.Progress != 0.25 || job.Started.IsZero() {
				t.Errorf("while it is worked the job is %+v", job)
			}
			if _, err := ask(t, j, KindBackup); !errors.Is(err, ErrBusy) {
				t.Errorf("asking for a backup while one is at work: %v, want ErrBusy", err)
			}
			return ctx.Err()
		})
		if job := look(t, j, first); job.State != Done || job.Progress != 1 || job.Error != "" || job.Finished.Before(job.Started) {
			t.Errorf("after it was worked the job is %+v", job)
		}
		if second := asked(t, j, KindBackup); second == first {
			t.Error("the second job has the number of the first")
		}
		if _, err := j.Job(t.Context(), "nobody's"); !errors.Is(err, store.ErrNone) {
			t.Errorf("a job that is not there: %v, want ErrNone", err)
		}
	})
}

func TestAJobThatFailsSaysWhyAndIsNotRepeated(t *testing.T) {
	onBothStores(t, func(t *testing.T, j *Jobs) {
		id, worked := asked(t, j, KindBackup), 0
		broken := func(context.Context, func(Progress)) error { worked++; return errors.New("the disk is full") }
		work(t, j, broken)
		if job := look(t, j, id); job.State != Failed || job.Error != "the disk is full" || job.Finished.IsZero() {
			t.Errorf("the failed job is %+v", job)
		}
		next := asked(t, j, KindBackup)
		work(t, j, broken)
		if worked != 2 {
			t.Errorf("two jobs that fail were worked %d times", worked)
		}
		if job := look(t, j, next); job.State != Failed {
			t.Errorf("the next job is %+v", job)
		}
	})
}

func TestWhatAKilledProcessLeftUnfinishedIsEnded(t *testing.T) {
	onBothStores(t, func(t *testing.T, j *Jobs) {
		done := asked(t, j, KindBackup)
		work(t, j, j.Backup)
		left := asked(t, j, KindDrill)
		if err := j.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		if job := look(t, j, left); job.State != Failed || job.Error == "" || job.Finished.IsZero() {
			t.Errorf("what was left is %+v, want it failed", job)
		}
		if job := look(t, j, done); job.State != Done || job.Error != "" {
			t.Errorf("what was done is %+v", job)
		}
		asked(t, j, KindDrill) // nothing stands in its way
	})
}

func TestTheCalendarsJobIsKeptLikeAnyOther(t *testing.T) {
	onBothStores(t, func(t *testing.T, j *Jobs) {
		broken := errors.New("no identity here")
		j.Drill = func(context.Context, func(Progress)) error {
			if _, err := ask(t, j, KindDrill); !errors.Is(err, ErrBusy) {
				t.Errorf("asking for a drill while the calendar's is at work: %v, want ErrBusy", err)
			}
			return broken
		}
		err := (&jobWorker{jobs: j}).Work(t.Context(), &river.Job[jobArgs]{Args: jobArgs{What: KindDrill}})
		var cancelled *river.JobCancelError
		if !errors.As(err, &cancelled) || !errors.Is(err, broken) {
			t.Errorf("a drill that fails ends with %v, want it cancelled with its reason", err)
		}
		asked(t, j, KindDrill)
	})
}

func TestTheCalendarIsThatOfJapan(t *testing.T) {
	japan := time.FixedZone("JST", 9*60*60)
	daily, weekly := at{hour: 3, minute: 10}, at{hour: 4, minute: 10, weekday: time.Sunday, weekly: true}
	for _, tt := range []struct {
		when  at
		after time.Time
		want  time.Time
	}{
		{daily, time.Date(2026, 11, 23, 3, 9, 59, 0, japan), time.Date(2026, 11, 23, 3, 10, 0, 0, japan)},
		{daily, time.Date(2026, 11, 23, 3, 10, 0, 0, japan), time.Date(2026, 11, 24, 3, 10, 0, 0, japan)},
		{daily, time.Date(2026, 11, 22, 18, 9, 0, 0, time.UTC), time.Date(2026, 11, 23, 3, 10, 0, 0, japan)}, // another day in UTC
		{daily, time.Date(2026, 12, 31, 23, 0, 0, 0, japan), time.Date(2027, 1, 1, 3, 10, 0, 0, japan)},
		{weekly, time.Date(2026, 11, 21, 20, 0, 0, 0, time.UTC), time.Date(2026, 11, 29, 4, 10, 0, 0, japan)}, // Sunday in Japan, and past
		{weekly, time.Date(2026, 11, 21, 19, 0, 0, 0, time.UTC), time.Date(2026, 11, 22, 4, 10, 0, 0, japan)}, // Saturday in UTC
		{weekly, time.Date(2026, 11, 22, 4, 10, 0, 0, japan), time.Date(2026, 11, 29, 4, 10, 0, 0, japan)},
		{weekly, time.Date(2026, 11, 25, 12, 0, 0, 0, japan), time.Date(2026, 11, 29, 4, 10, 0, 0, japan)},
	} {
		if got := tt.when.Next(tt.after); !got.Equal(tt.want) {
			t.Errorf("%+v after %v is %v, want %v", tt.when, tt.after, got, tt.want)
		}
	}
	if n := len((&Jobs{}).Periodic()); n != 2 {
		t.Errorf("the calendar has %d entries, want the backup and the drill", n)
	}
}
