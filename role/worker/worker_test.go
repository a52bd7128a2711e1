package worker

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/content/job"
)

// scratch is a folder that every account may enter; TestMain makes and removes it.
var scratch string

// built is the worker as it is shipped: static and stripped.
var built = sync.OnceValues(func() (string, error) {
	file := filepath.Join(scratch, "sekikura-worker")
	cmd := exec.CommandContext(context.Background(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w", "-o", file, "github.com/sekikura/sekikura/cmd/sekikura-worker")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the worker: %w\n%s", err, out)
	}
	return file, nil
})

// The test binary is also a role group that holds a pool.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == "role" {
		if err := playGroup(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(within(m))
}

// within runs the tests with a scratch folder.
func within(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sekikura-worker-test-")
	if err == nil {
		err = os.Chmod(dir, 0o755) // the worker's account runs what is in it
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	scratch = dir
	return m.Run()
}

func binary(t testing.TB) string {
	t.Helper()
	file, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// run starts a pool and ends it with the test.
func run(t testing.TB, set func(*Pool)) *Pool {
	t.Helper()
	p := &Pool{Binary: binary(t), Log: slog.New(slog.DiscardHandler), Warm: 2, Parallel: 2, Unjailed: true}
	set(p)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("Run: %v", err)
			}
		case <-time.After(20 * time.Second):
			t.Error("the pool did not end")
		}
	})
	for limit := time.Now().Add(10 * time.Second); p.Ready(ctx) != nil; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatal("the pool does not get ready")
		}
	}
	return p
}

// each runs test in every jail that this machine has.
func each(t *testing.T, set func(*Pool), test func(*testing.T, *Pool)) {
	t.Helper()
	for _, name := range []string{"bubblewrap", "namespaces", "none"} {
		t.Run(name, func(t *testing.T) {
			needJail(t, name)
			p := run(t, func(p *Pool) {
				set(p)
				p.only = name
			})
			test(t, p)
		})
	}
}

// needJail skips where the machine cannot build that jail; in CI it must.
func needJail(t testing.TB, name string) {
	t.Helper()
	w, err := (&Pool{Binary: binary(t), Unjailed: true, only: name}).jails()[0].start(t.Context())
	if err == nil {
		err = w.end()
	}
	switch {
	case err != nil && os.Getenv("CI") == "true":
		t.Fatalf("CI needs every jail (Debian package bubblewrap, user namespaces): %v", err)
	case err != nil:
		t.Skipf("no jail by %s here (Debian package bubblewrap, user namespaces): %v", name, err)
	}
}

func file(t testing.TB, text string) *os.File {
	t.Helper()
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f
}

func selftest(do string, bytes int) job.Request {
	options, err := json.Marshal(map[string]any{"do": do, "bytes": bytes})
	if err != nil {
		panic(err)
	}
	return job.Request{Engine: "selftest", Options: options}
}

func TestAWorkerReadsItsFileFromTheStart(t *testing.T) {
	each(t, func(*Pool) {}, func(t *testing.T, p *Pool) {
		f := file(t, "hello") // whose offset is at its end
		for range 5 {
			report, err := p.Do(t.Context(), selftest("read", 0), f, nil)
			if err != nil || string(report) != "5" {
				t.Fatalf("got %s, %v; want 5", report, err)
			}
		}
	})
}

func TestAWorkerThatWasTakenOverReachesNothing(t *testing.T) {
	each(t, func(*Pool) {}, func(t *testing.T, p *Pool) {
		report, err := p.Do(t.Context(), selftest("escape", 0), file(t, ""), nil)
		if err != nil {
			t.Fatal(err)
		}
		var tried map[string]string
		if err := json.Unmarshal(report, &tried); err != nil {
			t.Fatal(err)
		}
		for _, what := range []string{"open", "socket", "local", "exec", "fork", "kill", "ptrace", "unshare"} {
			if !strings.Contains(tried[what], "not permitted") {
				t.Errorf("%s: %q, want operation not permitted", what, tried[what])
			}
		}
	})
}

