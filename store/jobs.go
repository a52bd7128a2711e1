package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/riverqueue/river"
)

// Jobs works the queue of jobs that changes have enqueued. A service declares
// its workers with river.AddWorker on Workers. On a cluster several nodes run
// Jobs on the same PostgreSQL; each job is worked by one of them, at least once:
// a worker must bear a repetition after a crash. A job may run for a minute
// unless its worker says otherwise (river.Worker.Timeout). Jobs must have ended
// before the DB is closed.
type Jobs struct {
	DB       *DB
	Workers  *river.Workers
	Periodic []*river.PeriodicJob
	// Concurrency is how many jobs run at a time; 0 means 4.
	Concurrency int
	// Grace is how long running jobs may take to end when Run's context does,
	// before theirs is cancelled; 0 means 10 seconds.
	Grace time.Duration
	Log   *slog.Logger // nil is silent
}

// noteWithin is how long cancelled jobs may take to have their end written down.
const noteWithin = 5 * time.Second

// Run works jobs until ctx ends, then lets running ones finish within Grace and
// returns nil.
func (j *Jobs) Run(ctx context.Context) error {
	conf := &river.Config{
		Workers:      j.Workers,
		PeriodicJobs: j.Periodic,
		Logger:       j.Log,
		Queues:       map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: j.Concurrency}},
	}
	if j.Concurrency <= 0 {
		conf.Queues[river.QueueDefault] = river.QueueConfig{MaxWorkers: 4}
	}
	if j.Log == nil {
		conf.Logger = slog.New(slog.DiscardHandler)
	}
	grace := j.Grace
	if grace <= 0 {
		grace = 10 * time.Second
	}
	// The client's own context must outlive ctx, or its jobs would be cancelled
	// without grace.
	client, err := j.DB.engine.startJobs(context.WithoutCancel(ctx), conf)
	if err != nil {
		return fmt.Errorf("starting the jobs: %w", err)
	}
	select {
	case <-ctx.Done():
	case <-client.Stopped():
		return errors.New("the jobs stopped by themselves")
	}
	soft, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := client.Stop(soft); err == nil {
		return nil
	}
	hard, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace+noteWithin)
	defer cancel()
	if err := client.StopAndCancel(hard); err != nil {
		return fmt.Errorf("stopping the jobs: %w", err)
	}
	return nil
}
