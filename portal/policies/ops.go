package policies

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

// PolicyService is one service that has policies. Title is a key of the text catalogue.
type PolicyService struct {
	Service string          `json:"service"`
	Title   string          `json:"title"`
	Schema  int             `json:"schema"`
	Default json.RawMessage `json:"default" doc:"The built-in default's body"`
}

// State is what is stored for one body and service, and what comes of it.
type State struct {
	Tenant    tenant.ID         `json:"tenant"`
	Service   string            `json:"service"`
	Layer     policy.Layer      `json:"layer" enum:"baseline,override"`
	ETag      string            `json:"etag"`
	Document  *policy.Document  `json:"document" doc:"null: this layer sets nothing"`
	Baseline  *policy.Document  `json:"baseline" doc:"The operator's baseline"`
	Effective *policy.Effective `json:"effective,omitempty" doc:"With explain=1"`
	Problems  []rest.FieldError `json:"problems" doc:"Why the stored documents do not compile; normally empty"`
	// ReferenceMandatory tells that an emergency needs a change reference too.
	ReferenceMandatory bool `json:"reference_mandatory"`
}

type getInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Explain string       `query:"explain" enum:"0,1,"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
}

// Why is why a document is written: a reference (変更番号), or an emergency,
// which sets the deadline of the approval to 24 hours from now.
type Why struct {
	Reference string `json:"reference,omitempty" maxLength:"100"`
	Emergency bool   `json:"emergency,omitempty"`
	Note      string `json:"note,omitempty" maxLength:"1000"`
}

// Draft is a document before it is stored.
type Draft struct {
	Mode  policy.Mode     `json:"mode,omitempty" enum:"ours,other,off"`
	Locks []string        `json:"locks,omitempty" maxItems:"500" doc:"JSON pointers; only in a baseline"`
	Body  json.RawMessage `json:"body"`
}

type putInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Explain string       `query:"explain" enum:"0,1,"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
	IfMatch string       `header:"If-Match"`
	Body    struct {
		Mode   policy.Mode     `json:"mode,omitempty" enum:"ours,other,off"`
		Locks  []string        `json:"locks,omitempty" maxItems:"500" doc:"JSON pointers; only in a baseline"`
		Body   json.RawMessage `json:"body"`
		Change Why             `json:"change"`
	}
}

type stateOutput struct {
	ETag string `header:"ETag"`
	Body State
}

type previewInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
	Body    Draft
}

// Preview is what a draft would do.
type Preview struct {
	Effective *policy.Effective `json:"effective"`
	Problems  []rest.FieldError `json:"problems"`
	Replay    *Replayed         `json:"replay" doc:"null where nothing is stored to replay, or with problems"`
}

// Replayed is how the last days' stored traffic would have gone. Capped means
// that there was more than was looked at.
type Replayed struct {
	Since           time.Time `json:"since"`
	Requests        int64     `json:"requests"`
	NewlyBlocked    int64     `json:"newly_blocked"`
	NoLongerBlocked int64     `json:"no_longer_blocked"`
	Samples         []Sample  `json:"samples"`
	Unknown         int64     `json:"unknown" doc:"Events that would pass by what was recorded, under a setting that looked at less than this one would"`
	Capped          bool      `json:"capped"`
}

// Sample is one request that would have gone otherwise. Likely is a guess from
// what matched, for the screen's order; the official decides.
type Sample struct {
	EventID   string   `json:"event_id"`
	Path      string   `json:"path"`
	Host      string   `json:"host"`
	SourceIP  string   `json:"source_ip"`
	Rules     []string `json:"rules"`
	Likely    string   `json:"likely" enum:"attack,legitimate"`
	Direction string   `json:"direction" enum:"newly_blocked,no_longer_blocked"`
}

type historyInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
	Cursor  string       `query:"cursor" maxLength:"512"`
	Limit   int          `query:"limit" minimum:"1" maximum:"200" default:"50"`
}

// Version is one version in the history of a layer. Diff is against the version before.
type Version struct {
	Version  int64             `json:"version"`
	Mode     policy.Mode       `json:"mode,omitempty"`
	Body     json.RawMessage   `json:"body"`
	Locks    []string          `json:"locks"`
	Change   policy.Change     `json:"change"`
	Problems []rest.FieldError `json:"problems,omitempty"`
	Current  bool              `json:"current"`
	Diff     []Difference      `json:"diff"`
	// Approval is absent while an emergency change waits for it.
	Approval *Approved `json:"approval,omitempty"`
}

// Approved is the approval of an emergency change afterwards.
type Approved struct {
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	Reference string    `json:"reference"`
}

// Difference is one leaf that a version changed; a side that did not exist is absent.
type Difference struct {
	Path   string          `json:"path"`
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

type rollbackInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
	IfMatch string       `header:"If-Match" doc:"Optional here: the version to go back to is named"`
	Body    struct {
		Version int64 `json:"version" minimum:"1"`
		Change  Why   `json:"change"`
	}
}

type approveInput struct {
	ID      string       `path:"id" maxLength:"40"`
	Service string       `path:"service" maxLength:"40"`
	Layer   policy.Layer `query:"layer" enum:"override,baseline" default:"override"`
	Body    struct {
		Version   int64  `json:"version" minimum:"1"`
		Reference string `json:"reference" minLength:"1" maxLength:"100" doc:"The change reference that was missing"`
	}
}

// Rules are what an operator demands of every write of a policy below it.
type Rules struct {
	ReferenceMandatory bool `json:"reference_mandatory" doc:"Emergencies need a change reference too"`
}

type rulesInput struct {
	ID string `path:"id" maxLength:"40"`
}

type putRulesInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body struct {
		ReferenceMandatory bool   `json:"reference_mandatory"`
		Reason             string `json:"reason" minLength:"1" maxLength:"200"`
	}
}

// Register declares the operations on policies.
func (a *API) Register(r *rest.Router) {
	const path = "/tenants/{id}/policies/{service}"
	op := func(id, method, path, summary string, scope access.Scope, of rest.Of) rest.Operation {
		return rest.Operation{ID: id, Method: method, Path: path, Summary: summary, Scope: scope, Of: of, MaxBody: 2 << 20}
	}
	rest.Register(r, op("list-services", http.MethodGet, "/services", "Services that have policies", access.PolicyRead, rest.Own), a.services)
	rest.Register(r, op("get-policy", http.MethodGet, path, "A body's policy", access.PolicyRead, rest.InPath), a.get)
	rest.Register(r, op("put-policy", http.MethodPut, path, "Change a policy", access.PolicyWrite, rest.InPath), a.put)
	rest.Register(r, op("preview-policy", http.MethodPost, path+"/preview", "What a change would do", access.PolicyRead, rest.InPath), a.preview)
	rest.Register(r, op("policy-history", http.MethodGet, path+"/history", "Versions of a policy, newest first", access.PolicyRead, rest.InPath), a.history)
	rest.Register(r, op("approve-policy", http.MethodPost, path+"/approve", "Approve an emergency change afterwards", access.PolicyWrite, rest.InPath), a.approve)
	rest.Register(r, op("get-policy-rules", http.MethodGet, "/tenants/{id}/policy-rules", "What the operator demands of writes", access.PolicyRead, rest.InPath), a.rules)
	rest.Register(r, op("put-policy-rules", http.MethodPut, "/tenants/{id}/policy-rules", "Change what the operator demands of writes", access.PolicyBaseline, rest.InPath), a.putRules)
	rest.Register(r, op("rollback-policy", http.MethodPost, path+"/rollback", "Go back to a version, as a new one", access.PolicyWrite, rest.InPath), a.rollback)
}
