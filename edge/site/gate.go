package site

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"
)

// gate stands between a connection and net/http's HTTP/1 parser and lets only
// bytes through that RFC 9112 allows without leniency. net/http forgives what
// attackers live on (bare LF, folded lines, Content-Length beside
// Transfer-Encoding) and answers the rest without telling anybody; here each is
// a refusal with its own name, and an event.
//
// Only one goroutine reads at a time, as net/http does; open may be set by another.
type gate struct {
	c     *conn
	open  atomic.Bool // after an upgrade: everything passes
	buf   []byte      // read, not yet handed on
	seen  int         // bytes of buf that the search for a head's end has checked
	ready int         // bytes of buf that may be handed on
	state gateState
	left  int64 // bytes of body or chunk to come
	head  requestHead
	dead  bool
	// refused tells a handler that reads the body why it ends early.
	refused atomic.Pointer[string]
}

type gateState int

const (
	atHead gateState = iota
	inBody
	atChunkSize
	inChunk
	atChunkEnd
	inTrailer
)

// Bounds of what is not a head. RFC 9112, 7.1.1 lets extensions be ignored; a
// parser that ignores them differently is how requests are smuggled, and no
// browser sends any, so they are refused.
const (
	maxChunkLine = 16
	maxTrailer   = 4 << 10
	maxFields    = 128
)

func newGate(c *conn) *gate { return &gate{c: c} }

// errRefused is what the reader of a body gets when the rest of it is malformed.
var errRefused = errors.New("the request is malformed")

// refusal is why bytes do not pass, and with which status.
type refusal struct {
	status int
	reason string
}

func (g *gate) Read(p []byte) (int, error) {
	for {
		if g.ready > 0 {
			n := copy(p, g.buf[:g.ready])
			g.drop(n)
			g.ready -= n
			return n, nil
		}
		if g.open.Load() {
			if len(g.buf) > 0 {
				g.ready = len(g.buf)
				continue
			}
			return g.c.Conn.Read(p)
		}
		if g.dead {
			return 0, io.EOF
		}
		if len(g.buf) == 0 && (g.state == inBody || g.state == inChunk) && g.left > 0 {
			n, err := g.c.Conn.Read(p[:min(int64(len(p)), g.left)])
			g.consumed(n)
			return n, err
		}
		why, more := g.advance()
		if why.reason != "" {
			return 0, g.refuse(why)
		}
		if !more {
			continue
		}
		if err := g.fill(); err != nil {
			return 0, err
		}
	}
}

func (g *gate) drop(n int) {
	g.buf = g.buf[n:]
	g.seen = max(0, g.seen-n)
	if len(g.buf) == 0 {
		g.buf = nil // an idle connection keeps no buffer
	}
}

func (g *gate) consumed(n int) {
	g.left -= int64(n)
	if g.left > 0 {
		return
	}
	if g.state == inChunk {
		g.state = atChunkEnd
	} else {
		g.state = atHead
	}
}

// fill reads more into buf.
func (g *gate) fill() error {
	waiting := g.state == atHead && len(g.buf) == 0 && !g.c.answering.Load()
	if cap(g.buf)-len(g.buf) < 512 {
		grown := make([]byte, len(g.buf), max(4096, 2*len(g.buf)))
		copy(grown, g.buf)
		g.buf = grown
	}
	n, err := g.c.Conn.Read(g.buf[len(g.buf):cap(g.buf)])
	g.buf = g.buf[:len(g.buf)+n]
	if n > 0 {
		if waiting {
			// From the first byte on a head has its own deadline; net/http's idle one
			// would give a slow sender far longer.
			_ = g.c.SetReadDeadline(time.Now().Add(g.c.service.Limits.Head))
		}
		return nil
	}
	if errors.Is(err, os.ErrDeadlineExceeded) && g.state == atHead && len(g.buf) > 0 && !g.c.answering.Load() {
		return g.refuse(refusal{http.StatusRequestTimeout, "slow_head"})
	}
	if errors.Is(err, io.EOF) && g.state == atHead && len(g.buf) > 2 && !g.c.answering.Load() {
		return g.refuse(refusal{http.StatusBadRequest, "head_cut"})
	}
	if err == nil {
		return io.ErrNoProgress
	}
	return err
}

// advance looks at buf in the present state. It returns a refusal, or more when
// bytes are missing, or neither after some progress.
func (g *gate) advance() (why refusal, more bool) {
	switch g.state {
	case atHead:
		return g.advanceHead()
	case inBody, inChunk:
		if len(g.buf) == 0 {
			return refusal{}, true
		}
		g.ready = int(min(int64(len(g.buf)), g.left))
		g.consumed(g.ready)
	case atChunkSize:
		line, n, why := g.line(maxChunkLine, "chunk_line_long")
		if why.reason != "" || n == 0 {
			return why, why.reason == ""
		}
		size, ok := chunkSize(line)
		if !ok {
			if bytes.IndexByte(line, ';') >= 0 {
				return refusal{http.StatusBadRequest, "chunk_extension"}, false
			}
			return refusal{http.StatusBadRequest, "chunk_size"}, false
		}
		g.ready = n
		if g.left = size; size == 0 {
			g.state = inTrailer
		} else {
			g.state = inChunk
		}
	case atChunkEnd:
		if len(g.buf) < 2 {
			return refusal{}, true
		}
		if g.buf[0] != '\r' || g.buf[1] != '\n' {
			return refusal{http.StatusBadRequest, "chunk_end"}, false
		}
		g.ready, g.state = 2, atChunkSize
	case inTrailer:
		return g.advanceTrailer()
	}
	return refusal{}, false
}

