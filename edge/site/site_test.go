package site

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura     tenant.ID = "990001"
	wakaba     tenant.ID = "994413"
	hanami     tenant.ID = "992011"
	wakabaHost           = "www.vill.wakaba.example"
	hanamiHost           = "www.city.hanami.example"
)

// journal keeps events in memory, and can be made to fail or hang.
type journal struct {
	mu     sync.Mutex
	events []event.Event
	err    error
	hang   chan struct{}
	grew   chan struct{} // one token for each append
}

func (j *journal) Append(ctx context.Context, batch []event.Event) error {
	j.mu.Lock()
	hang := j.hang
	j.mu.Unlock()
	if hang != nil {
		select {
		case <-hang:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.err != nil {
		return j.err
	}
	j.events = append(j.events, batch...)
	select {
	case j.grew <- struct{}{}:
	default:
	}
	return nil
}

func (j *journal) all() []event.Event {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]event.Event(nil), j.events...)
}

// find waits for an event that ok accepts.
func (j *journal) find(t testing.TB, what string, ok func(event.Event) bool) event.Event {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		for _, e := range j.all() {
			if ok(e) {
				return e
			}
		}
		select {
		case <-j.grew:
		case <-deadline:
			have := map[string]int{}
			for _, e := range j.all() {
				have[e.Name+" "+value(e, "refused.reason")]++
			}
			t.Fatalf("no event of %s; there are %v", what, have)
		}
	}
}

func (j *journal) refused(t testing.TB, reason string) event.Event {
	t.Helper()
	return j.find(t, "a request refused for "+reason, func(e event.Event) bool {
		return e.Name == "request_refused" && value(e, "refused.reason") == reason
	})
}

func value(e event.Event, key string) string {
	for _, f := range e.Fields {
		if f.Key == key {
			return f.Value.String()
		}
	}
	return ""
}

// edge is a running Server with two bodies in front of one origin each.
type edge struct {
	t           testing.TB
	server      *Server
	http, https string
	journal     *journal
	table       *policy.Table[Policy, Sites]
	directory   *tenant.Directory
	roots       *x509.CertPool
	stop        func()
}

// settings change a Server before it runs.
type settings func(*Server)

func start(t testing.TB, wakabaSite, hanamiSite string, change ...settings) *edge {
	t.Helper()
	e := &edge{t: t, journal: &journal{grew: make(chan struct{}, 1)}}
	var err error
	contact := tenant.Contact{Section: "総務課 情報係", Phone: "0123-45-6789"}
	e.directory, err = tenant.NewDirectory(
		tenant.Tenant{ID: sakura, Operator: sakura, Name: "さくら県", Kind: tenant.Prefecture},
		tenant.Tenant{ID: wakaba, Operator: sakura, Name: "若葉村", NameEN: "Wakaba Village", Hosts: []string{wakabaHost}, Contact: contact},
		tenant.Tenant{ID: hanami, Operator: sakura, Name: "花見市", Hosts: []string{hanamiHost, "kodomo.city.hanami.example"}},
	)
	if err != nil {
		t.Fatal(err)
	}
	if e.table, err = policy.NewTable(&Spec); err != nil {
		t.Fatal(err)
	}
	e.set(wakaba, 1, wakabaSite)
	e.set(hanami, 1, hanamiSite)
	listen := func() net.Listener {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	clear, secure := listen(), listen()
	e.http, e.https = clear.Addr().String(), secure.Addr().String()
	certificates, roots := certificatesFor(t, wakabaHost, hanamiHost)
	e.roots = roots
	e.server = &Server{
		HTTP: []net.Listener{clear}, HTTPS: []net.Listener{secure},
		Directory: e.directory, Policies: e.table, Certificates: certificates,
		Journal: e.journal, Sink: event.Discard, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Name: "sekikura-test", Owner: sakura, MayDial: func(netip.AddrPort) bool { return true },
		Limits: Limits{Drain: 5 * time.Second},
	}
	for _, c := range change {
		c(e.server)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- e.server.Run(ctx) }()
	var once sync.Once
	e.stop = func() {
		once.Do(func() {
			cancel()
			if err := <-ended; err != nil {
				t.Errorf("Run ended with %v, want nil", err)
			}
		})
	}
	t.Cleanup(e.stop)
	return e
}

func (e *edge) set(id tenant.ID, version int64, body string) {
	e.t.Helper()
	if body == "" {
		return
	}
	doc := &policy.Document{Service: "site", Schema: 1, Version: version, Body: json.RawMessage(body)}
	if problems := e.table.Set(id, nil, doc); problems != nil {
		e.t.Fatalf("policy of %s: %v", id, problems)
	}
}

func siteOf(host, origin, more string) string {
	return fmt.Sprintf(`{"sites":[{"host":%q,"origin":%q%s}]}`, host, origin, more)
}

type certificates map[string]*tls.Certificate

func (c certificates) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if cert := c[hello.ServerName]; cert != nil {
		return cert, nil
	}
	return nil, errors.New("nobody publishes this name")
}

