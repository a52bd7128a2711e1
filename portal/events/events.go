// Package events serves the search in the log store to the portal.
//
// Which bodies' rows a caller sees is decided here, from who they are, and
// forced by the log store; no text of a query has a say in it. Whoever searches
// is written down: in the chain of the body that was named, or, for a search
// over all bodies, in the operator's, where each body can see it.
package events

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// Logs is the log store; *logs.Client is one.
type Logs interface {
	Search(ctx context.Context, scope logs.Scope, q logs.Query) (logs.Page, error)
	Histogram(ctx context.Context, scope logs.Scope, text string, r logs.Range, step time.Duration, fields ...string) ([]logs.Series, error)
	ByID(ctx context.Context, scope logs.Scope, id event.ID) (logs.Row, error)
}

// API serves the operations. Every field must be set.
type API struct {
	DB        *store.DB
	Directory *tenant.Directory
	Logs      Logs
	Events    event.Sink
	Log       *slog.Logger
	Now       func() time.Time

	noted noted
}

// scope is whose rows the caller sees: the body that the request names, or all
// within reach.
func (a *API) scope(ctx context.Context) logs.Scope {
	who := access.From(ctx)
	s := logs.Scope{Operator: who.Tenant.Operator}
	if t, named := rest.Tenant(ctx); named {
		s.Tenants = []tenant.ID{t.ID}
		return s
	}
	return reach(who, a.Directory)
}

func reach(who *access.Identity, dir *tenant.Directory) logs.Scope {
	s := logs.Scope{Operator: who.Tenant.Operator}
	for _, t := range dir.Under(who.Tenant.Operator) {
		if who.Reaches(t) {
			s.Tenants = append(s.Tenants, t.ID)
		}
	}
	return s
}

// failed answers what the log store says.
func failed(err error) error {
	var bad *logs.BadQueryError
	switch {
	case errors.As(err, &bad):
		return badQuery(bad.Detail, bad.Near)
	case errors.Is(err, logs.ErrCursor):
		return rest.Invalid(rest.Field("/query/cursor", "wrong_cursor"))
	case errors.Is(err, logs.ErrNone):
		return rest.NotFound()
	case errors.Is(err, logs.ErrTooLong):
		return rest.NewProblem(http.StatusServiceUnavailable, "search_too_long").Because(err)
	case errors.Is(err, logs.ErrUnavailable):
		return rest.Unavailable("logs_unavailable", err).After(5 * time.Second)
	}
	var p *rest.Problem
	if errors.As(err, &p) {
		return p
	}
	return rest.Failed(err)
}

func (a *API) search(ctx context.Context, in *searchInput) (*rest.Body[Found], error) {
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	began := time.Now()
	span, err := in.period(a.Now())
	if err != nil {
		return nil, err
	}
	note := a.note
	if in.Cursor != "" {
		note = a.noteOnce // anybody can write a cursor: the first page may never have been asked for
	}
	if err := note(ctx, "event.search", &in.Filters, span); err != nil {
		return nil, rest.Failed(err)
	}
	page, err := a.Logs.Search(ctx, a.scope(ctx), logs.Query{Text: text, Range: span, Limit: in.Limit, Cursor: in.Cursor})
	if err != nil {
		return nil, failed(err)
	}
	out := Found{Events: make([]Event, len(page.Rows)), Next: page.Next, TookMS: time.Since(began).Milliseconds()}
	for i, row := range page.Rows {
		out.Events[i] = Event(row)
	}
	return &rest.Body[Found]{Body: out}, nil
}