func (g *gate) advanceHead() (refusal, bool) {
	if len(g.buf) == 0 {
		return refusal{}, true
	}
	// RFC 9112, 2.2: one empty line before a request line is ignored.
	if g.seen == 0 && g.buf[0] == '\r' {
		if len(g.buf) < 2 {
			return refusal{}, true
		}
		if g.buf[1] == '\n' && g.head.blank == 0 {
			g.drop(2)
			g.head.blank = 1
			return refusal{}, len(g.buf) == 0
		}
	}
	if !isToken(g.buf[0]) {
		return refusal{http.StatusBadRequest, "not_http"}, false
	}
	for ; g.seen < len(g.buf); g.seen++ {
		if g.buf[g.seen] != '\n' {
			continue
		}
		if g.buf[g.seen-1] != '\r' {
			return refusal{http.StatusBadRequest, "bare_lf"}, false
		}
		if g.seen >= 3 && g.buf[g.seen-3] == '\r' && g.buf[g.seen-2] == '\n' {
			end := g.seen + 1
			if end > g.c.service.Limits.HeadBytes {
				return refusal{http.StatusRequestHeaderFieldsTooLarge, "head_too_large"}, false
			}
			var why refusal
			if g.head, why = parseHead(g.buf[:end]); why.reason != "" {
				return why, false
			}
			g.ready, g.seen = end, 0
			g.left = g.head.length
			switch {
			case g.head.chunked:
				g.state = atChunkSize
			case g.left > 0:
				g.state = inBody
			}
			return refusal{}, false
		}
	}
	if len(g.buf) > g.c.service.Limits.HeadBytes {
		g.head.guess(g.buf)
		if bytes.IndexByte(g.buf, '\n') < 0 {
			return refusal{http.StatusRequestURITooLong, "target_too_long"}, false
		}
		return refusal{http.StatusRequestHeaderFieldsTooLarge, "head_too_large"}, false
	}
	return refusal{}, true
}

// line finds a line that ends in CRLF within limit bytes; n counts the CRLF and
// is 0 when the line is not complete.
func (g *gate) line(limit int, tooLong string) (line []byte, n int, why refusal) {
	i := bytes.IndexByte(g.buf, '\n')
	switch {
	case i < 0 && len(g.buf) > limit, i > limit:
		if bytes.IndexByte(g.buf[:limit], ';') >= 0 {
			tooLong = "chunk_extension"
		}
		return nil, 0, refusal{http.StatusBadRequest, tooLong}
	case i < 0:
		return nil, 0, refusal{}
	case i == 0 || g.buf[i-1] != '\r':
		return nil, 0, refusal{http.StatusBadRequest, "bare_lf"}
	}
	return g.buf[:i-1], i + 1, refusal{}
}

func (g *gate) advanceTrailer() (refusal, bool) {
	line, n, why := g.line(maxTrailer, "trailer_too_large")
	if why.reason != "" || n == 0 {
		return why, why.reason == ""
	}
	g.ready = n
	if len(line) == 0 {
		g.state = atHead
		return refusal{}, false
	}
	if g.left -= int64(n); g.left < -maxTrailer {
		return refusal{http.StatusBadRequest, "trailer_too_large"}, false
	}
	name, _, reason := parseField(line)
	if reason == "" && framing(name) {
		reason = "trailer_framing"
	}
	if reason != "" {
		return refusal{http.StatusBadRequest, reason}, false
	}
	return refusal{}, false
}

// chunkSize reads a chunk-size of at most eight hex digits and nothing else.
func chunkSize(line []byte) (int64, bool) {
	if len(line) == 0 || len(line) > 8 {
		return 0, false
	}
	var size int64
	for _, c := range line {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		size = size<<4 | int64(c)
	}
	return size, true
}

// refuse ends the connection. When no handler is answering it says so to the
// client; otherwise the handler does, for it reads the body.
func (g *gate) refuse(why refusal) error {
	g.dead, g.ready = true, 0
	g.refused.Store(&why.reason)
	if g.state == atHead && g.head.host == "" {
		g.head.guess(g.buf)
	}
	g.buf = nil
	reference := g.c.service.refusedByProtocol(g.c, why.status, why.reason)
	if g.c.answering.Load() {
		return errRefused
	}
	text := fmt.Sprintf("%d %s\r\n%s\r\n受付番号 / Reference: %s\r\n", why.status, http.StatusText(why.status), refusedText, reference)
	g.c.answering.Store(true) // this answer is not net/http's
	_ = g.c.SetDeadline(time.Now().Add(time.Second))
	_, _ = fmt.Fprintf(g.c.Conn, "HTTP/1.1 %d %s\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s",
		why.status, http.StatusText(why.status), len(text), text) // a client that has gone needs no answer
	return io.EOF // net/http closes, and conn lingers
}
