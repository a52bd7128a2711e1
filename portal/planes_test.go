package portal

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/audit"
	"github.com/sekikura/sekikura/portal/events"
	"github.com/sekikura/sekikura/portal/home"
	"github.com/sekikura/sekikura/portal/policies"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/logs"
)

const wafOfWakaba = "/tenants/994413/policies/waf"

func (w *world) put(token, path, body, tag string) answer {
	return w.do(call{method: http.MethodPut, path: path, token: token, body: body, header: map[string]string{"If-Match": tag}})
}

func TestAPolicyIsWrittenExplainedRolledBackAndAudited(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	fresh := w.do(call{method: http.MethodGet, path: wafOfWakaba + "?explain=1", token: admin})
	s := into[policies.State](t, fresh)
	if s.ETag != `"override-0"` || fresh.header.Get("ETag") != s.ETag || s.Document != nil || !strings.Contains(fresh.body, `"document":null`) || s.Effective.Origins["/action"] != policy.Default {
		t.Fatalf("before any write: %s", fresh.body)
	}
	if got := w.do(call{method: http.MethodPut, path: wafOfWakaba, token: admin, body: `{"body":{},"change":{"reference":"1"}}`}); got.status != http.StatusPreconditionRequired {
		t.Errorf("a write without If-Match: %d %s", got.status, got.body)
	}
	for body, want := range map[string]string{
		`{"body":{"paranoia":2},"change":{}}`:                       "/change/reference reference_or_emergency",
		`{"body":{"action":"maybe"},"change":{"reference":"1"}}`:    "/action not_one_of",
		`{"body":{"paranoid":2},"change":{"reference":"1"}}`:        "/paranoid unknown_field",
		`{"body":{"paranoia":null},"change":{"reference":"1"}}`:     "/paranoia null",
		`{"mode":"sometimes","body":{},"change":{"reference":"1"}}`: "/mode not_one_of",
	} {
		got := w.put(admin, wafOfWakaba, body, `"override-0"`)
		if got.status != http.StatusUnprocessableEntity || !slices.ContainsFunc(got.entries(), func(e string) bool { return strings.HasPrefix(e, strings.Fields(want)[0]+" ") }) {
			t.Errorf("%s: %d %s, want %s", body, got.status, got.body, want)
		}
	}
	first := w.put(admin, wafOfWakaba+"?explain=1", `{"body":{"paranoia":2},"change":{"reference":"令8-0412","note":"試し"}}`, `"override-0"`)
	s = into[policies.State](t, first)
	if first.status != http.StatusOK || s.ETag != `"override-1"` || s.Effective.Origins["/paranoia"] != policy.Override || s.Document.Change.By != "tenant-admin.994413" {
		t.Fatalf("the first write: %d %s", first.status, first.body)
	}
	if got := w.put(admin, wafOfWakaba, `{"body":{},"change":{"reference":"1"}}`, `"override-0"`); got.status != http.StatusConflict || got.problem() != "stale" {
		t.Errorf("a stale write: %d %s", got.status, got.body)
	}
	second := w.put(admin, wafOfWakaba, `{"body":{"action":"detect"},"change":{"emergency":true}}`, s.ETag)
	s = into[policies.State](t, second)
	if due := s.Document.Change.ApproveBy.Sub(w.clock()); second.status != 200 || due < 23*time.Hour || due > 25*time.Hour {
		t.Errorf("an emergency: %d %s", second.status, second.body)
	}
	history := into[rest.Page[policies.Version]](t, w.do(call{method: http.MethodGet, path: wafOfWakaba + "/history", token: admin}))
	if len(history.Items) != 2 || history.Items[0].Version != 2 || !history.Items[0].Current || history.Items[1].Current || len(history.Items[0].Diff) != 2 {
		t.Errorf("history: %+v", history)
	}
	one := into[rest.Page[policies.Version]](t, w.do(call{method: http.MethodGet, path: wafOfWakaba + "/history?limit=1", token: admin}))
	two := into[rest.Page[policies.Version]](t, w.do(call{method: http.MethodGet, path: wafOfWakaba + "/history?limit=1&cursor=" + one.Next, token: admin}))
	if one.Next == "" || len(two.Items) != 1 || two.Items[0].Version != 1 || two.Next != "" {
		t.Errorf("history by pages: %+v, %+v", one, two)
	}
	back := w.do(call{method: http.MethodPost, path: wafOfWakaba + "/rollback", token: admin, body: `{"version":1,"change":{"reference":"令8-0413"}}`})
	s = into[policies.State](t, back)
	if s.Document.Version != 3 || string(s.Document.Body) != `{"paranoia":2}` {
		t.Errorf("rollback: %d %s", back.status, back.body)
	}
	if got := w.do(call{method: http.MethodPost, path: wafOfWakaba + "/rollback", token: admin, body: `{"version":9,"change":{"reference":"1"}}`}); !slices.Contains(got.entries(), "/version no_such_version") {
		t.Errorf("a rollback to nothing: %d %s", got.status, got.body)
	}
	log := into[rest.Page[audit.Record]](t, w.do(call{method: http.MethodGet, path: "/audit?action=policy.", token: admin}))
	if len(log.Items) != 3 || log.Items[0].Action != "policy.rollback" || log.Items[2].Reason != "令8-0412" || log.Items[2].Actor != "tenant-admin.994413" {
		t.Errorf("audit: %+v", log.Items)
	}
	if got := w.events.names(wakaba); !slices.Contains(got, "policy_changed") || !slices.Contains(got, "policy_rolled_back") {
		t.Errorf("events: %v", got)
	}
}

