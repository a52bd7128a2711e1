// Package text is the one catalogue of what people read: api.{ja,en}.json for
// the codes that the API answers with, ui.{ja,en}.json for the screens. Go and
// TypeScript read the same files; both languages have the same keys.
package text

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"
)

//go:embed api.ja.json api.en.json
var files embed.FS

// Language is one the catalogue has.
type Language string

// The languages. Japanese is what a caller gets who asks for none.
const (
	Japanese Language = "ja"
	English  Language = "en"
)

// Catalogue is the texts of the API by language and key.
type Catalogue map[Language]map[string]string

// Catalogues reads the texts.
func Catalogues() Catalogue {
	c := Catalogue{}
	for _, l := range []Language{Japanese, English} {
		raw, err := files.ReadFile("api." + string(l) + ".json")
		if err != nil {
			panic("text: " + err.Error()) // it is embedded
		}
		var texts map[string]string
		if err := json.Unmarshal(raw, &texts); err != nil {
			panic(fmt.Sprintf("text: api.%s.json: %v", l, err)) // a test reads it first
		}
		c[l] = texts
	}
	return c
}

// Of returns the text of a key in a language, "" when there is none.
func (c Catalogue) Of(l Language, key string) string { return c[l][key] }

// Accepted is the language that an Accept-Language header asks for: the first it
// names that the catalogue has. Weights are not looked at; browsers send them in
// falling order.
func Accepted(header string) Language {
	for part := range strings.SplitSeq(header, ",") {
		name, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		switch primary, _, _ := strings.Cut(strings.ToLower(name), "-"); Language(primary) {
		case Japanese:
			return Japanese
		case English:
			return English
		}
	}
	return Japanese
}
