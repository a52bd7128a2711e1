package portal

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/tenant"
)

// fixture is a request that its owner can make, and that must not exist for
// anybody else. Its world is fresh.
type fixture struct {
	owner access.Role // 0 is tenant_admin
	of    tenant.ID   // "" is wakaba
	make  func(w *world, token string) call
}

func get(path string) func(*world, string) call {
	return func(*world, string) call { return call{method: http.MethodGet, path: path} }
}

// ofWakaba are requests of 若葉村's administrator, or of さくら県's operator,
// by operation. An operation of the API that stands neither here nor in noWall
// fails the test.
func fixtures() map[string]fixture {
	operator := func(make func(w *world, token string) call) fixture {
		return fixture{owner: access.Operator, of: sakura, make: make}
	}
	admin := func(make func(w *world, token string) call) fixture { return fixture{make: make} }
	withUser := func(method, path, body string) fixture {
		return admin(func(w *world, token string) call {
			w.account(wakaba, "hanako", access.TenantStaff)
			c := call{method: method, path: "/tenants/994413/users/hanako" + path, body: body}
			if method == http.MethodPut {
				tag := w.do(call{method: http.MethodGet, path: c.path, token: token}).header.Get("ETag")
				c.header = map[string]string{"If-Match": tag}
			}
			return c
		})
	}
	const document = `{"body":{"paranoia":2},"change":{"reference":"令8-0412"}}`
	return map[string]fixture{
		"revoke-token": admin(func(w *world, _ string) call {
			w.account(wakaba, "robot", access.TenantAdmin)
			return call{method: http.MethodDelete, path: "/tokens/" + w.ownTokenID(wakaba, "tenant-admin.994413")}
		}),
		"create-tenant": operator(func(*world, string) call {
			return call{method: http.MethodPost, path: "/tenants", body: `{"id":"x-kumiai","operator":"990001","name":"組合","kind":"union","contact":{}}`}
		}),
		"get-tenant": admin(get("/tenants/994413")),
		"put-tenant": operator(func(w *world, token string) call {
			tag := w.do(call{method: http.MethodGet, path: "/tenants/994413", token: token}).header.Get("ETag")
			return call{
				method: http.MethodPut, path: "/tenants/994413", header: map[string]string{"If-Match": tag},
				body: `{"id":"994413","operator":"990001","name":"若葉村役場","kind":"municipality","contact":{}}`,
			}
		}),
		"list-users": admin(get("/tenants/994413/users")),
		"create-user": admin(func(*world, string) call {
			return call{method: http.MethodPost, path: "/tenants/994413/users", body: `{"login":"taro","name":"太郎","role":"tenant_staff"}`}
		}),
		"get-user":    withUser(http.MethodGet, "", ""),
		"put-user":    withUser(http.MethodPut, "", `{"name":"花子","role":"tenant_staff"}`),
		"delete-user": withUser(http.MethodDelete, "", ""),
		"reset-user":  withUser(http.MethodPost, "/reset", `{"totp":true}`),
		"get-policy":  admin(get("/tenants/994413/policies/waf?explain=1")),
		"put-policy": admin(func(*world, string) call {
			return call{method: http.MethodPut, path: "/tenants/994413/policies/waf", body: document, header: map[string]string{"If-Match": `"override-0"`}}
		}),
		"preview-policy": admin(func(*world, string) call {
			return call{method: http.MethodPost, path: "/tenants/994413/policies/waf/preview", body: `{"body":{"paranoia":3}}`}
		}),
		"policy-history": admin(get("/tenants/994413/policies/waf/history")),
		"rollback-policy": admin(func(w *world, token string) call {
			put := w.do(call{
				method: http.MethodPut, path: "/tenants/994413/policies/waf", token: token, body: document,
				header: map[string]string{"If-Match": `"override-0"`},
			})
			if put.status != http.StatusOK {
				w.t.Fatalf("writing a policy to roll back: %d %s", put.status, put.body)
			}
			return call{method: http.MethodPost, path: "/tenants/994413/policies/waf/rollback", body: `{"version":1,"change":{"reference":"令8-0413"}}`}
		}),
		"approve-policy": admin(func(w *world, _ string) call {
			w.account(wakaba, "writer", access.TenantAdmin)
			_, writer, err := w.server.Accounts.CreateToken(context.Background(), setUp, account.Token{
				Tenant: wakaba, Login: "writer", Name: "test", Scopes: access.Scopes(access.TenantAdmin), Expires: w.clock().Add(time.Hour),
			})
			if err != nil {
				w.t.Fatal(err)
			}
			if put := w.put(writer, "/tenants/994413/policies/waf", `{"body":{"paranoia":2},"change":{"emergency":true}}`, `"override-0"`); put.status != http.StatusOK {
				w.t.Fatalf("writing a policy to approve: %d %s", put.status, put.body)
			}
			return call{method: http.MethodPost, path: "/tenants/994413/policies/waf/approve", body: `{"version":1,"reference":"令8-0414"}`}
		}),
		"get-policy-rules": admin(get("/tenants/994413/policy-rules")),
		"put-policy-rules": operator(func(*world, string) call {
			return call{method: http.MethodPut, path: "/tenants/990001/policy-rules", body: `{"reference_mandatory":true,"reason":"令8-1"}`}
		}),
		"search-events":    admin(get("/events?tenant=994413")),
		"events-histogram": admin(get("/events/histogram?tenant=994413")),
		"events-facets":    admin(get("/events/facets?tenant=994413")),
		"export-events":    admin(get("/events/export?tenant=994413")),
		"get-event": admin(func(w *world, _ string) call {
			id := w.logs.add(wakaba, w.clock(), "request_blocked", nil)
			return call{method: http.MethodGet, path: "/events/" + id.String()}
		}),
		"event-by-reference": admin(func(w *world, _ string) call {
			w.logs.add(wakaba, w.clock(), "request_blocked", map[string]string{"event.reference": "WB-7K2M-94QX"})
			return call{method: http.MethodGet, path: "/events/by-reference/WB-7K2M-94QX"}
		}),
		"sites":        admin(get("/sites?tenant=994413")),
		"list-audit":   admin(get("/audit?tenant=994413")),
		"verify-audit": admin(get("/audit/verify?tenant=994413")),
		"export-audit": admin(get("/audit/export?tenant=994413")),
	}
}

