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

	"github.com/sekikura/sekikura/test/harness"
)

func TestTheDrillPassesOnAFreshDemonstration(t *testing.T) {
	p := harness.StartDemo(t, harness.Folder(t))
	file := harness.Binary(t)
	out, err := exec.Command(file, "drill", "--demo", filepath.Join(p.Dir, "demo.json")).CombinedOutput()
	if err != nil {
		t.Fatalf("drill: %v\n%s", err, out)
	}
	if !strings.Contains(string(out), "not built") || !strings.Contains(string(out), "K11-06") {
		t.Errorf("the drill's table lacks lines:\n%s", out)
	}
	p.Stop()
	if _, err := os.Stat(filepath.Join(p.Dir, "demo.json")); !os.IsNotExist(err) {
		t.Errorf("demo.json is still there after Ctrl-C: %v", err)
	}
	for _, g := range p.Groups() {
		if g.PID != 0 && harness.Runs(g.PID) {
			t.Errorf("%s still runs after Ctrl-C", g.Name)
		}
	}
}

func TestNothingSeenIsLostOrDoubleWhenEachProcessIsKilled(t *testing.T) {
	p := harness.StartDemo(t, harness.Folder(t))
	victim := p.Tenants[0]
	stop := p.Attack(victim.SiteHost)
	for _, g := range p.Groups() {
		if g.Name == "origin" {
			continue // the demonstration's own, no part of the product
		}
		if err := syscall.Kill(g.PID, syscall.SIGKILL); err != nil {
			t.Errorf("killing %s: %v", g.Name, err)
			continue
		}
		if g.Name != "edge" { // the edge goes on serving without all others
			if status, _, err := p.Visit(victim.SiteHost, "/"); err != nil || status != http.StatusOK {
				t.Errorf("while %s is down the site answers %d, %v", g.Name, status, err)
			}
		}
		p.Await(g.Name+" comes back", func() bool {
			for _, now := range p.Groups() {
				if now.Name == g.Name {
					return now.State == "ready" && now.PID != g.PID
				}
			}
			return false
		})
	}
	p.ExactlyOnce(victim.Token, stop())
}

func TestAColdStartWithoutTheControlStoreServesTheLastGoodPolicy(t *testing.T) {
	dir := harness.Folder(t)
	harness.StartDemo(t, dir).Stop()
	// The control store cannot be opened any more.
	store := filepath.Join(dir, "control", "control.db")
	if err := os.Rename(store, store+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(store, 0o700); err != nil {
		t.Fatal(err)
	}
	p := harness.LaunchDemo(t, dir)
	p.AwaitReady("edge")
	p.ConnectCold()
	status, body, err := p.Visit("www.vill.wakaba.example", harness.Injection)
	if err != nil {
		t.Fatal(err)
	}
	found := harness.Number.MatchString(body)
	if status != http.StatusForbidden || !found {
		t.Errorf("an attack after a cold start is answered %d (number %v), want 403 with a number", status, found)
	}
}

func TestAPolicyChangeUnderLoadDropsNoRequest(t *testing.T) {
	p := harness.StartDemo(t, harness.Folder(t))
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
				if status, _, err := p.Visit(p.Tenants[0].SiteHost, "/"); err != nil || status != http.StatusOK {
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
		file := harness.Binary(t)
		set := exec.Command(file, "policy", "set", p.Tenants[0].ID, "waf", "-", "--demo", filepath.Join(p.Dir, "demo.json"), "--change", "令8-0001")
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
