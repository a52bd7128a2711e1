// Package policy is the one shape of what a body decides about a service.
//
// A policy stands in three layers: the built-in default, the operator's
// baseline, and the body's override. The upper layers are [Document]s whose
// bodies are merged onto the default by RFC 7396; a baseline can lock fields.
// What comes out is compiled into the immutable form that a data plane reads
// through a [Table]; there is no other way to get that form, so nothing
// half-valid can run, and a document with problems changes nothing.
package policy

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"
)

// Mode tells who does the work of a service for a body.
type Mode string

// The modes. The zero value in a layer means "what the layer below says".
const (
	Ours  Mode = "ours"  // this product does it
	Other Mode = "other" // another provider does it; we keep its logs and show it
	Off   Mode = "off"   // nobody does it, on purpose
)

// Layer is where a value comes from, lowest first.
type Layer string

// The layers.
const (
	Default  Layer = "default"  // 既定
	Baseline Layer = "baseline" // 県の基準
	Override Layer = "override" // 団体の設定
)

// Document is one stored version of one layer for one service. Body holds only
// what this layer sets: absence means unset, and null is refused.
type Document struct {
	Service string          `json:"service"`
	Schema  int             `json:"schema"`
	Version int64           `json:"version"` // 1, 2, … per tenant, layer and service
	Mode    Mode            `json:"mode,omitempty"`
	Locks   []string        `json:"locks,omitempty"` // JSON pointers (RFC 6901); only a baseline's count
	Change  Change          `json:"change"`
	Body    json.RawMessage `json:"body"`
}

// Change says why a document was written. Every write carries a reference
// (変更番号), or is an emergency with a deadline for the approval afterwards.
type Change struct {
	Reference string    `json:"reference,omitempty"`
	Emergency bool      `json:"emergency,omitempty"`
	ApproveBy time.Time `json:"approve_by,omitzero"`
	Note      string    `json:"note,omitempty"`
	By        string    `json:"by,omitempty"` // the account that wrote it
	At        time.Time `json:"at,omitzero"`
}

// Problem is one reason why a document cannot be used. Path is the JSON pointer
// of the entry, Code a word of the text catalogue, Args what its sentence names.
type Problem struct {
	Path string `json:"path"`
	Code string `json:"code"`
	Args []any  `json:"args,omitempty"`
}

// String is the problem as the operator's log shows it.
func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.Path + ": " + p.Code)
	for _, a := range p.Args {
		text, err := json.Marshal(a)
		if err != nil {
			text = []byte("?")
		}
		b.WriteByte(' ')
		b.Write(text)
	}
	return b.String()
}

// Place is where a problem is; build one with [At].
type Place string

// At returns the place named by a path of field names and list indexes:
// At("sites", 2, "host") is /sites/2/host.
func At(path ...any) Place {
	var b strings.Builder
	for _, step := range path {
		b.WriteByte('/')
		switch step := step.(type) {
		case int:
			b.WriteString(strconv.Itoa(step))
		case string:
			b.WriteString(escape(step))
		default:
			panic("policy.At takes names and indexes")
		}
	}
	return Place(b.String())
}

// Is returns the problem code at this place.
func (p Place) Is(code string, args ...any) Problem {
	return Problem{Path: string(p), Code: code, Args: args}
}

// escape writes one reference token of a JSON pointer (RFC 6901, 3).
func escape(token string) string {
	return strings.ReplaceAll(strings.ReplaceAll(token, "~", "~0"), "/", "~1")
}

// Refusal is the error of a write that was refused for what stands in it; there
// is at least one Problem.
type Refusal []Problem

// Error lists the problems as the operator's log shows them.
func (r Refusal) Error() string {
	all := make([]string, len(r))
	for i, p := range r {
		all[i] = p.String()
	}
	return "refused: " + strings.Join(all, "; ")
}
