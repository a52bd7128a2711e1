// Package event is the one shape of fact that every service reports.
//
// An [Event] says in the past tense what happened to one body's traffic or
// system. Field names stand in docs/events.md: ECS for network, web and mail,
// the original Windows and Sysmon names for endpoint events. There are two
// doors: [Sink] for telemetry, which never blocks a packet, and [Journal], which
// returns once the events are durable.
package event

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// Event is one fact. Time is when we received it; a source's own clock goes
// into the field event.created. Values of Fields are strings, integers,
// floats, booleans, durations (stored as nanoseconds) and times; groups become dotted names.
type Event struct {
	ID      ID
	Time    time.Time
	Tenant  tenant.ID
	Service string // the service that saw it, such as "waf"
	Name    string // what happened, past tense, such as "request_blocked"
	Fields  []slog.Attr
}

// Sink takes telemetry. Emit never blocks and never fails: what cannot be kept
// is counted, and the count is shown.
type Sink interface {
	Emit(context.Context, Event)
}

// ErrNoBody is the error of an Append with an event of a body that the
// installation does not have, or not any more: trying again does not help.
var ErrNoBody = errors.New("no such body is in the directory")

// Journal takes what must not be lost. Append returns nil once all of batch is
// durable, after kill -9 of any process included; with an error none of it may
// be taken as kept, though some of it may be; with [ErrNoBody] none of it is. It may be called concurrently, and
// batch may be reused after it returned. Batches of 256 to 1024 are cheapest.
type Journal interface {
	Append(ctx context.Context, batch []Event) error
}

// Discard drops every event; for tests and for tools that report to nobody.
var Discard Sink = discard{}

type discard struct{}

func (discard) Emit(context.Context, Event) {}
