package portal

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/session"
	"github.com/sekikura/sekikura/store"
)

// browser is a client that keeps cookies and says that it is the portal's own.
type browser struct {
	w      *world
	client *http.Client
	header map[string]string
}

func (w *world) browser() *browser {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	client := *w.http.Client()
	client.Jar = jar
	return &browser{w: w, client: &client, header: map[string]string{"X-Sekikura-Request": "1"}}
}

func (b *browser) do(method, path, body string) answer {
	b.w.t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, b.w.http.URL+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		b.w.t.Fatal(err)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for name, value := range b.header {
		r.Header.Set(name, value)
	}
	return b.w.send(b.client, r)
}

func (b *browser) login(login, password, code string) answer {
	b.w.t.Helper()
	body, err := json.Marshal(map[string]string{"login": login, "password": password, "code": code})
	if err != nil {
		b.w.t.Fatal(err)
	}
	return b.do(http.MethodPost, "/session", string(body))
}

func (b *browser) cookie() string {
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, b.w.http.URL+"/api/v1/session", nil)
	if err != nil {
		b.w.t.Fatal(err)
	}
	for _, c := range b.client.Jar.Cookies(r.URL) {
		if c.Name == session.Cookie {
			return c.Value
		}
	}
	return ""
}

func TestLoginBeginsASessionThatIsAuditedAndReported(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	got := b.login(" Hanako ", passwordOf("hanako"), "")
	if got.status != http.StatusOK {
		t.Fatalf("login: %d %s", got.status, got.body)
	}
	set := got.header.Get("Set-Cookie")
	for _, want := range []string{"HttpOnly", "Secure", "SameSite=Strict", "Path=/"} {
		if !strings.Contains(set, want) {
			t.Errorf("the cookie %q is not %s", set, want)
		}
	}
	me := into[session.Me](t, b.do(http.MethodGet, "/session", ""))
	if me.User.Login != "hanako" || me.Tenant.ID != wakaba || me.Operator.ID != sakura || len(me.Rooms) != 6 {
		t.Errorf("me is %+v", me)
	}
	if got, want := w.events.names(wakaba), []string{"login_succeeded"}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	log, err := w.db.AuditLog(context.Background(), wakaba, store.AuditFilter{Action: "session.login"})
	if err != nil || len(log.Records) != 1 || log.Records[0].Address != "127.0.0.1" {
		t.Errorf("audit of the login: %+v, %v", log.Records, err)
	}
	if hashes := w.dump()["portal_session"]; strings.Contains(hashes, b.cookie()) {
		t.Error("the store holds the cookie itself")
	}
}

func TestLoginSaysTheSameOfNamesThatExistAndNamesThatDoNot(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	known, unknown := w.browser().login("hanako", "wrong", ""), w.browser().login("nobody", "wrong", "")
	if known.status != http.StatusUnauthorized || known.problem() != "wrong_login" || unknown.problem() != "wrong_login" {
		t.Errorf("known: %d %s, unknown: %s", known.status, known.problem(), unknown.problem())
	}
	// The same number of rows is written, so that the time tells nothing.
	count := func(id string) int { return strings.Count(w.dump()["sekikura_audit"], `"session.login_failed"`) }
	if got := count(""); got != 2 {
		t.Errorf("%d failures were audited, want 2", got)
	}
	if strings.Contains(w.dump()["sekikura_audit"], "nobody") {
		t.Error("the audit log holds an unknown login name, which may be a password")
	}
}

