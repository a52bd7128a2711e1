package site

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// judge is an inspector whose verdict on every request is its own text.
type judge string

func (j judge) Limit(tenant.ID) int { return 1 << 10 }

func (j judge) Inspect(context.Context, tenant.ID, netip.AddrPort, *http.Request, []byte, bool) Inspection {
	return &verdict{outcome: string(j)}
}

type verdict struct {
	outcome string
	later   string // after the response
}

func (v *verdict) Outcome() string { return v.outcome }

func (v *verdict) Fields() []slog.Attr { return []slog.Attr{slog.String("rule.id", "942100")} }

func (v *verdict) ResponseLimit(string) int {
	if v.later == "" {
		return 0
	}
	return 1 << 20
}

func (v *verdict) Rest(context.Context, tenant.ID, netip.AddrPort, *http.Request, io.Reader) io.ReadCloser {
	return nil
}

func (v *verdict) Response(context.Context, int, http.Header, []byte) { v.outcome = v.later }
func (v *verdict) Close()                                             {}

func with(i Inspector) settings { return func(s *Server) { s.Inspector = i } }

func TestBlockedRequestIsAnsweredWithThePageOfTheBody(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", with(judge(Blocked)))
	resp, page := e.get("http://" + wakabaHost + "/%3Cscript%3Ealert(1)%3C/script%3E?q=secret")
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403", resp.StatusCode)
	}
	blocked := e.journal.find(t, "a blocked request", func(e event.Event) bool { return e.Name == "request_blocked" })
	if blocked.Service != "waf" || blocked.Tenant != wakaba || value(blocked, "event.outcome") != "blocked" || value(blocked, "rule.id") != "942100" {
		t.Errorf("the event is %+v", blocked)
	}
	for _, want := range []string{
		value(blocked, "event.reference"), "<strong>若葉村</strong>", "あなたの操作が悪かったわけではありません", "令和", "総務課 情報係", "0123-45-6789", `lang="ja"`,
		"&lt;script&gt;alert(1)&lt;/script&gt;",
	} {
		if want == "" || !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for _, never := range []string{"<script", "secret", "Sekikura", "http-equiv", "src=", "942100"} {
		if strings.Contains(page, never) {
			t.Errorf("the page shows %q", never)
		}
	}
	if len(page) > 60<<10 {
		t.Errorf("the page has %d bytes, want at most 60 KiB", len(page))
	}
	if csp := resp.Header.Get("Content-Security-Policy"); !strings.Contains(csp, "default-src 'none'") {
		t.Errorf("Content-Security-Policy is %q", csp)
	}
	if seen, _ := village.requests(); len(seen) != 0 {
		t.Errorf("the origin saw %d requests, want none", len(seen))
	}
}

func TestPageSpeaksTheClientsLanguage(t *testing.T) {
	e := start(t, siteOf(wakabaHost, "http://192.0.2.1", ""), "", with(judge(Blocked)))
	for _, tt := range []struct{ accept, language, contentType, want string }{
		{"text/html", "en-US,en;q=0.9,ja;q=0.8", "text/html; charset=utf-8", "Wakaba Village"},
		{"text/html", "ja,en;q=0.9", "text/html; charset=utf-8", "若葉村"},
		{"*/*", "fr", "text/html; charset=utf-8", "若葉村"},
		{"application/json", "ja", "application/problem+json", `"code":"blocked"`},
		{"text/html, application/json", "ja", "text/html; charset=utf-8", "若葉村"},
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+wakabaHost+"/", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", tt.accept)
		r.Header.Set("Accept-Language", tt.language)
		resp, body := e.do(e.client(false), r)
		if got := resp.Header.Get("Content-Type"); got != tt.contentType || !strings.Contains(body, tt.want) {
			t.Errorf("Accept %q, language %q: %s, want %s with %q", tt.accept, tt.language, got, tt.contentType, tt.want)
		}
		if strings.Contains(tt.contentType, "json") {
			var problem struct{ Reference, Title string }
			if err := json.Unmarshal([]byte(body), &problem); err != nil || !strings.HasPrefix(problem.Reference, "WB-") || problem.Title == "" {
				t.Errorf("problem %q: %v", body, err)
			}
		}
	}
}

func TestEveryPageHasItsWordsInBothLanguages(t *testing.T) {
	for _, kind := range []string{pageBlocked, pageUnchecked, pageOriginDown, pageOriginSlow, pageTooLarge, pageBusy, pageSlow, pageRefused} {
		for _, part := range []string{".title", ".what", ".do"} {
			words, ok := texts[kind+part]
			if !ok || words.ja == "" || words.en == "" {
				t.Errorf("%s has no text in both languages", kind+part)
			}
			if n := strings.Count(words.ja, "%s"); part == ".what" && n != 1 || strings.Count(words.en, "%s") != n {
				t.Errorf("%s names the body %d times", kind+part, n)
			}
		}
	}
}

