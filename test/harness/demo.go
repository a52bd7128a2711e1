package harness

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// Demo is what tests read of demo.json.
type Demo struct {
	API       string
	CA        string
	EdgeHTTP  string `json:"edge_http"`
	EdgeHTTPS string `json:"edge_https"`
	Admin     struct{ Token string }
	Tenants   []Tenant
}

// Tenant is one body of a demonstration.
type Tenant struct {
	ID, Name, Token string
	SiteHost        string `json:"site_host"`
}

// StartDemo runs a demonstration in dir and returns once demo.json is there.
func StartDemo(t testing.TB, dir string) *Product {
	t.Helper()
	p, ready, ended := launch(t, dir)
	select {
	case <-ready:
	case <-ended:
		p.wait()
		t.Fatalf("the demonstration ended: %v\n%s", p.Cmd.ProcessState, p.Out)
	case <-time.After(2 * time.Minute):
		t.Fatalf("the demonstration is not ready after two minutes:\n%s", p.Out)
	}
	p.read()
	return p
}

// LaunchDemo runs a demonstration in dir that may never become ready.
func LaunchDemo(t testing.TB, dir string) *Product {
	t.Helper()
	p, _, _ := launch(t, dir)
	return p
}

func launch(t testing.TB, dir string) (p *Product, ready, ended chan struct{}) {
	t.Helper()
	p = &Product{Dir: dir, Out: new(Output), t: t, args: []string{"demo", "--data", dir}}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.run(write)
	if err := write.Close(); err != nil {
		t.Error(err)
	}
	ready, ended = make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer read.Close() //nolint:errcheck // only read
		lines, once := bufio.NewScanner(read), sync.Once{}
		for lines.Scan() {
			if _, err := fmt.Fprintln(p.Out, lines.Text()); err != nil {
				return
			}
			if strings.Contains(lines.Text(), "Ctrl-C") {
				once.Do(func() { close(ready) })
			}
		}
	}()
	t.Cleanup(func() {
		p.Stop()
		p.tell()
	})
	return p, ready, ended
}

func (p *Product) read() {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.Dir, "demo.json"))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := json.Unmarshal(text, &p.Demo); err != nil {
		p.t.Fatal(err)
	}
	p.Connect()
}

// ConnectCold finds the edge and the portal of a demonstration that is not ready.
func (p *Product) ConnectCold() {
	p.t.Helper()
	p.CA = filepath.Join(p.Dir, "ca.pem")
	p.EdgeHTTPS = p.Socket("edge", "https")
	p.API = "https://" + p.Socket("control", "portal") + "/api/v1"
	p.Connect()
}
