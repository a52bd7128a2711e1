package clock

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Act is what a mark does to a timer.
type Act string

// The acts. Start also opens a stopped timer again: what had counted stays.
const (
	Start  Act = "start"
	Pause  Act = "pause"
	Resume Act = "resume"
	Stop   Act = "stop"
)

// State is what a timer does.
type State string

// The states.
const (
	Idle    State = "idle" // never started
	Running State = "running"
	Paused  State = "paused"
	Stopped State = "stopped"
)

// after says which state an act leads to from which; an absent entry is not allowed.
var after = map[State]map[Act]State{
	Idle:    {Start: Running},
	Running: {Pause: Paused, Stop: Stopped},
	Paused:  {Resume: Running, Stop: Stopped},
	Stopped: {Start: Running},
}

// Mark is one act on a timer. A mark is never changed.
type Mark struct {
	At     time.Time `json:"at"`
	Act    Act       `json:"act"`
	Reason string    `json:"reason,omitempty"` // a pause needs one
	By     string    `json:"by,omitempty"`
}

// Errors of Append, by which a caller decides what to say.
var (
	ErrAct     = errors.New("the timer does not allow this now")
	ErrReason  = errors.New("a pause needs a reason")
	ErrEarlier = errors.New("the time lies before the timer's last mark")
)

// Timer is one time limit on one piece of work. Its zero marks mean that it has
// not begun. It is changed by Append alone.
type Timer struct {
	Calendar Calendar
	Limit    time.Duration // of time that counts; 0 or less is reached at once
	marks    []Mark
	state    State
}

// Marked returns a timer with marks that Append accepted before, such as from a
// database; marks that no timer can have are an error.
func Marked(c Calendar, limit time.Duration, marks []Mark) (Timer, error) {
	t := Timer{Calendar: c, Limit: limit}
	for i, m := range marks {
		var err error
		if t, err = t.Append(m); err != nil {
			return Timer{}, fmt.Errorf("mark %d (%s): %w", i+1, m.Act, err)
		}
	}
	return t, nil
}

// State returns what the timer does after its last mark.
func (t Timer) State() State {
	if t.state == "" {
		return Idle
	}
	return t.state
}

// Marks returns a copy of the marks in their order.
func (t Timer) Marks() []Mark { return slices.Clone(t.marks) }

// Append returns the timer with one more mark. It refuses an act that the state
// does not allow, a pause without a reason, and a time before the last mark:
// nobody can put a pause where it would have helped.
func (t Timer) Append(m Mark) (Timer, error) {
	next, ok := after[t.State()][m.Act]
	switch {
	case !ok:
		return t, fmt.Errorf("%s while it is %s: %w", m.Act, t.State(), ErrAct)
	case m.Act == Pause && m.Reason == "":
		return t, ErrReason
	case len(t.marks) > 0 && m.At.Before(t.marks[len(t.marks)-1].At):
		return t, ErrEarlier
	}
	t.marks = append(slices.Clip(t.marks), m)
	t.state = next
	return t, nil
}

// Reading is what a timer shows at a moment.
type Reading struct {
	State     State         `json:"state"`
	Elapsed   time.Duration `json:"elapsed"`   // that has counted
	Remaining time.Duration `json:"remaining"` // negative beyond the limit
	// Due is when the limit was or will be reached if nobody stops or pauses it;
	// the zero time while that is open, because the timer rests.
	Due time.Time `json:"due,omitzero"`
	// Overdue says that Due has passed, and before the work was stopped.
	Overdue bool `json:"overdue"`
}

// At reads the timer at now. Marks after now are not looked at.
func (t Timer) At(now time.Time) Reading {
	r := Reading{State: Idle}
	var since time.Time // of the span that runs
	span := func(to time.Time) {
		counted := t.Calendar.Elapsed(since, to)
		if r.Due.IsZero() {
			due := t.Calendar.Add(since, t.Limit-r.Elapsed)
			if !due.IsZero() && !due.After(to) {
				r.Due, r.Overdue = due, due.Before(to)
			}
		} else if to.After(r.Due) {
			r.Overdue = true
		}
		r.Elapsed += counted
	}
	for _, m := range t.marks {
		if m.At.After(now) {
			break
		}
		if r.State == Running {
			span(m.At)
		}
		if m.Act == Start || m.Act == Resume {
			since = m.At
		}
		r.State = after[r.State][m.Act]
	}
	if r.State == Running {
		span(now)
		if r.Due.IsZero() {
			r.Due = t.Calendar.Add(since, t.Limit-t.before(now))
		}
	}
	r.Remaining = t.Limit - r.Elapsed
	return r
}

// before returns what had counted when the span that runs at now began.
func (t Timer) before(now time.Time) time.Duration {
	var sum time.Duration
	var since time.Time
	running := false
	for _, m := range t.marks {
		if m.At.After(now) {
			break
		}
		if running {
			sum += t.Calendar.Elapsed(since, m.At)
		}
		running = m.Act == Start || m.Act == Resume
		since = m.At
	}
	return sum
}
