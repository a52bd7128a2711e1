package waf

import (
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
)

// Policy is what a body decides about the inspection of its sites (WAF). The
// envelope's mode off or other turns it off.
type Policy struct {
	// Action is "block" (遮断) or "detect" (記録だけ).
	Action string `json:"action"`
	// Paranoia is the CRS level, 1 to 4: higher finds more, and more that is honest.
	Paranoia int `json:"paranoia"`
	// Threshold is the anomaly score from which a request is stopped; one
	// critical match scores 5.
	Threshold int `json:"threshold"`
	// BodyLimitKB is how much of a request's body is inspected.
	BodyLimitKB int `json:"body_limit_kb"`
	// Beyond is what happens to a form or document longer than that: "block" or
	// "pass". Uploads of files (multipart) always pass on, inspected up to it.
	Beyond string `json:"beyond"`
	// Fail is what happens when the engine fails or takes too long: "closed" or "open".
	Fail string `json:"fail"`
	// ResponseInspection also judges what the origin answers.
	ResponseInspection bool `json:"response_inspection"`
	// Preview evaluates one paranoia level above Paranoia for the record, so that
	// a change of level can be tried on past requests.
	Preview bool `json:"preview"`
	// Charsets are the encodings of forms besides UTF-8 that are decoded before
	// rules see them: shift_jis, euc-jp, iso-2022-jp.
	Charsets   []string    `json:"charsets"`
	Exclusions []Exclusion `json:"exclusions"`
}

// Exclusion lets something pass that rules would stop (除外). It ends by itself.
type Exclusion struct {
	Path      string   `json:"path"`                // prefix, such as /form/
	Rules     []int    `json:"rules,omitempty"`     // ids, or
	Tags      []string `json:"tags,omitempty"`      // tags, such as attack-sqli
	Parameter string   `json:"parameter,omitempty"` // only in this form field, cookie or header; empty: anywhere
	Reason    string   `json:"reason"`
	Owner     string   `json:"owner"`
	Expires   Date     `json:"expires"` // the last day
}

// Date is a day in Japan, such as 2027-03-31.
type Date struct{ day string }

// MarshalText implements encoding.TextMarshaler.
func (d Date) MarshalText() ([]byte, error) { return []byte(d.day), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Date) UnmarshalText(text []byte) error {
	if _, err := time.Parse(time.DateOnly, string(text)); err != nil && len(text) > 0 {
		return err
	}
	d.day = string(text)
	return nil
}

// end is the moment after the last day, or the zero time without a day.
func (d Date) end() time.Time {
	day, err := time.ParseInLocation(time.DateOnly, d.day, time.FixedZone("JST", 9*60*60))
	if err != nil {
		return time.Time{}
	}
	return day.AddDate(0, 0, 1)
}

// The choices of a Policy.
const (
	ActionBlock  = "block"
	ActionDetect = "detect"
	FailOpen     = "open"
	FailClosed   = "closed"
	BeyondBlock  = "block"
	BeyondPass   = "pass"
)

// The bounds of a Policy.
const (
	maxBodyLimitKB = 1024
	maxThreshold   = 1000
	maxExclusions  = 500
)

// Spec is the service's policy. Now is asked when a document is compiled: an
// exclusion that has ended already is refused.
func Spec(now func() time.Time) *policy.Spec[Policy, Rules] {
	return &policy.Spec[Policy, Rules]{
		Name: "waf", Version: 1,
		Default: Policy{
			Action: ActionBlock, Paranoia: 1, Threshold: 5, BodyLimitKB: 128, Beyond: BeyondBlock, Fail: FailClosed,
			Charsets: []string{"shift_jis", "euc-jp"}, Exclusions: []Exclusion{},
		},
		Compile: func(p Policy) (*Rules, []policy.Problem) { return Compile(p, now()) },
	}
}

// Rules is a compiled Policy: immutable.
type Rules struct {
	policy     Policy
	exclusions []exclusion
	charsets   []charset
	contentSet string // CRS's list of allowed charsets
}

type exclusion struct {
	path      string
	rules     map[int]bool
	tags      map[string]bool
	parameter string // lower case
	until     time.Time
}