func TestEveryMisbehaviourIsAFailureAndTheNextFileIsServed(t *testing.T) {
	set := func(p *Pool) {
		p.Figures = new(Figures)
		p.Limits = Limits{CPU: time.Second, Wall: time.Minute, Memory: 192 << 20, Output: 1000}
	}
	each(t, set, func(t *testing.T, p *Pool) {
		for _, tt := range []struct {
			do    string
			bytes int
			want  Kind
			words string // in the error
		}{
			{"panic", 0, Crashed, "the self test was asked to"},
			{"spin", 0, Crashed, ""},
			{"memory", 1 << 30, Crashed, ""}, // mostly "out of memory", at times deep in the collector
			{"output", 1001, TooLarge, ""},
			{"garbage", 0, Malformed, ""},
			{"exit", 0, Malformed, ""},
			{"nonsense", 0, GaveUp, `does not know "nonsense"`},
		} {
			report, err := p.Do(t.Context(), selftest(tt.do, tt.bytes), file(t, "x"), nil)
			var failure *Failure
			if !errors.As(err, &failure) || failure.Kind != tt.want || report != nil || !strings.Contains(err.Error(), tt.words) {
				t.Errorf("%s: %s, %v; want %s with %q", tt.do, report, err, tt.want, tt.words)
			}
			if report, err := p.Do(t.Context(), selftest("read", 0), file(t, "hello"), nil); err != nil || string(report) != "5" {
				t.Fatalf("the file after %s: %s, %v", tt.do, report, err)
			}
		}
		for outcome, want := range map[string]float64{"crashed": 3, "too_large": 1, "malformed": 2, "gave_up": 1, "done": 7} {
			if got := p.Figures.files[[2]string{"selftest", outcome}]; got != want {
				t.Errorf("%v files count as %s, want %v", got, outcome, want)
			}
		}
	})
}

