package rest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/store"
)

func TestCheckJSONRefusesWhatTwoReadersCouldReadDifferently(t *testing.T) {
	for text, good := range map[string]bool{
		`{"a":1,"b":{"a":2}}`: true, `[{"a":1},{"a":1}]`: true, `"x"`: true, ` null `: true,
		`{"a":1,"a":2}`: false, `{"a":1,"A":2}`: false, `{"b":{"x":1,"x":2}}`: false, `{"a":1} {}`: false, `{"a":1`: false, ``: false,
		"{\"a\":\"\xff\"}": false, `{'a':1}`: false,
	} {
		if err := checkJSON([]byte(text)); (err == nil) != good {
			t.Errorf("checkJSON(%s) = %v, want good %v", text, err, good)
		}
	}
}

func FuzzCheckJSONTakesNothingThatIsNoJSON(f *testing.F) {
	f.Add([]byte(`{"a":[1,2,{"b":null}]}`))
	f.Add([]byte(`{"a":1,"a":2}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if checkJSON(text) == nil && !json.Valid(text) {
			t.Errorf("%q was taken and is no JSON", text)
		}
	})
}

func FuzzReadCursorNeverPanicsAndReadsOnlyWhatFits(f *testing.F) {
	f.Add(Cursor(map[string]string{"after": "x"}))
	f.Add("bnVsbA")
	f.Add("!!!")
	f.Fuzz(func(t *testing.T, cursor string) {
		var at struct {
			After string `json:"after"`
		}
		if err := ReadCursor(cursor, &at); err != nil {
			if _, ok := err.(*Problem); !ok { //nolint:errorlint // the very type is meant
				t.Errorf("ReadCursor(%q) = %v, which is no problem for the caller", cursor, err)
			}
			return
		}
		again := at
		if err := ReadCursor(Cursor(at), &again); err != nil || again != at {
			t.Errorf("ReadCursor(%q) = %+v, which does not survive being written: %v", cursor, at, err)
		}
	})
}

func TestWhatTheValidatorSaysBecomesAPathAndACode(t *testing.T) {
	for _, tt := range []struct {
		location, message, path, code string
	}{
		{"body.items[3].name", "expected string", "/items/3/name", "wrong_type"},
		{"body", "expected required property name to be present", "/name", "required"},
		{"body.user", "expected required property name to be present", "/user/name", "required"},
		{"query.limit", "expected number <= 500", "/query/limit", "too_big"},
		{"query.x", "unknown query parameter", "/query/x", "unknown_field"},
		{"body.x", "unexpected property", "/x", "unknown_field"},
		{"body.role", `expected value to be one of "a, b"`, "/role", "not_one_of"},
		{"body.name", "expected length >= 1", "/name", "too_short"},
		{"body.list", "expected array length <= 3", "/list", "too_long"},
		{"query.from", "expected string to be RFC 3339 date-time", "/query/from", "wrong_form"},
	} {
		got := field(&huma.ErrorDetail{Location: tt.location, Message: tt.message})
		if got.Path != tt.path || got.Code != tt.code {
			t.Errorf("%s: %s is %s %s, want %s %s", tt.location, tt.message, got.Path, got.Code, tt.path, tt.code)
		}
	}
}

func TestAStoreThatIsAwayIsNoFaultOfOurs(t *testing.T) {
	for _, tt := range []struct {
		cause  error
		status int
		code   string
		after  string
	}{
		{fmt.Errorf("reading account: %w", store.ErrAway), http.StatusServiceUnavailable, "store_unavailable", "5"},
		{errors.New("a broken thing"), http.StatusInternalServerError, "internal", ""},
	} {
		p := Failed(tt.cause)
		if p.Status != tt.status || p.Code != tt.code || p.GetHeaders().Get("Retry-After") != tt.after || !errors.Is(p, tt.cause) {
			t.Errorf("Failed(%v) = %d %s, Retry-After %q, want %d %s %q", tt.cause, p.Status, p.Code, p.GetHeaders().Get("Retry-After"), tt.status, tt.code, tt.after)
		}
	}
}

func TestIfMatchIsNeededAndMustFit(t *testing.T) {
	for tag, want := range map[string]int{"": 428, `"1"`: 0, "*": 0, `"2"`: 409, `W/"1"`: 409, "1": 409} {
		p := Fits(tag, `"1"`)
		if got := 0; p != nil && p.Status != want || p == nil && want != got {
			t.Errorf("Fits(%q) = %v, want %d", tag, p, want)
		}
	}
}
