package waf

import (
	"encoding/json"
	"strings"
	"time"
)

// Match is one rule that matched in one place, as events keep it (waf.matches).
type Match struct {
	ID       int    `json:"id"`
	Paranoia int    `json:"pl"`
	Score    int    `json:"score"`
	Message  string `json:"msg"`
	Var      string `json:"var"`     // such as ARGS:comment
	Payload  string `json:"payload"` // without the secrets that its name gives away
	category string
	tags     []string
}

// Decision is what a policy makes of matches.
type Decision struct {
	Score, Outbound int
	Block           bool
	// Deciding is the match that weighs most among those that count, or nil.
	Deciding *Match
	// Excluded is how many matches an exclusion took out.
	Excluded int
}

// outboundThreshold is CRS's default for responses (crs-setup, 900110).
const outboundThreshold = 4

// outbound tells whether a rule judges responses.
func outbound(id int) bool { return id >= 950000 && id < 960000 }

// Decide weighs matches of a request for path under rules at a moment. It is the
// only place where that is decided, for requests now and for past ones alike.
func (r *Rules) Decide(path string, matches []Match, now time.Time) Decision {
	var d Decision
	for i := range matches {
		m := &matches[i]
		if m.Paranoia > r.policy.Paranoia {
			continue
		}
		if r.excluded(path, m, now) {
			d.Excluded++
			continue
		}
		if outbound(m.ID) {
			if !r.policy.ResponseInspection {
				continue
			}
			d.Outbound += m.Score
		} else {
			d.Score += m.Score
		}
		if d.Deciding == nil || m.Score > d.Deciding.Score {
			d.Deciding = m
		}
	}
	d.Block = d.Score >= r.policy.Threshold || d.Outbound >= outboundThreshold
	return d
}

func (r *Rules) excluded(path string, m *Match, now time.Time) bool {
	if len(r.exclusions) == 0 || climbs(path) {
		return false
	}
	for i := range r.exclusions {
		e := &r.exclusions[i]
		if !now.Before(e.until) || !strings.HasPrefix(path, e.path) {
			continue
		}
		if e.parameter != "" && !sameParameter(m.Var, e.parameter) {
			continue
		}
		if e.rules[m.ID] {
			return true
		}
		for _, t := range m.tags {
			if e.tags[t] {
				return true
			}
		}
	}
	return false
}

// climbs tells whether a path has a step upwards: where it begins says nothing of
// where a server ends, so /form/../admin is not below /form/. Some servers take
// parameters (;x) out of a step first, and some take \ for /.
func climbs(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	for step := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if name, _, _ := strings.Cut(step, ";"); strings.TrimSpace(name) == ".." {
			return true
		}
	}
	return false
}

// sameParameter tells whether a variable such as ARGS:json.user.name is the
// field that an official calls user.name.
func sameParameter(variable, parameter string) bool {
	_, key, ok := strings.Cut(strings.ToLower(variable), ":")
	return ok && (key == parameter || key == "json."+parameter)
}

// Preview tells whether a request that was recorded with these matches (the
// field waf.matches) would be stopped by other rules now. Only rules that ran
// then are on record: those up to the paranoia level of then, and one more where
// the policy had the preview on. Complete is false when rules asks for more.
// DetectedParanoia is the record's waf.paranoia.
func Preview(rules *Rules, path, matches string, detectedParanoia int, now time.Time) (decision Decision, complete bool, err error) {
	var list []Match
	if matches != "" {
		if err := json.Unmarshal([]byte(matches), &list); err != nil {
			return Decision{}, false, err
		}
	}
	known := crs()
	for i := range list {
		list[i].tags = known.rules[list[i].ID].tags
	}
	d := rules.Decide(path, list, now)
	d.Block = d.Block && rules.policy.Action == ActionBlock
	return d, rules.policy.Paranoia <= detectedParanoia, nil
}
