package worker

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// state is a running pool.
type state struct {
	mu     sync.Mutex // guards the fields below; never held while calling out
	free   chan *worker
	slots  chan struct{}
	jail   string
	absent map[string]string
	busy   sync.WaitGroup
}

// enter takes one of the pool's slots; done gives it back.
func (s *state) enter(ctx context.Context) (free <-chan *worker, done func(), err error) {
	s.mu.Lock()
	workers, slots := s.free, s.slots
	if workers != nil {
		s.busy.Add(1)
	}
	s.mu.Unlock()
	if workers == nil {
		return nil, nil, errNotRunning
	}
	select {
	case slots <- struct{}{}:
		return workers, func() { <-slots; s.busy.Done() }, nil
	case <-ctx.Done():
		s.busy.Done()
		return nil, nil, ctx.Err()
	}
}

// Jail is the way the workers are locked up: "bubblewrap", "namespaces" or
// "none"; "" while the pool does not run. Absent names what could not be had,
// and why.
func (p *Pool) Jail() (name string, absent map[string]string) {
	p.pool.mu.Lock()
	defer p.pool.mu.Unlock()
	return p.pool.jail, p.pool.absent
}

// Ready is nil once the pool has chosen its jail and started a worker in it. It
// fits role.Role.Ready.
func (p *Pool) Ready(context.Context) error {
	if name, _ := p.Jail(); name == "" {
		return errNotRunning
	}
	return nil
}

// retryStart is the pause after a worker could not be started.
const retryStart = 500 * time.Millisecond

// Run keeps workers warm until ctx ends; then it waits for the jobs under way
// and ends every process. It returns an error when workers cannot be locked up
// on this machine and Unjailed is not set.
func (p *Pool) Run(ctx context.Context) error {
	// A worker dies with the thread that started it, so that none outlives the
	// pool: this goroutine keeps its thread until all of them have gone.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	way, first, absent, err := p.choose(ctx)
	if err != nil {
		return err
	}
	free := make(chan *worker, orElse(p.Warm, 4)-1) // and one in hand
	s := &p.pool
	s.mu.Lock()
	s.free, s.slots = free, make(chan struct{}, orElse(p.Parallel, 4))
	s.jail, s.absent = way.name, absent
	s.mu.Unlock()

	next, said := first, false
	for ctx.Err() == nil {
		if next == nil {
			// Not ctx: a process is ended by its job or by us, never half way
			// through a file because the pool is about to stop.
			next, err = way.start(context.WithoutCancel(ctx))
			if err != nil {
				if !said {
					p.Log.Error("a worker cannot be started and is tried again; files wait", "err", err)
				}
				said = true
				select {
				case <-ctx.Done():
				case <-time.After(retryStart):
				}
				continue
			}
			said = false
		}
		select {
		case free <- next:
			next = nil
		case <-ctx.Done():
		}
	}
	s.mu.Lock()
	s.free, s.jail = nil, ""
	s.mu.Unlock()
	return p.drain(free, next)
}

// drain ends the warm workers and waits for those at work.
func (p *Pool) drain(free chan *worker, last *worker) error {
	if last != nil {
		last.end() //nolint:errcheck,gosec // it had nothing to do
	}
	close(free) // Do gets nil once the channel is empty
	for w := range free {
		w.end() //nolint:errcheck,gosec // it had nothing to do
	}
	p.pool.busy.Wait()
	return nil
}

// choose finds the best jail that works, with its first worker and the reasons
// why better ones do not.
func (p *Pool) choose(ctx context.Context) (way jail, first *worker, absent map[string]string, err error) {
	absent = make(map[string]string)
	var wrong []error
	for _, way := range p.jails() {
		w, err := way.start(context.WithoutCancel(ctx))
		if err != nil {
			absent[way.name] = err.Error()
			wrong = append(wrong, err)
			continue
		}
		if len(absent) > 0 {
			p.Log.Warn("workers run in a weaker jail than wanted", "jail", way.name, "absent", fmt.Sprint(absent))
		}
		return way, w, absent, nil
	}
	return jail{}, nil, nil, fmt.Errorf("hostile files cannot be locked up on this machine, and the settings do not allow to work on them otherwise: %w", errors.Join(wrong...))
}
