package harness

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"time"
)

// Injection is a path with an attack that every site refuses.
const Injection = "/search?q=1%27+OR+%271%27%3D%271%27+UNION+SELECT+password+FROM+users+--+"

// Number is the number that a visitor sees who was stopped.
var Number = regexp.MustCompile(`WB-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}`)

// patience is how long an answer may take before it counts as none.
const patience = 20 * time.Second

// Connect makes the clients of the API and of the published sites.
func (p *Product) Connect() {
	p.t.Helper()
	pem, err := os.ReadFile(p.CA)
	if err != nil {
		p.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	trust := &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	p.api = &http.Client{Timeout: patience, Transport: &http.Transport{TLSClientConfig: trust}}
	edge := p.EdgeHTTPS
	p.web = &http.Client{Timeout: patience, Transport: &http.Transport{
		TLSClientConfig: trust,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", edge)
		},
	}}
}

// Visit asks a published site for path.
func (p *Product) Visit(host, path string) (status int, body string, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	answer, err := p.web.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

// Ask calls the API and reads a good answer into out, which may be nil.
func (p *Product) Ask(token, path string, out any) (status int, err error) {
	status, text, err := p.Call(http.MethodGet, token, path, nil)
	if err != nil || status != http.StatusOK || out == nil {
		return status, err
	}
	return status, json.Unmarshal(text, out)
}

// Call does one operation of the API and returns its whole answer. header adds
// names and values in turn.
func (p *Product) Call(method, token, path string, body any, header ...string) (status int, text []byte, err error) {
	var send io.Reader
	if body != nil {
		encoded, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		send = bytes.NewReader(encoded)
	}
	request, err := http.NewRequestWithContext(context.Background(), method, p.API+path, send)
	if err != nil {
		return 0, nil, err
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	if token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i+1 < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	answer, err := p.api.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	text, err = io.ReadAll(answer.Body)
	return answer.StatusCode, text, err
}

// Must is Call for what has to succeed; it reads the answer into out, which may
// be nil.
func (p *Product) Must(want int, method, token, path string, body, out any, header ...string) {
	p.t.Helper()
	status, text, err := p.Call(method, token, path, body, header...)
	if err != nil || status != want {
		p.t.Fatalf("%s %s: %d, %v, want %d\n%s", method, path, status, err, want, text)
	}
	if out == nil {
		return
	}
	if err := json.Unmarshal(text, out); err != nil {
		p.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// Admin asks a group's administrative address, such as /readyz.
func (p *Product) Admin(group, path string) (status int, text string, err error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "http://"+p.Socket(group, "admin")+path, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	answer, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}

// Group is one line of the supervisor's status.
type Group struct {
	Name, State   string
	PID, Restarts int
	Sockets       map[string]string
}

// Groups reads what the supervisor says of its groups.
func (p *Product) Groups() []Group {
	p.t.Helper()
	groups, err := p.status()
	if err != nil {
		p.t.Fatal(err)
	}
	return groups
}

func (p *Product) status() ([]Group, error) {
	text, err := os.ReadFile(filepath.Join(p.Dir, "run", "status.json"))
	if err != nil {
		return nil, err
	}
	var status struct {
		PID    int
		Groups []Group
	}
	if err := json.Unmarshal(text, &status); err != nil {
		return nil, err
	}
	if status.PID != p.Cmd.Process.Pid {
		return nil, fmt.Errorf("the status is of process %d, not of %d", status.PID, p.Cmd.Process.Pid)
	}
	return status.Groups, nil
}

// Group is the group called name.
func (p *Product) Group(name string) Group {
	p.t.Helper()
	for _, g := range p.Groups() {
		if g.Name == name {
			return g
		}
	}
	p.t.Fatalf("there is no group %s", name)
	return Group{}
}

// Socket is the address of a group's socket.
func (p *Product) Socket(group, socket string) string {
	p.t.Helper()
	return p.Group(group).Sockets[socket]
}

// AwaitReady waits until this supervisor has every named group ready, or all.
func (p *Product) AwaitReady(names ...string) {
	p.t.Helper()
	p.Await(fmt.Sprintf("groups ready: %v", names), func() bool {
		if !Runs(p.Cmd.Process.Pid) {
			p.t.Fatalf("the supervisor ended:\n%s", p.Out)
		}
		groups, err := p.status()
		if err != nil {
			return false
		}
		ready := make(map[string]bool)
		for _, g := range groups {
			ready[g.Name] = g.State == "ready"
		}
		for _, n := range names {
			if !ready[n] {
				return false
			}
		}
		if len(names) == 0 {
			for _, g := range groups {
				if !ready[g.Name] {
					return false
				}
			}
		}
		return true
	})
}

// Attack sends attacks to a site until told to stop, and returns the numbers
// that visitors saw. Whoever is not answered is no visitor.
func (p *Product) Attack(host string) (stop func() []string) {
	var (
		seen    []string // only the goroutine writes, until it has ended
		ended   = make(chan struct{})
		working sync.WaitGroup
	)
	working.Go(func() {
		for {
			select {
			case <-ended:
				return
			default:
			}
			status, body, err := p.Visit(host, Injection)
			if err != nil {
				time.Sleep(10 * time.Millisecond) // the edge itself may be the one that was killed
				continue
			}
			if status != http.StatusForbidden {
				p.t.Errorf("an attack was answered with %d, want 403", status)
			}
			if ref := Number.FindString(body); ref != "" {
				seen = append(seen, ref)
			}
		}
	})
	stop = sync.OnceValue(func() []string {
		close(ended)
		working.Wait()
		return seen
	})
	p.t.Cleanup(func() { stop() }) // before the product ends
	return stop
}

// Stored counts how often each number of a stopped request stands in the log
// store; nil when it cannot be searched.
func (p *Product) Stored(token string) map[string]int {
	found := make(map[string]int)
	for next := ""; ; {
		var page struct {
			Events []map[string]any
			Next   *string
		}
		status, err := p.Ask(token, "/events?since=1h&limit=1000&action=request_blocked&cursor="+next, &page)
		if err != nil || status != http.StatusOK {
			p.t.Logf("searching: status %d, %v", status, err)
			return nil
		}
		for _, e := range page.Events {
			ref, _ := e["event.reference"].(string)
			found[ref]++
		}
		if page.Next == nil || *page.Next == "" {
			return found
		}
		next = *page.Next
	}
}

// ExactlyOnce waits until every number that a visitor saw is stored, and reports
// those that are stored twice.
func (p *Product) ExactlyOnce(token string, seen []string) {
	p.t.Helper()
	if len(seen) < 20 {
		p.t.Fatalf("only %d attacks were stopped; the test shows nothing", len(seen))
	}
	var found map[string]int
	p.Await("every number that a visitor saw is stored", func() bool {
		found = p.Stored(token)
		for _, ref := range seen {
			if found[ref] == 0 {
				return false
			}
		}
		return found != nil
	})
	for ref, n := range found {
		if n > 1 {
			p.t.Errorf("event %s is stored %d times", ref, n)
		}
	}
}
