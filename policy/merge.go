package policy

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// Effective is a policy after its layers are merged, and where each value of it
// comes from.
type Effective struct {
	Mode Mode            `json:"mode"`
	Body json.RawMessage `json:"body"`
	// Origins names the layer of every leaf of Body by its JSON pointer; the
	// empty pointer "" is the mode. A list is one leaf unless its field is tagged
	// policy:"add"; then each entry is a leaf.
	Origins map[string]Layer `json:"origins"`
	// Locked lists the pointers that the baseline fixed for the body.
	Locked []string `json:"locked,omitempty"`
	// Ignored lists what the override sets but a lock does not let through.
	Ignored []string `json:"ignored,omitempty"`
}

// Merge lays baseline and override (either may be nil) onto the default def and
// returns the policy, where its values come from, and what is wrong with the
// documents. With problems the policy is def.
func Merge[P any](def P, baseline, override *Document) (P, Effective, []Problem) {
	m := merger{kind: reflect.TypeFor[P](), effective: Effective{Mode: Ours, Origins: map[string]Layer{"": Default}}}
	tree := m.tree(def)
	m.markDefault(m.kind, false, tree, "")
	for _, layer := range []struct {
		name Layer
		doc  *Document
	}{{Baseline, baseline}, {Override, override}} {
		if layer.doc != nil {
			tree = m.lay(tree, layer.name, layer.doc)
		}
		if layer.name == Baseline && baseline != nil {
			m.effective.Locked = slices.Clone(baseline.Locks)
		}
	}
	if m.problems != nil {
		return def, Effective{}, m.problems
	}
	body, err := json.Marshal(tree)
	if err != nil {
		panic(fmt.Sprintf("policy: merged tree has no JSON: %v", err)) // it came from JSON
	}
	m.effective.Body = body
	var out P
	if err := json.Unmarshal(body, &out); err != nil {
		// check let everything through that Unmarshal reads, except a text that
		// its own UnmarshalText refuses in combination.
		return def, Effective{}, []Problem{Place("").Is("unreadable", err.Error())}
	}
	return out, m.effective, nil
}

type merger struct {
	kind      reflect.Type
	effective Effective
	problems  []Problem
}

// tree is v as generic JSON.
func (m *merger) tree(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("policy: the default of %v has no JSON: %v", m.kind, err))
	}
	tree, err := parse(text)
	if err != nil {
		panic(fmt.Sprintf("policy: the default of %v: %v", m.kind, err))
	}
	return tree
}

func parse(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, fmt.Errorf("text behind the document")
	}
	return tree, nil
}

// markDefault notes the default as the origin of every leaf below path.
func (m *merger) markDefault(kind reflect.Type, adds bool, tree any, path string) {
	switch tree := tree.(type) {
	case map[string]any:
		if len(tree) == 0 && path != "" || kind == nil || opaque(kind) {
			break
		}
		for name, value := range tree {
			f := child(kind, name)
			m.markDefault(f.Type, addsTo(f), value, path+"/"+escape(name))
		}
		return
	case []any:
		if !adds || len(tree) == 0 {
			break
		}
		for i := range tree {
			m.effective.Origins[fmt.Sprintf("%s/%d", path, i)] = Default
		}
		return
	}
	m.effective.Origins[path] = Default
}

// lay merges one document onto tree.
func (m *merger) lay(tree any, layer Layer, doc *Document) any {
	switch doc.Mode {
	case "":
	case Ours, Other, Off:
		if layer == Override && m.locked("/mode") {
			if doc.Mode != m.effective.Mode {
				m.effective.Ignored = append(m.effective.Ignored, "/mode")
			}
			break
		}
		m.effective.Mode, m.effective.Origins[""] = doc.Mode, layer
	default:
		m.problems = append(m.problems, At("mode").Is("unknown_mode", string(doc.Mode)))
	}
	if len(doc.Body) == 0 {
		return tree
	}
	patch, err := parse(doc.Body)
	if err != nil {
		m.problems = append(m.problems, Place("").Is("not_json", err.Error()))
		return tree
	}
	before := len(m.problems)
	m.check(m.kind, patch, "")
	if len(m.problems) > before {
		return tree
	}
	return m.merge(m.kind, tree, patch, "", layer)
}

// merge is RFC 7396, 2, without deletion by null (check has refused it), and
// with locks and lists that add.
func (m *merger) merge(kind reflect.Type, tree, patch any, path string, layer Layer) any {
	object, isObject := patch.(map[string]any)
	leaf := !isObject || opaque(kind)
	// A lock within a leaf locks all of it: there is no part of it to let through.
	if layer == Override && (m.locked(path) || leaf && m.locksWithin(path)) {
		if !equal(tree, patch) {
			m.effective.Ignored = append(m.effective.Ignored, path)
		}
		return tree
	}
	if leaf {
		m.unmark(path)
		m.effective.Origins[path] = layer
		return patch
	}
	into, ok := tree.(map[string]any)
	if !ok {
		into = map[string]any{}
	}
	into = maps.Clone(into)
	under := m.effective.Origins[path] // an empty object was a leaf
	if path != "" {
		delete(m.effective.Origins, path)
	}
	for name, value := range object {
		below, inner := path+"/"+escape(name), child(kind, name)
		list, isList := value.([]any)
		if addsTo(inner) && isList && (layer != Override || !m.locked(below)) {
			into[name] = m.add(into[name], list, below, layer)
			continue
		}
		if merged := m.merge(inner.Type, into[name], value, below, layer); merged != nil {
			into[name] = merged // nil is a name that a lock keeps absent
		}
	}
	if path != "" && len(into) == 0 {
		m.effective.Origins[path] = cmp.Or(under, layer)
	}
	return into
}