func TestABaselineLocksAndIsTheOperatorsAlone(t *testing.T) {
	w := newWorld(t)
	operator, admin := w.token(sakura, access.Operator), w.token(wakaba, access.TenantAdmin)
	const path = "/tenants/990001/policies/waf?layer=baseline&explain=1"
	const body = `{"body":{"action":"block"},"locks":["/action"],"change":{"reference":"県-1"}}`
	if got := w.put(w.token(sakura, access.TenantAdmin), path, body, `"baseline-0"`); got.status != http.StatusForbidden {
		t.Errorf("a baseline by the prefecture's own admin: %d %s", got.status, got.body)
	}
	if got := w.put(operator, "/tenants/994413/policies/waf?layer=baseline", body, `"baseline-0"`); !slices.Contains(got.entries(), "/query/layer not_an_operator") {
		t.Errorf("a baseline of a body: %d %s", got.status, got.body)
	}
	if got := w.put(operator, path, body, `"baseline-0"`); got.status != http.StatusOK {
		t.Fatalf("the baseline: %d %s", got.status, got.body)
	}
	got := w.put(admin, wafOfWakaba, `{"body":{"action":"detect"},"change":{"reference":"1"}}`, `"override-0"`)
	if !slices.Contains(got.entries(), "/action locked") {
		t.Errorf("a write on a lock: %d %s", got.status, got.body)
	}
	s := into[policies.State](t, w.do(call{method: http.MethodGet, path: wafOfWakaba + "?explain=1", token: admin}))
	if s.Baseline == nil || s.Effective.Origins["/action"] != policy.Baseline || !slices.Equal(s.Effective.Locked, []string{"/action"}) {
		t.Errorf("the body sees %+v", s)
	}
	preview := into[policies.Preview](t, w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: admin, body: `{"body":{"action":"detect"}}`}))
	if len(preview.Problems) != 1 || preview.Problems[0].Code != "locked" {
		t.Errorf("a preview of a write on a lock: %+v", preview)
	}
}

// byScore judges as a firewall with a threshold would: paranoia stands for it.
type byScore struct{}

func (byScore) Under(_ string, e policy.Effective) (func(logs.Row) (bool, bool, error), error) {
	var p wafPolicy
	if err := json.Unmarshal(e.Body, &p); err != nil {
		return nil, err
	}
	return func(r logs.Row) (bool, bool, error) {
		var score int
		_, err := fmt.Sscan(r["waf.score"], &score)
		return p.Action == "block" && score >= 10-p.Paranoia, r["waf.paranoia"] != "1" || p.Paranoia < 2, err
	}, nil
}

