// Package redact takes secrets out of what is written down about web traffic.
//
// Logs are read by many and kept for years, while a password in a query or a
// session in a cookie works for whoever reads it. What is a secret is judged by
// the name of the field that carries it, so a secret under a name of its own is
// not found. Names are compared without case, separators and percent-encoding,
// and of a nested field, such as user[password] or json.user.password, the last
// part counts.
package redact

import (
	"regexp"
	"strings"
)

// Mask stands where a secret stood.
const Mask = "***"

// exact are names that are secrets only when they stand alone: "pin" is one and
// "shipping" is not. Separators are left out.
var exact = map[string]bool{
	"pass": true, "pw": true, "pwd": true, "pin": true, "pincode": true, "passcode": true, "passphrase": true,
	"auth": true, "authorization": true, "credential": true, "credentials": true, "otp": true, "totp": true, "onetimecode": true,
	"sid": true, "sessid": true, "phpsessid": true, "jsessionid": true, "aspsessionid": true, "session": true, "sessionid": true, "sessionkey": true,
	"samlresponse": true, "assertion": true, "clientassertion": true, "codeverifier": true,
	"accesskey": true, "privatekey": true, "secretkey": true, "signature": true, "sig": true, "ticket": true, "jwt": true,
	"mynumber": true, "kojinbango": true, // 個人番号
	"暗証番号": true, "個人番号": true, "マイナンバー": true,
}

// endings make a secret of every name that ends so: new_password, csrf-token.
var endings = []string{"password", "passwd", "passwordhash", "secret", "token", "apikey", "パスワード"}

// maxName bounds the names that are looked at, in bytes as they arrived.
const maxName = 256

// Parameter tells whether a field of a form or document, or a parameter of a
// query, commonly carries a secret.
func Parameter(name string) bool {
	if len(name) < 2 || len(name) > maxName {
		return false
	}
	name = strings.TrimRight(unescape(name), "[]0123456789")
	if i := strings.LastIndexAny(name, ".[:"); i >= 0 {
		name = name[i+1:]
	}
	name = strings.ToLower(strings.Map(func(r rune) rune {
		if r == '_' || r == '-' || r == ' ' || r == ']' || r == '$' {
			return -1
		}
		return r
	}, name))
	if exact[name] {
		return true
	}
	for _, end := range endings {
		if strings.HasSuffix(name, end) {
			return true
		}
	}
	return false
}

// Header tells whether a field of a request's or an answer's head commonly
// carries a secret.
func Header(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "proxy-authorization", "cookie", "set-cookie":
		return true
	}
	return Parameter(name)
}

// Query returns a raw query, as it stands behind the question mark, without the
// values of secret parameters. Everything else stays byte for byte.
func Query(raw string) string {
	var out strings.Builder
	rest, changed := raw, false
	for done := 0; rest != ""; {
		pair := rest
		if end := strings.IndexAny(rest, "&;"); end >= 0 {
			pair = rest[:end]
		}
		if name, value, ok := strings.Cut(pair, "="); ok && value != "" && Parameter(name) {
			out.WriteString(raw[done : len(raw)-len(rest)+len(name)+1])
			out.WriteString(Mask)
			done, changed = len(raw)-len(rest)+len(pair), true
		}
		rest = rest[min(len(pair)+1, len(rest)):]
		if rest == "" && changed {
			out.WriteString(raw[done:])
		}
	}
	if !changed {
		return raw
	}
	return out.String()
}

var (
	// inText are name=value, as queries and forms have it anywhere in a text.
	inText = regexp.MustCompile(`([^\s&;?=,"'<>/]+)=([^&;\s"'<>]+)`)
	// inDocument are "name": "value" and "name": value of JSON; the end may be cut off.
	inDocument = regexp.MustCompile(`"((?:[^"\\]|\\.)+)"(\s*:\s*)("(?:[^"\\]|\\.)*"?|[^\s",}\]\[{]+)`)
	// inHead are lines of a head.
	inHead = regexp.MustCompile(`(?im)^((?:proxy-)?authorization|(?:set-)?cookie):[^\r\n]+`)
)

// Text returns a text that may hold a query, a form, a JSON document or a
// request's head somewhere, without the secrets that are found in them.
func Text(s string) string {
	if strings.ContainsRune(s, '=') {
		s = replace(inText, s, func(m []string) string { return m[1] + "=" + Mask })
	}
	if strings.ContainsRune(s, ':') {
		s = replace(inDocument, s, func(m []string) string { return `"` + m[1] + `"` + m[2] + `"` + Mask + `"` })
		s = inHead.ReplaceAllString(s, "$1: "+Mask)
	}
	return s
}

// replace rewrites the matches whose first group names a secret.
func replace(form *regexp.Regexp, s string, with func(groups []string) string) string {
	return form.ReplaceAllStringFunc(s, func(match string) string {
		groups := form.FindStringSubmatch(match)
		if groups == nil || !Parameter(groups[1]) {
			return match
		}
		return with(groups)
	})
}

// unescape decodes %XX and +, and keeps what is no escape.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && hex(s[i+1]) >= 0 && hex(s[i+2]) >= 0:
			out = append(out, byte(hex(s[i+1])<<4|hex(s[i+2]))) //nolint:gosec // two digits
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

// hex is the value of a hex digit, or -1.
func hex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}
