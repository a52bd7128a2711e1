package portal

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/session"
)

func TestVendorsEndByThemselves(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	add := func(expires string) answer {
		return w.do(call{
			method: http.MethodPost, path: "/tenants/994413/users", token: admin,
			body: `{"login":"vendor1","name":"保守","role":"vendor"` + expires + `}`,
		})
	}
	stamp := func(d time.Duration) string { return `,"expires_at":"` + w.clock().Add(d).Format(time.RFC3339) + `"` }
	for expires, want := range map[string]string{
		"": "/expires_at required", stamp(31 * 24 * time.Hour): "/expires_at too_late", stamp(-time.Hour): "/expires_at past",
	} {
		if got := add(expires).entries(); !slices.Contains(got, want) {
			t.Errorf("a vendor with %q: %v, want %s", expires, got, want)
		}
	}
	w.account(wakaba, "vendor2", access.Vendor) // for a day
	b := w.browser()
	if got := b.login("vendor2", passwordOf("vendor2"), ""); got.status != http.StatusOK {
		t.Fatalf("before the end: %d %s", got.status, got.body)
	}
	token := w.token(wakaba, access.Vendor)
	for range 24 * 3 {
		w.pass(20 * time.Minute)
		b.do(http.MethodGet, "/session", "")
	}
	w.pass(time.Minute)
	if got := b.do(http.MethodGet, "/session", ""); got.status != http.StatusUnauthorized {
		t.Errorf("a session after the end: %d", got.status)
	}
	if got := w.do(call{method: http.MethodGet, path: "/home", token: token}); got.status != http.StatusUnauthorized {
		t.Errorf("a token after the end: %d", got.status)
	}
	if got := w.browser().login("vendor2", passwordOf("vendor2"), ""); got.problem() != "account_ended" {
		t.Errorf("login after the end: %d %s", got.status, got.body)
	}
	if got := w.browser().login("vendor2", "wrong", ""); got.problem() != "wrong_login" {
		t.Errorf("a wrong password after the end: %s; it must not say that the account exists", got.body)
	}
}

func TestARightTakenAwayIsGoneAtOnce(t *testing.T) {
	w := newWorld(t)
	operator := w.token(sakura, access.Operator)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	b.login("hanako", passwordOf("hanako"), "")
	path := "/tenants/994413/users/hanako"
	tag := w.do(call{method: http.MethodGet, path: path, token: operator}).header.Get("ETag")
	got := w.do(call{
		method: http.MethodPut, path: path, token: operator, header: map[string]string{"If-Match": tag},
		body: `{"name":"花子","role":"tenant_admin","disabled":true}`,
	})
	if got.status != http.StatusOK {
		t.Fatalf("disabling: %d %s", got.status, got.body)
	}
	if got := b.do(http.MethodGet, "/home", ""); got.status != http.StatusUnauthorized {
		t.Errorf("the session of a disabled account: %d", got.status)
	}
	again := w.do(call{
		method: http.MethodPut, path: path, token: operator, header: map[string]string{"If-Match": tag},
		body: `{"name":"花子","role":"tenant_admin"}`,
	})
	if again.status != http.StatusConflict || again.problem() != "stale" {
		t.Errorf("a write with the old ETag: %d %s", again.status, again.body)
	}
	if got := w.do(call{method: http.MethodPut, path: path, token: operator, body: `{"name":"花子","role":"tenant_admin"}`}); got.status != http.StatusPreconditionRequired {
		t.Errorf("a write without If-Match: %d", got.status)
	}
}

func TestTokensCannotChangeTheAccount(t *testing.T) {
	w := newWorld(t)
	token := w.token(wakaba, access.TenantAdmin)
	before := w.dump()
	for _, c := range []call{
		{method: http.MethodPost, path: "/session/password", body: `{"old":"a","new":"b"}`},
		{method: http.MethodPost, path: "/session/totp"},
		{method: http.MethodPut, path: "/session/totp", body: `{"code":"1"}`},
		{method: http.MethodDelete, path: "/session/totp", body: `{"code":"1"}`},
		{method: http.MethodDelete, path: "/session"},
	} {
		c.token = token
		if got := w.do(c); got.status != http.StatusForbidden || got.problem() != "session_required" {
			t.Errorf("%s %s with a token: %d %s", c.method, c.path, got.status, got.body)
		}
	}
	changed(t, "token", before, w.dump())
}

