package record

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Edit is what somebody changes of a record. A nil pointer leaves a value as it
// is; of Fields those named are set, and "" removes one. There is nothing here
// to set a time with: times are what the clock said.
type Edit struct {
	Title    *string
	Body     *string
	Severity *Severity
	Side     *Side
	Owner    *string
	System   *string
	Fields   map[string]string
	Reason   string // why; the timeline and the audit chain keep it
}

// Edit changes what a record says, on the version that the person has seen. A
// closed record is not edited: it is opened again first. The body's members may
// edit title, body and form of what is in its first state; the rest is for the
// operator's side.
func (r *Records) Edit(ctx context.Context, p Person, id tenant.ID, ref ID, version int64, e Edit) (Record, error) {
	return r.change(ctx, p, id, ref, version, func(w *work) error {
		if !w.rec.Open {
			return refuse(policy.At("state"), "closed")
		}
		if r.hidesInside(p, id) && (w.rec.State != w.kind.States[0].Name || e.Severity != nil || e.Side != nil || e.Owner != nil || e.System != nil) {
			return refuse(policy.At("state"), "role_missing")
		}
		before := w.rec
		if err := w.apply(e); err != nil {
			return err
		}
		return w.edited(before, e.Reason)
	})
}

// apply checks an edit and writes it into the record.
func (w *work) apply(e Edit) error {
	var ps problems
	text := func(name string, from *string, to *string, limit int) {
		if from != nil {
			*to = strings.TrimSpace(*from)
			ps.line(policy.At(name), *to, limit)
		}
	}
	text("title", e.Title, &w.rec.Title, MaxTitle)
	text("owner", e.Owner, &w.rec.Owner, MaxName)
	text("system", e.System, &w.rec.System, MaxName)
	if w.rec.Title == "" {
		ps.add(policy.At("title").Is("required"))
	}
	if e.Body != nil {
		w.rec.Body = unix(*e.Body)
		ps.lines(policy.At("body"), w.rec.Body, MaxBody)
	}
	if e.Severity != nil {
		w.rec.Severity = *e.Severity
		checkSeverity(&ps, w.rec.Severity)
	}
	if e.Side != nil {
		w.rec.Side = *e.Side
		checkSide(&ps, w.rec.Side)
	}
	ps.lines(policy.At("reason"), e.Reason, MaxReason)
	fields := maps.Clone(w.rec.Fields)
	if fields == nil {
		fields = map[string]string{}
	}
	given := map[string]string{}
	for name, value := range e.Fields {
		value = unix(value)
		given[name], fields[name] = value, value
		if value == "" {
			delete(fields, name)
		}
	}
	checkValues(&ps, w.kind, given)
	w.rec.Fields = fields
	if len(ps) == 0 {
		w.required(&ps, w.kind.Require, "")
	}
	return ps.err()
}

// edited notes what differs from before, and lets clocks follow. An edit that
// changes nothing is refused: it would only count the version up.
func (w *work) edited(before Record, reason string) error {
	was, is := map[string]any{}, map[string]any{}
	for _, v := range []struct {
		name     string
		old, now string
	}{
		{"title", before.Title, w.rec.Title},
		{"body", before.Body, w.rec.Body},
		{"severity", string(before.Severity), string(w.rec.Severity)},
		{"side", string(before.Side), string(w.rec.Side)},
		{"owner", before.Owner, w.rec.Owner},
		{"system", before.System, w.rec.System},
	} {
		if v.old != v.now {
			was[v.name], is[v.name] = v.old, v.now
		}
	}
	for _, f := range w.kind.Fields {
		if before.Fields[f.Name] != w.rec.Fields[f.Name] {
			was["fields."+f.Name], is["fields."+f.Name] = before.Fields[f.Name], w.rec.Fields[f.Name]
		}
	}
	if len(is) == 0 {
		return refuse(policy.At(), "nothing_changed")
	}
	if err := w.follow(before); err != nil {
		return err
	}
	if _, err := w.enter(Edited, false, reason, map[string]any{"before": was, "after": is}); err != nil {
		return err
	}
	return w.audit("edit", was, is, reason)
}

// follow brings clocks and search after what has changed in the record.
func (w *work) follow(before Record) error {
	w.find()
	if before.Severity != w.rec.Severity {
		if err := w.relimit(); err != nil {
			return err
		}
	}
	if before.Owner == "" && w.rec.Owner != "" {
		return w.ends(ByOwner)
	}
	return nil
}

// Step is one move with what goes with it.
type Step struct {
	Move   string
	Reason string
	// Edit is applied together with the move, and the move's requirements are
	// checked after it. Its own Reason is not used.
	Edit Edit
}

// Move makes a transition, on the version that the person has seen. A move that
// the state does not allow, a role that is missing, and something that the move
// requires are refusals.
func (r *Records) Move(ctx context.Context, p Person, id tenant.ID, ref ID, version int64, s Step) (Record, error) {
	return r.change(ctx, p, id, ref, version, func(w *work) error { return w.move(s) })
}

