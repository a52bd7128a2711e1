package record

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record/clock"
)

// Set is all kinds of an installation, checked: immutable.
type Set struct {
	kinds     map[string]*Kind
	names     []string
	patterns  map[string]Pattern
	calendars map[string]clock.Calendar
}

// Bounds of what a kind may declare.
const (
	maxKinds  = 100
	maxStates = 40
	maxMoves  = 200
	maxClocks = 10
	maxFields = 60
)

var word = regexp.MustCompile(`^[a-z][a-z_]{0,39}$`)

// Compile is the only way to a Set. With problems there is none; each names the
// kind and what is wrong in it. Forms are added to the kinds they name.
func Compile(calendars []clock.Calendar, kinds []Kind, forms ...Form) (*Set, []policy.Problem) {
	s := &Set{kinds: map[string]*Kind{}, patterns: map[string]Pattern{}, calendars: map[string]clock.Calendar{}}
	var ps problems
	for i, c := range calendars {
		place := policy.At("calendars", i)
		if err := c.Check(); err != nil {
			ps.add(place.Is("bad_calendar", err.Error()))
		} else if _, twice := s.calendars[c.Name]; twice {
			ps.add(place.Is("twice", c.Name))
		}
		s.calendars[c.Name] = c
	}
	if len(kinds) > maxKinds {
		ps.add(policy.At("kinds").Is("too_many", maxKinds))
	}
	for i := range kinds {
		k := kinds[i] // a copy, whose lists nobody appends to
		if s.kinds[k.Name] != nil {
			ps.add(policy.At("kinds", k.Name).Is("twice", k.Name))
			continue
		}
		for j, f := range forms {
			if f.Kind == k.Name {
				k.Fields = slices.Concat(k.Fields, f.Fields)
				k.Require = slices.Concat(k.Require, f.Require)
			} else if !slices.ContainsFunc(kinds, func(k Kind) bool { return k.Name == f.Kind }) && i == 0 {
				ps.add(policy.At("forms", j).Is("no_such_kind", f.Kind))
			}
		}
		s.check(&ps, &k)
		s.kinds[k.Name] = &k
		s.names = append(s.names, k.Name)
	}
	s.checkNumbers(&ps)
	if len(ps) > 0 {
		return nil, ps
	}
	return s, nil
}

func (s *Set) check(ps *problems, k *Kind) {
	at := func(path ...any) policy.Place { return policy.At(append([]any{"kinds", k.Name}, path...)...) }
	if !word.MatchString(k.Name) || k.Title == "" {
		ps.add(at("name").Is("not_a_name", k.Name))
	}
	pattern, err := ParsePattern(k.Number)
	if err != nil {
		ps.add(at("number").Is("bad_pattern", err.Error()))
	}
	s.patterns[k.Name] = pattern
	if len(k.States) == 0 || len(k.States) > maxStates || len(k.Moves) > maxMoves || len(k.Clocks) > maxClocks || len(k.Fields) > maxFields {
		ps.add(at().Is("too_many", maxStates, maxMoves, maxClocks, maxFields))
		return
	}
	if len(k.Create) == 0 {
		ps.add(at("create").Is("required"))
	}
	if k.Window < 0 {
		ps.add(at("window").Is("out_of_range"))
	}
	fieldNames := checkFields(ps, at, k)
	for _, name := range k.Require {
		if !slices.Contains([]string{"owner", "side", "system", "body"}, name) && !fieldNames[name] {
			ps.add(at("require").Is("no_such_field", name))
		}
	}
	clocks := map[string]bool{}
	for i, c := range k.Clocks {
		if _, ok := s.calendars[c.Calendar]; !ok {
			ps.add(at("clocks", i).Is("no_such_calendar", c.Calendar))
		}
		if !word.MatchString(c.Name) || c.Title == "" || clocks[c.Name] {
			ps.add(at("clocks", i).Is("not_a_name", c.Name))
		}
		clocks[c.Name] = true
		for severity, limit := range c.Limits {
			if severity.rank() == 0 || limit <= 0 || limit > 10*366*24*time.Hour || limit%time.Second != 0 {
				ps.add(at("clocks", i, "limits").Is("out_of_range", string(severity)))
			}
		}
	}
	states := map[string]bool{}
	for i, st := range k.States {
		if !word.MatchString(st.Name) || st.Title == "" || st.Name == Merged || states[st.Name] {
			ps.add(at("states", i).Is("not_a_name", st.Name))
		}
		states[st.Name] = true
	}
	moves := map[string]bool{}
	for i, m := range k.Moves {
		if !word.MatchString(m.Name) || m.Title == "" || moves[m.Name] {
			ps.add(at("moves", i).Is("not_a_name", m.Name))
		}
		moves[m.Name] = true
		if len(m.From) == 0 || len(m.Roles) == 0 {
			ps.add(at("moves", i).Is("required", m.Name))
		}
		for _, name := range slices.Concat(m.From, []string{m.To}) {
			if !states[name] {
				ps.add(at("moves", i).Is("no_such_state", name))
			}
		}
		for _, name := range m.Require {
			if !slices.Contains([]string{"owner", "side", "system", "body", "reason"}, name) && !fieldNames[name] {
				ps.add(at("moves", i, "require").Is("no_such_field", name))
			}
		}
		for _, act := range m.Clocks {
			if !clocks[act.Clock] {
				ps.add(at("moves", i, "clocks").Is("no_such_clock", act.Clock))
			}
			if act.Act == clock.Pause && !slices.Contains(m.Require, "reason") {
				ps.add(at("moves", i, "require").Is("pause_needs_reason", m.Name))
			}
			if !slices.Contains([]clock.Act{clock.Start, clock.Pause, clock.Resume, clock.Stop}, act.Act) {
				ps.add(at("moves", i, "clocks").Is("no_such_act", string(act.Act)))
			}
		}
	}
	checkPaths(ps, at, k)
}

