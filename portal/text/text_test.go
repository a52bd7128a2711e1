package text

import (
	"encoding/json"
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
)

var placeholder = regexp.MustCompile(`\{(\w+)`)

func TestBothLanguagesHaveTheSameTexts(t *testing.T) {
	for _, name := range []string{"api", "ui"} {
		read := func(language string) map[string]string {
			raw, err := os.ReadFile(name + "." + language + ".json")
			if os.IsNotExist(err) {
				t.Skipf("%s.%s.json is not there", name, language)
			}
			if err != nil {
				t.Fatal(err)
			}
			var texts map[string]string
			if err := json.Unmarshal(raw, &texts); err != nil {
				t.Fatalf("%s.%s.json: %v", name, language, err)
			}
			return texts
		}
		ja, en := read("ja"), read("en")
		for key := range ja {
			if _, ok := en[key]; !ok {
				t.Errorf("%s: %q has no English", name, key)
			}
		}
		for key, text := range en {
			if _, ok := ja[key]; !ok {
				t.Errorf("%s: %q has no Japanese", name, key)
			}
			if name == "api" && (text == "" || ja[key] == "") {
				t.Errorf("%s: %q is empty", name, key)
			}
			names := func(s string) []string {
				set := map[string]bool{}
				for _, m := range placeholder.FindAllStringSubmatch(s, -1) {
					set[m[1]] = true
				}
				return slices.Sorted(maps.Keys(set))
			}
			if name == "api" && !subset(names(ja[key]), names(text)) && !subset(names(text), names(ja[key])) {
				t.Errorf("%s: %q fills in %v in Japanese and %v in English", name, key, names(ja[key]), names(text))
			}
		}
	}
}

func subset(a, b []string) bool {
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

func TestAcceptedIsTheFirstLanguageThatThereIs(t *testing.T) {
	for header, want := range map[string]Language{
		"": Japanese, "ja": Japanese, "en": English, "en-US,ja;q=0.5": English, "fr-FR, en;q=0.1": English, "fr": Japanese, ";;,": Japanese,
	} {
		if got := Accepted(header); got != want {
			t.Errorf("Accepted(%q) = %s, want %s", header, got, want)
		}
	}
}
