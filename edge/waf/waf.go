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
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
	"github.com/corazawaf/coraza/v3"
	"github.com/corazawaf/coraza/v3/collection"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"

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

// New reads the rule set, which takes some tenths of a second.
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
