package waf

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
)

var today = time.Date(2026, 11, 25, 9, 0, 0, 0, time.FixedZone("JST", 9*60*60))

func compile(t testing.TB, body string) (*Rules, []policy.Problem) {
	t.Helper()
	spec := Spec(func() time.Time { return today })
	merged, _, problems := policy.Merge(spec.Default, nil, &policy.Document{Service: "waf", Schema: 1, Body: json.RawMessage(body)})
	if problems != nil {
		return nil, problems
	}
	return spec.Compile(merged)
}

func TestProblemsNameTheEntryThatIsWrong(t *testing.T) {
	const good = `"path":"/form/","rules":[942100],"reason":"自由記述欄","owner":"情報係","expires":"2027-03-31"`
	for _, tt := range []struct{ body, path, code string }{
		{`{"action":"allow"}`, "/action", "unknown_choice"},
		{`{"fail":"maybe"}`, "/fail", "unknown_choice"},
		{`{"beyond":"x"}`, "/beyond", "unknown_choice"},
		{`{"paranoia":0}`, "/paranoia", "out_of_range"},
		{`{"paranoia":5}`, "/paranoia", "out_of_range"},
		{`{"threshold":0}`, "/threshold", "out_of_range"},
		{`{"body_limit_kb":100000}`, "/body_limit_kb", "out_of_range"},
		{`{"charsets":["utf-7"]}`, "/charsets/0", "unknown_choice"},
		{`{"exclusions":[{` + strings.Replace(good, "/form/", "form", 1) + `}]}`, "/exclusions/0/path", "not_a_path"},
		{`{"exclusions":[{` + strings.Replace(good, "942100", "942099999", 1) + `}]}`, "/exclusions/0/rules/0", "unknown_rule"},
		{`{"exclusions":[{` + strings.Replace(good, "942100", "949110", 1) + `}]}`, "/exclusions/0/rules/0", "unknown_rule"},
		{`{"exclusions":[{` + strings.Replace(good, `"rules":[942100]`, `"tags":["attack-nothing"]`, 1) + `}]}`, "/exclusions/0/tags/0", "unknown_tag"},
		{`{"exclusions":[{` + strings.Replace(good, `"rules":[942100],`, ``, 1) + `}]}`, "/exclusions/0/rules", "missing"},
		{`{"exclusions":[{` + strings.Replace(good, "自由記述欄", " ", 1) + `}]}`, "/exclusions/0/reason", "missing"},
		{`{"exclusions":[{` + strings.Replace(good, "情報係", "", 1) + `}]}`, "/exclusions/0/owner", "missing"},
		{`{"exclusions":[{` + strings.Replace(good, `,"expires":"2027-03-31"`, ``, 1) + `}]}`, "/exclusions/0/expires", "missing"},
		{`{"exclusions":[{` + strings.Replace(good, "2027-03-31", "2025-03-31", 1) + `}]}`, "/exclusions/0/expires", "in_the_past"},
		{`{"exclusions":[{` + strings.Replace(good, "2027-03-31", "来年", 1) + `}]}`, "/exclusions/0/expires", "unreadable"},
		{`{"paranoya":2}`, "/paranoya", "unknown_field"},
		{`{"paranoia":"2"}`, "/paranoia", "wrong_type"},
	} {
		rules, problems := compile(t, tt.body)
		if rules != nil {
			t.Errorf("%s compiles", tt.body)
		}
		found := false
		for _, p := range problems {
			found = found || p.Path == tt.path && p.Code == tt.code
		}
		if !found {
			t.Errorf("%s: problems %v, want %s: %s", tt.body, problems, tt.path, tt.code)
		}
	}
	if _, problems := compile(t, `{"exclusions":[{`+good+`}]}`); problems != nil {
		t.Errorf("a good exclusion has problems %v", problems)
	}
}

func TestAnExclusionDoesNotReachWhereAPathClimbsOutOfIt(t *testing.T) {
	rules, problems := compile(t, `{"exclusions":[{"path":"/form/","rules":[942100],"reason":"r","owner":"o","expires":"2027-03-31"}]}`)
	if problems != nil {
		t.Fatal(problems)
	}
	for path, block := range map[string]bool{
		"/form/":                      false,
		"/form/a..b/...":              false,
		"/form/../admin":              true,
		"/form/x/../../admin":         true,
		"/form/..;jsessionid=1/admin": true,
		`/form/..\admin`:              true,
		"/form/..":                    true,
	} {
		matches := []Match{{ID: 942100, Paranoia: 1, Score: 5, Var: "ARGS:q"}}
		if d := rules.Decide(path, matches, today); d.Block != block {
			t.Errorf("%s: block %v, want %v", path, d.Block, block)
		}
	}
}

