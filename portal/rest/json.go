package rest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"unicode/utf8"

	"github.com/danielgtaylor/huma/v2"
)

var (
	problemType    = reflect.TypeFor[Problem]()
	errorModelType = reflect.TypeFor[huma.ErrorModel]()
)

// strictJSON reads and writes bodies. Reading is stricter than encoding/json,
// which takes invalid UTF-8, repeated names, and names in any case, so that two
// readers of one body could come to two opinions (RFC 8259, 4 and 8.1).
var strictJSON = huma.Format{
	Marshal: func(w io.Writer, v any) error {
		e := json.NewEncoder(w)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	},
	Unmarshal: func(data []byte, v any) error {
		if _, generic := v.(*any); generic { // the first of huma's two passes
			if err := checkJSON(data); err != nil {
				return err
			}
		}
		return json.Unmarshal(data, v)
	},
}

// maxDepth bounds how deep objects and lists of a body may stand in each other.
const maxDepth = 64

// checkJSON refuses what strictJSON must not read.
func checkJSON(data []byte) error {
	if !utf8.Valid(data) {
		return errors.New("the text is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	if err := checkValue(d, 0); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return fmt.Errorf("more text behind the value at byte %d", d.InputOffset())
	}
	return nil
}

func checkValue(d *json.Decoder, depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("more than %d levels deep", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("broken at byte %d: %w", d.InputOffset(), err)
	}
	open, isDelim := token.(json.Delim)
	if !isDelim {
		return nil
	}
	seen := map[string]bool{}
	for d.More() {
		if open == '{' {
			name, err := d.Token()
			if err != nil {
				return fmt.Errorf("broken at byte %d: %w", d.InputOffset(), err)
			}
			folded := strings.ToLower(fmt.Sprint(name))
			if seen[folded] {
				return fmt.Errorf("a name stands twice in one object, at byte %d", d.InputOffset())
			}
			seen[folded] = true
		}
		if err := checkValue(d, depth+1); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil { // the closing one
		return fmt.Errorf("broken at byte %d: %w", d.InputOffset(), err)
	}
	return nil
}

// Document is the OpenAPI description of everything registered, indented.
func (r *Router) Document() []byte {
	api := r.api.OpenAPI()
	for name, s := range api.Components.Schemas.Map() {
		neverNull(s)
		sometimesNull(s, api.Components.Schemas.TypeFromRef("#/components/schemas/"+name))
	}
	text, err := json.MarshalIndent(api, "", "  ")
	if err != nil {
		panic(fmt.Sprintf("rest: the OpenAPI document has no JSON: %v", err)) // it is made of our own types
	}
	return append(text, '\n')
}

// neverNull says of lists what is true of ours: they are empty, not null.
func neverNull(s *huma.Schema) {
	if s == nil {
		return
	}
	if s.Type == huma.TypeArray {
		s.Nullable = false
		neverNull(s.Items)
	}
	for _, p := range s.Properties {
		neverNull(p)
	}
	if more, ok := s.AdditionalProperties.(*huma.Schema); ok {
		neverNull(more)
	}
}

// sometimesNull says of pointers to objects that always stand in an answer that
// they may be null, which huma cannot say of a $ref.
func sometimesNull(s *huma.Schema, t reflect.Type) {
	if t == nil || t.Kind() != reflect.Struct {
		return
	}
	for f := range t.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		p := s.Properties[name]
		if p == nil || p.Ref == "" || f.Type.Kind() != reflect.Pointer || strings.Contains(options, "omit") {
			continue
		}
		s.Properties[name] = &huma.Schema{
			Description: p.Description,
			AnyOf:       []*huma.Schema{{Ref: p.Ref}, {Type: "null"}},
		}
	}
}
