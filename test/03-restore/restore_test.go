package restore

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/test/harness"
)

// chain is a line of "audit verify" on a chain that holds.
var chain = regexp.MustCompile(`(?m)^(\d{6}) .*: (\d+) records intact, signed up to record (\d+)$`)

func TestALostMachineComesBackFromItsBackupAndItsKeys(t *testing.T) {
	p := start(t, harness.Folder(t))
	p.setWAF(village, "令8-0101")
	p.setWAF(city, "令8-0102", "--mode", "off")
	p.addUser(village, "wakaba-test")
	seen := p.attacked(p.Tenants[0])
	moment := time.Now()
	before := p.everything(moment)
	users := map[string][]string{village: p.users(village), city: p.users(city)}
	policies := map[string]string{village: p.waf(village), city: p.waf(city)}
	chains := p.do("audit", "verify", "--data", p.Dir)
	p.ask("backup", "run")
	after := p.everything(moment) // what was on its way when before was read may be in the backup or not
	t.Logf("drill:\n%s", p.ask("backup", "drill"))
	list := p.ask("backup", "list")
	if !strings.Contains(list, "ok=true  "+p.file("backup")) || !strings.Contains(list, "JST: ok=true, restored in") {
		t.Errorf("the list does not show one good backup and one good drill:\n%s", list)
	}
	p.Stop()

	lose(t, p.Dir, "keys", "backup", "backup-identity.txt")
	began := time.Now()
	out := p.do("restore", "--data", p.Dir, "--into", p.Dir)
	took := time.Since(began)
	if !strings.Contains(out, "everything came back") {
		t.Errorf("restore says:\n%s", out)
	}
	restored := p.do("audit", "verify", "--data", p.Dir)
	compareChains(t, chains, restored)

	p = start(t, p.Dir)
	t.Logf("a lost machine is back in %v, and answers %v after the restore began; it says:\n%s", took, time.Since(began), out)
	p.ExactlyOnce(p.Tenants[0].Token, seen)
	for body, events := range p.everything(moment) {
		for id := range before[body] {
			if events[id] != before[body][id] {
				t.Errorf("event %s of %s came back as\n%s, want\n%s", id, body, events[id], before[body][id])
			}
		}
		for id := range events {
			if after[body][id] == "" {
				t.Errorf("event %s of %s was never there: %s", id, body, events[id])
			}
		}
		t.Logf("%s: %d events, %d before", body, len(events), len(before[body]))
	}
	for _, body := range []string{village, city} {
		if got := p.users(body); !slices.Equal(got, users[body]) {
			t.Errorf("the accounts of %s are %q, want %q", body, got, users[body])
		}
		if got := p.waf(body); got != policies[body] {
			t.Errorf("the policy of %s is %s, want %s", body, got, policies[body])
		}
	}
	for n, want := range []int{http.StatusForbidden, http.StatusOK} { // 花見市 has it switched off
		if status, _, err := p.Visit(p.Tenants[n].SiteHost, harness.Injection); err != nil || (status == http.StatusForbidden) != (want == http.StatusForbidden) {
			t.Errorf("an attack on %s is answered %d, %v, want %d", p.Tenants[n].SiteHost, status, err, want)
		}
	}
	p.ask("backup", "run") // and goes on from there
	p.ask("backup", "drill")
	if list := p.ask("backup", "list"); !strings.Contains(list, "2  ") || strings.Contains(list, "ok=false") {
		t.Errorf("after the restore the backups are:\n%s", list)
	}
	compareChains(t, restored, p.do("audit", "verify", "--data", p.Dir))
}

