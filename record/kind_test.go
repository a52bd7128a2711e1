package record

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record/clock"
)

func builtin(tb testing.TB) *Set {
	tb.Helper()
	set, wrong := Compile(Calendars(), Builtin())
	if wrong != nil {
		tb.Fatal(wrong)
	}
	return set
}

func TestTheEightKindsStand(t *testing.T) {
	want := []string{"case", "incident", "failure", "request", "ticket", "problem", "change", "task"}
	if got := builtin(t).Names(); !slices.Equal(got, want) {
		t.Errorf("kinds are %v, want %v", got, want)
	}
}

func TestEveryBuiltinRecordCanBeClosedFromEveryState(t *testing.T) {
	set := builtin(t)
	for _, name := range set.Names() {
		k, _ := set.Kind(name)
		for _, from := range k.States {
			reached := map[string]bool{from.Name: true}
			for range k.States {
				for _, m := range k.Moves {
					if slices.ContainsFunc(m.From, func(s string) bool { return reached[s] }) {
						reached[m.To] = true
					}
				}
			}
			if !slices.ContainsFunc(k.States, func(s State) bool { return s.Final && reached[s.Name] }) {
				t.Errorf("a %s in state %s never ends", name, from.Name)
			}
		}
	}
}

// small is a kind that compiles.
func small() Kind {
	return Kind{
		Name: "visit", Title: "訪問", Number: "V-{R}-{n3}", Create: []string{"*"},
		States: []State{{Name: "new", Title: "新規"}, {Name: "done", Title: "完了", Final: true}},
		Moves:  []Move{{Name: "finish", Title: "終える", From: []string{"new"}, To: "done", Roles: []string{"*"}}},
		Clocks: []ClockRule{{Name: "resolve", Title: "解決", Calendar: "office", Limits: map[Severity]time.Duration{Info: time.Hour}}},
		Fields: []Field{{Name: "place", Title: "場所", Type: Line}},
	}
}

func TestAPlaneAddsKindsAndForms(t *testing.T) {
	set, wrong := Compile(Calendars(), append(Builtin(), small()), Form{Kind: "request", Fields: []Field{{Name: "host", Title: "ホスト名", Type: Line}}, Require: []string{"host"}})
	if wrong != nil {
		t.Fatal(wrong)
	}
	request, _ := set.Kind("request")
	if _, ok := request.field("host"); !ok || len(set.Names()) != 9 {
		t.Errorf("the request's form is %+v among %v", request.Fields, set.Names())
	}
	again, _ := builtin(t).Kind("request")
	if _, ok := again.field("host"); ok {
		t.Error("the form has reached another set")
	}
}

func TestAKindThatCannotWorkIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		edit func(*Kind)
		want string
	}{
		{"fine", func(*Kind) {}, ""},
		{"no name", func(k *Kind) { k.Name = "Visit!" }, "not_a_name"},
		{"nobody may make one", func(k *Kind) { k.Create = nil }, "required"},
		{"a number without a year", func(k *Kind) { k.Number = "V-{n3}" }, "bad_pattern"},
		{"the number of another kind", func(k *Kind) { k.Number = "{令}-{n6}" }, "same_form"},
		{"no states", func(k *Kind) { k.States = nil }, "too_many"},
		{"a state twice", func(k *Kind) { k.States = append(k.States, k.States[0]) }, "not_a_name"},
		{"the state merged", func(k *Kind) { k.States[1].Name, k.Moves[0].To = Merged, Merged }, "not_a_name"},
		{"a state nobody reaches", func(k *Kind) { k.States = append(k.States, State{Name: "far", Title: "遠", Final: true}) }, "unreachable"},
		{"a state without a way out", func(k *Kind) { k.States[1].Final = false }, "no_way_out"},
		{"a move to nowhere", func(k *Kind) { k.Moves[0].To = "gone" }, "no_such_state"},
		{"a move for nobody", func(k *Kind) { k.Moves[0].Roles = nil }, "required"},
		{"a move that asks for no field", func(k *Kind) { k.Moves[0].Require = []string{"colour"} }, "no_such_field"},
		{"a pause without a reason", func(k *Kind) { k.Moves[0].Clocks = pause("resolve") }, "pause_needs_reason"},
		{"a clock that is not there", func(k *Kind) { k.Moves[0].Clocks = stop("own") }, "no_such_clock"},
		{"an act that is none", func(k *Kind) { k.Moves[0].Clocks = []ClockAct{{"resolve", "edit"}} }, "no_such_act"},
		{"a calendar that is not there", func(k *Kind) { k.Clocks[0].Calendar = "moon" }, "no_such_calendar"},
		{"a limit below zero", func(k *Kind) { k.Clocks[0].Limits = map[Severity]time.Duration{Info: -1} }, "out_of_range"},
		{"a limit for no severity", func(k *Kind) { k.Clocks[0].Limits = map[Severity]time.Duration{"odd": time.Hour} }, "out_of_range"},
		{"a choice without choices", func(k *Kind) { k.Fields[0].Type = Choice }, "bad_type"},
		{"a field named like the record's", func(k *Kind) { k.Fields[0].Name = "owner" }, "not_a_name"},
		{"a field twice", func(k *Kind) { k.Fields = append(k.Fields, k.Fields[0]) }, "not_a_name"},
	} {
		k := small()
		tt.edit(&k)
		set, wrong := Compile(Calendars(), append(Builtin(), k))
		if tt.want == "" {
			if wrong != nil {
				t.Errorf("%s is refused: %v", tt.name, wrong)
			}
			continue
		}
		if set != nil || !slices.ContainsFunc(wrong, func(p policy.Problem) bool { return p.Code == tt.want }) {
			t.Errorf("%s has the problems %v, want %s", tt.name, wrong, tt.want)
		}
	}
	if _, wrong := Compile([]clock.Calendar{{Name: "x"}}, nil); wrong == nil {
		t.Error("a calendar without hours compiles")
	}
	if _, wrong := Compile(Calendars(), Builtin(), Form{Kind: "none"}); wrong == nil {
		t.Error("a form for no kind compiles")
	}
	if _, wrong := Compile(Calendars(), append(Builtin(), Builtin()[0])); wrong == nil {
		t.Error("a kind that stands twice compiles")
	}
}

