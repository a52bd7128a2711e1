package waf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/corazawaf/coraza/v3/types"

	"github.com/sekikura/sekikura/content/redact"
	"github.com/sekikura/sekikura/tenant"
)

// The outcomes of an inspection.
const (
	Passed       = "passed"
	Detected     = "detected"
	Blocked      = "blocked"
	FailedClosed = "failed_closed"
)

// Inspection is one request under judgement, and then its response. The reader
// that Rest returned may be read while other methods are called; apart from
// that they are called one after another.
type Inspection struct {
	engine  *Engine
	id      tenant.ID
	rules   *Rules
	version int64
	path    string
	level   int // that rules ran at

	mu     sync.Mutex // guards the rest against the reader of a body
	closed bool
	state
}

// state is what is known of a request.
type state struct {
	tx      types.Transaction
	took    time.Duration
	charset string

	matches  []Match
	seen     int // of the transaction's matched rules
	decision Decision
	outcome  string
	failure  error
	tooLong  bool
}

// conclude weighs what matched so far.
func (i *Inspection) conclude() {
	if i.tx != nil {
		i.collect()
	}
	i.weigh()
}

func (i *Inspection) weigh() {
	i.decision = i.rules.Decide(i.path, i.matches, i.engine.Now())
	p := &i.rules.policy
	switch {
	case i.decision.Block && p.Action == ActionBlock:
		i.outcome = Blocked // what is found is found, even by an engine that failed later
	case i.failure != nil && p.Fail == FailClosed && p.Action == ActionBlock:
		i.outcome = FailedClosed
	case i.tooLong && p.Action == ActionBlock:
		i.outcome = Blocked
	case i.decision.Block || i.tooLong:
		i.outcome = Detected
	default:
		i.outcome = Passed
	}
}

// maxMatches bounds what one event carries; the weighing sees them all.
const (
	maxMatches = 64
	maxPayload = 200
)

// collect turns Coraza's new matches into ours, one for each rule and place.
func (i *Inspection) collect() {
	rules := i.tx.MatchedRules()
	known := crs()
	for _, m := range rules[min(i.seen, len(rules)):] {
		id := m.Rule().ID()
		r, ok := known.rules[id]
		if !ok {
			if r, ok = ourRules[id]; !ok {
				continue
			}
		}
		// Anomaly evaluation and bookkeeping are ours.
		if r.severity == 0 || id >= 949000 && id < 950000 || id >= 959000 || id < 910000 && id > 900000 {
			continue
		}
		if i.tooLongForBody(id) {
			continue
		}
		i.add(id, r, m)
	}
	i.seen = len(rules)
}

// tooLongForBody drops complaints about a body that only we cut short.
func (i *Inspection) tooLongForBody(id int) bool { return i.tooLong && (id == 200002 || id == 200003) }

// add appends the places in which rule id matched. In a chain the last link
// scores, once for each of its matches; the place is the first link's.
func (i *Inspection) add(id int, r rule, m types.MatchedRule) {
	data := m.MatchedDatas()
	last := 0
	for _, d := range data {
		last = max(last, d.ChainLevel())
	}
	first := len(i.matches)
	for _, d := range data {
		if d.ChainLevel() != last {
			continue
		}
		place := d
		if last > 0 {
			place = data[0]
		}
		name := place.Variable().Name()
		if key := place.Key(); key != "" {
			name += ":" + key
		}
		at := slices.IndexFunc(i.matches[first:], func(m Match) bool { return m.Var == name })
		if at >= 0 {
			i.matches[first+at].Score += r.severity
			continue
		}
		i.matches = append(i.matches, Match{
			ID: id, Paranoia: r.paranoia, Score: r.severity, Message: m.Message(), Var: cut(name),
			Payload: cut(shown(place.Variable().Name(), place.Key(), place.Value())), category: r.category, tags: r.tags,
		})
	}
}

// maxShown bounds how much of a value is looked through for secrets: more than
// is kept of it.
const maxShown = 4 << 10

// shown is the value of a variable as the event may keep it: passwords, tokens
// and cookies also match rules, and whoever reads the log could use them. Which
// rule matched, where and how heavily stays.
func shown(variable, key, value string) string {
	secret := false
	switch {
	case strings.HasSuffix(variable, "_NAMES"), key == "":
	case strings.HasPrefix(variable, "REQUEST_COOKIES"):
		secret = true
	case strings.HasSuffix(variable, "_HEADERS"):
		secret = redact.Header(key)
	default:
		secret = redact.Parameter(key)
	}
	if secret {
		return redact.Mask
	}
	return redact.Text(value[:min(len(value), maxShown)])
}

