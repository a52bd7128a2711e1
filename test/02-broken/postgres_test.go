package broken

import (
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/test/harness"
)

// postgres starts a PostgreSQL whose socket the product's accounts can reach.
func postgres(t *testing.T) (*postgrestest.Server, string) {
	t.Helper()
	server := postgrestest.Start(t)
	address := server.New(t)
	parsed, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(parsed.Query().Get("host"), 0o711); err != nil {
		t.Fatal(err)
	}
	return server, address
}

// problem is what the API answers when it cannot do what it was asked.
type problem struct{ Code, Title, Reference string }

// saysAway tells whether the portal answers a request with the problem of a
// control store that is away. Any answer has to come soon.
func saysAway(t *testing.T, i *harness.Installation, method, token, path string, body any, header ...string) bool {
	t.Helper()
	began := time.Now()
	status, text, err := i.Call(method, token, path, body, header...)
	if took := time.Since(began); took > 15*time.Second {
		t.Errorf("%s %s was answered after %v", method, path, took)
	}
	if err != nil || status != http.StatusServiceUnavailable {
		return false
	}
	var p problem
	if err := json.Unmarshal(text, &p); err != nil {
		t.Errorf("%s %s: the answer is no problem document: %v\n%s", method, path, err, text)
		return false
	}
	if p.Code != "store_unavailable" || p.Title == "" || p.Reference == "" {
		t.Errorf("%s %s: got the problem %+v, want store_unavailable with a title and a reference", method, path, p)
	}
	return true
}

// awaitAway waits until the portal and the control group's readiness say that
// the store is away, and proves that the group itself lives.
func awaitAway(t *testing.T, i *harness.Installation) {
	t.Helper()
	i.Await("the portal says that its store is away", func() bool {
		return saysAway(t, i, http.MethodGet, i.Token, "/tenants", nil)
	})
	if !saysAway(t, i, http.MethodPost, "", "/session", map[string]string{"login": "admin", "password": i.Password}) {
		t.Error("a login is not answered with 503 while the control store is away")
	}
	status, text, err := i.Admin("control", "/readyz")
	if err != nil || status != http.StatusServiceUnavailable || !strings.Contains(text, "control store") {
		t.Errorf("the control group's /readyz: %d %q, %v, want 503 and the control store named", status, text, err)
	}
	if status, _, err := i.Admin("control", "/healthz"); err != nil || status != http.StatusOK {
		t.Errorf("the control group's /healthz: %d, %v, want 200: the process itself is well", status, err)
	}
}

// stops proves that the edge serves and blocks, and returns the numbers seen.
func stops(t *testing.T, i *harness.Installation, reachable bool, times int) []string {
	t.Helper()
	var seen []string
	for range times {
		status, body, err := i.Visit(harness.Host, harness.Injection)
		ref := harness.Number.FindString(body)
		if err != nil || status != http.StatusForbidden || ref == "" {
			t.Errorf("an attack is answered %d, %v, with the number %q, want 403 with one", status, err, ref)
			continue
		}
		seen = append(seen, ref)
		if !reachable {
			continue
		}
		if status, body, err := i.Visit(harness.Host, "/"); err != nil || status != http.StatusOK || body != "hello" {
			t.Errorf("the site answers %d %q, %v, want 200 hello", status, body, err)
		}
	}
	return seen
}

func TestPostgreSQLGoesAwayUnderLoadAndComesBack(t *testing.T) {
	t.Parallel()
	server, address := postgres(t)
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t), StoreURL: address, CopyURL: server.SuperURL(address)})
	i.Start()
	i.FirstLogin()
	origin, reachable := harness.Origin(t)
	i.Protect(origin)
	seen(t, i)

	control := i.Group("control").PID
	end := i.Attack(harness.Host)
	server.Stop(t)
	awaitAway(t, i)
	during := stops(t, i, reachable, 20)
	for _, name := range []string{"bus", "logs", "edge"} {
		if g := i.Group(name); g.State != "ready" {
			t.Errorf("while PostgreSQL is away %s is %s, want ready", name, g.State)
		}
	}
	server.Resume(t)
	i.AwaitReady()
	if now := i.Group("control").PID; now != control {
		t.Errorf("the control group was restarted (%d, then %d): it should have waited", control, now)
	}
	i.Await("the portal works again", func() bool {
		status, err := i.Ask(i.Token, "/tenants", nil)
		return err == nil && status == http.StatusOK
	})
	numbers := append(end(), during...)
	i.ExactlyOnce(i.Token, numbers)
	i.Must(http.StatusOK, http.MethodPut, i.Token, "/tenants/"+harness.Body+"/policies/waf", map[string]any{
		"body": map[string]string{"action": "detect"}, "change": map[string]string{"reference": "令8-0002"},
	}, nil, "If-Match", `"override-0"`)
	i.Await("a policy written after the outage is in force", func() bool {
		status, _, err := i.Visit(harness.Host, harness.Injection)
		return err == nil && status != http.StatusForbidden
	})
}

func TestAStartWithoutPostgreSQLSaysSoAndWaits(t *testing.T) {
	t.Parallel()
	server, address := postgres(t)
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t), StoreURL: address, CopyURL: server.SuperURL(address)})
	i.Start()
	i.FirstLogin()
	origin, reachable := harness.Origin(t)
	i.Protect(origin)
	i.Stop()

	server.Stop(t)
	i.Launch()
	i.AwaitReady("logs", "bus", "edge")
	i.Find()
	awaitAway(t, i)
	seen := stops(t, i, reachable, 20)
	server.Resume(t)
	i.AwaitReady()
	i.ExactlyOnce(i.Token, seen)
	if g := i.Group("control"); g.Restarts != 0 {
		t.Errorf("the control group was started %d times more; it should have waited", g.Restarts)
	}
}
