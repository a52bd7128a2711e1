package product

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func TestTheDrillPassesOnAFreshDemonstration(t *testing.T) {
	p := start(t, folder(t))
	file, _ := binary()
	out, err := exec.Command(file, "drill", "--demo", filepath.Join(p.dir, "demo.json")).CombinedOutput()
	if err != nil {
		t.Fatalf("drill: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "not built") || !strings.Contains(string(out), "K11-06") {
		t.Errorf("the drill's table lacks lines:\n%s", out)
	}
	p.stop()
	if _, err := os.Stat(filepath.Join(p.dir, "demo.json")); !os.IsNotExist(err) {
		t.Errorf("demo.json is still there after Ctrl-C: %v", err)
	}
	for _, g := range p.groups() {
		if g.PID != 0 && syscall.Kill(g.PID, 0) == nil {
			t.Errorf("%s still runs after Ctrl-C", g.Name)
		}
	}
}

// attack sends attacks until told to stop and returns the numbers that visitors saw.
func (p *product) attack(host string) (stop func() []string) {
	var (
		mu      sync.Mutex
		seen    []string
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
			status, body, err := p.visit(host, injection)
			if err != nil {
				continue // the edge itself may be the one that was killed
			}
			if status != http.StatusForbidden {
				p.t.Errorf("an attack was answered with %d, want 403", status)
			}
			mu.Lock()
			seen = append(seen, number.FindString(body))
			mu.Unlock()
		}
	})
	return func() []string {
		close(ended)
		working.Wait()
		return seen
	}
}

// counts how often each number stands in the log store.
func (p *product) stored(token string) map[string]int {
	found := make(map[string]int)
	next := ""
	for {
		var page struct {
			Events []map[string]any
			Next   *string
		}
		status, err := p.ask(token, "/events?since=1h&limit=1000&action=request_blocked&cursor="+next, &page)
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

func TestNothingSeenIsLostOrDoubleWhenEachProcessIsKilled(t *testing.T) {
	p := start(t, folder(t))
	victim := p.Tenants[0]
	stop := p.attack(victim.SiteHost)
	for _, g := range p.groups() {
		if g.Name == "origin" {
			continue // the demonstration's own, no part of the product
		}
		if err := syscall.Kill(g.PID, syscall.SIGKILL); err != nil {
			t.Errorf("killing %s: %v", g.Name, err)
			continue
		}
		if g.Name != "edge" { // the edge goes on serving without all others
			if status, _, err := p.visit(victim.SiteHost, "/"); err != nil || status != http.StatusOK {
				t.Errorf("while %s is down the site answers %d, %v", g.Name, status, err)
			}
		}
		p.await(g.Name+" comes back", func() bool {
			for _, now := range p.groups() {
				if now.Name == g.Name {
					return now.State == "ready" && now.PID != g.PID
				}
			}
			return false
		})
	}
	seen := stop()
	if len(seen) < 20 {
		t.Fatalf("only %d attacks were stopped; the test shows nothing", len(seen))
	}
	var found map[string]int
	p.await("every number that a visitor saw", func() bool {
		found = p.stored(victim.Token)
		for _, ref := range seen {
			if found[ref] == 0 {
				return false
			}
		}
		return found != nil
	})
	for ref, n := range found {
		if n > 1 {
			t.Errorf("event %s is stored %d times", ref, n)
		}
	}
}

func TestAColdStartWithoutTheControlStoreServesTheLastGoodPolicy(t *testing.T) {
	dir := folder(t)
	start(t, dir).stop()
	// The control store cannot be opened any more.
	store := filepath.Join(dir, "control", "control.db")
	if err := os.Rename(store, store+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	file, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	p := &product{t: t, dir: dir, out: new(lockedBuffer)}
	p.cmd = exec.Command(file, "demo", "--data", dir)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.stop)
	p.await("the edge is ready", func() bool {
		if _, err := os.Stat(filepath.Join(dir, "run", "status.json")); err != nil {
			return false
		}
		for _, g := range p.groups() {
			if g.Name == "edge" && g.State == "ready" && syscall.Kill(g.PID, 0) == nil {
				return true
			}
		}
		return false
	})
	status, found := p.coldEdge(t)
	if status != http.StatusForbidden || !found {
		t.Errorf("an attack after a cold start is answered %d (number %v), want 403 with a number", status, found)
	}
}

func TestAPolicyChangeUnderLoadDropsNoRequest(t *testing.T) {
	p := start(t, folder(t))
	var sent, bad atomic.Int64
	ended := make(chan struct{})
	var working sync.WaitGroup
	for range 4 {
		working.Go(func() {
			for {
				select {
				case <-ended:
					return
				default:
				}
				sent.Add(1)
				if status, _, err := p.visit(p.Tenants[0].SiteHost, "/"); err != nil || status != http.StatusOK {
					bad.Add(1)
				}
			}
		})
	}
	for i := range 10 {
		body := `{"paranoia":1}`
		if i%2 == 1 {
			body = `{"paranoia":2}`
		}
		file, _ := binary()
		set := exec.Command(file, "policy", "set", p.Tenants[0].ID, "waf", "-", "--demo", filepath.Join(p.dir, "demo.json"), "--change", "令8-0001")
		set.Stdin = strings.NewReader(body)
		if out, err := set.CombinedOutput(); err != nil {
			t.Errorf("policy set: %v\n%s", err, out)
		}
	}
	time.Sleep(500 * time.Millisecond) // the last change is pushed under load, too
	close(ended)
	working.Wait()
	if sent.Load() < 100 || bad.Load() > 0 {
		t.Errorf("%d of %d requests failed while the policy changed ten times", bad.Load(), sent.Load())
	}
}
