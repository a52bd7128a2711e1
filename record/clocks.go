package record

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record/clock"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// running is one clock of a record with its timer.
type running struct {
	name  string
	title string
	timer clock.Timer
}

// Clock is a clock of a record as it reads now.
type Clock struct {
	Name     string        `json:"name"`
	Title    string        `json:"title"`
	Calendar string        `json:"calendar"`
	Limit    time.Duration `json:"limit"`
	Reading  clock.Reading `json:"reading"`
	Marks    []clock.Mark  `json:"marks"`
}

// Clocks returns the clocks of a record as they read at the store's time.
func (r *Records) Clocks(ctx context.Context, p Person, id tenant.ID, ref ID, now time.Time) ([]Clock, error) {
	rec, err := r.Get(ctx, p, id, ref)
	if err != nil {
		return nil, err
	}
	timers, err := r.timers(ctx, r.DB.Tenant(id), rec)
	if err != nil {
		return nil, err
	}
	var all []Clock
	for _, c := range timers {
		all = append(all, Clock{c.name, c.title, c.timer.Calendar.Name, c.timer.Limit, c.timer.At(now), c.timer.Marks()})
	}
	return all, nil
}

// timers reads the clocks of a record. A calendar that is gone counts around
// the clock, so that nothing becomes late unseen.
func (r *Records) timers(ctx context.Context, from store.Reader, rec Record) ([]running, error) {
	type stored struct {
		name, calendar string
		limit          time.Duration
	}
	clocks, err := store.All(ctx, from, getClocks, func(row store.Row) (c stored, err error) {
		var seconds int64
		err = row.Scan(&c.name, &c.calendar, &seconds)
		c.limit = time.Duration(seconds) * time.Second
		return c, err
	}, rec.ID)
	if err != nil || len(clocks) == 0 {
		return nil, err
	}
	marks := map[string][]clock.Mark{}
	if _, err := store.All(ctx, from, getMarks, func(row store.Row) (struct{}, error) {
		var name string
		var m clock.Mark
		err := row.Scan(&name, &m.At, &m.Act, &m.Reason, &m.By)
		marks[name] = append(marks[name], m)
		return struct{}{}, err
	}, rec.ID); err != nil {
		return nil, err
	}
	k, _ := r.Kinds.Kind(rec.Kind)
	var all []running
	for _, c := range clocks {
		calendar, ok := r.Kinds.calendars[c.calendar]
		if !ok {
			calendar = clock.Always()
		}
		timer, err := clock.Marked(calendar, c.limit, marks[c.name])
		if err != nil {
			return nil, err
		}
		title := c.name
		if k != nil {
			if rule, ok := k.clock(c.name); ok {
				title = rule.Title
			}
		}
		all = append(all, running{c.name, title, timer})
	}
	return all, nil
}

func (w *work) timers() error {
	if w.loaded {
		return nil
	}
	var err error
	w.clocks, err = w.records.timers(w.ctx, w.tx, w.rec)
	w.loaded = err == nil
	return err
}

// mark puts an act on a clock at the time of the change. An act that the clock
// does not allow in its state is left out: see ClockAct.
func (w *work) mark(name string, act clock.Act, reason string) error {
	_, err := w.tryMark(name, act, reason)
	return err
}

func (w *work) tryMark(name string, act clock.Act, reason string) (marked bool, err error) {
	if err := w.timers(); err != nil {
		return false, err
	}
	i := slices.IndexFunc(w.clocks, func(c running) bool { return c.name == name })
	if i < 0 {
		if i, err = w.newClock(name); err != nil || i < 0 {
			return false, err
		}
	}
	c := &w.clocks[i]
	marks := c.timer.Marks()
	at := w.now
	if n := len(marks); n > 0 && at.Before(marks[n-1].At) {
		at = marks[n-1].At
	}
	timer, err := c.timer.Append(clock.Mark{At: at, Act: act, Reason: reason, By: w.person.Account})
	if errors.Is(err, clock.ErrAct) {
		return false, nil
	}
	if err != nil {
		return false, refuse(policy.At("reason"), "required")
	}
	c.timer = timer
	if err := w.tx.Insert(w.ctx, addMark, w.rec.ID, name, len(marks)+1, at, act, reason, w.person.Account); err != nil {
		return false, err
	}
	return true, w.alarm(c)
}

// newClock adds the clock of a rule, or returns -1 when the record's severity
// has none.
func (w *work) newClock(name string) (int, error) {
	rule, ok := w.kind.clock(name)
	limit := rule.Limits[w.rec.Severity]
	if !ok || limit == 0 {
		return -1, nil
	}
	timer := clock.Timer{Calendar: w.records.Kinds.calendars[rule.Calendar], Limit: limit}
	w.clocks = append(w.clocks, running{rule.Name, rule.Title, timer})
	return len(w.clocks) - 1, w.tx.Insert(w.ctx, addClock, w.rec.ID, rule.Name, rule.Calendar, int64(limit/time.Second))
}

// alarm keeps the row that says when the clock runs out.
func (w *work) alarm(c *running) error {
	reading := c.timer.At(w.now)
	if reading.State == clock.Running && !reading.Due.IsZero() && !reading.Overdue {
		return w.tx.Insert(w.ctx, addAlarm, w.rec.ID, c.name, reading.Due)
	}
	_, err := w.tx.Delete(w.ctx, dropAlarm, w.rec.ID, c.name)
	return err
}

