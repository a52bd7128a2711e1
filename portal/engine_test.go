package portal

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/events"
	"github.com/sekikura/sekikura/portal/home"
	"github.com/sekikura/sekikura/portal/policies"
	"github.com/sekikura/sekikura/store/logs/logstest"
	"github.com/sekikura/sekikura/tenant"
)

// TestEverythingThatIsAskedOfTheLogStoreIsUnderstood runs the portal on the real
// engine: the queries that the portal writes itself are its contract with it.
func TestEverythingThatIsAskedOfTheLogStoreIsUnderstood(t *testing.T) {
	engine := logstest.Start(t)
	w := newWorldOn(t, engine.Client)
	w.server.Replay = &policies.Stored{Logs: engine.Client, Judge: byScore{}}
	w.http.Config.Handler = w.server.Handler()
	var rows []byte
	var blocked event.ID
	add := func(id tenant.ID, age time.Duration, service, name, outcome string, more ...slog.Attr) event.ID {
		at := w.clock().Add(-age)
		e := event.Event{ID: event.NewID(at), Time: at, Tenant: id, Service: service, Name: name, Fields: append([]slog.Attr{
			slog.String("event.outcome", outcome), slog.String("url.domain", "www.vill.wakaba.example"), slog.String("url.path", "/form"),
			slog.String("source.ip", "192.0.2.7"), slog.String("event.reference", event.NewID(at).Reference("WB")),
		}, more...)}
		rows = e.AppendRow(rows)
		return e.ID
	}
	for i := range 30 {
		add(wakaba, time.Duration(i)*time.Minute+time.Second, "site", "request_served", "passed")
	}
	for i := range 5 {
		blocked = add(wakaba, time.Duration(i)*time.Minute+2*time.Second, "waf", "request_blocked", "blocked",
			slog.Int("waf.score", 10), slog.Int("waf.paranoia", 1), slog.String("waf.matches", `[{"id":942100,"msg":"SQL Injection","payload":"' OR 1=1"}]`))
	}
	add(wakaba, 3*time.Minute, "waf", "request_detected", "detected",
		slog.Int("waf.score", 8), slog.Int("waf.paranoia", 2), slog.String("waf.matches", `[{"id":942200,"msg":"SQL Comment"}]`))
	for i := range 4 {
		add(hanami, time.Duration(i)*time.Minute+time.Second, "site", "origin_failed", "failed")
	}
	for week := 1; week <= 4; week++ {
		for range week {
			add(wakaba, time.Duration(week)*7*24*time.Hour+time.Hour, "waf", "request_blocked", "blocked", slog.Int("waf.score", 10), slog.Int("waf.paranoia", 1))
		}
	}
	add(wakaba, 30*24*time.Hour, "site", "request_served", "passed")
	if _, err := engine.Client.Insert(t.Context(), sakura, rows); err != nil {
		t.Fatal(err)
	}
	if err := engine.Client.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	admin, operator := w.token(wakaba, access.TenantAdmin), w.token(sakura, access.Operator)
	ask := func(token, path string) answer {
		t.Helper()
		got := w.do(call{method: http.MethodGet, path: path, token: token})
		if got.status != http.StatusOK {
			t.Fatalf("GET %s: %d %s", path, got.status, got.body)
		}
		return got
	}
	for path, want := range map[string]int{
		"/events?since=1h": 36, "/events?since=1h&service=waf": 6, "/events?since=1h&service=waf&action=request_blocked": 5,
		"/events?since=1h&outcome=detected": 1, "/events?since=1h&q=" + url.QueryEscape(`"OR 1=1"`): 5,
		"/events?since=1h&q=" + url.QueryEscape(`"SQL Comment" OR "no such phrase"`) + "&service=waf": 1,
		"/events?since=1h&q=" + url.QueryEscape(`service:site | stats by (source.ip) count() n`):      1,
		"/events?since=1h&q=" + url.QueryEscape(`tenant:992011 OR {tenant="992011"}`):                 0,
	} {
		if got := len(into[events.Found](t, ask(admin, path)).Events); got != want {
			t.Errorf("GET %s: %d events, want %d", path, got, want)
		}
	}
	page := into[events.Found](t, ask(admin, "/events?since=1h&limit=20"))
	rest := into[events.Found](t, ask(admin, "/events?since=1h&limit=20&cursor="+page.Next))
	if len(page.Events) != 20 || len(rest.Events) != 16 || rest.Next != "" || page.Events[0]["_time"] < rest.Events[0]["_time"] {
		t.Errorf("pages of %d and %d, next %q", len(page.Events), len(rest.Events), rest.Next)
	}
	if h := into[events.Histogram](t, ask(admin, "/events/histogram?since=1h")); h.Total != 36 || h.Stopped != 5 {
		t.Errorf("histogram: %d, stopped %d, want 36 and 5", h.Total, h.Stopped)
	}
	f := into[events.Facets](t, ask(admin, "/events/facets?since=1h&fields=service,event.outcome,source.ip,no.such.field"))
	if fmt.Sprint(f.Fields) != "[{service [{site 30} {waf 6}]} {event.outcome [{passed 30} {blocked 5} {detected 1}]} {source.ip [{192.0.2.7 36}]} {no.such.field []}]" {
		t.Errorf("facets: %v", f.Fields)
	}
	one := into[events.Event](t, ask(operator, "/events/"+blocked.String()))
	if again := into[events.Event](t, ask(admin, "/events/by-reference/"+one["event.reference"])); again["event.id"] != blocked.String() {
		t.Errorf("by reference: %v", again)
	}
	h := into[home.Home](t, ask(admin, "/home"))
	if h.Answer != "safe" || h.Numbers[0].Value != 5 || h.Numbers[1].Value != 36 || h.Numbers[0].Usual == nil || h.Numbers[0].Usual.Low != 1 || h.Numbers[0].Usual.High != 4 {
		t.Errorf("home: %+v", h)
	}
	all := into[home.Home](t, ask(operator, "/home"))
	for _, b := range all.Bodies {
		if b.Tenant == hanami && b.State != "act" || b.Tenant == wakaba && (b.Numbers.Blocked != 5 || b.State != "ok") {
			t.Errorf("%s: %+v", b.Name, b)
		}
	}
	sites := into[home.Sites](t, ask(admin, "/sites"))
	if s := sites.Items[0]; s.Blocked24h != 5 || s.Requests24h != 36 || w.clock().Sub(s.LastAttack) > 3*time.Second {
		t.Errorf("site: %+v", s)
	}
	if csv := ask(admin, "/events/export?since=1h").body; strings.Count(csv, "\r\n") != 37 {
		t.Errorf("the export has %d lines", strings.Count(csv, "\r\n"))
	}
	p := into[policies.Preview](t, w.do(call{method: http.MethodPost, path: wafOfWakaba + "/preview", token: admin, body: `{"body":{"paranoia":2}}`}))
	if p.Replay == nil || p.Replay.Requests != 36 || p.Replay.NewlyBlocked != 1 || p.Replay.NoLongerBlocked != 0 || p.Replay.Samples[0].Rules[0] != "942200 SQL Comment" {
		t.Errorf("preview: %+v", p.Replay)
	}
	bad := w.do(call{method: http.MethodGet, path: "/events?q=" + url.QueryEscape(`a | stats unknownpipe() c`), token: admin})
	if bad.problem() != "bad_query" || !strings.Contains(bad.body, "unknownpipe") {
		t.Errorf("a bad query: %d %s", bad.status, bad.body)
	}
}
