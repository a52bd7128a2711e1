// Package policies keeps the policy documents of all bodies, every version of
// them, and the rules under which they are written: an expected version, a
// change reference (変更番号) or an emergency to be approved afterwards, no field
// that the operator's baseline locks, and nothing that does not compile.
package policies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// What callers decide by, besides [policy.Refusal] and [store.ErrNone].
var (
	// ErrStale says that the document has another version than the caller expected.
	ErrStale = errors.New("the policy was changed by somebody else meanwhile")
	// ErrNoService says that no service of this name has policies.
	ErrNoService = errors.New("there is no such service")
)

// ApproveWithin is how long after an emergency change its approval is due.
const ApproveWithin = 24 * time.Hour

// MaxBody bounds the body of a document in bytes; large lists are feeds,
// referenced by their id.
const MaxBody = 1 << 20

// Documents keeps policies. DB and Kinds must be set.
type Documents struct {
	DB *store.DB
	// Kinds knows how the documents of each service are merged and compiled.
	Kinds []policy.Kind
	// Writing says what is wrong with an override at the moment it is written,
	// though it compiles: what depends on the body or on the day. was is the
	// version before, nil for none. Writing may be nil.
	Writing func(t tenant.Tenant, doc, was *policy.Document) []policy.Problem
}

func (d *Documents) kind(service string) (policy.Kind, error) {
	for _, k := range d.Kinds {
		if k.Service() == service {
			return k, nil
		}
	}
	return nil, fmt.Errorf("service %q: %w", service, ErrNoService)
}

// Get returns the current document of one layer, or nil when the layer sets
// nothing.
func (d *Documents) Get(ctx context.Context, id tenant.ID, layer policy.Layer, service string) (*policy.Document, error) {
	if _, err := d.kind(service); err != nil {
		return nil, err
	}
	return get(ctx, d.DB.Tenant(id), layer, service)
}

func get(ctx context.Context, r store.Reader, layer policy.Layer, service string) (*policy.Document, error) {
	s, err := store.One(ctx, r, current, scanDocument, layer, service)
	if errors.Is(err, store.ErrNone) {
		return nil, nil //nolint:nilnil // absence is an answer here
	}
	if err != nil {
		return nil, err
	}
	return &s.document, nil
}

// List returns every current document of one body, an operator's baselines
// included, in the order of services.
func (d *Documents) List(ctx context.Context, id tenant.ID) ([]Entry, error) {
	return store.All(ctx, d.DB.Tenant(id), listCurrent, func(row store.Row) (Entry, error) {
		s, err := scanDocument(row)
		return Entry{id, s.layer, s.document}, err
	})
}

// Layers are the two documents that apply to a body, nil where a layer sets
// nothing: its operator's baseline and its own override.
type Layers struct {
	Baseline, Override *policy.Document
}

// Layers returns what applies to id for service.
func (d *Documents) Layers(ctx context.Context, id tenant.ID, service string) (l Layers, err error) {
	if _, err := d.kind(service); err != nil {
		return l, err
	}
	body, err := (&tenants.Register{DB: d.DB}).Get(ctx, id)
	if err != nil {
		return l, err
	}
	if l.Baseline, err = get(ctx, d.DB.Tenant(body.Tenant.Operator), policy.Baseline, service); err != nil {
		return l, err
	}
	l.Override, err = get(ctx, d.DB.Tenant(id), policy.Override, service)
	return l, err
}

// Explain returns the effective policy of id with the origin of each value.
// Problems are those of documents that were written under an older program.
func (d *Documents) Explain(ctx context.Context, id tenant.ID, service string) (policy.Effective, []policy.Problem, error) {
	k, err := d.kind(service)
	if err != nil {
		return policy.Effective{}, nil, err
	}
	l, err := d.Layers(ctx, id, service)
	if err != nil {
		return policy.Effective{}, nil, err
	}
	effective, problems := k.Explain(l.Baseline, l.Override)
	return effective, problems, nil
}

