package role

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

var errDone = os.ErrProcessDone

// Child is what a group's process got from its supervisor.
type Child struct {
	Group    string
	Settings []byte            // what Group.Settings made; may be empty
	Absent   map[string]string // what this machine does not allow, and why

	beat    time.Duration
	signs   io.Writer
	sockets map[string]*os.File
}

// Enter must be the first thing that the process of a role group does, before it
// reads anything or starts goroutines of its own. It puts the sandbox on, starts
// the program again inside it with the same arguments, and returns there.
func Enter() (*Child, error) {
	memory := os.NewFile(fdBootstrap, "bootstrap")
	if memory == nil {
		return nil, errNoBootstrap
	}
	b, jailed, err := readBootstrap(memory)
	if err != nil {
		return nil, err
	}
	signs := os.NewFile(fdSigns, "signs")
	if !jailed {
		return nil, enterJail(b, memory, signs)
	}
	for fd := range fdSockets + len(b.Sockets) {
		if fd > 2 {
			unix.CloseOnExec(fd)
		}
	}
	if err := memory.Close(); err != nil {
		return nil, err
	}
	crash := os.NewFile(fdCrash, "crash")
	if err := errors.Join(debug.SetCrashOutput(crash, debug.CrashOptions{}), crash.Close()); err != nil {
		return nil, fmt.Errorf("keeping a place for last words: %w", err)
	}
	if b.Limits.Memory > 0 {
		debug.SetMemoryLimit(b.Limits.Memory)
	}
	if b.Limits.Procs > 0 {
		runtime.GOMAXPROCS(b.Limits.Procs)
	}
	// Without this, a log line after the supervisor's death would be the end of
	// a group that survives it.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	c := &Child{Group: b.Group, Settings: b.Settings, Absent: b.Absent, beat: b.Beat, signs: signs, sockets: make(map[string]*os.File)}
	for i, name := range b.Sockets {
		c.sockets[name] = os.NewFile(uintptr(fdSockets+i), name)
	}
	return c, nil
}

// Decode reads settings that Group.Settings made with json.Marshal.
func (c *Child) Decode(settings any) error {
	if err := json.Unmarshal(c.Settings, settings); err != nil {
		return fmt.Errorf("reading the settings of role group %s: %w", c.Group, err)
	}
	return nil
}

// Has tells whether the socket called name was opened and is not taken yet.
func (c *Child) Has(name string) bool { return c.sockets[name] != nil }

// Listener takes the stream socket called name. The caller closes it; the
// supervisor keeps the socket itself open. Each can be taken once.
func (c *Child) Listener(name string) (net.Listener, error) {
	file, err := c.take(name)
	if err != nil {
		return nil, err
	}
	l, err := net.FileListener(file)
	return l, errors.Join(err, file.Close())
}

// PacketConn takes the datagram socket called name, as Listener does.
func (c *Child) PacketConn(name string) (net.PacketConn, error) {
	file, err := c.take(name)
	if err != nil {
		return nil, err
	}
	p, err := net.FilePacketConn(file)
	return p, errors.Join(err, file.Close())
}

func (c *Child) take(name string) (*os.File, error) {
	file := c.sockets[name]
	if file == nil {
		return nil, fmt.Errorf("role group %s has no socket %q to take", c.Group, name)
	}
	delete(c.sockets, name)
	return file, nil
}

// Run runs roles until the supervisor says stop (SIGTERM) or ctx ends, and then
// returns nil once all of them have returned. If one returns before that, the
// others are stopped and the error names it. A socket that nobody took is an
// error: its clients would wait for ever.
func (c *Child) Run(ctx context.Context, roles ...Role) error {
	if len(c.sockets) > 0 {
		return fmt.Errorf("role group %s leaves its sockets unused: %s", c.Group, strings.Join(slices.Sorted(maps.Keys(c.sockets)), ", "))
	}
	told, forget := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer forget()
	run, cancel := context.WithCancel(told)
	defer cancel()
	var (
		running sync.WaitGroup
		mu      sync.Mutex // guards first
		first   error
	)
	for _, r := range roles {
		running.Go(func() {
			err := r.Run(run)
			if err == nil && run.Err() == nil {
				err = errors.New("it ended by itself")
			}
			cancel()
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = fmt.Errorf("role %s: %w", r.Name, err)
			}
		})
	}
	var beating sync.WaitGroup
	beating.Go(func() { c.show(run, roles) })
	running.Wait()
	cancel()
	beating.Wait()
	return first
}

// show writes one byte a beat: whether every role is ready. While a Ready does
// not come back there is none, and the supervisor takes the process for hung.
func (c *Child) show(ctx context.Context, roles []Role) {
	tick := time.NewTicker(c.beat)
	defer tick.Stop()
	for ctx.Err() == nil {
		sign := byte(signReady)
		for _, r := range roles {
			if r.Ready == nil {
				continue
			}
			ask, cancel := context.WithTimeout(ctx, 3*c.beat)
			if r.Ready(ask) != nil {
				sign = signNotReady
			}
			cancel()
		}
		if _, err := c.signs.Write([]byte{sign}); err != nil {
			return // the supervisor has gone
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
}
