// Package logstest is the suite that every log store passes, and the processes
// that tests run as a log store.
package logstest

import (
	"context"
	"crypto/rand"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/VictoriaMetrics/VictoriaLogs/app/vlinsert"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlinsert/insertutil"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlselect"
	"github.com/VictoriaMetrics/VictoriaLogs/app/vlstorage"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/httpserver"
	"github.com/VictoriaMetrics/VictoriaMetrics/lib/logger"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/engine"
)

const roleVariable = "SEKIKURA_TEST_LOGS_ROLE"

// Main makes the test binary a log store when a test started it as one, and
// returns otherwise. TestMain calls it first.
func Main() {
	role := strings.Fields(os.Getenv(roleVariable))
	if len(role) == 0 {
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go exitWithParent()
	var err error
	switch role[0] {
	case "ours":
		err = ours(ctx, role[1], role[2], role[3])
	case "stock":
		err = stock(ctx, role[1], role[2])
	}
	if err != nil {
		slog.Error("the test's log store ends", "err", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// exitWithParent ends this process when the test that started it is gone.
func exitWithParent() {
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

func ours(ctx context.Context, dir, secret, minFree string) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	free := int64(1 << 20)
	if minFree == "small" {
		free = 4 << 20
	}
	s := &engine.Server{
		Listener: listener, Dir: dir, Secret: secret, Boot: rand.Text(),
		FlushInterval: time.Second, MinFreeDisk: free, Log: slog.New(slog.DiscardHandler),
	}
	return s.Run(ctx)
}

// stock is VictoriaLogs as its own main runs it, without anything of ours.
func stock(ctx context.Context, dir, addr string) error {
	for name, value := range map[string]string{
		"storageDataPath": dir, "inmemoryDataFlushInterval": "1s", "retentionPeriod": "30d", "loggerLevel": "ERROR",
	} {
		if err := flag.Set(name, value); err != nil {
			return err
		}
	}
	if err := flag.CommandLine.Parse(nil); err != nil {
		return err
	}
	logger.Init()
	vlstorage.Init()
	vlselect.Init()
	insertutil.SetLogRowsStorage(&vlstorage.Storage{})
	vlinsert.Init()
	httpserver.Serve([]string{addr}, func(w http.ResponseWriter, r *http.Request) bool {
		return vlinsert.RequestHandler(w, r) || vlselect.RequestHandler(w, r) || vlstorage.RequestHandler(w, r)
	}, httpserver.ServeOptions{})
	<-ctx.Done()
	return nil
}

// Process is a log store in a process of its own.
type Process struct {
	Client *logs.Client
	Dir    string

	small  bool
	stock  string // address, or ""
	listen *os.File
	cmd    *exec.Cmd
	stdin  interface{ Close() error }
}

// Start runs our log store on a fresh folder until the test ends.
func Start(tb testing.TB) *Process {
	tb.Helper()
	return StartIn(tb, tb.TempDir(), false)
}

// StartIn runs our log store on a folder; small lets it use nearly all of the disk.
func StartIn(tb testing.TB, dir string, small bool) *Process {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
	if err != nil {
		tb.Fatal(err)
	}
	file, err := listener.(*net.TCPListener).File()
	if err != nil {
		tb.Fatal(err)
	}
	p := &Process{
		Client: &logs.Client{URL: "http://" + listener.Addr().String(), Secret: rand.Text()},
		Dir:    dir, small: small, listen: file,
	}
	_ = listener.Close() // the file keeps it open
	tb.Cleanup(func() { _ = file.Close() })
	p.begin(tb)
	return p
}

// StartStock runs VictoriaLogs without our role around it.
func StartStock(tb testing.TB) *Process {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // a test's own
	if err != nil {
		tb.Fatal(err)
	}
	addr := listener.Addr().String()
	_ = listener.Close()
	p := &Process{Client: &logs.Client{URL: "http://" + addr}, Dir: tb.TempDir(), stock: addr}
	p.begin(tb)
	return p
}

func (p *Process) begin(tb testing.TB) {
	tb.Helper()
	p.start(tb)
	tb.Cleanup(func() { p.Kill(tb) })
	deadline := time.Now().Add(20 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
		err := p.Client.Health(ctx)
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			tb.Fatalf("the log store does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (p *Process) start(tb testing.TB) {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	p.cmd = exec.Command(exe) //nolint:gosec,noctx // this test binary
	role := "stock " + p.Dir + " " + p.stock
	if p.stock == "" {
		disk := "large"
		if p.small {
			disk = "small"
		}
		role = "ours " + p.Dir + " " + p.Client.Secret + " " + disk
		p.cmd.ExtraFiles = []*os.File{p.listen}
	}
	p.cmd.Env = append(os.Environ(), roleVariable+"="+role)
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
}

// Restart kills the process with SIGKILL and starts it again on the same folder
// and address.
func (p *Process) Restart(tb testing.TB) {
	tb.Helper()
	p.Kill(tb)
	p.start(tb)
}

// Kill ends the process with SIGKILL.
func (p *Process) Kill(tb testing.TB) {
	tb.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	_ = p.cmd.Wait() // its end is the point
	_ = p.stdin.Close()
	p.cmd = nil
}

// Signal sends sig to the process, such as SIGSTOP.
func (p *Process) Signal(tb testing.TB, sig os.Signal) {
	tb.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		tb.Fatal(err)
	}
}

// PID is the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }
