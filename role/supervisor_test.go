package role

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// output is a writer that several goroutines may use.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(b)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// supervised starts groups with quick times and stops them with the test.
type supervised struct {
	*Supervisor
	out  *output
	stop func()
}

func start(t *testing.T, groups ...Group) *supervised {
	t.Helper()
	return startWith(t, func(*Supervisor) {}, groups...)
}

func startWith(t *testing.T, set func(*Supervisor), groups ...Group) *supervised {
	t.Helper()
	out := new(output)
	s := &Supervisor{
		Groups: groups, Dir: t.TempDir(), Output: out, Log: slog.New(slog.NewTextHandler(out, nil)),
		Beat: 20 * time.Millisecond, Backoff: Backoff{Min: 10 * time.Millisecond, Max: 100 * time.Millisecond},
	}
	set(s)
	if err := s.prepare(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	}()
	stop := sync.OnceFunc(func() {
		cancel()
		select {
		case <-ended:
		case <-time.After(30 * time.Second):
			t.Error("the supervisor did not stop")
		}
		if t.Failed() {
			t.Logf("output:\n%s", last(out.String()))
		}
	})
	t.Cleanup(stop)
	return &supervised{s, out, stop}
}

func (s *supervised) ready(t *testing.T, names ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := s.WaitReady(ctx, names...); err != nil {
		t.Fatalf("%v\n%s", err, s.out)
	}
}

// until waits for a change of status that want accepts.
func (s *supervised) until(t *testing.T, what string, want func(Status) bool) Status {
	t.Helper()
	limit := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		changed := s.change
		s.mu.Unlock()
		if now := s.Status(); want(now) {
			return now
		}
		select {
		case <-changed:
		case <-limit:
			t.Fatalf("waited in vain until %s: %+v\n%s", what, s.Status(), last(s.out.String()))
		}
	}
}

// last is the end of a long text.
func last(text string) string { return text[max(0, len(text)-4000):] }

func told(o orders) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(o) }
}

var onTCP = []Socket{{Name: "tcp", Network: "tcp", Address: "127.0.0.1:0"}}

func TestAGroupServesOnItsSocket(t *testing.T) {
	s := start(t, Group{Name: "edge", Sockets: onTCP, Settings: told(orders{})})
	s.ready(t)
	got, err := ask(t, s.Addr("edge", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	status := s.Status()
	if want := status.Groups[0].PID; got.PID != want {
		t.Errorf("process %d answers, want %d", got.PID, want)
	}
	if !strings.Contains(got.Status, "NoNewPrivs:\t1") || !strings.Contains(got.Status, "Seccomp:\t2") {
		t.Errorf("the child runs without its sandbox:\n%s", got.Status)
	}
	s.stop()
	if got := s.Status().Groups[0].State; got != Stopped {
		t.Errorf("after the end the group is %q", got)
	}
	if !strings.Contains(s.out.String(), `{"group":"edge",`) {
		t.Errorf("the child's lines do not name their group:\n%s", s.out)
	}
}