// lose removes everything in dir but what is named.
func lose(t *testing.T, dir string, but ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if slices.Contains(but, e.Name()) {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
}

// compareChains says whether later has every body's chain of earlier, as long or
// longer, and signed.
func compareChains(t *testing.T, earlier, later string) {
	t.Helper()
	length := make(map[string]string)
	for _, line := range chain.FindAllStringSubmatch(later, -1) {
		length[line[1]] = line[2]
		if line[3] == "0" {
			t.Errorf("no head of the chain of %s came back: %s", line[1], line[0])
		}
	}
	lines := chain.FindAllStringSubmatch(earlier, -1)
	if len(lines) != 4 {
		t.Errorf("audit verify tells of %d chains that hold, want four:\n%s", len(lines), earlier)
	}
	for _, line := range lines {
		was, is := line[2], length[line[1]]
		if len(is) < len(was) || len(is) == len(was) && is < was {
			t.Errorf("the audit chain of %s has %q records, had %q:\n%s", line[1], is, was, later)
		}
	}
}

func TestOneBodyComesBackWhileTheProductRuns(t *testing.T) {
	p := start(t, harness.Folder(t))
	site := p.Tenants[slices.IndexFunc(p.Tenants, func(b harness.Tenant) bool { return b.ID == village })]
	p.addUser(village, "wakaba-test")
	p.setWAF(village, "令8-0201")
	seen := p.attacked(site)
	users, policy, body := p.users(village), p.waf(village), p.tenant(village)
	p.ask("backup", "run")

	// Somebody does harm to 若葉村, while 花見市 goes on working.
	p.setWAF(village, "令8-0202", "--mode", "off")
	p.Must(http.StatusNoContent, http.MethodDelete, p.Demo.Admin.Token, "/tenants/"+village+"/users/wakaba-test", nil, nil)
	p.addUser(village, "intruder")
	p.setWAF(city, "令8-0203", "--mode", "off")
	p.addUser(city, "hanami-test")
	p.Await("the harm is in force", func() bool {
		status, _, err := p.Visit(site.SiteHost, harness.Injection)
		return err == nil && status != http.StatusForbidden
	})
	theirs := p.waf(city)

	others := p.rows()
	out := p.do("restore", "--data", p.Dir, "--tenant", village, "--change", "令8-0204")
	began := time.Now()
	now := p.rows()
	p.Await("the restored policy is in force at the edge", func() bool {
		status, _, err := p.Visit(site.SiteHost, harness.Injection)
		return err == nil && status == http.StatusForbidden
	})
	inForce := time.Since(began)
	if inForce > 10*time.Second {
		t.Errorf("the restored policy is in force after %v, want seconds", inForce)
	}
	t.Logf("the restored policy is in force %v after the restore, which says:\n%s", inForce, out)
	if len(others) != 4 {
		t.Errorf("rows of %d bodies are in the store, want the prefecture's and three", len(others))
	}
	for id, rows := range others {
		if id != village && !slices.Equal(rows, now[id]) {
			t.Errorf("the rows of %s changed with the restore of %s:\n%q\nwant\n%q", id, village, now[id], rows)
		}
	}
	if got := p.users(village); !slices.Equal(got, users) {
		t.Errorf("the accounts are %q, want %q", got, users)
	}
	if got := p.waf(village); got != policy {
		t.Errorf("the policy is %s, want %s", got, policy)
	}
	if got := p.tenant(village); got != body {
		t.Errorf("the register says %s, want %s", got, body)
	}
	if got := p.waf(city); got != theirs {
		t.Errorf("the policy of 花見市 is %s, want %s", got, theirs)
	}
	p.ExactlyOnce(p.Demo.Admin.Token, seen) // no event twice
	if status, err := p.Ask(site.Token, "/tenants", nil); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a token of the body from before its restore is answered %d, %v, want 401: it may have been revoked since", status, err)
	}
	status, text, err := p.Call(http.MethodGet, p.Demo.Admin.Token, "/audit?action=backup.restore&tenant="+village, nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), "令8-0204") {
		t.Errorf("the body's audit log says of its restore: %d, %v\n%s", status, err, text)
	}
	compareChains(t, p.do("audit", "verify", "--data", p.Dir), p.do("audit", "verify", "--data", p.Dir))
	p.setWAF(village, "令8-0205", "--mode", "off") // it goes on from its restored version
	p.Await("a change after the restore is in force", func() bool {
		status, _, err := p.Visit(site.SiteHost, harness.Injection)
		return err == nil && status != http.StatusForbidden
	})
}

// tenant is what the register says of a body.
func (p *product) tenant(id string) string {
	p.t.Helper()
	status, text, err := p.Call(http.MethodGet, p.Demo.Admin.Token, "/tenants/"+id, nil)
	if err != nil || status != http.StatusOK {
		p.t.Fatalf("reading %s: %d, %v", id, status, err)
	}
	return string(text)
}
