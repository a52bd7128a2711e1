package store

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// words are what a Where may hold besides columns; functions must be followed
// by a parenthesis. There is no SELECT, so a fragment cannot reach another table.
var words = map[string]bool{
	"and": true, "or": true, "not": true, "in": true, "is": true, "null": true, "like": true,
	"between": true, "true": true, "false": true, "case": true, "when": true, "then": true, "else": true, "end": true,
}

var functions = map[string]bool{"lower": true, "upper": true, "length": true, "coalesce": true, "abs": true}

type tokenKind int

const (
	wordToken tokenKind = iota // a keyword, function or column, in lower case
	numberToken
	textToken
	argToken
	signToken
)

type token struct {
	kind tokenKind
	text string
}

// tokenize splits a fragment. What it does not know is refused, above all
// everything that begins a comment, a quoted name, a second statement or a cast.
func tokenize(s string) ([]token, error) {
	if !utf8.ValidString(s) {
		return nil, fmt.Errorf("it is not UTF-8")
	}
	var tokens []token
	for i := 0; i < len(s); {
		c := s[i]
		start := i
		switch {
		case c == ' ' || c == '\t' || c == '\n':
			i++
			continue
		case letter(c):
			for i < len(s) && (letter(s[i]) || digit(s[i])) {
				i++
			}
			tokens = append(tokens, token{wordToken, strings.ToLower(s[start:i])})
		case digit(c):
			for i < len(s) && (digit(s[i]) || s[i] == '.') {
				i++
			}
			if text := s[start:i]; strings.Count(text, ".") > 1 || text[len(text)-1] == '.' || i < len(s) && letter(s[i]) {
				return nil, fmt.Errorf("%q is no number", s[start:min(i+1, len(s))])
			}
			tokens = append(tokens, token{numberToken, s[start:i]})
		case c == '\'':
			end := strings.IndexByte(s[i+1:], '\'')
			if end < 0 {
				return nil, fmt.Errorf("a text does not end")
			}
			i += end + 2
			if text := s[start:i]; strings.ContainsAny(text, "\\\x00") || i < len(s) && s[i] == '\'' {
				return nil, fmt.Errorf("a text with a quote or backslash must be an argument")
			}
			tokens = append(tokens, token{textToken, s[start:i]})
		case c == '?':
			i++
			if i < len(s) && (letter(s[i]) || digit(s[i]) || s[i] == '?' || s[i] == '|' || s[i] == '&') {
				return nil, fmt.Errorf("an argument is a single ?")
			}
			tokens = append(tokens, token{argToken, "?"})
		default:
			sign := ""
			for _, known := range []string{"<=", ">=", "<>", "||", "--", "=", "<", ">", "+", "-", "(", ")", ","} {
				if strings.HasPrefix(s[i:], known) {
					sign = known
					break
				}
			}
			if sign == "" || sign == "--" {
				r, _ := utf8.DecodeRuneInString(s[i:])
				return nil, fmt.Errorf("%q has no place in it", r)
			}
			i += len(sign)
			tokens = append(tokens, token{signToken, sign})
		}
	}
	return tokens, nil
}

