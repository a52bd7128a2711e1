package policy_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// all has a field of every shape that policies use.
type all struct {
	Level  int                  `json:"level"`
	On     bool                 `json:"on"`
	Name   string               `json:"name"`
	Ratio  float64              `json:"ratio"`
	Block  []string             `json:"block"`
	Extra  []string             `json:"extra" policy:"add"`
	Rules  []rule               `json:"rules" policy:"add"`
	Limits limits               `json:"limits"`
	Sites  map[string]limits    `json:"sites"`
	Owners map[tenant.ID]string `json:"owners,omitempty"`
	Net    netip.Prefix         `json:"net"`
	Nets   []netip.Prefix       `json:"nets"`
	Maybe  *limits              `json:"maybe,omitempty"`
	Raw    json.RawMessage      `json:"raw,omitempty"`
	Any    any                  `json:"any,omitempty"`
	Key    []byte               `json:"key,omitempty"`
	Hidden string               `json:"-"`
	Plain  int
	inside int //nolint:unused // no document may set it
}

type rule struct {
	ID string `json:"id"`
	On bool   `json:"on"`
}

type limits struct {
	Size int `json:"size"`
	Rate int `json:"rate"`
}

func def() all {
	return all{
		Level: 1, Name: "default", Block: []string{"a"}, Extra: []string{"x"}, Rules: []rule{}, Limits: limits{10, 5},
		Sites: map[string]limits{}, Net: netip.MustParsePrefix("127.0.0.0/8"), Nets: []netip.Prefix{},
	}
}

func doc(body string, locks ...string) *policy.Document {
	return &policy.Document{Service: "all", Schema: 1, Version: 1, Locks: locks, Body: json.RawMessage(body)}
}

