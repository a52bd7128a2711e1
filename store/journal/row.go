package journal

import (
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/event"
)

// What the log store throws away without an error is brought into shape here:
// rows with too many fields, with a too long name, too long as a whole, or with a
// time outside its retention.
const (
	maxRow    = 128 << 10 // bytes of one row
	maxFields = 300
	maxName   = 120 // bytes of a field's name; the store takes 128
	// A time of receipt is now, give or take a role's clock.
	maxPast   = 30 * 24 * time.Hour
	maxFuture = time.Hour
)

// appendRow appends e as a row that the log store keeps. An event without ID or
// time gets them. What does not fit is cut, and event.cut says so.
func appendRow(b []byte, e *event.Event, now time.Time) []byte {
	if !plain(e.Fields) || e.ID.IsZero() || outside(e.Time, now) {
		shaped := shape(*e, now)
		e = &shaped
	}
	start := len(b)
	b = e.AppendRow(b)
	for limit := 4 << 10; len(b)-start > maxRow; limit /= 4 {
		cut := *e
		cut.Fields = shorten(e.Fields, limit)
		cut.Service, cut.Name = cut.Service[:min(len(cut.Service), 64)], cut.Name[:min(len(cut.Name), 64)]
		b = cut.AppendRow(b[:start])
	}
	return b
}

func outside(at time.Time, now time.Time) bool {
	d := now.Sub(at)
	return d > maxPast || d < -maxFuture
}

// plain tells whether no field needs a second look.
func plain(fields []slog.Attr) bool {
	if len(fields) > maxFields {
		return false
	}
	for i := range fields {
		kind := fields[i].Value.Kind()
		if len(fields[i].Key) > maxName || kind == slog.KindGroup || kind == slog.KindLogValuer {
			return false
		}
	}
	return true
}

func shape(e event.Event, now time.Time) event.Event {
	if e.ID.IsZero() {
		e.ID = event.NewID(now)
	}
	fields := make([]slog.Attr, 0, len(e.Fields)+2)
	cut := false
	for _, f := range e.Fields {
		fields, cut = flatten(fields, "", f, cut)
	}
	if outside(e.Time, now) {
		if !e.Time.IsZero() {
			fields = append(fields, slog.Time("event.created", e.Time))
		}
		e.Time = now
	}
	if cut {
		fields = append(fields, slog.Bool("event.cut", true))
	}
	e.Fields = fields
	return e
}

// flatten appends the fields of a with their dotted names, as far as they fit.
func flatten(fields []slog.Attr, prefix string, a slog.Attr, cut bool) ([]slog.Attr, bool) {
	value := a.Value.Resolve()
	name := prefix + a.Key
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			name += "."
		}
		for _, inner := range value.Group() {
			fields, cut = flatten(fields, name, inner, cut)
		}
		return fields, cut
	}
	if len(fields) >= maxFields {
		return fields, true
	}
	if len(name) > maxName {
		name, cut = name[:maxName], true
	}
	return append(fields, slog.Attr{Key: name, Value: value}), cut
}

// shorten cuts texts to limit bytes; below 64 bytes it also drops fields.
func shorten(fields []slog.Attr, limit int) []slog.Attr {
	short := make([]slog.Attr, 0, len(fields)+1)
	for _, f := range fields {
		if limit < 64 && len(short) >= 32 {
			break
		}
		if text := f.Value.Resolve().String(); len(text) > limit {
			f.Value = slog.StringValue(text[:limit])
		}
		short = append(short, f)
	}
	return append(short, slog.Bool("event.cut", true))
}
