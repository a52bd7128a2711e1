package portal

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/sekikura/sekikura/portal/text"
)

// inSource finds where the portal's own code names a code of the catalogue.
var inSource = []struct {
	prefix string
	form   *regexp.Regexp
}{
	{"problem.", regexp.MustCompile(`(?:NewProblem|Unavailable)\((?:[a-zA-Z.0-9]+, )?"(\w+)"`)},
	{"problem.", regexp.MustCompile(`\bcode = "(\w+)"`)},
	{"entry.", regexp.MustCompile(`\bField\((?:"[^"]*"|fmt\.Sprintf\([^)]*\)|wrong\.Path|path), "(\w+)"`)},
	{"entry.", regexp.MustCompile(`&Wrong\{(?:"[^"]*"|path)(?: ?\+ ?strconv\.Itoa\(i\))?, "(\w+)"`)},
	{"entry.", regexp.MustCompile(`f\.Code(?:, f\.Args)? = "(\w+)"`)},
	{"home.service.", regexp.MustCompile(`TextCode(?:, s\.Args)?(?: =|:) (?:"\w+", )?"(\w+)"`)},
	{"home.reason.", regexp.MustCompile(`b\.ReasonCode(?:, b\.Args)? = (?:"\w+", )?"(\w+)"`)},
	{"todo.what.", regexp.MustCompile(`Todo\{[^}]*?\sCode: "(\w+)"`)},
}

func TestEveryCodeHasItsSentence(t *testing.T) {
	texts := text.Catalogues()
	found := map[string]bool{}
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == "web" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		for _, in := range inSource {
			for _, m := range in.form.FindAllSubmatch(source, -1) {
				key := in.prefix + string(m[1])
				if strings.HasSuffix(key, "web_edge_") { // and the state of the group
					key += "down"
				}
				found[key] = true
				for _, language := range []text.Language{text.Japanese, text.English} {
					if texts.Of(language, key) == "" {
						t.Errorf("%s: %s has no sentence in %s", name, key, language)
					}
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"problem.not_found", "problem.wrong_login", "entry.taken", "entry.too_simple", "home.service.web_ok", "todo.what.set_up_totp"} {
		if !found[key] {
			t.Errorf("the code %s was not found in the source: this test looks past it", key)
		}
	}
	if len(found) < 70 {
		t.Errorf("only %d codes were found in the source", len(found))
	}
}
