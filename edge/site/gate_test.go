package site

import (
	"bufio"
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// wire is a connection that gives its input in pieces and forgets its output.
type wire struct {
	net.Conn
	in    *bytes.Reader
	piece int
}

func (w *wire) Read(p []byte) (int, error)      { return w.in.Read(p[:min(len(p), w.piece)]) }
func (w *wire) Write(p []byte) (int, error)     { return len(p), nil }
func (w *wire) SetReadDeadline(time.Time) error { return nil }
func (w *wire) SetDeadline(time.Time) error     { return nil }

// passed is what the gate lets through of input, and whether that ends with the
// end of a request.
func passed(t testing.TB, input []byte, piece int) ([]byte, bool) {
	t.Helper()
	v := &service{Server: Server{Directory: new(tenant.Directory), Now: time.Now, Log: slog.New(slog.DiscardHandler)}}
	v.Limits.setDefaults()
	v.recorder = newRecorder(nil, event.Discard, v.Log, 4, nil)
	c := &conn{Conn: &wire{in: bytes.NewReader(input), piece: piece}, service: v, client: netip.MustParseAddrPort("192.0.2.1:1")}
	c.gate = newGate(c)
	out, err := io.ReadAll(c)
	if err != nil {
		t.Fatalf("reading through the gate: %v", err)
	}
	return out, c.gate.state == atHead
}

// net/http's own parser is the second opinion: whatever passes the gate, it must
// read as requests without an error, and re-reading must find the same bytes.
func FuzzGate(f *testing.F) {
	const host = "Host: a.example\r\n"
	for _, s := range []string{
		"GET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\n" + host + "\r\n",
		"POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"\r\nGET http://a.example/?q HTTP/1.0\r\n" + host + "\r\n",
		"GET / HTTP/1.1\nHost: a\n\n", "GET / HTTP/1.1\r\n" + host + "X: a\r\n b\r\n\r\n",
	} {
		f.Add([]byte(s), byte(7))
	}
	f.Fuzz(func(t *testing.T, input []byte, piece byte) {
		out, complete := passed(t, input, int(piece)%64+1)
		if again, _ := passed(t, out, 4096); !bytes.Equal(out, again) {
			t.Fatalf("%q passed as %q, and that as %q", input, out, again)
		}
		r := bufio.NewReader(bytes.NewReader(out))
		for {
			if _, err := r.Peek(1); err == io.EOF {
				return
			}
			request, err := http.ReadRequest(r)
			if err != nil {
				t.Fatalf("%q passed as %q, which net/http refuses: %v", input, out, err)
			}
			if len(request.TransferEncoding) > 0 && request.Header.Get("Content-Length") != "" {
				t.Fatalf("%q has two lengths", out)
			}
			if _, err := io.Copy(io.Discard, request.Body); err != nil {
				if !complete {
					return // the input ended first
				}
				t.Fatalf("%q passed as %q, whose body net/http refuses: %v", input, out, err)
			}
		}
	})
}

func TestGatePassesTheSameBytesWhateverThePieces(t *testing.T) {
	input := []byte("POST /a HTTP/1.1\r\nHost: a.example\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\nX: y\r\n\r\n" +
		"POST /b HTTP/1.1\r\nHost: a.example\r\nContent-Length: 3\r\n\r\nabcGET /c HTTP/1.1\r\nHost: a.example\r\n\r\n")
	for piece := 1; piece <= len(input); piece++ {
		if got, _ := passed(t, input, piece); !bytes.Equal(got, input) {
			t.Fatalf("in pieces of %d: %q passed as %q", piece, input, got)
		}
	}
}

func TestGoAwayIsSeenHoweverItIsWritten(t *testing.T) {
	frames := []byte{0, 0, 0, 4, 1, 0, 0, 0, 0} // SETTINGS ack
	frames = append(frames, 0, 0, 3, 0, 0, 0, 0, 0, 1, 7, 7, 7)
	frames = append(frames, 0, 0, 11, 7, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 11, 'x', 'y', 'z')
	for piece := 1; piece <= len(frames); piece++ {
		var watch frameWatch
		got := ""
		for rest := frames; len(rest) > 0; rest = rest[min(piece, len(rest)):] {
			got += watch.goAway(rest[:min(piece, len(rest))])
		}
		if got != "enhance_your_calm" {
			t.Errorf("in pieces of %d: %q", piece, got)
		}
	}
	var watch frameWatch
	if got := watch.goAway([]byte{0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0}); got != "" {
		t.Errorf("an end without an error is %q", got)
	}
}
