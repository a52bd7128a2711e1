// Package harness starts the whole product through its binary, for the tests
// that use and break it from outside.
//
// A test gets a folder of its own (Folder), starts a demonstration (Demo) or an
// installation with a settings file (Install) in it, and asks its sites and its
// API. Everything ends with the test.
package harness

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the product, built once for all tests of a package.
var binary = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once
	if err := lookAtSources(); err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "sekikura-test-")
	if err != nil {
		return "", err
	}
	build := exec.CommandContext(context.Background(), "go", "build", "-o", dir+"/", "github.com/sekikura/sekikura/cmd/...") //nolint:gosec // a folder of our own
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the product: %w\n%s", err, out)
	}
	// Role groups run under accounts of their own and must reach the program.
	return filepath.Join(dir, "sekikura"), os.Chmod(dir, 0o755) //nolint:gosec // they pass through it
})

// lookAtSources asks for the state of every source file. The go command keeps the
// result of a test until the files that it looked at change, and it does not know
// what the build below reads.
func lookAtSources() error {
	root := filepath.Join("..", "..")
	return filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "node_modules" || entry.Name() == "bin" || entry.Name() == "data" || strings.HasPrefix(entry.Name(), ".git")):
			return filepath.SkipDir
		case entry.IsDir() || strings.HasSuffix(path, "_test.go"):
			return nil
		}
		if ext := filepath.Ext(path); ext == ".go" || ext == ".json" || ext == ".html" || ext == ".mod" {
			_, err = os.Stat(path)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// Main runs a package's tests and removes what they built. It belongs into TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }
func Main(m *testing.M) int {
	code := m.Run()
	if file, err := binary(); err == nil {
		if err := os.RemoveAll(filepath.Dir(file)); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
	return code
}

// Binary is the built product.
func Binary(t testing.TB) string {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// Folder is a short-lived folder that other accounts may pass through, with a
// name short enough for sockets below it.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil { //nolint:gosec // role groups pass through it
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// Product is the running product.
type Product struct {
	Demo // of a demonstration
	// Dir is where it keeps its data.
	Dir string
	// Cmd is the supervisor's process.
	Cmd *exec.Cmd
	// Out is what the supervisor and its groups wrote.
	Out *Output

	t    testing.TB
	args []string
	as   *syscall.Credential
	web  *http.Client // a visitor of the published sites
	api  *http.Client
}

// Output collects what a process writes.
type Output struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

// String is everything so far.
func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// run starts the supervisor. Its death with the test's process is the kernel's work.
func (p *Product) run(stdout *os.File) {
	p.t.Helper()
	p.Cmd = exec.CommandContext(context.Background(), Binary(p.t), p.args...) //nolint:gosec // our own program
	p.Cmd.Stdout, p.Cmd.Stderr = p.Out, p.Out
	if stdout != nil {
		p.Cmd.Stdout = stdout
	}
	p.Cmd.Dir = p.Dir
	p.Cmd.SysProcAttr = &syscall.SysProcAttr{Credential: p.as}
	if err := p.Cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
}

// Stop ends the product as Ctrl-C does.
func (p *Product) Stop() {
	if p.Cmd == nil || p.Cmd.ProcessState != nil {
		return
	}
	if err := p.Cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		p.t.Error(err)
	}
	timer := time.AfterFunc(time.Minute, func() {
		p.t.Error("the product does not stop within a minute")
		_ = p.Cmd.Process.Kill()
	})
	p.wait()
	timer.Stop()
}

// wait waits for the supervisor's end, however it comes.
func (p *Product) wait() {
	var exit *exec.ExitError
	if err := p.Cmd.Wait(); err != nil && !errors.As(err, &exit) {
		p.t.Error(err)
	}
	if p.web != nil {
		p.web.CloseIdleConnections()
		p.api.CloseIdleConnections()
	}
}

// Kill kills the supervisor as kill -9 does, and waits until every process of
// the product is gone.
func (p *Product) Kill() {
	p.t.Helper()
	groups := p.Groups()
	if err := p.Cmd.Process.Kill(); err != nil {
		p.t.Fatal(err)
	}
	p.wait()
	p.Await("the groups of the killed supervisor are gone", func() bool { return len(alive(groups)) == 0 })
}

// alive are the names of the groups whose process runs.
func alive(groups []Group) []string {
	var left []string
	for _, g := range groups {
		if g.PID != 0 && Runs(g.PID) {
			left = append(left, g.Name)
		}
	}
	return left
}

// Runs tells whether a process runs; a zombie does not.
func Runs(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// Await polls until done, as the outside of a process gives no other sign.
func (p *Product) Await(what string, done func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			p.t.Fatalf("two minutes have gone without: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// tell shows what the product said when a test failed.
func (p *Product) tell() {
	if !p.t.Failed() {
		return
	}
	said := p.Out.String()
	p.t.Logf("the product said at last:\n%s", said[max(0, len(said)-12<<10):])
	if log, err := os.ReadFile(filepath.Join(p.Dir, "demo.log")); err == nil {
		p.t.Logf("the end of its log:\n%s", log[max(0, len(log)-12<<10):])
	}
}

// FreePort is a loopback address that nobody listens on just now.
func FreePort(t testing.TB) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return l.Addr().String()
}