// TestUnknownNamesCostAsMuchAsWrongPasswords compares the work, in password
// hashes of the real cost, rather than a wish.
func TestUnknownNamesCostAsMuchAsWrongPasswords(t *testing.T) {
	w := newWorld(t)
	w.server.Accounts.Cost = account.Cost{Time: 1, Memory: 8 << 10}
	w.server.Accounts.Open()
	w.account(wakaba, "hanako", access.TenantAdmin)
	ctx := context.Background()
	took := func(login string) time.Duration {
		fastest := time.Hour
		for range 7 {
			began := time.Now()
			if _, err := w.server.Accounts.Login(ctx, login, "wrong", "", "192.0.2."+login); err == nil {
				t.Fatal("a wrong password was taken")
			}
			fastest = min(fastest, time.Since(began))
			w.pass(time.Hour) // past the limiter
		}
		return fastest
	}
	took("nobody") // makes the dummy
	known, unknown := took("hanako"), took("nobody")
	if ratio := float64(known) / float64(unknown); ratio < 0.4 || ratio > 2.5 {
		t.Errorf("a wrong password took %v, an unknown name %v", known, unknown)
	}
}

func TestTooManyFailuresHoldThePairBackAndNobodyElse(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	for range 5 {
		w.browser().login("hanako", "wrong", "")
	}
	got := w.browser().login("hanako", passwordOf("hanako"), "")
	if got.status != http.StatusTooManyRequests || got.problem() != "too_many" || got.header.Get("Retry-After") == "" {
		t.Errorf("the sixth login: %d %s, Retry-After %q", got.status, got.body, got.header.Get("Retry-After"))
	}
	if _, err := w.server.Accounts.Login(context.Background(), "hanako", passwordOf("hanako"), "", "192.0.2.7"); err != nil {
		t.Errorf("from another address: %v; a stranger could lock everybody out", err)
	}
	w.pass(16 * time.Minute)
	if got := w.browser().login("hanako", passwordOf("hanako"), ""); got.status != http.StatusOK {
		t.Errorf("after the time: %d %s", got.status, got.body)
	}
}

func TestTheFirstPasswordMustBeChangedBeforeAnythingElse(t *testing.T) {
	w := newWorld(t)
	first, err := w.server.Accounts.Create(context.Background(), setUp, account.Account{Tenant: wakaba, Login: "taro", Name: "太郎", Role: access.TenantAdmin})
	if err != nil {
		t.Fatal(err)
	}
	b := w.browser()
	if me := into[session.Me](t, b.login("taro", first, "")); !me.User.MustChangePassword {
		t.Error("me does not say that the password must be changed")
	}
	if got := b.do(http.MethodGet, "/home", ""); got.status != http.StatusForbidden || got.problem() != "password_change_required" {
		t.Errorf("home before the change: %d %s", got.status, got.body)
	}
	for chosen, want := range map[string]string{
		"short":                  "/new too_short",
		"taro-and-more-1x":       "/new holds_login",
		"aaaaaaaaaaaaaaaa":       "/new too_simple",
		"Passwordpassword":       "/new too_simple",
		"12345678901234":         "/new too_simple",
		strings.Repeat("長", 100): "/new too_long",
		first:                    "/new same_as_old",
	} {
		got := b.do(http.MethodPost, "/session/password", `{"old":"`+first+`","new":"`+chosen+`"}`)
		if entries := got.entries(); got.status != http.StatusUnprocessableEntity || !slices.Contains(entries, want) {
			t.Errorf("changing to %q: %d %v, want %s", chosen, got.status, entries, want)
		}
	}
	other := w.browser()
	other.login("taro", first, "")
	old := b.cookie()
	if got := b.do(http.MethodPost, "/session/password", `{"old":"`+first+`","new":"correct-horse-battery"}`); got.status != http.StatusNoContent {
		t.Fatalf("the change: %d %s", got.status, got.body)
	}
	if got := b.do(http.MethodGet, "/home", ""); got.status != http.StatusOK {
		t.Errorf("home after the change: %d %s", got.status, got.body)
	}
	if b.cookie() == old {
		t.Error("the session kept its value over the change of the password")
	}
	if got := other.do(http.MethodGet, "/session", ""); got.status != http.StatusUnauthorized {
		t.Errorf("another session of before: %d, want 401", got.status)
	}
}

