package home

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// tally is what the web services reported in a period.
type tally struct {
	requests int64 // that reached us: served, blocked, refused, failed
	served   int64
	blocked  int64 // attacks that were stopped
	failed   int64 // the body's own server did not answer
	attack   time.Time
}

// maxGroups bounds how many bodies or hosts one question is answered for.
const maxGroups = 10_000

// tally counts by a field: "tenant" or "url.domain".
func (a *API) tally(ctx context.Context, scope logs.Scope, span logs.Range, by string) (map[string]tally, error) {
	page, err := a.Logs.Search(ctx, scope, logs.Query{
		Text: fmt.Sprintf(`service:in(site,waf) "event.action":in(request_served,request_detected,request_refused,origin_failed,request_blocked) `+
			`| stats by (%q, "event.action") count() hits, max(_time) newest`, by),
		Range: span, Limit: maxGroups,
	})
	if err != nil {
		return nil, err
	}
	out := map[string]tally{}
	for _, row := range page.Rows {
		hits, err := strconv.ParseInt(row["hits"], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("reading a count of the log store: %w", err)
		}
		t := out[row[by]]
		switch row["event.action"] {
		case "request_served", "request_detected": // recorded, and passed on
			t.served += hits
		case "origin_failed":
			t.failed += hits
		case "request_blocked":
			t.blocked += hits
			if newest, err := time.Parse(time.RFC3339Nano, row["newest"]); err == nil && newest.After(t.attack) {
				t.attack = newest
			}
		}
		t.requests += hits
		out[row[by]] = t
	}
	return out, nil
}

// usual band: the same 24 hours of the weeks before.
const (
	weeks     = 4
	leastWeek = 2 // how many of them must be covered before a band says anything
)

// numbers are the last 24 hours and what they usually are. Where the log store
// does not answer, they are left out rather than shown as zero.
func (a *API) numbers(ctx context.Context, scope logs.Scope, key string, now time.Time) []Number {
	day := func(end time.Time) (requests, blocked int64, err error) {
		by, err := a.tally(ctx, scope, logs.Range{From: end.Add(-24 * time.Hour), To: end}, "tenant")
		for _, t := range by {
			requests += t.requests
			blocked += t.blocked
		}
		return requests, blocked, err
	}
	requests, blocked, err := day(now)
	if err != nil {
		return []Number{}
	}
	out := []Number{
		{ID: "web_attacks", Value: blocked, Href: "/events?since=24h&service=waf&action=request_blocked"},
		{ID: "web_requests", Value: requests, Href: "/events?since=24h&only=service%3Dsite&only=service%3Dwaf"},
	}
	first, err := a.began.of(ctx, a, scope, key, now)
	if err != nil {
		return out
	}
	week := 7 * 24 * time.Hour
	covered := 0
	if !first.IsZero() {
		covered = min(weeks, int((now.Sub(first)-24*time.Hour)/week))
	}
	if covered < leastWeek {
		left := leastWeek*7 + 1
		if !first.IsZero() {
			left = max(1, int((leastWeek*week+24*time.Hour-now.Sub(first)+24*time.Hour-1)/(24*time.Hour)))
		}
		for i := range out {
			out[i].UsualDaysLeft = left
		}
		return out
	}
	for w := 1; w <= covered; w++ {
		r, b, err := day(now.Add(-time.Duration(w) * week))
		if err != nil {
			return out
		}
		widen(&out[0].Usual, b)
		widen(&out[1].Usual, r)
	}
	return out
}

func widen(band **Band, value int64) {
	if *band == nil {
		*band = &Band{Low: value, High: value}
		return
	}
	(*band).Low, (*band).High = min((*band).Low, value), max((*band).High, value)
}

// firsts remembers when a body's first event came, which does not change but for
// rows that are dropped at the end of their retention.
type firsts struct {
	mu   sync.Mutex // guards seen
	seen map[string]seenFirst
}

type seenFirst struct{ first, asked time.Time }

func (f *firsts) of(ctx context.Context, a *API, scope logs.Scope, key string, now time.Time) (time.Time, error) {
	f.mu.Lock()
	known, ok := f.seen[key]
	f.mu.Unlock()
	if ok && now.Sub(known.asked) < time.Hour {
		return known.first, nil
	}
	page, err := a.Logs.Search(ctx, scope, logs.Query{
		Text: `service:in(site,waf) | stats min(_time) first`, Range: logs.Range{From: now.Add(-(weeks + 1) * 7 * 24 * time.Hour), To: now}, Limit: 1,
	})
	if err != nil {
		return time.Time{}, err
	}
	var first time.Time
	if len(page.Rows) > 0 && page.Rows[0]["first"] != "" {
		if first, err = time.Parse(time.RFC3339Nano, page.Rows[0]["first"]); err != nil {
			return time.Time{}, fmt.Errorf("reading a time of the log store: %w", err)
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.seen == nil {
		f.seen = map[string]seenFirst{}
	}
	if !first.IsZero() {
		f.seen[key] = seenFirst{first, now}
	}
	return first, nil
}

// sites lists what is published, with the last 24 hours of each.
func (a *API) sites(ctx context.Context, _ *sitesInput) (*rest.Body[Sites], error) {
	who := access.From(ctx)
	bodies := []tenant.Tenant{}
	scope := logs.Scope{Operator: who.Tenant.Operator}
	if t, named := rest.Tenant(ctx); named {
		bodies = append(bodies, t)
	} else {
		for _, t := range a.Directory.Under(who.Tenant.Operator) {
			if who.Reaches(t) {
				bodies = append(bodies, t)
			}
		}
	}
	for _, t := range bodies {
		scope.Tenants = append(scope.Tenants, t.ID)
	}
	now := a.Now().UTC()
	counts, err := a.tally(ctx, scope, logs.Range{From: now.Add(-24 * time.Hour), To: now}, "url.domain")
	if err != nil {
		// The list itself is in the control store, which answers; without the
		// numbers the screen would show zeros that are not true.
		return nil, rest.Unavailable("logs_unavailable", err).After(5 * time.Second)
	}
	out := Sites{Items: []Site{}}
	for _, t := range bodies {
		mode, action := a.waf(ctx, t.ID)
		origins := a.origins(ctx, t.ID)
		for _, host := range t.Hosts {
			c := counts[host]
			s := Site{
				Tenant: t.ID, Host: host, Origin: origins[host], Mode: string(mode),
				Requests24h: c.requests, Blocked24h: c.blocked, LastAttack: c.attack,
			}
			if action != "" {
				s.Mode += "/" + action
			}
			out.Items = append(out.Items, s)
		}
	}
	return &rest.Body[Sites]{Body: out}, nil
}

// origins are the servers behind a body's sites, by host.
func (a *API) origins(ctx context.Context, id tenant.ID) map[string]string {
	out := map[string]string{}
	effective, problems, err := a.Documents.Explain(ctx, id, "site")
	if err != nil || problems != nil {
		return out
	}
	var body struct {
		Sites []struct {
			Host   string `json:"host"`
			Origin string `json:"origin"`
		} `json:"sites"`
	}
	if json.Unmarshal(effective.Body, &body) == nil {
		for _, s := range body.Sites {
			out[s.Host] = s.Origin
		}
	}
	return out
}
