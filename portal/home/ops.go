package home

import (
	"net/http"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

// Home is the first page. View says which of its two halves is there: "tenant"
// for the roles of one body, "operator" for those who see every body.
type Home struct {
	View string `json:"view" enum:"tenant,operator"`

	Answer     string         `json:"answer,omitempty" enum:"safe,act,unknown"`
	ReasonCode string         `json:"reason_code,omitempty"`
	Args       []any          `json:"args,omitempty"`
	CheckedAt  time.Time      `json:"checked_at"`
	Services   []Service      `json:"services,omitempty"`
	Todo       []Todo         `json:"todo,omitempty"`
	Numbers    []Number       `json:"numbers"`
	Contact    tenant.Contact `json:"contact,omitzero"`

	Bodies   []BodyState `json:"bodies,omitempty"`
	Capacity []Capacity  `json:"capacity,omitempty"`
	Parts    []Part      `json:"parts,omitempty"`
	Clocks   []Clock     `json:"clocks,omitempty"`
}

// Service is one of the five that a body is asked about. "not_built" does not
// count as silent.
type Service struct {
	ID        string    `json:"id" enum:"internet,mail,web,endpoint,backup"`
	State     string    `json:"state" enum:"ok,watch,act,unknown,not_built"`
	TextCode  string    `json:"text_code"`
	Args      []any     `json:"args,omitempty"`
	CheckedAt time.Time `json:"checked_at,omitzero"`
}

// Todo is something that the reader has to do next.
type Todo struct {
	ID       string    `json:"id"`
	Code     string    `json:"code"`
	Args     []any     `json:"args,omitempty"`
	Minutes  int       `json:"minutes"`
	Due      time.Time `json:"due,omitzero"`
	Href     string    `json:"href"`
	VerbCode string    `json:"verb_code"`
}

// Number is one number of today. Usual is null while there is not enough history;
// UsualDaysLeft says how many days it will take.
type Number struct {
	ID            string `json:"id"`
	Value         int64  `json:"value"`
	Usual         *Band  `json:"usual"`
	UsualDaysLeft int    `json:"usual_days_left"`
	Href          string `json:"href"`
}

// Band is what the same weekday and hour had over the past four weeks.
type Band struct {
	Low  int64 `json:"low"`
	High int64 `json:"high"`
}

// BodyState is one body on the operator's page.
type BodyState struct {
	Tenant     tenant.ID   `json:"tenant"`
	Name       string      `json:"name"`
	State      string      `json:"state" enum:"ok,watch,act,unknown"`
	ReasonCode string      `json:"reason_code"`
	Args       []any       `json:"args,omitempty"`
	Numbers    BodyNumbers `json:"numbers"`
}

// BodyNumbers are the last 24 hours.
type BodyNumbers struct {
	Requests int64 `json:"requests"`
	Blocked  int64 `json:"blocked"`
}

// Capacity is a thing that fills up, in bytes. DaysLeft is absent when unknown.
type Capacity struct {
	ID       string `json:"id"`
	Used     int64  `json:"used"`
	Total    int64  `json:"total"`
	DaysLeft *int   `json:"days_left,omitempty"`
}

// Clock is a limit of time that runs.
type Clock struct {
	ID     string    `json:"id"`
	Tenant tenant.ID `json:"tenant"`
	Code   string    `json:"code"`
	Due    time.Time `json:"due"`
	Href   string    `json:"href"`
}

// Status is how the machine's role groups are.
type Status struct {
	Parts   []Part            `json:"parts"`
	Absent  map[string]string `json:"absent" doc:"What this machine cannot do, and why"`
	Version string            `json:"version"`
}

// Part is one role group.
type Part struct {
	Group    string    `json:"group"`
	Roles    []string  `json:"roles"`
	State    string    `json:"state" enum:"up,starting,down,absent"`
	Since    time.Time `json:"since,omitzero"`
	Restarts int       `json:"restarts"`
	Reason   string    `json:"reason,omitempty"`
}

type sitesInput struct {
	Tenant tenant.ID `query:"tenant" maxLength:"40"`
}

// Sites are the published sites.
type Sites struct {
	Items []Site `json:"items"`
}

// Site is one published site and its last 24 hours.
type Site struct {
	Tenant      tenant.ID `json:"tenant"`
	Host        string    `json:"host"`
	Origin      string    `json:"origin"`
	Mode        string    `json:"mode" doc:"ours, other or off; and detect or block of the WAF behind a slash"`
	Requests24h int64     `json:"requests_24h"`
	Blocked24h  int64     `json:"blocked_24h"`
	LastAttack  time.Time `json:"last_attack,omitzero"`
}

// Register declares the operations of the first page, the machine and the sites.
func (a *API) Register(r *rest.Router) {
	op := func(id, path, summary string, scope access.Scope, of rest.Of) rest.Operation {
		return rest.Operation{ID: id, Method: http.MethodGet, Path: path, Summary: summary, Scope: scope, Of: of}
	}
	rest.Register(r, op("home", "/home", "The first page of one's role", access.HomeRead, rest.Own), a.home)
	rest.Register(r, op("status", "/status", "How the machine's parts are", access.StatusRead, rest.Own), a.status)
	rest.Register(r, op("sites", "/sites", "Published sites", access.SiteRead, rest.InQuery), a.sites)
}
