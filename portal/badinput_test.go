package portal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

func TestBrokenBodiesAreRefusedByTheEntry(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	before := w.dump()
	for _, tt := range []struct {
		name, body string
		status     int
		entry      string
	}{
		{"an unknown field", `{"login":"taro","name":"x","role":"tenant_staff","admin":true}`, 422, "/admin unknown_field"},
		{"a missing field", `{"login":"taro","role":"tenant_staff"}`, 422, "/name required"},
		{"a wrong type", `{"login":1,"name":"x","role":"tenant_staff"}`, 422, "/login wrong_type"},
		{"null", `{"login":null,"name":"x","role":"tenant_staff"}`, 422, "/login wrong_type"},
		{"a role that is none", `{"login":"taro","name":"x","role":"root"}`, 422, "/role not_one_of"},
		{"a role of the prefecture", `{"login":"taro","name":"x","role":"operator"}`, 422, "/role role_of_operator"},
		{"a login with a space", `{"login":"ta ro","name":"x","role":"tenant_staff"}`, 422, "/login wrong_form"},
		{"a login that looks like the system", `{"login":"system:portal","name":"x","role":"tenant_staff"}`, 422, "/login wrong_form"},
		{"a login from a path", `{"login":"../chief","name":"x","role":"tenant_staff"}`, 422, "/login wrong_form"},
		{"too long a name", `{"login":"taro","name":"` + strings.Repeat("あ", 81) + `","role":"tenant_staff"}`, 422, "/name too_long"},
		{"a name in another case twice", `{"login":"taro","name":"x","role":"tenant_staff","ROLE":"operator"}`, 400, ""},
		{"a name twice", `{"login":"taro","name":"x","role":"tenant_staff","role":"operator"}`, 400, ""},
		{"half a JSON", `{"login":"taro"`, 400, ""},
		{"text behind the JSON", `{"login":"taro","name":"x","role":"tenant_staff"} x`, 400, ""},
		{"no JSON", `login=taro`, 400, ""},
		{"invalid UTF-8", "{\"login\":\"taro\",\"name\":\"\xff\",\"role\":\"tenant_staff\"}", 400, ""},
		{"a list", `[]`, 422, " wrong_type"},
		{"very deep", strings.Repeat("[", 10000) + strings.Repeat("]", 10000), 400, ""},
		{"very big", `{"login":"` + strings.Repeat("a", 300<<10) + `"}`, 413, ""},
		{"nothing", "", 400, ""},
	} {
		got := w.do(call{method: http.MethodPost, path: "/tenants/994413/users", token: admin, body: tt.body})
		if got.status != tt.status || got.problem() == "" || tt.entry != "" && !slices.Contains(got.entries(), tt.entry) {
			t.Errorf("%s: %d %.300s, want %d %s", tt.name, got.status, got.body, tt.status, tt.entry)
		}
		if kind := got.header.Get("Content-Type"); kind != "application/problem+json" {
			t.Errorf("%s: the answer is %s", tt.name, kind)
		}
	}
	changed(t, "broken body", before, w.dump())
}

func TestAProblemNeverRepeatsAPassword(t *testing.T) {
	w := newWorld(t)
	const secret = "hunter2-hunter2"
	for _, body := range []string{
		`{"login":1,"password":"` + secret + `"}`, `{"login":"a","password":["` + secret + `"]}`, `{"login":"a","password":"` + secret + `"`,
		`{"login":"a","password":"` + secret + strings.Repeat("x", 300) + `"}`, `{"login":"a","password":"` + secret + `","x":1}`,
	} {
		if got := w.do(call{method: http.MethodPost, path: "/session", body: body}); strings.Contains(got.body, secret) || got.status < 400 {
			t.Errorf("the answer to %s: %d %s", body, got.status, got.body)
		}
	}
}

func TestTitlesAreInTheCallersLanguage(t *testing.T) {
	w := newWorld(t)
	for accept, want := range map[string]string{"": "ログイン", "en-GB,en;q=0.9": "Please log in", "fr, ja": "ログイン", "de": "ログイン"} {
		got := w.do(call{method: http.MethodGet, path: "/home", header: map[string]string{"Accept-Language": accept}})
		if p := into[rest.Problem](t, got); !strings.Contains(p.Title, want) || p.Status != 401 || p.Type != "about:blank" {
			t.Errorf("Accept-Language %q: %+v, want a title with %q", accept, p, want)
		}
	}
}