func letter(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// where writes a condition, which closes every parenthesis that it opens and
// none else, so that nothing in it can reach behind the tenant predicate.
func (b *builder) where(t *table, text string) error {
	tokens, err := tokenize(text)
	if err != nil {
		return fmt.Errorf("condition %q: %w", text, err)
	}
	depth := 0
	sign := func(i int, want string) bool {
		return i < len(tokens) && tokens[i].kind == signToken && tokens[i].text == want
	}
	escapeAt := -1 // the index behind which LIKE's ESCAPE stands
	for i, tok := range tokens {
		b.WriteByte(' ')
		switch tok.kind {
		case argToken:
			b.arg(whereArg)
		case numberToken, textToken:
			b.WriteString(tok.text)
		case signToken:
			switch tok.text {
			case "(":
				depth++
			case ")":
				depth--
			}
			if depth < 0 {
				return fmt.Errorf("condition %q: a parenthesis closes that was not opened", text)
			}
			b.WriteString(tok.text)
		case wordToken:
			_, column := t.columns[tok.text]
			switch {
			case tok.text == "like":
				if escapeAt = likeOperand(tokens, i+1); escapeAt < 0 {
					return fmt.Errorf("condition %q: LIKE is followed by ?, LOWER(?) or a text", text)
				}
				b.WriteString("LIKE")
			case functions[tok.text] && sign(i+1, "("), words[tok.text]:
				b.WriteString(strings.ToUpper(tok.text))
			case column && !sign(i+1, "("):
				b.name(tok.text)
			default:
				return fmt.Errorf("condition %q: %s has no column %s", text, t.name, tok.text)
			}
		}
		if i == escapeAt {
			b.WriteString(` ESCAPE '\'`)
			escapeAt = -1
		}
	}
	if depth != 0 {
		return fmt.Errorf("condition %q: a parenthesis is not closed", text)
	}
	return nil
}

// likeOperand returns the index of the last token of LIKE's operand, or -1.
func likeOperand(tokens []token, i int) int {
	if i >= len(tokens) {
		return -1
	}
	switch tok := tokens[i]; {
	case tok.kind == argToken, tok.kind == textToken:
		return i
	case tok.kind == wordToken && (tok.text == "lower" || tok.text == "upper") && i+3 < len(tokens) &&
		tokens[i+1].text == "(" && tokens[i+2].kind == argToken && tokens[i+3].text == ")":
		return i + 3
	}
	return -1
}

// order writes a list of columns and directions. PostgreSQL sorts NULL last and
// SQLite first: first it is.
func (b *builder) order(t *table, text string) error {
	for i, part := range strings.Split(text, ",") {
		fields := strings.Fields(part)
		down := false
		if len(fields) == 2 {
			switch strings.ToUpper(fields[1]) {
			case "DESC":
				down = true
			case "ASC":
			default:
				return fmt.Errorf("order %q: %s is no direction", text, fields[1])
			}
		} else if len(fields) != 1 {
			return fmt.Errorf("order %q is not a list of columns", text)
		}
		column, ok := t.columns[fields[0]]
		if !ok {
			return fmt.Errorf("order %q: %s has no column %s", text, t.name, fields[0])
		}
		if i > 0 {
			b.WriteString(", ")
		}
		b.name(fields[0])
		if down {
			b.WriteString(" DESC")
		}
		if column.Null && b.dialect == postgres {
			if down {
				b.WriteString(" NULLS LAST")
			} else {
				b.WriteString(" NULLS FIRST")
			}
		}
	}
	return nil
}

// literal checks the default of a column.
func literal(s string) error {
	tokens, err := tokenize(s)
	if err != nil {
		return err
	}
	if len(tokens) == 2 && tokens[0].text == "-" && tokens[1].kind == numberToken {
		return nil
	}
	if len(tokens) == 1 {
		switch tok := tokens[0]; {
		case tok.kind == numberToken, tok.kind == textToken, tok.text == "true", tok.text == "false":
			return nil
		}
	}
	return fmt.Errorf("%q is not one literal", s)
}

// Contains returns the pattern for LIKE that finds text anywhere in a value.
func Contains(text string) string { return "%" + likeEscape(text) + "%" }

// HasPrefix returns the pattern for LIKE that finds values beginning with text.
func HasPrefix(text string) string { return likeEscape(text) + "%" }

func likeEscape(text string) string {
	return strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(text)
}

// In returns the condition that column is one of n arguments; n of 0 finds nothing.
func In(column string, n int) string {
	if n <= 0 {
		return "(FALSE)"
	}
	return column + " IN (" + strings.TrimSuffix(strings.Repeat("?, ", n), ", ") + ")"
}
