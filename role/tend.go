package role

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// The pauses of a Backoff that leaves them open.
const (
	minPause = 200 * time.Millisecond
	maxPause = 15 * time.Second // the promise is service within 30 s
	stable   = time.Minute
	after    = 20 * time.Second
)

// lastWords is how long a hung process has for its stacks after SIGQUIT.
const lastWords = 2 * time.Second

// tend keeps g running until ctx ends.
func (s *Supervisor) tend(ctx context.Context, g *tended) {
	s.awaitAfter(ctx, g)
	var pause time.Duration
	for tries := 0; ctx.Err() == nil; tries++ {
		began := time.Now()
		wanted := s.live(ctx, g, tries)
		if ctx.Err() != nil {
			break
		}
		if wanted {
			pause = 0
			continue // a restart that somebody asked for needs none
		}
		pause = s.Backoff.next(pause, time.Since(began))
		s.set(g, func(st *GroupStatus) { st.State = Waiting })
		wait := time.NewTimer(jitter(pause))
		select {
		case <-ctx.Done():
		case <-g.again:
		case <-wait.C:
		}
		wait.Stop()
	}
	s.set(g, func(st *GroupStatus) { st.State, st.PID = Stopped, 0 })
}

// next is the pause before another start: before is the one before the process
// that lived so long, 0 for the first.
func (b Backoff) next(before, lived time.Duration) time.Duration {
	shortest := either(b.Min, minPause)
	if before == 0 || lived >= either(b.Stable, stable) {
		return shortest
	}
	return min(2*before, max(shortest, either(b.Max, maxPause)))
}

// awaitAfter waits for the groups that g should come after.
func (s *Supervisor) awaitAfter(ctx context.Context, g *tended) {
	if len(g.After) == 0 {
		return
	}
	wait, cancel := context.WithTimeout(ctx, either(s.AfterWait, after))
	defer cancel()
	if err := s.WaitReady(wait, g.After...); err != nil && ctx.Err() == nil {
		s.Log.Warn("a role group starts although one that it comes after is not ready", "group", g.Name, "err", err)
	}
}

// live runs one process of g from start to end, and tells whether it was ended
// because a restart was asked for.
func (s *Supervisor) live(ctx context.Context, g *tended, tries int) (wanted bool) {
	err := s.open(ctx, g)
	var p *process
	if err == nil {
		p, err = s.spawn(g)
	}
	if err != nil {
		if ctx.Err() != nil {
			return false
		}
		s.Log.Error("a role group cannot be started and is tried again", "group", g.Name, "err", err)
		s.set(g, func(st *GroupStatus) {
			st.State, st.PID, st.Restarts, st.LastExit, st.LastAt = Waiting, 0, tries, err.Error(), s.now()
		})
		return false
	}
	s.set(g, func(st *GroupStatus) {
		st.State, st.PID, st.Birth, st.Started, st.Restarts = Starting, p.Pid, p.birth, s.now(), tries
		st.Sandbox = nil
	})
	s.Log.Info("role group started", "group", g.Name, "pid", p.Pid, "restarts", tries)

	over := make(chan struct{})
	signs := make(chan byte, 64)
	go s.listen(p, signs)
	var how, crash string
	go func() {
		defer close(over)
		how, crash = s.end(g, p)
	}()
	why := s.watch(ctx, g, p, signs, over)
	<-over
	if err := p.signs.Close(); err != nil {
		s.Log.Warn("a pipe could not be closed", "group", g.Name, "err", err)
	}
	for range signs { // until listen has gone
	}
	if why != "" {
		how = why + "; " + how
	}
	s.set(g, func(st *GroupStatus) {
		st.PID, st.Birth, st.LastExit, st.LastAt = 0, 0, how, s.now()
		if crash != "" {
			st.Crash = crash
		}
	})
	switch {
	case ctx.Err() != nil || why == restartAsked:
		s.Log.Info("role group ended", "group", g.Name, "exit", how)
	default:
		s.Log.Error("role group ended by itself and is started again", "group", g.Name, "exit", how, "crash", crash)
	}
	return why == restartAsked
}