func (w *work) move(s Step) error {
	m, ok := w.kind.move(s.Move)
	switch {
	case !ok:
		return refuse(policy.At("move"), "no_such_move", clip(s.Move, 60))
	case !slices.Contains(m.From, w.rec.State):
		return refuse(policy.At("move"), "not_now", m.Name, w.rec.State)
	case !w.person.has(m.Roles):
		return refuse(policy.At("move"), "role_missing", m.Roles)
	}
	s.Reason = unix(s.Reason)
	before := w.rec
	s.Edit.Reason = ""
	if w.records.hidesInside(w.person, w.rec.Tenant) && w.exceeds(m, s.Edit) {
		return refuse(policy.At("edit"), "role_missing")
	}
	if err := w.apply(s.Edit); err != nil {
		return err
	}
	var ps problems
	ps.lines(policy.At("reason"), s.Reason, MaxReason)
	w.required(&ps, m.Require, s.Reason)
	if err := ps.err(); err != nil {
		return err
	}
	to, _ := w.kind.state(m.To)
	w.rec.State, w.rec.Open = to.Name, !to.Final
	switch {
	case to.Final && before.Open:
		w.rec.Closed = w.now
	case !to.Final:
		w.rec.Closed = time.Time{}
	}
	if err := w.follow(before); err != nil {
		return err
	}
	for _, act := range m.Clocks {
		if err := w.mark(act.Clock, act.Act, s.Reason); err != nil {
			return err
		}
	}
	if to.Final {
		if err := w.stopAll(""); err != nil {
			return err
		}
	}
	if err := w.timers(); err != nil {
		return err
	}
	w.due()
	was, is := w.difference(before)
	if _, err := w.enter(Moved, false, s.Reason, map[string]any{"move": m.Name, "before": was, "after": is}); err != nil {
		return err
	}
	return w.audit("move", was, is, s.Reason)
}

// exceeds tells whether an edit that goes with a move is more than a member of
// the body may do: in the first state what Edit allows, later what the move asks for.
func (w *work) exceeds(m Move, e Edit) bool {
	if e.Severity != nil || e.Side != nil || e.System != nil {
		return true
	}
	if w.rec.State == w.kind.States[0].Name {
		return e.Owner != nil && !slices.Contains(m.Require, "owner")
	}
	for name := range e.Fields {
		if !slices.Contains(m.Require, name) {
			return true
		}
	}
	return e.Title != nil || e.Body != nil || e.Owner != nil && !slices.Contains(m.Require, "owner")
}

// difference is what a move has changed, for timeline and audit.
func (w *work) difference(before Record) (was, is map[string]string) {
	was, is = map[string]string{"state": before.State}, map[string]string{"state": w.rec.State}
	note := func(name, old, now string) {
		if old != now {
			was[name], is[name] = old, now
		}
	}
	note("title", before.Title, w.rec.Title)
	note("body", before.Body, w.rec.Body)
	note("severity", string(before.Severity), string(w.rec.Severity))
	note("side", string(before.Side), string(w.rec.Side))
	note("owner", before.Owner, w.rec.Owner)
	note("system", before.System, w.rec.System)
	for _, f := range w.kind.Fields {
		note("fields."+f.Name, before.Fields[f.Name], w.rec.Fields[f.Name])
	}
	return was, is
}

// Moves returns the moves that p could make on a record now, in the kind's order.
func (r *Records) Moves(p Person, rec Record) []Move {
	k, ok := r.Kinds.Kind(rec.Kind)
	if !ok || !r.Sees(p, rec.Tenant, false) {
		return nil
	}
	var all []Move
	for _, m := range k.Moves {
		if slices.Contains(m.From, rec.State) && p.has(m.Roles) {
			all = append(all, m)
		}
	}
	return all
}

// Merge merges a record into another one of the same body: it closes, its
// clocks stop, and whoever looks for it is led to the other (Follow). Both
// timelines say so. version is that of the record that goes. What was merged
// cannot be opened again; its timeline and evidence stay where they are.
func (r *Records) Merge(ctx context.Context, p Person, id tenant.ID, ref ID, version int64, into ID, reason string) (Record, error) {
	if r.hidesInside(p, id) {
		return Record{}, store.ErrNone
	}
	var ps problems
	ps.lines(policy.At("reason"), reason, MaxReason)
	if ref == into {
		ps.add(policy.At("into").Is("itself"))
	}
	if err := ps.err(); err != nil {
		return Record{}, err
	}
	return r.change(ctx, p, id, ref, version, func(w *work) error {
		other, err := r.load(ctx, w.tx, p, into)
		if err != nil {
			return err
		}
		switch {
		case w.rec.State == Merged:
			return refuse(policy.At("state"), "merged")
		case other.rec.State == Merged:
			return refuse(policy.At("into"), "merged")
		case other.rec.Kind != w.rec.Kind:
			return refuse(policy.At("into"), "other_kind", other.rec.Kind)
		case other.rec.Drill != w.rec.Drill:
			return refuse(policy.At("into"), "drill")
		}
		was := w.rec.State
		if w.rec.Open {
			w.rec.Closed = w.now
		}
		w.rec.State, w.rec.Open, w.rec.MergedInto = Merged, false, into
		if err := w.stopAll("統合"); err != nil {
			return err
		}
		if _, err := w.enter(MergedTo, false, reason, map[string]string{"number": other.rec.Number}); err != nil {
			return err
		}
		if _, err := other.enter(MergedIn, false, reason, map[string]string{"number": w.rec.Number}); err != nil {
			return err
		}
		if err := other.save(); err != nil {
			return err
		}
		return w.audit("merge", map[string]string{"state": was}, map[string]string{"into": other.rec.Number}, reason)
	})
}
