// Package rest is the frame that every operation of the portal's API stands in.
//
// [Register] declares an operation with the one scope it needs and the place
// where its body (団体) is named, and hands the handler only requests that have
// passed, in this order: who is it (401), whose is it (404 when out of reach,
// before anything else is looked at), may they (403), is it their own browser
// that asks (CSRF), has it been done already (Idempotency-Key), and is it well
// formed (422 with the entry's path). Errors leave as RFC 9457 problems with a
// reference number that stands in the operator's log.
package rest

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/text"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Prefix stands before every path of the API.
const Prefix = "/api/v1"

// ErrNobody is the answer of an Authenticator to a request that nobody known sent.
var ErrNobody = errors.New("nobody known")

// An Authenticator says who sent a request; browser is true when a cookie said
// it, which a foreign page can make a browser send.
type Authenticator interface {
	Identify(r *http.Request) (who *access.Identity, browser bool, err error)
}

// Of is the place where an operation names the body it works on.
type Of int

// The places.
const (
	Own       Of = iota // the caller's own body, or what the handler finds within reach
	InPath              // the path parameter "id"
	InQuery             // the query parameter "tenant"; absent: all that the caller reaches
	PublicOne           // nobody: the operation is for those who are not known yet
)

// Operation declares one operation.
type Operation struct {
	ID, Method, Path, Summary string
	Scope                     access.Scope
	Of                        Of
	Status                    int   // of success; 0 means 200, or 204 without a body
	MaxBody                   int64 // bytes; 0 means 256 KiB
	Secret                    bool  // the answer shows a secret once: it is not kept for an Idempotency-Key
}

// Router takes operations. All fields but Replays must be set before the first
// request; none is needed to write the OpenAPI document.
type Router struct {
	Directory *tenant.Directory
	Who       Authenticator
	Replays   Replays // nil: Idempotency-Key is refused
	Texts     text.Catalogue
	Log       *slog.Logger
	Now       func() time.Time

	api    huma.API
	mux    *http.ServeMux
	origin *http.CrossOriginProtection
}

// Open makes the router ready for Register.
func (r *Router) Open() {
	r.mux = http.NewServeMux()
	r.origin = http.NewCrossOriginProtection()
	config := huma.DefaultConfig("Sekikura", "1")
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema fields in answers
	config.RejectUnknownQueryParameters = true
	config.Formats = map[string]huma.Format{"application/json": strictJSON, "json": strictJSON}
	config.Transformers = []huma.Transformer{r.finish}
	config.Info.Description = "The portal's API. Every operation names the scope it needs in x-scope. Errors are RFC 9457 problems."
	config.Info.License = &huma.License{Name: "Apache-2.0", Identifier: "Apache-2.0"}
	config.Components.SecuritySchemes = map[string]*huma.SecurityScheme{
		"token":   {Type: "http", Scheme: "bearer"},
		"session": {Type: "apiKey", In: "cookie", Name: "sekikura_session"},
	}
	config.Components.Schemas.RegisterTypeAlias(errorModelType, problemType)
	r.api = humago.NewWithPrefix(r.mux, Prefix, config)
}

// Register adds an operation. The handler finds its caller by access.From and,
// when the operation names a body, that body by Tenant.
func Register[I, O any](r *Router, op Operation, handle func(context.Context, *I) (*O, error)) {
	if op.Scope == "" {
		panic("operation " + op.ID + " has no scope")
	}
	maxBody := op.MaxBody
	if maxBody == 0 {
		maxBody = 256 << 10
	}
	h := huma.Operation{
		OperationID: op.ID, Method: op.Method, Path: op.Path, Summary: op.Summary,
		DefaultStatus: op.Status, MaxBodyBytes: maxBody, BodyReadTimeout: 15 * time.Second,
		Tags:       []string{strings.SplitN(strings.TrimPrefix(op.Path, "/"), "/", 2)[0]},
		Extensions: map[string]any{"x-scope": string(op.Scope)},
		Responses: map[string]*huma.Response{"default": {
			Description: "What went wrong (RFC 9457)",
			Content: map[string]*huma.MediaType{"application/problem+json": {
				Schema: r.api.OpenAPI().Components.Schemas.Schema(problemType, true, ""),
			}},
		}},
		Security: []map[string][]string{{"token": {}}, {"session": {}}},
	}
	if op.Of == PublicOne {
		h.Security = []map[string][]string{}
	}
	h.Middlewares = huma.Middlewares{r.guard(op)}
	huma.Register(r.api, h, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil && errors.Is(err, store.ErrAway) {
			return out, Failed(err)
		}
		return out, err
	})
}