func TestLayersMergeFieldByField(t *testing.T) {
	for _, tt := range []struct {
		name               string
		baseline, override *policy.Document
		want               string // what differs from the default
		origins            string // of what does not come from the default
	}{
		{"nothing", nil, nil, ``, ``},
		{"empty documents", doc(`{}`), doc(``), ``, ``},
		{"baseline alone", doc(`{"level":2}`), nil, `level=2`, `/level=baseline`},
		{"override alone", nil, doc(`{"level":3}`), `level=3`, `/level=override`},
		{"override over baseline", doc(`{"level":2,"on":true}`), doc(`{"level":3}`), `level=3 on=true`, `/level=override /on=baseline`},
		{"an override that says the same", doc(`{"level":2}`), doc(`{"level":2}`), `level=2`, `/level=override`},
		{"zero values count", doc(`{"level":2,"name":"n","on":true}`), doc(`{"level":0,"name":"","on":false}`), `level=0 name=""`, `/level=override /name=override /on=override`},
		{"one field of an object", doc(`{"limits":{"size":9}}`), doc(`{"limits":{"rate":1}}`), `limits={"rate":1,"size":9}`, `/limits/rate=override /limits/size=baseline`},
		{"an empty object", nil, doc(`{"limits":{},"sites":{}}`), ``, ``},
		{"a list replaces", doc(`{"block":["b","c"]}`), doc(`{"block":["d"]}`), `block=["d"]`, `/block=override`},
		{"an empty list replaces", nil, doc(`{"block":[]}`), `block=[]`, `/block=override`},
		{"a list that adds", doc(`{"extra":["y"]}`), doc(`{"extra":["z","x","z"]}`), `extra=["x","y","z"]`, `/extra/1=baseline /extra/2=override`},
		{"objects that add", doc(`{"rules":[{"id":"1","on":true}]}`), doc(`{"rules":[{"on":true,"id":"1"},{"id":"1","on":false}]}`), `rules=[{"id":"1","on":true},{"id":"1","on":false}]`, `/rules/0=baseline /rules/1=override`},
		{"a map grows", doc(`{"sites":{"www":{"size":1,"rate":2}}}`), doc(`{"sites":{"www":{"rate":3},"a/b~c":{"size":4}}}`), `sites={"a/b~c":{"rate":0,"size":4},"www":{"rate":3,"size":1}}`, `/sites/a~1b~0c/size=override /sites/www/rate=override /sites/www/size=baseline`},
		{"a text that reads itself", nil, doc(`{"net":"10.0.0.0/8","nets":["10.0.0.0/8"]}`), `net="10.0.0.0/8" nets=["10.0.0.0/8"]`, `/net=override /nets=override`},
		{"a pointer", doc(`{"maybe":{"size":1}}`), doc(`{"maybe":{"rate":2}}`), `maybe={"rate":2,"size":1}`, `/maybe/rate=override /maybe/size=baseline`},
		{"what reads its own JSON is one value", doc(`{"raw":{"a":1},"any":{"a":{"b":null}}}`), doc(`{"raw":{"b":[2]},"any":{"c":{}}}`), `any={"c":{}} raw={"b":[2]}`, `/any=override /raw=override`},
		{"bytes", nil, doc(`{"key":"AAE="}`), `key="AAE="`, `/key=override`},
		{"a key that is checked", nil, doc(`{"owners":{"131016":"a"}}`), `owners={"131016":"a"}`, `/owners/131016=override`},
		{"a field without a tag", nil, doc(`{"Plain":3}`), `Plain=3`, `/Plain=override`},
		{"large numbers stay exact", nil, doc(`{"any":12345678901234567890}`), `any=12345678901234567890`, `/any=override`},
	} {
		out, effective, problems := policy.Merge(def(), tt.baseline, tt.override)
		if problems != nil {
			t.Errorf("%s: problems %v", tt.name, problems)
			continue
		}
		if got := differs(t, effective.Body); got != tt.want {
			t.Errorf("%s: merged to %s, want %s", tt.name, got, tt.want)
		}
		var origins []string
		for path, layer := range effective.Origins {
			if layer != policy.Default {
				origins = append(origins, path+"="+string(layer))
			}
		}
		slices.Sort(origins)
		if got := strings.Join(origins, " "); got != tt.origins {
			t.Errorf("%s: origins are %s, want %s", tt.name, got, tt.origins)
		}
		var again all
		if err := json.Unmarshal(effective.Body, &again); err != nil || !strings.Contains(tt.name, "large") && !reflect.DeepEqual(again, out) {
			t.Errorf("%s: the value %+v is not what the body says: %+v, %v", tt.name, out, again, err)
		}
	}
}

// differs lists the fields of body that the default does not have, in order.
func differs(t *testing.T, body json.RawMessage) string {
	t.Helper()
	_, base, problems := policy.Merge(def(), nil, nil)
	if problems != nil {
		t.Fatal(problems)
	}
	var was, now map[string]json.RawMessage
	if err := json.Unmarshal(base.Body, &was); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &now); err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, name := range slices.Sorted(maps.Keys(now)) {
		if string(now[name]) == string(was[name]) {
			continue
		}
		text := string(now[name])
		if name == "sites" { // show what is absent in the body as its type does
			var sites map[string]limits
			if err := json.Unmarshal(now[name], &sites); err != nil {
				t.Fatal(err)
			}
			var parts []string
			for _, site := range slices.Sorted(maps.Keys(sites)) {
				parts = append(parts, fmt.Sprintf(`%q:{"rate":%d,"size":%d}`, site, sites[site].Rate, sites[site].Size))
			}
			text = "{" + strings.Join(parts, ",") + "}"
		}
		out = append(out, name+"="+text)
	}
	return strings.Join(out, " ")
}

