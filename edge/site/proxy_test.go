package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/sekikura/sekikura/event"
)

func TestOriginThatIsDownGivesThePageAndAnEvent(t *testing.T) {
	dead := httptest.NewServer(http.NotFoundHandler())
	dead.Close()
	e := start(t, siteOf(wakabaHost, dead.URL, ""), "")
	resp, page := e.get("http://" + wakabaHost + "/")
	if resp.StatusCode != http.StatusBadGateway || !strings.Contains(page, "若葉村") || !strings.Contains(page, "返事がありません") {
		t.Errorf("answered %d %q, want 502 and the page of the body", resp.StatusCode, page)
	}
	failed := e.journal.find(t, "a failed origin", func(e event.Event) bool { return e.Name == "origin_failed" })
	if !strings.Contains(page, value(failed, "event.reference")) || !strings.Contains(value(failed, "error.message"), "refused") {
		t.Errorf("the event %+v does not explain the page", failed)
	}
}

func TestOriginThatIsSlowGivesGatewayTimeout(t *testing.T) {
	block := make(chan struct{})
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-block:
		case <-r.Context().Done():
		}
	}))
	defer slow.Close()
	defer close(block)
	e := start(t, siteOf(wakabaHost, slow.URL, `,"origin_timeout_s":1`), "")
	resp, page := e.get("http://" + wakabaHost + "/")
	if resp.StatusCode != http.StatusGatewayTimeout || !strings.Contains(page, "受け付けられているかもしれません") {
		t.Errorf("answered %d, want 504 and the page that warns of sending twice", resp.StatusCode)
	}
}

func TestOriginIsNeverDialledWhereItMustNotStand(t *testing.T) {
	inside := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, inside.URL, ""), "", func(s *Server) { s.MayDial = nil })
	if resp, _ := e.get("http://" + wakabaHost + "/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d for an origin on loopback, want 502", resp.StatusCode)
	}
	if seen, _ := inside.requests(); len(seen) != 0 {
		t.Error("the server on loopback was reached")
	}
	for address, want := range map[string]bool{
		"169.254.169.254:80": false, "[::1]:80": false, "0.0.0.0:80": false, "[fe80::1]:80": false, "[::ffff:127.0.0.1]:80": false,
		"192.0.2.10:80": true, "10.1.2.3:80": true,
	} {
		if got := PublicOrigins(netip.MustParseAddrPort(address)); got != want {
			t.Errorf("PublicOrigins(%s) = %v, want %v", address, got, want)
		}
	}
	// Even a rule that allows everything does not allow our own listeners.
	loop := start(t, "", "")
	loop.set(wakaba, 2, siteOf(wakabaHost, "http://"+loop.http, ""))
	if resp, _ := loop.get("http://" + wakabaHost + "/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("status %d for an origin that is our own listener, want 502", resp.StatusCode)
	}
}

func TestLoopIsRefusedByItsViaField(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+wakabaHost+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Via", "1.0 other, 1.1 sekikura-test")
	if resp, _ := e.do(e.client(false), r); resp.StatusCode != http.StatusLoopDetected {
		t.Errorf("status %d, want 508", resp.StatusCode)
	}
	e.journal.refused(t, "loop")
}

func TestRedirectToHTTPSKeepsHostAndPath(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, `,"redirect_https":true,"hsts_days":1`), "")
	_, port, _ := net.SplitHostPort(e.https)
	resp, _ := e.get("http://" + wakabaHost + "/a/b?c=d")
	if want := "https://" + wakabaHost + ":" + port + "/a/b?c=d"; resp.StatusCode != 301 || resp.Header.Get("Location") != want {
		t.Errorf("answered %d to %q, want 301 to %q", resp.StatusCode, resp.Header.Get("Location"), want)
	}
	resp, _ = e.get("https://" + wakabaHost + "/")
	if got := resp.Header.Get("Strict-Transport-Security"); got != "max-age=86400" {
		t.Errorf("Strict-Transport-Security is %q", got)
	}
}

