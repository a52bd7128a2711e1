package site

import (
	"bytes"
	"net"
	"net/http"
	"strconv"
	"strings"
	"unicode/utf8"
)

// requestHead is what the gate has to know of a request's head.
type requestHead struct {
	method, target, host string
	length               int64
	chunked              bool
	blank                int // empty lines before it
}

// guess takes what it can from a head that is not well-formed, for the event.
func (h *requestHead) guess(head []byte) {
	line, rest, _ := bytes.Cut(head, []byte("\n"))
	if f := strings.Fields(string(line[:min(len(line), 2048)])); len(f) >= 2 {
		h.method, h.target = f[0], f[1]
	}
	for line := range bytes.SplitSeq(rest, []byte("\n")) {
		name, value, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(bytes.TrimSpace(name)), "host") {
			h.host = string(bytes.TrimSpace(value[:min(len(value), 256)]))
			return
		}
	}
}

// parseHead reads a request head (RFC 9112, 3 and 5) that ends in an empty line
// and whose every LF stands behind a CR. It knows one way to read it, or refuses.
func parseHead(head []byte) (requestHead, refusal) {
	bad := func(reason string) (requestHead, refusal) {
		var h requestHead
		h.guess(head)
		return h, refusal{http.StatusBadRequest, reason}
	}
	line, rest, _ := bytes.Cut(head, []byte("\r\n"))
	h, why := parseRequestLine(line)
	if why.reason != "" {
		h.guess(head)
		return h, why
	}
	http10 := bytes.HasSuffix(line, []byte("1.0"))
	hosts, lengths, encodings, fields := 0, 0, 0, 0
	for {
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if len(line) == 0 {
			break
		}
		if fields++; fields > maxFields {
			h.guess(head)
			return h, refusal{http.StatusRequestHeaderFieldsTooLarge, "too_many_fields"}
		}
		name, value, reason := parseField(line)
		if reason != "" {
			return bad(reason)
		}
		switch strings.ToLower(string(name)) {
		case "host":
			h.host = string(value)
			hosts++
		case "content-length":
			n, err := strconv.ParseUint(string(value), 10, 62)
			if err != nil || len(value) > 18 || value[0] == '+' {
				return bad("content_length")
			}
			h.length = int64(n) //nolint:gosec // 62 bits
			lengths++
		case "transfer-encoding":
			if !strings.EqualFold(string(value), "chunked") {
				return bad("transfer_encoding")
			}
			h.chunked = true
			encodings++
		}
	}
	switch {
	case hosts == 0:
		return bad("host_missing")
	case hosts > 1:
		return bad("host_twice")
	case !validHost(h.host):
		return bad("host")
	case lengths > 0 && encodings > 0:
		return bad("length_and_encoding")
	case lengths > 1:
		return bad("content_length_twice")
	case encodings > 1:
		return bad("transfer_encoding_twice")
	case encodings > 0 && http10:
		return bad("transfer_encoding_http10")
	}
	if !strings.HasPrefix(h.target, "/") && h.target != "*" && !sameAuthority(h.target, h.host) {
		return bad("absolute_form_mismatch")
	}
	return h, refusal{}
}

func parseRequestLine(line []byte) (requestHead, refusal) {
	bad := func(status int, reason string) (requestHead, refusal) { return requestHead{}, refusal{status, reason} }
	method, rest, ok1 := bytes.Cut(line, []byte(" "))
	target, version, ok2 := bytes.Cut(rest, []byte(" "))
	if !ok1 || !ok2 || len(target) == 0 {
		return bad(http.StatusBadRequest, "request_line")
	}
	for _, c := range method {
		if !isToken(c) {
			return bad(http.StatusBadRequest, "method")
		}
	}
	if len(method) == 0 || len(method) > 24 {
		return bad(http.StatusBadRequest, "method")
	}
	switch string(version) {
	case "HTTP/1.1", "HTTP/1.0":
	case "HTTP/2.0":
		return bad(http.StatusHTTPVersionNotSupported, "http2_in_clear")
	default:
		if bytes.HasPrefix(version, []byte("HTTP/")) && len(version) == 8 {
			return bad(http.StatusHTTPVersionNotSupported, "version")
		}
		return bad(http.StatusBadRequest, "request_line")
	}
	for _, c := range target {
		switch {
		case c <= ' ' || c == 0x7f:
			return bad(http.StatusBadRequest, "control_character")
		case c >= utf8.RuneSelf:
			return bad(http.StatusBadRequest, "target_not_ascii")
		case c == '#':
			return bad(http.StatusBadRequest, "target_fragment")
		}
	}
	h := requestHead{method: string(method), target: string(target)}
	lower := strings.ToLower(h.target)
	switch {
	case h.method == http.MethodConnect:
		return h, refusal{http.StatusMethodNotAllowed, "connect"}
	case strings.HasPrefix(h.target, "/"),
		strings.HasPrefix(lower, "http://"), strings.HasPrefix(lower, "https://"),
		h.target == "*" && h.method == http.MethodOptions:
		return h, refusal{}
	}
	return h, refusal{http.StatusBadRequest, "target"}
}

// parseField reads one field line (RFC 9112, 5).
func parseField(line []byte) (name, value []byte, reason string) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, nil, "folded_line"
	}
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || len(name) == 0 {
		return nil, nil, "field"
	}
	for _, c := range name {
		if c == ' ' || c == '\t' {
			return nil, nil, "space_before_colon"
		}
		if !isToken(c) {
			return nil, nil, "field_name"
		}
	}
	value = bytes.Trim(value, " \t")
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return nil, nil, "control_character"
		}
	}
	if !utf8.Valid(value) {
		return nil, nil, "field_not_utf8"
	}
	if len(value) == 0 && framing(name) {
		return nil, nil, "field_empty"
	}
	return name, value, ""
}

// framing tells whether a field decides where a request ends or whose it is.
func framing(name []byte) bool {
	switch strings.ToLower(string(name)) {
	case "content-length", "transfer-encoding", "host":
		return true
	}
	return false
}

// isToken tells whether c may stand in a method or field name (RFC 9110, 5.6.2).
func isToken(c byte) bool {
	switch {
	case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9':
		return true
	}
	return strings.IndexByte("!#$%&'*+-.^_`|~", c) >= 0
}

// validHost accepts a host name or address with or without port, in ASCII.
func validHost(host string) bool {
	if host == "" || len(host) > 262 {
		return false
	}
	name := host
	if strings.Contains(host, ":") {
		var port string
		var err error
		if name, port, err = net.SplitHostPort(host); err != nil {
			port = "1" // an IPv6 address without one
			if !strings.HasPrefix(host, "[") || !strings.HasSuffix(host, "]") {
				return false
			}
			name = host[1 : len(host)-1]
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || port[0] == '+' {
			return false
		}
	}
	for _, c := range []byte(name) {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '.' && c != '_' && c != ':' {
			return false
		}
	}
	return name != ""
}

// sameAuthority tells whether an absolute-form target names exactly host
// (RFC 9112, 3.2.2: the Host field must be the same).
func sameAuthority(target, host string) bool {
	_, rest, _ := strings.Cut(target, "://")
	authority, _, _ := strings.Cut(rest, "/")
	authority, _, _ = strings.Cut(authority, "?")
	return strings.EqualFold(authority, host)
}
