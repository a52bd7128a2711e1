// Package policies serves what bodies decide about services: reading with the
// origin of each value, writing, a preview of the effect, history and rollback.
package policies

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/tenant"
)

// Replay tells how stored traffic would have gone under another effective policy.
type Replay interface {
	// Replay looks at what a body's traffic met since a time. nil without an
	// error: the service stores nothing that can be replayed.
	Replay(ctx context.Context, t tenant.Tenant, service string, e policy.Effective, since time.Time) (*Replayed, error)
}

// replayDays is how far a preview looks back.
const replayDays = 7

// API serves the operations. Every field but Replay must be set.
type API struct {
	Documents *policies.Documents
	Replay    Replay // nil: previews have no replay
	Events    event.Sink
	Log       *slog.Logger
	Now       func() time.Time

	noted noted
}

func (a *API) services(context.Context, *rest.Nothing) (*rest.Body[rest.Page[PolicyService]], error) {
	page := rest.Page[PolicyService]{Items: []PolicyService{}}
	for _, k := range a.Documents.Kinds {
		effective, problems := k.Explain(nil, nil)
		if problems != nil {
			return nil, rest.Failed(policy.Refusal(problems)) // a default that does not compile is our own fault
		}
		page.Items = append(page.Items, PolicyService{
			Service: k.Service(), Title: "service." + k.Service(), Schema: k.Schema(), Default: effective.Body,
		})
	}
	return &rest.Body[rest.Page[PolicyService]]{Body: page}, nil
}

func (a *API) kind(service string) (policy.Kind, error) {
	for _, k := range a.Documents.Kinds {
		if k.Service() == service {
			return k, nil
		}
	}
	return nil, rest.NotFound()
}

// layers reads what is stored for the request's body.
func (a *API) layers(ctx context.Context, service string, layer policy.Layer) (tenant.Tenant, policies.Layers, error) {
	t, _ := rest.Tenant(ctx)
	if layer == policy.Baseline && !t.IsOperator() {
		return t, policies.Layers{}, rest.Invalid(rest.Field("/query/layer", "not_an_operator", string(t.ID)))
	}
	l, err := a.Documents.Layers(ctx, t.ID, service)
	return t, l, broken(err)
}

// broken answers errors of the store that no caller can mend.
func broken(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, policies.ErrNoService), errors.Is(err, store.ErrNone):
		return rest.NotFound()
	}
	return rest.Failed(err)
}

func (a *API) get(ctx context.Context, in *getInput) (*stateOutput, error) {
	return a.state(ctx, in.Service, in.Layer, in.Explain == "1")
}

func (a *API) state(ctx context.Context, service string, layer policy.Layer, explain bool) (*stateOutput, error) {
	k, err := a.kind(service)
	if err != nil {
		return nil, err
	}
	t, l, err := a.layers(ctx, service, layer)
	if err != nil {
		return nil, err
	}
	s := State{Tenant: t.ID, Service: service, Layer: layer, Document: l.Override, Baseline: l.Baseline, Problems: []rest.FieldError{}}
	if layer == policy.Baseline {
		s.Document = l.Baseline
		l.Override = nil // what the baseline makes of bodies that set nothing
	}
	s.ETag = etag(layer, s.Document)
	if s.ReferenceMandatory, err = a.Documents.ReferenceMandatory(ctx, t.Operator); err != nil {
		return nil, rest.Failed(err)
	}
	effective, problems := k.Explain(l.Baseline, l.Override)
	s.Problems = rest.FromPolicy(problems)
	if explain && problems == nil {
		s.Effective = &effective
	}
	return &stateOutput{ETag: s.ETag, Body: s}, nil
}

func etag(layer policy.Layer, doc *policy.Document) string {
	return strconv.Quote(string(layer) + "-" + strconv.FormatInt(version(doc), 10))
}

func version(doc *policy.Document) int64 {
	if doc == nil {
		return 0
	}
	return doc.Version
}

// mayWrite keeps baselines to those who answer for every body.
func mayWrite(ctx context.Context, layer policy.Layer) error {
	if layer == policy.Baseline && !access.From(ctx).May(access.PolicyBaseline) {
		return rest.NewProblem(http.StatusForbidden, "not_allowed").Saying("needs the scope " + string(access.PolicyBaseline))
	}
	return nil
}

func (w Why) change() policy.Change {
	return policy.Change{Reference: w.Reference, Emergency: w.Emergency, Note: w.Note}
}

