package site

import (
	"bufio"
	"net/http"
	"strings"
	"testing"
)

// What attackers send to make two servers disagree about where a request ends.
// The origin must see no second request, whatever the answer is.
func TestSmuggledRequestsNeverReachTheOrigin(t *testing.T) {
	const host = "Host: " + wakabaHost + "\r\n"
	const second = "GET /smuggled HTTP/1.1\r\n" + host + "\r\n"
	for _, tt := range []struct{ name, request, status, reason string }{
		{"length and encoding", "POST / HTTP/1.1\r\n" + host + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, "400", "length_and_encoding"},
		{"two lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 40\r\n\r\n" + second, "400", "content_length_twice"},
		{"the same length twice", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" + second, "400", "content_length_twice"},
		{"a list of lengths", "POST / HTTP/1.1\r\n" + host + "Content-Length: 0, 0\r\n\r\n" + second, "400", "content_length"},
		{"a signed length", "POST / HTTP/1.1\r\n" + host + "Content-Length: +0\r\n\r\n" + second, "400", "content_length"},
		{"a huge length", "POST / HTTP/1.1\r\n" + host + "Content-Length: 99999999999999999999\r\n\r\n" + second, "400", "content_length"},
		{"an empty length", "POST / HTTP/1.1\r\n" + host + "Content-Length:\r\n\r\n" + second, "400", "field_empty"},
		{"an unknown encoding", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: xchunked\r\n\r\n" + second, "400", "transfer_encoding"},
		{"an encoding behind another", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip, chunked\r\n\r\n" + second, "400", "transfer_encoding"},
		{"an encoding twice", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, "400", "transfer_encoding_twice"},
		{"an encoding in HTTP/1.0", "POST / HTTP/1.0\r\n" + host + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + second, "400", "transfer_encoding_http10"},
		{"an encoding behind a vertical tab", "POST / HTTP/1.1\r\n" + host + "Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n" + second, "400", "control_character"},
		{"space before the colon", "POST / HTTP/1.1\r\n" + host + "Content-Length : 5\r\n\r\n" + second, "400", "space_before_colon"},
		{"a folded line", "POST / HTTP/1.1\r\n" + host + "X: a\r\n Transfer-Encoding: chunked\r\n\r\n" + second, "400", "folded_line"},
		{"bare LF in the head", "GET / HTTP/1.1\n" + host + "\r\n" + second, "400", "bare_lf"},
		{"bare LF at the head's end", "GET / HTTP/1.1\r\n" + host + "\n" + second, "400", "bare_lf"},
		{"bare CR in a field", "GET / HTTP/1.1\r\n" + host + "X: a\rTransfer-Encoding: chunked\r\n\r\n" + second, "400", "control_character"},
		{"NUL in a field", "GET / HTTP/1.1\r\n" + host + "X: a\x00b\r\n\r\n", "400", "control_character"},
		{"a field that is no token", "GET / HTTP/1.1\r\n" + host + "X(y): a\r\n\r\n", "400", "field_name"},
		{"a line without a colon", "GET / HTTP/1.1\r\n" + host + "Transfer-Encoding\r\n\r\n", "400", "field"},
		{"two hosts", "GET / HTTP/1.1\r\n" + host + "Host: " + hanamiHost + "\r\n\r\n", "400", "host_twice"},
		{"no host", "GET / HTTP/1.1\r\nX: y\r\n\r\n", "400", "host_missing"},
		{"a host with a path", "GET / HTTP/1.1\r\nHost: " + wakabaHost + "/x\r\n\r\n", "400", "host"},
		{"a host with a user", "GET / HTTP/1.1\r\nHost: a@" + wakabaHost + "\r\n\r\n", "400", "host"},
		{"absolute form of another body", "GET http://" + hanamiHost + "/ HTTP/1.1\r\n" + host + "\r\n", "400", "absolute_form_mismatch"},
		{"another scheme", "GET ftp://" + wakabaHost + "/ HTTP/1.1\r\n" + host + "\r\n", "400", "target"},
		{"CONNECT", "CONNECT " + wakabaHost + ":443 HTTP/1.1\r\n" + host + "\r\n" + second, "405", "connect"},
		{"raw bytes in the target", "GET /\xe3\x81\x82 HTTP/1.1\r\n" + host + "\r\n", "400", "target_not_ascii"},
		{"two spaces", "GET  / HTTP/1.1\r\n" + host + "\r\n", "400", "request_line"},
		{"HTTP/0.9", "GET /\r\n\r\n", "400", "request_line"},
		{"HTTP/2 in clear", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505", "http2_in_clear"},
		{"a later version", "GET / HTTP/3.7\r\n" + host + "\r\n", "505", "version"},
		{"TLS on the clear port", "\x16\x03\x01\x02\x00\x01", "400", "not_http"},
		{"invalid UTF-8 in a field", "GET / HTTP/1.1\r\n" + host + "X: \xff\xfe\r\n\r\n", "400", "field_not_utf8"},
		{"invalid UTF-8 in the path", "GET /%ff%fe HTTP/1.1\r\n" + host + "\r\n", "400", "path_not_utf8"},
		{"NUL in the path", "GET /a%00.html HTTP/1.1\r\n" + host + "\r\n", "400", "nul_in_path"},
		{"TRACE", "TRACE / HTTP/1.1\r\n" + host + "\r\n", "405", "trace"},
		{"a head that is cut", "GET / HTTP/1.1\r\nHost: a", "400", "head_cut"},
		{"a long target", "GET /" + strings.Repeat("a", 40<<10), "414", "target_too_long"},
		{"a large head", "GET / HTTP/1.1\r\n" + host + "X: " + strings.Repeat("a", 40<<10) + "\r\n\r\n", "431", "head_too_large"},
		{"many fields", "GET / HTTP/1.1\r\n" + host + strings.Repeat("X: y\r\n", 200) + "\r\n", "431", "too_many_fields"},
		{"chunk extension", chunked("5;a=b\r\nhello\r\n0\r\n\r\n") + second, "400", "chunk_extension"},
		{"a long chunk extension", chunked("5;"+strings.Repeat("a", 9000)+"\r\nhello\r\n0\r\n\r\n") + second, "400", "chunk_extension"},
		{"bare LF behind a chunk's size", chunked("5\nhello\r\n0\r\n\r\n") + second, "400", "bare_lf"},
		{"a chunk longer than it says", chunked("5\r\nhello!!\r\n0\r\n\r\n") + second, "400", "chunk_end"},
		{"a chunk's size that is none", chunked("0x5\r\nhello\r\n0\r\n\r\n") + second, "400", "chunk_size"},
		{"a chunk's size that overflows", chunked("fffffffff\r\nhello\r\n0\r\n\r\n") + second, "400", "chunk_size"},
		{"a length in the trailer", chunked("0\r\nContent-Length: 5\r\n\r\n") + second, "400", "trailer_framing"},
		{"a folded trailer", chunked("0\r\nX: a\r\n b\r\n\r\n") + second, "400", "folded_line"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			village := newOrigin(t, hello)
			city := newOrigin(t, hello)
			e := start(t, siteOf(wakabaHost, village.URL, ""), siteOf(hanamiHost, city.URL, ""))
			answer := e.raw(tt.request)
			if !strings.HasPrefix(answer, "HTTP/1.1 "+tt.status+" ") {
				t.Errorf("answered %q, want status %s", answer[:min(len(answer), 200)], tt.status)
			}
			if n := strings.Count(answer, "HTTP/1.1 "); n != 1 {
				t.Errorf("%d answers, want one: %q", n, answer)
			}
			refused := e.journal.refused(t, tt.reason)
			if strings.Contains(tt.request, host) && refused.Tenant != wakaba && refused.Tenant != sakura {
				t.Errorf("the event belongs to %s", refused.Tenant)
			}
			e.stop()
			for _, o := range []*origin{village, city} {
				seen, _ := o.requests()
				for _, r := range seen {
					if r.URL.Path == "/smuggled" {
						t.Error("the origin saw the second request")
					}
				}
				// A body that is found out on its way may have begun, never ended.
				if len(seen) > 1 || len(seen) == 1 && r0(seen).ContentLength != -1 {
					t.Errorf("the origin saw %d requests", len(seen))
				}
			}
			events := 0
			for _, ev := range e.journal.all() {
				if ev.Name == "request_refused" {
					events++
				}
			}
			if events != 1 {
				t.Errorf("%d events of refusal, want one", events)
			}
		})
	}
}

func r0(seen []*http.Request) *http.Request { return seen[0] }

func chunked(body string) string {
	return "POST /upload HTTP/1.1\r\nHost: " + wakabaHost + "\r\nTransfer-Encoding: chunked\r\n\r\n" + body
}

func TestWellFormedButUnusualRequestsPass(t *testing.T) {
	const host = "Host: " + wakabaHost + "\r\n"
	village := newOrigin(t, hello)
	e := start(t, siteOf(wakabaHost, village.URL, ""), "")
	for _, tt := range []struct {
		name, request string
		answers       int
		bodies        []string
	}{
		{"chunks and a trailer", chunked("5\r\nhello\r\nA\r\n, world!!!\r\n0\r\nX-Sum: 1\r\n\r\n"), 1, []string{"hello, world!!!"}},
		{"three requests at once", strings.Repeat("GET / HTTP/1.1\r\n"+host+"\r\n", 3), 3, []string{"", "", ""}},
		{"a form and then a page", "POST / HTTP/1.1\r\n" + host + "Content-Length: 5\r\n\r\nhelloGET / HTTP/1.1\r\n" + host + "\r\n", 2, []string{"hello", ""}},
		{"an empty line first", "\r\nGET / HTTP/1.1\r\n" + host + "\r\n", 1, []string{""}},
		{"absolute form", "GET http://" + wakabaHost + "/ HTTP/1.1\r\n" + host + "\r\n", 1, []string{""}},
		{"HTTP/1.0 with a host", "GET / HTTP/1.0\r\n" + host + "\r\n", 1, []string{""}},
		{"capitals and a port in the host", "GET / HTTP/1.1\r\nHost: WWW.vill.wakaba.example:80\r\n\r\n", 1, []string{""}},
	} {
		_, before := village.requests()
		c := e.open(tt.request)
		answers := bufio.NewReader(c)
		for range tt.answers {
			if resp, body := readResponse(t, answers); resp.StatusCode != http.StatusOK {
				t.Errorf("%s: answered %d %q", tt.name, resp.StatusCode, body)
			}
		}
		_ = c.Close()
		_, bodies := village.requests()
		if got := strings.Join(bodies[len(before):], "|"); got != strings.Join(tt.bodies, "|") || len(bodies)-len(before) != len(tt.bodies) {
			t.Errorf("%s: the origin saw bodies %q, want %q", tt.name, got, tt.bodies)
		}
	}
}
