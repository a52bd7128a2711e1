package record

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/sekikura/sekikura/policy"
)

// Limits, in runes where it is text. They keep one record readable and one
// request small; nobody who works by hand meets them.
const (
	MaxTitle    = 200
	MaxBody     = 20_000
	MaxComment  = 20_000
	MaxReason   = 1_000
	MaxName     = 200 // owner, system, key, file name
	MaxField    = 4_000
	MaxEntries  = 20_000 // of one record's timeline
	MaxTasks    = 300
	MaxLinks    = 500
	MaxEvidence = 300
	// maxSearch bounds the text by which a record is found; what a longer
	// timeline says beyond it is not.
	maxSearch = 40_000
)

// dashes are what people type for a hyphen.
var dashes = strings.NewReplacer("−", "-", "‐", "-", "‑", "-", "–", "-", "—", "-", "―", "-", "－", "-")

// fold makes texts equal that differ only in width, case or composed signs
// (NFKC), so that ｶﾅ finds カナ and ＡＢＣ finds abc.
func fold(s string) string { return strings.ToLower(dashes.Replace(norm.NFKC.String(s))) }

// searchable is fold for running text: white space becomes one space.
func searchable(parts ...string) string {
	var words []string
	for _, part := range parts {
		words = append(words, strings.Fields(fold(part))...)
	}
	return clip(strings.Join(words, " "), maxSearch)
}

// clip returns the first n runes of s.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := range s {
		if n == 0 {
			return s[:i]
		}
		n--
	}
	return s
}

// line checks a text of one line: valid UTF-8 without control characters.
func line(s string, limit int) (code string) { return plain(s, limit, "") }

// lines checks a text that may have line breaks and tabs.
func lines(s string, limit int) (code string) { return plain(s, limit, "\n\t") }

func plain(s string, limit int, allowed string) string {
	if !utf8.ValidString(s) {
		return "not_utf8"
	}
	if utf8.RuneCountInString(s) > limit {
		return "too_long"
	}
	for _, r := range s {
		if unicode.IsControl(r) && !strings.ContainsRune(allowed, r) || reorders(r) {
			return "not_a_text"
		}
	}
	return ""
}

// reorders tells whether r turns the direction of what follows: "exe.txt" can be
// made to look like "txt.exe" with it (Unicode UTS #55).
func reorders(r rune) bool { return r >= 0x202A && r <= 0x202E || r >= 0x2066 && r <= 0x2069 }

// unix makes line breaks one sign, as forms and files from Windows have two.
func unix(s string) string {
	return strings.ReplaceAll(strings.ReplaceAll(s, "\r\n", "\n"), "\r", "\n")
}

// problems gathers what is wrong with an input.
type problems []policy.Problem

func (ps *problems) add(p policy.Problem) { *ps = append(*ps, p) }

func (ps *problems) line(place policy.Place, s string, limit int) {
	if code := line(s, limit); code != "" {
		ps.add(place.Is(code, limit))
	}
}

func (ps *problems) lines(place policy.Place, s string, limit int) {
	if code := lines(s, limit); code != "" {
		ps.add(place.Is(code, limit))
	}
}

// err is nil without problems, or their policy.Refusal.
func (ps problems) err() error {
	if len(ps) == 0 {
		return nil
	}
	return policy.Refusal(ps)
}

func refuse(place policy.Place, code string, args ...any) error {
	return policy.Refusal{place.Is(code, args...)}
}