// Compile is the only way from a Policy to Rules.
//
// An exclusion that ended after it was written must not make the whole document
// unreadable at the next start: such a one compiles and does nothing. Only one
// that has been over for more than a year is refused, as is one without a day.
func Compile(p Policy, now time.Time) (*Rules, []policy.Problem) {
	r := &Rules{policy: p}
	var wrong []policy.Problem
	choice := func(field, got string, allowed ...string) {
		for _, a := range allowed {
			if got == a {
				return
			}
		}
		args := []any{got}
		for _, a := range allowed {
			args = append(args, a)
		}
		wrong = append(wrong, policy.At(field).Is("unknown_choice", args...))
	}
	bounds := func(field string, v, low, high int) {
		if v < low || v > high {
			wrong = append(wrong, policy.At(field).Is("out_of_range", v, low, high))
		}
	}
	choice("action", p.Action, ActionBlock, ActionDetect)
	choice("fail", p.Fail, FailClosed, FailOpen)
	choice("beyond", p.Beyond, BeyondBlock, BeyondPass)
	bounds("paranoia", p.Paranoia, 1, 4)
	bounds("threshold", p.Threshold, 1, maxThreshold)
	bounds("body_limit_kb", p.BodyLimitKB, 1, maxBodyLimitKB)
	if len(p.Exclusions) > maxExclusions {
		wrong = append(wrong, policy.At("exclusions").Is("too_many", len(p.Exclusions), maxExclusions))
		return nil, wrong
	}
	names := []string{"utf-8", "iso-8859-1", "iso-8859-15", "windows-1252"}
	for i, name := range p.Charsets {
		c, ok := charsetNamed(name)
		if !ok {
			wrong = append(wrong, policy.At("charsets", i).Is("unknown_choice", name, "shift_jis", "euc-jp", "iso-2022-jp"))
			continue
		}
		r.charsets = append(r.charsets, c)
		names = append(names, c.names...)
	}
	r.contentSet = "|" + strings.Join(names, "| |") + "|"
	known := crs()
	for i, e := range p.Exclusions {
		out, problems := compileExclusion(i, e, known, now)
		wrong = append(wrong, problems...)
		r.exclusions = append(r.exclusions, out)
	}
	if wrong != nil {
		return nil, wrong
	}
	return r, nil
}

func compileExclusion(i int, e Exclusion, known *catalogue, now time.Time) (exclusion, []policy.Problem) {
	at := func(path ...any) policy.Place { return policy.At(append([]any{"exclusions", i}, path...)...) }
	var wrong []policy.Problem
	out := exclusion{
		path: e.Path, rules: make(map[int]bool, len(e.Rules)), tags: make(map[string]bool, len(e.Tags)),
		parameter: strings.ToLower(strings.TrimSpace(e.Parameter)), until: e.Expires.end(),
	}
	if !strings.HasPrefix(e.Path, "/") {
		wrong = append(wrong, at("path").Is("not_a_path", e.Path))
	}
	if len(e.Rules) == 0 && len(e.Tags) == 0 {
		wrong = append(wrong, at("rules").Is("missing"))
	}
	for j, id := range e.Rules {
		if _, ok := known.rules[id]; !ok {
			wrong = append(wrong, at("rules", j).Is("unknown_rule", id))
		}
		out.rules[id] = true
	}
	for j, tag := range e.Tags {
		if !known.tags[tag] {
			wrong = append(wrong, at("tags", j).Is("unknown_tag", tag))
		}
		out.tags[tag] = true
	}
	if strings.TrimSpace(e.Reason) == "" {
		wrong = append(wrong, at("reason").Is("missing"))
	}
	if strings.TrimSpace(e.Owner) == "" {
		wrong = append(wrong, at("owner").Is("missing"))
	}
	switch {
	case out.until.IsZero():
		wrong = append(wrong, at("expires").Is("missing"))
	case out.until.AddDate(1, 0, 0).Before(now):
		wrong = append(wrong, at("expires").Is("in_the_past", e.Expires.day))
	}
	return out, wrong
}

// Ended says which exclusions of p are over: what a screen refuses when a
// document is written, though it still compiles.
func Ended(p Policy, now time.Time) []policy.Problem {
	var wrong []policy.Problem
	for i, e := range p.Exclusions {
		if end := e.Expires.end(); !end.IsZero() && !now.Before(end) {
			wrong = append(wrong, policy.At("exclusions", i, "expires").Is("in_the_past", e.Expires.day))
		}
	}
	return wrong
}

// String is the policy in few words, for the log.
func (r *Rules) String() string {
	return r.policy.Action + " PL" + strconv.Itoa(r.policy.Paranoia)
}
