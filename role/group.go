// Package role starts the product's parts as processes of their own and keeps
// them running.
//
// A [Group] is one process: an account, the few capabilities it keeps, a
// sandbox, listening sockets, and the [Role]s that run in it. A [Supervisor]
// opens the sockets, starts its own binary again for every group, and starts it
// anew when it crashes or hangs; it reads nothing from outside, and of its
// children nothing but single bytes and lines to pass on. In the new process
// [Enter] puts the sandbox on before anything else runs, and [Child.Run] runs
// the roles. What this machine does not allow (no root, no Landlock) is left out
// and named in the [Status], never silently.
package role

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Role is one service within a group's process.
type Role struct {
	Name string

	// Run blocks until ctx ends and then returns nil. If it returns earlier,
	// the whole group ends and is started anew.
	Run func(ctx context.Context) error

	// Ready, when set, is asked every beat: nil means that the role can do its
	// work. It must heed ctx: a group whose Ready does not come back counts as
	// hung and is killed.
	Ready func(ctx context.Context) error
}

// Group says how one process of the product is started. Supervisor and child
// are given the same Group; the roles themselves exist only in the child.
type Group struct {
	Name string // lower-case letters, digits and "-", as in `sekikura role NAME`

	// UID and GID are the account of the process; 0 keeps the supervisor's.
	// Without root they have no effect, and the status says so.
	UID, GID uint32

	// Caps are the capabilities that the process keeps. All others leave its
	// bounding set, also when it stays root.
	Caps []Cap

	Sandbox Sandbox
	Sockets []Socket
	Limits  Limits

	// Settings makes the bytes that the child finds in Child.Settings. It is
	// called in the supervisor before every start, may consult Supervisor.Addr,
	// and may be nil. They travel in memory, so they may hold secrets.
	Settings func() ([]byte, error)

	// After names groups that should be ready before this one starts. It is a
	// wait of at most Supervisor.AfterWait, not a condition. Groups stop in the
	// opposite order.
	After []string

	StartWithin time.Duration // until the first sign of life; 0 means a minute
	HangAfter   time.Duration // without a sign of life; 0 means 15 s
	Drain       time.Duration // between SIGTERM and SIGKILL; 0 means 10 s

	// Survives lets the process live on when the supervisor dies by force: the
	// watchdog that must tell about exactly that. A new supervisor ends the old
	// process before it starts the next.
	Survives bool
}

// Cap is a Linux capability, capabilities(7).
type Cap uintptr

// The capabilities that groups ask for.
const (
	CapNetBindService Cap = unix.CAP_NET_BIND_SERVICE
	CapNetAdmin       Cap = unix.CAP_NET_ADMIN
	CapNetRaw         Cap = unix.CAP_NET_RAW
	CapSysAdmin       Cap = unix.CAP_SYS_ADMIN
)

// String is the kernel's name of c.
func (c Cap) String() string {
	switch c {
	case CapNetBindService:
		return "CAP_NET_BIND_SERVICE"
	case CapNetAdmin:
		return "CAP_NET_ADMIN"
	case CapNetRaw:
		return "CAP_NET_RAW"
	case CapSysAdmin:
		return "CAP_SYS_ADMIN"
	}
	return fmt.Sprintf("capability %d", uintptr(c))
}

// Sandbox says which files a group's process may reach. The system's libraries,
// certificates, time zones and /proc may always be read, and the product's own
// binary may be run.
type Sandbox struct {
	Read  []string // files and folders that may be read; what does not exist is left out
	Write []string // folders of the group's own: made with mode 0700 for its account, and writable
	Share []string // files and folders that exist, belong to somebody else, and may be written
	// Given are folders that the operator named, such as a mount for backups: they
	// may be written. One that is absent or empty is made the group's own; one that
	// holds something keeps its owner, and where that is another the group starts
	// all the same and the log says what to do.
	Given []string
	Exec  []string // programs and folders of programs that may be run

	// Jails is for a group that builds jails with bubblewrap. Landlock forbids
	// all mounting below it and is therefore left out, and the system calls
	// that make namespaces stay allowed.
	Jails bool

	// Bits32 lets programs of 32 bits run: for detonation only, because their
	// system calls have other numbers, which the denylist does not know.
	Bits32 bool

	// Calls are system calls that stay allowed although the denylist has them,
	// such as "bpf".
	Calls []string
}

