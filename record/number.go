package record

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/record/clock"
)

// Pattern is how a kind writes its numbers: text with
//
//	{令}    the fiscal year as 令8
//	{R}     the fiscal year as R8
//	{mmdd}  the day, and then numbers begin at 1 every day instead of every year
//	{n4}    the serial number, here with at least four digits; it stands last
//
// such as "{令}-{n4}" for 令8-0412 and "{R}-{mmdd}-{n2}" for R8-1125-03. Years
// and days are Japan's. Two kinds never share a form.
type Pattern struct {
	parts []string // literals and tokens in turn
	width int
	daily bool
	form  *regexp.Regexp
}

var patternToken = regexp.MustCompile(`\{[^{}]*\}`)

// ParsePattern reads a pattern.
func ParsePattern(s string) (Pattern, error) {
	wrong := func(why string) (Pattern, error) { return Pattern{}, fmt.Errorf("number pattern %q: %s", s, why) }
	if fold(s) != strings.ToLower(s) {
		return wrong("it is not in half width")
	}
	p := Pattern{}
	var form strings.Builder
	years, days, serials, at := 0, 0, 0, 0
	for _, span := range patternToken.FindAllStringIndex(s, -1) {
		literal, token := s[at:span[0]], s[span[0]:span[1]]
		if strings.ContainsAny(literal, "0123456789{}") {
			return wrong("text between tokens holds a digit or brace")
		}
		form.WriteString(regexp.QuoteMeta(fold(literal)))
		switch {
		case serials > 0:
			return wrong("the serial number stands last")
		case token == "{令}":
			years++
			form.WriteString(`((?:令|平|昭)(?:元|[1-9][0-9]{0,3}))`)
		case token == "{R}":
			years++
			form.WriteString(`([rhs][1-9][0-9]{0,3})`)
		case token == "{mmdd}":
			days++
			p.daily = true
			form.WriteString(`([0-9]{4})`)
		case len(token) == 4 && token[1] == 'n' && token[2] >= '1' && token[2] <= '9':
			serials++
			p.width = int(token[2] - '0')
			form.WriteString(`([0-9]{1,12})`)
		default:
			return wrong(token + " is no token")
		}
		p.parts = append(p.parts, literal, token)
		at = span[1]
	}
	switch {
	case at != len(s):
		return wrong("the serial number stands last")
	case years != 1 || serials != 1 || days > 1:
		return wrong("it needs one year, one serial number and at most one day")
	case p.daily && (strings.Index(s, "{mmdd}") < strings.Index(s, "{令}") || strings.Index(s, "{mmdd}") < strings.Index(s, "{R}")):
		return wrong("the day stands behind the year")
	case strings.Contains(s, "}{"):
		return wrong("two tokens touch")
	}
	p.form = regexp.MustCompile("^" + form.String() + "$")
	return p, nil
}

// Format writes number n of the day on which at falls.
func (p Pattern) Format(at time.Time, n int64) string {
	year, date := clock.YearOf(at), clock.DateOf(at)
	return p.write(year, fmt.Sprintf("%02d%02d", int(date.Month), date.Day), n)
}

func (p Pattern) write(year clock.FiscalYear, mmdd string, n int64) string {
	var b strings.Builder
	for _, part := range p.parts {
		switch {
		case part == "{令}":
			b.WriteString(year.Short())
		case part == "{R}":
			b.WriteString(year.Letter())
		case part == "{mmdd}":
			b.WriteString(mmdd)
		case strings.HasPrefix(part, "{n"):
			fmt.Fprintf(&b, "%0*d", p.width, n)
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}

// Canonical returns a number as Format wrote it from what somebody typed: in
// full width, lower case, with another dash, without the zeros in front. ok is
// false when it is no number of this form.
func (p Pattern) Canonical(typed string) (number string, ok bool) {
	if len(typed) > 200 {
		return "", false
	}
	found := p.form.FindStringSubmatch(fold(strings.TrimSpace(typed)))
	if found == nil {
		return "", false
	}
	year, err := clock.ParseYear(strings.ToUpper(found[1]))
	if err != nil {
		return "", false
	}
	mmdd := ""
	if p.daily {
		mmdd = found[2]
		// 29 February is a day of some years: 2024 is one of them.
		if _, err := time.Parse("20060102", "2024"+mmdd); err != nil {
			return "", false
		}
	}
	n, err := strconv.ParseInt(found[len(found)-1], 10, 64)
	if err != nil || n < 1 {
		return "", false
	}
	return p.write(year, mmdd, n), true
}

// series names the counter that numbers of at come from.
func (p Pattern) series(kind string, at time.Time) string {
	series := kind + "/" + strconv.Itoa(int(clock.YearOf(at)))
	if p.daily {
		date := clock.DateOf(at)
		series += fmt.Sprintf("/%02d%02d", int(date.Month), date.Day)
	}
	return series
}