func TestBodiesPassAsStreamsUpToTheSitesLimit(t *testing.T) {
	var got [32]byte
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := sha256.New()
		if _, err := io.Copy(h, r.Body); err != nil {
			return
		}
		copy(got[:], h.Sum(nil))
		w.WriteHeader(http.StatusCreated)
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, `,"max_body_mb":20`), "", with(judge(Passed)))
	upload := make([]byte, 20<<20)
	if _, err := rand.Read(upload); err != nil {
		t.Fatal(err)
	}
	for _, h2 := range []bool{false, true} {
		for _, tt := range []struct {
			name   string
			body   io.Reader
			status int
		}{
			{"20 MiB with a length", bytes.NewReader(upload), 201},
			{"20 MiB in chunks", io.MultiReader(bytes.NewReader(upload)), 201},
			{"one byte more with a length", bytes.NewReader(append(upload[:len(upload):len(upload)], 'x')), 413},
			{"one byte more in chunks", io.MultiReader(bytes.NewReader(upload), strings.NewReader("x")), 413},
		} {
			got = [32]byte{}
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://"+wakabaHost+"/upload", tt.body)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := e.client(h2).Do(r)
			if err != nil {
				// A server that answers early and closes may win over the answer.
				if tt.status == 413 {
					e.journal.refused(t, "body_too_large")
					continue
				}
				t.Fatalf("%s (h2 %v): %v", tt.name, h2, err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != tt.status {
				t.Errorf("%s (h2 %v): status %d, want %d", tt.name, h2, resp.StatusCode, tt.status)
			}
			if tt.status == 201 && got != sha256.Sum256(upload) {
				t.Errorf("%s (h2 %v): the origin did not get the same bytes", tt.name, h2)
			}
		}
	}
	e.journal.refused(t, "body_too_large")
}

func TestAnswersStreamAsTheyCome(t *testing.T) {
	next := make(chan string)
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for text := range next {
			_, _ = io.WriteString(w, text)
			_ = http.NewResponseController(w).Flush()
		}
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", with(judge(Passed)))
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+wakabaHost+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() { next <- "data: 1\n\n" }()
	resp, err := e.client(true).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	lines := bufio.NewReader(resp.Body)
	for i := 1; i <= 3; i++ {
		line, err := lines.ReadString('\n')
		if err != nil || line != fmt.Sprintf("data: %d\n", i) {
			t.Fatalf("got %q, %v", line, err)
		}
		if _, err := lines.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
		if i < 3 { // sent only after the one before has arrived
			next <- fmt.Sprintf("data: %d\n\n", i+1)
		}
	}
	close(next)
}

func TestWebSocketPassesAndNoOtherUpgradeDoes(t *testing.T) {
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, "no upgrade")
			return
		}
		c, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer c.Close() //nolint:errcheck // echo ended
		_, _ = io.WriteString(c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
		_, _ = io.Copy(c, rw)
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	c := e.open("GET /ws HTTP/1.1\r\nHost: " + wakabaHost + "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	answers := bufio.NewReader(c)
	resp, err := http.ReadResponse(answers, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("answered %v, %v", resp, err)
	}
	// Frames are no HTTP, whatever they look like.
	message := "\x81\x85\x00\x00\x00\x00hello\n\r\n\x00 : GET / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
	if _, err := io.WriteString(c, message); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(message))
	if _, err := io.ReadFull(answers, got); err != nil || string(got) != message {
		t.Fatalf("the echo is %q, %v", got, err)
	}
	_ = c.Close()
	served := e.journal.find(t, "a served WebSocket", func(e event.Event) bool { return e.Name == "request_served" })
	if value(served, "http.response.status_code") != "101" {
		t.Errorf("the event's status is %s, want 101", value(served, "http.response.status_code"))
	}

	h2c := e.open("GET / HTTP/1.1\r\nHost: " + wakabaHost + "\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n")
	if _, body := readResponse(t, bufio.NewReader(h2c)); body != "no upgrade" {
		t.Errorf("an upgrade to h2c reached the origin: %q", body)
	}
}

