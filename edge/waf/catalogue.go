package waf

import (
	"io/fs"
	"regexp"
	"strconv"
	"strings"
	"sync"

	coreruleset "github.com/corazawaf/coraza-coreruleset/v4"
)

// catalogue is what the Core Rule Set holds: its rules that match attacks.
type catalogue struct {
	rules map[int]rule
	tags  map[string]bool
}

// rule is one entry of the catalogue.
type rule struct {
	paranoia int
	severity int // score of one match
	tags     []string
	category string
}

// crs reads the catalogue out of the rule files, once.
var crs = sync.OnceValue(readCatalogue)

var (
	ruleID     = regexp.MustCompile(`\bid:'?(\d+)`)
	ruleTag    = regexp.MustCompile(`\btag:'([^']+)'`)
	ruleWeight = regexp.MustCompile(`\bseverity:'?([A-Z]+)`)
)

func readCatalogue() *catalogue {
	c := &catalogue{rules: make(map[int]rule), tags: make(map[string]bool)}
	files, err := fs.Glob(coreruleset.FS, "@owasp_crs/*.conf")
	if err != nil {
		panic("waf: the embedded rule set has no files: " + err.Error())
	}
	for _, file := range files {
		text, err := fs.ReadFile(coreruleset.FS, file)
		if err != nil {
			panic("waf: the embedded rule set cannot be read: " + err.Error())
		}
		// A directive is one logical line.
		for line := range strings.SplitSeq(strings.ReplaceAll(string(text), "\\\n", ""), "\n") {
			if !strings.HasPrefix(strings.TrimSpace(line), "Sec") {
				continue
			}
			id := ruleID.FindStringSubmatch(line)
			if id == nil {
				continue
			}
			n, err := strconv.Atoi(id[1])
			if err != nil {
				continue
			}
			var tags []string
			for _, t := range ruleTag.FindAllStringSubmatch(line, -1) {
				tags = append(tags, t[1])
			}
			weight := ruleWeight.FindStringSubmatch(line)
			if weight == nil {
				continue // bookkeeping
			}
			for _, t := range tags {
				c.tags[t] = true
			}
			c.rules[n] = rule{paranoia: paranoiaOf(tags), severity: score(weight[1]), category: categoryOf(tags), tags: tags}
		}
	}
	return c
}

// score is what CRS adds for one match of this severity (crs-setup, 900100).
func score(severity string) int {
	switch severity {
	case "CRITICAL", "EMERGENCY", "ALERT":
		return 5
	case "ERROR":
		return 4
	case "WARNING":
		return 3
	case "NOTICE":
		return 2
	}
	return 0
}

func paranoiaOf(tags []string) int {
	for _, t := range tags {
		if level, ok := strings.CutPrefix(t, "paranoia-level/"); ok && len(level) == 1 && level[0] >= '1' && level[0] <= '4' {
			return int(level[0] - '0')
		}
	}
	return 1
}

// categoryOf is the kind of attack: sqli, xss, lfi, rfi, rce, protocol, …
func categoryOf(tags []string) string {
	for _, t := range tags {
		if kind, ok := strings.CutPrefix(t, "attack-"); ok {
			return strings.TrimPrefix(kind, "injection-")
		}
	}
	for _, t := range tags {
		if file, ok := strings.CutPrefix(t, "OWASP_CRS/"); ok {
			return strings.ToLower(strings.TrimPrefix(file, "ATTACK-"))
		}
	}
	return "other"
}

// Known tells whether id is a rule that an exclusion may name.
func Known(id int) bool {
	_, ok := crs().rules[id]
	return ok
}
