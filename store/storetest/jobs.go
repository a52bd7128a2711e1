package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/riverqueue/river"

	"github.com/sekikura/sekikura/store"
)

type greet struct {
	Name string `json:"name"`
}

func (greet) Kind() string { return "storetest.greet" }

// work runs jobs until the test ends, which waits for them to stop.
func work(t *testing.T, j *store.Jobs) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run returned %v, want nil", err)
		}
	})
}

func jobs(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	enqueue := func(name string, then error) error {
		return db.Change(t.Context(), village, system, func(tx *store.Tx) error {
			if err := tx.Insert(t.Context(), addName, name); err != nil {
				return err
			}
			if err := tx.Enqueue(t.Context(), greet{name}, nil); err != nil {
				return err
			}
			return then
		})
	}
	if err := enqueue("undone", errOurs); !errors.Is(err, errOurs) {
		t.Fatal(err)
	}
	greeted := make(chan string, 8)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[greet]) error {
		// A worker uses the store like everybody else.
		if job.Args.Name != "later" && len(names(t, db, village)) == 0 {
			t.Error("a job ran before its change was committed")
		}
		err := db.Change(ctx, city, system, func(tx *store.Tx) error { return tx.Insert(ctx, addName, "greeted "+job.Args.Name) })
		if err != nil {
			return err
		}
		greeted <- job.Args.Name
		return nil
	}))
	for _, name := range []string{"first", "second"} {
		if err := enqueue(name, nil); err != nil {
			t.Fatal(err)
		}
	}
	work(t, &store.Jobs{DB: db, Workers: workers})
	got := map[string]int{<-greeted: 1}
	got[<-greeted]++
	if err := enqueue("later", nil); err != nil {
		t.Fatal(err)
	}
	got[<-greeted]++
	if done := names(t, db, city); len(done) != 3 {
		t.Errorf("the worker's own changes left %q", done)
	}
	if len(got) != 3 || got["undone"] != 0 {
		t.Errorf("jobs that ran are %v, want first, second and later once", got)
	}
}

func periodicJobs(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	ran := make(chan struct{}, 8)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[greet]) error {
		ran <- struct{}{}
		return nil
	}))
	work(t, &store.Jobs{DB: db, Workers: workers, Periodic: []*river.PeriodicJob{
		river.NewPeriodicJob(river.PeriodicInterval(time.Hour), func() (river.JobArgs, *river.InsertOpts) { return greet{"hourly"}, nil }, &river.PeriodicJobOpts{RunOnStart: true}),
	}})
	<-ran
}

func jobRetried(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	var attempts atomic.Int64
	ran := make(chan struct{}, 8)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(context.Context, *river.Job[greet]) error {
		if attempts.Add(1) == 1 {
			panic("the first time it breaks")
		}
		ran <- struct{}{}
		return nil
	}))
	change(t, db, village, func(tx *store.Tx) error { return tx.Enqueue(t.Context(), greet{"again"}, nil) })
	work(t, &store.Jobs{DB: db, Workers: workers})
	<-ran
	if n := attempts.Load(); n != 2 {
		t.Errorf("the job was attempted %d times, want 2", n)
	}
}

func jobEndsFirst(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	started, release, ended := make(chan string, 2), make(chan struct{}), make(chan error, 2)
	workers := river.NewWorkers()
	river.AddWorker(workers, river.WorkFunc(func(ctx context.Context, job *river.Job[greet]) error {
		started <- job.Args.Name
		select {
		case <-release:
		case <-ctx.Done():
		}
		ended <- ctx.Err()
		return ctx.Err()
	}))
	run := func(grace time.Duration) (stop func() error) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- (&store.Jobs{DB: db, Workers: workers, Grace: grace}).Run(ctx) }()
		return func() error { cancel(); return <-done }
	}
	enqueue := func(name string) {
		change(t, db, village, func(tx *store.Tx) error { return tx.Enqueue(t.Context(), greet{name}, nil) })
	}

	stop := run(time.Minute)
	enqueue("patient")
	<-started
	time.AfterFunc(50*time.Millisecond, func() { close(release) }) // after Run has begun to stop, or before: both must do
	if err := stop(); err != nil {
		t.Errorf("Run ended with %v, want nil", err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Errorf("within its grace the job was stopped: %v", err)
		}
	default:
		t.Error("Run ended before its job")
	}

	release = make(chan struct{}) // which nobody closes: only the end of its context ends the job
	stop = run(10 * time.Millisecond)
	enqueue("stubborn")
	<-started
	if err := stop(); err != nil {
		t.Errorf("after the grace Run ended with %v, want nil", err)
	}
	if err := <-ended; err == nil {
		t.Error("after its grace the job was not stopped")
	}
}
