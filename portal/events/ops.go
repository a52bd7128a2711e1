package events

import (
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

// Filters are what all operations on events take.
type Filters struct {
	Q       string    `query:"q" maxLength:"4000" doc:"LogsQL; a quoted phrase is found in any text value"`
	Since   string    `query:"since" maxLength:"20" doc:"How far back from now, such as 15m, 1h, 7d; counted from receipt"`
	From    time.Time `query:"from"`
	To      time.Time `query:"to"`
	Tenant  tenant.ID `query:"tenant" maxLength:"40"`
	Service string    `query:"service" maxLength:"60"`
	Action  string    `query:"action" maxLength:"80"`
	Outcome string    `query:"outcome" maxLength:"40"`
}

// Event is one event: its fields, flat, with dotted names, and _time. The log store
// keeps every value as text.
type Event map[string]string

// Found is the answer to a search, newest first.
type Found struct {
	Events []Event `json:"events"`
	Next   string  `json:"next,omitempty" doc:"Cursor of the next, older page"`
	TookMS int64   `json:"took_ms"`
}

type searchInput struct {
	Filters
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
	Cursor string `query:"cursor" maxLength:"512"`
}

type histogramInput struct {
	Filters
	Buckets int `query:"buckets" minimum:"1" maximum:"500" default:"60"`
}

// Histogram counts events over time. Every series has one count a step.
type Histogram struct {
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	StepS   float64   `json:"step_s"`
	Series  []Series  `json:"series"`
	Total   int64     `json:"total"`
	Stopped int64     `json:"stopped"`
}

// Series is one line: "all", or "stopped" (blocked or refused).
type Series struct {
	Key    string  `json:"key"`
	Counts []int64 `json:"counts"`
}

type facetsInput struct {
	Filters
	Fields string `query:"fields" maxLength:"400" default:"service,event.outcome,source.ip,url.path" doc:"Comma-separated, at most 12"`
}

// Facets are the commonest values of fields.
type Facets struct {
	Fields []Facet `json:"fields"`
}

// Facet is one field.
type Facet struct {
	Name   string       `json:"name"`
	Values []FacetValue `json:"values"`
}

// FacetValue is one value and how many events have it.
type FacetValue struct {
	Value string `json:"value"`
	Count int64  `json:"count"`
}

type oneInput struct {
	ID string `path:"id" maxLength:"64"`
}

type referenceInput struct {
	Ref string `path:"ref" maxLength:"32"`
}

type exportInput struct {
	Filters
	Format string `query:"format" enum:"csv,ltsv,json" default:"csv"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000000" default:"100000"`
}

// Register declares the operations on events.
func (a *API) Register(r *rest.Router) {
	op := func(id, path, summary string, scope access.Scope, of rest.Of) rest.Operation {
		return rest.Operation{ID: id, Method: http.MethodGet, Path: path, Summary: summary, Scope: scope, Of: of}
	}
	rest.Register(r, op("search-events", "/events", "Search events, newest first; rows of a stats query come the same way", access.EventRead, rest.InQuery), a.search)
	rest.Register(r, op("events-histogram", "/events/histogram", "Events over time", access.EventRead, rest.InQuery), a.histogram)
	rest.Register(r, op("events-facets", "/events/facets", "Commonest values of fields", access.EventRead, rest.InQuery), a.facets)
	rest.Register(r, op("export-events", "/events/export", "Events as a file", access.EventExport, rest.InQuery), a.export)
	rest.Register(r, op("get-event", "/events/{id}", "One event, for ever at this address", access.EventRead, rest.Own), a.one)
	rest.Register(r, op("event-by-reference", "/events/by-reference/{ref}", "The event behind a reference number (受付番号)", access.EventRead, rest.Own), a.byReference)
}

// stream is the answer of an export.
type stream struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               func(huma.Context)
}
