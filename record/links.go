package record

import (
	"context"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Relation is how a record stands to another one.
type Relation string

// The relations. Each has its other side.
const (
	Related    Relation = "related"
	CausedBy   Relation = "caused_by"
	Causes     Relation = "causes"
	PartOf     Relation = "part_of"
	Holds      Relation = "holds"
	ResolvedBy Relation = "resolved_by" // such as a problem by a change
	Resolves   Relation = "resolves"
	RaisedAs   Relation = "raised_as" // such as a case as an incident
	RaisedFrom Relation = "raised_from"
)

var otherSide = map[Relation]Relation{
	Related: Related, CausedBy: Causes, Causes: CausedBy, PartOf: Holds, Holds: PartOf,
	ResolvedBy: Resolves, Resolves: ResolvedBy, RaisedAs: RaisedFrom, RaisedFrom: RaisedAs,
}

// Link leads from a record to another one.
type Link struct {
	Tenant   tenant.ID `json:"tenant"`
	Record   ID        `json:"record"`
	Relation Relation  `json:"relation"`
	At       time.Time `json:"at"`
	By       string    `json:"by"`
}

func scanLink(row store.Row) (Link, error) {
	var l Link
	return l, row.Scan(&l.Tenant, &l.Record, &l.Relation, &l.At, &l.By)
}

// Links returns where a record leads. Links of an operator's record to bodies
// that p must not see are left out.
func (r *Records) Links(ctx context.Context, p Person, id tenant.ID, ref ID) ([]Link, error) {
	if _, err := r.Get(ctx, p, id, ref); err != nil {
		return nil, err
	}
	all, err := store.All(ctx, r.DB.Tenant(id), getLinks, scanLink, ref)
	var seen []Link
	for _, l := range all {
		if r.Sees(p, l.Tenant, false) {
			seen = append(seen, l)
		}
	}
	return seen, err
}

// Link links a record of the body id to another one. Within a body both lead to
// each other. A record of an operator may lead to those of its bodies: that link
// stands on the operator's side alone, and the body does not learn of it. No
// other link crosses bodies.
func (r *Records) Link(ctx context.Context, p Person, id tenant.ID, ref ID, other tenant.ID, to ID, relation Relation) error {
	if err := r.linkable(p, id, ref, other, to, relation); err != nil {
		return err
	}
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		links, err := store.All(ctx, w.tx, getLinks, scanLink, ref)
		if err != nil {
			return err
		}
		if len(links) >= MaxLinks {
			return refuse(policy.At("links"), "too_many", MaxLinks)
		}
		if id == other {
			return w.linkWithin(to, relation)
		}
		found := false
		body, _ := r.Bodies.Get(id)
		if err := w.tx.Across(ctx, linkTarget, body.Operator, func(owner tenant.ID, _ store.Row) error {
			found = found || owner == other
			return nil
		}, to); err != nil {
			return err
		}
		if !found {
			return store.ErrNone
		}
		return w.link(other, to, relation, string(other)+"/"+string(to))
	})
	return err
}

// linkable checks what can be said of a link without reading.
func (r *Records) linkable(p Person, id tenant.ID, ref ID, other tenant.ID, to ID, relation Relation) error {
	if !r.Sees(p, id, false) || !r.Sees(p, other, false) {
		return store.ErrNone
	}
	if _, ok := otherSide[relation]; !ok {
		return refuse(policy.At("relation"), "no_such_choice", clip(string(relation), 60))
	}
	if id == other {
		if ref == to {
			return refuse(policy.At("to"), "itself")
		}
		return nil
	}
	body, ok := r.Bodies.Get(other)
	if !ok || body.Operator != id {
		return refuse(policy.At("to"), "other_body")
	}
	return nil
}

func (w *work) linkWithin(to ID, relation Relation) error {
	other, err := w.records.load(w.ctx, w.tx, w.person, to)
	if err != nil {
		return err
	}
	if err := w.link(w.rec.Tenant, to, relation, other.rec.Number); err != nil {
		return err
	}
	if err := other.link(w.rec.Tenant, w.rec.ID, otherSide[relation], w.rec.Number); err != nil {
		return err
	}
	return other.save()
}

// link adds one side.
func (w *work) link(other tenant.ID, to ID, relation Relation, named string) error {
	if err := w.tx.Insert(w.ctx, addLink, w.rec.ID, other, to, relation, w.now, w.person.Account); err != nil {
		return err
	}
	data := map[string]string{"relation": string(relation), "to": named, "act": "added"}
	if _, err := w.enter(Linked, false, "", data); err != nil {
		return err
	}
	return w.audit("link", nil, data, "")
}

// Unlink removes a link, and within a body its other side.
func (r *Records) Unlink(ctx context.Context, p Person, id tenant.ID, ref ID, other tenant.ID, to ID, relation Relation) error {
	if err := r.linkable(p, id, ref, other, to, relation); err != nil {
		return err
	}
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		if err := w.unlink(other, to, relation); err != nil || id != other {
			return err
		}
		back, err := r.load(ctx, w.tx, p, to)
		if err != nil {
			return err
		}
		if err := back.unlink(id, ref, otherSide[relation]); err != nil {
			return err
		}
		return back.save()
	})
	return err
}

func (w *work) unlink(other tenant.ID, to ID, relation Relation) error {
	n, err := w.tx.Delete(w.ctx, dropLink, w.rec.ID, other, to, relation)
	if err != nil {
		return err
	}
	if n == 0 {
		return store.ErrNone
	}
	data := map[string]string{"relation": string(relation), "to": string(other) + "/" + string(to), "act": "removed"}
	if _, err := w.enter(Linked, false, "", data); err != nil {
		return err
	}
	return w.audit("link", data, nil, "")
}