// Put writes the next version of a document and returns it as it was stored.
// expected is the version the caller has seen, 0 for none; another one now is
// ErrStale. Of doc count Service, Schema (0 means this program's), Mode, Locks,
// Body and of its Change the Reference, Emergency and Note; the rest is set
// here. A [policy.Refusal] says what the official has to mend; then nothing is
// written. A baseline is written by the operator for all its bodies, and is
// refused when the override of one of them would no longer compile on it.
func (d *Documents) Put(ctx context.Context, actor store.Actor, id tenant.ID, layer policy.Layer, doc policy.Document, expected int64) (policy.Document, error) {
	return d.put(ctx, actor, id, layer, expected, "policy.write", func(context.Context, *store.Tx) (policy.Document, error) { return doc, nil })
}

// Rollback writes a new version with the mode, locks and body of an older one,
// under the same rules as Put.
func (d *Documents) Rollback(ctx context.Context, actor store.Actor, id tenant.ID, layer policy.Layer, service string, to int64, change policy.Change, expected int64) (policy.Document, error) {
	return d.put(ctx, actor, id, layer, expected, "policy.rollback", func(ctx context.Context, tx *store.Tx) (policy.Document, error) {
		old, err := store.One(ctx, tx, oneVersion, scanVersion, layer, service, to)
		old.document.Change = change
		return old.document, err
	})
}

func (d *Documents) put(ctx context.Context, actor store.Actor, id tenant.ID, layer policy.Layer, expected int64, action string,
	read func(context.Context, *store.Tx) (policy.Document, error),
) (policy.Document, error) {
	var doc policy.Document
	err := d.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		var err error
		if doc, err = read(ctx, tx); err != nil {
			return err
		}
		k, err := d.kind(doc.Service)
		if err != nil {
			return err
		}
		if doc.Schema == 0 {
			doc.Schema = k.Schema()
		}
		was, err := get(ctx, tx, layer, doc.Service)
		if err != nil {
			return err
		}
		if version(was) != expected {
			return ErrStale
		}
		doc.Version = expected + 1
		doc.Change.By, doc.Change.At = actor.Account, tx.Now().UTC().Truncate(time.Microsecond)
		if err := d.check(ctx, tx, k, layer, &doc, was); err != nil {
			return err
		}
		return write(ctx, tx, layer, &doc, was, action)
	})
	if err != nil {
		return policy.Document{}, fmt.Errorf("writing policy of %s: %w", id, err)
	}
	return doc, nil
}

func version(doc *policy.Document) int64 {
	if doc == nil {
		return 0
	}
	return doc.Version
}

func write(ctx context.Context, tx *store.Tx, layer policy.Layer, doc, was *policy.Document, action string) error {
	text, err := json.Marshal(doc)
	if err != nil {
		return err
	}
	var before json.RawMessage
	if was != nil {
		if before, err = json.Marshal(was); err != nil {
			return err
		}
	}
	var approveBy any
	if doc.Change.Emergency {
		approveBy = doc.Change.ApproveBy
	}
	if err := tx.Insert(ctx, addVersion, layer, doc.Service, doc.Version, text, approveBy); err != nil {
		return err
	}
	if err := tx.Insert(ctx, setCurrent, layer, doc.Service, doc.Version, text); err != nil {
		return err
	}
	reason := doc.Change.Reference
	if doc.Change.Emergency {
		reason = strings.TrimSpace("緊急 " + reason)
	}
	tx.Audit(store.Audit{Action: action, Object: string(layer) + "/" + doc.Service, Before: before, After: text, Reason: reason})
	tx.Touch(tenants.Topic)
	return nil
}