func TestAPreviewReplaysWhatWasStored(t *testing.T) {
	w := newWorld(t)
	w.server.Replay = &policies.Stored{Logs: w.logs, Judge: byScore{}}
	w.http.Config.Handler = w.server.Handler()
	add := func(action, score string, age time.Duration) {
		w.logs.add(wakaba, w.clock().Add(-age), action, map[string]string{
			"waf.score": score, "waf.paranoia": "1", "url.path": "/form", "waf.matches": `[{"id":942100,"msg":"SQL Injection"}]`,
		})
	}
	add("request_detected", "5", time.Hour)
	add("request_detected", "7", 2*time.Hour)
	add("request_blocked", "10", 3*time.Hour)
	add("request_detected", "9", 8*24*time.Hour) // before the period
	admin := w.token(wakaba, access.TenantAdmin)
	ask := func(body string) *policies.Replayed {
		t.Helper()
		got := w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: admin, body: `{"body":` + body + `}`})
		p := into[policies.Preview](t, got)
		if p.Replay == nil {
			t.Fatalf("no replay: %d %s", got.status, got.body)
		}
		return p.Replay
	}
	r := ask(`{"paranoia":3}`)
	if r.NewlyBlocked != 1 || r.NoLongerBlocked != 0 || r.Unknown != 1 || r.Requests != 3 || r.Samples[0].Rules[0] != "942100 SQL Injection" || r.Samples[0].Likely != "legitimate" {
		t.Errorf("a stricter draft: %+v", r)
	}
	if r := ask(`{"action":"detect"}`); r.NewlyBlocked != 0 || r.NoLongerBlocked != 1 || r.Samples[0].Likely != "attack" || r.Unknown != 0 {
		t.Errorf("a draft that only detects: %+v", r)
	}
	w.logs.err = logs.ErrUnavailable
	got := into[policies.Preview](t, w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: admin, body: `{"body":{}}`}))
	if got.Replay != nil || got.Effective == nil {
		t.Errorf("without the log store: %+v, want the effect without its replay", got)
	}
}

func TestSearchesAreAuditedWhereTheBodySeesThem(t *testing.T) {
	w := newWorld(t)
	operator, admin := w.token(sakura, access.Operator), w.token(wakaba, access.TenantAdmin)
	id := w.logs.add(wakaba, w.clock(), "request_blocked", map[string]string{"event.outcome": "blocked", "event.reference": "WB-7K2M-94QX"})
	w.do(call{method: http.MethodGet, path: "/events?q=union&tenant=994413", token: operator})
	w.do(call{method: http.MethodGet, path: "/events/histogram?q=union&tenant=994413", token: operator}) // covered by the search
	w.do(call{method: http.MethodGet, path: "/events/" + id.String(), token: operator})
	w.do(call{method: http.MethodGet, path: "/events/by-reference/wb7k2m94qx", token: operator})
	w.do(call{method: http.MethodGet, path: "/events/" + id.String(), token: admin}) // one's own: not noted
	w.do(call{method: http.MethodGet, path: "/events?q=everywhere", token: operator})
	w.do(call{method: http.MethodGet, path: "/events/export?tenant=994413", token: operator})
	log := into[rest.Page[audit.Record]](t, w.do(call{method: http.MethodGet, path: "/audit?action=event.", token: admin}))
	var actions []string
	for _, r := range log.Items {
		if r.Actor != "operator.990001" || r.ActorTenant != sakura {
			t.Errorf("record of %s by %s of %s", r.Action, r.Actor, r.ActorTenant)
		}
		actions = append(actions, r.Action)
	}
	if want := []string{"event.export", "event.read", "event.read", "event.search"}; !slices.Equal(actions, want) {
		t.Errorf("the body's chain: %v, want %v", actions, want)
	}
	if !strings.Contains(string(log.Items[3].After), `"q":"union"`) {
		t.Errorf("the search's record: %s", log.Items[3].After)
	}
	got := w.do(call{method: http.MethodGet, path: "/audit?by=operator", token: admin})
	across := into[rest.Page[audit.Record]](t, got)
	if len(across.Items) != 1 || across.Items[0].Object != "event.search" || strings.Contains(got.body, "everywhere") {
		t.Errorf("what the body sees of reads over all bodies: %s", got.body)
	}
}