func TestAWrongDocumentIsNamedByItsEntry(t *testing.T) {
	for _, tt := range []struct{ body, want string }{
		{`{"level":null}`, "/level null"},
		{`{"sites":{"a":null}}`, "/sites/a null"},
		{`{"block":["a",null]}`, "/block/1 null"},
		{`{"rules":[{"id":null}]}`, "/rules/0/id null"},
		{`null`, " null"},
		{`{"levek":1}`, "/levek unknown_field"},
		{`{"Level":1}`, "/Level unknown_field"}, // encoding/json alone would take it
		{`{"limits":{"a/b~":1}}`, "/limits/a~1b~0 unknown_field"},
		{`{"-":"x"}`, "/- unknown_field"},
		{`{"Hidden":"x"}`, "/Hidden unknown_field"},
		{`{"inside":1}`, "/inside unknown_field"},
		{`{"level":"1"}`, "/level wrong_type"},
		{`{"level":1.5}`, "/level wrong_type"},
		{`{"level":99999999999999999999}`, "/level wrong_type"},
		{`{"ratio":1e999}`, "/ratio wrong_type"},
		{`{"on":1}`, "/on wrong_type"},
		{`{"name":[]}`, "/name wrong_type"},
		{`{"block":"a"}`, "/block wrong_type"},
		{`{"block":{"0":"a"}}`, "/block wrong_type"},
		{`{"extra":["a",{}]}`, "/extra/1 wrong_type"},
		{`{"limits":[]}`, "/limits wrong_type"},
		{`{"sites":{"a":{"size":"x"}}}`, "/sites/a/size wrong_type"},
		{`{"net":"10.0.0.0"}`, "/net unreadable"},
		{`{"net":8}`, "/net wrong_type"},
		{`{"nets":["10.0.0.0/8","x"]}`, "/nets/1 unreadable"},
		{`{"owners":{"131017":"a"}}`, " unreadable"},
		{`{"key":"?"}`, "/key wrong_type"},
		{`[]`, " wrong_type"},
		{`"a"`, " wrong_type"},
		{`{`, " not_json"},
		{`{} {}`, " not_json"},
		{`{}x`, " not_json"},
		{strings.Repeat("[", 20000), " not_json"},
	} {
		for _, layers := range [][2]*policy.Document{{doc(tt.body), nil}, {nil, doc(tt.body)}} {
			out, effective, problems := policy.Merge(def(), layers[0], layers[1])
			if len(problems) == 0 {
				t.Errorf("%.40s has no problem", tt.body)
				continue
			}
			if got := problems[0].Path + " " + problems[0].Code; got != tt.want {
				t.Errorf("%.40s has problem %q, want %q", tt.body, got, tt.want)
			}
			if !reflect.DeepEqual(out, def()) || effective.Body != nil {
				t.Errorf("%.40s: with problems the policy is %+v", tt.body, out)
			}
		}
	}
	_, _, problems := policy.Merge(def(), nil, doc(`{"b":1,"level":"x","a":1}`))
	if len(problems) != 3 || problems[0].Path != "/a" || problems[2].Path != "/level" {
		t.Errorf("several problems are %v, want each, in order", problems)
	}
}

