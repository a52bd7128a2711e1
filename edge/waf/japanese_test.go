package waf

import (
	_ "embed"
	"net/url"
	"strings"
	"testing"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// formValues are what people write into the forms of a municipality, one a line.
//
//go:embed testdata/japanese.txt
var formValues string

// knownFalsePositives are values of formValues that the Core Rule Set stops at
// level 1, with the rule that does. A body that meets one writes an exclusion.
var knownFalsePositives = map[string]string{
	"Excel の関数 =SUM(A1:A10) について":    "942100",
	`=IF(A1>0,"○","×") の使い方を講座で習いたい`: "942230",
	"{1,2,3}": "932280",
}

func TestJapaneseFormValuesAreNotStoppedAtLevelOne(t *testing.T) {
	e := engine(t, nil)
	values := readFormValues(t)
	if len(values) < 300 {
		t.Fatalf("the corpus has %d values, want at least 300", len(values))
	}
	for name, encoder := range map[string]*encoding.Encoder{"utf-8": nil, "shift_jis": japanese.ShiftJIS.NewEncoder()} {
		stopped, misread := 0, 0
		for _, value := range values {
			sent := value
			if encoder != nil {
				// As browsers do with what the page's encoding does not have.
				var err error
				if sent, err = encoding.HTMLEscapeUnsupported(encoder).String(value); err != nil {
					t.Fatalf("encoding %q: %v", value, err)
				}
			}
			i := judge(t, e, wakaba, request(t, "POST", "/form", form, "inquiry="+url.QueryEscape(sent)))
			if read := field(i, "waf.charset"); encoder != nil && !ascii(sent) && read != name {
				misread++
				t.Logf("%q in %s is read as %q", value, name, read)
			}
			got := ""
			if i.Outcome() != Passed {
				got = field(i, "rule.id")
				stopped++
			}
			if want := knownFalsePositives[value]; got != want {
				t.Errorf("%s: %q is stopped by rule %q, want %q: %s", name, value, got, want, field(i, "waf.matches"))
			}
		}
		t.Logf("%s: %d of %d values stopped, %d read in another encoding", name, stopped, len(values), misread)
	}
}

func ascii(s string) bool {
	return strings.IndexFunc(s, func(r rune) bool { return r >= 0x80 }) < 0
}

// readFormValues returns formValues without comments, line breaks put in.
func readFormValues(t *testing.T) []string {
	t.Helper()
	var values []string
	for line := range strings.Lines(formValues) {
		if line = strings.TrimSuffix(line, "\n"); line != "" && !strings.HasPrefix(line, "# ") {
			values = append(values, strings.ReplaceAll(line, `\n`, "\r\n"))
		}
	}
	return values
}
