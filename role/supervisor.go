package role

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Supervisor runs Groups, each in a process of its own, until told to stop.
// Groups, Dir, Output and Log must be set before the first call.
type Supervisor struct {
	Groups []Group
	Dir    string    // status.json and crash/ are kept here; made if absent
	Output io.Writer // the children's log lines
	Log    *slog.Logger

	Binary    string                      // what is started; "" means this program
	Args      func(group string) []string // its arguments; nil means `role GROUP`
	Env       []string                    // the children's environment
	Backoff   Backoff                     // zero values are filled in
	Beat      time.Duration               // how often a child shows life; 0 means a second
	AfterWait time.Duration               // longest wait for Group.After; 0 means 20 s
	Now       func() time.Time            // nil means time.Now

	once   sync.Once
	wrong  error // what check said
	forks  *forker
	outMu  sync.Mutex // guards Output
	mu     sync.Mutex // guards the fields below; never held while calling out
	groups []*tended
	change chan struct{} // closed and replaced on every change of state
}

// Backoff is the pause before a group is started again: Min after the first
// end, doubling up to Max, a quarter more or less at random, and Min again once
// a process has run for Stable.
type Backoff struct{ Min, Max, Stable time.Duration }

// tended is one group in the supervisor's care.
type tended struct {
	Group
	held   []*held // touched by Open and then only by the group's own goroutine
	ended  chan struct{}
	again  chan struct{} // asks for a restart
	absent map[string]string
	status GroupStatus // guarded by Supervisor.mu
}

func (g *tended) absentNow() map[string]string { return maps.Clone(g.absent) }

func (s *Supervisor) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

func (s *Supervisor) beat() time.Duration { return either(s.Beat, time.Second) }

func (s *Supervisor) binary() string {
	if s.Binary != "" {
		return s.Binary
	}
	// Not the path of os.Executable: this link means the very program that
	// runs, also after an update replaced the file, and also for an account
	// that may not enter the file's folder.
	return "/proc/self/exe"
}

func (s *Supervisor) argv(group string) []string {
	args := []string{"role", group}
	if s.Args != nil {
		args = s.Args(group)
	}
	return append([]string{os.Args[0]}, args...)
}

// prepare checks the groups once.
func (s *Supervisor) prepare() error {
	s.once.Do(func() {
		s.change = make(chan struct{})
		if s.wrong = check(s.Groups); s.wrong != nil {
			return
		}
		if s.wrong = os.MkdirAll(filepath.Join(s.Dir, "crash"), 0o755); s.wrong != nil { //nolint:gosec // the portal reads it
			return
		}
		for _, g := range s.Groups {
			t := &tended{Group: g, ended: make(chan struct{}), again: make(chan struct{}, 1), absent: s.absent(&g)}
			t.status = GroupStatus{Name: g.Name, State: Waiting, Since: s.now()}
			s.groups = append(s.groups, t)
		}
	})
	return s.wrong
}

// absent names what g asks for and this process cannot give.
func (s *Supervisor) absent(g *Group) map[string]string {
	missing := make(map[string]string)
	if os.Geteuid() != 0 && (g.UID != 0 || g.GID != 0) {
		missing["accounts"] = "needs root"
	}
	for _, c := range g.Caps {
		if !permitted(c) {
			missing["capabilities"] = c.String() + " needs root"
		}
	}
	return missing
}

// Open opens the groups' sockets. Run does it as well; call it before to learn
// the addresses. The error names every address that could not be opened; Run
// goes on trying those, and the groups without them wait.
func (s *Supervisor) Open(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	var wrong []error
	for _, g := range s.groups {
		if err := s.open(ctx, g); err != nil {
			wrong = append(wrong, err)
		}
	}
	return errors.Join(wrong...)
}

// open opens those sockets of g that are not open.
func (s *Supervisor) open(ctx context.Context, g *tended) error {
	var wrong []error
	for _, socket := range g.Sockets {
		if slices.ContainsFunc(g.held, func(h *held) bool { return h.Name == socket.Name }) {
			continue
		}
		h, err := socket.hold(ctx, g.GID)
		switch {
		case err == nil:
			g.held = append(g.held, h)
		case socket.Optional && privileged(err):
			g.absent["low_ports"] = "needs root"
		default:
			wrong = append(wrong, fmt.Errorf("socket %s of role group %s: %w", socket.Name, g.Name, err))
		}
	}
	addresses := make(map[string]string, len(g.held))
	for _, h := range g.held {
		addresses[h.Name] = h.addr
	}
	s.mu.Lock()
	g.status.Sockets = addresses
	s.mu.Unlock()
	return errors.Join(wrong...)
}

// Addr is the address of a group's open socket, with the real port, or "".
func (s *Supervisor) Addr(group, socket string) string {
	if s.prepare() != nil {
		return ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		if g.Name == group {
			return g.status.Sockets[socket]
		}
	}
	return ""
}

