package rest

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
)

// Problem is the answer to a request that did not do what it asked (RFC 9457).
// Code is a word of the text catalogue, under "problem."; Reference is the number
// that a caller reads over the phone and that stands in the operator's log.
type Problem struct {
	Type      string       `json:"type" doc:"about:blank: the code says what it is"`
	Title     string       `json:"title"`
	Status    int          `json:"status"`
	Detail    string       `json:"detail,omitempty"`
	Code      string       `json:"code"`
	Reference string       `json:"reference"`
	Errors    []FieldError `json:"errors,omitempty"`

	cause  error // for the log, never for the answer
	header http.Header
}

// FieldError is one entry that has to be mended. Path is a JSON pointer into the
// body, or the name of a parameter behind "query" or "path", such as /query/limit.
type FieldError struct {
	Path string `json:"path"`
	Code string `json:"code"`
	Args []any  `json:"args,omitempty"`
}

// NewProblem returns an answer of a status and a code.
func NewProblem(status int, code string) *Problem {
	return &Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Code: code}
}

// NotFound is the answer for what does not exist, or is not the caller's.
func NotFound() *Problem { return NewProblem(http.StatusNotFound, "not_found") }

// Invalid is the answer to a body with entries that have to be mended.
func Invalid(entries ...FieldError) *Problem {
	p := NewProblem(http.StatusUnprocessableEntity, "invalid")
	p.Errors = entries
	return p
}

// Field is one entry for Invalid.
func Field(path, code string, args ...any) FieldError {
	return FieldError{Path: path, Code: code, Args: args}
}

// FromPolicy are the problems of a policy as entries of an answer.
func FromPolicy(problems []policy.Problem) []FieldError {
	entries := make([]FieldError, 0, len(problems))
	for _, p := range problems {
		entries = append(entries, FieldError{Path: p.Path, Code: p.Code, Args: p.Args})
	}
	return entries
}

// Failed is the answer when something of ours broke. The caller learns the
// reference, the operator's log the cause. A control store that is away, or has
// no room, is told apart: the same request may work later.
func Failed(cause error) *Problem {
	if errors.Is(cause, store.ErrAway) {
		return Unavailable("store_unavailable", cause).After(5 * time.Second)
	}
	p := NewProblem(http.StatusInternalServerError, "internal")
	p.cause = cause
	return p
}

// Unavailable is the answer when a neighbour, such as the log store, is away.
func Unavailable(code string, cause error) *Problem {
	p := NewProblem(http.StatusServiceUnavailable, code)
	p.cause = cause
	return p
}

// Because adds the cause for the operator's log.
func (p *Problem) Because(err error) *Problem {
	p.cause = err
	return p
}

// Saying adds a detail for developers of clients, in English.
func (p *Problem) Saying(detail string) *Problem {
	p.Detail = detail
	return p
}

// After adds a Retry-After of at least one second (RFC 9110, 10.2.3).
func (p *Problem) After(d time.Duration) *Problem {
	p.header = http.Header{"Retry-After": {strconv.Itoa(max(1, int((d+time.Second-1)/time.Second)))}}
	return p
}

// Error, GetStatus, ContentType and GetHeaders make a Problem an answer of huma.
func (p *Problem) Error() string {
	if p.cause != nil {
		return p.Code + ": " + p.cause.Error()
	}
	return p.Code
}

// Unwrap is the cause.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus is the HTTP status.
func (p *Problem) GetStatus() int { return p.Status }

// GetHeaders are the headers of the answer.
func (p *Problem) GetHeaders() http.Header { return p.header }

// ContentType is RFC 9457's.
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// fromHuma turns what the framework found wrong with a request into a Problem.
// The values it was sent are not repeated: one of them may be a password.
func fromHuma(m *huma.ErrorModel) *Problem {
	code := "invalid"
	switch m.Status {
	case http.StatusBadRequest:
		code = "not_json"
		if m.Detail == "request body is required" {
			code = "body_required"
		}
	case http.StatusRequestEntityTooLarge:
		code = "too_large"
	case http.StatusUnsupportedMediaType:
		code = "not_json"
	case http.StatusRequestTimeout:
		code = "timeout"
	case http.StatusInternalServerError:
		code = "internal"
	}
	p := NewProblem(m.Status, code)
	for _, e := range m.Errors {
		if e == nil {
			continue
		}
		if m.Status >= http.StatusInternalServerError {
			p.cause = errors.Join(p.cause, e)
			continue
		}
		if e.Location == "body" && m.Status == http.StatusBadRequest {
			p.Detail = e.Message // says where the JSON breaks, not what stands there
			continue
		}
		p.Errors = append(p.Errors, field(e))
	}
	return p
}

// field names what a message of the validator means. The messages are huma's;
// a test holds this table against the real ones.
func field(e *huma.ErrorDetail) FieldError {
	f := FieldError{Path: pointer(e.Location)}
	switch m := e.Message; {
	case m == "unexpected property", m == "unknown query parameter":
		f.Code = "unknown_field"
	case strings.HasPrefix(m, "expected required property "):
		name := strings.TrimSuffix(strings.TrimPrefix(m, "expected required property "), " to be present")
		f.Path, f.Code = strings.TrimSuffix(f.Path, "/")+"/"+name, "required"
	case strings.HasPrefix(m, "required "):
		f.Code = "required"
	case strings.HasPrefix(m, "expected value to be one of "):
		f.Code, f.Args = "not_one_of", []any{strings.Trim(strings.TrimPrefix(m, "expected value to be one of "), `"`)}
	case strings.HasPrefix(m, "expected length >= "), strings.HasPrefix(m, "expected array length >= "):
		f.Code, f.Args = "too_short", []any{m[strings.LastIndexByte(m, ' ')+1:]}
	case strings.HasPrefix(m, "expected length <= "), strings.HasPrefix(m, "expected array length <= "):
		f.Code, f.Args = "too_long", []any{m[strings.LastIndexByte(m, ' ')+1:]}
	case strings.HasPrefix(m, "expected number >= "):
		f.Code, f.Args = "too_small", []any{m[strings.LastIndexByte(m, ' ')+1:]}
	case strings.HasPrefix(m, "expected number <= "):
		f.Code, f.Args = "too_big", []any{m[strings.LastIndexByte(m, ' ')+1:]}
	case strings.HasPrefix(m, "expected string to match pattern"), strings.HasPrefix(m, "expected string to be "):
		f.Code = "wrong_form"
	default:
		f.Code = "wrong_type"
	}
	return f
}

// pointer turns huma's "body.items[3].name" into /items/3/name, and
// "query.limit" into /query/limit.
func pointer(location string) string {
	location, _ = strings.CutPrefix(location, "body")
	if location == "" {
		return ""
	}
	location = strings.NewReplacer("[", "/", "]", "", ".", "/").Replace(location)
	return "/" + strings.TrimPrefix(location, "/")
}

// WithErrors adds the entries that have to be mended.
func (p *Problem) WithErrors(entries ...FieldError) *Problem {
	p.Errors = entries
	return p
}