func TestSlowClientsAreCutOffWithAnEvent(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", func(s *Server) {
		s.Limits.Head, s.Limits.Stall = 50*time.Millisecond, 50*time.Millisecond
	})
	head := e.open("GET / HTTP/1.1\r\nHost: " + wakabaHost + "\r\nX: ")
	if resp, _ := readResponse(t, bufio.NewReader(head)); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a head that does not end: status %d, want 408", resp.StatusCode)
	}
	if got := e.journal.refused(t, "slow_head"); got.Tenant != wakaba {
		t.Errorf("the event belongs to %s, want the body whose host was named", got.Tenant)
	}
	body := e.open("POST / HTTP/1.1\r\nHost: " + wakabaHost + "\r\nContent-Length: 100\r\n\r\nabc")
	if resp, _ := readResponse(t, bufio.NewReader(body)); resp.StatusCode != http.StatusRequestTimeout {
		t.Errorf("a body that does not end: status %d, want 408", resp.StatusCode)
	}
	e.journal.refused(t, "slow_body")
}

func TestOneSourceAndOneBodyCannotTakeEverything(t *testing.T) {
	release := make(chan struct{})
	entered := make(chan struct{}, 8)
	village := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	defer village.Close()
	city := newOrigin(t, hello)
	body := fmt.Sprintf(`{"max_concurrent_per_source":2,"sites":[{"host":%q,"origin":%q}]}`, wakabaHost, village.URL)
	e := start(t, body, siteOf(hanamiHost, city.URL, ""))
	var waiting sync.WaitGroup
	for range 2 {
		waiting.Go(func() { e.get("http://" + wakabaHost + "/") })
		<-entered
	}
	resp, page := e.get("http://" + wakabaHost + "/")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || !strings.Contains(page, "混み合って") {
		t.Errorf("the third request: %d, want 503 with Retry-After", resp.StatusCode)
	}
	e.journal.refused(t, "busy_source")
	if resp, _ := e.get("http://" + hanamiHost + "/"); resp.StatusCode != 200 {
		t.Errorf("the other body: %d, want 200", resp.StatusCode)
	}
	close(release)
	waiting.Wait()
}

func TestOriginStopsWorkingWhenTheClientGoesAway(t *testing.T) {
	entered, gone := make(chan struct{}), make(chan struct{})
	village := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
		close(gone)
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+wakabaHost+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-entered
		cancel()
	}()
	if resp, err := e.client(true).Do(r); err == nil {
		_ = resp.Body.Close()
		t.Fatal("the request succeeded")
	}
	select {
	case <-gone:
	case <-time.After(10 * time.Second):
		t.Fatal("the origin was not told")
	}
	e.journal.refused(t, "client_gone")
}

func TestPolicyChangesUnderLoadDropNothing(t *testing.T) {
	one, two := newOrigin(t, hello), newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, one.URL, ""), "")
	stop := make(chan struct{})
	var swapping sync.WaitGroup
	swaps := 0
	swapping.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			for _, o := range []*origin{one, two} {
				swaps++
				e.set(wakaba, int64(swaps), siteOf(wakabaHost, o.URL, fmt.Sprintf(`,"max_body_mb":%d`, swaps%50+1)))
			}
		}
	})
	var wrong atomic.Int64
	var clients sync.WaitGroup
	const each, workers = 250, 8
	for n := range workers {
		clients.Go(func() {
			c := e.client(n%2 == 0)
			for range each {
				scheme := "http://"
				if n%4 < 2 {
					scheme = "https://"
				}
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, scheme+wakabaHost+"/", strings.NewReader("text"))
				if err != nil {
					wrong.Add(1)
					continue
				}
				resp, err := c.Do(r)
				if err != nil {
					wrong.Add(1)
					t.Log(err)
					continue
				}
				if _, err := io.Copy(io.Discard, resp.Body); err != nil || resp.StatusCode != 200 {
					wrong.Add(1)
				}
				_ = resp.Body.Close()
			}
		})
	}
	clients.Wait()
	close(stop)
	swapping.Wait()
	if wrong.Load() != 0 || swaps < 10 {
		t.Errorf("%d of %d requests failed during %d changes of policy, want none", wrong.Load(), each*workers, swaps)
	}
	a, _ := one.requests()
	b, _ := two.requests()
	if len(a)+len(b) != each*workers || len(a) == 0 || len(b) == 0 {
		t.Errorf("the origins saw %d and %d requests", len(a), len(b))
	}
}

