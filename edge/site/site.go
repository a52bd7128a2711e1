// Package site publishes the bodies' web sites: it takes requests from the
// Internet, finds the body by host name, has the request inspected, and passes
// it on to the body's own server (origin).
//
// Nothing that is not well-formed HTTP reaches an origin: HTTP/1 is checked byte
// by byte in front of the parser (see gate.go), and what is passed on is written
// anew. Every request that is served or refused becomes an event.
package site

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// Server is the service "site". Every field must be set before Run, except
// those that say what their zero value means.
type Server struct {
	// HTTP and HTTPS are the open listeners; Run closes them.
	HTTP, HTTPS []net.Listener
	Directory   Directory
	Policies    interface {
		For(tenant.ID) *policy.Active[Sites]
	}
	Certificates Certificates // may be nil without HTTPS
	Inspector    Inspector    // nil: no request is inspected
	Journal      event.Journal
	Sink         event.Sink
	Log          *slog.Logger
	Now          func() time.Time
	// Name is this installation in the Via header, by which a request that comes
	// back from an origin to us is known (RFC 9110, 7.6.3). A token.
	Name string
	// Owner is whose the events are that belong to no body, such as a request
	// for an unknown host: the operator.
	Owner tenant.ID
	// MayDial tells whether an origin may stand at an address. Nil: [PublicOrigins].
	// Our own listeners are always refused.
	MayDial func(netip.AddrPort) bool
	Limits  Limits
	Metrics *Metrics // nil: nothing is counted
}

// Directory knows which body publishes a host name.
type Directory interface {
	ByHost(host string) (tenant.Tenant, bool)
}

// Certificates finds the certificate for a handshake. For a name that nobody
// publishes it returns an error, which refuses the handshake, or a default
// certificate; then the request is answered 421.
type Certificates interface {
	GetCertificate(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// Inspector judges requests and responses: the web application firewall.
type Inspector interface {
	// Limit is how many bytes of a request's body Inspect wants to see for a
	// body's site; 0 is none, and below 0 nothing is inspected at all.
	Limit(tenant.ID) int
	// Inspect judges r, whose body's first bytes are given; whole tells whether
	// they are all of it. It must not read r.Body. The answer is never nil, and a
	// failing engine is one of its outcomes. It returns soon after ctx ended.
	Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body []byte, whole bool) Inspection
}

// Inspection is one judged exchange. Its methods are called one after another,
// except that the reader of Rest is read at the same time.
type Inspection interface {
	// Outcome is Passed, Detected, Blocked, or FailedClosed (the engine failed,
	// and the policy says that the request must not pass).
	Outcome() string
	// Fields are what the event says of the judgement.
	Fields() []slog.Attr
	// Rest is called when Inspect did not see all of a body that may pass. It
	// returns the body for passing on while the rest of it is judged, or nil when
	// that is not needed. Before the reader's end Outcome may become Blocked or
	// FailedClosed; then the reader returns an error instead of the last byte. The
	// reader is closed before Close, perhaps during a Read, and does not close body.
	Rest(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body io.Reader) io.ReadCloser
	// ResponseLimit is how many bytes of a response of this content type
	// Response wants to see; 0 is none.
	ResponseLimit(contentType string) int
	// Response judges the response; Outcome and Fields then include it.
	Response(ctx context.Context, status int, header http.Header, body []byte)
	// Close frees what the inspection holds; it may be called once.
	Close()
}

// The outcomes of an inspection.
const (
	Passed       = "passed"
	Detected     = "detected"
	Blocked      = "blocked"
	FailedClosed = "failed_closed"
)

// Limits are the bounds of one listener process. Zero values take the value in
// the comment.
type Limits struct {
	Handshake     time.Duration // TLS handshake: 10 s
	Head          time.Duration // from a request's first byte to its head's end: 10 s
	Idle          time.Duration // between requests: 75 s
	Stall         time.Duration // without one byte of a body, either way: 30 s
	MinRate       int           // bytes a second of a body after Stall: 256
	HeadBytes     int           // of one request head: 32 KiB
	Connections   int           // at one time: 20,000
	PerSource     int           // connections of one address, or one IPv6 /64: 512
	Drain         time.Duration // for requests under way when Run ends: 10 s
	BlockJournal  time.Duration // that a block page waits for its event: 500 ms
	EventsWaiting int           // for the journal: 16,384
}

func (l *Limits) setDefaults() {
	d := func(v *time.Duration, def time.Duration) {
		if *v == 0 {
			*v = def
		}
	}
	n := func(v *int, def int) {
		if *v == 0 {
			*v = def
		}
	}
	d(&l.Handshake, 10*time.Second)
	d(&l.Head, 10*time.Second)
	d(&l.Idle, 75*time.Second)
	d(&l.Stall, 30*time.Second)
	d(&l.Drain, 10*time.Second)
	d(&l.BlockJournal, 500*time.Millisecond)
	n(&l.MinRate, 256)
	n(&l.HeadBytes, 32<<10)
	n(&l.Connections, 20_000)
	n(&l.PerSource, 512)
	n(&l.EventsWaiting, 16_384)
}

// service is a running Server: its fields and what only exists while it runs.
type service struct {
	Server
	ours     []netip.AddrPort
	recorder *recorder
	origins  *origins
	inFlight *counters // requests by body and source
	conns    *counters // connections by source
	pages    *pages
	tls      *tls.Config // one for all connections, so that sessions resume
}

// Run serves until ctx ends, lets requests under way finish for Limits.Drain,
// and writes the events that wait. It returns nil when ctx ended.
func (s *Server) Run(ctx context.Context) error {
	v := &service{Server: *s, inFlight: newCounters(), conns: newCounters(), pages: newPages()}
	v.Limits.setDefaults()
	for _, l := range append(append([]net.Listener{}, s.HTTP...), s.HTTPS...) {
		if a, err := netip.ParseAddrPort(l.Addr().String()); err == nil {
			v.ours = append(v.ours, a)
		}
	}
	if v.Certificates != nil {
		v.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}, GetCertificate: v.Certificates.GetCertificate}
	}
	v.origins = newOrigins(v)
	v.recorder = newRecorder(v.Journal, v.Sink, v.Log, v.Limits.EventsWaiting, v.Metrics)

	recording := make(chan struct{})
	stopRecording := make(chan struct{})
	go func() {
		defer close(recording)
		v.recorder.run(context.WithoutCancel(ctx), stopRecording)
	}()
	err := v.serve(ctx)
	v.origins.close()
	close(stopRecording)
	<-recording
	return err
}

