// Package admin serves what the people who run the product ask a process:
// /healthz, /readyz, /metrics and /debug/pprof.
//
// It belongs on loopback or a unix socket: it knows no accounts, and a profile
// shows what is in memory. Each process has one [Server], to which its roles add
// checks and figures; nothing is shared through package variables.
package admin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Check tells whether one part can do its work: nil, or the reason why not, as a
// sentence for the operator. It must heed ctx.
type Check func(ctx context.Context) error

// checkTime is how long all checks together may take.
const checkTime = 5 * time.Second

// Server is one process's administrative endpoint. Make it with New.
type Server struct {
	log      *slog.Logger
	registry *prometheus.Registry

	mu     sync.Mutex // guards checks; never held while calling out
	checks []named
}

type named struct {
	name  string
	check Check
}

// New returns a Server that already counts the process's and the Go runtime's
// own figures.
func New(log *slog.Logger) *Server {
	s := &Server{log: log, registry: prometheus.NewRegistry()}
	s.registry.MustRegister(
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		collectors.NewBuildInfoCollector(),
	)
	return s
}

// Check adds a readiness check under name, such as "event store".
func (s *Server) Check(name string, check Check) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.checks = append(s.checks, named{name, check})
}

// Register adds figures. Two with the same name are an error.
func (s *Server) Register(figures ...prometheus.Collector) error {
	for _, figure := range figures {
		if err := s.registry.Register(figure); err != nil {
			return fmt.Errorf("registering figures: %w", err)
		}
	}
	return nil
}

// Ready asks every check and joins the reasons of those that are not ready, each
// with its name. It fits role.Role.Ready.
func (s *Server) Ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	s.mu.Lock()
	checks := slices.Clone(s.checks)
	s.mu.Unlock()
	reasons := make([]error, len(checks))
	var asking sync.WaitGroup
	for i, c := range checks {
		asking.Go(func() {
			if err := c.check(ctx); err != nil {
				reasons[i] = fmt.Errorf("%s: %w", c.name, err)
			}
		})
	}
	asking.Wait()
	return errors.Join(reasons...)
}

// Run serves on l until ctx ends, and closes it.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	web := &http.Server{
		Handler:           s.Handler(),
		ReadHeaderTimeout: 5 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		BaseContext:       func(net.Listener) context.Context { return ctx },
	}
	stop := context.AfterFunc(ctx, func() {
		if err := web.Close(); err != nil {
			s.log.Warn("the administrative endpoint could not be closed", "err", err)
		}
	})
	defer stop()
	if err := web.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the administrative endpoint: %w", err)
	}
	return nil
}

// Handler answers without a listener of its own. /healthz is 200 while the
// process can answer at all; /readyz is 503 with one line for each reason.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { s.answer(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if err := s.Ready(r.Context()); err != nil {
			s.answer(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		s.answer(w, http.StatusOK, "ready")
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(s.registry, promhttp.HandlerOpts{
		ErrorLog:            slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
		ErrorHandling:       promhttp.ContinueOnError, // one broken figure does not hide the others
		MaxRequestsInFlight: 4,
	}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	return local(mux)
}

func (s *Server) answer(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	if _, err := fmt.Fprintln(w, text); err != nil {
		s.log.Info("the asker of an administrative page went away", "err", err)
	}
}

// local refuses what a web page in an operator's browser could send here by DNS
// rebinding: a Host that is a name other than localhost.
func local(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		if host != "localhost" && host != "admin" && host != "" && net.ParseIP(host) == nil {
			http.Error(w, "ask by address, or as localhost", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}