func (a *API) histogram(ctx context.Context, in *histogramInput) (*rest.Body[Histogram], error) {
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	span, err := in.period(a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.noteOnce(ctx, "event.histogram", &in.Filters, span); err != nil {
		return nil, rest.Failed(err)
	}
	step := span.To.Sub(span.From) / time.Duration(in.Buckets)
	step = max(time.Second, (step + time.Second - 1).Truncate(time.Second))
	series, err := a.Logs.Histogram(ctx, a.scope(ctx), text, span, step, "event.outcome")
	if err != nil {
		return nil, failed(err)
	}
	return &rest.Body[Histogram]{Body: fold(series, span, step)}, nil
}

// fold lays the store's series, which leave empty steps out and are split by
// outcome, onto two full ones. The store aligns steps to multiples of the step
// since 1970.
func fold(series []logs.Series, span logs.Range, step time.Duration) Histogram {
	s := int64(step / time.Second)
	first := span.From.Unix() - span.From.Unix()%s
	n := (span.To.Unix()-first)/s + 1
	if span.To.Unix() == first+(n-1)*s && span.To.Nanosecond() == 0 {
		n-- // the end is exclusive
	}
	all, stopped := make([]int64, n), make([]int64, n)
	h := Histogram{From: time.Unix(first, 0).UTC(), To: time.Unix(first+n*s, 0).UTC(), StepS: float64(s)}
	for _, line := range series {
		stops := isStopped(line.Fields["event.outcome"])
		for _, b := range line.Buckets {
			i := (b.Time.Unix() - first) / s
			if i < 0 || i >= n {
				continue
			}
			count := int64(b.Count) //nolint:gosec // counts of rows
			all[i] += count
			h.Total += count
			if stops {
				stopped[i] += count
				h.Stopped += count
			}
		}
	}
	h.Series = []Series{{Key: "all", Counts: all}, {Key: "stopped", Counts: stopped}}
	return h
}

func isStopped(outcome string) bool { return outcome == "blocked" || outcome == "refused" }

// perFacet is how many values a facet shows.
const perFacet = 10

func (a *API) facets(ctx context.Context, in *facetsInput) (*rest.Body[Facets], error) {
	names, err := facetFields(in.Fields)
	if err != nil {
		return nil, err
	}
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	filter, _, err := splitPipes(text)
	if err != nil {
		return nil, badQuery(err.Error(), "")
	}
	span, err := in.period(a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.noteOnce(ctx, "event.facets", &in.Filters, span); err != nil {
		return nil, rest.Failed(err)
	}
	out := Facets{Fields: make([]Facet, len(names))}
	for i, name := range names {
		out.Fields[i] = Facet{Name: name, Values: []FacetValue{}}
		page, err := a.Logs.Search(ctx, a.scope(ctx), logs.Query{
			Text:  fmt.Sprintf("%s | stats by (%s) count() hits | sort by (hits) desc limit %d", filter, quote(name), perFacet+1),
			Range: span, Limit: perFacet + 1,
		})
		if err != nil {
			return nil, failed(err)
		}
		for _, row := range page.Rows {
			count, err := strconv.ParseInt(row["hits"], 10, 64)
			if err != nil || row[name] == "" || len(out.Fields[i].Values) == perFacet {
				continue // events without the field
			}
			out.Fields[i].Values = append(out.Fields[i].Values, FacetValue{Value: row[name], Count: count})
		}
	}
	return &rest.Body[Facets]{Body: out}, nil
}

func (a *API) one(ctx context.Context, in *oneInput) (*rest.Body[Event], error) {
	id, err := event.ParseID(in.ID)
	if err != nil {
		return nil, rest.NotFound()
	}
	row, err := a.Logs.ByID(ctx, reach(access.From(ctx), a.Directory), id)
	if err != nil {
		return nil, failed(err)
	}
	return a.shown(ctx, row)
}

func (a *API) byReference(ctx context.Context, in *referenceInput) (*rest.Body[Event], error) {
	ref, ok := reference(in.Ref)
	if !ok {
		return nil, rest.NotFound()
	}
	page, err := a.Logs.Search(ctx, reach(access.From(ctx), a.Directory), logs.Query{
		Text: `"event.reference":=` + quote(ref), Range: logs.Range{From: a.Now().Add(-maxSince), To: a.Now().Add(time.Minute)}, Limit: sameNumber,
	})
	if err != nil {
		return nil, failed(err)
	}
	if len(page.Rows) == 0 {
		return nil, rest.NotFound()
	}
	return a.shown(ctx, meant(page.Rows))
}

// sameNumber is how many events of one number are looked at. A number has 40
// bits, so among very many events two may share one.
const sameNumber = 10

// meant is the event that a number was read from: the newest whose number stood
// on a page. Requests that were served have numbers that nobody was shown.
func meant(newestFirst []logs.Row) logs.Row {
	for _, row := range newestFirst {
		switch row["event.action"] {
		case "request_served", "request_detected":
		default:
			return row
		}
	}
	return newestFirst[0]
}

// shown notes the read of one event in the chain of the body whose event it is,
// when somebody else reads it.
func (a *API) shown(ctx context.Context, row logs.Row) (*rest.Body[Event], error) {
	if err := access.NoteRead(ctx, a.DB, tenant.ID(row["tenant"]), "event.read", row["event.id"]); err != nil {
		return nil, rest.Failed(err)
	}
	return &rest.Body[Event]{Body: Event(row)}, nil
}

// note writes down that somebody searches, before they see anything.
func (a *API) note(ctx context.Context, action string, f *Filters, span logs.Range) error {
	who := access.From(ctx)
	text, err := json.Marshal(map[string]any{
		"q": f.Q, "service": f.Service, "action": f.Action, "outcome": f.Outcome, "from": span.From, "to": span.To,
	})
	if err != nil {
		return err
	}
	body, named := rest.Tenant(ctx)
	record := store.Audit{Action: action, Object: string(body.ID), After: text}
	if !named {
		body = who.Tenant
		record.Action, record.Object = store.AcrossAction, action
	}
	err = a.DB.Change(ctx, body.ID, who.Actor(), func(tx *store.Tx) error {
		tx.Audit(record)
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting a search: %w", err)
	}
	a.noted.add(noteKey(who, body.ID, f), a.Now())
	a.Events.Emit(ctx, who.Event(a.Now(), body.ID, "events_searched", slog.String("portal.query", f.Q)))
	return nil
}

// noteOnce is note for what a screen asks besides the search itself: it is
// covered by the search's own record when that is fresh.
func (a *API) noteOnce(ctx context.Context, action string, f *Filters, span logs.Range) error {
	who := access.From(ctx)
	body, named := rest.Tenant(ctx)
	if !named {
		body = who.Tenant
	}
	if a.noted.has(noteKey(who, body.ID, f), a.Now()) {
		return nil
	}
	return a.note(ctx, action, f, span)
}

func noteKey(who *access.Identity, body tenant.ID, f *Filters) string {
	return fmt.Sprintf("%q %q %q %q %q %q", who.Login, body, f.Q, f.Service, f.Action, f.Outcome)
}

// noted remembers which searches stand in an audit chain already.
type noted struct {
	mu   sync.Mutex // guards seen
	seen map[string]time.Time
}

const (
	notedFor = 10 * time.Minute
	maxNoted = 10_000
)

func (n *noted) add(key string, now time.Time) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.seen == nil || len(n.seen) >= maxNoted {
		n.seen = map[string]time.Time{}
	}
	n.seen[key] = now
}

func (n *noted) has(key string, now time.Time) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	at, ok := n.seen[key]
	return ok && now.Sub(at) < notedFor
}