// listen passes on the child's bytes until its end of the pipe is closed.
func (s *Supervisor) listen(p *process, signs chan<- byte) {
	defer close(signs)
	var buf [64]byte
	for {
		n, err := p.signs.Read(buf[:])
		for _, b := range buf[:n] {
			signs <- b
		}
		if err != nil {
			return
		}
	}
}

const restartAsked = "a restart was asked for"

// watch follows a process until over, ends it when ctx ends or a restart is
// asked for, and kills it when it shows no life. It says why it ended the
// process, or "".
func (s *Supervisor) watch(ctx context.Context, g *tended, p *process, signs <-chan byte, over <-chan struct{}) (why string) {
	life := time.NewTimer(g.startWithin())
	defer life.Stop()
	stop, again := ctx.Done(), g.again
	patience := "it gave no sign of life after its start"
	for {
		select {
		case <-over:
			return why
		case <-stop:
			stop, again = nil, nil
			s.awaitDependents(g, over)
			why = "it was told to stop"
			s.stop(g, p, over)
		case <-again:
			stop, again = nil, nil
			why = restartAsked
			s.stop(g, p, over)
		case sign, open := <-signs:
			if !open {
				signs = nil // it is ending, or closed the pipe and will be missed
				continue
			}
			if s.heed(g, sign) {
				patience = "it gave no sign of life"
				life.Reset(g.hangAfter())
			}
		case <-life.C:
			why = patience
			s.Log.Error("a role group hangs and is killed", "group", g.Name, "pid", p.Pid, "why", patience)
			s.signal(p, unix.SIGQUIT) // Go writes every goroutine's stack
			if !within(over, lastWords) {
				s.signal(p, unix.SIGKILL)
			}
			<-over
			return why
		}
	}
}

// heed takes one byte of the child's and tells whether it was a sign of life.
func (s *Supervisor) heed(g *tended, sign byte) bool {
	state := Ready
	switch sign {
	case signReady:
	case signNotReady:
		state = NotReady
	default:
		if known, ok := sandboxSigns[sign]; ok {
			s.set(g, func(st *GroupStatus) {
				if known.why == "" {
					st.Sandbox = append(st.Sandbox, known.name)
					delete(g.absent, known.name)
				} else {
					g.absent[known.name] = known.why
				}
			})
		}
		return false
	}
	s.mu.Lock()
	same := g.status.State == state || g.status.State == Stopping
	s.mu.Unlock()
	if !same {
		s.set(g, func(st *GroupStatus) { st.State = state })
	}
	return true
}

// awaitDependents lets the groups that come after g stop first.
func (s *Supervisor) awaitDependents(g *tended, over <-chan struct{}) {
	for _, other := range s.groups {
		for _, name := range other.After {
			if name != g.Name {
				continue
			}
			select { // bounded: each is killed after its drain time
			case <-other.ended:
			case <-over:
				return
			}
		}
	}
}

// stop asks a process to end and kills it after its drain time.
func (s *Supervisor) stop(g *tended, p *process, over <-chan struct{}) {
	s.set(g, func(st *GroupStatus) { st.State = Stopping })
	s.signal(p, unix.SIGTERM)
	if !within(over, g.drain()) {
		s.Log.Warn("a role group did not end in its time and is killed", "group", g.Name, "pid", p.Pid)
		s.signal(p, unix.SIGKILL)
	}
}

func (s *Supervisor) signal(p *process, sig unix.Signal) {
	if err := p.Signal(sig); err != nil && !errors.Is(err, errDone) {
		s.Log.Warn("a signal could not be sent", "pid", p.Pid, "signal", sig.String(), "err", err)
	}
}

// within tells whether over is closed in time.
func within(over <-chan struct{}, d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-over:
		return true
	case <-wait.C:
		return false
	}
}