func TestPatternsThatCouldBeMisreadAreRefused(t *testing.T) {
	for _, bad := range []string{"", "{n4}", "{令}", "{令}{n4}", "{令}-{n4}-x", "{令}-{n4}{n4}", "{令}-{R}-{n4}", "{n4}-{令}", "{mmdd}-{令}-{n4}", "{令}8-{n4}", "{令}-{nx}", "{令}-{n0}", "{年}-{n4}", "Ｖ-{令}-{n4}", "{令}-{n4", "{R}-{mmdd}-{mmdd}-{n2}"} {
		if _, err := ParsePattern(bad); err == nil {
			t.Errorf("the pattern %q was taken", bad)
		}
	}
}

func TestNumbersAreReadAsPeopleTypeThem(t *testing.T) {
	set := builtin(t)
	for typed, want := range map[string]string{
		"令8-0412": "change 令8-0412", "令８－４１２": "change 令8-0412", "令元-1": "change 令元-0001", "令8-123456": "change 令8-123456",
		"r8-1125-3": "incident R8-1125-03", "c-r8-412": "case C-R8-00412", " S‐R10‐7 ": "request S-R10-0007", "R8-0229-01": "incident R8-0229-01",
	} {
		kind, number, err := set.ParseNumber(typed)
		if err != nil || kind+" "+number != want {
			t.Errorf("ParseNumber(%q) = %s %s, %v, want %s", typed, kind, number, err, want)
		}
	}
	for _, typed := range []string{"", "令8", "令8-0", "令0-1", "令08-1", "R8-1332-01", "R8-0230-01", "令8-0412x", "x令8-0412", "令8-9999999999999", "C-R8-1 OR 1=1", strings.Repeat("令", 100), "\xff"} {
		if kind, number, err := set.ParseNumber(typed); err == nil {
			t.Errorf("ParseNumber(%q) = %s %s, want an error", typed, kind, number)
		}
	}
}

// FuzzParseNumber: what is read is written the same way again, and belongs to
// one kind.
func FuzzParseNumber(f *testing.F) {
	for _, s := range []string{"令8-0412", "R8-1125-03", "ｃ－ｒ８－００４１２", "令元-1", "K-H30-1", "P-S64-9", "令10000-1"} {
		f.Add(s)
	}
	set := builtin(f)
	f.Fuzz(func(t *testing.T, typed string) {
		kind, number, err := set.ParseNumber(typed)
		if err != nil {
			return
		}
		again, same, err := set.ParseNumber(number)
		if err != nil || again != kind || same != number {
			t.Errorf("%q is %s %s, which is %s %s, %v", typed, kind, number, again, same, err)
		}
		for _, other := range set.Names() {
			if _, ok := set.patterns[other].Canonical(typed); ok && other != kind {
				t.Errorf("%q is a number of %s and of %s", typed, kind, other)
			}
		}
	})
}

