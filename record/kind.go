package record

import (
	"slices"
	"time"

	"github.com/sekikura/sekikura/record/clock"
)

// Kind is one sort of record as data: its form, its states, who may move it
// between them, its clocks and how it is numbered. Compile checks it; a plane
// may add kinds of its own to Builtin.
type Kind struct {
	Name   string // a word of a-z and _, such as "incident"
	Title  string // for the screen, such as インシデント
	Number string // a pattern, see Pattern
	// Create lists the roles that may make one; "*" is everybody who can see the
	// body's records.
	Create  []string
	States  []State // the first one is where a record begins
	Moves   []Move
	Clocks  []ClockRule
	Fields  []Field       // the form, besides what every record has
	Require []string      // what a new record must have, as in Move
	Window  time.Duration // how long after it was last seen an open record takes in another of the same key; 0: never
}

// State is a place in a kind's state machine.
type State struct {
	Name  string
	Title string
	Final bool // the work is over: the record is closed and its clocks stop
}

// Merged is the state of every kind's records that were merged into another one.
const Merged = "merged"

// Move is a transition that somebody may make.
type Move struct {
	Name  string
	Title string
	From  []string
	To    string
	Roles []string // any of these; "*" is everybody who sees the record
	// Require names what the record must have afterwards: "owner", "side",
	// "system", "reason" (given with the move), or a field of the form.
	Require []string
	Clocks  []ClockAct
}

// ClockAct is what a move does to a clock. It is left out when the clock is in
// a state that does not allow it, such as stopping what has stopped.
type ClockAct struct {
	Clock string
	Act   clock.Act
}

// Ends says which fact stops a clock besides a move.
type Ends string

// The facts.
const (
	ByMove   Ends = ""       // none
	ByOwner  Ends = "owner"  // the record got an owner
	ByAnswer Ends = "answer" // the operator's side wrote a comment that the body sees
)

// ClockRule is one time limit of a kind. The clock starts when the record is
// made, unless Later is set: then a move starts it.
type ClockRule struct {
	Name     string
	Title    string
	Calendar string
	Limits   map[Severity]time.Duration // a severity without a limit has no such clock
	Later    bool
	Ends     Ends
}

// FieldType is what a field of a form holds. Values are kept as text.
type FieldType string

// The types.
const (
	Line   FieldType = "line"   // one line
	Lines  FieldType = "lines"  // several lines
	Number FieldType = "number" // a decimal number
	Day    FieldType = "day"    // 2026-11-22
	Moment FieldType = "moment" // RFC 3339
	Choice FieldType = "choice" // one of Choices
	YesNo  FieldType = "yesno"  // true or false
)

// Field is one entry of a form.
type Field struct {
	Name    string // a word of a-z and _
	Title   string
	Type    FieldType
	Choices []string
	Max     int // runes; 0 means 4000
}

// Form adds fields to a kind that another plane owns.
type Form struct {
	Kind    string
	Fields  []Field
	Require []string
}

// Severity is how bad it is (重大度).
type Severity string

// The severities, worst first.
const (
	Critical  Severity = "critical"  // 緊急
	Important Severity = "important" // 重要
	Caution   Severity = "caution"   // 注意
	Info      Severity = "info"      // 情報
)

var severities = []Severity{Critical, Important, Caution, Info}

// rank is the severity as the store orders it: 1 is the worst.
func (s Severity) rank() int { return slices.Index(severities, s) + 1 }

func severityOf(rank int) Severity {
	if rank < 1 || rank > len(severities) {
		return Info
	}
	return severities[rank-1]
}

// Side is on whose side the cause lies (責任分界). "" is not known yet.
type Side string

// The sides.
const (
	Unknown Side = ""
	Ours    Side = "ours"    // the platform's
	Body    Side = "body"    // the municipality's
	Carrier Side = "carrier" // the line's or the data centre's
	Outside Side = "outside" // the Internet's, a third party's
)

var sides = []Side{Unknown, Ours, Body, Carrier, Outside}

func (k *Kind) state(name string) (State, bool) {
	if name == Merged {
		return State{Name: Merged, Title: "統合済", Final: true}, true
	}
	i := slices.IndexFunc(k.States, func(s State) bool { return s.Name == name })
	if i < 0 {
		return State{}, false
	}
	return k.States[i], true
}

func (k *Kind) move(name string) (Move, bool) {
	i := slices.IndexFunc(k.Moves, func(m Move) bool { return m.Name == name })
	if i < 0 {
		return Move{}, false
	}
	return k.Moves[i], true
}

func (k *Kind) field(name string) (Field, bool) {
	i := slices.IndexFunc(k.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Field{}, false
	}
	return k.Fields[i], true
}

func (k *Kind) clock(name string) (ClockRule, bool) {
	i := slices.IndexFunc(k.Clocks, func(c ClockRule) bool { return c.Name == name })
	if i < 0 {
		return ClockRule{}, false
	}
	return k.Clocks[i], true
}
