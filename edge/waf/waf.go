// Package waf judges web requests and responses with the OWASP Core Rule Set
// (CRS) on the Coraza engine.
//
// There is one rule set in memory, whatever the number of bodies: all rules run
// as detection, with the body's paranoia level set in the transaction, and what
// matched is then weighed under the body's policy by [Rules.Decide]. The same
// function answers what another policy would have done ([Preview]).
package waf

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/corazawaf/coraza/v3/types"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// directives set Coraza up. Limits of size are ours (body_limit_kb), so its own
// only stand behind them.
const directives = `
SecRuleEngine DetectionOnly
SecAuditEngine Off
SecRequestBodyAccess On
SecRequestBodyLimit 8388608
SecRequestBodyInMemoryLimit 8388608
SecRequestBodyLimitAction ProcessPartial
SecRequestBodyJsonDepthLimit 64
SecArgumentsLimit 1200
SecResponseBodyAccess On
SecResponseBodyMimeType text/plain text/html text/xml application/json application/xml
SecResponseBodyLimit 1048576
SecResponseBodyLimitAction ProcessPartial
SecRule TX:sekikura_cut "@eq 1" "id:199000,phase:1,t:none,pass,nolog,skipAfter:END-PROCESSORS"
SecRule REQUEST_HEADERS:Content-Type "@rx ^(?:application(?:/soap\+|/)|text/)xml" "id:200000,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=XML"
SecRule REQUEST_HEADERS:Content-Type "@rx ^application/(?:[a-z0-9.-]+[+])?json" "id:200001,phase:1,t:none,t:lowercase,pass,nolog,ctl:requestBodyProcessor=JSON"
SecMarker "END-PROCESSORS"
SecRule REQBODY_ERROR "!@eq 0" "id:200002,phase:2,t:none,log,pass,msg:'The body cannot be read as what it says it is',severity:'CRITICAL'"
SecRule MULTIPART_STRICT_ERROR "!@eq 0" "id:200003,phase:2,t:none,log,pass,msg:'The multipart body is not well-formed',severity:'CRITICAL'"
SecDefaultAction "phase:1,log,noauditlog,pass"
SecDefaultAction "phase:2,log,noauditlog,pass"
SecDefaultAction "phase:3,log,noauditlog,pass"
SecDefaultAction "phase:4,log,noauditlog,pass"
SecAction "id:900990,phase:1,pass,t:none,nolog,setvar:tx.crs_setup_version=4250"
SecAction "id:900300,phase:1,pass,t:none,nolog,setvar:tx.max_num_args=1000"
Include @owasp_crs/*.conf
`

// ourRules are rules of directives that count like CRS's.
var ourRules = map[int]rule{200002: {1, 5, nil, "protocol"}, 200003: {1, 5, nil, "protocol"}}

// Config is what an [Engine] needs.
type Config struct {
	Policies interface {
		For(tenant.ID) *policy.Active[Rules]
	}
	Log *slog.Logger
	Now func() time.Time
	// Budget is how long one phase of one request may take, waiting for its turn
	// included. Zero: 3 s.
	Budget time.Duration
	// PerTenant is how many requests of one body are judged at one time; zero: as
	// many as there are processors. Total is for all; zero: twice as many.
	PerTenant, Total int
}

// Engine judges requests. It is safe for concurrent use.
type Engine struct {
	Config
	waf    coraza.WAF
	cutoff *cutoff
	all    chan struct{}

	metrics metrics

	mu    sync.Mutex // guards turns
	turns map[tenant.ID]turns
}

// turns are the places of one body in which requests are judged. Costly ones need
// a place of their kind too, so that a flood of them leaves places for the rest.
type turns struct{ any, costly chan struct{} }

// costlyBody is from how many bytes on a body is costly to judge: a form that
// somebody filled in is shorter.
const costlyBody = 8 << 10

// New reads the rule set, which takes about a second.
func New(c Config) (*Engine, error) {
	if c.Budget == 0 {
		c.Budget = 3 * time.Second
	}
	if c.PerTenant == 0 {
		c.PerTenant = runtime.GOMAXPROCS(0)
	}
	if c.Total == 0 {
		c.Total = 2 * runtime.GOMAXPROCS(0)
	}
	e := &Engine{Config: c, metrics: newMetrics(), cutoff: new(cutoff), all: make(chan struct{}, c.Total), turns: make(map[tenant.ID]turns)}
	building.Lock()
	defer building.Unlock()
	registerRX(e.cutoff)
	var err error
	e.waf, err = coraza.NewWAF(coraza.NewWAFConfig().WithRootFS(coreruleset.FS).WithDirectives(directives))
	if err != nil {
		return nil, fmt.Errorf("reading the web rule set: %w", err)
	}
	return e, nil
}

// Limit is how many bytes of a body's request bodies Inspect wants to see, or
// -1 when the body does not use this service.
func (e *Engine) Limit(id tenant.ID) int {
	active := e.Policies.For(id)
	if active.Mode != policy.Ours {
		return -1
	}
	return active.Compiled.policy.BodyLimitKB << 10
}

