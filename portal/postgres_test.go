package portal

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/audit"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
)

// TestThePortalStandsOnPostgreSQL goes through what the portal keeps itself:
// accounts, sessions, second factors, tokens, kept answers, audit.
func TestThePortalStandsOnPostgreSQL(t *testing.T) {
	server := postgrestest.Start(t)
	conf := store.Config{URL: server.New(t)}
	register(t, open(t, conf))
	w := newWorldIn(t, conf, nil)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	if got := b.login("hanako", passwordOf("hanako"), ""); got.status != http.StatusOK {
		t.Fatalf("login: %d %s", got.status, got.body)
	}
	_, recovery := b.enrol()
	if got := w.browser().login("hanako", passwordOf("hanako"), recovery[0]); got.status != http.StatusOK {
		t.Errorf("login with a recovery code: %d %s", got.status, got.body)
	}
	if got := w.browser().login("hanako", passwordOf("hanako"), recovery[0]); got.problem() != "totp_wrong" {
		t.Errorf("the same code again: %d %s", got.status, got.body)
	}
	if got := w.browser().login("nobody", "wrong", ""); got.problem() != "wrong_login" {
		t.Errorf("an unknown name: %d %s", got.status, got.body)
	}
	w.pass(20 * time.Minute)
	admin, foreign := w.token(wakaba, access.TenantAdmin), w.token(hanami, access.TenantAdmin)
	b.header["Idempotency-Key"] = "k1"
	const user = `{"login":"taro","name":"太郎","role":"tenant_staff"}`
	if got := b.do(http.MethodPost, "/tenants/994413/users", user); got.status != http.StatusCreated {
		t.Errorf("adding a user: %d %s", got.status, got.body)
	}
	if got := b.do(http.MethodPost, "/tenants/994413/users", user); got.problem() != "shown_once" {
		t.Errorf("the same again: %d %s", got.status, got.body)
	}
	if got := w.do(call{method: http.MethodPost, path: "/tenants/992011/users", token: foreign, body: user}); !slices.Contains(got.entries(), "/login taken") {
		t.Errorf("the login name elsewhere: %d %s", got.status, got.body)
	}
	if got := w.put(admin, wafOfWakaba, `{"body":{"paranoia":2},"change":{"reference":"令8-1"}}`, `"override-0"`); got.status != http.StatusOK {
		t.Errorf("a policy: %d %s", got.status, got.body)
	}
	for _, path := range []string{"/tenants/994413", "/tenants/994413/users/taro", wafOfWakaba, "/audit?tenant=994413"} {
		if got := w.do(call{method: http.MethodGet, path: path, token: foreign}); got.status != http.StatusNotFound {
			t.Errorf("GET %s as another body: %d", path, got.status)
		}
		if got := w.do(call{method: http.MethodGet, path: path, token: admin}); got.status != http.StatusOK {
			t.Errorf("GET %s as its owner: %d %s", path, got.status, got.body)
		}
	}
	v := into[audit.Verified](t, w.do(call{method: http.MethodGet, path: "/audit/verify", token: admin}))
	if !v.OK || v.Records < 8 {
		t.Errorf("the chain: %+v", v)
	}
	if got := b.do(http.MethodDelete, "/session", ""); got.status != http.StatusNoContent {
		t.Errorf("logout: %d %s", got.status, got.body)
	}
	server.Stop(t)
	got := w.do(call{method: http.MethodGet, path: "/home", token: admin})
	if got.status != http.StatusServiceUnavailable || got.problem() != "store_unavailable" || strings.Contains(got.body, "socket") {
		t.Errorf("with the database away: %d %s", got.status, got.body)
	}
	server.Resume(t)
	for try := 1; ; try++ { // each try may meet a connection of before, and drops it
		got = w.do(call{method: http.MethodGet, path: "/home", token: admin})
		if got.status == http.StatusOK {
			break
		}
		if try == 30 {
			t.Fatalf("with the database back: %d %s", got.status, got.body)
		}
	}
}

// TestManyAtOnceLeaveOneTruth lets requests of one body meet each other.
func TestManyAtOnceLeaveOneTruth(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	const many = 12
	answers := make(chan answer, 2*many)
	for range many {
		go func() {
			answers <- w.do(call{
				method: http.MethodPost, path: "/tenants/994413/users", token: admin, body: `{"login":"taro","name":"太郎","role":"tenant_staff"}`,
			})
		}()
		go func() {
			answers <- w.put(admin, wafOfWakaba, `{"body":{"paranoia":2},"change":{"reference":"令8-1"}}`, `"override-0"`)
		}()
	}
	made, written := 0, 0
	for range 2 * many {
		switch got := <-answers; got.status {
		case http.StatusCreated:
			made++
		case http.StatusOK:
			written++
		case http.StatusConflict, http.StatusUnprocessableEntity:
		default:
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if made != 1 || written != 1 {
		t.Errorf("%d accounts were made and %d versions written, want one of each", made, written)
	}
	users := into[rest.Page[struct{ Login string }]](t, w.do(call{method: http.MethodGet, path: "/tenants/994413/users", token: admin}))
	if len(users.Items) != 2 {
		t.Errorf("accounts: %+v", users.Items)
	}
	if report, err := w.db.VerifyAudit(context.Background(), wakaba, nil); err != nil || len(report.Faults) > 0 {
		t.Errorf("the audit chain: %+v, %v", report, err)
	}
}