// serve runs the listeners and the two protocol servers until ctx ends.
func (v *service) serve(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	h1, h2 := newQueue(), newQueue()
	servers := []*http.Server{v.httpServer(ctx, false), v.httpServer(ctx, true)}
	failed := make(chan error, 2+len(v.HTTP)+len(v.HTTPS))
	var running sync.WaitGroup
	for i, q := range []*queue{h1, h2} {
		running.Go(func() {
			if err := servers[i].Serve(q); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("serving sites: %w", err)
			}
		})
	}
	// A connection that was accepted is served, also when we end: the listeners
	// close first, handshakes under way finish, and then the servers drain.
	var accepting sync.WaitGroup
	taking, refuse := context.WithCancel(context.WithoutCancel(ctx))
	defer refuse()
	for _, l := range v.HTTP {
		accepting.Go(func() { failed <- v.accept(taking, l, false, h1, h2) })
	}
	for _, l := range v.HTTPS {
		accepting.Go(func() { failed <- v.accept(taking, l, true, h1, h2) })
	}
	running.Go(func() { v.origins.sweep(ctx) })

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	ended := ctx.Err() != nil
	for _, l := range append(append([]net.Listener{}, v.HTTP...), v.HTTPS...) {
		if cerr := l.Close(); cerr != nil && !errors.Is(cerr, net.ErrClosed) {
			v.Log.Warn("closing a listener", "address", l.Addr().String(), "error", cerr)
		}
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), v.Limits.Drain)
	defer cancel()
	late := time.AfterFunc(lastHandshakes, refuse)
	accepting.Wait()
	late.Stop()
	stop()
	var draining sync.WaitGroup
	for _, server := range servers {
		draining.Go(func() {
			if server.Shutdown(drain) != nil {
				_ = server.Close()
			}
		})
	}
	draining.Wait()
	running.Wait()
	if ended {
		return nil
	}
	return err
}

// lastHandshakes is how long handshakes under way may take when Run ends: a client
// that stalls must not use up the time in which requests finish.
const lastHandshakes = 2 * time.Second

func (v *service) httpServer(ctx context.Context, h2 bool) *http.Server {
	protocols := new(http.Protocols)
	protocols.SetHTTP1(!h2)
	protocols.SetUnencryptedHTTP2(h2) // TLS is ours, see conn.go
	base := context.WithoutCancel(ctx)
	return &http.Server{
		Handler:           v,
		Protocols:         protocols,
		BaseContext:       func(net.Listener) context.Context { return base },
		ConnContext:       func(ctx context.Context, c net.Conn) context.Context { return context.WithValue(ctx, connKey{}, c) },
		ConnState:         connState,
		ReadHeaderTimeout: v.Limits.Head,
		IdleTimeout:       v.Limits.Idle,
		MaxHeaderBytes:    v.Limits.HeadBytes,
		ErrorLog:          slog.NewLogLogger(v.Log.Handler(), slog.LevelDebug),
		HTTP2: &http.HTTP2Config{
			MaxConcurrentStreams:          100,
			MaxReceiveBufferPerConnection: 1 << 20,
			MaxReceiveBufferPerStream:     256 << 10,
			WriteByteTimeout:              v.Limits.Stall,
		},
	}
}