// h2conn is an HTTP/2 connection without a client's good manners.
func (e *edge) h2conn() (net.Conn, *http2.Framer) {
	e.t.Helper()
	c, err := tls.Dial("tcp", e.https, &tls.Config{ServerName: wakabaHost, RootCAs: e.roots, NextProtos: []string{"h2"}}) //nolint:noctx // a test
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		e.t.Fatal(err)
	}
	if _, err := io.WriteString(c, http2.ClientPreface); err != nil {
		e.t.Fatal(err)
	}
	f := http2.NewFramer(c, c)
	if err := f.WriteSettings(); err != nil {
		e.t.Fatal(err)
	}
	return c, f
}

func headers(host string) []byte {
	var b bytes.Buffer
	h := hpack.NewEncoder(&b)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "https"}, {":authority", host}, {":path", "/"}} {
		_ = h.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}) // into memory
	}
	return b.Bytes()
}

func TestHTTP2AbuseEndsTheConnectionWithAnEvent(t *testing.T) {
	for _, tt := range []struct {
		name  string
		abuse func(*http2.Framer, uint32) error // called with odd stream ids until the connection ends
		want  []string
	}{
		{"rapid reset", func(f *http2.Framer, id uint32) error {
			if err := f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: headers(wakabaHost), EndStream: true, EndHeaders: true}); err != nil {
				return err
			}
			return f.WriteRSTStream(id, http2.ErrCodeCancel)
		}, []string{"h2_enhance_your_calm", "h2_rapid_reset"}},
		{"a flood of CONTINUATION", func(f *http2.Framer, id uint32) error {
			if id == 1 {
				return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: headers(wakabaHost), EndStream: true})
			}
			var b bytes.Buffer
			_ = hpack.NewEncoder(&b).WriteField(hpack.HeaderField{Name: "x-flood", Value: strings.Repeat("a", 4000), Sensitive: true})
			return f.WriteContinuation(1, false, b.Bytes())
		}, []string{"h2_protocol_error", "h2_enhance_your_calm", "h2_compression_error"}},
		{"a frame on stream zero", func(f *http2.Framer, _ uint32) error {
			f.AllowIllegalWrites = true
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: 0, BlockFragment: headers(wakabaHost), EndHeaders: true})
		}, []string{"h2_protocol_error"}},
		{"a table that was never sent", func(f *http2.Framer, id uint32) error {
			return f.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0x07}, EndHeaders: true, EndStream: true})
		}, []string{"h2_compression_error"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			block := make(chan struct{})
			village := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				select {
				case <-block:
				case <-r.Context().Done():
				}
			}))
			defer village.Close()
			defer close(block)
			e := start(t, siteOf(wakabaHost, village.URL, ""), "")
			c, f := e.h2conn()
			drained := make(chan struct{})
			go func() {
				defer close(drained)
				_, _ = io.Copy(io.Discard, c)
			}()
			ended := false
			for id := uint32(1); id < 100_000 && !ended; id += 2 {
				select {
				case <-drained:
					ended = true
				default:
					ended = tt.abuse(f, id) != nil
				}
			}
			select {
			case <-drained: // the server closes a while after its GOAWAY
			case <-time.After(10 * time.Second):
				t.Error("the connection stays open")
			}
			e.journal.find(t, "the abuse", func(e event.Event) bool {
				for _, reason := range tt.want {
					if value(e, "refused.reason") == reason {
						return e.Tenant == wakaba
					}
				}
				return false
			})
			// Others are still served.
			if resp, _ := e.get("http://" + hanamiHost + "/"); resp.StatusCode != 404 {
				t.Errorf("another client got %d", resp.StatusCode)
			}
		})
	}
}

