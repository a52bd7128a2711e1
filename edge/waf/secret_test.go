package waf

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// A password may well look like an attack; the log must not keep it for that.
func TestMatchesNameTheRuleAndThePlaceButNotTheSecret(t *testing.T) {
	const secret = "hunter2' OR '1'='1"
	e := engine(t, nil)
	attack := url.QueryEscape(secret)
	for _, tt := range []struct{ name, method, target, contentType, body, header, value string }{
		{"a form", "POST", "/login", form, "user=sato&password=" + attack, "", ""},
		{"a query", "GET", "/login?access_token=" + attack, "", "", "", ""},
		{"a document", "POST", "/api", "application/json", `{"user":{"password":"` + secret + `"}}`, "", ""},
		{"a cookie", "GET", "/", "", "", "Cookie", "remember=" + attack},
		{"a header", "GET", "/", "", "", "Authorization", "Bearer <script>alert('hunter2')</script>"},
	} {
		r := request(t, tt.method, tt.target, tt.contentType, tt.body)
		if tt.header != "" {
			r.Header.Set(tt.header, tt.value)
		}
		i := judge(t, e, wakaba, r)
		if tt.header != "Authorization" && i.Outcome() != Blocked {
			t.Errorf("%s: outcome %s, want %s", tt.name, i.Outcome(), Blocked)
		}
		for _, f := range i.Fields() {
			if strings.Contains(f.Value.String(), "hunter2") {
				t.Errorf("%s: the event shows the secret: %s=%s", tt.name, f.Key, f.Value)
			}
		}
	}
	i := judge(t, e, wakaba, request(t, "POST", "/form", form, "comment="+attack+"&password=x"))
	var matches []Match
	if err := json.Unmarshal([]byte(field(i, "waf.matches")), &matches); err != nil {
		t.Fatal(err)
	}
	shown := false
	for _, m := range matches {
		shown = shown || m.Var == "ARGS:comment" && strings.Contains(m.Payload, "OR '1'='1")
	}
	if !shown {
		t.Errorf("an ordinary field's payload is missing: %+v", matches)
	}
}
