package clock

import (
	"errors"
	"fmt"
	"time"
)

// Calendar says which time counts: from Open to Close on every day that is not
// left out. It is plain data; Check tells whether it is sound.
type Calendar struct {
	Name  string        `json:"name"`
	Title string        `json:"title"` // for the screen, in Japanese
	Open  time.Duration `json:"open"`  // since midnight, 0 or later
	Close time.Duration `json:"close"` // since midnight, after Open, at most 24 hours
	// Weekdays leaves out Saturdays, Sundays, holidays, and the year's end.
	Weekdays bool `json:"weekdays"`
	// Also lists further days that do not count, such as 開庁記念日.
	Also []Date `json:"also,omitempty"`
}

// Office is an office's hours: 8:30 to 17:15 on working days.
func Office() Calendar {
	return Calendar{Name: "office", Title: "開庁時間（8:30〜17:15）", Open: 8*time.Hour + 30*time.Minute, Close: 17*time.Hour + 15*time.Minute, Weekdays: true}
}

// Always counts every moment (24時間365日).
func Always() Calendar {
	return Calendar{Name: "always", Title: "24時間365日", Close: day}
}

// maxAlso bounds Calendar.Also: ten days a year for a century.
const maxAlso = 1000

// Check says what is wrong with the calendar, or nil.
func (c Calendar) Check() error {
	switch {
	case c.Name == "":
		return errors.New("a calendar needs a name")
	case c.Open < 0 || c.Close > day || c.Open >= c.Close:
		return fmt.Errorf("calendar %s opens at %v and closes at %v", c.Name, c.Open, c.Close)
	case len(c.Also) > maxAlso:
		return fmt.Errorf("calendar %s leaves out %d further days, at most %d", c.Name, len(c.Also), maxAlso)
	}
	return nil
}

// Counts tells whether any time of d counts.
func (c Calendar) Counts(d Date) bool {
	for _, out := range c.Also {
		if out == d {
			return false
		}
	}
	if !c.Weekdays {
		return true
	}
	if w := d.Weekday(); w == time.Saturday || w == time.Sunday || YearEnd(d) {
		return false
	}
	_, off := Holiday(d)
	return !off
}

// hours returns when d opens and closes; ok is false when it does not open.
func (c Calendar) hours(d Date) (from, to time.Time, ok bool) {
	if !c.Counts(d) {
		return time.Time{}, time.Time{}, false
	}
	start := d.Start()
	return start.Add(c.Open), start.Add(c.Close), true
}

// OpenAt tells whether t counts. The moment of closing does not.
func (c Calendar) OpenAt(t time.Time) bool {
	from, to, ok := c.hours(DateOf(t))
	return ok && !t.Before(from) && t.Before(to)
}

// whole tells whether every moment counts, so that there is nothing to walk.
func (c Calendar) whole() bool {
	return !c.Weekdays && len(c.Also) == 0 && c.Open == 0 && c.Close == day
}

// Elapsed returns how much time that counts lies between two moments; 0 when to
// is not after from. It walks day by day.
func (c Calendar) Elapsed(from, to time.Time) time.Duration {
	if !to.After(from) {
		return 0
	}
	if c.whole() {
		return to.Sub(from)
	}
	var sum time.Duration
	for d, last := DateOf(from), DateOf(to); !last.Before(d); d = d.Add(1) {
		open, shut, ok := c.hours(d)
		if !ok {
			continue
		}
		if from.After(open) {
			open = from
		}
		if to.Before(shut) {
			shut = to
		}
		if shut.After(open) {
			sum += shut.Sub(open)
		}
	}
	return sum
}

// reach is how far Add and NextOpen look: no time limit of an office is longer.
const reach = 100 * 366

// Add returns the first moment by which d of the time after from has counted,
// and from itself for a d of 0 or less. A limit that ends with the working day
// ends at closing time, not when the next day opens. It is the zero time when
// that lies more than a century away.
func (c Calendar) Add(from time.Time, d time.Duration) time.Time {
	if d <= 0 {
		return from
	}
	if c.whole() {
		return from.Add(d)
	}
	date := DateOf(from)
	for range reach {
		open, shut, ok := c.hours(date)
		if from.After(open) {
			open = from
		}
		if ok && shut.After(open) {
			left := shut.Sub(open)
			if d <= left {
				return open.Add(d)
			}
			d -= left
		}
		date = date.Add(1)
	}
	return time.Time{}
}

// NextOpen returns t when it counts, or else the next moment that does. It is
// the zero time when there is none within a century.
func (c Calendar) NextOpen(t time.Time) time.Time {
	date := DateOf(t)
	for range reach {
		if open, shut, ok := c.hours(date); ok && t.Before(shut) {
			if t.After(open) {
				return t
			}
			return open
		}
		date = date.Add(1)
	}
	return time.Time{}
}

// NthDay returns the nth day that counts in a month, from 1: the fifth working
// day, by which a report is due. ok is false when the month has fewer.
func (c Calendar) NthDay(year int, month time.Month, n int) (date Date, ok bool) {
	if n < 1 {
		return Date{}, false
	}
	for d := (Date{year, month, 1}); d.Month == month; d = d.Add(1) {
		if c.Counts(d) {
			if n--; n == 0 {
				return d, true
			}
		}
	}
	return Date{}, false
}

// NextDay returns the first day after d that counts (翌開庁日), or the zero Date
// when there is none within a century.
func (c Calendar) NextDay(d Date) Date {
	for range reach {
		if d = d.Add(1); c.Counts(d) {
			return d
		}
	}
	return Date{}
}
