package role

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The test binary is also the supervisor and the children that it tests.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		var err error
		switch os.Args[1] {
		case "role":
			play := func() error { return playChild(os.Args[2]) }
			if os.Args[2] == moved {
				err = offLeader(play)
			} else {
				err = play()
			}
		case "supervise":
			err = playSupervisor(os.Args[2])
		default:
			os.Exit(m.Run())
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// moved is the group whose process enters its sandbox from another thread than
// the one that was forked, as the scheduler may have it with any group.
const moved = "moved"

// offLeader runs fn on a thread that is not the process's first.
func offLeader(fn func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			done <- offLeader(fn) // while this one holds the first thread
			return
		}
		done <- fn()
	}()
	return <-done
}

// orders are the settings of a test's child.
type orders struct {
	Mute     bool     // never says a thing, and lives
	Hang     bool     // Ready stops coming back after the first time
	Unready  bool     // Ready is an error
	Stubborn bool     // does not heed SIGTERM
	Fail     string   // Run's error
	Read     []string // files to try
	Write    []string
	Exec     string // a program to run
}

// answer is what a test's child says on a connection.
type answer struct {
	PID     int
	Status  string // /proc/self/status
	Tried   map[string]string
	Secret  string
	Environ string
	Mount   string
	Spawn   string // in a new user namespace
	Plain   string
	Exec    string
}

func playChild(group string) error {
	c, err := Enter()
	if err != nil {
		return err
	}
	if c.Group != group {
		return fmt.Errorf("asked for %s, am %s", group, c.Group)
	}
	var o orders
	if len(c.Settings) > 0 {
		if err := c.Decode(&o); err != nil {
			return err
		}
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	log.Info("child speaks", "pid", os.Getpid())
	if o.Fail != "" {
		return errors.New(o.Fail)
	}
	if o.Stubborn {
		signal.Ignore(syscall.SIGTERM)
	}
	if o.Mute {
		select {}
	}
	serve := Role{Name: "serve", Run: func(ctx context.Context) error { <-ctx.Done(); return nil }}
	if c.Has("tcp") {
		l, err := c.Listener("tcp")
		if err != nil {
			return err
		}
		serve.Run = func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { l.Close() })
			for {
				conn, err := l.Accept()
				if err != nil {
					return unlessDone(ctx, err)
				}
				go talk(conn, o)
			}
		}
	}
	if o.Stubborn {
		serve.Run = func(context.Context) error { select {} }
	}
	asked := 0
	serve.Ready = func(context.Context) error {
		asked++
		if o.Hang && asked > 1 {
			select {}
		}
		if o.Unready {
			return errors.New("not today")
		}
		return nil
	}
	roles := []Role{serve}
	if c.Has("udp") {
		p, err := c.PacketConn("udp")
		if err != nil {
			return err
		}
		roles = append(roles, Role{Name: "echo", Run: func(ctx context.Context) error {
			context.AfterFunc(ctx, func() { p.Close() })
			buf := make([]byte, 1500)
			for {
				n, from, err := p.ReadFrom(buf)
				if err != nil {
					return unlessDone(ctx, err)
				}
				if _, err := p.WriteTo(buf[:n], from); err != nil {
					return err
				}
			}
		}})
	}
	return c.Run(context.Background(), roles...)
}

// unlessDone is err, or nil when ctx ended.
func unlessDone(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// talk reads a word and does it: "die", "panic", or anything else for an answer.
func talk(conn net.Conn, o orders) {
	defer conn.Close()
	var word [16]byte
	n, err := conn.Read(word[:])
	if err != nil {
		return
	}
	switch strings.TrimSpace(string(word[:n])) {
	case "die":
		os.Exit(3)
	case "panic":
		go panic("a test asked for it")
		select {}
	}
	out := answer{PID: os.Getpid(), Tried: make(map[string]string)}
	status, err := os.ReadFile("/proc/self/status")
	out.Status = string(status)
	if err != nil {
		out.Status = err.Error()
	}
	for _, file := range o.Read {
		_, err := os.ReadFile(file)
		out.Tried["read "+file] = says(err)
	}
	for _, file := range o.Write {
		out.Tried["write "+file] = says(os.WriteFile(file, []byte("x"), 0o600))
	}
	out.Environ = strings.Join(os.Environ(), "\n")
	out.Mount = says(unix.Unshare(unix.CLONE_NEWNS))
	if o.Exec != "" {
		out.Exec = exits(o.Exec)
	}
	out.Spawn, out.Plain = spawn(unix.CLONE_NEWUSER), spawn(0)
	json.NewEncoder(conn).Encode(out)
}

// exits runs a program and says how it ended.
func exits(file string) string {
	cmd := exec.CommandContext(context.Background(), file)
	if err := cmd.Run(); cmd.ProcessState == nil {
		return err.Error()
	}
	return cmd.ProcessState.String()
}

// spawn runs this binary once more, to the point where it says that it was not
// started by a supervisor.
func spawn(flags uintptr) string {
	cmd := exec.CommandContext(context.Background(), "/proc/self/exe", "role", "again")
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	err := cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) && exit.ExitCode() == 1 {
		return "ok"
	}
	return says(err)
}

func says(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, os.ErrPermission):
		return "denied"
	}
	return err.Error()
}

// playSupervisor runs what the file says until SIGTERM.
func playSupervisor(file string) error {
	var plan struct {
		Dir      string
		Groups   []Group
		Settings map[string]orders
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &plan); err != nil {
		return err
	}
	for i := range plan.Groups {
		given := plan.Settings[plan.Groups[i].Name]
		plan.Groups[i].Settings = func() ([]byte, error) { return json.Marshal(given) }
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	s := &Supervisor{
		Groups: plan.Groups, Dir: plan.Dir, Output: os.Stderr, Beat: 50 * time.Millisecond,
		Log:     slog.New(slog.NewJSONHandler(os.Stderr, nil)),
		Backoff: Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
	}
	return s.Run(ctx)
}

// planned is the Group without its function, which has no JSON.
type planned struct {
	Name     string
	UID, GID uint32
	Caps     []Cap
	Sandbox  Sandbox
	Sockets  []Socket
	Survives bool
}

// ask sends word to address and reads the answer.
func ask(t *testing.T, address, word string) (answer, error) {
	t.Helper()
	var out answer
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", address)
	if err != nil {
		return out, err
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, word); err != nil {
		return out, err
	}
	return out, json.NewDecoder(conn).Decode(&out)
}