func TestAddressesThatAreNoneAreProblems(t *testing.T) {
	w := newWorld(t)
	token := w.token(sakura, access.Operator)
	for path, want := range map[string]int{
		"/nothing": 404, "/tenants/994413/users/": 404, "/tenants/994414": 404, "/tenants/%2e%2e": 404, "/tenants/x-": 404,
		"/tenants/994413%2Fusers": 404, "/tenants/994413'--": 404, "/tenants/994413/policies/nothing": 404,
		"/tenants/994413/policies/..%2fwaf": 404, "/events/1": 404, "/events/by-reference/x": 404, "/events/by-reference/WB-7K2M-94Q0": 404,
		"/jobs/..%2f..":    404,
		"/tenants?limit=0": 422, "/tenants?limit=x": 422, "/tenants?cursor=!": 422, "/tenants?cursor=" + rest.Cursor([]int{1}): 422,
		"/tenants?unknown=1": 422, "/audit?tenant=994413&tenant=992011": 404, "/audit?from=yesterday": 422, "/events?tenant=994414": 404,
	} {
		got := w.do(call{method: http.MethodGet, path: path, token: token})
		if got.status != want || got.problem() == "" {
			t.Errorf("GET %s: %d %.200s, want the problem %d", path, got.status, got.body, want)
		}
	}
	if got := w.do(call{method: http.MethodPatch, path: "/home", token: token}); got.status != 405 || got.header.Get("Allow") == "" || got.problem() == "" {
		t.Errorf("PATCH /home: %d, Allow %q, %s", got.status, got.header.Get("Allow"), got.body)
	}
}

func TestQueriesReachTheLogStoreWithoutTheirScopeInThem(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	for _, q := range []string{
		`tenant:992011`, `* OR tenant:="992011"`, `{tenant="992011"}`, `options(ignore_global_time_filter=true) *`,
		`in(tenant:992011 | fields "event.id")`, `* | union (tenant:992011)`, `"'; DROP TABLE account; --"`, `' OR 1=1 --x'`, `a | stats by (tenant) count() n`,
	} {
		got := w.do(call{method: http.MethodGet, path: "/events?q=" + url.QueryEscape(q), token: admin})
		if got.status != http.StatusOK {
			t.Errorf("q=%s: %d %s", q, got.status, got.body)
		}
	}
	for i, s := range w.logs.scopes {
		if s.Operator != sakura || !slices.Equal(s.Tenants, []tenant.ID{wakaba}) {
			t.Errorf("question %d went to %+v", i, s)
		}
	}
	for _, q := range []string{`(a`, `a)`, `a) OR (b`, `"open`, `'open`, "`open", `a # comment`, `{a="b"`, "\xff", "a\x00b", `]`} {
		got := w.do(call{method: http.MethodGet, path: "/events?service=waf&q=" + url.QueryEscape(q), token: admin})
		if got.status != http.StatusUnprocessableEntity || got.problem() != "bad_query" {
			t.Errorf("q=%q: %d %s, want bad_query", q, got.status, got.body)
		}
	}
	w.logs.err = &logs.BadQueryError{Detail: "unexpected pipe", Near: "a | b"}
	if got := w.do(call{method: http.MethodGet, path: "/events?q=a", token: admin}); !strings.Contains(got.body, `"args":["unexpected pipe","a | b"]`) {
		t.Errorf("the engine's complaint: %d %s", got.status, got.body)
	}
	for err, want := range map[error]string{
		logs.ErrUnavailable: "logs_unavailable", logs.ErrTooLong: "search_too_long", errors.New("secret cause"): "internal",
	} {
		w.logs.err = fmt.Errorf("asking: %w", err)
		got := w.do(call{method: http.MethodGet, path: "/events", token: admin})
		if got.problem() != want || strings.Contains(got.body, "secret cause") {
			t.Errorf("%v: %d %s, want %s", err, got.status, got.body, want)
		}
	}
}

