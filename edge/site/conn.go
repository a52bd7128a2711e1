package site

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// conn is one visitor's connection after TLS. It watches what the HTTP server
// writes on its own account, because net/http answers malformed requests
// without asking a handler, and every refusal must become an event.
type conn struct {
	net.Conn // the decrypted side
	service  *service
	client   netip.AddrPort
	tls      *tls.ConnectionState // nil in clear
	h2       bool
	gate     *gate // strict reader of HTTP/1; nil for HTTP/2
	frames   frameWatch

	// answering is set while a handler owns the answer.
	answering atomic.Bool
	closed    sync.Once

	requests, gone atomic.Int64 // of HTTP/2: begun, and given up by the client
	calmed         atomic.Bool
}

// tolerated is how many requests a client may give up on one connection as long
// as most of the others are finished.
const tolerated = 100

// countGone ends an HTTP/2 connection whose client opens streams to reset them
// (CVE-2023-44487). net/http ends it only when handlers fall behind; but each
// stream costs the origin a request, however fast we are.
func (c *conn) countGone() {
	gone := c.gone.Add(1)
	if !c.h2 || gone <= tolerated || 2*gone < c.requests.Load() || !c.calmed.CompareAndSwap(false, true) {
		return
	}
	c.service.refusedByProtocol(c, 0, "h2_rapid_reset")
	_ = c.Close()
}

type connKey struct{}

func connOf(ctx context.Context) *conn {
	c, _ := ctx.Value(connKey{}).(*conn)
	return c
}

// connState follows the HTTP server: between two requests no handler answers.
func connState(nc net.Conn, state http.ConnState) {
	c, ok := nc.(*conn)
	if !ok {
		return
	}
	switch state {
	case http.StateIdle:
		c.answering.Store(false)
	case http.StateHijacked:
		if c.gate != nil {
			c.gate.open.Store(true)
		}
	default:
	}
}

func (c *conn) Read(p []byte) (int, error) {
	if c.gate == nil {
		return c.Conn.Read(p)
	}
	return c.gate.Read(p)
}

func (c *conn) Write(p []byte) (int, error) {
	switch {
	case c.h2:
		if code := c.frames.goAway(p); code != "" {
			c.service.refusedByProtocol(c, 0, "h2_"+code)
		}
	case !c.answering.Load():
		// "HTTP/1.1 431 Request Header Fields Too Large\r\n…"
		if rest, ok := bytes.CutPrefix(p, []byte("HTTP/1.1 ")); ok && len(rest) > 3 {
			if status, err := strconv.Atoi(string(rest[:3])); err == nil && status >= 400 {
				c.service.refusedByProtocol(c, status, "malformed")
			}
		}
	}
	return c.Conn.Write(p)
}

// CloseWrite lets net/http end an answer without a reset.
func (c *conn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}

func (c *conn) Close() error {
	c.closed.Do(func() {
		if c.gate != nil && c.gate.refused.Load() != nil {
			c.linger()
		}
		c.service.conns.leave(sourceOf(c.client.Addr()))
	})
	return c.Conn.Close()
}

// linger lets a refusal arrive: closing with unread bytes would reset the
// connection, and the client would lose the answer.
func (c *conn) linger() {
	_ = c.CloseWrite()
	_ = c.SetReadDeadline(time.Now().Add(500 * time.Millisecond))
	_, _ = io.CopyN(io.Discard, c.Conn, 64<<10)
}

