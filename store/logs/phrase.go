package logs

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// expandPhrases returns the LogsQL query with every bare quoted phrase of its
// filter replaced by the same phrase over all of fields. In LogsQL itself a bare
// phrase is looked for in _msg only.
//
// A phrase is bare when it stands on its own: not behind a field's colon or a
// comparison, not as an argument of a function such as in(…) or seq(…), not in
// {…}, not joined to a word. Pipes are left as they are. A phrase with characters
// beyond ASCII is looked for as a part of the text, because the engine takes a
// run of Japanese for one word. Whatever cannot be read is left to the engine to
// complain about.
func expandPhrases(query string, fields []string) string {
	if len(fields) == 0 || !strings.ContainsAny(query, "\"'`") {
		return query
	}
	var out strings.Builder
	x := scanner{rest: query}
	// scoped is set behind a colon or comparison until its operand is over.
	scoped := false
	previous := token{kind: opening}
	depth := 0
	for {
		t := x.next()
		out.WriteString(t.space)
		if t.text == "-" && joined(previous, t) {
			t.kind = other // a hyphen inside a word
		}
		switch t.kind {
		case end:
			return out.String()
		case opening:
			switch {
			case t.text == "(" && !scoped && (previous.kind != word || keyword(previous.text)):
				depth++
				out.WriteString(t.text)
			default: // a function's arguments, a field's alternatives, or a stream filter
				out.WriteString(t.text)
				out.WriteString(x.through(t.text))
				scoped = false
				t.kind = closing
			}
		case closing:
			depth--
			out.WriteString(t.text)
		case pipe:
			if depth <= 0 {
				out.WriteString(t.text)
				out.WriteString(x.rest)
				return out.String()
			}
			out.WriteString(t.text)
		case operator:
			if t.text != "!" && t.text != "-" {
				scoped = true
			}
			out.WriteString(t.text)
		case quoted:
			prefix := strings.HasPrefix(x.rest, "*")
			if scoped || joined(previous, t) || !x.alone(prefix) {
				out.WriteString(t.text)
			} else {
				if prefix {
					x.rest = x.rest[1:]
				}
				writeAlternatives(&out, t.value, prefix, fields)
			}
			scoped = false
		default:
			out.WriteString(t.text)
			scoped = false
		}
		previous = t
	}
}

// writeAlternatives writes the phrase over all fields.
func writeAlternatives(out *strings.Builder, phrase string, prefix bool, fields []string) {
	filter := strconv.Quote(phrase)
	switch {
	case utf8.ValidString(phrase) && strings.IndexFunc(phrase, func(r rune) bool { return r >= utf8.RuneSelf }) >= 0:
		filter = "~" + strconv.Quote(regexp.QuoteMeta(phrase))
	case prefix:
		filter += "*"
	}
	out.WriteByte('(')
	for i, f := range fields {
		if i > 0 {
			out.WriteString(" or ")
		}
		out.WriteString(strconv.Quote(f))
		out.WriteByte(':')
		out.WriteString(filter)
	}
	out.WriteByte(')')
}

func keyword(s string) bool {
	switch strings.ToLower(s) {
	case "and", "or", "not":
		return true
	}
	return false
}

// joined tells whether a quoted token is glued to the one before it.
func joined(previous, t token) bool {
	if t.space != "" {
		return false
	}
	return previous.kind == word || previous.kind == quoted || previous.kind == other || previous.kind == closing
}

type kind int

const (
	end kind = iota
	word
	quoted
	opening
	closing
	pipe
	operator
	other
)

// token is one piece of a query. space is what stood before it.
type token struct {
	kind        kind
	space, text string
	value       string // of quoted
}

// scanner cuts a query into the engine's tokens.
type scanner struct{ rest string }

func (x *scanner) next() token {
	space := x.skip()
	s := x.rest
	if s == "" {
		return token{kind: end, space: space}
	}
	if n := wordLen(s); n > 0 {
		return x.take(token{kind: word, space: space}, n)
	}
	switch s[0] {
	case '"', '`':
		if raw, err := strconv.QuotedPrefix(s); err == nil {
			if value, err := strconv.Unquote(raw); err == nil {
				return x.take(token{kind: quoted, space: space, value: value}, len(raw))
			}
		}
		return x.take(token{kind: other, space: space}, 1)
	case '\'':
		if value, n, ok := singleQuoted(s); ok {
			return x.take(token{kind: quoted, space: space, value: value}, n)
		}
		return x.take(token{kind: other, space: space}, 1)
	case '(', '{', '[':
		return x.take(token{kind: opening, space: space}, 1)
	case ')', '}', ']':
		return x.take(token{kind: closing, space: space}, 1)
	case '|':
		return x.take(token{kind: pipe, space: space}, 1)
	case ':', '=', '~', '<', '>', '!', '-':
		return x.take(token{kind: operator, space: space}, 1)
	}
	_, n := utf8.DecodeRuneInString(s)
	return x.take(token{kind: other, space: space}, n)
}

func (x *scanner) take(t token, n int) token {
	t.text, x.rest = x.rest[:n], x.rest[n:]
	return t
}

// skip passes spaces and comments.
func (x *scanner) skip() string {
	s := x.rest
	for {
		trimmed := strings.TrimLeftFunc(s, unicode.IsSpace)
		if !strings.HasPrefix(trimmed, "#") {
			space := x.rest[:len(x.rest)-len(trimmed)]
			x.rest = trimmed
			return space
		}
		_, s, _ = strings.Cut(trimmed, "\n")
	}
}

// through returns everything up to the bracket that closes open, and with it.
func (x *scanner) through(open string) string {
	start := x.rest
	for depth := 1; depth > 0; {
		switch t := x.next(); t.kind {
		case end:
			return start
		case opening:
			depth++
		case closing:
			depth--
		}
		// A range such as [1, 5) closes with the other bracket: any kind counts.
	}
	return start[:len(start)-len(x.rest)]
}

// alone tells whether what follows a quoted token leaves it a phrase.
func (x *scanner) alone(prefix bool) bool {
	ahead := scanner{rest: x.rest}
	if prefix {
		ahead.rest = ahead.rest[1:]
	}
	t := ahead.next()
	switch t.kind {
	case end, closing, pipe:
		return true
	case operator:
		return t.space != "" && (t.text == "!" || t.text == "-")
	case other:
		return false
	}
	return t.space != ""
}

// wordLen is how many bytes of s are one word: letters, digits, _ . / and so on
// as the engine has them.
func wordLen(s string) int {
	for i, r := range s {
		if r == utf8.RuneError || !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '.' && r != '/' {
			return i
		}
	}
	return len(s)
}

func singleQuoted(s string) (value string, n int, ok bool) {
	var b strings.Builder
	tail := s[1:]
	for !strings.HasPrefix(tail, "'") {
		r, _, rest, err := strconv.UnquoteChar(tail, '\'')
		if err != nil {
			return "", 0, false
		}
		b.WriteRune(r)
		tail = rest
	}
	return b.String(), len(s) - len(tail) + 1, true
}