func TestRequestsUnderWayFinishWhenRunEnds(t *testing.T) {
	entered, release := make(chan struct{}), make(chan struct{})
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = io.WriteString(w, "done")
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	answer := make(chan string)
	go func() {
		_, body := e.get("http://" + wakabaHost + "/")
		answer <- body
	}()
	<-entered
	go e.stop()
	close(release)
	if got := <-answer; got != "done" {
		t.Errorf("the request under way got %q, want its whole answer", got)
	}
	e.stop()
	if n := len(e.journal.all()); n != 1 {
		t.Errorf("%d events after the end, want 1", n)
	}
}

func TestClientThatDoesNotReadIsGivenUp(t *testing.T) {
	ended := make(chan struct{})
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		defer close(ended)
		piece := make([]byte, 1<<20)
		for range 200 {
			if _, err := w.Write(piece); err != nil {
				return
			}
		}
		t.Error("a client that reads nothing was sent 200 MiB")
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", func(s *Server) { s.Limits.Stall = 100 * time.Millisecond })
	e.open("GET / HTTP/1.1\r\nHost: " + wakabaHost + "\r\n\r\n")
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Fatal("the origin still sends")
	}
	served := e.journal.find(t, "the broken answer", func(e event.Event) bool { return e.Name == "request_served" })
	if value(served, "error.message") == "" {
		t.Error("the event does not say that the answer broke off")
	}
}

func TestTrickledBodyIsCutOff(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", func(s *Server) { s.Limits.Stall, s.Limits.MinRate = 40*time.Millisecond, 1<<20 })
	c := e.open("POST / HTTP/1.1\r\nHost: " + wakabaHost + "\r\nContent-Length: 100000\r\n\r\n")
	answered := make(chan struct{})
	go func() {
		defer close(answered)
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != http.StatusRequestTimeout {
			t.Errorf("answered %v, %v; want 408", resp, err)
		}
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-answered:
			e.journal.refused(t, "slow_body")
			return
		case <-tick.C:
			_, _ = c.Write([]byte("x"))
		}
	}
}

func TestOriginThatBreaksOffIsNamedInTheEvent(t *testing.T) {
	village := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "1000")
		_, _ = io.WriteString(w, "the beginning")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}))
	defer village.Close()
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	c := e.open("GET / HTTP/1.1\r\nHost: " + wakabaHost + "\r\n\r\n")
	if resp, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
		if _, err := io.ReadAll(resp.Body); err == nil {
			t.Error("the client takes the beginning for the whole")
		}
	}
	failed := e.journal.find(t, "a failed origin", func(e event.Event) bool { return e.Name == "origin_failed" })
	if !strings.Contains(value(failed, "error.message"), "early") {
		t.Errorf("the event says %q", value(failed, "error.message"))
	}
}

func TestTLSSessionsResume(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	conf := &tls.Config{ServerName: wakabaHost, RootCAs: e.roots, ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	for i := range 2 {
		c, err := tls.Dial("tcp", e.https, conf)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+wakabaHost+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		readResponse(t, bufio.NewReader(c)) // the ticket comes with it
		if got := c.ConnectionState().DidResume; got != (i == 1) {
			t.Errorf("connection %d resumed: %v", i+1, got)
		}
		_ = c.Close()
	}
}

func TestOldTLSIsRefusedWhereTheSiteAsksFor13(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, `,"min_tls":"1.3"`), "")
	for version, want := range map[uint16]string{tls.VersionTLS12: " 426 ", tls.VersionTLS13: " 200 "} {
		c, err := tls.Dial("tcp", e.https, &tls.Config{ServerName: wakabaHost, RootCAs: e.roots, MaxVersion: version})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, "GET / HTTP/1.1\r\nHost: "+wakabaHost+"\r\n\r\n")
		line, err := bufio.NewReader(c).ReadString('\n')
		if err != nil || !strings.Contains(line, want) {
			t.Errorf("%s: %q, %v; want%s", tls.VersionName(version), line, err, want)
		}
		_ = c.Close()
	}
	e.journal.refused(t, "tls_version")
	if _, err := tls.Dial("tcp", e.https, &tls.Config{ServerName: wakabaHost, RootCAs: e.roots, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 is spoken")
	}
}