func TestDatesAreInReiwaAndJapaneseTime(t *testing.T) {
	at := time.Date(2026, 11, 25, 0, 14, 0, 0, time.UTC)
	if got := date(at, false); got != "令和8年11月25日（水）9時14分" {
		t.Errorf("date = %s", got)
	}
	if got := date(time.Date(2019, 12, 31, 15, 0, 0, 0, time.UTC), false); got != "令和2年1月1日（水）0時0分" {
		t.Errorf("date = %s", got)
	}
}

func TestFailedInspectionIsAnsweredAsThePolicySays(t *testing.T) {
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", with(judge(FailedClosed)))
	resp, page := e.get("http://" + wakabaHost + "/")
	if resp.StatusCode != http.StatusServiceUnavailable || !strings.Contains(page, "確かめ") {
		t.Errorf("answered %d, want 503 and the page that says why", resp.StatusCode)
	}
	if got := e.journal.find(t, "a blocked request", func(e event.Event) bool { return e.Name == "request_blocked" }); value(got, "event.outcome") != "failed" {
		t.Errorf("outcome %q, want failed", value(got, "event.outcome"))
	}
	if seen, _ := village.requests(); len(seen) != 0 {
		t.Error("the origin saw the request")
	}
}

// late judges the response, not the request.
type late struct{ judge }

func (late) Inspect(context.Context, tenant.ID, netip.AddrPort, *http.Request, []byte, bool) Inspection {
	return &verdict{outcome: Passed, later: Blocked}
}

func TestBlockedResponseIsWithheld(t *testing.T) {
	village := newOrigin(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		w.Header().Set("Set-Cookie", "session=1")
		_, _ = w.Write([]byte("You have an error in your SQL syntax"))
	})
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", with(late{}))
	resp, page := e.get("http://" + wakabaHost + "/")
	if resp.StatusCode != http.StatusForbidden || strings.Contains(page, "SQL") || resp.Header.Get("Set-Cookie") != "" {
		t.Errorf("answered %d %v with the origin's text, want our page alone", resp.StatusCode, resp.Header)
	}
}

func TestBlockPageWaitsForItsEventButNotForEver(t *testing.T) {
	metrics := NewMetrics()
	e := start(t, siteOf(wakabaHost, "http://192.0.2.1", ""), "", with(judge(Blocked)), func(s *Server) {
		s.Limits.BlockJournal, s.Metrics = 20*time.Millisecond, metrics
	})
	hang := make(chan struct{})
	e.journal.mu.Lock()
	e.journal.hang = hang
	e.journal.mu.Unlock()
	if resp, _ := e.get("http://" + wakabaHost + "/"); resp.StatusCode != http.StatusForbidden {
		t.Errorf("status %d, want 403 while the journal hangs", resp.StatusCode)
	}
	if n := len(e.journal.all()); n != 0 {
		t.Fatalf("%d events are durable while the journal hangs", n)
	}
	e.journal.mu.Lock()
	e.journal.hang = nil
	e.journal.mu.Unlock()
	close(hang)
	e.journal.find(t, "the blocked request, afterwards", func(e event.Event) bool { return e.Name == "request_blocked" })
	registry := prometheus.NewPedanticRegistry()
	if err := registry.Register(metrics); err != nil {
		t.Fatal(err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		got[f.GetName()] = f.GetMetric()[0].GetCounter().GetValue()
	}
	if got["sekikura_site_requests_total"] != 1 || got["sekikura_site_block_pages_before_event_total"] != 1 {
		t.Errorf("metrics %v", got)
	}
}

type counter struct{ n atomic.Int64 }

func (c *counter) Emit(context.Context, event.Event) { c.n.Add(1) }

func TestEventsThatTheJournalRefusesAtTheEndGoToTheSink(t *testing.T) {
	sink := new(counter)
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "", func(s *Server) { s.Sink = sink })
	e.journal.mu.Lock()
	e.journal.err = errors.New("no space left on device")
	e.journal.mu.Unlock()
	for range 5 {
		if resp, _ := e.get("http://" + wakabaHost + "/"); resp.StatusCode != 200 {
			t.Errorf("status %d, want 200 while the journal fails", resp.StatusCode)
		}
	}
	e.stop()
	if got := sink.n.Load(); got != 5 {
		t.Errorf("the sink took %d events, want 5", got)
	}
}
