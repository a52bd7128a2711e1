package record

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record/clock"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Draft is what somebody says to make a record. Kind, Title and Severity must be set.
type Draft struct {
	Kind     string            `json:"kind"`
	Title    string            `json:"title"`
	Body     string            `json:"body,omitempty"`
	Severity Severity          `json:"severity"`
	Side     Side              `json:"side,omitempty"`
	Owner    string            `json:"owner,omitempty"`
	System   string            `json:"system,omitempty"`
	Fields   map[string]string `json:"fields,omitempty"`
	Key      string            `json:"key,omitempty"`
	Tasks    []string          `json:"tasks,omitempty"`
	Drill    bool              `json:"drill,omitempty"`
}

// Create makes a record of the body id, with the next number of its kind and
// year. Where the draft has a key and an open record of the same kind and key
// was seen within the kind's window, that one is returned instead, with the
// finding noted in its timeline, and repeated is true. A drill never joins
// what is real.
func (r *Records) Create(ctx context.Context, p Person, id tenant.ID, d Draft) (rec Record, repeated bool, err error) {
	if err := r.may(p, id); err != nil {
		return Record{}, false, err
	}
	d.clean()
	if err := r.checkDraft(p, d).err(); err != nil {
		return Record{}, false, err
	}
	err = r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		rec, repeated, err = r.create(ctx, tx, p, d)
		return err
	})
	if err != nil {
		return Record{}, false, fmt.Errorf("making a record of %s: %w", id, err)
	}
	return rec, repeated, nil
}

func (d *Draft) clean() {
	d.Title, d.Owner, d.System = strings.TrimSpace(d.Title), strings.TrimSpace(d.Owner), strings.TrimSpace(d.System)
	d.Body = unix(d.Body)
	fields := make(map[string]string, len(d.Fields))
	for name, value := range d.Fields {
		if value != "" {
			fields[name] = unix(value)
		}
	}
	d.Fields = fields
}

// checkDraft says what is wrong with a draft that was cleaned.
func (r *Records) checkDraft(p Person, d Draft) problems {
	var ps problems
	k, ok := r.Kinds.Kind(d.Kind)
	if !ok {
		ps.add(policy.At("kind").Is("no_such_kind", clip(d.Kind, 60)))
		return ps
	}
	if !p.has(k.Create) {
		ps.add(policy.At("kind").Is("role_missing", k.Create))
	}
	if d.Title == "" {
		ps.add(policy.At("title").Is("required"))
	}
	ps.line(policy.At("title"), d.Title, MaxTitle)
	ps.lines(policy.At("body"), d.Body, MaxBody)
	ps.line(policy.At("owner"), d.Owner, MaxName)
	ps.line(policy.At("system"), d.System, MaxName)
	ps.line(policy.At("key"), d.Key, MaxName)
	checkSeverity(&ps, d.Severity)
	checkSide(&ps, d.Side)
	checkValues(&ps, k, d.Fields)
	if len(d.Tasks) > MaxTasks {
		ps.add(policy.At("tasks").Is("too_many", MaxTasks))
	}
	for i, title := range d.Tasks {
		if strings.TrimSpace(title) == "" {
			ps.add(policy.At("tasks", i).Is("required"))
		}
		ps.line(policy.At("tasks", i), title, MaxTitle)
	}
	if len(ps) == 0 {
		w := &work{kind: k, rec: Record{Owner: d.Owner, Side: d.Side, System: d.System, Body: d.Body, Fields: d.Fields}}
		w.required(&ps, k.Require, "")
	}
	return ps
}

func checkSeverity(ps *problems, s Severity) {
	if s.rank() == 0 {
		ps.add(policy.At("severity").Is("no_such_choice", clip(string(s), 60), severities))
	}
}

func checkSide(ps *problems, s Side) {
	if !slices.Contains(sides, s) {
		ps.add(policy.At("side").Is("no_such_choice", clip(string(s), 60), sides))
	}
}

// checkValues checks the values of a form. An empty value is an absent one.
func checkValues(ps *problems, k *Kind, values map[string]string) {
	for _, name := range slices.Sorted(maps.Keys(values)) {
		f, ok := k.field(name)
		if !ok {
			ps.add(policy.At("fields", clip(name, 60)).Is("no_such_field", clip(name, 60)))
			continue
		}
		value, limit := values[name], f.Max
		if limit == 0 {
			limit = MaxField
		}
		if value == "" {
			continue
		}
		code := line(value, limit)
		if f.Type == Lines {
			code = lines(value, limit)
		}
		if code == "" {
			code = f.wrong(value)
		}
		if code != "" {
			ps.add(policy.At("fields", name).Is(code, limit))
		}
	}
}

