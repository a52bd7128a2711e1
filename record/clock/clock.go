// Package clock counts time the way an office does: it knows which hours of
// which days count, the Japanese holidays, the fiscal year (年度), and how much
// of a time limit is left when work was paused in between.
//
// A [Calendar] says which time counts. A [Timer] is one time limit on one piece
// of work: a list of marks (start, pause, resume, stop) to which one can only
// append. Everything is computed from the marks, so there is no figure that
// somebody could correct afterwards.
//
// All days are those of Japan, which has no summer time: a day has 24 hours.
package clock

import (
	"time"
)

// JST is Japan Standard Time, UTC+9 all year.
var JST = time.FixedZone("JST", 9*60*60)

const day = 24 * time.Hour

// Date is a day in Japan.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf returns the day on which t falls in Japan.
func DateOf(t time.Time) Date {
	y, m, d := t.In(JST).Date()
	return Date{y, m, d}
}

// Start returns the first moment of the day.
func (d Date) Start() time.Time { return time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, JST) }

// Weekday returns the day of the week.
func (d Date) Weekday() time.Weekday { return d.Start().Weekday() }

// Add returns the date n days later, or earlier for a negative n.
func (d Date) Add(n int) Date { return DateOf(time.Date(d.Year, d.Month, d.Day+n, 0, 0, 0, 0, JST)) }

// Before tells whether d comes before e.
func (d Date) Before(e Date) bool { return d.Start().Before(e.Start()) }

// String returns the date as 2026-11-22.
func (d Date) String() string { return d.Start().Format(time.DateOnly) }
