package clock

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// FiscalYear is a Japanese fiscal year (年度), named by the year in which it
// begins: 2026 runs from 1 April 2026 to 31 March 2027.
type FiscalYear int

// The years that have a name here: 昭和元年度 to the end of four digits.
const (
	firstYear FiscalYear = 1926
	lastYear  FiscalYear = 9998
)

// YearOf returns the fiscal year in which t falls in Japan.
func YearOf(t time.Time) FiscalYear {
	d := DateOf(t)
	if d.Month < time.April {
		return FiscalYear(d.Year - 1)
	}
	return FiscalYear(d.Year)
}

// Start returns the first moment of the year: 1 April 00:00 JST.
func (y FiscalYear) Start() time.Time { return Date{int(y), time.April, 1}.Start() }

// End returns the first moment after the year.
func (y FiscalYear) End() time.Time { return (y + 1).Start() }

// eras are those a fiscal year can be named by, newest first. A year in which
// the era changed is counted to the new one by custom from the year itself:
// 2019 年度 is 令和元年度 in papers written since.
var eras = []struct {
	name, kanji, letter string
	first               FiscalYear
}{
	{"令和", "令", "R", 2019},
	{"平成", "平", "H", 1989},
	{"昭和", "昭", "S", 1926},
}

func (y FiscalYear) era() (kanji, letter string, n int) {
	for _, e := range eras {
		if y >= e.first {
			return e.kanji, e.letter, int(y-e.first) + 1
		}
	}
	return "", "", int(y)
}

// Short returns the year as it stands in document numbers: 令8, and 令元 for a
// first year.
func (y FiscalYear) Short() string {
	kanji, _, n := y.era()
	if n == 1 && kanji != "" {
		return kanji + "元"
	}
	return kanji + strconv.Itoa(n)
}

// Letter returns the year in ASCII: R8.
func (y FiscalYear) Letter() string {
	_, letter, n := y.era()
	return letter + strconv.Itoa(n)
}

// String returns the year in full: 令和8年度.
func (y FiscalYear) String() string {
	short := y.Short()
	for _, e := range eras {
		if rest, ok := strings.CutPrefix(short, e.kanji); ok {
			return e.name + rest + "年度"
		}
	}
	return short + "年度"
}

// ParseYear reads 令8, 令元, R8, 令和8, 令和8年度 or 2026. Digits and letters must be
// half width: whoever takes text from people normalises it first.
func ParseYear(s string) (FiscalYear, error) {
	wrong := fmt.Errorf("%q is no fiscal year", s)
	rest := strings.TrimSuffix(s, "年度")
	base := FiscalYear(0)
	for _, e := range eras {
		for _, name := range []string{e.name, e.kanji, e.letter} {
			if tail, ok := strings.CutPrefix(rest, name); ok && base == 0 {
				rest, base = tail, e.first
			}
		}
	}
	if base != 0 && rest == "元" {
		return base, nil
	}
	if rest == "" || len(rest) > 4 || rest[0] == '0' || strings.Trim(rest, "0123456789") != "" {
		return 0, wrong
	}
	n, err := strconv.Atoi(rest)
	if err != nil {
		return 0, wrong
	}
	y := FiscalYear(n)
	if base != 0 {
		y = base + y - 1
	}
	if y < firstYear || y > lastYear {
		return 0, wrong
	}
	return y, nil
}
