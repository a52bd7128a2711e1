package policy

import (
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/sekikura/sekikura/tenant"
)

// Kind is what the rest of the product has to know of one service's policies
// without knowing their types. *Spec implements it.
type Kind interface {
	// Service is the name in the envelope, such as "waf".
	Service() string
	// Schema is the version of the body's shape that this program writes.
	Schema() int
	// Explain merges the layers (either may be nil), compiles the result and says
	// where each value comes from. With problems the Effective is empty.
	Explain(baseline, override *Document) (Effective, []Problem)
}

// Spec describes the policies of one service: P is what officials decide, C the
// immutable form that the data plane reads.
type Spec[P, C any] struct {
	Name    string // of the service
	Version int    // of the body's shape
	Default P      // the safe choice; every field has a value
	// Compile is the only way from a P to a C. With problems its C is nil.
	Compile func(P) (*C, []Problem)
}

// Service returns the service's name.
func (s *Spec[P, C]) Service() string { return s.Name }

// Schema returns the version of the body's shape.
func (s *Spec[P, C]) Schema() int { return s.Version }

// Explain implements [Kind].
func (s *Spec[P, C]) Explain(baseline, override *Document) (Effective, []Problem) {
	_, effective, problems := s.compile(baseline, override)
	return effective, problems
}

func (s *Spec[P, C]) compile(baseline, override *Document) (*C, Effective, []Problem) {
	for _, doc := range []*Document{baseline, override} {
		if doc == nil {
			continue
		}
		if doc.Service != s.Name {
			return nil, Effective{}, []Problem{At("service").Is("other_service", doc.Service, s.Name)}
		}
		if doc.Schema < 1 || doc.Schema > s.Version {
			return nil, Effective{}, []Problem{At("schema").Is("unknown_schema", doc.Schema, s.Version)}
		}
	}
	merged, effective, problems := Merge(s.Default, baseline, override)
	if problems != nil {
		return nil, Effective{}, problems
	}
	compiled, problems := s.Compile(merged)
	if problems != nil {
		return nil, Effective{}, problems
	}
	return compiled, effective, nil
}

// Active is what applies to one body now: immutable.
type Active[C any] struct {
	Mode     Mode
	Compiled *C
	// Version is the override's version, or the baseline's, or 0: what an event
	// cites as the policy that decided.
	Version int64
}

// Table holds the active policy of every body. Reads are one atomic load and
// one map lookup, and allocate nothing.
type Table[P, C any] struct {
	spec     *Spec[P, C]
	fallback *Active[C]

	mu    sync.Mutex // serializes writers; readers never take it
	table atomic.Pointer[map[tenant.ID]*atomic.Pointer[Active[C]]]
}

// NewTable returns a table in which every body has the default, which must compile.
func NewTable[P, C any](spec *Spec[P, C]) (*Table[P, C], error) {
	compiled, _, problems := spec.compile(nil, nil)
	if problems != nil {
		return nil, fmt.Errorf("the default policy of %s does not compile: %v", spec.Name, problems)
	}
	t := &Table[P, C]{spec: spec, fallback: &Active[C]{Mode: Ours, Compiled: compiled}}
	t.table.Store(&map[tenant.ID]*atomic.Pointer[Active[C]]{})
	return t, nil
}

// For returns what applies to id now, the default for a body that the table
// does not know. It never returns nil.
func (t *Table[P, C]) For(id tenant.ID) *Active[C] {
	if slot := (*t.table.Load())[id]; slot != nil {
		return slot.Load()
	}
	return t.fallback
}

// Set merges and compiles the layers of one body (either may be nil) and makes
// the result active. With problems nothing changes.
func (t *Table[P, C]) Set(id tenant.ID, baseline, override *Document) []Problem {
	compiled, effective, problems := t.spec.compile(baseline, override)
	if problems != nil {
		return problems
	}
	active := &Active[C]{Mode: effective.Mode, Compiled: compiled}
	if baseline != nil {
		active.Version = baseline.Version
	}
	if override != nil {
		active.Version = override.Version
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	table := *t.table.Load()
	if slot := table[id]; slot != nil {
		slot.Store(active)
		return nil
	}
	grown := maps.Clone(table)
	slot := new(atomic.Pointer[Active[C]])
	slot.Store(active)
	grown[id] = slot
	t.table.Store(&grown)
	return nil
}

// Forget drops bodies for which keep says false; they fall back to the default.
func (t *Table[P, C]) Forget(keep func(tenant.ID) bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := maps.Clone(*t.table.Load())
	maps.DeleteFunc(kept, func(id tenant.ID, _ *atomic.Pointer[Active[C]]) bool { return !keep(id) })
	t.table.Store(&kept)
}