func cut(s string) string {
	s = strings.ToValidUTF8(s, "\uFFFD")
	if len(s) <= maxPayload {
		return s
	}
	return strings.ToValidUTF8(s[:maxPayload], "")
}

// Outcome is Passed, Detected, Blocked or FailedClosed.
func (i *Inspection) Outcome() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.outcome
}

// adopt replaces the judgement of an upload's first part by that of all its
// fields, and tells whether the request may pass.
func (i *Inspection) adopt(all *Inspection) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		all.Close()
		return false
	}
	all.took += i.took
	i.state, all.state = all.state, i.state
	all.Close()
	return i.outcome != Blocked && i.outcome != FailedClosed
}

// unreadable concludes an upload whose fields could not be collected.
func (i *Inspection) unreadable(c collected) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := &i.rules.policy
	if c.tooLong && p.Beyond == BeyondPass {
		return true
	}
	i.tooLong = c.tooLong
	if c.err != nil {
		r := ourRules[200003]
		i.matches = append(i.matches, Match{ID: 200003, Paranoia: 1, Score: r.severity, Message: "The multipart body is not well-formed", Var: "MULTIPART_STRICT_ERROR", Payload: cut(c.err.Error()), category: r.category})
	}
	i.weigh()
	return i.outcome != Blocked
}

// Fields are what the event says of the judgement.
func (i *Inspection) Fields() []slog.Attr {
	i.mu.Lock()
	defer i.mu.Unlock()
	p := &i.rules.policy
	fields := []slog.Attr{
		slog.Int("waf.score", i.decision.Score),
		slog.Int("waf.threshold", p.Threshold),
		slog.Int("waf.paranoia", i.level),
		slog.Duration("waf.duration", i.took),
		slog.Int64("waf.policy.version", i.version),
	}
	if d := i.decision.Deciding; d != nil {
		fields = append(fields, slog.String("rule.id", strconv.Itoa(d.ID)), slog.String("rule.name", d.Message), slog.String("rule.category", d.category))
	} else if i.tooLong {
		fields = append(fields, slog.String("rule.id", "body_limit"), slog.String("rule.name", "The body is longer than what is inspected"), slog.String("rule.category", "protocol"))
	}
	if len(i.matches) > 0 {
		list := i.matches[:min(len(i.matches), maxMatches)]
		if text, err := json.Marshal(list); err == nil {
			fields = append(fields, slog.String("waf.matches", string(text)))
		}
		if len(i.matches) > maxMatches {
			fields = append(fields, slog.Bool("waf.matches_cut", true))
		}
	}
	if i.decision.Outbound > 0 {
		fields = append(fields, slog.Int("waf.outbound_score", i.decision.Outbound))
	}
	if i.decision.Excluded > 0 {
		fields = append(fields, slog.Int("waf.excluded", i.decision.Excluded))
	}
	if i.charset != "" {
		fields = append(fields, slog.String("waf.charset", i.charset))
	}
	if i.failure != nil {
		fields = append(fields, slog.String("waf.error", i.failure.Error()), slog.String("waf.fail", p.Fail))
	}
	return fields
}

// ResponseLimit is how many bytes of a response of this type are judged, or 0.
func (i *Inspection) ResponseLimit(contentType string) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.rules.policy.ResponseInspection || i.tx == nil || i.failure != nil {
		return 0
	}
	mediaType, _, _ := strings.Cut(strings.ToLower(contentType), ";")
	switch strings.TrimSpace(mediaType) {
	case "text/html", "text/plain", "text/xml", "application/json", "application/xml":
		return 512 << 10
	}
	return 0
}

// Response judges a response by its head and its body's first bytes.
func (i *Inspection) Response(ctx context.Context, status int, header http.Header, body []byte) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.run(ctx, len(body) >= costlyBody, func() {
		for name, values := range header {
			for _, value := range values {
				i.tx.AddResponseHeader(name, value)
			}
		}
		i.tx.ProcessResponseHeaders(status, "HTTP/1.1")
		if _, _, err := i.tx.WriteResponseBody(body); err != nil {
			i.failure = fmt.Errorf("taking the response: %w", err)
			return
		}
		if _, err := i.tx.ProcessResponseBody(); err != nil {
			i.failure = fmt.Errorf("judging the response: %w", err)
		}
	})
	i.conclude()
}

// Close frees the transaction; a second call does nothing, for Coraza would give
// one transaction to two requests.
func (i *Inspection) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = true
	if i.tx == nil {
		return
	}
	id := i.tx.ID()
	if !errors.Is(i.failure, errPanic) { // a broken one is left to the collector
		if err := i.tx.Close(); err != nil {
			i.engine.Log.Warn("ending a web inspection", "tenant", i.id, "error", err)
		}
	}
	i.tx = nil
	i.engine.cutoff.forget(id)
}