func TestARequestIsDoneOnceByItsKey(t *testing.T) {
	w := newWorld(t)
	operator := w.token(sakura, access.Operator)
	body := func(name string) string {
		return `{"id":"x-kumiai","operator":"990001","name":"` + name + `","kind":"union","contact":{}}`
	}
	post := func(key, body string) answer {
		return w.do(call{method: http.MethodPost, path: "/tenants", token: operator, body: body, header: map[string]string{"Idempotency-Key": key}})
	}
	first, again := post("k1", body("組合")), post("k1", body("組合"))
	if first.status != http.StatusCreated || again.status != http.StatusCreated || first.body != again.body || again.header.Get("Idempotency-Replayed") != "true" {
		t.Errorf("first %d %s, again %d %s", first.status, first.body, again.status, again.body)
	}
	if got := post("k1", body("別")); got.status != http.StatusUnprocessableEntity || !slices.Contains(got.entries(), "/header/Idempotency-Key key_reused") {
		t.Errorf("the key with another body: %d %s", got.status, got.body)
	}
	if got := post("k2", body("組合")); !slices.Contains(got.entries(), "/id taken") {
		t.Errorf("another key: %d %s", got.status, got.body)
	}
	if got := post(strings.Repeat("k", 256), body("組合")); got.status != http.StatusUnprocessableEntity {
		t.Errorf("a long key: %d %s", got.status, got.body)
	}
	user := func() answer {
		return w.do(call{
			method: http.MethodPost, path: "/tenants/x-kumiai/users", token: operator, header: map[string]string{"Idempotency-Key": "u1"},
			body: `{"login":"taro","name":"太郎","role":"tenant_staff"}`,
		})
	}
	made := user()
	password := into[struct{ Password string }](t, made).Password
	if repeated := user(); repeated.status != http.StatusConflict || repeated.problem() != "shown_once" {
		t.Errorf("a first password asked for again: %d %s", repeated.status, repeated.body)
	}
	for table, rows := range w.dump() {
		if strings.Contains(rows, password) {
			t.Errorf("the table %s holds a first password", table)
		}
	}
	w.pass(25 * time.Hour)
	if got := w.do(call{
		method: http.MethodPost, path: "/tenants", token: w.token(sakura, access.Operator), body: body("別"), header: map[string]string{"Idempotency-Key": "k1"},
	}); !slices.Contains(got.entries(), "/id taken") {
		t.Errorf("the key after a day: %d %s, want a new try", got.status, got.body)
	}
}

func TestAConcurrentRequestWithTheSameKeyWaitsItsTurn(t *testing.T) {
	w := newWorld(t)
	operator := w.token(sakura, access.Operator)
	done := make(chan answer, 8)
	for range 8 {
		go func() {
			done <- w.do(call{
				method: http.MethodPost, path: "/backups", token: operator, header: map[string]string{"Idempotency-Key": "same"},
			})
		}()
	}
	for range 8 {
		if got := <-done; got.status != http.StatusAccepted && got.problem() != "unfinished" {
			t.Errorf("%d %s", got.status, got.body)
		}
	}
	if got := len(w.jobs.started); got != 1 {
		t.Errorf("%d backups were started, want 1", got)
	}
}

func TestTheScreensComeWithTheirGuards(t *testing.T) {
	w := newWorld(t)
	ask := func(method, path string, header map[string]string) answer {
		r, err := http.NewRequestWithContext(context.Background(), method, w.http.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Encoding", "identity")
		for name, value := range header {
			r.Header.Set(name, value)
		}
		return w.send(w.http.Client(), r)
	}
	for _, path := range []string{"/", "/events", "/bodies/994413", "/api/v1/openapi.json"} {
		got := ask(http.MethodGet, path, nil)
		csp := got.header.Get("Content-Security-Policy")
		if got.status != 200 || !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || got.header.Get("X-Frame-Options") != "DENY" ||
			got.header.Get("X-Content-Type-Options") != "nosniff" || got.header.Get("Strict-Transport-Security") == "" {
			t.Errorf("GET %s: %d with %v", path, got.status, got.header)
		}
	}
	for path, want := range map[string]int{
		"/assets/none.js": 404, "/.keep": 404, "/../portal.go": 404, "/assets/..%2f..%2fgo.mod": 404, "/favicon.ico": 404,
	} {
		if got := ask(http.MethodGet, path, nil); got.status != want {
			t.Errorf("GET %s: %d, want %d", path, got.status, want)
		}
	}
	if got := ask(http.MethodPost, "/", nil); got.status != http.StatusMethodNotAllowed {
		t.Errorf("POST /: %d", got.status)
	}
	plain := ask(http.MethodGet, "/assets/app-1.js", nil)
	if !strings.Contains(plain.header.Get("Cache-Control"), "immutable") {
		t.Errorf("a hashed file: %v", plain.header)
	}
	for _, encoding := range []string{"gzip", "br"} {
		got := ask(http.MethodGet, "/assets/app-1.js", map[string]string{"Accept-Encoding": encoding})
		if got.header.Get("Content-Encoding") != encoding || len(got.body) >= len(plain.body) {
			t.Errorf("%s: %d bytes, %v", encoding, len(got.body), got.header)
		}
		if same := ask(http.MethodGet, "/assets/app-1.js", map[string]string{"Accept-Encoding": encoding, "If-None-Match": got.header.Get("ETag")}); same.status != 304 {
			t.Errorf("%s with its ETag: %d", encoding, same.status)
		}
	}
	if got := ask(http.MethodGet, "/assets/app-1.js", map[string]string{"Accept-Encoding": "br;q=0, gzip;q=0"}); got.header.Get("Content-Encoding") != "" {
		t.Errorf("a browser that refuses both got %s", got.header.Get("Content-Encoding"))
	}
	if got := ask(http.MethodGet, "/api/v1/nothing", nil); got.problem() != "not_found" {
		t.Errorf("an unknown operation: %d %s, want a problem and no screen", got.status, got.body)
	}
}
