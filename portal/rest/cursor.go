package rest

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
)

// Page is one page of a list. Next is an opaque cursor, "" at the end.
type Page[T any] struct {
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"`
}

// Body wraps a value as the body of an answer.
type Body[T any] struct {
	Body T
}

// Nothing is the input of operations that take none, and the answer 204.
type Nothing struct{}

// maxCursor bounds a cursor that comes in.
const maxCursor = 512

// Cursor writes where a list goes on. What stands in it is the callee's affair;
// it is not secret and proves nothing, so whoever reads one checks it again.
func Cursor(at any) string {
	text, err := json.Marshal(at)
	if err != nil {
		panic("rest: a cursor has no JSON: " + err.Error()) // made of our own types
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

// ReadCursor reads what Cursor wrote into at; "" leaves at as it is.
func ReadCursor(cursor string, at any) error {
	if cursor == "" {
		return nil
	}
	wrong := Invalid(Field("/query/cursor", "wrong_cursor"))
	if len(cursor) > maxCursor {
		return wrong
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || checkJSON(text) != nil {
		return wrong
	}
	if json.Unmarshal(text, at) != nil {
		return wrong
	}
	return nil
}

// Fits tells whether If-Match allows a write of something with this entity tag
// (RFC 9110, 13.1.1); nil means yes. A missing If-Match is 428.
func Fits(ifMatch, etag string) *Problem {
	switch ifMatch {
	case "":
		return NewProblem(http.StatusPreconditionRequired, "if_match_required")
	case etag, "*":
		return nil
	}
	return NewProblem(http.StatusConflict, "stale")
}
