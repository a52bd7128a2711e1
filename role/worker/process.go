package worker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/content/job"
)

// worker is one process and our end of its socket.
type worker struct {
	cmd    *exec.Cmd
	stream *os.File // our end, owned
	conn   int      // its descriptor
	words  *tail
	killed atomic.Bool
	once   sync.Once
	ended  error
}

// jail is a way to start a worker.
type jail struct {
	name string
	cmd  func(ctx context.Context) *exec.Cmd
}

const nobody = 65534

// jails lists the ways to start a worker on this machine, the best first.
func (p *Pool) jails() []jail {
	args := []string{
		"-cpu", strconv.FormatInt(int64(max(1, p.Limits.cpu()/time.Second)), 10),
		"-memory", strconv.FormatInt(p.Limits.memory(), 10),
	}
	wrap := p.Bubblewrap
	if wrap == "" {
		wrap = "/usr/bin/bwrap"
	}
	const inside = "/sekikura-worker"
	ways := []jail{{"bubblewrap", func(ctx context.Context) *exec.Cmd {
		return exec.CommandContext(ctx, wrap, append([]string{ //nolint:gosec // the operator's path
			"--unshare-all", "--as-pid-1", "--die-with-parent", "--new-session", "--cap-drop", "ALL",
			"--uid", strconv.Itoa(nobody), "--gid", strconv.Itoa(nobody), "--hostname", "worker",
			"--clearenv", "--setenv", "GOTRACEBACK", "single", "--setenv", "GOMAXPROCS", "1",
			"--ro-bind", p.Binary, inside, "--chdir", "/", "--", inside,
		}, args...)...)
	}}, {"namespaces", func(ctx context.Context) *exec.Cmd {
		cmd := exec.CommandContext(ctx, p.Binary, args...) //nolint:gosec // the operator's path
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWNS | unix.CLONE_NEWUTS,
			Pdeathsig:  syscall.SIGKILL,
		}
		if os.Geteuid() == 0 {
			cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
			return cmd
		}
		cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: nobody, HostID: os.Getgid(), Size: 1}}
		return cmd
	}}}
	if p.Unjailed {
		ways = append(ways, jail{"none", func(ctx context.Context) *exec.Cmd {
			cmd := exec.CommandContext(ctx, p.Binary, args...) //nolint:gosec // the operator's path
			cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
			return cmd
		}})
	}
	if p.only != "" {
		ways = slices.DeleteFunc(ways, func(j jail) bool { return j.name != p.only })
	}
	return ways
}

// startTime is how long a worker may take until it says hello.
const startTime = 10 * time.Second

// start starts one worker and waits for its hello. The calling goroutine must
// be locked to a thread that outlives the worker: Pdeathsig is the thread's.
func (j jail) start(ctx context.Context) (*worker, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("making a worker's socket: %w", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "ours"), os.NewFile(uintptr(fds[1]), "theirs") //nolint:gosec // descriptors
	w := &worker{cmd: j.cmd(ctx), stream: ours, conn: fds[0], words: new(tail)}
	w.cmd.Cancel = nil
	w.cmd.Env = []string{"GOTRACEBACK=single", "GOMAXPROCS=1"}
	w.cmd.ExtraFiles = []*os.File{theirs}
	w.cmd.Stderr = w.words
	w.cmd.WaitDelay = time.Second
	if w.cmd.SysProcAttr == nil {
		w.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	}
	w.cmd.SysProcAttr.Setpgid = true
	err = w.cmd.Start()
	if shut := theirs.Close(); err == nil {
		err = shut
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("starting a worker (%s): %w", j.name, err), ours.Close())
	}
	late := time.AfterFunc(startTime, w.kill)
	err = job.AwaitHello(w.stream)
	late.Stop()
	if err != nil {
		w.kill()
		return nil, errors.Join(fmt.Errorf("starting a worker (%s): %w", j.name, err), w.end(), errors.New(w.lastWords()))
	}
	return w, nil
}

// kill ends the process and everything it started.
func (w *worker) kill() {
	if w.killed.Swap(true) {
		return
	}
	unix.Kill(-w.cmd.Process.Pid, unix.SIGKILL) //nolint:errcheck,gosec // gone already is as good
}

// grace is how long a worker may take to exit after its answer.
const grace = 2 * time.Second

// end waits until the process has gone, kills it when that takes long, and says
// how it ended: nil for exit status 0.
func (w *worker) end() error {
	w.once.Do(func() {
		unix.Shutdown(w.conn, unix.SHUT_RDWR) //nolint:errcheck,gosec // closed already is as good
		late := time.AfterFunc(grace, w.kill)
		w.ended = w.cmd.Wait()
		late.Stop()
		w.killed.Store(true) // its number may be somebody else's now
		if err := w.stream.Close(); err != nil {
			w.ended = errors.Join(w.ended, err)
		}
	})
	return w.ended
}

// exitedWell tells whether the process ended with status 0; call it after end.
func (w *worker) exitedWell() bool { return w.cmd.ProcessState.Success() }

// lastWords is the end of what the process wrote to standard error.
func (w *worker) lastWords() string { return w.words.String() }

// tail keeps the first bytes that are written to it: a Go program's cause of
// death stands first, its stacks after it.
type tail struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

const keptWords = 300

// Write keeps what fits.
func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf.Write(b[:min(len(b), keptWords-t.buf.Len())])
	return len(b), nil
}

// String is what was kept, safe for a log.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return ' '
		}
		return r
	}, strings.TrimSpace(t.buf.String()))
}

// Binary is where sekikura-worker is expected: beside the program that runs.
func Binary() (string, error) {
	own, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("looking for sekikura-worker: %w", err)
	}
	file := filepath.Join(filepath.Dir(own), "sekikura-worker")
	if _, err := os.Stat(file); err != nil {
		return "", fmt.Errorf("looking for sekikura-worker: %w", err)
	}
	return file, nil
}

var _ io.Writer = (*tail)(nil)