func TestWhatTheBaselineLocksAnOverrideDoesNotChange(t *testing.T) {
	for _, tt := range []struct {
		name    string
		base    string
		locks   []string
		over    string
		want    string
		ignored []string
	}{
		{"a field", `{"level":2}`, []string{"/level"}, `{"level":3,"on":true}`, `level=2 on=true`, []string{"/level"}},
		{"the same value", `{"level":2}`, []string{"/level"}, `{"level":2}`, `level=2`, nil},
		{"a default", `{}`, []string{"/level"}, `{"level":3}`, ``, []string{"/level"}},
		{"an object", `{}`, []string{"/limits"}, `{"limits":{"rate":1}}`, ``, []string{"/limits"}},
		{"within an object", `{}`, []string{"/limits/rate"}, `{"limits":{"rate":1,"size":2}}`, `limits={"rate":5,"size":2}`, []string{"/limits/rate"}},
		{"a list", `{}`, []string{"/block"}, `{"block":[]}`, ``, []string{"/block"}},
		{"within a list that replaces", `{}`, []string{"/block/0"}, `{"block":[]}`, ``, []string{"/block"}},
		{"a list that adds", `{"extra":["y"]}`, []string{"/extra"}, `{"extra":["z"]}`, `extra=["x","y"]`, []string{"/extra"}},
		{"an entry of a list that adds", `{"extra":["y"]}`, []string{"/extra/1"}, `{"extra":["z"]}`, `extra=["x","y","z"]`, nil},
		{"a name that begins alike", `{}`, []string{"/le"}, `{"level":3}`, `level=3`, nil},
		{"an escaped name", `{"sites":{"a/b":{"size":1,"rate":1}}}`, []string{"/sites/a~1b"}, `{"sites":{"a/b":{"size":2}}}`, `sites={"a/b":{"rate":1,"size":1}}`, []string{"/sites/a~1b"}},
		{"a map's new name", `{}`, []string{"/sites"}, `{"sites":{"a":{"size":2}}}`, ``, []string{"/sites"}},
	} {
		_, effective, problems := policy.Merge(def(), doc(tt.base, tt.locks...), doc(tt.over))
		if problems != nil {
			t.Errorf("%s: problems %v", tt.name, problems)
			continue
		}
		if got := differs(t, effective.Body); got != tt.want {
			t.Errorf("%s: merged to %s, want %s", tt.name, got, tt.want)
		}
		if !slices.Equal(effective.Ignored, tt.ignored) || !slices.Equal(effective.Locked, tt.locks) {
			t.Errorf("%s: ignored %q and locked %q, want %q and %q", tt.name, effective.Ignored, effective.Locked, tt.ignored, tt.locks)
		}
	}
	// An override's own locks lock nothing.
	if _, effective, _ := policy.Merge(def(), nil, doc(`{"level":3}`, "/level")); differs(t, effective.Body) != "level=3" || effective.Locked != nil {
		t.Errorf("an override locked itself: %+v", effective)
	}
}

func TestTheModeIsALayeredValueToo(t *testing.T) {
	with := func(mode policy.Mode, locks ...string) *policy.Document {
		d := doc(`{}`, locks...)
		d.Mode = mode
		return d
	}
	for _, tt := range []struct {
		base, over *policy.Document
		want       policy.Mode
		origin     policy.Layer
		ignored    bool
	}{
		{nil, nil, policy.Ours, policy.Default, false},
		{with(policy.Other), nil, policy.Other, policy.Baseline, false},
		{with(policy.Other), with(policy.Off), policy.Off, policy.Override, false},
		{with(policy.Other), with(""), policy.Other, policy.Baseline, false},
		{with(policy.Other, "/mode"), with(policy.Off), policy.Other, policy.Baseline, true},
		{with("", "/mode"), with(policy.Off), policy.Ours, policy.Default, true},
		{with(policy.Other, "/mode"), with(policy.Other), policy.Other, policy.Baseline, false},
	} {
		_, effective, problems := policy.Merge(def(), tt.base, tt.over)
		if problems != nil || effective.Mode != tt.want || effective.Origins[""] != tt.origin || (len(effective.Ignored) > 0) != tt.ignored {
			t.Errorf("mode is %q from %q, ignored %q, %v; want %q from %q", effective.Mode, effective.Origins[""], effective.Ignored, problems, tt.want, tt.origin)
		}
	}
	if _, _, problems := policy.Merge(def(), with("maybe"), nil); len(problems) != 1 || problems[0].Code != "unknown_mode" {
		t.Errorf("an unknown mode has problems %v", problems)
	}
}

func TestMergingDoesNotChangeItsInputs(t *testing.T) {
	before := def()
	baseline, override := doc(`{"extra":["y"],"sites":{"a":{"size":1}}}`), doc(`{"extra":["z"],"block":["q"],"sites":{"a":{"rate":1}}}`)
	policy.Merge(before, baseline, override)
	if !reflect.DeepEqual(before, def()) {
		t.Errorf("the default became %+v", before)
	}
	if string(baseline.Body) != `{"extra":["y"],"sites":{"a":{"size":1}}}` {
		t.Errorf("the baseline became %s", baseline.Body)
	}
}