// add appends the entries of list that tree does not hold yet.
func (m *merger) add(tree any, list []any, path string, layer Layer) any {
	old, _ := tree.([]any)
	all := slices.Clone(old)
	under := m.effective.Origins[path] // of an empty list, which is one leaf
	delete(m.effective.Origins, path)
	for _, entry := range list {
		if slices.ContainsFunc(all, func(have any) bool { return equal(have, entry) }) {
			continue
		}
		m.effective.Origins[fmt.Sprintf("%s/%d", path, len(all))] = layer
		all = append(all, entry)
	}
	if len(all) == 0 {
		m.effective.Origins[path] = cmp.Or(under, layer)
		return []any{} // never null
	}
	return all
}

// unmark forgets the origins of path and everything below it.
func (m *merger) unmark(path string) {
	for p := range m.effective.Origins {
		if p != "" && (p == path || strings.HasPrefix(p, path+"/")) {
			delete(m.effective.Origins, p)
		}
	}
}

// locked tells whether the baseline fixes path or something above it.
func (m *merger) locked(path string) bool {
	for _, lock := range m.effective.Locked {
		if path == lock || strings.HasPrefix(path, lock+"/") {
			return true
		}
	}
	return false
}

// locksWithin tells whether the baseline fixes something below path.
func (m *merger) locksWithin(path string) bool {
	return slices.ContainsFunc(m.effective.Locked, func(lock string) bool { return strings.HasPrefix(lock, path+"/") })
}

func equal(a, b any) bool { return reflect.DeepEqual(a, b) }

var (
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonType = reflect.TypeFor[json.Unmarshaler]()
)

// opaque tells whether values of kind have no fields that layers could set one
// by one: kinds that read their own JSON, and any.
func opaque(kind reflect.Type) bool {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	pointer := reflect.PointerTo(kind)
	return kind.Kind() == reflect.Interface || pointer.Implements(jsonType) || pointer.Implements(textType)
}

// addsTo tells whether upper layers add to the list in f instead of replacing it.
func addsTo(f reflect.StructField) bool { return f.Tag.Get("policy") == "add" }

// child is the field of an object's type that carries name; for a map, its
// element; without a Type there is none.
func child(kind reflect.Type, name string) reflect.StructField {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	switch kind.Kind() {
	case reflect.Map:
		return reflect.StructField{Type: kind.Elem()}
	case reflect.Struct:
		for f := range fields(kind) {
			if jsonName(f) == name {
				return f
			}
		}
	default:
	}
	return reflect.StructField{}
}

func fields(kind reflect.Type) func(func(reflect.StructField) bool) {
	return func(yield func(reflect.StructField) bool) {
		for i := range kind.NumField() {
			if f := kind.Field(i); f.IsExported() && f.Tag.Get("json") != "-" && !yield(f) {
				return
			}
		}
	}
}

func jsonName(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	if name == "" {
		return f.Name
	}
	return name
}

// check compares a document with the Go type it must fit, so that a problem
// names the entry and not a byte offset.
func (m *merger) check(kind reflect.Type, tree any, path string) {
	for kind.Kind() == reflect.Pointer {
		kind = kind.Elem()
	}
	wrong := func(want string) {
		m.problems = append(m.problems, Place(path).Is("wrong_type", want))
	}
	if tree == nil {
		m.problems = append(m.problems, Place(path).Is("null"))
		return
	}
	if reflect.PointerTo(kind).Implements(textType) {
		m.checkText(kind, tree, path)
		return
	}
	shape := kind.Kind()
	if opaque(kind) || shape == reflect.Slice && kind.Elem().Kind() == reflect.Uint8 { // a []byte is a string in JSON
		shape = reflect.Invalid
	}
	switch shape {
	case reflect.Struct, reflect.Map:
		object, ok := tree.(map[string]any)
		if !ok {
			wrong("object")
			return
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			below := path + "/" + escape(name)
			f := child(kind, name)
			if f.Type == nil {
				m.problems = append(m.problems, Place(below).Is("unknown_field", name))
				continue
			}
			m.check(f.Type, object[name], below)
		}
	case reflect.Slice:
		list, ok := tree.([]any)
		if !ok {
			wrong("list")
			return
		}
		for i, entry := range list {
			m.check(kind.Elem(), entry, fmt.Sprintf("%s/%d", path, i))
		}
	default:
		text, err := json.Marshal(tree)
		if err != nil {
			wrong(kind.Kind().String())
			return
		}
		if err := json.Unmarshal(text, reflect.New(kind).Interface()); err != nil {
			wrong(kind.Kind().String())
		}
	}
}

func (m *merger) checkText(kind reflect.Type, tree any, path string) {
	text, ok := tree.(string)
	if !ok {
		m.problems = append(m.problems, Place(path).Is("wrong_type", "string"))
		return
	}
	value, ok := reflect.New(kind).Interface().(encoding.TextUnmarshaler)
	if !ok {
		return // PointerTo(kind) implements it, so this cannot be
	}
	if err := value.UnmarshalText([]byte(text)); err != nil {
		m.problems = append(m.problems, Place(path).Is("unreadable", text, err.Error()))
	}
}