func TestNoWayToTheEventsOfABodyLeavesItsChainOut(t *testing.T) {
	w := newWorld(t)
	w.server.Replay = &policies.Stored{Logs: w.logs, Judge: byScore{}}
	w.http.Config.Handler = w.server.Handler()
	operator, admin := w.token(sakura, access.Operator), w.token(wakaba, access.TenantAdmin)
	w.logs.add(wakaba, w.clock().Add(-time.Hour), "request_blocked", map[string]string{"waf.score": "10", "waf.paranoia": "1", "waf.matches": `[]`})
	noted := func(action string) int {
		t.Helper()
		return len(into[rest.Page[audit.Record]](t, w.do(call{method: http.MethodGet, path: "/audit?action=" + action, token: admin})).Items)
	}
	for range 3 {
		if got := w.do(call{method: http.MethodGet, path: "/events?tenant=994413&q=made-up&cursor=at0", token: operator}); got.status != http.StatusOK {
			t.Fatalf("a search with a cursor: %d %s", got.status, got.body)
		}
	}
	if n := noted("event.search"); n != 1 {
		t.Errorf("pages without a first page left %d records, want 1", n)
	}
	for range 3 {
		w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: operator, body: `{"body":{"action":"detect"}}`})
	}
	if n := noted("event.search"); n != 2 {
		t.Errorf("searches and previews with a replay left %d records, want 2", n)
	}
	_, narrow, err := w.server.Accounts.CreateToken(t.Context(), setUp, account.Token{
		Tenant: wakaba, Login: "tenant-admin.994413", Name: "narrow", Scopes: []access.Scope{access.PolicyRead}, Expires: w.clock().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	got := into[policies.Preview](t, w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: narrow, body: `{"body":{"action":"detect"}}`}))
	if got.Replay != nil || got.Effective == nil {
		t.Errorf("a token that may not read events got %+v, want the effect without samples", got)
	}
}

func TestANumberFindsTheEventWhosePageShowedIt(t *testing.T) {
	w := newWorld(t)
	number := map[string]string{"event.reference": "WB-7K2M-94QX"}
	shown := w.logs.add(wakaba, w.clock().Add(-time.Hour), "request_blocked", number)
	w.logs.add(wakaba, w.clock(), "request_served", number) // by chance, and nobody saw it
	got := w.do(call{method: http.MethodGet, path: "/events/by-reference/WB-7K2M-94QX", token: w.token(wakaba, access.TenantAdmin)})
	if row := into[map[string]string](t, got); row["event.id"] != shown.String() {
		t.Errorf("the number finds %s (%s), want the block %s", row["event.id"], row["event.action"], shown)
	}
}

func TestAHistogramHasEveryStep(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	for i, outcome := range []string{"passed", "blocked", "refused", "blocked"} {
		w.logs.add(wakaba, w.clock().Add(-time.Duration(i)*10*time.Minute-time.Second), "x", map[string]string{"event.outcome": outcome})
	}
	h := into[events.Histogram](t, w.do(call{method: http.MethodGet, path: "/events/histogram?since=1h&buckets=6", token: admin}))
	sum := func(counts []int64) (n int64) {
		for _, c := range counts {
			n += c
		}
		return n
	}
	if h.StepS != 600 || h.Total != 4 || h.Stopped != 3 || len(h.Series) != 2 || sum(h.Series[0].Counts) != 4 || sum(h.Series[1].Counts) != 3 {
		t.Errorf("histogram %+v", h)
	}
	if n := len(h.Series[0].Counts); n != int(h.To.Sub(h.From)/(10*time.Minute)) || n < 6 || n > 7 {
		t.Errorf("%d steps from %v to %v", n, h.From, h.To)
	}
	facets := into[events.Facets](t, w.do(call{method: http.MethodGet, path: "/events/facets?fields=event.outcome,source.ip", token: admin}))
	if len(facets.Fields) != 2 || facets.Fields[0].Values[0].Count+facets.Fields[0].Values[1].Count+facets.Fields[0].Values[2].Count != 4 || len(facets.Fields[1].Values) != 0 {
		t.Errorf("facets %+v", facets)
	}
	for path, want := range map[string]string{
		"/events?since=1y": "/query/since wrong_form", "/events?since=1h&from=2026-01-01T00:00:00Z": "/query/since since_or_from",
		"/events?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z": "/query/to before_from",
		"/events/facets?fields=a)%20or%20(b":                        "/query/fields wrong_form", "/events?cursor=x": "/query/cursor wrong_cursor",
	} {
		if got := w.do(call{method: http.MethodGet, path: path, token: admin}); !slices.Contains(got.entries(), want) {
			t.Errorf("GET %s: %d %s, want %s", path, got.status, got.body, want)
		}
	}
}