func TestSessionsEndWithoutUseAndInAnyCase(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	alive := func(b *browser) bool { return b.do(http.MethodGet, "/session", "").status == http.StatusOK }

	idle := w.browser()
	idle.login("hanako", passwordOf("hanako"), "")
	w.pass(29 * time.Minute)
	if !alive(idle) {
		t.Error("a session ended before 30 minutes without use")
	}
	w.pass(29 * time.Minute)
	if !alive(idle) {
		t.Error("use did not prolong a session")
	}
	w.pass(31 * time.Minute)
	if alive(idle) {
		t.Error("a session lives after 31 minutes without use")
	}
	busy := w.browser()
	busy.login("hanako", passwordOf("hanako"), "")
	for range 12 * 3 {
		w.pass(20*time.Minute - time.Second)
		if !alive(busy) {
			t.Fatal("a session in use ended before 12 hours")
		}
	}
	w.pass(time.Minute)
	if alive(busy) {
		t.Error("a session in use lives after 12 hours")
	}
}

func TestLogoutEndsTheSession(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	b.login("hanako", passwordOf("hanako"), "")
	stolen := b.cookie()
	if got := b.do(http.MethodDelete, "/session", ""); got.status != http.StatusNoContent {
		t.Fatalf("logout: %d %s", got.status, got.body)
	}
	got := w.do(call{method: http.MethodGet, path: "/session", header: map[string]string{"Cookie": session.Cookie + "=" + stolen}})
	if got.status != http.StatusUnauthorized {
		t.Errorf("the old cookie: %d, want 401", got.status)
	}
	if names := w.events.names(wakaba); !slices.Contains(names, "logged_out") {
		t.Errorf("events %v lack the logout", names)
	}
}

func TestAPlantedCookieIsNeverTheSession(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	const planted = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	got := w.do(call{
		method: http.MethodPost, path: "/session", body: `{"login":"hanako","password":"` + passwordOf("hanako") + `"}`,
		header: map[string]string{"Cookie": session.Cookie + "=" + planted},
	})
	if got.status != http.StatusOK || strings.Contains(got.header.Get("Set-Cookie"), planted) {
		t.Fatalf("login with a planted cookie: %d, Set-Cookie %q", got.status, got.header.Get("Set-Cookie"))
	}
	again := w.do(call{method: http.MethodGet, path: "/session", header: map[string]string{"Cookie": session.Cookie + "=" + planted}})
	if again.status != http.StatusUnauthorized {
		t.Errorf("the planted cookie: %d, want 401", again.status)
	}
}

func TestAForeignPageCannotWriteWithTheCookie(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	b.login("hanako", passwordOf("hanako"), "")
	before := w.dump()
	const user = `{"login":"taro","name":"太郎","role":"tenant_staff"}`
	for name, header := range map[string]map[string]string{
		"without the header":     {},
		"from another site":      {"X-Sekikura-Request": "1", "Sec-Fetch-Site": "cross-site"},
		"from another origin":    {"X-Sekikura-Request": "1", "Origin": "https://evil.example"},
		"with a wrong header":    {"X-Sekikura-Request": "yes"},
		"from a site next to it": {"X-Sekikura-Request": "1", "Sec-Fetch-Site": "same-site"},
	} {
		b.header = header
		if got := b.do(http.MethodPost, "/tenants/994413/users", user); got.status != http.StatusForbidden || got.problem() != "foreign_origin" {
			t.Errorf("a write %s: %d %s, want 403", name, got.status, got.body)
		}
	}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		r, err := http.NewRequestWithContext(context.Background(), http.MethodPost, w.http.URL+"/api/v1/tenants/994413/users", strings.NewReader(user))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Sekikura-Request", "1")
		if kind != "" {
			r.Header.Set("Content-Type", kind)
		}
		if got := w.send(b.client, r); got.status != http.StatusUnsupportedMediaType {
			t.Errorf("a body of type %q: %d, want 415", kind, got.status)
		}
	}
	changed(t, "foreign page", before, w.dump())
	b.header = map[string]string{"X-Sekikura-Request": "1", "Sec-Fetch-Site": "same-origin"}
	if got := b.do(http.MethodPost, "/tenants/994413/users", user); got.status != http.StatusCreated {
		t.Errorf("the portal's own page: %d %s", got.status, got.body)
	}
}

