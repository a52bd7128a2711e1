package audit

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

// Filters narrow the list.
type Filters struct {
	Tenant tenant.ID `query:"tenant" maxLength:"40" doc:"Absent: the caller's own body"`
	Q      string    `query:"q" maxLength:"200" doc:"Part of the actor, action, object or reason"`
	Actor  string    `query:"actor" maxLength:"80"`
	Action string    `query:"action" maxLength:"80"`
	From   time.Time `query:"from"`
	To     time.Time `query:"to"`
	By     string    `query:"by" enum:"body,operator," doc:"operator: reads by the operator across its bodies, from the operator's chain"`
}

type listInput struct {
	Filters
	Cursor string `query:"cursor" maxLength:"512"`
	Limit  int    `query:"limit" minimum:"1" maximum:"1000" default:"100"`
}

// Record is one link of a body's audit chain.
type Record struct {
	Seq         int64           `json:"seq"`
	Time        time.Time       `json:"time"`
	Tenant      tenant.ID       `json:"tenant"`
	Actor       string          `json:"actor"`
	ActorTenant tenant.ID       `json:"actor_tenant"`
	Address     string          `json:"address"`
	Action      string          `json:"action"`
	Object      string          `json:"object"`
	Before      json.RawMessage `json:"before,omitempty"`
	After       json.RawMessage `json:"after,omitempty"`
	Reason      string          `json:"reason"`
	Hash        string          `json:"hash"`
}

type verifyInput struct {
	Tenant tenant.ID `query:"tenant" maxLength:"40"`
}

// Verified is what a check of a whole chain found.
type Verified struct {
	Tenant      tenant.ID `json:"tenant"`
	Records     int64     `json:"records"`
	OK          bool      `json:"ok"`
	FirstBroken *int64    `json:"first_broken,omitempty" doc:"Sequence number of the first link that does not hold"`
	Head        string    `json:"head"`
	SignedAt    time.Time `json:"signed_at,omitzero" doc:"Of the newest signed head that was compared"`
}

type exportInput struct {
	Filters
}

type stream struct {
	ContentType        string `header:"Content-Type"`
	ContentDisposition string `header:"Content-Disposition"`
	Body               func(huma.Context)
}

// Register declares the operations on the audit log.
func (a *API) Register(r *rest.Router) {
	op := func(id, path, summary string) rest.Operation {
		return rest.Operation{ID: id, Method: http.MethodGet, Path: path, Summary: summary, Scope: access.AuditRead, Of: rest.InQuery}
	}
	rest.Register(r, op("list-audit", "/audit", "Who did what, newest first"), a.list)
	rest.Register(r, op("verify-audit", "/audit/verify", "Check a whole audit chain"), a.verify)
	rest.Register(r, op("export-audit", "/audit/export", "The audit log as CSV"), a.export)
}