func (w *world) ownTokenID(id tenant.ID, login string) string {
	all, err := w.server.Accounts.Tokens(context.Background(), id, login)
	if err != nil || len(all) == 0 {
		w.t.Fatalf("no token of %s: %v", login, err)
	}
	// Not the one that the owner asks with, which is the newest.
	_, _, err = w.server.Accounts.CreateToken(context.Background(), setUp, account.Token{
		Tenant: id, Login: login, Name: "spare", Scopes: []access.Scope{access.HomeRead}, Expires: w.clock().Add(time.Hour),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	all, err = w.server.Accounts.Tokens(context.Background(), id, login)
	if err != nil {
		w.t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(t account.Token) bool { return t.Name == "spare" })
	return all[i].ID
}

// noWall are the operations that name nothing of a body, so that there is
// nothing foreign to ask for; each says what proves it instead.
func noWall() map[string]string {
	return map[string]string{
		"login":           "nobody is known yet: TestLogin…",
		"me":              "shows the caller alone: TestOwnOperationsShowTheCallerAlone",
		"logout":          "ends the caller's session alone: TestLogoutEndsTheSession",
		"change-password": "the caller's own; needs a session: TestTokensCannotChangeTheAccount",
		"begin-totp":      "the caller's own; needs a session: TestTokensCannotChangeTheAccount",
		"confirm-totp":    "the caller's own; needs a session: TestTokensCannotChangeTheAccount",
		"end-totp":        "the caller's own; needs a session: TestTokensCannotChangeTheAccount",
		"list-tokens":     "the caller's own: TestOwnOperationsShowTheCallerAlone",
		"create-token":    "the caller's own: TestTokenRightsNeverGrow",
		"list-tenants":    "lists what is within reach: TestListsHoldNothingForeign",
		"home":            "made of what is within reach: TestListsHoldNothingForeign",
		"list-services":   "the program's own, the same for everybody",
		"status":          "the machine's own: TestTheMachineIsTheOperatorsAffair",
		"list-backups":    "the installation's: TestTheMachineIsTheOperatorsAffair",
		"run-backup":      "the installation's: TestTheMachineIsTheOperatorsAffair",
		"run-drill":       "the installation's: TestTheMachineIsTheOperatorsAffair",
		"get-job":         "the installation's: TestTheMachineIsTheOperatorsAffair",
	}
}

type operation struct {
	ID    string `json:"operationId"`
	Scope string `json:"x-scope"`
}

// operations are all of the API's, from its document.
func operations(t *testing.T) []operation {
	t.Helper()
	var document struct {
		Paths map[string]map[string]operation `json:"paths"`
	}
	if err := json.Unmarshal(OpenAPI(), &document); err != nil {
		t.Fatal(err)
	}
	var all []operation
	for _, path := range slices.Sorted(maps.Keys(document.Paths)) {
		for _, method := range slices.Sorted(maps.Keys(document.Paths[path])) {
			all = append(all, document.Paths[path][method])
		}
	}
	if len(all) < 40 {
		t.Fatalf("the document has only %d operations", len(all))
	}
	return all
}

// TestTheTenantWall asks for every operation as somebody else: first as every
// foreigner, who must get 404 and change nothing, then as its owner with the
// same address and body, who must succeed, so that the 404 meant the wall.
func TestTheTenantWall(t *testing.T) {
	all := fixtures()
	for _, op := range operations(t) {
		if op.Scope == "" {
			t.Errorf("%s declares no x-scope", op.ID)
		}
		f, walled := all[op.ID]
		delete(all, op.ID)
		if _, exempt := noWall()[op.ID]; exempt == walled {
			t.Errorf("%s stands in fixtures: %v, in noWall: %v; it must stand in one", op.ID, walled, exempt)
			continue
		}
		if !walled {
			continue
		}
		t.Run(op.ID, func(t *testing.T) {
			t.Parallel()
			besiege(t, f)
		})
	}
	for id := range all {
		t.Errorf("the fixture %s is of no operation", id)
	}
}

func besiege(t *testing.T, f fixture) {
	w := newWorld(t)
	owner, of := f.owner, f.of
	if owner == "" {
		owner = access.TenantAdmin
	}
	if of == "" {
		of = wakaba
	}
	token := w.token(of, owner)
	foreigners := map[string]string{
		"operator of another prefecture": w.token(momiji, access.Operator),
		"soc of another prefecture":      w.token(momiji, access.SOC),
		"auditor of another prefecture":  w.token(momiji, access.Auditor),
		"body of another prefecture":     w.token(kaede, access.TenantAdmin),
		"admin of another body":          w.token(hanami, access.TenantAdmin),
		"clerk of another body":          w.token(hanami, access.TenantStaff),
		"auditor of another body":        w.token(hanami, access.Auditor),
		"vendor of another body":         w.token(hanami, access.Vendor),
	}
	if of == sakura { // a prefecture's own objects
		foreigners["admin of the prefecture's own offices"] = w.token(sakura, access.TenantAdmin)
		if strings.HasPrefix(string(owner), "operator") {
			// May see the objects, and not write them: 403 is right for them.
			delete(foreigners, "admin of the prefecture's own offices")
		}
	}
	c := f.make(w, token)
	before := w.dump()
	for who, foreign := range foreigners {
		c := c
		c.token = foreign
		if strings.Contains(c.path, "/tenants") && c.method == http.MethodPost && c.path == "/tenants" && who != "operator of another prefecture" {
			continue // nothing in the address is foreign: 403 for want of the scope
		}
		if strings.HasPrefix(c.path, "/tokens/") && !slices.Contains(access.Scopes(roleOf(who)), access.TokenOwn) {
			continue // likewise
		}
		if byOwnSearch(c.path) && !slices.Contains(access.Scopes(roleOf(who)), access.EventRead) {
			continue // likewise
		}
		got := w.do(c)
		if got.status != http.StatusNotFound || got.problem() != "not_found" {
			t.Errorf("%s %s as %s: %d %s, want 404", c.method, c.path, who, got.status, got.body)
		}
	}
	changed(t, "foreigners", before, w.dump())
	c.token = token
	if got := w.do(c); got.status < 200 || got.status > 299 {
		t.Errorf("%s %s as its owner: %d %s, want success", c.method, c.path, got.status, got.body)
	}
}

// byOwnSearch tells of addresses that name an event, which is looked for within
// the caller's reach.
func byOwnSearch(path string) bool {
	u, err := url.Parse(path)
	if err != nil {
		return false
	}
	rest, events := strings.CutPrefix(u.Path, "/events/")
	return events && !slices.Contains([]string{"histogram", "facets", "export"}, rest)
}

func roleOf(who string) access.Role {
	return map[string]access.Role{
		"operator": access.Operator, "soc": access.SOC, "auditor": access.Auditor, "body": access.TenantAdmin,
		"admin": access.TenantAdmin, "clerk": access.TenantStaff, "vendor": access.Vendor,
	}[strings.Fields(who)[0]]
}

func changed(t *testing.T, who string, before, after map[string]string) {
	t.Helper()
	for table := range after {
		if before[table] != after[table] {
			t.Errorf("refused requests of the %s changed the table %s:\n got %s\nwant %s", who, table, after[table], before[table])
		}
	}
}

func TestListsHoldNothingForeign(t *testing.T) {
	w := newWorld(t)
	w.logs.add(hanami, w.clock().Add(-time.Minute), "request_blocked", map[string]string{"event.outcome": "blocked"})
	for _, tt := range []struct {
		token         string
		sees, foreign []tenant.ID
	}{
		{w.token(wakaba, access.TenantAdmin), []tenant.ID{wakaba}, []tenant.ID{hanami, momiji, kaede}},
		{w.token(wakaba, access.TenantStaff), []tenant.ID{wakaba}, []tenant.ID{hanami, momiji, kaede}},
		{w.token(wakaba, access.Auditor), []tenant.ID{wakaba}, []tenant.ID{hanami, momiji, kaede}},
		{w.token(sakura, access.TenantAdmin), []tenant.ID{sakura}, []tenant.ID{wakaba, hanami, momiji, kaede}},
		{w.token(sakura, access.Operator), []tenant.ID{sakura, wakaba, hanami}, []tenant.ID{momiji, kaede}},
		{w.token(momiji, access.SOC), []tenant.ID{momiji, kaede}, []tenant.ID{sakura, wakaba, hanami}},
	} {
		got := w.do(call{method: http.MethodGet, path: "/tenants", token: tt.token})
		for _, id := range tt.sees {
			if !strings.Contains(got.body, `"id":"`+string(id)+`"`) {
				t.Errorf("GET /tenants for %v lacks %s: %s", tt.sees, id, got.body)
			}
		}
		for _, path := range []string{"/tenants", "/home", "/sites", "/events", "/events/facets?fields=tenant", "/events/export?format=json"} {
			got := w.do(call{method: http.MethodGet, path: path, token: tt.token})
			for _, id := range tt.foreign {
				name := bodies()[slices.IndexFunc(bodies(), func(b tenant.Tenant) bool { return b.ID == id })].Name
				if got.status == http.StatusOK && (strings.Contains(got.body, `"`+string(id)+`"`) && !strings.Contains(got.body, `"operator":"`+string(id)+`"`) || strings.Contains(got.body, name)) {
					t.Errorf("GET %s for %v names %s: %s", path, tt.sees, id, got.body)
				}
			}
		}
	}
	for _, s := range w.logs.scopes {
		for _, id := range s.Tenants {
			if b, _ := w.server.Directory.Get(id); b.Operator != s.Operator {
				t.Errorf("the log store was asked for %s under %s", id, s.Operator)
			}
		}
	}
}

func TestTheMachineIsTheOperatorsAffair(t *testing.T) {
	w := newWorld(t)
	operator, admin := w.token(sakura, access.Operator), w.token(wakaba, access.TenantAdmin)
	for _, c := range []call{
		{method: http.MethodGet, path: "/status"},
		{method: http.MethodGet, path: "/backups"},
		{method: http.MethodPost, path: "/backups"},
		{method: http.MethodPost, path: "/backups/drill"},
		{method: http.MethodGet, path: "/jobs/job1"},
	} {
		c.token = admin
		if got := w.do(c); got.status != http.StatusForbidden {
			t.Errorf("%s %s as a body: %d, want 403", c.method, c.path, got.status)
		}
		c.token = w.token(wakaba, access.Auditor)
		before := w.dump()
		if got := w.do(c); c.path != "/status" && got.status != http.StatusForbidden && got.status != http.StatusNotFound {
			t.Errorf("%s %s as a body's auditor: %d, want 403 or 404", c.method, c.path, got.status)
		}
		changed(t, "body", before, w.dump())
		c.token = operator
		if got := w.do(c); got.status > 299 {
			t.Errorf("%s %s as operator: %d %s", c.method, c.path, got.status, got.body)
		}
	}
	if got, want := w.jobs.started, []string{"backup", "drill"}; !slices.Equal(got, want) {
		t.Errorf("jobs started: %v, want %v", got, want)
	}
	if got := w.do(call{method: http.MethodGet, path: "/jobs/other", token: operator}); got.status != http.StatusNotFound {
		t.Errorf("a job that does not exist: %d, want 404", got.status)
	}
}