func TestExportsAreSafeToOpen(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	// The oldest has a field that the first page does not know.
	w.logs.add(wakaba, w.clock().Add(-time.Hour+time.Second), "request_blocked", map[string]string{"late.field": "v"})
	for i := range 2500 { // more than two pages
		w.logs.add(wakaba, w.clock().Add(-time.Duration(2500-i)*time.Millisecond), "request_blocked", map[string]string{
			"url.path": fmt.Sprintf("/%d", i), "user_agent.original": `=HYPERLINK("http://evil.example","x")`, "url.query": "a\tb\r\nc",
		})
	}
	got := w.do(call{method: http.MethodGet, path: "/events/export", token: admin})
	text, marked := strings.CutPrefix(got.body, "\uFEFF")
	if !marked || !strings.Contains(got.header.Get("Content-Disposition"), `attachment; filename="events-`) || strings.Count(text, "\r\n") < 2501 {
		t.Fatalf("the CSV has no mark, no name or no CRLF: %v %.100q", got.header, got.body)
	}
	rows, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 2502 || rows[0][0] != "_time" {
		t.Errorf("%d rows, the first is %v", len(rows), rows[0])
	}
	if at := rows[1][0]; !strings.HasSuffix(at, "+09:00") || len(at) != len("2026-11-25T10:42:00.000000000+09:00") {
		t.Errorf("the first time is %q, want Japan's", at)
	}
	agent := slices.Index(rows[0], "user_agent.original")
	for _, row := range rows[1:2500] {
		if strings.HasPrefix(row[agent], "=") {
			t.Fatalf("a formula left: %v", row)
		}
	}
	if last := rows[2501]; !strings.Contains(last[len(last)-1], `"late.field":"v"`) {
		t.Errorf("the field that came late is not in %v", last)
	}
	got = w.do(call{method: http.MethodGet, path: "/events/export?format=ltsv&limit=1500", token: admin})
	if lines := strings.Split(strings.TrimSpace(got.body), "\n"); len(lines) != 1500 || !strings.Contains(lines[0], "\turl.query:a b  c") {
		t.Errorf("%d lines of LTSV, the first %.300q", len(lines), strings.SplitN(got.body, "\n", 2)[0])
	}
	got = w.do(call{method: http.MethodGet, path: "/events/export?format=json", token: admin})
	if all := into[[]map[string]string](t, got); len(all) != 2501 {
		t.Errorf("%d events of JSON", len(all))
	}
	empty := w.do(call{method: http.MethodGet, path: "/events/export?format=json&since=1s", token: w.token(hanami, access.TenantAdmin)})
	if all := into[[]map[string]string](t, empty); len(all) != 0 {
		t.Errorf("an empty export: %s", empty.body)
	}
}