// check refuses a document that may not be written; what it leaves in doc is
// the form that is stored.
func (d *Documents) check(ctx context.Context, tx *store.Tx, k policy.Kind, layer policy.Layer, doc, was *policy.Document) error {
	var problems []policy.Problem
	say := func(p ...policy.Problem) { problems = append(problems, p...) }
	bodies, self, err := bodiesAround(ctx, tx)
	if err != nil {
		return err
	}
	switch {
	case self == nil:
		return policy.Refusal{policy.At("tenant").Is("no_such_body", string(tx.Tenant()))}
	case layer != policy.Baseline && layer != policy.Override:
		return policy.Refusal{policy.At("layer").Is("unknown_layer", string(layer))}
	case layer == policy.Baseline && !self.IsOperator():
		return policy.Refusal{policy.At("layer").Is("not_an_operator", string(tx.Tenant()))}
	case layer == policy.Override && len(doc.Locks) > 0:
		say(policy.At("locks").Is("not_an_operator", string(tx.Tenant())))
	}
	mandatory, err := d.mandatoryIn(ctx, tx, self.Operator)
	if err != nil {
		return err
	}
	say(checkChange(&doc.Change, mandatory)...)
	canonical, p := canonicalBody(doc.Body)
	say(p...)
	if problems != nil {
		return policy.Refusal(problems)
	}
	doc.Body = canonical
	if layer == policy.Override {
		problems, err = overrideProblems(ctx, tx, k, self.Operator, doc)
		if err == nil && problems == nil && d.Writing != nil {
			problems = d.Writing(*self, doc, was)
		}
	} else {
		problems, err = baselineProblems(ctx, tx, k, bodies, doc)
	}
	if err != nil {
		return err
	}
	if problems != nil {
		return policy.Refusal(problems)
	}
	return nil
}

// bodiesAround returns all bodies by their codes, and the change's own.
func bodiesAround(ctx context.Context, tx *store.Tx) (map[tenant.ID]tenant.Tenant, *tenant.Tenant, error) {
	all, err := tenants.All(ctx, inChange{tx})
	if err != nil {
		return nil, nil, err
	}
	bodies := make(map[tenant.ID]tenant.Tenant, len(all))
	for _, t := range all {
		bodies[t.ID] = t
	}
	if self, ok := bodies[tx.Tenant()]; ok {
		return bodies, &self, nil
	}
	return bodies, nil, nil
}

// inChange reads the whole installation inside a change.
type inChange struct{ tx *store.Tx }

func (c inChange) Across(ctx context.Context, across store.Across, each func(tenant.ID, store.Row) error, args ...any) error {
	return c.tx.Across(ctx, across, "", each, args...)
}

const (
	maxReference = 64
	maxNote      = 2000
)

// checkChange applies the rule of design §1: a reference, or an emergency with
// a deadline. Where the operator made the reference mandatory, an emergency
// needs one too.
func checkChange(c *policy.Change, mandatory bool) []policy.Problem {
	var problems []policy.Problem
	c.Reference, c.Note = strings.TrimSpace(c.Reference), strings.TrimSpace(c.Note)
	c.ApproveBy = time.Time{}
	if c.Emergency {
		c.ApproveBy = c.At.Add(ApproveWithin)
	}
	switch {
	case c.Reference != "":
	case mandatory:
		problems = append(problems, policy.At("change", "reference").Is("reference_mandatory"))
	case !c.Emergency:
		problems = append(problems, policy.At("change", "reference").Is("reference_or_emergency"))
	}
	if !plainText(c.Reference, maxReference) {
		problems = append(problems, policy.At("change", "reference").Is("not_a_text", maxReference))
	}
	if utf8.RuneCountInString(c.Note) > maxNote || !utf8.ValidString(c.Note) {
		problems = append(problems, policy.At("change", "note").Is("not_a_text", maxNote))
	}
	return problems
}

func plainText(s string, most int) bool {
	return utf8.ValidString(s) && utf8.RuneCountInString(s) <= most && !strings.ContainsFunc(s, unicode.IsControl)
}