func checkFields(ps *problems, at func(...any) policy.Place, k *Kind) map[string]bool {
	names := map[string]bool{}
	for i, f := range k.Fields {
		known := slices.Contains([]FieldType{Line, Lines, Number, Day, Moment, Choice, YesNo}, f.Type)
		if !word.MatchString(f.Name) || f.Title == "" || names[f.Name] || slices.Contains([]string{"owner", "side", "system", "body", "reason"}, f.Name) {
			ps.add(at("fields", i).Is("not_a_name", f.Name))
		}
		if !known || (f.Type == Choice) != (len(f.Choices) > 0) || f.Max < 0 || f.Max > MaxField {
			ps.add(at("fields", i).Is("bad_type", string(f.Type)))
		}
		names[f.Name] = true
	}
	return names
}

// checkPaths refuses a state nobody can reach, and one that is not final and
// that nobody can leave: work would get stuck in it.
func checkPaths(ps *problems, at func(...any) policy.Place, k *Kind) {
	reached := map[string]bool{k.States[0].Name: true}
	for range k.States {
		for _, m := range k.Moves {
			if slices.ContainsFunc(m.From, func(from string) bool { return reached[from] }) {
				reached[m.To] = true
			}
		}
	}
	for i, st := range k.States {
		if !reached[st.Name] {
			ps.add(at("states", i).Is("unreachable", st.Name))
		}
		if !st.Final && !slices.ContainsFunc(k.Moves, func(m Move) bool { return slices.Contains(m.From, st.Name) && m.To != st.Name }) {
			ps.add(at("states", i).Is("no_way_out", st.Name))
		}
	}
}

// checkNumbers refuses kinds whose numbers could be mistaken for each other.
func (s *Set) checkNumbers(ps *problems) {
	sample := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	for _, name := range s.names {
		p := s.patterns[name]
		if p.form == nil {
			continue
		}
		number := p.Format(sample, 1225)
		for _, other := range s.names {
			if other != name && s.patterns[other].form != nil {
				if _, same := s.patterns[other].Canonical(number); same {
					ps.add(policy.At("kinds", name, "number").Is("same_form", other))
				}
			}
		}
	}
}

// Kind returns a kind by name. The caller must not change it.
func (s *Set) Kind(name string) (*Kind, bool) {
	k, ok := s.kinds[name]
	return k, ok
}

// Names returns the kinds' names in the order in which they were declared.
func (s *Set) Names() []string { return slices.Clone(s.names) }

// Calendars returns the names of the calendars, sorted.
func (s *Set) Calendars() []string { return slices.Sorted(maps.Keys(s.calendars)) }

// ParseNumber returns the number that somebody typed as it is kept, and its kind.
func (s *Set) ParseNumber(typed string) (kind, number string, err error) {
	for _, name := range s.names {
		if number, ok := s.patterns[name].Canonical(typed); ok {
			return name, number, nil
		}
	}
	return "", "", fmt.Errorf("%q is no number of a record", clip(typed, 60))
}