// FuzzFormat: every number that is given out is read back.
func FuzzFormat(f *testing.F) {
	f.Add(int64(1_800_000_000), int64(412))
	set := builtin(f)
	f.Fuzz(func(t *testing.T, seconds, n int64) {
		at := time.Unix(seconds%(60*365*86400)+662_688_000, 0) // from 1991
		if at.Year() < 1991 || n < 1 || n > 999_999_999 {
			return
		}
		for _, name := range set.Names() {
			number := set.patterns[name].Format(at, n)
			if kind, again, err := set.ParseNumber(number); err != nil || kind != name || again != number {
				t.Errorf("%s is read as %s %s, %v", number, kind, again, err)
			}
		}
	})
}

// FuzzParseCSV: whatever the bytes are, there are either drafts or problems, and
// never more drafts than lines.
func FuzzParseCSV(f *testing.F) {
	for _, s := range []string{"kind,title,severity\r\ntask,x,info\r\n", bom + "title\n\"a\nb\"\n", "kind,kind\n", "\"", "title,fields.x\n'=1,2\n", "drill\nTRUE\nx\n", "number,state\n1,2\n", "\xff\xfe", "title\n\n\na,b\n"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		drafts, wrong, err := ParseCSV(strings.NewReader(string(text)))
		if err != nil {
			t.Fatalf("reading from memory: %v", err)
		}
		if (len(drafts) > 0) && wrong != nil {
			t.Errorf("%q has %d drafts and the problems %v", text, len(drafts), wrong)
		}
		if len(drafts) > strings.Count(string(text), "\n")+strings.Count(string(text), "\r") {
			t.Errorf("%q has %d drafts", text, len(drafts))
		}
	})
}

// FuzzParseJSON: no bytes make it fail in another way than by a problem.
func FuzzParseJSON(f *testing.F) {
	for _, s := range []string{`[{"kind":"task","title":"x","severity":"info"}]`, `[]`, `null`, `[{"created":"2020"}]`, `[{}]x`, `{`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		drafts, wrong, err := ParseJSON(strings.NewReader(string(text)))
		if err != nil || drafts != nil && wrong != nil {
			t.Errorf("%q: %d drafts, %v, %v", text, len(drafts), wrong, err)
		}
	})
}

// FuzzGuard: a guarded cell is no formula, and comes back.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"=1", "'=1", "''+1", "'", "a", "-1", "＝1", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		g := guard(s)
		if unguard(g) != s {
			t.Errorf("%q becomes %q and comes back as %q", s, g, unguard(g))
		}
		if g != "" && strings.ContainsRune("=+-@\t\r", rune(g[0])) {
			t.Errorf("%q is written as %q", s, g)
		}
	})
}

// FuzzParseCursor: a cursor is ours or refused.
func FuzzParseCursor(f *testing.F) {
	f.Add("eyJ2IjoxLCJpIjoiMDE5M2ExZjItMDAwMC03MDAwLTgwMDAtMDAwMDAwMDAwMDAwIn0")
	f.Fuzz(func(t *testing.T, s string) {
		if c, err := parseCursor(s); err == nil && len(c.ID) != 36 {
			t.Errorf("%q is taken as %+v", s, c)
		}
	})
}

func TestTablesThatCannotBeReadAreExplained(t *testing.T) {
	for text, want := range map[string]string{
		"":                       "empty",
		"kind,colour\n":          "no_such_column",
		"kind,kind\n":            "no_such_column",
		"kind,title\ntask\n":     "wrong_width",
		"kind,title\ntask,\"x\n": "not_csv",
		"kind\n\x83\x65\n":       "not_utf8",
		"kind,drill\ntask,たぶん\n": "not_yes_or_no",
		"kind\n" + strings.Repeat("task\n", MaxRows+1): "too_many",
	} {
		drafts, wrong, err := ParseCSV(strings.NewReader(text))
		if err != nil || drafts != nil || len(wrong) == 0 || wrong[0].Problem.Code != want {
			t.Errorf("%.40q gives %d drafts, %v, %v, want %s", text, len(drafts), wrong, err, want)
		}
	}
	if _, wrong, err := ParseJSON(strings.NewReader(`[{"created":"2020-01-01T00:00:00Z"}]`)); err != nil || wrong[0].Problem.Code != "not_json" {
		t.Errorf("a JSON import that sets a time has the problems %v, %v", wrong, err)
	}
}