// Why an inspection has no result.
var (
	errBudget = errors.New("the time for judging the request ran out")
	errPanic  = errors.New("the rule engine broke")
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

// Inspect judges a request whose body's first bytes are given; whole tells
// whether they are all. It never returns nil. When ctx ends, or the budget, the
// outcome is what the policy says of failures.
func (e *Engine) Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body []byte, whole bool) *Inspection {
	active := e.Policies.For(id)
	i := &Inspection{engine: e, id: id, rules: active.Compiled, version: active.Version, path: r.URL.Path, state: state{outcome: Passed}}
	i.level = i.rules.policy.Paranoia
	if i.rules.policy.Preview && i.level < 4 {
		i.level++
	}
	seen := prepared{body: body}
	if len(body) > 0 {
		seen = prepare(r.Header.Get("Content-Type"), body, whole, i.rules.charsets)
		i.charset = seen.charset
	}
	i.run(ctx, len(seen.body) >= costlyBody, func() { e.request(i, client, r, seen) })
	i.conclude()
	e.count(i)
	return i
}

// run does one phase of judging in its turn and under the budget.
func (i *Inspection) run(ctx context.Context, costly bool, judge func()) {
	start := i.engine.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, i.engine.Budget, errBudget)
	defer cancel()
	done, err := i.engine.turn(ctx, i.id, costly)
	if err != nil {
		i.failure = err
		return
	}
	defer done()
	if i.tx == nil {
		i.tx = i.engine.waf.NewTransactionWithID(event.NewID(start).String())
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		i.engine.cutoff.end(i.tx.ID())
		close(ended)
	})
	defer func() {
		if p := recover(); p != nil {
			i.engine.Log.Error("judging a request ended in a panic", "tenant", i.id, "path", i.path, "panic", p)
			i.failure = errPanic
		}
		if !stop() {
			<-ended // so that Close forgets after it
		}
		if ctx.Err() != nil && i.failure == nil {
			i.failure = context.Cause(ctx)
		}
		i.took += i.engine.Now().Sub(start)
	}()
	judge()
}

// turn waits until this body may judge one more request. Without it, a flood of
// costly requests would take the processor from everybody.
func (e *Engine) turn(ctx context.Context, id tenant.ID, costly bool) (done func(), err error) {
	e.mu.Lock()
	own, ok := e.turns[id]
	if !ok {
		own = turns{make(chan struct{}, e.PerTenant), make(chan struct{}, max(1, e.PerTenant/2))}
		e.turns[id] = own
	}
	e.mu.Unlock()
	places := []chan struct{}{own.any, e.all}
	if costly {
		places = []chan struct{}{own.costly, own.any, e.all}
	}
	taken := 0
	done = func() {
		for _, place := range places[:taken] {
			<-place
		}
	}
	for _, place := range places {
		select {
		case place <- struct{}{}:
			taken++
		case <-ctx.Done():
			done()
			return nil, fmt.Errorf("waiting for a turn: %w", context.Cause(ctx))
		}
	}
	return done, nil
}

// request shows the request to the rules, phases 1 and 2.
func (e *Engine) request(i *Inspection, client netip.AddrPort, r *http.Request, seen prepared) {
	tx, p := i.tx, &i.rules.policy
	if state, ok := tx.(plugintypes.TransactionState); ok {
		vars := state.Variables().TX()
		set(vars, "blocking_paranoia_level", strconv.Itoa(p.Paranoia))
		set(vars, "detection_paranoia_level", strconv.Itoa(i.level))
		set(vars, "allowed_request_content_type_charset", i.rules.contentSet)
		if seen.cut {
			set(vars, "sekikura_cut", "1")
		}
	}
	tx.ProcessConnection(client.Addr().String(), int(client.Port()), "", 0)
	uri := r.URL.EscapedPath()
	if r.URL.RawQuery != "" {
		query, name := decodeForm(r.URL.RawQuery, "", i.rules.charsets)
		if name != "" && i.charset == "" {
			i.charset = name
		}
		uri += "?" + query
	}
	tx.ProcessURI(uri, r.Method, r.Proto)
	tx.SetServerName(r.Host)
	tx.AddRequestHeader("Host", r.Host)
	for name, values := range r.Header {
		if name == "Expect" && len(values) == 1 && strings.EqualFold(values[0], "100-continue") {
			continue // answered by us; rule 920450 would stop every large upload of curl and .NET
		}
		for _, value := range values {
			tx.AddRequestHeader(name, value)
		}
	}
	switch {
	case r.Header.Get("Content-Length") != "" || r.Header.Get("Transfer-Encoding") != "":
	case r.ContentLength > 0 || r.ContentLength == 0 && r.Method == http.MethodPost:
		tx.AddRequestHeader("Content-Length", strconv.FormatInt(r.ContentLength, 10))
	case r.ContentLength < 0:
		tx.AddRequestHeader("Transfer-Encoding", "chunked")
	}
	tx.ProcessRequestHeaders()
	if len(seen.body) > 0 {
		if _, _, err := tx.WriteRequestBody(seen.body); err != nil {
			i.failure = fmt.Errorf("taking the body: %w", err)
			return
		}
	}
	if _, err := tx.ProcessRequestBody(); err != nil {
		i.failure = fmt.Errorf("judging the body: %w", err)
		return
	}
	i.tooLong = seen.cut && p.Beyond == BeyondBlock
}

func set(m collection.Map, key, value string) { m.Set(key, []string{value}) }

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
			Payload: cut(place.Value()), category: r.category, tags: r.tags,
		})
	}
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
