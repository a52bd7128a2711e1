package site

import (
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"
)

// Why a client's body ends early.
var (
	errBodyTooLarge = errors.New("the body is larger than the site's policy allows")
	errSlow         = errors.New("the client sends its body too slowly")
)

// bodyReader is a request's body under the limits of size and speed. What was
// read ahead for the inspection comes first.
type bodyReader struct {
	io.ReadCloser
	control *http.ResponseController
	stall   time.Duration
	rate    int
	left    int64 // bytes that may still come
	ahead   []byte

	n       atomic.Int64
	began   time.Time
	armed   time.Time
	failure atomic.Pointer[error]
}

func (b *bodyReader) Read(p []byte) (int, error) {
	if len(b.ahead) > 0 {
		n := copy(p, b.ahead)
		b.ahead = b.ahead[n:]
		return n, nil
	}
	now := time.Now()
	if b.began.IsZero() {
		b.began = now
	}
	if now.Sub(b.armed) > b.stall/8 {
		b.armed = now
		_ = b.control.SetReadDeadline(now.Add(b.stall))
		if age := now.Sub(b.began); age > b.stall && float64(b.n.Load()) < age.Seconds()*float64(b.rate) {
			return 0, b.fail(errSlow)
		}
	}
	n, err := b.ReadCloser.Read(p)
	b.n.Add(int64(n))
	if b.left -= int64(n); b.left < 0 {
		return 0, b.fail(errBodyTooLarge)
	}
	if err == nil {
		return n, nil
	}
	_ = b.control.SetReadDeadline(time.Time{})
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		err = errSlow
	}
	if !errors.Is(err, io.EOF) {
		return n, b.fail(err)
	}
	return n, err
}

func (b *bodyReader) fail(err error) error {
	b.failure.CompareAndSwap(nil, &err)
	return err
}

// failed is why the client's body ended early, or nil.
func (b *bodyReader) failed() error {
	if err := b.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// answerWriter counts what is sent and gives up on a client that does not take it.
type answerWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	stall   time.Duration
	status  int
	bytes   int64
	armed   time.Time
	failure error // the last that a write met
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answerWriter) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// WriteHeader implements http.ResponseWriter.
func (a *answerWriter) WriteHeader(status int) {
	if a.status == 0 && (status >= 200 || status == http.StatusSwitchingProtocols) {
		a.status = status
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answerWriter) Write(p []byte) (int, error) {
	if a.status == 0 {
		a.status = http.StatusOK
	}
	if now := time.Now(); now.Sub(a.armed) > a.stall/8 {
		a.armed = now
		_ = a.control.SetWriteDeadline(now.Add(a.stall))
	}
	n, err := a.ResponseWriter.Write(p)
	a.bytes += int64(n)
	if err != nil {
		a.failure = err
	}
	return n, err
}

// disarm takes the write deadline off, for the connection's next request and
// for an upgraded connection.
func (a *answerWriter) disarm() {
	if !a.armed.IsZero() {
		_ = a.control.SetWriteDeadline(time.Time{})
	}
}

// peek reads up to limit bytes and tells whether they are all.
func peek(r io.Reader, limit int) ([]byte, bool, error) {
	var buf []byte
	for {
		if len(buf) == cap(buf) {
			grown := make([]byte, len(buf), min(max(4096, 2*len(buf)), limit+1))
			copy(grown, buf)
			buf = grown
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		switch {
		case errors.Is(err, io.EOF):
			return buf, true, nil
		case err != nil:
			return buf, false, err
		case len(buf) > limit:
			return buf, false, nil
		}
	}
}