func TestTokenRightsNeverGrow(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	create := func(token, body string) answer {
		return w.do(call{method: http.MethodPost, path: "/tokens", token: token, body: body})
	}
	got := create(admin, `{"name":"ci","scopes":["token.own","home.read"],"days":30}`)
	small := into[session.Token](t, got)
	if got.status != http.StatusCreated || !strings.HasPrefix(small.Token, account.TokenPrefix) {
		t.Fatalf("creating a token: %d %s", got.status, got.body)
	}
	if strings.Contains(w.dump()["api_token"], small.Token) {
		t.Error("the store holds the token itself")
	}
	if got := create(admin, `{"name":"ci","scopes":["policy.baseline"],"days":30}`); !slices.Contains(got.entries(), "/scopes/0 scope_not_yours") {
		t.Errorf("a token beyond the role: %d %s", got.status, got.body)
	}
	if got := create(small.Token, `{"name":"more","scopes":["user.write"],"days":30}`); !slices.Contains(got.entries(), "/scopes/0 scope_not_yours") {
		t.Errorf("a token beyond the token: %d %s", got.status, got.body)
	}
	long := into[session.Token](t, create(small.Token, `{"name":"longer","scopes":["home.read"],"days":300}`))
	if long.ExpiresAt.After(small.ExpiresAt) {
		t.Errorf("a token of a token ends %v, after %v", long.ExpiresAt, small.ExpiresAt)
	}
	home := call{method: http.MethodGet, path: "/home", token: small.Token}
	if got := w.do(home); got.status != http.StatusOK {
		t.Errorf("home with the token: %d", got.status)
	}
	if got := w.do(call{method: http.MethodGet, path: "/tenants/994413/users", token: small.Token}); got.status != http.StatusForbidden {
		t.Errorf("users with the token: %d, want 403", got.status)
	}
	if got := w.do(call{method: http.MethodDelete, path: "/tokens/" + small.ID, token: admin}); got.status != http.StatusNoContent {
		t.Errorf("revoking: %d %s", got.status, got.body)
	}
	if got := w.do(home); got.status != http.StatusUnauthorized {
		t.Errorf("a revoked token: %d", got.status)
	}
	short := into[session.Token](t, create(admin, `{"name":"short","scopes":["home.read"],"days":1}`))
	home.token = short.Token
	w.pass(59 * time.Minute) // the admin's own token still lives: it ends first
	if got := w.do(home); got.status != http.StatusOK {
		t.Errorf("before its end: %d", got.status)
	}
	w.pass(24 * time.Hour)
	if got := w.do(home); got.status != http.StatusUnauthorized {
		t.Errorf("an expired token: %d", got.status)
	}
	for _, bad := range []string{"", "x", "sekikura_", "sekikura_" + strings.Repeat("A", 43), strings.Repeat("A", 5000)} {
		got := w.do(call{method: http.MethodGet, path: "/home", header: map[string]string{"Authorization": "Bearer " + bad}})
		if got.status != http.StatusUnauthorized {
			t.Errorf("the token %.20q: %d, want 401", bad, got.status)
		}
	}
}

func TestOwnOperationsShowTheCallerAlone(t *testing.T) {
	w := newWorld(t)
	admin, other := w.token(wakaba, access.TenantAdmin), w.token(hanami, access.TenantAdmin)
	for token, login := range map[string]string{admin: "tenant-admin.994413", other: "tenant-admin.992011"} {
		me := into[session.Me](t, w.do(call{method: http.MethodGet, path: "/session", token: token}))
		if me.User.Login != login {
			t.Errorf("me is %s, want %s", me.User.Login, login)
		}
		if got := w.do(call{method: http.MethodGet, path: "/tokens", token: token}); strings.Count(got.body, `"id"`) != 1 {
			t.Errorf("tokens of %s: %s, want one", login, got.body)
		}
	}
}

func TestThePrefecturesOwnAdminMakesNobodyWhoSeesEveryBody(t *testing.T) {
	w := newWorld(t)
	w.account(sakura, "chief", access.Operator)
	admin := w.token(sakura, access.TenantAdmin)
	for _, r := range []access.Role{access.Operator, access.SOC, access.Auditor} {
		got := w.do(call{
			method: http.MethodPost, path: "/tenants/990001/users", token: admin,
			body: `{"login":"spy","name":"x","role":"` + string(r) + `"}`,
		})
		if got.status != http.StatusForbidden {
			t.Errorf("making a %s: %d %s, want 403", r, got.status, got.body)
		}
	}
	for _, c := range []call{
		{method: http.MethodPost, path: "/tenants/990001/users/chief/reset", body: `{}`},
		{method: http.MethodDelete, path: "/tenants/990001/users/chief"},
	} {
		c.token = admin
		if got := w.do(c); got.status != http.StatusForbidden {
			t.Errorf("%s %s: %d %s, want 403", c.method, c.path, got.status, got.body)
		}
	}
	operator := w.token(momiji, access.Operator)
	if got := w.do(call{method: http.MethodDelete, path: "/tenants/x-momiji/users/operator.x-momiji", token: operator}); got.problem() != "own_account" {
		t.Errorf("removing oneself: %d %s", got.status, got.body)
	}
	tag := w.do(call{method: http.MethodGet, path: "/tenants/x-momiji/users/operator.x-momiji", token: operator}).header.Get("ETag")
	got := w.do(call{
		method: http.MethodPut, path: "/tenants/x-momiji/users/operator.x-momiji", token: operator, header: map[string]string{"If-Match": tag},
		body: `{"name":"x","role":"auditor"}`,
	})
	if got.problem() != "last_operator" {
		t.Errorf("the last operator: %d %s", got.status, got.body)
	}
}