// Limits bound what a process may use; 0 leaves the system's own limit.
type Limits struct {
	Files  uint64 // open file descriptors, RLIMIT_NOFILE
	Memory int64  // bytes: the garbage collector works harder near it, debug.SetMemoryLimit
	Procs  int    // threads that run Go code at once, GOMAXPROCS
}

// Socket is one that the supervisor opens and every process of the group
// inherits, so that a restart refuses no connection.
type Socket struct {
	Name    string      // how the child asks for it
	Network string      // tcp, tcp4, tcp6, udp, udp4, udp6, unix or unixgram
	Address string      // host:port, or a path; port 0 is chosen once and kept
	Mode    fs.FileMode // of a unix socket's file; 0 means 0660
	GID     uint32      // group of a unix socket's file; 0 means that of the role group

	// Optional lets the group start without the socket where the port is
	// privileged and this process may not open it.
	Optional bool
}

// defaults for the times a group leaves open.
const (
	defaultStart = time.Minute
	defaultHang  = 15 * time.Second
	defaultDrain = 10 * time.Second
)

func (g Group) startWithin() time.Duration { return either(g.StartWithin, defaultStart) }
func (g Group) hangAfter() time.Duration   { return either(g.HangAfter, defaultHang) }
func (g Group) drain() time.Duration       { return either(g.Drain, defaultDrain) }

func either(d, otherwise time.Duration) time.Duration {
	if d > 0 {
		return d
	}
	return otherwise
}

// check names everything that is wrong with groups, or returns nil.
func check(groups []Group) error {
	var wrong []error
	at := make(map[string]int)
	for i, g := range groups {
		if !plain(g.Name) {
			wrong = append(wrong, fmt.Errorf("%q is no name for a role group: use a-z, 0-9 and -", g.Name))
		}
		if _, twice := at[g.Name]; twice {
			wrong = append(wrong, fmt.Errorf("there are two role groups %q", g.Name))
		}
		at[g.Name] = i
		names := make(map[string]bool)
		for _, socket := range g.Sockets {
			if err := socket.check(); err != nil {
				wrong = append(wrong, fmt.Errorf("role group %s: %w", g.Name, err))
			}
			if names[socket.Name] {
				wrong = append(wrong, fmt.Errorf("role group %s has two sockets %q", g.Name, socket.Name))
			}
			names[socket.Name] = true
		}
	}
	for _, g := range groups {
		for _, name := range g.After {
			if _, known := at[name]; !known {
				wrong = append(wrong, fmt.Errorf("role group %s starts after %q, which does not exist", g.Name, name))
			}
		}
	}
	if wrong == nil {
		wrong = append(wrong, circle(groups, at))
	}
	return errors.Join(wrong...)
}

// circle finds groups that wait for each other.
func circle(groups []Group, at map[string]int) error {
	const open, done = 1, 2
	state := make([]int, len(groups))
	var visit func(i int, path []string) error
	visit = func(i int, path []string) error {
		path = append(path, groups[i].Name)
		switch state[i] {
		case open:
			return fmt.Errorf("role groups wait for each other: %s", strings.Join(path, " after "))
		case done:
			return nil
		}
		state[i] = open
		for _, name := range groups[i].After {
			if err := visit(at[name], slices.Clone(path)); err != nil {
				return err
			}
		}
		state[i] = done
		return nil
	}
	for i := range groups {
		if err := visit(i, nil); err != nil {
			return err
		}
	}
	return nil
}

// plain tells whether name can stand in a command line, a file name and a metric.
func plain(name string) bool {
	if name == "" || len(name) > 32 || name[0] == '-' {
		return false
	}
	return strings.IndexFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '-'
	}) < 0
}
