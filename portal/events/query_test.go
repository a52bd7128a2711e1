package events

import (
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/logs"
)

func TestAFilterIsNarrowedBeforeItsPipes(t *testing.T) {
	for _, tt := range []struct{ q, service, want string }{
		{"", "", "*"},
		{"", "waf", `(*) "service":="waf"`},
		{"a OR b", "waf", `(a OR b) "service":="waf"`},
		{`a | stats count() n`, "waf", `(a ) "service":="waf"| stats count() n`},
		{`"a | b" OR x:in(y | fields z) | sort by (q)`, "waf", `("a | b" OR x:in(y | fields z) ) "service":="waf"| sort by (q)`},
		{`a`, `x" OR "y`, `(a) "service":="x\" OR \"y"`},
		{`x:range[1, 2)`, "waf", `(x:range[1, 2)) "service":="waf"`},
		{"a # note\n b", "waf", "(a # note\n b) \"service\":=\"waf\""},
	} {
		f := Filters{Q: tt.q, Service: tt.service}
		if got, err := f.text(); err != nil || got != tt.want {
			t.Errorf("text(%q, %q) = %q, %v, want %q", tt.q, tt.service, got, err, tt.want)
		}
	}
}

// FuzzSplitPipes compares with a second, dumber opinion: quotations and brackets
// are taken out one by one until none is left, and then the first | counts.
func FuzzSplitPipes(f *testing.F) {
	for _, seed := range []string{`a | b`, `"a|b" | c`, `(a|b)|c`, `{a="}"}|x`, "`|`|", `'\'|'|`, `((`, `]`, `"\\"|`, "a#b\n|c", `[1,2)|`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, q string) {
		filter, pipes, err := splitPipes(q)
		if err != nil {
			return
		}
		if filter+pipes != q {
			t.Fatalf("splitPipes(%q) lost text: %q and %q", q, filter, pipes)
		}
		if pipes != "" && pipes[0] != '|' {
			t.Errorf("the pipes of %q begin with %q", q, pipes)
		}
		if plain := blank(filter); strings.Contains(plain, "|") || strings.ContainsAny(plain, "\"'`") {
			t.Errorf("the filter of %q holds a pipe or an open quotation: %q", q, plain)
		}
		// What is put around a filter stays around it: read again, the whole is
		// one filter without pipes.
		if again, rest, err := splitPipes("(" + filter + ") x"); err != nil || rest != "" || again != "("+filter+") x" {
			t.Errorf("(%s) x is read as %q and %q: %v", filter, again, rest, err)
		}
	})
}

// blank replaces quotations, comments and what stands in brackets by nothing.
func blank(s string) string {
	var out strings.Builder
	depth := 0
	for s != "" {
		c := s[0]
		s = s[1:]
		switch {
		case c == '"' || c == '\'' || c == '`':
			for s != "" && s[0] != c {
				if s[0] == '\\' && c != '`' && len(s) > 1 {
					s = s[1:]
				}
				s = s[1:]
			}
			if s != "" {
				s = s[1:]
			}
		case c == '#':
			_, s, _ = strings.Cut(s, "\n")
		case strings.IndexByte("([{", c) >= 0:
			depth++
		case strings.IndexByte(")]}", c) >= 0:
			depth--
		case depth == 0:
			out.WriteByte(c)
		}
	}
	return out.String()
}

func TestSinceIsAPeriodOfTheShownForms(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "1h": time.Hour, "7d": 7 * 24 * time.Hour, "4w": 28 * 24 * time.Hour,
		"": 0, "0h": 0, "-1h": 0, "1y": 0, "1.5h": 0, "h": 0, "9999999h": 0, "999999w": 0, "１h": 0, "1h ": 0,
	} {
		got, ok := parseSince(text)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("parseSince(%q) = %v, %v, want %v", text, got, ok, want)
		}
	}
}

func FuzzParseSince(f *testing.F) {
	f.Add("15m")
	f.Fuzz(func(t *testing.T, s string) {
		if d, ok := parseSince(s); ok && (d <= 0 || d > maxSince) {
			t.Errorf("parseSince(%q) = %v", s, d)
		}
	})
}

func TestAReferenceIsReadAsItIsSpoken(t *testing.T) {
	for text, want := range map[string]string{
		"WB-7K2M-94QX": "WB-7K2M-94QX", "wb7k2m94qx": "WB-7K2M-94QX", " WB 7K2M 94QX ": "WB-7K2M-94QX",
		"WB-7K2M-94Q0": "", "WB-7K2M-94QXX": "", "": "", "12-7K2M-94QX": "", `WB-7K2M-94"X`: "",
	} {
		got, ok := reference(text)
		if ok != (want != "") || ok && got != want {
			t.Errorf("reference(%q) = %q, %v, want %q", text, got, ok, want)
		}
	}
}

func TestNoCellBeginsAFormula(t *testing.T) {
	for cell, want := range map[string]string{
		"=1+1": "'=1+1", "+1": "'+1", "-1": "'-1", "@x": "'@x", "\t=1": "'\t=1", " =1": "' =1", "＝1": "'＝1", "\u3000＋1": "'\u3000＋1",
		"": "", "a=1": "a=1", "/a-b": "/a-b", "192.0.2.1": "192.0.2.1",
	} {
		if got := NoFormula(cell); got != want {
			t.Errorf("NoFormula(%q) = %q, want %q", cell, got, want)
		}
	}
}

func TestFoldPutsEveryCountIntoItsStep(t *testing.T) {
	from := time.Unix(1_000_000_030, 0)
	span := logs.Range{From: from, To: from.Add(5 * time.Minute)}
	h := fold([]logs.Series{
		{Fields: map[string]string{"event.outcome": "blocked"}, Buckets: []logs.Bucket{{Time: time.Unix(1_000_000_020, 0), Count: 2}}},
		{Fields: map[string]string{"event.outcome": "passed"}, Buckets: []logs.Bucket{{Time: time.Unix(1_000_000_320, 0), Count: 3}}},
		{Buckets: []logs.Bucket{{Time: time.Unix(1_000_000_080, 0), Count: 1}, {Time: time.Unix(0, 0), Count: 9}, {Time: time.Unix(2_000_000_000, 0), Count: 9}}},
	}, span, time.Minute)
	if h.Total != 6 || h.Stopped != 2 || h.Series[0].Counts[0] != 2 || h.Series[0].Counts[1] != 1 || h.Series[0].Counts[5] != 3 || h.Series[1].Counts[0] != 2 {
		t.Errorf("fold gives %+v", h)
	}
	if !h.From.Equal(time.Unix(1_000_000_020, 0)) || len(h.Series[0].Counts) != 6 {
		t.Errorf("%d steps from %v", len(h.Series[0].Counts), h.From)
	}
}