// Status is what the status file will say next.
func (s *Supervisor) Status() Status {
	out := Status{Time: s.now(), PID: os.Getpid()}
	if s.prepare() != nil {
		return out
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, g := range s.groups {
		one := g.status
		one.Sockets, one.Absent, one.Sandbox = maps.Clone(one.Sockets), maps.Clone(one.Absent), slices.Clone(one.Sandbox)
		out.Groups = append(out.Groups, one)
	}
	return out
}

// StatusFile is where the status is kept.
func (s *Supervisor) StatusFile() string { return filepath.Join(s.Dir, "status.json") }

// WaitReady returns nil once every named group is ready, all groups when none is
// named, or ctx's error.
func (s *Supervisor) WaitReady(ctx context.Context, names ...string) error {
	if err := s.prepare(); err != nil {
		return err
	}
	for {
		s.mu.Lock()
		waits, changed := "", s.change
		for _, g := range s.groups {
			if g.status.State != Ready && (len(names) == 0 || slices.Contains(names, g.Name)) {
				waits = g.Name
			}
		}
		s.mu.Unlock()
		if waits == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for role group %s: %w", waits, ctx.Err())
		case <-changed:
		}
	}
}

// Restart stops the group called name and starts it anew at once, with fresh
// settings and the same sockets. It does not wait.
func (s *Supervisor) Restart(name string) {
	if s.prepare() != nil {
		return
	}
	for _, g := range s.groups {
		if g.Name == name {
			select {
			case g.again <- struct{}{}:
			default: // asked already
			}
		}
	}
}

// lock keeps a second supervisor away from Dir: it would end the first one's
// survivors and write over its status. The caller closes the file; the kernel
// lets go of the lock also after kill -9.
func (s *Supervisor) lock() (*os.File, error) {
	file, err := os.OpenFile(filepath.Join(s.Dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = fmt.Errorf("another supervisor runs on %s", s.Dir)
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// Run starts every group and keeps it running. It returns nil once ctx ended and
// every process has gone, and an error only for groups that contradict each
// other, a Dir that cannot be written, and one where another supervisor runs.
func (s *Supervisor) Run(ctx context.Context) error {
	if err := s.prepare(); err != nil {
		return err
	}
	lock, err := s.lock()
	if err != nil {
		return err
	}
	defer lock.Close() //nolint:errcheck // nothing is written to it
	before, err := ReadStatus(s.StatusFile())
	if err == nil {
		s.endSurvivors(before)
	}
	if err := s.Status().write(s.StatusFile()); err != nil {
		return err
	}
	// All sockets before the first start: settings may name other groups' ports.
	if err := s.Open(ctx); err != nil && ctx.Err() == nil {
		s.Log.Error("some sockets cannot be opened and are tried again", "err", err)
	}
	s.forks = newForker()
	defer s.forks.close()

	var tending, writing sync.WaitGroup
	written := make(chan struct{})
	writing.Go(func() { s.keepStatus(written) })
	for _, g := range s.groups {
		tending.Go(func() {
			defer close(g.ended)
			s.tend(ctx, g)
		})
	}
	tending.Wait()
	close(written)
	writing.Wait()
	var wrong []error
	for _, g := range s.groups {
		for _, h := range g.held {
			wrong = append(wrong, h.close())
		}
		g.held = nil
	}
	if err := errors.Join(wrong...); err != nil {
		s.Log.Warn("a socket could not be closed", "err", err)
	}
	return s.Status().write(s.StatusFile())
}

func (s *Supervisor) endSurvivors(before Status) {
	for _, g := range s.groups {
		old, known := before.Group(g.Name)
		if !g.Survives || !known {
			continue
		}
		if err := replace(old); err != nil {
			s.Log.Warn("the process that survived an earlier supervisor could not be ended", "group", g.Name, "pid", old.PID, "err", err)
		}
	}
}

// keepStatus writes the status file after every change, until done is closed.
func (s *Supervisor) keepStatus(done <-chan struct{}) {
	for {
		s.mu.Lock()
		changed := s.change
		s.mu.Unlock()
		if err := s.Status().write(s.StatusFile()); err != nil {
			s.Log.Warn("the status could not be written", "err", err)
		}
		select {
		case <-done:
			return
		case <-changed:
		}
	}
}

// set changes g's status.
func (s *Supervisor) set(g *tended, change func(*GroupStatus)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	was := g.status.State
	change(&g.status)
	g.status.Absent = maps.Clone(g.absent)
	if g.status.State != was {
		g.status.Since = s.now()
	}
	close(s.change)
	s.change = make(chan struct{})
}

// jitter spreads d by a quarter to both sides, so that groups that fell together
// do not start together for ever.
func jitter(d time.Duration) time.Duration {
	return d - d/4 + rand.N(d/2+1) //nolint:gosec // no secret
}