func TestExclusionsHoldWhereTheySayAndEndByThemselves(t *testing.T) {
	rules, problems := compile(t, `{"exclusions":[
		{"path":"/form/","rules":[942100],"parameter":"Comment","reason":"r","owner":"o","expires":"2026-11-30"},
		{"path":"/wiki","tags":["attack-xss"],"reason":"r","owner":"o","expires":"2026-11-30"}]}`)
	if problems != nil {
		t.Fatal(problems)
	}
	match := func(id int, variable string) []Match {
		return []Match{{ID: id, Paranoia: 1, Score: 5, Var: variable, tags: crs().rules[id].tags}}
	}
	lastMoment := time.Date(2026, 11, 30, 23, 59, 59, 0, today.Location())
	for _, tt := range []struct {
		name, path string
		matches    []Match
		at         time.Time
		block      bool
	}{
		{"the field", "/form/send", match(942100, "ARGS:comment"), today, false},
		{"the field in JSON", "/form/send", match(942100, "ARGS:json.comment"), today, false},
		{"its last moment", "/form/send", match(942100, "ARGS:comment"), lastMoment, false},
		{"after its last day", "/form/send", match(942100, "ARGS:comment"), lastMoment.Add(time.Second), true},
		{"another field", "/form/send", match(942100, "ARGS:comment2"), today, true},
		{"another path", "/other", match(942100, "ARGS:comment"), today, true},
		{"another rule", "/form/send", match(942140, "ARGS:comment"), today, true},
		{"a tag", "/wiki/edit", match(941100, "ARGS:text"), today, false},
		{"another tag", "/wiki/edit", match(942100, "ARGS:text"), today, true},
	} {
		if got := rules.Decide(tt.path, tt.matches, tt.at); got.Block != tt.block {
			t.Errorf("%s: block = %v, want %v", tt.name, got.Block, tt.block)
		}
	}
	p := Policy{Exclusions: []Exclusion{{Expires: Date{"2026-11-24"}}, {Expires: Date{"2026-11-25"}}}}
	if ended := Ended(p, today); len(ended) != 1 || ended[0].Path != "/exclusions/0/expires" {
		t.Errorf("Ended = %v, want the first", ended)
	}
}

func TestPreviewSaysWhatAnotherPolicyWouldHaveDone(t *testing.T) {
	const matches = `[{"id":942100,"pl":1,"score":5,"msg":"SQL","var":"ARGS:q","payload":"x"},{"id":942200,"pl":2,"score":5,"msg":"SQL","var":"ARGS:q","payload":"x"}]`
	const onlySecond = `[{"id":942200,"pl":2,"score":5,"msg":"SQL","var":"ARGS:q","payload":"x"}]`
	for _, tt := range []struct {
		name, body, matches string
		block, complete     bool
	}{
		{"as it is", `{}`, matches, true, true},
		{"only detect", `{"action":"detect"}`, matches, false, true},
		{"threshold above", `{"threshold":6}`, matches, false, true},
		{"a level higher", `{"paranoia":2}`, onlySecond, true, true},
		{"the same level", `{}`, onlySecond, false, true},
		{"levels that did not run", `{"paranoia":3}`, onlySecond, true, false},
		{"with an exclusion", `{"exclusions":[{"path":"/f","tags":["attack-sqli"],"reason":"r","owner":"o","expires":"2027-01-01"}]}`, matches, false, true},
		{"nothing matched", `{"paranoia":2}`, "", false, true},
	} {
		rules, problems := compile(t, tt.body)
		if problems != nil {
			t.Fatal(problems)
		}
		d, complete, err := Preview(rules, "/form", tt.matches, 2, today)
		if err != nil || d.Block != tt.block || complete != tt.complete {
			t.Errorf("%s: block %v, complete %v, %v; want %v, %v", tt.name, d.Block, complete, err, tt.block, tt.complete)
		}
	}
	rules, _ := compile(t, `{}`)
	if _, _, err := Preview(rules, "/", "[{", 1, today); err == nil {
		t.Error("a broken record has no error")
	}
}

func TestCatalogueKnowsTheRuleSet(t *testing.T) {
	c := crs()
	if n := len(c.rules); n < 250 {
		t.Fatalf("the catalogue has %d rules", n)
	}
	want := rule{paranoia: 1, severity: 5, category: "sqli"}
	if got := c.rules[942100]; got.paranoia != want.paranoia || got.severity != want.severity || got.category != want.category {
		t.Errorf("rule 942100 is %+v, want %+v", got, want)
	}
	for id, r := range c.rules {
		if id >= 911000 && id < 949000 && (r.severity == 0 || r.category == "other") {
			t.Errorf("rule %d is %+v", id, r)
		}
	}
	if !Known(941100) || Known(1) || Known(949110) && c.rules[949110].severity > 0 {
		t.Error("Known is wrong")
	}
}
