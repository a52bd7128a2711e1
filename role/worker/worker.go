// Package worker runs hostile files through processes of their own.
//
// A [Pool] keeps processes of sekikura-worker warm. Each takes one file, answers
// and exits, whatever the file did to it. They live in a jail without network
// and files: bubblewrap, or else namespaces of their own. An answer that is
// incomplete, late or too large, and a process that crashed, is a [Failure]:
// an error for that file, never a verdict.
package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/content/job"
)

// Pool is a set of warm workers. Binary and Log must be set before Run.
type Pool struct {
	Binary string // sekikura-worker
	Log    *slog.Logger

	Bubblewrap string   // its path; "" means /usr/bin/bwrap
	Warm       int      // processes that wait for a job; 0 means 4
	Parallel   int      // jobs at once; 0 means 4
	Limits     Limits   // zero values are filled in
	Figures    *Figures // nil counts nothing

	// Unjailed lets the pool run without bubblewrap and namespaces where
	// neither works; the workers' own system call filter stays. Otherwise the
	// pool refuses to run there.
	Unjailed bool

	only string // tests: the one jail to use
	pool state
}

// Limits are what one file may cost.
type Limits struct {
	CPU    time.Duration // processor time, in whole seconds; 0 means 30 s
	Wall   time.Duration // from sending the file to the end; 0 means a minute
	Memory int64         // bytes of data; 0 means 512 MiB
	Output int64         // bytes that come back; 0 means none but the report
}

func (l Limits) cpu() time.Duration  { return orElse(l.CPU, 30*time.Second) }
func (l Limits) wall() time.Duration { return orElse(l.Wall, time.Minute) }
func (l Limits) memory() int64       { return orElse(l.Memory, 512<<20) }

func orElse[N ~int | ~int64](n, otherwise N) N {
	if n > 0 {
		return n
	}
	return otherwise
}

// Kind is how a file failed.
type Kind string

// The kinds of failure. All of them mean that nothing is known about the file.
const (
	Crashed   Kind = "crashed"   // the process ended without a whole answer
	TimedOut  Kind = "timed_out" // it took longer than Limits.Wall
	TooLarge  Kind = "too_large" // it answered with more than Limits.Output
	Malformed Kind = "malformed" // it answered something that is no answer
	GaveUp    Kind = "gave_up"   // the engine said that it cannot do this file
)

// Failure says that a file could not be worked on.
type Failure struct {
	Kind   Kind
	Engine string
	Detail string // for the operator; control characters are replaced
	Err    error
}

// Error names the engine, what happened, and the process's last words.
func (f *Failure) Error() string {
	text := "engine " + f.Engine + " " + string(f.Kind) + ": " + f.Err.Error()
	if f.Detail != "" {
		text += " (" + f.Detail + ")"
	}
	return text
}

// Unwrap returns the cause.
func (f *Failure) Unwrap() error { return f.Err }

// errTimedOut is the cause of a job that took longer than Limits.Wall.
var errTimedOut = errors.New("it took longer than allowed")

// errNotRunning is a job for a pool that does not run.
var errNotRunning = errors.New("the pool of workers does not run")

// tries is how many warm processes may turn out to be dead before a job gives up.
const tries = 3

// Do works on file with the engine that r names, and returns its report. Bytes
// of output go to out, which may be nil when Limits.Output is 0; they mean
// nothing unless the error is nil. The file is read from its own descriptor,
// independent of the caller's position, and stays open. The error is a *Failure,
// ctx's error, or the pool's own.
func (p *Pool) Do(ctx context.Context, r job.Request, file *os.File, out io.Writer) (report []byte, err error) {
	if out == nil {
		out = io.Discard
	}
	free, done, err := p.pool.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	began := time.Now()
	defer func() { p.Figures.count(r.Engine, time.Since(began), err) }()
	// The worker shares what it is sent: an offset of its own keeps the
	// caller's and another worker's apart, and read-only keeps the file whole.
	own, err := reopen(file)
	if err != nil {
		return nil, fmt.Errorf("opening the file for a worker: %w", err)
	}
	defer own.Close() //nolint:errcheck // read only
	for range tries {
		var w *worker
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case w = <-free:
			if w == nil {
				return nil, errNotRunning
			}
		}
		if err = job.Send(w.conn, r, own); err != nil {
			w.end() //nolint:errcheck // it died while it waited: that was not this file
			continue
		}
		return p.await(ctx, w, r, out)
	}
	return nil, err
}

// await reads w's answer and makes sure that w is gone afterwards.
func (p *Pool) await(ctx context.Context, w *worker, r job.Request, out io.Writer) ([]byte, error) {
	limit, cancel := context.WithTimeoutCause(ctx, p.Limits.wall(), errTimedOut)
	defer cancel()
	stop := context.AfterFunc(limit, w.kill)
	report, err := job.ReadAnswer(w.stream, out, p.Limits.Output)
	hungUp := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
	if err != nil && !hungUp {
		w.kill() // the rest of what it has to say does not matter
	}
	ended := w.end()
	stop()
	if limit.Err() != nil && (err != nil || ended != nil) {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, &Failure{TimedOut, r.Engine, w.lastWords(), errTimedOut}
	}
	var gave *job.EngineError
	switch {
	case errors.As(err, &gave):
		return nil, &Failure{GaveUp, r.Engine, "", err}
	case errors.Is(err, job.ErrOutputLimit):
		return nil, &Failure{TooLarge, r.Engine, "", err}
	case hungUp && !w.exitedWell():
		return nil, &Failure{Crashed, r.Engine, w.lastWords(), errors.Join(ended, err)}
	case errors.Is(err, job.ErrMalformed):
		return nil, &Failure{Malformed, r.Engine, w.lastWords(), err}
	case err != nil:
		return nil, fmt.Errorf("taking a worker's answer: %w", err)
	case ended != nil:
		return nil, &Failure{Crashed, r.Engine, w.lastWords(), ended}
	}
	return report, nil
}

// reopen opens file again for reading only. A file of another account that came
// here as a descriptor cannot be opened; its content is copied.
func reopen(file *os.File) (*os.File, error) {
	own, err := os.Open(fmt.Sprintf("/proc/self/fd/%d", file.Fd()))
	if !errors.Is(err, os.ErrPermission) {
		return own, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	return Memory(io.NewSectionReader(file, 0, info.Size()), info.Size())
}

// ErrTooLong is a stream with more bytes than Memory may keep.
var ErrTooLong = errors.New("the content is longer than allowed")

// Memory copies a stream into a file in memory, for Do. More than limit bytes
// are ErrTooLong. The caller closes the file, which frees the memory.
func Memory(from io.Reader, limit int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("sekikura-job", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	file := os.NewFile(uintptr(fd), "memory") //nolint:gosec // a descriptor
	n, err := io.Copy(file, io.LimitReader(from, limit+1))
	if err == nil && n > limit {
		err = ErrTooLong
	}
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
