package site

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// origins holds the connections to the bodies' own servers. A connection is
// never shared between sites that verify their origin differently.
type origins struct {
	service *service
	mu      sync.Mutex // guards pools
	pools   map[originKey]*originPool
	buffers bufferPool
}

type originKey struct {
	address, serverName, ca string
	timeout                 time.Duration
}

type originPool struct {
	http.Transport
	used atomic.Int64 // unix seconds
}

const (
	originDial  = 5 * time.Second
	originIdle  = 90 * time.Second
	poolKept    = 10 * time.Minute // without use
	sweepEvery  = time.Minute
	idlePerPool = 64
)

func newOrigins(v *service) *origins {
	return &origins{service: v, pools: make(map[originKey]*originPool)}
}

// pool returns the connections for a site; they outlive changes of its policy
// that do not touch the origin.
func (o *origins) pool(s *published) *originPool {
	key := originKey{s.origin.Scheme + "://" + s.origin.Host, s.host, s.caText, s.timeout}
	if s.origin.Scheme == "http" {
		key.serverName, key.ca = "", ""
	}
	o.mu.Lock()
	p := o.pools[key]
	if p == nil {
		p = &originPool{Transport: http.Transport{
			DialContext:            o.dial,
			TLSClientConfig:        &tls.Config{ServerName: s.host, RootCAs: s.roots, MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:    originDial,
			ResponseHeaderTimeout:  s.timeout,
			ExpectContinueTimeout:  time.Second,
			IdleConnTimeout:        originIdle,
			MaxIdleConnsPerHost:    idlePerPool,
			MaxResponseHeaderBytes: 256 << 10,
			DisableCompression:     true, // bytes pass as they are
			WriteBufferSize:        16 << 10,
			ReadBufferSize:         16 << 10,
		}}
		o.pools[key] = p
	}
	o.mu.Unlock()
	p.used.Store(o.service.Now().Unix())
	return p
}

// errNotAllowed is an origin at an address that this installation must not dial.
var errNotAllowed = errors.New("this address is not allowed as an origin")

// dial opens a connection and checks the address that the name led to, at the
// moment of the connect, so that no answer of a DNS server leads us inside.
func (o *origins) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: originDial, KeepAlive: 30 * time.Second, Control: func(_, address string, _ syscall.RawConn) error {
		a, err := netip.ParseAddrPort(address)
		if err != nil {
			return err
		}
		may := o.service.MayDial
		if may == nil {
			may = PublicOrigins
		}
		if isOurs(a, o.service.ours) || !may(a) {
			return fmt.Errorf("%s: %w", a, errNotAllowed)
		}
		return nil
	}}
	return d.DialContext(ctx, network, address)
}

// PublicOrigins lets an origin stand anywhere but on this machine and where no
// server of a body can be (RFC 6890); cloud metadata services are link-local.
func PublicOrigins(a netip.AddrPort) bool {
	ip := a.Addr().Unmap()
	return ip.IsValid() && !ip.IsLoopback() && !ip.IsUnspecified() && !ip.IsLinkLocalUnicast() && !ip.IsMulticast() && !ip.IsInterfaceLocalMulticast()
}

// sweep closes connections that wait for nothing.
func (o *origins) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		old := o.service.Now().Add(-poolKept).Unix()
		o.mu.Lock()
		for key, p := range o.pools {
			if p.used.Load() < old {
				p.CloseIdleConnections()
				delete(o.pools, key)
			}
		}
		o.mu.Unlock()
	}
}

func (o *origins) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, p := range o.pools {
		p.CloseIdleConnections()
	}
}

// errWithheld ends a response that the inspector blocked.
var errWithheld = errors.New("the response is withheld")

// pass sends the request to the origin and the answer to the client.
func (v *service) pass(x *exchange) {
	proxy := httputil.ReverseProxy{
		Transport:      v.origins.pool(x.site),
		BufferPool:     &v.origins.buffers,
		ErrorLog:       log.New(io.Discard, "", 0), // ErrorHandler and the event say it
		Rewrite:        func(p *httputil.ProxyRequest) { v.rewrite(x, p) },
		ModifyResponse: func(resp *http.Response) error { return v.response(x, resp) },
		ErrorHandler:   func(_ http.ResponseWriter, _ *http.Request, err error) { v.originFailed(x, err) },
	}
	proxy.ServeHTTP(x.out, x.request)
}