// accept takes connections from l until it is closed or ctx ends.
func (v *service) accept(ctx context.Context, l net.Listener, secure bool, h1, h2 *queue) error {
	var handshakes sync.WaitGroup
	defer handshakes.Wait()
	pause := time.Duration(0)
	for {
		nc, err := l.Accept()
		if ctx.Err() != nil {
			if err == nil {
				_ = nc.Close()
			}
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		if err != nil {
			// Such as too many open files: wait, as net/http does.
			pause = min(max(2*pause, 5*time.Millisecond), time.Second)
			v.Log.Warn("accepting a connection", "error", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-ctx.Done():
			}
			continue
		}
		pause = 0
		client := addrPort(nc.RemoteAddr())
		c := &conn{Conn: nc, service: v, client: client}
		if why := v.conns.enter(sourceOf(client.Addr()), v.Limits.PerSource, v.Limits.Connections); why != "" {
			v.refusedByProtocol(c, 0, "connections_"+why)
			_ = nc.Close()
			continue
		}
		if !secure {
			c.gate = newGate(c)
			h1.put(ctx, c)
			continue
		}
		handshakes.Go(func() { v.handshake(ctx, c, h1, h2) })
	}
}

// handshake does TLS before the HTTP server sees the connection, so that the
// gate reads clear text and a refused handshake becomes an event.
func (v *service) handshake(ctx context.Context, c *conn, h1, h2 *queue) {
	ctx, cancel := context.WithTimeout(ctx, v.Limits.Handshake)
	defer cancel()
	t := tls.Server(c.Conn, v.tls)
	if err := t.HandshakeContext(ctx); err != nil {
		v.handshakeFailed(c, t.ConnectionState().ServerName, err)
		_ = c.Close()
		return
	}
	state := t.ConnectionState()
	c.Conn, c.tls = t, &state
	if state.NegotiatedProtocol == "h2" {
		c.h2 = true
		h2.put(ctx, c)
		return
	}
	c.gate = newGate(c)
	h1.put(ctx, c)
}

func addrPort(a net.Addr) netip.AddrPort {
	if t, ok := a.(*net.TCPAddr); ok {
		p := t.AddrPort()
		return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
	}
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.AddrPort{}
	}
	return p
}

// queue is a net.Listener of connections that are ready for an HTTP server.
type queue struct {
	conns chan net.Conn
	done  chan struct{}
	once  sync.Once
}

func newQueue() *queue { return &queue{conns: make(chan net.Conn), done: make(chan struct{})} }

func (q *queue) put(ctx context.Context, c net.Conn) {
	select {
	case q.conns <- c:
	case <-q.done:
		_ = c.Close()
	case <-ctx.Done():
		_ = c.Close()
	}
}

// Accept implements net.Listener.
func (q *queue) Accept() (net.Conn, error) {
	select {
	case c := <-q.conns:
		return c, nil
	case <-q.done:
		return nil, net.ErrClosed
	}
}

// Close implements net.Listener.
func (q *queue) Close() error {
	q.once.Do(func() { close(q.done) })
	return nil
}

// Addr implements net.Listener.
func (q *queue) Addr() net.Addr { return &net.TCPAddr{} }

// frameWatch follows the HTTP/2 frames that the server writes (RFC 9113, 4.1).
type frameWatch struct {
	head []byte // of the frame under way, up to 9 bytes and 8 of a GOAWAY
	skip int    // payload bytes still to come
}

// goAway returns the error code's name when p ends the connection with an error.
func (f *frameWatch) goAway(p []byte) string {
	const header, goaway = 9, 7
	found := ""
	for len(p) > 0 {
		if f.skip > 0 {
			n := min(f.skip, len(p))
			p, f.skip = p[n:], f.skip-n
			continue
		}
		want := header
		if len(f.head) >= header {
			want = header + 8 // last stream and error code
		}
		n := min(want-len(f.head), len(p))
		f.head = append(f.head, p[:n]...)
		p = p[n:]
		if len(f.head) < want {
			continue
		}
		length := int(f.head[0])<<16 | int(f.head[1])<<8 | int(f.head[2])
		switch {
		case f.head[3] == goaway && length >= 8 && want == header:
			continue // read on: the code
		case want > header:
			if code := f.head[16]; code != 0 || f.head[15]|f.head[14]|f.head[13] != 0 {
				found = h2Error(int(code))
			}
			length -= 8
		}
		f.skip, f.head = length, f.head[:0]
	}
	return found
}

// h2Error names an error code of RFC 9113, 7.
func h2Error(code int) string {
	names := [...]string{
		"no_error", "protocol_error", "internal_error", "flow_control_error", "settings_timeout", "stream_closed", "frame_size_error",
		"refused_stream", "cancel", "compression_error", "connect_error", "enhance_your_calm", "inadequate_security", "http_1_1_required",
	}
	if code < len(names) {
		return names[code]
	}
	return strconv.Itoa(code)
}