func certificatesFor(t testing.TB, hosts ...string) (certificates, *x509.CertPool) {
	t.Helper()
	out, pool := certificates{}, x509.NewCertPool()
	for i, host := range hosts {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		template := &x509.Certificate{
			SerialNumber: big.NewInt(int64(i + 1)), DNSNames: []string{host}, IsCA: true, BasicConstraintsValid: true,
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		leaf, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		out[host] = &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
		pool.AddCert(leaf)
	}
	return out, pool
}

// client talks to the edge whatever host a URL names.
func (e *edge) client(h2 bool) *http.Client {
	dial := func(ctx context.Context, _, address string) (net.Conn, error) {
		to := e.http
		if strings.HasSuffix(address, ":443") {
			to = e.https
		}
		return new(net.Dialer).DialContext(ctx, "tcp", to)
	}
	transport := &http.Transport{DialContext: dial, TLSClientConfig: &tls.Config{RootCAs: e.roots}, ForceAttemptHTTP2: h2}
	e.t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

func (e *edge) get(url string) (*http.Response, string) {
	e.t.Helper()
	r, err := http.NewRequestWithContext(e.t.Context(), http.MethodGet, url, nil)
	if err != nil {
		e.t.Fatal(err)
	}
	return e.do(e.client(false), r)
}

func (e *edge) do(c *http.Client, r *http.Request) (*http.Response, string) {
	e.t.Helper()
	resp, err := c.Do(r)
	if err != nil {
		e.t.Fatal(err)
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		e.t.Fatal(err)
	}
	return resp, string(body)
}

// raw sends bytes as they are and returns what comes back until the end.
func (e *edge) raw(bytesToSend string) string {
	e.t.Helper()
	c := e.open(bytesToSend)
	defer c.Close()                   //nolint:errcheck // nothing is left to write
	_ = c.(*net.TCPConn).CloseWrite() // an edge that has refused may have closed already
	answer, err := io.ReadAll(c)
	if err != nil && len(answer) == 0 {
		e.t.Fatalf("reading the answer to %q: %v", bytesToSend, err)
	}
	return string(answer)
}

// open sends bytes as they are over a connection of their own.
func (e *edge) open(bytesToSend string) net.Conn {
	e.t.Helper()
	c, err := new(net.Dialer).DialContext(e.t.Context(), "tcp", e.http)
	if err != nil {
		e.t.Fatal(err)
	}
	e.t.Cleanup(func() { _ = c.Close() })
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		e.t.Fatal(err)
	}
	if _, err := io.WriteString(c, bytesToSend); err != nil {
		e.t.Fatal(err)
	}
	return c
}

// origin is a body's own server that remembers what it saw.
type origin struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
	body []string
}

func newOrigin(t testing.TB, answer http.HandlerFunc) *origin {
	t.Helper()
	o := new(origin)
	o.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		o.mu.Lock()
		o.seen, o.body = append(o.seen, r), append(o.body, string(body))
		o.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer(w, r)
	}))
	t.Cleanup(o.Close)
	return o
}

func (o *origin) requests() ([]*http.Request, []string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]*http.Request(nil), o.seen...), append([]string(nil), o.body...)
}

func hello(w http.ResponseWriter, r *http.Request) { _, _ = fmt.Fprintf(w, "hello from %s", r.Host) }

