package logs

import (
	"strings"
	"testing"

	"github.com/VictoriaMetrics/VictoriaLogs/lib/logstorage"
)

func TestABarePhraseIsSpreadOverAllFields(t *testing.T) {
	fields := []string{"_msg", "url.full"}
	for _, tt := range []struct{ query, want string }{
		{`"sql injection"`, `("_msg":"sql injection" or "url.full":"sql injection")`},
		{`service:waf "a b" | stats count() c`, `service:waf ("_msg":"a b" or "url.full":"a b") | stats count() c`},
		{`!"a" and ('b' or x)`, `!("_msg":"a" or "url.full":"a") and (("_msg":"b" or "url.full":"b") or x)`},
		{`-"a"`, `-("_msg":"a" or "url.full":"a")`},
		{`"pre"*`, `("_msg":"pre"* or "url.full":"pre"*)`},
		{`"不正な要求"`, `("_msg":~"不正な要求" or "url.full":~"不正な要求")`},
		{`"表.1"`, `("_msg":~"表\\.1" or "url.full":~"表\\.1")`},
		{"`raw \"q`", `("_msg":"raw \"q" or "url.full":"raw \"q")`},
	} {
		if got := expandPhrases(tt.query, fields); got != tt.want {
			t.Errorf("expandPhrases(%s)\n got %s\nwant %s", tt.query, got, tt.want)
		}
	}
}

func TestWhatIsNoBarePhraseStaysAsItIs(t *testing.T) {
	for _, query := range []string{
		`word`, `url.full:"x"`, `url.full: "x"`, `"url.full":x`, `"a b":"c"`, `f:="x"`, `f:!"x"`, `f:~"x"`, `="x"`, `~"x"`,
		`in("a","b")`, `tenant:in("a")`, `f:("a" or "b")`, `f:!("a" or "b")`, `seq("a","b")`, `{tenant="x",app in ("a")}`,
		`* | filter "x"`, `f:range(1,5]`, `foo-"bar"`, `foo"bar"`, `options(concurrency=1) *`, `x # "comment"`,
		`"open`, `'open`, "`open", `f:in(a:"b" | fields c)`, `f:>"x"`, `f:contains_any("a")`,
	} {
		if got := expandPhrases(query, []string{"_msg", "g"}); got != query {
			t.Errorf("expandPhrases(%s) = %s, want it unchanged", query, got)
		}
	}
}

// The second opinion is the engine's own parser: what it could read before, it
// can read after; what stood in pipes is the same; and looking into _msg only is
// what it would have done itself.
func FuzzExpandingAPhraseKeepsAQueryReadable(f *testing.F) {
	for _, seed := range []string{
		`"a b"`, `x:"a" "b" | stats by (x) count() c`, `!("a" or f:("b" 'c')) -"d"*`, `{a="b"} "c" in(d:"e" | fields f)`,
		"`q` # \"c\"\n\"d\"", `"日本" and not "x"`, `_time:5m "x"`, `f:[1,2) "y"`, `"a":b "c"`, `foo"bar"-"baz"`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		got := expandPhrases(query, []string{"_msg", "url.full"})
		before, err := logstorage.ParseQuery(query)
		if err != nil {
			return
		}
		_, err = logstorage.ParseQuery(got)
		if err != nil {
			t.Fatalf("expandPhrases(%s) = %s, which the engine refuses: %v", query, got, err)
		}
		_, pipesBefore, _ := strings.Cut(query, "|")
		if !strings.HasSuffix(got, pipesBefore) {
			t.Fatalf("expandPhrases(%s) = %s, which changed the pipes", query, got)
		}
		if strings.IndexFunc(query, func(r rune) bool { return r > 126 }) >= 0 || strings.Contains(query, `\`) {
			return // looked for as a part of the text, on purpose
		}
		same, err := logstorage.ParseQuery(expandPhrases(query, []string{"_msg"}))
		if err != nil {
			t.Fatalf("looking into _msg only is refused: %v", err)
		}
		if same.String() != before.String() {
			t.Fatalf("looking into _msg only: got %s, want %s", same, before)
		}
	})
}