// wrong says why a value is none of the field's type, or "".
func (f Field) wrong(value string) string {
	var err error
	switch f.Type {
	case Number:
		// ParseFloat also takes "inf", "0x1p-2" and "1_000".
		if strings.Trim(value, "0123456789.-") != "" {
			return "not_a_number"
		}
		_, err = strconv.ParseFloat(value, 64)
	case Day:
		_, err = time.Parse(time.DateOnly, value)
	case Moment:
		_, err = time.Parse(time.RFC3339, value)
	case Choice:
		if !slices.Contains(f.Choices, value) {
			return "no_such_choice"
		}
	case YesNo:
		if value != "true" && value != "false" {
			return "not_yes_or_no"
		}
	}
	if err != nil {
		return map[FieldType]string{Number: "not_a_number", Day: "not_a_date", Moment: "not_a_time"}[f.Type]
	}
	return ""
}

// create makes the record of a checked draft within a transaction.
func (r *Records) create(ctx context.Context, tx *store.Tx, p Person, d Draft) (Record, bool, error) {
	k, _ := r.Kinds.Kind(d.Kind)
	now := tx.Now().UTC().Truncate(time.Microsecond)
	if d.Drill && d.Key != "" {
		d.Key = "drill:" + d.Key
	}
	if d.Key != "" && k.Window > 0 {
		rec, err := r.repeat(ctx, tx, p, k, d, now)
		if !errors.Is(err, store.ErrNone) {
			return rec, true, err
		}
	}
	number, err := r.nextNumber(ctx, tx, k.Name, now)
	if err != nil {
		return Record{}, false, err
	}
	w := &work{records: r, ctx: ctx, tx: tx, person: p, kind: k, now: now, loaded: true, rec: Record{
		ID: ID(event.NewID(now).String()), Tenant: tx.Tenant(), Kind: k.Name, Number: number, Version: 1,
		State: k.States[0].Name, Open: !k.States[0].Final, Severity: d.Severity, Side: d.Side, Owner: d.Owner, System: d.System,
		Title: d.Title, Body: d.Body, Fields: d.Fields, Key: d.Key, LastSeen: now,
		Created: now, CreatedBy: p.Account, Updated: now, Drill: d.Drill,
	}}
	if err := w.begin(d); err != nil {
		return Record{}, false, err
	}
	row, err := w.rec.row()
	if err != nil {
		return Record{}, false, err
	}
	return w.rec, false, tx.Insert(ctx, addRecord, row...)
}

// begin writes what stands around a fresh record.
func (w *work) begin(d Draft) error {
	w.find()
	for _, rule := range w.kind.Clocks {
		if !rule.Later {
			if err := w.mark(rule.Name, clock.Start, ""); err != nil {
				return err
			}
		}
	}
	if w.rec.Owner != "" {
		if err := w.ends(ByOwner); err != nil {
			return err
		}
	}
	if _, err := w.enter(Created, false, "", map[string]any{"severity": d.Severity, "state": w.rec.State, "title": d.Title}); err != nil {
		return err
	}
	for i, title := range d.Tasks {
		if err := w.tx.Insert(w.ctx, addTask, w.rec.ID, i+1, strings.TrimSpace(title), "", nil, ""); err != nil {
			return err
		}
	}
	w.due()
	return w.audit("create", nil, map[string]any{"kind": w.rec.Kind, "title": w.rec.Title, "severity": w.rec.Severity, "owner": w.rec.Owner}, "")
}

// repeat notes that the same was found again, or ends with store.ErrNone.
func (r *Records) repeat(ctx context.Context, tx *store.Tx, p Person, k *Kind, d Draft, now time.Time) (Record, error) {
	same, err := store.One(ctx, tx, getSame, scanRecord(tx.Tenant()), d.Key, k.Name, now.Add(-k.Window))
	if err != nil {
		return Record{}, err
	}
	w, err := r.load(ctx, tx, p, same.ID)
	if err != nil {
		return Record{}, err
	}
	w.rec.Repeats++
	w.rec.LastSeen = w.now
	// Of a thousand findings the first hundred are told one by one: the counter
	// has them all, and the timeline stays readable.
	if w.rec.Repeats <= 100 {
		if _, err := w.enter(Repeated, false, d.Title, map[string]any{"repeats": w.rec.Repeats, "severity": d.Severity}); err != nil {
			return Record{}, err
		}
	}
	if err := w.audit("repeat", nil, map[string]any{"repeats": w.rec.Repeats}, ""); err != nil {
		return Record{}, err
	}
	return w.rec, w.save()
}

// nextNumber takes the next number of a kind. The counter moves in the same
// transaction as the record is added: one that fails leaves no gap.
func (r *Records) nextNumber(ctx context.Context, tx *store.Tx, kind string, now time.Time) (string, error) {
	p := r.Kinds.patterns[kind]
	series := p.series(kind, now)
	last, err := store.One(ctx, tx, getLast, func(row store.Row) (n int64, err error) { return n, row.Scan(&n) }, series)
	if err != nil && !errors.Is(err, store.ErrNone) {
		return "", err
	}
	if err := tx.Insert(ctx, setLast, series, last+1); err != nil {
		return "", err
	}
	return p.Format(now, last+1), nil
}
