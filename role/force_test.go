package role

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// scheme is what a supervisor in a process of its own is told.
type scheme struct {
	Dir      string
	Groups   []planned
	Settings map[string]orders
}

// apart is a supervisor in a process of its own.
type apart struct {
	cmd  *exec.Cmd
	file string
	out  *output
}

// supervise starts this test's binary as a supervisor, under account uid when
// run by root. It is ended with the test.
func supervise(t *testing.T, dir string, s scheme, uid uint32) *apart {
	t.Helper()
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "scheme.json")
	if err := os.WriteFile(file, text, 0o644); err != nil {
		t.Fatal(err)
	}
	out := new(output)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "supervise", file)
	cmd.Stderr = out
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 20 * time.Second
	if os.Geteuid() == 0 && uid != 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		for _, d := range []string{s.Dir, dir} {
			if err := os.Chown(d, int(uid), int(uid)); err != nil {
				t.Fatal(err)
			}
		}
		// t.TempDir's parent is closed to others.
		for d := filepath.Dir(dir); d != os.TempDir() && len(d) > len(os.TempDir()); d = filepath.Dir(d) {
			if err := os.Chmod(d, 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		cmd.Wait()
		if t.Failed() {
			t.Logf("output:\n%s", last(out.String()))
		}
	})
	return &apart{cmd, filepath.Join(s.Dir, "status.json"), out}
}

// until reads the status file until want accepts it. It looks again every few
// milliseconds: another process writes it.
func (a *apart) until(t *testing.T, want func(Status) bool) Status {
	t.Helper()
	limit := time.Now().Add(20 * time.Second)
	for time.Now().Before(limit) {
		status, err := ReadStatus(a.file)
		if err == nil && want(status) {
			return status
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Millisecond)
	}
	t.Fatalf("the status file never said what was waited for:\n%s", last(a.out.String()))
	return Status{}
}

// gone waits until process pid with that birth has ended.
func gone(pid int, born uint64) bool {
	for range 1000 {
		if b := birth(pid); b != born || zombie(pid) {
			return true
		}
		time.Sleep(5 * time.Millisecond)
	}
	return false
}

func zombie(pid int) bool {
	text, err := os.ReadFile(filepath.Join("/proc", itoa(pid), "stat"))
	return err == nil && strings.Contains(string(text), ") Z ")
}

func itoa(n int) string {
	text, _ := json.Marshal(n)
	return string(text)
}

func TestKillingTheSupervisorEndsEveryGroupButTheSurvivor(t *testing.T) {
	dir := t.TempDir()
	plan := scheme{
		Dir: filepath.Join(dir, "run"),
		Groups: []planned{
			{Name: "edge", Sockets: onTCP},
			{Name: "watchdog", Survives: true},
			{Name: moved},
		},
	}
	first := supervise(t, dir, plan, 0)
	all := func(st Status) bool {
		return len(st.Groups) == 3 && st.Groups[0].State == Ready && st.Groups[1].State == Ready && st.Groups[2].State == Ready
	}
	before := first.until(t, all)
	edge, dog := before.Groups[0], before.Groups[1]
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	first.cmd.Wait()
	if !gone(edge.PID, edge.Birth) {
		t.Errorf("group edge, process %d, lives without its supervisor", edge.PID)
	}
	if other := before.Groups[2]; !gone(other.PID, other.Birth) {
		t.Errorf("group %s, process %d, lives without its supervisor", moved, other.PID)
	}
	if birth(dog.PID) != dog.Birth || zombie(dog.PID) {
		t.Errorf("the watchdog died with the supervisor")
	}
	// The next supervisor takes its place, and there is one watchdog again.
	second := supervise(t, dir, plan, 0)
	after := second.until(t, func(st Status) bool { return st.PID == second.cmd.Process.Pid && all(st) })
	if !gone(dog.PID, dog.Birth) {
		t.Errorf("the old watchdog %d runs beside the new one %d", dog.PID, after.Groups[1].PID)
		unix.Kill(dog.PID, unix.SIGKILL)
	}
}
