package events

import (
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store/logs"
)

// defaultSince is the period of a search that names none.
const defaultSince = time.Hour

// period returns the time that f asks for; the end is never zero.
func (f *Filters) period(now time.Time) (logs.Range, error) {
	r := logs.Range{From: f.From.UTC(), To: f.To.UTC()}
	if f.To.IsZero() {
		r.To = now.UTC()
	}
	switch {
	case f.Since != "" && (!f.From.IsZero() || !f.To.IsZero()):
		return r, rest.Invalid(rest.Field("/query/since", "since_or_from"))
	case f.Since != "":
		d, ok := parseSince(f.Since)
		if !ok {
			return r, rest.Invalid(rest.Field("/query/since", "wrong_form"))
		}
		r.From = r.To.Add(-d)
	case f.From.IsZero():
		r.From = r.To.Add(-defaultSince)
	}
	if !r.From.Before(r.To) {
		return r, rest.Invalid(rest.Field("/query/to", "before_from"))
	}
	return r, nil
}

var sinceForm = regexp.MustCompile(`^([0-9]{1,6})(s|m|h|d|w)$`)

// maxSince is further back than anything is kept.
const maxSince = 20 * 366 * 24 * time.Hour

// parseSince reads a period such as 90s, 15m, 1h, 7d or 4w.
func parseSince(s string) (time.Duration, bool) {
	m := sinceForm.FindStringSubmatch(s)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n == 0 {
		return 0, false
	}
	unit := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour}[m[2]]
	if time.Duration(n) > maxSince/unit { // before it is multiplied: it could overflow
		return 0, false
	}
	return time.Duration(n) * unit, true
}

var errUnbalanced = errors.New("a bracket or a quotation is not closed, or closed twice")

// text is the LogsQL of f: what was typed, narrowed by service, action and
// outcome. The period and the bodies are not part of it: the store is told
// those apart, so nothing that is typed can widen them.
func (f *Filters) text() (string, error) {
	if !utf8.ValidString(f.Q) || strings.ContainsRune(f.Q, 0) {
		return "", badQuery("the query is not UTF-8 text", "")
	}
	filter, pipes, err := splitPipes(f.Q)
	if err != nil {
		return "", badQuery(err.Error(), "")
	}
	narrow := ""
	for _, n := range []struct{ field, value string }{{"service", f.Service}, {"event.action", f.Action}, {"event.outcome", f.Outcome}} {
		if n.value != "" {
			narrow += " " + strconv.Quote(n.field) + ":=" + quote(n.value)
		}
	}
	if strings.TrimSpace(filter) == "" {
		filter = "*"
	}
	if narrow != "" {
		filter = "(" + filter + ")" + narrow
	}
	return filter + pipes, nil
}

// quote writes a value as LogsQL reads it: as a Go string.
func quote(s string) string { return strconv.Quote(strings.ToValidUTF8(s, "\uFFFD")) }

// splitPipes parts a query before its first pipe: a | that stands in no
// quotation and no bracket. pipes begins with that | or is "".
func splitPipes(q string) (filter, pipes string, err error) {
	depth := 0
	var open []byte
	for i := 0; i < len(q); i++ {
		switch c := q[i]; c {
		case '"', '\'', '`':
			end := quotationEnd(q, i)
			if end < 0 {
				return "", "", errUnbalanced
			}
			i = end
		case '(', '[', '{':
			depth++
			open = append(open, c)
		case ')', ']', '}':
			if depth == 0 || !closes(open[len(open)-1], c) {
				return "", "", errUnbalanced
			}
			depth--
			open = open[:len(open)-1]
		case '#':
			// A comment runs to the end of the line; one without end would
			// swallow what is put behind the query.
			end := strings.IndexByte(q[i:], '\n')
			if end < 0 {
				return "", "", errors.New("a comment (#) does not end")
			}
			i += end
		case '|':
			if depth == 0 {
				return q[:i], q[i:], nil
			}
		}
	}
	if depth > 0 {
		return "", "", errUnbalanced
	}
	return q, "", nil
}

// closes tells whether a bracket closes another. Ranges may be half open, such
// as range[1, 2).
func closes(open, c byte) bool {
	if open == '{' || c == '}' {
		return open == '{' && c == '}'
	}
	return true
}

// quotationEnd returns where the quotation that begins at i ends, or -1.
func quotationEnd(q string, i int) int {
	for j := i + 1; j < len(q); j++ {
		switch {
		case q[j] == '\\' && q[i] != '`':
			j++
		case q[j] == q[i]:
			return j
		}
	}
	return -1
}

func badQuery(detail, near string) error {
	return rest.NewProblem(422, "bad_query").WithErrors(rest.Field("/query/q", "bad_query", detail, near))
}

var fieldForm = regexp.MustCompile(`^[A-Za-z_@][A-Za-z0-9_.@-]{0,99}$`)

const maxFacets = 12

// facetFields reads a list of field names.
func facetFields(list string) ([]string, error) {
	names := strings.Split(list, ",")
	if len(names) > maxFacets {
		return nil, rest.Invalid(rest.Field("/query/fields", "too_long", maxFacets))
	}
	for i, n := range names {
		names[i] = strings.TrimSpace(n)
		if !fieldForm.MatchString(names[i]) {
			return nil, rest.Invalid(rest.Field("/query/fields", "wrong_form", n))
		}
	}
	return names, nil
}

var referenceForm = regexp.MustCompile(`^[A-Z]{2}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}$`)

// reference reads a number as it comes over the telephone: in any case, with or
// without its dashes.
func reference(s string) (string, bool) {
	s = strings.ToUpper(strings.NewReplacer("-", "", " ", "").Replace(s))
	if len(s) != 10 {
		return "", false
	}
	s = s[:2] + "-" + s[2:6] + "-" + s[6:]
	return s, referenceForm.MatchString(s)
}