func TestHomeSaysSafeOnlyWhenEverythingBuiltIsSeen(t *testing.T) {
	w := newWorld(t)
	edge := role.Ready
	alive := true
	w.server.Status = func() (role.Status, bool, error) {
		return role.Status{Groups: []role.GroupStatus{{Name: "edge", State: edge}}}, alive, nil
	}
	backup, backupErr := home.Backup{Time: w.clock(), OK: true}, error(nil)
	w.server.LastBackup = func(context.Context) (home.Backup, error) { return backup, backupErr }
	w.http.Config.Handler = w.server.Handler()
	admin := w.token(wakaba, access.TenantAdmin)
	ask := func() home.Home {
		t.Helper()
		return into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: admin}))
	}
	expect := func(what, answer, reason, web string) {
		t.Helper()
		h := ask()
		if h.Answer != answer || h.ReasonCode != reason || h.Services[2].State != web {
			t.Errorf("%s: %s because %s, web %s; want %s, %s, %s", what, h.Answer, h.ReasonCode, h.Services[2].State, answer, reason, web)
		}
	}
	expect("all well", "safe", "all_ok", "ok")
	if h := ask(); h.View != "tenant" || h.Services[0].State != "not_built" || h.Contact.Phone != "0000-00-0000" || len(h.Todo) != 1 || h.Todo[0].Code != "set_up_totp" {
		t.Errorf("the page is %+v", h)
	}
	edge = role.NotReady
	expect("the edge is not ready", "unknown", "web_edge_down", "unknown")
	edge, alive = role.Ready, false
	expect("the supervisor has ended", "unknown", "web_edge_down", "unknown")
	alive = true
	w.logs.err = logs.ErrUnavailable
	expect("the log store is away", "unknown", "logs_unavailable", "unknown")
	if h := ask(); len(h.Numbers) != 0 {
		t.Errorf("numbers without the log store: %+v, want none rather than zeros", h.Numbers)
	}
	w.logs.err = nil
	backup.Time = w.clock().Add(-30 * time.Hour)
	expect("the backup is late", "safe", "backup_late", "ok")
	backupErr = fmt.Errorf("no answer")
	expect("the backup is not seen", "unknown", "backup_unknown", "ok")
	backup, backupErr = home.Backup{Time: w.clock(), OK: true}, nil
	w.logs.add(wakaba, w.clock().Add(-time.Minute), "origin_failed", map[string]string{"service": "site"})
	expect("the body's server does not answer", "act", "web_origin_down", "act")
	w.logs.add(wakaba, w.clock().Add(-time.Minute), "request_served", map[string]string{"service": "site"})
	expect("it answers sometimes", "safe", "web_origin_shaky", "watch")
	w.pass(20 * time.Minute)
	w.put(admin, wafOfWakaba, `{"body":{"action":"detect"},"change":{"emergency":true}}`, `"override-0"`)
	expect("the firewall only detects", "safe", "web_detect_only", "watch")
	if h := ask(); h.Todo[0].Code == "approve_emergency" {
		t.Errorf("one's own emergency change is to be approved: %+v", h.Todo)
	}
	w.put(w.token(sakura, access.Operator), wafOfWakaba, `{"body":{"action":"detect","paranoia":2},"change":{"emergency":true}}`, `"override-1"`)
	if h := ask(); h.Todo[0].Code != "approve_emergency" || h.Todo[0].Due.IsZero() {
		t.Errorf("what to do: %+v", h.Todo)
	}
	w.do(call{method: http.MethodPost, path: wafOfWakaba + "/approve", token: admin, body: `{"version":2,"reference":"令8-0500"}`})
	history := into[rest.Page[policies.Version]](t, w.do(call{method: http.MethodGet, path: wafOfWakaba + "/history", token: admin}))
	if a := history.Items[0].Approval; a == nil || a.Reference != "令8-0500" || history.Items[1].Approval != nil {
		t.Errorf("the history after the approval: %+v", history.Items)
	}
}