// FuzzMerge: whatever the documents hold, Merge does not panic, its body decodes
// into the policy it returns, every leaf of the body has an origin and every
// origin is a leaf, and a locked value is the baseline's.
func FuzzMerge(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"level":2,"extra":["y","x"]}`, `{"limits":{"size":3},"sites":{"a":{},"b/~":{"rate":1}}}`, `{"any":{"a":[{}]},"raw":[1],"maybe":{}}`,
		`{"rules":[{"id":"1"}],"nets":["10.0.0.0/8"],"net":"::/0"}`, `{"block":null}`, `[`, `{"level":1e3,"owners":{"131016":""}}`, `{"sites":{}}`, `{"key":"","extra":[]}`,
	} {
		f.Add(seed, seed, "/level", "ours")
		f.Add(seed, `{"extra":["q"],"sites":{"a":{"size":1}},"limits":{"rate":7}}`, "/sites/a", "")
	}
	f.Fuzz(func(t *testing.T, base, over, lock, mode string) {
		baseline, override := doc(base, lock), doc(over)
		override.Mode = policy.Mode(mode)
		out, effective, problems := policy.Merge(def(), baseline, override)
		if problems != nil {
			if !reflect.DeepEqual(out, def()) || effective.Body != nil || effective.Origins != nil {
				t.Errorf("with problems %v the policy is %+v", problems, out)
			}
			return
		}
		var again all
		if err := json.Unmarshal(effective.Body, &again); err != nil || !reflect.DeepEqual(again, out) {
			t.Fatalf("body %s decodes to %+v, %v, want %+v", effective.Body, again, err, out)
		}
		var tree any
		if err := json.Unmarshal(effective.Body, &tree); err != nil {
			t.Fatal(err)
		}
		for path := range effective.Origins {
			if path != "" && !has(tree, path) {
				t.Errorf("origin %q is nowhere in %s", path, effective.Body)
			}
		}
		covered(t, effective.Origins, tree, "")
		_, alone, problems := policy.Merge(def(), baseline, nil)
		if problems != nil {
			t.Fatalf("the baseline has problems only without an override: %v", problems)
		}
		if (lock == "/level" || lock == "/sites" || lock == "/extra") && value(t, effective.Body, lock[1:]) != value(t, alone.Body, lock[1:]) {
			t.Errorf("locked %s is %s, the baseline says %s", lock, value(t, effective.Body, lock[1:]), value(t, alone.Body, lock[1:]))
		}
	})
}

func value(t *testing.T, body json.RawMessage, field string) string {
	t.Helper()
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	return string(fields[field])
}

// covered checks that every leaf of tree is at or below exactly one origin.
func covered(t *testing.T, origins map[string]policy.Layer, tree any, path string) {
	t.Helper()
	if _, ok := origins[path]; ok && path != "" {
		return
	}
	switch tree := tree.(type) {
	case map[string]any:
		if len(tree) > 0 || path == "" {
			for name, below := range tree {
				covered(t, origins, below, path+"/"+strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1"))
			}
			return
		}
	case []any:
		if len(tree) > 0 {
			for i, below := range tree {
				covered(t, origins, below, fmt.Sprintf("%s/%d", path, i))
			}
			return
		}
	}
	t.Errorf("leaf %q has no origin in %v", path, origins)
}

// has tells whether the JSON pointer path names a value in tree.
func has(tree any, path string) bool {
	for step := range strings.SplitSeq(path[1:], "/") {
		step = strings.ReplaceAll(strings.ReplaceAll(step, "~1", "/"), "~0", "~")
		switch at := tree.(type) {
		case map[string]any:
			below, ok := at[step]
			if !ok {
				return false
			}
			tree = below
		case []any:
			var i int
			if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i < 0 || i >= len(at) {
				return false
			}
			tree = at[i]
		default:
			return false
		}
	}
	return true
}
