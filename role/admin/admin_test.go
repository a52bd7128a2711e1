package admin

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func get(t *testing.T, h http.Handler, host, path string) (int, string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Host = host
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func TestReadinessNamesEveryReason(t *testing.T) {
	s := New(slog.New(slog.DiscardHandler))
	if code, body := get(t, s.Handler(), "127.0.0.1:1", "/readyz"); code != http.StatusOK {
		t.Errorf("without checks: %d %q, want 200", code, body)
	}
	s.Check("bus", func(context.Context) error { return errors.New("no answer for 3 s") })
	s.Check("settings", func(context.Context) error { return nil })
	s.Check("store", func(context.Context) error { return errors.New("disk is full") })
	code, body := get(t, s.Handler(), "127.0.0.1:1", "/readyz")
	if want := "bus: no answer for 3 s\nstore: disk is full\n"; code != http.StatusServiceUnavailable || body != want {
		t.Errorf("got %d %q, want 503 %q", code, body, want)
	}
	if code, _ := get(t, s.Handler(), "127.0.0.1:1", "/healthz"); code != http.StatusOK {
		t.Errorf("a process that is not ready is not alive: %d", code)
	}
}

func TestACheckThatHangsIsNotReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := New(slog.New(slog.DiscardHandler))
		s.Check("bus", func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
		began := time.Now()
		if err := s.Ready(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want a deadline", err)
		}
		if took := time.Since(began); took != checkTime {
			t.Errorf("took %v, want %v", took, checkTime)
		}
	})
}

func TestFiguresAreOfThisServerOnly(t *testing.T) {
	a, b := New(slog.New(slog.DiscardHandler)), New(slog.New(slog.DiscardHandler))
	count := prometheus.NewCounter(prometheus.CounterOpts{Name: "sekikura_test_total", Help: "A test's."})
	count.Add(7)
	if err := a.Register(count); err != nil {
		t.Fatal(err)
	}
	if err := a.Register(count); err == nil {
		t.Error("the same figure twice is no error")
	}
	if _, body := get(t, a.Handler(), "localhost", "/metrics"); !strings.Contains(body, "sekikura_test_total 7") || !strings.Contains(body, "go_goroutines") {
		t.Errorf("the figure is missing:\n%s", body)
	}
	if _, body := get(t, b.Handler(), "localhost", "/metrics"); strings.Contains(body, "sekikura_test_total") {
		t.Error("one server shows another's figures")
	}
}

func TestAForeignHostNameIsRefused(t *testing.T) {
	h := New(slog.New(slog.DiscardHandler)).Handler()
	for _, tt := range []struct {
		host string
		want int
	}{
		{"127.0.0.1:9000", 200},
		{"[::1]:9000", 200},
		{"localhost:9000", 200},
		{"admin", 200}, // clients of the unix socket
		{"evil.example", 421},
		{"evil.example:9000", 421},
		{"localhost.evil.example", 421},
	} {
		if got, _ := get(t, h, tt.host, "/healthz"); got != tt.want {
			t.Errorf("Host %q: %d, want %d", tt.host, got, tt.want)
		}
	}
}

func TestItServesUntilToldToStop(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- New(slog.New(slog.DiscardHandler)).Run(ctx, l) }()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.Addr().String()+"/debug/pprof/goroutine?debug=1", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(answer.Body)
	answer.Body.Close()
	if err != nil || !strings.Contains(string(body), "goroutine profile") {
		t.Errorf("no profile: %q, %v", body, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
}
