package record

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// work is one change of one record inside a transaction.
type work struct {
	records *Records
	ctx     context.Context
	tx      *store.Tx
	person  Person
	kind    *Kind
	rec     Record
	now     time.Time
	clocks  []running // loaded when first asked for
	loaded  bool
}

// anyVersion is for changes that take nothing back, such as a comment.
const anyVersion = -1

// change runs fn on one record that p sees, in one transaction, and saves it. A
// version other than the record's is ErrStale.
func (r *Records) change(ctx context.Context, p Person, id tenant.ID, ref ID, version int64, fn func(*work) error) (Record, error) {
	if err := r.may(p, id); err != nil {
		return Record{}, err
	}
	var rec Record
	err := r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		w, err := r.load(ctx, tx, p, ref)
		if err != nil {
			return err
		}
		if version != anyVersion && w.rec.Version != version {
			return ErrStale
		}
		if version != anyVersion {
			w.rec.Version++
		}
		if err := fn(w); err != nil {
			return err
		}
		rec = w.rec
		return w.save()
	})
	if err != nil {
		return Record{}, err
	}
	return rec, nil
}

// load reads a record for a change of it.
func (r *Records) load(ctx context.Context, tx *store.Tx, p Person, ref ID) (*work, error) {
	rec, err := store.One(ctx, tx, getRecord, scanRecord(tx.Tenant()), ref)
	if err != nil {
		return nil, err
	}
	k, ok := r.Kinds.Kind(rec.Kind)
	if !ok { // a plane that is not installed any more made it
		return nil, refuse(policy.At("kind"), "no_such_kind", rec.Kind)
	}
	w := &work{records: r, ctx: ctx, tx: tx, person: p, kind: k, rec: rec, now: tx.Now().UTC().Truncate(time.Microsecond)}
	// A machine's clock may be set back. Time in a record does not go back.
	if w.now.Before(rec.Updated) {
		w.now = rec.Updated
	}
	return w, nil
}

func (w *work) save() error {
	w.rec.Updated = w.now
	row, err := w.rec.saved()
	if err != nil {
		return err
	}
	_, err = w.tx.Update(w.ctx, saveRecord, row...)
	return err
}

// enter appends to the timeline. data may be nil.
func (w *work) enter(what What, inside bool, text string, data any) (Entry, error) {
	if w.rec.Entries >= MaxEntries {
		return Entry{}, refuse(policy.At("timeline"), "too_many", MaxEntries)
	}
	e := Entry{Seq: w.rec.Entries + 1, At: w.now, By: w.person.Account, From: w.person.Tenant, What: what, Inside: inside, Text: text}
	var column any
	if data != nil {
		var err error
		if e.Data, err = json.Marshal(data); err != nil {
			return Entry{}, err
		}
		column = e.Data
	}
	w.rec.Entries++
	if err := w.tx.Insert(w.ctx, addEntry, w.rec.ID, e.Seq, e.At, e.By, e.From, e.What, e.Inside, e.Text, column); err != nil {
		return Entry{}, err
	}
	if w.records.After != nil {
		return e, w.records.After(w.ctx, w.tx, w.rec, e)
	}
	return e, nil
}

// audit notes the change in the body's chain, which the body's auditors read:
// nothing that is inside may stand in it.
func (w *work) audit(action string, before, after any, reason string) error {
	a := store.Audit{Action: "record." + action, Object: w.rec.Number, Reason: reason}
	var err error
	if before != nil {
		if a.Before, err = json.Marshal(before); err != nil {
			return err
		}
	}
	if after != nil {
		if a.After, err = json.Marshal(after); err != nil {
			return err
		}
	}
	w.tx.Audit(a)
	return nil
}

// required checks what Kind.Require and Move.Require name.
func (w *work) required(ps *problems, names []string, reason string) {
	for _, name := range names {
		place := policy.At(name)
		var value string
		switch name {
		case "owner":
			value = w.rec.Owner
		case "side":
			value = string(w.rec.Side)
		case "system":
			value = w.rec.System
		case "body":
			value = w.rec.Body
		case "reason":
			value = reason
		default:
			place, value = policy.At("fields", name), w.rec.Fields[name]
		}
		if value == "" {
			ps.add(place.Is("required"))
		}
	}
}

// find makes the record findable by what it says now, and by words that were
// said in its timeline.
func (w *work) find() {
	parts := []string{w.rec.Number, w.rec.Title, w.rec.System, w.rec.Owner, w.rec.Body}
	for _, f := range w.kind.Fields {
		if v := w.rec.Fields[f.Name]; v != "" {
			parts = append(parts, v)
		}
	}
	_, said := cutSaid(w.rec.search)
	w.rec.search = clip(searchable(parts...)+saidMark+said, maxSearch)
}

// saidMark stands in the search text between the record's own words and its
// comments. No folded text holds it, since it is a control character.
const saidMark = "\x1f"

func cutSaid(search string) (own, said string) {
	if i := slices.Index([]byte(search), saidMark[0]); i >= 0 {
		return search[:i], search[i+1:]
	}
	return search, ""
}

// heard adds a comment to what the record is found by.
func (w *work) heard(text string, inside bool) {
	if inside {
		w.rec.inside = clip(w.rec.inside+" "+searchable(text), maxSearch)
		return
	}
	w.rec.search = clip(w.rec.search+" "+searchable(text), maxSearch)
}