// rewrite makes the request that the origin sees. ReverseProxy has removed the
// hop-by-hop fields and every Forwarded and X-Forwarded-* of the client.
func (v *service) rewrite(x *exchange, p *httputil.ProxyRequest) {
	p.Out.URL.Scheme, p.Out.URL.Host = x.site.origin.Scheme, x.site.origin.Host
	p.Out.URL.RawQuery = p.In.URL.RawQuery // as it was inspected, ';' included
	p.Out.Host = p.In.Host
	p.Out.Close = false // a client's "Connection: close" is not the origin's
	for name := range p.Out.Header {
		if spoofs(name) {
			delete(p.Out.Header, name)
		}
	}
	client, scheme := x.client.Addr().String(), "http"
	if x.secure {
		scheme = "https"
	}
	p.Out.Header.Set("X-Forwarded-For", client)
	p.Out.Header.Set("X-Real-Ip", client)
	p.Out.Header.Set("X-Forwarded-Proto", scheme)
	p.Out.Header.Set("X-Forwarded-Host", p.In.Host)
	p.Out.Header.Set("X-Request-Id", x.id.String())
	p.Out.Header.Add("Via", "1.1 "+v.Name)
	if up := p.Out.Header.Get("Upgrade"); up != "" && !strings.EqualFold(up, "websocket") {
		// Above all h2c, by which a client would talk to the origin unseen.
		p.Out.Header.Del("Upgrade")
		p.Out.Header.Del("Connection")
	}
	if x.inspection != nil && x.inspection.ResponseLimit("text/html") > 0 {
		p.Out.Header.Set("Accept-Encoding", "identity")
	}
}

// spoofs tells whether a field of the client would be taken by an origin for
// one of ours. CGI makes "_" and "-" the same (RFC 3875, 4.1.18).
func spoofs(name string) bool {
	n := strings.ReplaceAll(strings.ToLower(name), "_", "-")
	switch n {
	case "forwarded", "x-real-ip", "x-request-id", "proxy", "x-original-url", "x-rewrite-url", "x-client-ip", "true-client-ip", "x-cluster-client-ip":
		return true
	}
	return strings.HasPrefix(n, "x-forwarded-") || n != strings.ToLower(name) && (n == "content-length" || n == "transfer-encoding" || n == "host")
}

// response looks at the origin's answer before the client gets any of it.
func (v *service) response(x *exchange, resp *http.Response) error {
	x.out.disarm() // the origin may take its time; writes arm it again
	if x.site.hsts != "" && x.secure {
		resp.Header.Set("Strict-Transport-Security", x.site.hsts)
	}
	if resp.StatusCode == http.StatusSwitchingProtocols {
		x.out.status = resp.StatusCode // the proxy writes this answer below x.out
		return nil
	}
	if x.inspection == nil || resp.Body == nil || resp.Header.Get("Content-Encoding") != "" {
		return nil
	}
	limit := x.inspection.ResponseLimit(resp.Header.Get("Content-Type"))
	if limit <= 0 {
		return nil
	}
	head, whole, err := peek(resp.Body, limit)
	if err != nil {
		return err
	}
	x.inspection.Response(resp.Request.Context(), resp.StatusCode, resp.Header, head)
	if o := x.inspection.Outcome(); o == Blocked || o == FailedClosed {
		return errWithheld
	}
	body := resp.Body
	if whole {
		resp.Body = readCloser{bytes.NewReader(head), body}
	} else {
		resp.Body = readCloser{io.MultiReader(bytes.NewReader(head), body), body}
	}
	return nil
}

type readCloser struct {
	io.Reader
	io.Closer
}

// originFailed answers when there is no answer from the origin, and tells the
// three causes apart: the client, our own policy, and the origin.
func (v *service) originFailed(x *exchange, err error) {
	withheld := errors.Is(err, errWithheld)
	if x.rest != nil {
		o := x.inspection.Outcome()
		withheld = withheld || o == Blocked || o == FailedClosed
	}
	switch bodyErr := x.in.failed(); {
	case withheld:
		if x.inspection.Outcome() == FailedClosed {
			v.block(x, http.StatusServiceUnavailable)
			return
		}
		v.block(x, http.StatusForbidden)
	case bodyErr != nil:
		v.bodyFailed(x, bodyErr)
	case x.request.Context().Err() != nil:
		v.clientGone(x)
	default:
		x.originErr = err
		status, why := http.StatusBadGateway, "origin_down"
		var timeout net.Error
		if errors.As(err, &timeout) && timeout.Timeout() {
			status, why = http.StatusGatewayTimeout, "origin_slow"
		}
		v.originDown(x, status, why)
	}
}

// bufferPool lends the proxy's copy buffers.
type bufferPool struct{ pool sync.Pool }

const copyBuffer = 32 << 10

// Get implements httputil.BufferPool.
func (b *bufferPool) Get() []byte {
	if p, ok := b.pool.Get().(*[]byte); ok {
		return *p
	}
	return make([]byte, copyBuffer)
}

// Put implements httputil.BufferPool.
func (b *bufferPool) Put(p []byte) { b.pool.Put(&p) }
