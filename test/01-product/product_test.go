// Package product starts the whole product as a user would and breaks it.
//
// Every test starts `sekikura demo` with a folder of its own, so they need
// nothing but the Go tool chain, and leave nothing behind.
package product

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// binary is the product, built once for all tests.
var binary = sync.OnceValues(func() (string, error) { //nolint:gochecknoglobals // built once
	dir, err := os.MkdirTemp("", "sekikura-test-")
	if err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-o", dir+"/", "../../cmd/...").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("building the product: %w\n%s", err, out)
	}
	// Role groups run under accounts of their own and must reach the program.
	return filepath.Join(dir, "sekikura"), os.Chmod(dir, 0o755)
})

func TestMain(m *testing.M) {
	code := m.Run()
	if file, err := binary(); err == nil {
		os.RemoveAll(filepath.Dir(file))
	}
	os.Exit(code)
}

// demo is what the tests read of demo.json.
type demo struct {
	API       string
	CA        string
	EdgeHTTP  string `json:"edge_http"`
	EdgeHTTPS string `json:"edge_https"`
	Admin     struct{ Token string }
	Tenants   []struct {
		ID, Name, Token string
		SiteHost        string `json:"site_host"`
	}
}

// product is a running demonstration.
type product struct {
	demo
	t   *testing.T
	dir string
	cmd *exec.Cmd
	out *lockedBuffer
	web *http.Client // a visitor of the published sites
	api *http.Client
}

type lockedBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// folder is a short-lived folder that other accounts may pass through, with a
// name short enough for sockets below it.
func folder(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// start runs the demonstration in dir and returns once demo.json is there.
func start(t *testing.T, dir string) *product {
	t.Helper()
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &product{t: t, dir: dir, out: new(lockedBuffer)}
	p.cmd = exec.Command(file, "demo", "--data", dir)
	pipe, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		lines, once := bufio.NewScanner(pipe), sync.Once{}
		for lines.Scan() {
			fmt.Fprintln(p.out, lines.Text())
			if strings.Contains(lines.Text(), "Ctrl-C") {
				once.Do(func() { close(ready) })
			}
		}
	}()
	t.Cleanup(func() {
		p.stop()
		if t.Failed() {
			t.Logf("the demonstration said:\n%s", p.out)
			if log, err := os.ReadFile(filepath.Join(dir, "demo.log")); err == nil {
				t.Logf("the end of its log:\n%s", log[max(0, len(log)-8<<10):])
			}
		}
	})
	select {
	case <-ready:
	case <-ended:
		t.Fatalf("the demonstration ended: %v\n%s", p.cmd.Wait(), p.out)
	case <-time.After(2 * time.Minute):
		t.Fatalf("the demonstration is not ready after two minutes:\n%s", p.out)
	}
	p.read()
	return p
}

// stop ends the demonstration as Ctrl-C does.
func (p *product) stop() {
	if p.cmd.ProcessState != nil {
		return
	}
	p.cmd.Process.Signal(syscall.SIGINT)
	timer := time.AfterFunc(time.Minute, func() {
		p.t.Error("the demonstration does not stop within a minute")
		p.cmd.Process.Kill()
	})
	p.cmd.Wait()
	timer.Stop()
	if p.web != nil {
		p.web.CloseIdleConnections()
		p.api.CloseIdleConnections()
	}
}

func (p *product) read() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "demo.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p.demo); err != nil {
		p.t.Fatal(err)
	}
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	p.connect(roots)
}

// connect makes the clients of the API and of the published sites.
func (p *product) connect(roots *x509.CertPool) {
	trust := &tls.Config{RootCAs: roots}
	p.api = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{TLSClientConfig: trust}}
	p.web = &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		TLSClientConfig: trust,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", p.EdgeHTTPS)
		},
	}}
}

// visit asks a published site for path.
func (p *product) visit(host, path string) (status int, body string, err error) {
	answer, err := p.web.Get("https://" + host + path)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// ask calls the API and reads the answer into out.
func (p *product) ask(token, path string, out any) (status int, err error) {
	request, err := http.NewRequest(http.MethodGet, p.API+path, nil)
	if err != nil {
		return 0, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	answer, err := p.api.Do(request)
	if err != nil {
		return 0, err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return answer.StatusCode, nil
	}
	return answer.StatusCode, json.NewDecoder(answer.Body).Decode(out)
}

// group is one line of the supervisor's status.
type group struct {
	Name, State   string
	PID, Restarts int
}

// groups reads what the supervisor says of its groups.
func (p *product) groups() []group {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "run", "status.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	var status struct{ Groups []group }
	if err := json.Unmarshal(text, &status); err != nil {
		p.t.Fatal(err)
	}
	return status.Groups
}

// await polls until done, as the outside of a process gives no other sign.
func (p *product) await(what string, done func() bool) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !done() {
		if time.Now().After(deadline) {
			p.t.Fatalf("a minute has gone without: %s", what)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

var number = regexp.MustCompile(`WB-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}`)

const injection = "/search?q=1%27+OR+%271%27%3D%271%27+UNION+SELECT+password+FROM+users+--+"

// coldEdge attacks the edge of a demonstration that never became ready and tells
// how it answered and whether with a number.
func (p *product) coldEdge(t *testing.T) (status int, numbered bool) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(p.dir, "run", "status.json"))
	if err != nil {
		t.Fatal(err)
	}
	var s struct {
		Groups []struct {
			Name    string
			Sockets map[string]string
		}
	}
	if err := json.Unmarshal(text, &s); err != nil {
		t.Fatal(err)
	}
	for _, g := range s.Groups {
		if g.Name == "edge" {
			p.EdgeHTTPS = g.Sockets["https"]
		}
	}
	pem, err := os.ReadFile(filepath.Join(p.dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	p.connect(roots)
	status, body, err := p.visit("www.vill.wakaba.example", injection)
	if err != nil {
		t.Fatal(err)
	}
	return status, number.MatchString(body)
}
