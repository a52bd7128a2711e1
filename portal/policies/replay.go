package policies

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// Searcher is the log store; *logs.Client is one.
type Searcher interface {
	Search(ctx context.Context, scope logs.Scope, q logs.Query) (logs.Page, error)
}

// A Judge says what a service would have done with a stored event.
type Judge interface {
	// Under compiles an effective policy and returns its verdict on events.
	// complete is false when the event does not say enough: it was recorded under
	// a setting that looked at less.
	Under(service string, e policy.Effective) (verdict func(logs.Row) (blocked, complete bool, err error), err error)
}

// Stored replays what the web application firewall has recorded. It implements
// [Replay]; all fields must be set.
type Stored struct {
	Logs  Searcher
	Judge Judge
}

const (
	maxReplayed = 20_000 // events that are looked at
	maxSamples  = 20     // of each direction
)

// Replay implements [Replay].
func (s *Stored) Replay(ctx context.Context, t tenant.Tenant, service string, e policy.Effective, since time.Time) (*Replayed, error) {
	if service != "waf" {
		return nil, nil //nolint:nilnil // nothing is stored that could be replayed
	}
	verdict, err := s.Judge.Under(service, e)
	if err != nil {
		return nil, err
	}
	scope := logs.Scope{Operator: t.Operator, Tenants: []tenant.ID{t.ID}}
	span := logs.Range{From: since, To: since.Add(replayDays * 24 * time.Hour)}
	out := &Replayed{Since: since, Samples: []Sample{}}
	page, err := s.Logs.Search(ctx, scope, logs.Query{
		Text: `service:in(site,waf) "event.action":in(request_served,request_detected,request_refused,origin_failed,request_blocked) | stats count() hits`, Range: span, Limit: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("counting requests: %w", err)
	}
	if len(page.Rows) > 0 {
		if out.Requests, err = strconv.ParseInt(page.Rows[0]["hits"], 10, 64); err != nil {
			return nil, fmt.Errorf("counting requests: %w", err)
		}
	}
	q := logs.Query{Text: `service:=waf "event.action":in(request_blocked,request_detected) "waf.matches":*`, Range: span, Limit: 1000}
	samples := map[string]int{}
	for looked := 0; ; {
		if page, err = s.Logs.Search(ctx, scope, q); err != nil {
			return nil, fmt.Errorf("reading recorded matches: %w", err)
		}
		for _, row := range page.Rows {
			looked++
			if err := out.count(row, verdict, samples); err != nil {
				return nil, err
			}
		}
		if page.Next == "" {
			return out, nil
		}
		if looked >= maxReplayed {
			out.Capped = true
			return out, nil
		}
		q.Cursor = page.Next
	}
}

// count compares one event's fate with what it would have been.
func (r *Replayed) count(row logs.Row, verdict func(logs.Row) (bool, bool, error), samples map[string]int) error {
	was := row["event.action"] == "request_blocked"
	now, complete, err := verdict(row)
	if err != nil {
		return fmt.Errorf("judging event %s: %w", row["event.id"], err)
	}
	if !complete && !now { // what is stopped by what was seen would be stopped by more
		r.Unknown++
	}
	if was == now {
		return nil
	}
	direction := "newly_blocked"
	if now {
		r.NewlyBlocked++
	} else {
		direction = "no_longer_blocked"
		r.NoLongerBlocked++
	}
	if samples[direction]++; samples[direction] > maxSamples {
		return nil
	}
	rules := matched(row)
	r.Samples = append(r.Samples, Sample{
		EventID: row["event.id"], Path: row["url.path"], Host: row["url.domain"], SourceIP: row["source.ip"],
		Rules: rules, Likely: likely(row), Direction: direction,
	})
	return nil
}

// matched names the rules that matched, a few.
func matched(row logs.Row) []string {
	const most = 5
	rules := []string{}
	var list []struct {
		ID  int    `json:"id"`
		Msg string `json:"msg"`
	}
	if json.Unmarshal([]byte(row["waf.matches"]), &list) == nil {
		for _, m := range list[:min(most, len(list))] {
			rules = append(rules, strings.TrimSpace(strconv.Itoa(m.ID)+" "+m.Msg))
		}
	}
	return rules
}

// clearScore is the anomaly score of two critical matches: one alone is often
// an honest text that looks odd.
const clearScore = 10

// likely guesses from what matched. It only orders the screen.
func likely(row logs.Row) string {
	if score, err := strconv.Atoi(row["waf.score"]); err == nil && score >= clearScore {
		return "attack"
	}
	return "legitimate"
}