type tenantKey struct{}

// Tenant is the body that a request works on: the one that it names, or the
// caller's own. ok is false when an operation InQuery names none and the caller
// reaches more than one.
func Tenant(ctx context.Context) (t tenant.Tenant, ok bool) {
	t, ok = ctx.Value(tenantKey{}).(tenant.Tenant)
	return t, ok
}

// guard is what every request passes before its handler.
func (r *Router) guard(op Operation) func(huma.Context, func(huma.Context)) {
	return func(ctx huma.Context, next func(huma.Context)) {
		request, _ := humago.Unwrap(ctx)
		if op.Of == PublicOne {
			if p := r.ownBrowser(request, false); p != nil {
				r.refuse(ctx, p)
				return
			}
			next(ctx)
			return
		}
		who, browser, err := r.Who.Identify(request)
		if err != nil {
			if errors.Is(err, ErrNobody) {
				r.refuse(ctx, NewProblem(http.StatusUnauthorized, "login_required"))
				return
			}
			r.refuse(ctx, Failed(err))
			return
		}
		inner := access.With(ctx.Context(), who)
		body, named, p := r.whose(ctx, op, who)
		if p != nil {
			r.refuse(ctx, p)
			return
		}
		if named {
			inner = context.WithValue(inner, tenantKey{}, body)
		}
		switch {
		case who.MustChange && op.Scope != access.SessionOwn:
			p = NewProblem(http.StatusForbidden, "password_change_required")
		case !who.May(op.Scope):
			p = NewProblem(http.StatusForbidden, "not_allowed").Saying("needs the scope " + string(op.Scope))
		default:
			p = r.ownBrowser(request, browser)
		}
		if p != nil {
			r.refuse(ctx, p)
			return
		}
		r.once(op, huma.WithContext(ctx, inner), who, next)
	}
}

// whose finds the body that a request names. A body out of reach does not exist.
func (r *Router) whose(ctx huma.Context, op Operation, who *access.Identity) (tenant.Tenant, bool, *Problem) {
	var name string
	switch op.Of {
	case InPath:
		name = ctx.Param("id")
	case InQuery:
		values := query(ctx)["tenant"]
		if len(values) > 1 { // two opinions of whose it is: none is taken
			return tenant.Tenant{}, false, NotFound()
		}
		if len(values) == 1 {
			name = values[0]
		}
		if name == "" {
			return who.Tenant, !who.Wide(), nil
		}
	default:
		return who.Tenant, true, nil
	}
	body, known := r.Directory.Get(tenant.ID(name))
	if !known || !who.Reaches(body) {
		return tenant.Tenant{}, false, NotFound()
	}
	return body, true, nil
}

func query(ctx huma.Context) map[string][]string {
	u := ctx.URL()
	return u.Query()
}

// ownBrowser refuses writes that a foreign page made a browser send: a cookie
// alone is no proof of will. A body must say that it is JSON, because a page can
// post forms and plain text everywhere without asking.
func (r *Router) ownBrowser(request *http.Request, browser bool) *Problem {
	switch request.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
		return nil
	}
	if request.ContentLength != 0 {
		kind, _, _ := strings.Cut(request.Header.Get("Content-Type"), ";")
		if !strings.EqualFold(strings.TrimSpace(kind), "application/json") {
			return NewProblem(http.StatusUnsupportedMediaType, "not_json").Saying("Content-Type must be application/json")
		}
	}
	if err := r.origin.Check(request); err != nil {
		return NewProblem(http.StatusForbidden, "foreign_origin").Because(err)
	}
	if browser && request.Header.Get("X-Sekikura-Request") != "1" {
		return NewProblem(http.StatusForbidden, "foreign_origin").Saying("writes with a cookie need the header X-Sekikura-Request: 1")
	}
	return nil
}