func TestTheUsualBandIsTheSameHoursOfTheWeeksBefore(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	attacks := func() home.Number {
		return into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: admin})).Numbers[0]
	}
	if n := attacks(); n.Usual != nil || n.UsualDaysLeft != 15 || n.Value != 0 {
		t.Errorf("with no event ever: %+v", n)
	}
	day := 24 * time.Hour
	add := func(count int, age time.Duration) {
		for range count {
			w.logs.add(wakaba, w.clock().Add(-age), "request_blocked", nil)
		}
	}
	add(1, 10*day)
	if n := attacks(); n.Usual != nil || n.UsualDaysLeft != 5 {
		t.Errorf("with events of ten days: %+v, want 5 days left", n)
	}
	w = newWorld(t)
	admin = w.token(wakaba, access.TenantAdmin)
	add(1, 22*day) // three weeks are covered, and the day before the third
	add(3, 7*day+time.Hour)
	add(7, 14*day+time.Hour)
	add(5, 21*day+time.Hour)
	add(99, 9*day) // another weekday
	add(4, time.Hour)
	if n := attacks(); n.Value != 4 || n.Usual == nil || n.Usual.Low != 3 || n.Usual.High != 7 || n.UsualDaysLeft != 0 {
		t.Errorf("with three weeks: %+v %+v, want 4 within 3 to 7", n, n.Usual)
	}
}

func TestTheOperatorSeesEveryBodyAndWhatRuns(t *testing.T) {
	w := newWorld(t)
	operator := w.token(sakura, access.Operator)
	w.logs.add(hanami, w.clock().Add(-time.Minute), "origin_failed", nil)
	w.put(w.token(wakaba, access.TenantAdmin), wafOfWakaba, `{"body":{},"change":{"emergency":true}}`, `"override-0"`)
	h := into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: operator}))
	if h.View != "operator" || h.Answer != "act" || len(h.Bodies) != 3 || len(h.Clocks) != 1 || h.Clocks[0].Tenant != wakaba {
		t.Errorf("the page is %+v", h)
	}
	for _, b := range h.Bodies {
		if want := map[bool]string{true: "act", false: "ok"}[b.Tenant == hanami]; b.State != want {
			t.Errorf("%s is %s (%s), want %s", b.Name, b.State, b.ReasonCode, want)
		}
	}
	s := into[home.Status](t, w.do(call{method: http.MethodGet, path: "/status", token: operator}))
	if len(s.Parts) != 2 || s.Parts[0].State != "up" || s.Parts[1].State != "absent" || s.Version != "test" {
		t.Errorf("status %+v", s)
	}
	sites := into[home.Sites](t, w.do(call{method: http.MethodGet, path: "/sites", token: operator}))
	if len(sites.Items) != 2 || sites.Items[0].Mode != "ours/block" {
		t.Errorf("sites %+v", sites)
	}
}

func TestTheOperatorSeesWhereNothingIsStopped(t *testing.T) {
	w := newWorld(t)
	admin, operator := w.token(wakaba, access.TenantAdmin), w.token(sakura, access.Operator)
	for version, tt := range []struct{ body, reason string }{
		{`{"mode":"off","body":{},"change":{"reference":"R-1"}}`, "web_off"},
		{`{"mode":"other","body":{},"change":{"reference":"R-2"}}`, "web_other"},
		{`{"mode":"ours","body":{"action":"detect"},"change":{"reference":"R-3"}}`, "web_detect_only"},
	} {
		w.put(admin, wafOfWakaba, tt.body, fmt.Sprintf(`"override-%d"`, version))
		for _, b := range into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: operator})).Bodies {
			if b.Tenant == wakaba && (b.State != "watch" || b.ReasonCode != tt.reason) {
				t.Errorf("%s: %s because %s, want watch because %s", tt.body, b.State, b.ReasonCode, tt.reason)
			}
		}
	}
	// A request that was only recorded reached the body's server all the same.
	w.logs.add(wakaba, w.clock().Add(-time.Minute), "request_detected", nil)
	w.logs.add(wakaba, w.clock().Add(-time.Minute), "origin_failed", nil)
	h := into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: admin}))
	if h.Answer == "act" || h.Numbers[1].Value != 2 {
		t.Errorf("with a recorded request that passed: %s because %s, %d requests; want no outage and 2", h.Answer, h.ReasonCode, h.Numbers[1].Value)
	}
}

// outgrown is a service whose stored policies this program cannot read any more.
type outgrown struct{ policy.Kind }

