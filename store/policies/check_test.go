package policies

import (
	"bytes"
	"encoding/json"
	"reflect"
	"testing"
)

// FuzzCanonicalBody: what is stored says what was sent, says it only once, and
// is the same when it is sent again.
func FuzzCanonicalBody(f *testing.F) {
	for _, seed := range []string{"", " ", "{}", `{"b":1,"a":{"d":null,"c":"<&>\u2028"}}`, `{"a":1,"a":2}`, `{"n":12345678901234567890.5e10}`, "null", "[]", "{}{}", "{", "\xff", `{"\ud800":"\udc00"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		once, problems := canonicalBody(body)
		if problems != nil {
			return
		}
		twice, problems := canonicalBody(once)
		if problems != nil || !bytes.Equal(once, twice) {
			t.Errorf("%q became %q and then %q, %v", body, once, twice, problems)
		}
		if len(bytes.TrimSpace(body)) == 0 {
			return
		}
		var sent, kept map[string]any
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatalf("%q was taken: %v", body, err)
		}
		if err := json.Unmarshal(once, &kept); err != nil || !reflect.DeepEqual(sent, kept) {
			t.Errorf("%q is kept as %q, %v", body, once, err)
		}
	})
}
