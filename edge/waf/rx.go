package waf

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/corazawaf/coraza/v3/experimental/plugins"
	"github.com/corazawaf/coraza/v3/experimental/plugins/plugintypes"
	"rsc.io/binaryregexp"
)

// cutoff ends transactions that are over their time or whose client has gone.
// Coraza has no such thing: the operator that runs most asks here, which costs
// one load while nothing is late.
type cutoff struct {
	late atomic.Int64
	ids  sync.Map // transaction ids that are to end
}

func (c *cutoff) end(id string) {
	if _, twice := c.ids.LoadOrStore(id, true); !twice {
		c.late.Add(1)
	}
}

func (c *cutoff) forget(id string) {
	if _, was := c.ids.LoadAndDelete(id); was {
		c.late.Add(-1)
	}
}

// ended tells whether tx is to end, and if so keeps the rest of its rules from
// running.
func (c *cutoff) ended(tx plugintypes.TransactionState) bool {
	if c.late.Load() == 0 {
		return false
	}
	if _, late := c.ids.Load(tx.ID()); !late {
		return false
	}
	if t, ok := tx.(interface{ RemoveRuleByIDRange(start, end int) }); ok {
		t.RemoveRuleByIDRange(0, 1<<30)
	}
	return true
}

// building guards Coraza's operator table, which belongs to the whole process.
var building sync.Mutex

// registerRX makes @rx ask c before it matches, for the rules that are parsed
// until building is released.
func registerRX(c *cutoff) {
	compiled := make(map[string]matcher)
	plugins.RegisterOperator("rx", func(o plugintypes.OperatorOptions) (plugintypes.Operator, error) {
		m, ok := compiled[o.Arguments]
		if !ok {
			var err error
			if m, err = compileRX(o.Arguments); err != nil {
				return nil, err
			}
			compiled[o.Arguments] = m
		}
		return &rx{m, c}, nil
	})
}

// matcher is regexp.Regexp or its twin for bytes that are not UTF-8.
type matcher interface {
	MatchString(string) bool
	FindStringSubmatchIndex(string) []int
}

func compileRX(expression string) (matcher, error) {
	// The flags are Coraza's own, on which the Core Rule Set is tested.
	if expression := "(?sm)" + expression; !matchesBytes(expression) {
		return regexp.Compile(expression)
	}
	return binaryregexp.Compile(expression)
}

// matchesBytes tells whether an expression names bytes, such as \xc2, that are
// no UTF-8 by themselves.
func matchesBytes(expression string) bool {
	var plain []byte
	for i := 0; i < len(expression); i++ {
		if !strings.HasPrefix(expression[i:], `\x`) {
			plain = append(plain, expression[i])
			continue
		}
		digits, skip := "", 0
		if strings.HasPrefix(expression[i:], `\x{`) {
			if end := strings.IndexByte(expression[i:], '}'); end > 0 {
				digits, skip = expression[i+3:i+end], end
			}
		} else if len(expression) >= i+4 {
			digits, skip = expression[i+2:i+4], 3
		}
		n, err := strconv.ParseUint(digits, 16, 32)
		switch {
		case err != nil:
			plain = append(plain, expression[i])
			continue
		case n > 0xff:
			plain = utf8.AppendRune(plain, rune(n)) //nolint:gosec // 32 bits
		default:
			plain = append(plain, byte(n))
		}
		i += skip
	}
	return !utf8.Valid(plain)
}

// rx is the operator @rx.
type rx struct {
	matcher
	cutoff *cutoff
}

// Evaluate implements plugintypes.Operator.
func (o *rx) Evaluate(tx plugintypes.TransactionState, value string) bool {
	if o.cutoff.ended(tx) {
		return false
	}
	if !tx.Capturing() {
		return o.MatchString(value)
	}
	if !o.MatchString(value) { // a plain answer is cheaper than one with groups
		return false
	}
	groups := o.FindStringSubmatchIndex(value)
	for i := 0; i < len(groups)/2 && i < 9; i++ {
		text := ""
		if groups[2*i] >= 0 {
			text = value[groups[2*i]:groups[2*i+1]]
		}
		tx.CaptureField(i, text)
	}
	return true
}

// String is the operator as a message shows it.
func (o *rx) String() string { return fmt.Sprint(o.matcher) }
