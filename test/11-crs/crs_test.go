// Package crs_test runs the regression tests of the OWASP Core Rule Set against
// the edge: real requests over a connection, to the proxy with the WAF, judged by
// what the events say. It is a module of its own, so that the runner's
// dependencies stay out of the product's.
package crs_test

import (
	"bufio"
	"encoding/base64"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/netip"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/corazawaf/coraza-coreruleset/v4/tests"
	"github.com/coreruleset/go-ftw/config"
	"github.com/coreruleset/go-ftw/output"
	"github.com/coreruleset/go-ftw/runner"
	ftw "github.com/coreruleset/go-ftw/test"
	"github.com/rs/zerolog"

	schema "github.com/coreruleset/ftw-tests-schema/v2/types"
)

var (
	only     = flag.String("only", "", "run only the tests whose id, such as 920100-4, matches this expression")
	failures = flag.String("failures", "", "write the tests that do not pass, and what was seen, to this file")
)

// publishedHost stands for localhost in the tests' requests: a municipality's
// site has a name with a dot. It is as long, so that lengths stay true.
const publishedHost = "a.example"

func TestRegressionTestsOfTheCoreRuleSet(t *testing.T) {
	zerolog.SetGlobalLevel(zerolog.FatalLevel)
	known := differences(t)
	cases, hosts := load(t)
	p := start(t, hosts)
	cfg := config.NewDefaultConfig()
	cfg.LogFile, cfg.LogMarkerHeaderName = p.log.file, marker
	address := "127.0.0.1"
	cfg.TestOverride.Overrides = config.Overrides{DestAddr: &address, Port: &p.port}

	chosen, err := regexp.Compile(*only)
	if err != nil {
		t.Fatal(err)
	}
	failed, ran := map[string]string{}, map[string]bool{}
	for _, c := range cases {
		id := c.Tests[0].IdString()
		if !chosen.MatchString(id) {
			continue
		}
		ran[id] = true
		p.log.take()
		run, err := runner.Run(cfg, []*ftw.FTWTest{c}, &runner.RunnerConfig{
			ShowOnlyFailed: true, ConnectTimeout: 10 * time.Second, ReadTimeout: time.Minute,
		}, output.NewOutput("quiet", io.Discard))
		seen := strings.Join(p.log.take(), "\n\t")
		switch {
		case err != nil:
			failed[id] = err.Error() + "\n\t" + seen
		case run.Stats.TotalFailed() > 0:
			failed[id] = wanted(&c.Tests[0]) + "\n\t" + seen
		case len(run.Stats.Success) != 1:
			t.Errorf("%s: neither passed nor failed", id)
		}
	}
	t.Logf("%d of %d tests pass", len(ran)-len(failed), len(ran))
	for _, id := range slices.Sorted(maps.Keys(failed)) {
		if known[id] == "" {
			t.Errorf("%s does not pass: %s", id, failed[id])
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if ran[id] && failed[id] == "" {
			t.Errorf("%s passes, but stands in testdata/differences.txt", id)
		}
	}
	if *failures != "" {
		var text strings.Builder
		for _, id := range slices.Sorted(maps.Keys(failed)) {
			fmt.Fprintf(&text, "%s\t%s\n", id, failed[id])
		}
		if err := os.WriteFile(*failures, []byte(text.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// wanted says what a test expects of its last stage.
func wanted(c *schema.Test) string {
	o := c.Stages[len(c.Stages)-1].Output
	return fmt.Sprintf("wants status %d, rules %v, not rules %v, line %q, no line %q", o.Status, o.Log.ExpectIds, o.Log.NoExpectIds, o.Log.MatchRegex, o.Log.NoMatchRegex)
}

// load reads the tests, each as a suite of its own so that an error of one does
// not end the run, and the hosts to publish for them.
func load(t *testing.T) (cases []*ftw.FTWTest, hosts []string) {
	t.Helper()
	names := map[string]bool{publishedHost: true}
	err := fs.WalkDir(tests.FS, ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != ".yaml" {
			return err
		}
		text, err := fs.ReadFile(tests.FS, file)
		if err != nil {
			return err
		}
		suite, err := ftw.GetTestFromYaml(text, path.Base(file))
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		for _, c := range suite.Tests {
			for i := range c.Stages {
				if host := rename(&c.Stages[i].Input); publishable(host) {
					names[host] = true
				}
			}
			one := *suite
			one.Tests = []schema.Test{c}
			cases = append(cases, &one)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(cases) < 4000 {
		t.Fatalf("%d tests were read, want the whole set", len(cases))
	}
	return cases, slices.Sorted(maps.Keys(names))
}

// rename puts publishedHost in the place of localhost where it says whose
// request it is, and returns the host.
func rename(in *schema.Input) string {
	if raw, err := base64.StdEncoding.DecodeString(in.EncodedRequest); err == nil && len(raw) > 0 {
		in.EncodedRequest = base64.StdEncoding.EncodeToString([]byte(strings.ReplaceAll(string(raw), "Host: localhost", "Host: "+publishedHost)))
	}
	if in.URI != nil && *in.URI == "http://localhost" {
		*in.URI = "http://" + publishedHost
	}
	for name, value := range in.Headers {
		if strings.EqualFold(name, "referer") {
			in.Headers[name] = strings.Replace(value, "http://localhost/", "http://"+publishedHost+"/", 1)
		}
	}
	for name, value := range in.Headers {
		if strings.EqualFold(name, "host") {
			if value == "localhost" {
				in.Headers[name] = publishedHost
			}
			return strings.ToLower(in.Headers[name])
		}
	}
	return ""
}

func publishable(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(host, ".") && !strings.ContainsAny(host, ":%[ ")
}

// differences reads the tests that are known not to pass, with the reason.
func differences(t *testing.T) map[string]string {
	t.Helper()
	file, err := os.Open("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // read to its end
	known := map[string]string{}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		id, reason, ok := strings.Cut(line, " ")
		if !ok || known[id] != "" {
			t.Fatalf("testdata/differences.txt: %q has no reason, or stands twice", line)
		}
		known[id] = strings.TrimSpace(reason)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return known
}