// refuse answers with a problem; huma writes it through finish.
func (r *Router) refuse(ctx huma.Context, p *Problem) {
	done, err := r.finish(ctx, "", p)
	if err != nil {
		return // finish never fails
	}
	for name, values := range p.header {
		for _, v := range values {
			ctx.AppendHeader(name, v)
		}
	}
	ctx.SetHeader("Content-Type", "application/problem+json")
	ctx.SetStatus(p.Status)
	if err := strictJSON.Marshal(ctx.BodyWriter(), done); err != nil {
		r.Log.Debug("a caller went away before its answer", "error", err)
	}
}

// finish turns every error into a Problem, gives it its reference and writes
// those that are ours into the operator's log.
func (r *Router) finish(ctx huma.Context, _ string, v any) (any, error) {
	var p *Problem
	switch e := v.(type) {
	case *Problem:
		p = e
	case *huma.ErrorModel:
		p = fromHuma(e)
	default:
		return v, nil
	}
	r.complete(p, ctx.Header("Accept-Language"))
	level := slog.LevelDebug
	if p.Status >= http.StatusInternalServerError {
		level = slog.LevelError
	}
	r.Log.Log(ctx.Context(), level, "request not done",
		"reference", p.Reference, "operation", ctx.Operation().OperationID, "status", p.Status, "error", p.Error())
	return p, nil
}

// complete gives a problem its number, and its title in the caller's language.
func (r *Router) complete(p *Problem, accept string) {
	p.Reference = event.NewID(r.Now()).Reference("PT")
	if title := r.Texts.Of(text.Accepted(accept), "problem."+p.Code); title != "" {
		p.Title = title
	}
}

// Handler serves what was registered, and answers everything else below Prefix
// with a problem.
func (r *Router) Handler() http.Handler {
	document := r.Document()
	r.mux.HandleFunc("GET "+Prefix+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/vnd.oai.openapi+json; charset=utf-8")
		w.Header().Set("Cache-Control", "no-cache")
		if _, err := w.Write(document); err != nil {
			r.Log.Debug("a caller went away before its answer", "error", err)
		}
	})
	return http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if _, pattern := r.mux.Handler(request); pattern == "" {
			r.unknown(w, request)
			return
		}
		r.mux.ServeHTTP(w, request)
	})
}

// unknown answers a path or a method that no operation has. net/http's own
// answer tells 405 from 404; only its status and Allow are kept.
func (r *Router) unknown(w http.ResponseWriter, request *http.Request) {
	probe := &statusOnly{header: http.Header{}}
	r.mux.ServeHTTP(probe, request)
	p := NotFound()
	if probe.status == http.StatusMethodNotAllowed {
		p = NewProblem(probe.status, "method_not_allowed")
		w.Header().Set("Allow", probe.header.Get("Allow"))
	}
	r.Refuse(w, request, p)
}

// Refuse answers a request with p outside of any operation.
func (r *Router) Refuse(w http.ResponseWriter, request *http.Request, p *Problem) {
	r.complete(p, request.Header.Get("Accept-Language"))
	for name, values := range p.header {
		w.Header()[name] = values
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/problem+json")
	if p.Status >= http.StatusInternalServerError {
		r.Log.Error("request not done", "reference", p.Reference, "status", p.Status, "error", p.Error())
	}
	w.WriteHeader(p.Status)
	if err := strictJSON.Marshal(w, p); err != nil {
		r.Log.Debug("a caller went away before its answer", "error", err)
	}
}

type statusOnly struct {
	header http.Header
	status int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) Write(b []byte) (int, error) { return len(b), nil }
func (s *statusOnly) WriteHeader(status int)      { s.status = status }
