package redact

import (
	"net/url"
	"strings"
	"testing"
)

func TestSecretParametersOfAQueryAreMaskedAndNothingElse(t *testing.T) {
	for _, tt := range []struct{ raw, want string }{
		{"", ""},
		{"q=住民票&page=2", "q=住民票&page=2"},
		{"user=sato&password=hunter2&next=/", "user=sato&password=***&next=/"},
		{"PassWord=hunter2", "PassWord=***"},
		{"pass%77ord=hunter2;x=1", "pass%77ord=***;x=1"},
		{"user[new_password]=a&user[name]=b", "user[new_password]=***&user[name]=b"},
		{"user%5Bpassword%5D%5B%5D=a", "user%5Bpassword%5D%5B%5D=***"},
		{"access_token=abc=def==&a", "access_token=***&a"},
		{"csrf-token=1&api_key=2&pin=3&sid=4&JSESSIONID=5", "csrf-token=***&api_key=***&pin=***&sid=***&JSESSIONID=***"},
		{"login.pass=1", "login.pass=***"},
		{"%E3%83%91%E3%82%B9%E3%83%AF%E3%83%BC%E3%83%89=1", "%E3%83%91%E3%82%B9%E3%83%AF%E3%83%BC%E3%83%89=***"},
		{"password=&token", "password=&token"}, // nothing to hide
		{"shipping=1&passage=2&tokenize=3&compass=4&author=x", "shipping=1&passage=2&tokenize=3&compass=4&author=x"},
		{"&&;=x&password=1&", "&&;=x&password=***&"},
		{"q=1%27%20OR%201=1", "q=1%27%20OR%201=1"},
	} {
		if got := Query(tt.raw); got != tt.want {
			t.Errorf("Query(%q) = %q, want %q", tt.raw, got, tt.want)
		}
	}
}

func TestTextLosesSecretsWhereverTheyStand(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"/login?user=a&password=hunter2", "/login?user=a&password=***"},
		{"POST /login?token=abc HTTP/1.1", "POST /login?token=*** HTTP/1.1"},
		{"/a;jsessionid=0123/b", "/a;jsessionid=***"},
		{`{"user":"a","password":"hun ter\"2","n":1}`, `{"user":"a","password":"***","n":1}`},
		{`{"pin": 1234, "x": 1}`, `{"pin": "***", "x": 1}`},
		{`{"client_secret":"cut o`, `{"client_secret":"***"`},
		{"Authorization: Bearer abc.def\r\nX: y", "Authorization: ***\r\nX: y"},
		{"cookie: a=b; c=d", "cookie: ***"},
		{"<script>alert(1)</script>", "<script>alert(1)</script>"},
		{"1' OR '1'='1", "1' OR '1'='1"},
	} {
		if got := Text(tt.text); got != tt.want {
			t.Errorf("Text(%q) = %q, want %q", tt.text, got, tt.want)
		}
	}
}

func TestHeadersThatLogSomebodyInAreSecret(t *testing.T) {
	for name, want := range map[string]bool{
		"Authorization": true, "Cookie": true, "set-cookie": true, "Proxy-Authorization": true, "X-Api-Key": true, "X-CSRF-Token": true,
		"User-Agent": false, "Referer": false, "Accept": false, "Content-Type": false,
	} {
		if got := Header(name); got != want {
			t.Errorf("Header(%q) = %v, want %v", name, got, want)
		}
	}
}

// The dumber opinion: net/url reads the query, and whatever it finds under the
// plain name must be masked.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"password=a", "a=1&password=b&c", "&;=", "%", "password=%zz&password=2", "x=password=3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		got := Query(raw)
		if Query(got) != got {
			t.Errorf("Query(%q) = %q, and once more %q", raw, got, Query(got))
		}
		if strings.Count(got, "&") != strings.Count(raw, "&") {
			t.Errorf("Query(%q) = %q has another number of parameters", raw, got)
		}
		values, err := url.ParseQuery(got)
		if err != nil {
			return
		}
		for _, v := range values["password"] {
			if v != Mask && v != "" {
				t.Errorf("Query(%q) = %q still shows %q", raw, got, v)
			}
		}
	})
}

func BenchmarkQuery(b *testing.B) {
	for b.Loop() {
		Query("category=news&year=2026&q=%E4%BD%8F%E6%B0%91%E7%A5%A8&page=12")
	}
}