func (a *API) put(ctx context.Context, in *putInput) (*stateOutput, error) {
	if err := mayWrite(ctx, in.Layer); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	t, l, err := a.layers(ctx, in.Service, in.Layer)
	if err != nil {
		return nil, err
	}
	now := document(l, in.Layer)
	if p := rest.Fits(in.IfMatch, etag(in.Layer, now)); p != nil {
		return nil, p
	}
	written, err := a.Documents.Put(ctx, who.Actor(), t.ID, in.Layer, policy.Document{
		Service: in.Service, Mode: in.Body.Mode, Locks: in.Body.Locks, Body: in.Body.Body, Change: in.Body.Change.change(),
	}, version(now))
	if err != nil {
		return nil, unwritten(err)
	}
	a.tell(ctx, who, t.ID, in.Layer, written, "policy_changed")
	return a.state(ctx, in.Service, in.Layer, in.Explain == "1")
}

func document(l policies.Layers, layer policy.Layer) *policy.Document {
	if layer == policy.Baseline {
		return l.Baseline
	}
	return l.Override
}

// unwritten answers a write that did not happen. The paths of its entries are
// pointers into the policy, and /change, /locks and /mode for what stands beside it.
func unwritten(err error) error {
	var refused policy.Refusal
	switch {
	case errors.As(err, &refused):
		return rest.Invalid(rest.FromPolicy(refused)...)
	case errors.Is(err, policies.ErrStale):
		return rest.NewProblem(http.StatusConflict, "stale")
	}
	return broken(err)
}

func (a *API) tell(ctx context.Context, who *access.Identity, about tenant.ID, layer policy.Layer, doc policy.Document, name string) {
	a.Events.Emit(ctx, who.Event(a.Now(), about, name,
		slog.String("policy.service", doc.Service), slog.String("policy.layer", string(layer)),
		slog.Int64("policy.version", doc.Version), slog.String("change.reference", doc.Change.Reference),
		slog.Bool("change.emergency", doc.Change.Emergency)))
}

func (a *API) preview(ctx context.Context, in *previewInput) (*rest.Body[Preview], error) {
	k, err := a.kind(in.Service)
	if err != nil {
		return nil, err
	}
	t, l, err := a.layers(ctx, in.Service, in.Layer)
	if err != nil {
		return nil, err
	}
	draft := &policy.Document{Service: in.Service, Schema: k.Schema(), Mode: in.Body.Mode, Locks: in.Body.Locks, Body: in.Body.Body}
	baseline, override := l.Baseline, draft
	if in.Layer == policy.Baseline {
		baseline, override = draft, nil
	}
	effective, problems := k.Explain(baseline, override)
	if in.Layer == policy.Override {
		for _, path := range effective.Ignored {
			problems = append(problems, policy.Place(path).Is("locked"))
		}
	}
	out := Preview{Problems: rest.FromPolicy(problems)}
	if problems != nil {
		return &rest.Body[Preview]{Body: out}, nil
	}
	out.Effective = &effective
	if a.Replay != nil && access.From(ctx).May(access.EventRead) { // its samples are events
		if err := a.noteReplay(ctx, t.ID, in.Service); err != nil {
			return nil, rest.Failed(err)
		}
		since := a.Now().Add(-replayDays * 24 * time.Hour).UTC()
		if out.Replay, err = a.Replay.Replay(ctx, t, in.Service, effective, since); err != nil {
			// The draft can be judged without its replay; the screen says that it is missing.
			a.Log.Warn("replaying stored traffic for a preview", "tenant", t.ID, "policy", in.Service, "error", err)
			out.Replay = nil
		}
	}
	return &rest.Body[Preview]{Body: out}, nil
}

// noteReplay writes into the body's chain that somebody else has its stored
// events looked through, once for an editing session of many previews.
func (a *API) noteReplay(ctx context.Context, body tenant.ID, service string) error {
	key := access.From(ctx).Login + " " + string(body) + " " + service
	if a.noted.has(key, a.Now()) {
		return nil
	}
	if err := access.NoteRead(ctx, a.Documents.DB, body, "event.search", "preview "+service); err != nil {
		return err
	}
	a.noted.add(key, a.Now())
	return nil
}

// noted remembers which replays stand in an audit chain already.
type noted struct {
	mu   sync.Mutex // guards seen
	seen map[string]time.Time
}

const (
	notedFor = 10 * time.Minute
	maxNoted = 10_000
)

func (n *noted) has(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.seen[key]
	return ok && now.Sub(at) < notedFor
}

func (n *noted) add(key string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil || len(n.seen) >= maxNoted {
		n.seen = map[string]time.Time{}
	}
	n.seen[key] = now
}

type before struct {
	Before int64 `json:"before"`
}