// due sets the record's next deadline from its clocks: an overdue one that runs
// on counts, so that it stands on top of lists.
func (w *work) due() {
	w.rec.Due = time.Time{}
	for _, c := range w.clocks {
		reading := c.timer.At(w.now)
		if reading.State == clock.Running && !reading.Due.IsZero() && (w.rec.Due.IsZero() || reading.Due.Before(w.rec.Due)) {
			w.rec.Due = reading.Due.UTC().Truncate(time.Microsecond)
		}
	}
}

// ends stops the clocks that a fact ends.
func (w *work) ends(fact Ends) error {
	for _, rule := range w.kind.Clocks {
		if rule.Ends == fact {
			if err := w.timers(); err != nil {
				return err
			}
			if !slices.ContainsFunc(w.clocks, func(c running) bool { return c.name == rule.Name }) {
				continue
			}
			if err := w.mark(rule.Name, clock.Stop, ""); err != nil {
				return err
			}
		}
	}
	w.due()
	return nil
}

// stopAll stops every clock, as a closed record has none that runs.
func (w *work) stopAll(reason string) error {
	if err := w.timers(); err != nil {
		return err
	}
	for _, c := range slices.Clone(w.clocks) {
		if err := w.mark(c.name, clock.Stop, reason); err != nil {
			return err
		}
	}
	w.due()
	return nil
}

// relimit gives clocks that have not stopped the limits of another severity.
// What has counted stays, and the timeline says when the limit changed.
func (w *work) relimit() error {
	if err := w.timers(); err != nil {
		return err
	}
	for _, rule := range w.kind.Clocks {
		limit := rule.Limits[w.rec.Severity]
		i := slices.IndexFunc(w.clocks, func(c running) bool { return c.name == rule.Name })
		if i < 0 {
			if limit > 0 && !rule.Later && w.rec.Open {
				if err := w.mark(rule.Name, clock.Start, ""); err != nil {
					return err
				}
			}
			continue
		}
		c := &w.clocks[i]
		if c.timer.State() == clock.Stopped {
			continue
		}
		if limit == 0 { // no such limit for this severity
			if err := w.mark(rule.Name, clock.Stop, ""); err != nil {
				return err
			}
			continue
		}
		c.timer.Limit = limit
		if err := w.tx.Insert(w.ctx, addClock, w.rec.ID, c.name, c.timer.Calendar.Name, int64(limit/time.Second)); err != nil {
			return err
		}
		if err := w.alarm(c); err != nil {
			return err
		}
	}
	w.due()
	return nil
}

// PauseClock pauses or, with resume, resumes a clock by hand, outside a move. A
// pause needs a reason. Only somebody of the operator's side can.
func (r *Records) PauseClock(ctx context.Context, p Person, id tenant.ID, ref ID, name, reason string, resume bool) (Record, error) {
	if r.hidesInside(p, id) {
		return Record{}, store.ErrNone
	}
	var ps problems
	ps.line(policy.At("reason"), reason, MaxReason)
	if reason == "" && !resume {
		ps.add(policy.At("reason").Is("required"))
	}
	if err := ps.err(); err != nil {
		return Record{}, err
	}
	return r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		act := clock.Pause
		if resume {
			act = clock.Resume
		}
		if err := w.timers(); err != nil {
			return err
		}
		if !slices.ContainsFunc(w.clocks, func(c running) bool { return c.name == name }) {
			return refuse(policy.At("clock"), "no_such_clock", clip(name, 60))
		}
		marked, err := w.tryMark(name, act, reason)
		if err != nil {
			return err
		}
		if !marked {
			return refuse(policy.At("clock"), "not_now", name)
		}
		w.due()
		what := map[string]string{"clock": name, "act": string(act)}
		if _, err := w.enter(Clocked, false, reason, what); err != nil {
			return err
		}
		return w.audit("clock", nil, what, reason)
	})
}

// Alarm is a clock that has run out, or will.
type Alarm struct {
	Tenant tenant.ID
	Record ID
	Clock  string
	Due    time.Time
}

// Alarms returns up to a thousand clocks of the whole installation that have run
// out at now and were not rung for, the longest overdue first. It is for the
// service that rings.
func (r *Records) Alarms(ctx context.Context, now time.Time) ([]Alarm, error) {
	var all []Alarm
	err := r.DB.View(ctx, func(view *store.View) error {
		all = nil
		return view.Across(ctx, dueAlarms, func(id tenant.ID, row store.Row) error {
			a := Alarm{Tenant: id}
			err := row.Scan(&a.Record, &a.Clock, &a.Due)
			all = append(all, a)
			return err
		}, now)
	})
	return all, err
}

// Ring notes in the record that a clock has run out. It does so once, however
// often it is called: an alarm that was rung, or whose clock was stopped or
// paused meanwhile, is store.ErrNone. After sees the entry, in the transaction.
func (r *Records) Ring(ctx context.Context, a Alarm) (Record, error) {
	return r.change(ctx, Person{Actor: store.System("record")}, a.Tenant, a.Record, anyVersion, func(w *work) error {
		due, err := store.One(ctx, w.tx, getAlarm, func(row store.Row) (t time.Time, err error) { return t, row.Scan(&t) }, a.Record, a.Clock)
		if err != nil {
			return err
		}
		if due.After(w.now) {
			return store.ErrNone
		}
		if _, err := w.tx.Delete(ctx, dropAlarm, a.Record, a.Clock); err != nil {
			return err
		}
		data := map[string]any{"clock": a.Clock, "due": due}
		if _, err := w.enter(Overdue, false, "", data); err != nil {
			return err
		}
		return w.audit("overdue", nil, data, "")
	})
}