func (b *browser) enrol() (secret string, recovery []string) {
	b.w.t.Helper()
	e := into[session.Enrolment](b.w.t, b.do(http.MethodPost, "/session/totp", ""))
	if !strings.HasPrefix(e.QR, "data:image/png;base64,") || !strings.HasPrefix(e.URL, "otpauth://totp/") {
		b.w.t.Errorf("enrolment is %+v", e)
	}
	code, err := account.CodeAt(e.Secret, b.w.clock())
	if err != nil {
		b.w.t.Fatal(err)
	}
	return e.Secret, into[session.Recovery](b.w.t, b.do(http.MethodPut, "/session/totp", `{"code":"`+code+`"}`)).Recovery
}

func TestTheSecondFactorIsAskedForAndEachCodeWorksOnce(t *testing.T) {
	w := newWorld(t)
	w.account(wakaba, "hanako", access.TenantAdmin)
	b := w.browser()
	b.login("hanako", passwordOf("hanako"), "")
	if got := b.do(http.MethodPut, "/session/totp", `{"code":"000000"}`); got.status != http.StatusConflict {
		t.Errorf("confirming what was not begun: %d %s", got.status, got.body)
	}
	secret, recovery := b.enrol()
	if len(recovery) != 10 {
		t.Fatalf("%d recovery codes, want 10", len(recovery))
	}
	if all := w.dump(); strings.Contains(all["account"], secret) || strings.Contains(all["recovery_code"], recovery[0]) {
		t.Error("the store holds a secret in the clear")
	}
	used, err := account.CodeAt(secret, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	password := passwordOf("hanako")
	if got := w.browser().login("hanako", password, ""); got.problem() != "totp_required" {
		t.Errorf("without a code: %d %s", got.status, got.body)
	}
	if got := w.browser().login("hanako", "wrong", used); got.problem() != "wrong_login" {
		t.Errorf("a wrong password with a code: %s; it must not say that the account has a second factor", got.body)
	}
	if got := w.browser().login("hanako", password, used); got.problem() != "totp_wrong" {
		t.Errorf("the code of the enrolment again: %d %s, want totp_wrong", got.status, got.body)
	}
	w.pass(31 * time.Second)
	fresh, err := account.CodeAt(secret, w.clock())
	if err != nil {
		t.Fatal(err)
	}
	if got := w.browser().login("hanako", password, fresh); got.status != http.StatusOK {
		t.Errorf("a fresh code: %d %s", got.status, got.body)
	}
	if got := w.browser().login("hanako", password, fresh); got.problem() != "totp_wrong" {
		t.Errorf("the same code again: %d %s", got.status, got.body)
	}
	spoken := strings.ToUpper(strings.ReplaceAll(recovery[0], "-", " "))
	if got := w.browser().login("hanako", password, spoken); got.status != http.StatusOK {
		t.Errorf("a recovery code: %d %s", got.status, got.body)
	}
	if got := w.browser().login("hanako", password, recovery[0]); got.problem() != "totp_wrong" {
		t.Errorf("the same recovery code again: %d %s", got.status, got.body)
	}
	w.pass(16 * time.Minute)
	b.login("hanako", password, recovery[1])
	if got := b.do(http.MethodPost, "/session/totp", ""); got.problem() != "totp_on_already" {
		t.Errorf("beginning anew while it is on: %d %s; a thief of the session could replace it", got.status, got.body)
	}
	if got := b.do(http.MethodDelete, "/session/totp", `{"code":"123"}`); !slices.Contains(got.entries(), "/code totp_wrong") {
		t.Errorf("ending it with a wrong code: %d %s", got.status, got.body)
	}
	if got := b.do(http.MethodDelete, "/session/totp", `{"code":"`+recovery[2]+`"}`); got.status != http.StatusNoContent {
		t.Errorf("ending it: %d %s", got.status, got.body)
	}
	if got := w.browser().login("hanako", password, ""); got.status != http.StatusOK {
		t.Errorf("after ending it: %d %s", got.status, got.body)
	}
}