func (a *API) history(ctx context.Context, in *historyInput) (*rest.Body[rest.Page[Version]], error) {
	var at before
	if err := rest.ReadCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	k, err := a.kind(in.Service)
	if err != nil {
		return nil, err
	}
	t, l, err := a.layers(ctx, in.Service, in.Layer)
	if err != nil {
		return nil, err
	}
	versions, err := a.Documents.History(ctx, t.ID, in.Layer, in.Service, at.Before, in.Limit)
	if err != nil {
		return nil, broken(err)
	}
	page := rest.Page[Version]{Items: []Version{}}
	for _, v := range versions {
		doc := v.Document
		baseline, override := l.Baseline, &doc
		if in.Layer == policy.Baseline {
			baseline, override = &doc, nil
		}
		_, problems := k.Explain(baseline, override)
		out := Version{
			Version: doc.Version, Mode: doc.Mode, Body: doc.Body, Locks: doc.Locks, Change: doc.Change,
			Problems: rest.FromPolicy(problems), Current: doc.Version == version(document(l, in.Layer)), Diff: []Difference{},
		}
		if out.Locks == nil {
			out.Locks = []string{}
		}
		for _, leaf := range v.Changed {
			out.Diff = append(out.Diff, Difference{Path: leaf.Path, Before: leaf.Before, After: leaf.After})
		}
		if v.Approval != nil {
			out.Approval = &Approved{By: v.Approval.By, At: v.Approval.At, Reference: v.Approval.Reference}
		}
		page.Items = append(page.Items, out)
	}
	if n := len(page.Items); n == in.Limit && page.Items[n-1].Version > 1 {
		page.Next = rest.Cursor(before{page.Items[n-1].Version})
	}
	return &rest.Body[rest.Page[Version]]{Body: page}, nil
}

func (a *API) rollback(ctx context.Context, in *rollbackInput) (*stateOutput, error) {
	if err := mayWrite(ctx, in.Layer); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	t, l, err := a.layers(ctx, in.Service, in.Layer)
	if err != nil {
		return nil, err
	}
	now := document(l, in.Layer)
	if in.IfMatch != "" {
		if p := rest.Fits(in.IfMatch, etag(in.Layer, now)); p != nil {
			return nil, p
		}
	}
	written, err := a.Documents.Rollback(ctx, who.Actor(), t.ID, in.Layer, in.Service, in.Body.Version, in.Body.Change.change(), version(now))
	if errors.Is(err, store.ErrNone) {
		return nil, rest.Invalid(rest.Field("/version", "no_such_version", in.Body.Version))
	}
	if err != nil {
		return nil, unwritten(err)
	}
	a.tell(ctx, who, t.ID, in.Layer, written, "policy_rolled_back")
	return a.state(ctx, in.Service, in.Layer, true)
}

func (a *API) approve(ctx context.Context, in *approveInput) (*stateOutput, error) {
	if err := mayWrite(ctx, in.Layer); err != nil {
		return nil, err
	}
	if _, err := a.kind(in.Service); err != nil {
		return nil, err
	}
	who := access.From(ctx)
	t, _ := rest.Tenant(ctx)
	err := a.Documents.Approve(ctx, who.Actor(), t.ID, in.Layer, in.Service, in.Body.Version, in.Body.Reference)
	if errors.Is(err, store.ErrNone) {
		return nil, rest.Invalid(rest.Field("/version", "nothing_to_approve", in.Body.Version))
	}
	if err != nil {
		return nil, unwritten(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), t.ID, "policy_approved", slog.String("policy.service", in.Service),
		slog.String("policy.layer", string(in.Layer)), slog.Int64("policy.version", in.Body.Version), slog.String("change.reference", in.Body.Reference)))
	return a.state(ctx, in.Service, in.Layer, true)
}

func (a *API) rules(ctx context.Context, _ *rulesInput) (*rest.Body[Rules], error) {
	t, _ := rest.Tenant(ctx)
	on, err := a.Documents.ReferenceMandatory(ctx, t.Operator)
	if err != nil {
		return nil, rest.Failed(err)
	}
	return &rest.Body[Rules]{Body: Rules{ReferenceMandatory: on}}, nil
}

func (a *API) putRules(ctx context.Context, in *putRulesInput) (*rest.Body[Rules], error) {
	who := access.From(ctx)
	t, _ := rest.Tenant(ctx)
	if !t.IsOperator() {
		return nil, rest.Invalid(rest.Field("/path/id", "not_an_operator", string(t.ID)))
	}
	if err := a.Documents.SetReferenceMandatory(ctx, who.Actor(), t.ID, in.Body.ReferenceMandatory, in.Body.Reason); err != nil {
		return nil, unwritten(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), t.ID, "policy_rules_changed", slog.Bool("reference.mandatory", in.Body.ReferenceMandatory)))
	return a.rules(ctx, nil)
}
