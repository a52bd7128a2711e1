package crs_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

var (
	measure = flag.Bool("cpu", false, "measure CPU for a request beside nginx with libmodsecurity")
	serve   = flag.String("serve", "", "be the edge for this origin until standard input ends (for -cpu)")
	inspect = flag.Bool("inspect", false, "with -serve: have requests judged")
)

// rounds is how often each figure is taken, the servers in turn.
const rounds = 7

// TestCPUForARequest prints what one request costs in CPU, user and system, of
// the server's process alone: ours without and with the WAF, the same once more
// as the measure of noise, and Debian's nginx with libmodsecurity under the same rules.
func TestCPUForARequest(t *testing.T) {
	if !*measure {
		t.Skip("measures, and takes minutes: run with -args -cpu")
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = io.WriteString(w, "<title>若葉村</title>")
	}))
	t.Cleanup(origin.Close)
	servers := []*server{
		ours(t, "ours, no WAF", origin.URL, false),
		ours(t, "ours, WAF", origin.URL, true),
		ours(t, "ours, WAF, again", origin.URL, true),
	}
	if dir := unpackPeer(t); dir != "" {
		servers = append(servers,
			nginx(t, dir, "nginx, no WAF", origin.URL, false),
			nginx(t, dir, "nginx, WAF", origin.URL, true))
	}
	form := url.Values{"name": {"山田 太郎"}, "address": {"さくら県若葉村大字表1-2-3"}, "comment": {"ごみの収集日を教えてください。先週の水曜日に出したものが、まだ残っています。"}}.Encode()
	fmt.Println("| Request | Server | CPU µs, median | lowest–highest |\n|---|---|---|---|")
	for _, kind := range []struct{ name, method, body string }{{"GET", "GET", ""}, {"Japanese form", "POST", form}} {
		costs := make([][]float64, len(servers))
		for round := range rounds + 1 {
			for n := range servers {
				s := servers[(n+round)%len(servers)]
				count := 300
				if !s.waf {
					count = 2000
				}
				cost := s.cost(t, count, kind.method, kind.body)
				if round > 0 { // the first one warms up
					i := (n + round) % len(servers)
					costs[i] = append(costs[i], cost)
				}
			}
		}
		for i, s := range servers {
			slices.Sort(costs[i])
			fmt.Printf("| %s | %s | %.0f | %.0f–%.0f |\n", kind.name, s.name, costs[i][rounds/2], costs[i][0], costs[i][rounds-1])
		}
	}
}

// server is a process under measurement.
type server struct {
	name, address string
	waf           bool
	pid           int
	client        *http.Client
}

// cost returns the microseconds of CPU that one request costs the server.
func (s *server) cost(t *testing.T, count int, method, body string) float64 {
	t.Helper()
	before := s.cpu(t)
	for range count {
		r, err := http.NewRequestWithContext(t.Context(), method, "http://"+s.address+"/news/2026/list.html?page=2", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = publishedHost
		r.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36")
		r.Header.Set("Accept", "text/html,application/xhtml+xml")
		if body != "" {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := s.client.Do(r)
		if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Fatalf("%s: status %d", s.name, resp.StatusCode)
		}
	}
	return float64(s.cpu(t)-before) / float64(count) / 1e3
}

// cpu is the nanoseconds that the process has run, all its threads, user and
// system (clock_getcpuclockid(3)).
func (s *server) cpu(t *testing.T) int64 {
	t.Helper()
	var at unix.Timespec
	if err := unix.ClockGettime(int32(^s.pid<<3|2), &at); err != nil {
		t.Fatalf("reading the CPU time of %s: %v", s.name, err)
	}
	return at.Nano()
}

// blocks tells whether an attack is stopped: nothing is measured of rules that do not run.
func (s *server) blocks(t *testing.T) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.address+"/?id=1%27%20OR%20%271%27=%271%27--%20-", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = publishedHost
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusForbidden
}

// begin starts a server and returns when it answers.
func begin(t *testing.T, s *server, cmd *exec.Cmd, stop func()) *server {
	t.Helper()
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // an nginx that is told to end says so
	})
	s.pid = cmd.Process.Pid
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

func ours(t *testing.T, name, origin string, inspect bool) *server {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), self, "-test.run=^TestServe$", "-serve="+origin, fmt.Sprintf("-inspect=%t", inspect))
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s := begin(t, &server{name: name, waf: inspect}, cmd, func() { _ = in.Close() })
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("%s did not start: %v", name, err)
	}
	s.address = strings.TrimSpace(line)
	if s.blocks(t) != inspect {
		t.Fatalf("%s: an attack is blocked: want %t", name, inspect)
	}
	return s
}