func (outgrown) Explain(*policy.Document, *policy.Document) (policy.Effective, []policy.Problem) {
	return policy.Effective{}, []policy.Problem{policy.At("schema").Is("unknown_schema", 2, 1)}
}

func TestAPolicyThatCannotBeReadIsNotCalledSafe(t *testing.T) {
	w := newWorld(t)
	admin, operator := w.token(wakaba, access.TenantAdmin), w.token(sakura, access.Operator)
	for i, k := range w.server.Documents.Kinds {
		if k.Service() == "waf" {
			w.server.Documents.Kinds[i] = outgrown{k}
		}
	}
	h := into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: admin}))
	if h.Answer != "unknown" || h.ReasonCode != "web_policy_unknown" {
		t.Errorf("the body's page says %s because %s, want unknown", h.Answer, h.ReasonCode)
	}
	for _, b := range into[home.Home](t, w.do(call{method: http.MethodGet, path: "/home", token: operator})).Bodies {
		if b.Tenant == wakaba && b.State != "unknown" {
			t.Errorf("the operator's page says %s because %s, want unknown", b.State, b.ReasonCode)
		}
	}
}

func TestAuditPagesHoldTogetherAndTheChainVerifies(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	for i := range 250 {
		err := w.db.Change(ctx, wakaba, setUp, func(tx *store.Tx) error {
			tx.Audit(store.Audit{Action: "test.note", Object: fmt.Sprintf("n%d", i), Reason: map[bool]string{true: "=needle", false: ""}[i%100 == 7]})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	auditor := w.token(wakaba, access.Auditor)
	seen := map[int64]bool{}
	cursor, pages := "", 0
	for {
		p := into[rest.Page[audit.Record]](t, w.do(call{method: http.MethodGet, path: "/audit?action=test.note&limit=60&cursor=" + cursor, token: auditor}))
		for _, r := range p.Items {
			if seen[r.Seq] {
				t.Errorf("record %d stands on two pages", r.Seq)
			}
			seen[r.Seq] = true
		}
		pages++
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if len(seen) != 250 || pages != 5 {
		t.Errorf("%d records on %d pages, want 250 on 5", len(seen), pages)
	}
	cursor = ""
	found := 0
	for range 10 {
		p := into[rest.Page[audit.Record]](t, w.do(call{method: http.MethodGet, path: "/audit?q=NEEDLE&limit=1&cursor=" + cursor, token: auditor}))
		found += len(p.Items)
		if cursor = p.Next; cursor == "" {
			break
		}
	}
	if found != 3 {
		t.Errorf("the needle was found %d times, want 3", found)
	}
	v := into[audit.Verified](t, w.do(call{method: http.MethodGet, path: "/audit/verify", token: auditor}))
	if !v.OK || v.Records < 250 || v.Head == "" || v.FirstBroken != nil {
		t.Errorf("verified %+v", v)
	}
	csvText := w.do(call{method: http.MethodGet, path: "/audit/export?action=test.note", token: auditor})
	rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(csvText.body, "\uFEFF"))).ReadAll()
	if err != nil || len(rows) != 251 || strings.Contains(csvText.body, ",=needle") {
		t.Errorf("the export has %d rows, %v", len(rows), err)
	}
}

func TestARequestThatBreaksLeavesTheOthersAlone(t *testing.T) {
	w := newWorld(t)
	admin := w.token(wakaba, access.TenantAdmin)
	w.server.Status = func() (role.Status, bool, error) { panic("broken") }
	w.http.Config.Handler = w.server.Handler()
	if got := w.do(call{method: http.MethodGet, path: "/home", token: admin}); got.status != http.StatusInternalServerError || !strings.Contains(got.body, "PT-") || strings.Contains(got.body, "broken") {
		t.Errorf("the one that breaks: %d %s", got.status, got.body)
	}
	if got := w.do(call{method: http.MethodGet, path: "/tenants", token: admin}); got.status != http.StatusOK {
		t.Errorf("another: %d %s", got.status, got.body)
	}
}