func TestRequestReachesItsOwnOriginWithOurForwardingFields(t *testing.T) {
	village, city := newOrigin(t, hello), newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), siteOf(hanamiHost, city.URL, ""))
	for _, h2 := range []bool{false, true} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+wakabaHost+"/a%20b?q=1;2&x=%83%5C", nil)
		if err != nil {
			t.Fatal(err)
		}
		for name, v := range map[string]string{
			"X-Forwarded-For": "203.0.113.9", "X-Forwarded-Proto": "gopher", "Forwarded": "for=203.0.113.9", "X_Forwarded_For": "203.0.113.9",
			"X-Real-IP": "203.0.113.9", "Proxy": "http://evil.example", "Keep-Alive": "timeout=5", "Proxy-Authorization": "Basic eDp5",
		} {
			r.Header.Set(name, v)
		}
		resp, body := e.do(e.client(h2), r)
		if resp.StatusCode != 200 || body != "hello from "+wakabaHost {
			t.Fatalf("h2 %v: got %d %q, want the village's page", h2, resp.StatusCode, body)
		}
		if h2 != (resp.ProtoMajor == 2) {
			t.Errorf("protocol %s, want HTTP/2 %v", resp.Proto, h2)
		}
		seen, _ := village.requests()
		got := seen[len(seen)-1]
		for name, want := range map[string]string{
			"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https", "X-Forwarded-Host": wakabaHost, "X-Real-Ip": "127.0.0.1",
			"Forwarded": "", "X_forwarded_for": "", "Proxy": "", "Keep-Alive": "", "Proxy-Authorization": "", "Via": "1.1 sekikura-test",
		} {
			if v := strings.Join(got.Header[name], ","); v != want {
				t.Errorf("the origin saw %s: %q, want %q", name, v, want)
			}
		}
		if got.RequestURI != "/a%20b?q=1;2&x=%83%5C" {
			t.Errorf("the origin saw target %q", got.RequestURI)
		}
	}
	if seen, _ := city.requests(); len(seen) > 0 {
		t.Errorf("the other body's origin saw %d requests, want none", len(seen))
	}
	served := e.journal.find(t, "a served request", func(e event.Event) bool { return e.Name == "request_served" })
	if served.Tenant != wakaba || value(served, "url.path") != "/a b" || value(served, "tls.version") != "1.3" || value(served, "event.outcome") != "passed" {
		t.Errorf("event %+v does not say what was served", served)
	}
}

func TestEventsShowNoSecretOfTheQuery(t *testing.T) {
	o := newOrigin(t, hello)
	e := start(t, siteOf("www.vill.wakaba.example", o.URL, ""), "")
	e.get("http://www.vill.wakaba.example/login;jsessionid=hunter2?user=sato&pass%77ord=hunter2&access_token=hunter2")
	got := e.journal.find(t, "the request", func(ev event.Event) bool { return ev.Name == "request_served" })
	for _, f := range got.Fields {
		if strings.Contains(f.Value.String(), "hunter2") {
			t.Errorf("the event shows the secret: %s=%s", f.Key, f.Value)
		}
	}
	if got, want := value(got, "url.query"), "user=sato&pass%77ord=***&access_token=***"; got != want {
		t.Errorf("url.query is %q, want %q", got, want)
	}
	if reqs, _ := o.requests(); len(reqs) != 1 || reqs[0].URL.Query().Get("password") != "hunter2" {
		t.Errorf("the origin did not get the query as it was: %v", reqs)
	}
}

func TestUnknownHostGetsNobodysSite(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	for _, tt := range []struct {
		url, host string
		status    int
		reason    string
		owner     tenant.ID
	}{
		{"http://nobody.example/", "", 404, "unknown_host", sakura},
		{"http://" + hanamiHost + "/", "", 404, "host_not_published", hanami},
		{"https://" + wakabaHost + "/", hanamiHost, 421, "sni_mismatch", wakaba},
		{"https://" + wakabaHost + "/", "nobody.example", 421, "sni_mismatch", wakaba},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, tt.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Host = tt.host
		resp, body := e.do(e.client(false), r)
		if resp.StatusCode != tt.status {
			t.Errorf("%s as %q: status %d, want %d", tt.url, tt.host, resp.StatusCode, tt.status)
		}
		if strings.Contains(body, "若葉村") || strings.Contains(body, "花見市") || strings.Contains(body, "hello") {
			t.Errorf("%s as %q: the answer shows a body: %q", tt.url, tt.host, body)
		}
		if got := e.journal.refused(t, tt.reason); got.Tenant != tt.owner {
			t.Errorf("%s as %q: the event belongs to %s, want %s", tt.url, tt.host, got.Tenant, tt.owner)
		}
	}
	if seen, _ := village.requests(); len(seen) != 0 {
		t.Errorf("the origin saw %d requests, want none", len(seen))
	}
	// A name without a certificate ends in the handshake.
	c, err := new(net.Dialer).DialContext(t.Context(), "tcp", e.https)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() //nolint:errcheck // the handshake is all
	if err := tls.Client(c, &tls.Config{ServerName: "nobody.example", RootCAs: e.roots}).HandshakeContext(t.Context()); err == nil {
		t.Error("the handshake for a name that nobody publishes succeeded")
	}
	if got := e.journal.refused(t, "tls_handshake"); value(got, "url.domain") != "nobody.example" {
		t.Errorf("the refused handshake's event names %q", value(got, "url.domain"))
	}
}

func readResponse(t testing.TB, r *bufio.Reader) (*http.Response, string) {
	t.Helper()
	resp, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp, string(body)
}