func TestATimeLimitAndACancelledJobEndTheProcess(t *testing.T) {
	each(t, func(p *Pool) { p.Limits.Wall = 200 * time.Millisecond }, func(t *testing.T, p *Pool) {
		_, err := p.Do(t.Context(), selftest("sleep", 0), file(t, ""), nil)
		var failure *Failure
		if !errors.As(err, &failure) || failure.Kind != TimedOut {
			t.Errorf("got %v, want timed_out", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := p.Do(ctx, selftest("sleep", 0), file(t, ""), nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the caller's deadline", err)
		}
	})
}

func TestOutputComesBackWhole(t *testing.T) {
	p := run(t, func(p *Pool) { p.Limits.Output = 3 << 20 })
	var out bytes.Buffer
	if _, err := p.Do(t.Context(), selftest("output", 3<<20), file(t, ""), &out); err != nil {
		t.Fatal(err)
	}
	if out.Len() != 3<<20 {
		t.Errorf("got %d bytes, want %d", out.Len(), 3<<20)
	}
}

// back puts a worker where the next job finds it, and ends the one that stands
// there: the channel has room for one when Warm is 2.
func (s *state) back(w *worker) {
	for {
		select {
		case s.free <- w:
			return
		case other := <-s.free:
			other.end()
		}
	}
}

func TestAWarmWorkerThatDiedCostsNoFile(t *testing.T) {
	p := run(t, func(p *Pool) { p.only = "none" })
	for range 2 {
		w := <-p.pool.free
		unix.Kill(w.cmd.Process.Pid, unix.SIGKILL)
		unix.Waitid(unix.P_PID, w.cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		p.pool.back(w)
	}
	for range 4 {
		if report, err := p.Do(t.Context(), selftest("read", 0), file(t, "hello"), nil); err != nil || string(report) != "5" {
			t.Errorf("after warm workers died: %s, %v", report, err)
		}
	}
}

func TestManyFilesAtOnce(t *testing.T) {
	p := run(t, func(p *Pool) { p.Parallel = 3 })
	var working sync.WaitGroup
	for i := range 40 {
		working.Go(func() {
			text := strings.Repeat("x", i)
			if report, err := p.Do(t.Context(), selftest("read", 0), file(t, text), nil); err != nil || string(report) != fmt.Sprint(i) {
				t.Errorf("file %d: %s, %v", i, report, err)
			}
		})
	}
	working.Wait()
}

func TestTheTypeOfAFileComesFromAWorker(t *testing.T) {
	p := run(t, func(*Pool) {})
	for _, tt := range []struct{ text, want string }{
		{"%PDF-1.7\n%%EOF", "pdf"},
		{"\x89PNG\r\n\x1a\n", "png"},
		{"", "empty"},
	} {
		content, err := Memory(strings.NewReader(tt.text), 100)
		if err != nil {
			t.Fatal(err)
		}
		report, err := p.Do(t.Context(), job.Request{Engine: "filetype"}, content, nil)
		content.Close()
		var got struct{ Type string }
		if err := errors.Join(err, json.Unmarshal(report, &got)); err != nil || got.Type != tt.want {
			t.Errorf("%q: %s, %v; want %s", tt.text, report, err, tt.want)
		}
	}
}

func TestMemoryKeepsItsLimit(t *testing.T) {
	if f, err := Memory(strings.NewReader("12345"), 4); !errors.Is(err, ErrTooLong) {
		f.Close()
		t.Errorf("5 of 4 bytes: %v, want ErrTooLong", err)
	}
	f, err := Memory(strings.NewReader("1234"), 4)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if text, err := io.ReadAll(f); err != nil || string(text) != "1234" {
		t.Errorf("got %q, %v", text, err)
	}
}

func TestWithoutAnyJailThePoolRefusesToRun(t *testing.T) {
	p := &Pool{Binary: "/nonexistent/worker", Log: slog.New(slog.DiscardHandler)}
	if err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "locked up") {
		t.Errorf("got %v, want a refusal", err)
	}
	if _, err := p.Do(t.Context(), selftest("read", 0), file(t, ""), nil); !errors.Is(err, errNotRunning) {
		t.Errorf("a job for a pool that does not run: %v", err)
	}
}

func TestWithoutBubblewrapTheWeakerJailIsNamed(t *testing.T) {
	p := run(t, func(p *Pool) { p.Bubblewrap = "/nonexistent/bwrap" })
	name, absent := p.Jail()
	if name == "bubblewrap" || !strings.Contains(absent["bubblewrap"], "/nonexistent/bwrap") {
		t.Errorf("jail %q, absent %v; want the reason why it is not bubblewrap", name, absent)
	}
}

func TestTheJailHasNoNetworkAndNoForeignProcesses(t *testing.T) {
	for _, name := range []string{"bubblewrap", "namespaces"} {
		t.Run(name, func(t *testing.T) {
			needJail(t, name)
			p := run(t, func(p *Pool) { p.only = name })
			w := <-p.pool.free
			pid := leaf(t, w.cmd.Process.Pid)
			for _, space := range []string{"net", "pid", "ipc", "mnt", "uts"} {
				ours, err := os.Readlink("/proc/self/ns/" + space)
				if err != nil {
					t.Fatal(err)
				}
				theirs, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/%s", pid, space))
				if err != nil {
					t.Skipf("this account cannot look into the jail: %v", err)
				}
				if ours == theirs {
					t.Errorf("the worker shares our %s namespace", space)
				}
			}
			status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"} {
				if !bytes.Contains(status, []byte(want)) {
					t.Errorf("the worker's status has no %q:\n%s", want, status)
				}
			}
			if os.Geteuid() == 0 && bytes.Contains(status, []byte("Uid:\t0\t")) && name == "namespaces" {
				t.Error("the worker is root")
			}
			if err := w.end(); err != nil {
				t.Errorf("a worker without a job ends with %v", err)
			}
		})
	}
}

// leaf follows a chain of only children to its end: the worker within bubblewrap.
func leaf(t *testing.T, pid int) int {
	t.Helper()
	for {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
		if err != nil {
			t.Skipf("the kernel does not list children: %v", err)
		}
		var child int
		if _, err := fmt.Sscan(string(text), &child); err != nil {
			return pid
		}
		pid = child
	}
}