// TestServe is the child of TestCPUForARequest: the edge with its default policy.
func TestServe(t *testing.T) {
	if *serve == "" {
		t.Skip("is a part of TestCPUForARequest")
	}
	rules, err := policy.NewTable(waf.Spec(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	sites, err := policy.NewTable(&site.Spec)
	if err != nil {
		t.Fatal(err)
	}
	if problems := sites.Set(body, nil, &policy.Document{Service: "site", Schema: 1, Version: 1, Body: json.RawMessage(
		fmt.Sprintf(`{"sites":[{"host":%q,"origin":%q}]}`, publishedHost, *serve))}); problems != nil {
		t.Fatal(problems)
	}
	directory, err := tenant.NewDirectory(tenant.Tenant{ID: body, Operator: body, Name: "若葉村", Hosts: []string{publishedHost}})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	edge := &site.Server{
		HTTP: []net.Listener{l}, Directory: directory, Policies: sites, Journal: forget{}, Sink: event.Discard, Log: quiet, Now: time.Now,
		Name: "sekikura-cpu", Owner: body, MayDial: func(netip.AddrPort) bool { return true },
	}
	if *inspect {
		engine, err := waf.New(waf.Config{Policies: rules, Log: quiet, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
		edge.Inspector = engineOnly{engine}
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	fmt.Println(l.Addr())
	if err := edge.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

type engineOnly struct{ *waf.Engine }

func (e engineOnly) Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, head []byte, whole bool) site.Inspection {
	return e.Engine.Inspect(ctx, id, client, r, head, whole)
}

// forget is a journal that keeps nothing; nginx writes no log either.
type forget struct{}

func (forget) Append(context.Context, []event.Event) error { return nil }

// unpackPeer fetches Debian's nginx and libmodsecurity into a folder of the test,
// where nothing starts by itself. Empty: they cannot be had.
func unpackPeer(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	get := exec.CommandContext(t.Context(), "apt-get", "download", "-qq", "nginx", "libnginx-mod-http-modsecurity", "libnginx-mod-http-ndk",
		"libmodsecurity3", "libyajl2", "liblua5.3-0", "libfuzzy2", "libmaxminddb0", "libgeoip1")
	get.Dir = dir
	if out, err := get.CombinedOutput(); err != nil {
		fmt.Printf("nginx and libmodsecurity cannot be had, ours is measured alone: %v: %s\n", err, out)
		return ""
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.deb"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if out, err := exec.CommandContext(t.Context(), "dpkg", "-x", file, dir).CombinedOutput(); err != nil {
			t.Fatalf("unpacking %s: %v: %s", file, err, out)
		}
	}
	return dir
}

// crsSetup is what our own engine is set up with, for libmodsecurity, at level 1.
const crsSetup = `
SecRuleEngine On
SecAuditEngine Off
SecRequestBodyAccess On
SecRequestBodyLimit 8388608
SecRequestBodyNoFilesLimit 8388608
SecResponseBodyAccess Off
SecPcreMatchLimit 100000
SecPcreMatchLimitRecursion 100000
SecDefaultAction "phase:1,log,noauditlog,pass"
SecDefaultAction "phase:2,log,noauditlog,pass"
SecAction "id:900990,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250"
`

func nginx(t *testing.T, root, name, origin string, inspect bool) *server {
	t.Helper()
	dir := t.TempDir()
	writeRules(t, filepath.Join(dir, "crs"))
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("rules.conf", crsSetup+"Include "+dir+"/crs/*.conf\n")
	reserve, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := reserve.Addr().String()
	_ = reserve.Close()
	modules, rules := "", ""
	if inspect {
		modules = "load_module " + root + "/usr/lib/nginx/modules/ngx_http_modsecurity_module.so;"
		rules = "modsecurity on; modsecurity_rules_file " + dir + "/rules.conf;"
	}
	write("nginx.conf", fmt.Sprintf(`%[1]s daemon off; master_process off; pid %[2]s/pid; error_log %[2]s/error.log crit; events {}
http { access_log off; keepalive_requests 1000000; client_body_temp_path %[2]s/b; proxy_temp_path %[2]s/p; fastcgi_temp_path %[2]s/f; uwsgi_temp_path %[2]s/u; scgi_temp_path %[2]s/s;
 upstream origin { server %[3]s; keepalive 8; keepalive_requests 1000000; }
 server { listen %[4]s; %[5]s location / { proxy_pass http://origin; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $remote_addr; } } }`,
		modules, dir, strings.TrimPrefix(origin, "http://"), address, rules))
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), filepath.Join(root, "usr/sbin/nginx"), "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", filepath.Join(dir, "nginx.conf"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+filepath.Join(root, "usr/lib/x86_64-linux-gnu"))
	s := begin(t, &server{name: name, waf: inspect, address: address}, cmd, func() { _ = cmd.Process.Signal(unix.SIGTERM) })
	dial, end := context.WithTimeout(t.Context(), 20*time.Second)
	defer end()
	try := time.NewTicker(20 * time.Millisecond) // nginx does not say when it listens
	defer try.Stop()
	for range try.C {
		c, err := new(net.Dialer).DialContext(dial, "tcp", address)
		if err == nil {
			_ = c.Close()
			break
		}
		if dial.Err() != nil {
			t.Fatalf("%s does not answer: %v", name, err)
		}
	}
	if s.blocks(t) != inspect {
		t.Fatalf("%s: an attack is blocked: want %t", name, inspect)
	}
	return s
}

// writeRules copies the rule files that our engine reads. The module has them
// without comments and empty lines; libmodsecurity needs one between rules.
func writeRules(t *testing.T, dir string) {
	t.Helper()
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := fs.ReadFile(coreruleset.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		if filepath.Ext(file) == ".conf" {
			text = bytes.ReplaceAll(text, []byte("\nSec"), []byte("\n\nSec"))
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(file)), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
