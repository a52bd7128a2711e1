package waf

import (
	"bytes"
	"mime"
	"net/url"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/japanese"
)

// charset is an encoding that old Japanese sites still send forms in. Rules see
// UTF-8, whatever was sent: the second byte of a Shift_JIS character may be a
// backslash or a bar, which looks like an attack, and attacks look like nothing.
type charset struct {
	names    []string // as Content-Type has them, lower case
	encoding encoding.Encoding
	// bits7 marks ISO-2022-JP, whose every byte is ASCII: what is text to it may be
	// an attack to a server that reads UTF-8, so it is decoded only where the
	// policy says that the site uses it.
	bits7 bool
}

func charsetNamed(name string) (charset, bool) {
	switch strings.ToLower(name) {
	case "shift_jis":
		return charset{[]string{"shift_jis", "shift-jis", "sjis", "x-sjis", "windows-31j", "cp932", "ms932"}, japanese.ShiftJIS, false}, true
	case "euc-jp":
		return charset{[]string{"euc-jp", "x-euc-jp", "eucjp"}, japanese.EUCJP, false}, true
	case "iso-2022-jp":
		return charset{[]string{"iso-2022-jp"}, japanese.ISO2022JP, true}, true
	}
	return charset{}, false
}

// maxFormFields bounds the fields that are looked at for their encoding; Coraza
// sees at most its own limit of them anyway.
const maxFormFields = 2000

// prepared is a request's body as the rules see it.
type prepared struct {
	body    []byte
	charset string // that it was decoded from, or empty
	// cut is set when the body was longer than what is inspected, and its form
	// has no parts by which the rest could be left out.
	cut bool
}

// prepare turns the first bytes of a body into what the rules see: decoded to
// UTF-8, cut at a field's end, and without the contents of files.
func prepare(contentType string, body []byte, whole bool, charsets []charset) prepared {
	mediaType, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		mediaType, _, _ = strings.Cut(strings.ToLower(contentType), ";")
		mediaType = strings.TrimSpace(mediaType)
	}
	declared := strings.ToLower(params["charset"])
	switch mediaType {
	case "application/x-www-form-urlencoded":
		text, name := decodeForm(string(body), declared, charsets)
		return prepared{[]byte(text), name, !whole}
	case "multipart/form-data":
		if boundary := params["boundary"]; boundary != "" && len(boundary) <= 70 {
			if slim, name, ok := slimMultipart(body, boundary, declared, charsets); ok {
				return prepared{slim, name, false}
			}
		}
		return prepared{body, "", !whole}
	default:
		if !utf8.Valid(body) {
			if c, ok := choose([]string{string(body)}, declared, charsets); ok {
				if text, ok := decode(c, string(body)); ok {
					return prepared{[]byte(text), c.names[0], !whole}
				}
			}
		}
		return prepared{body, "", !whole}
	}
}

// decodeForm returns a query or urlencoded form in UTF-8, and from which
// encoding. A form that is UTF-8, or nothing that we know, stays as it is.
func decodeForm(form, declared string, charsets []charset) (string, string) {
	if len(charsets) == 0 || form == "" || !mayBeEncoded(form, charsets) {
		return form, ""
	}
	pairs := strings.SplitN(form, "&", maxFormFields+1)
	texts := make([]string, 0, 2*len(pairs))
	for _, p := range pairs {
		name, value, _ := strings.Cut(p, "=")
		texts = append(texts, unescape(name), unescape(value))
	}
	c, ok := choose(texts, declared, charsets)
	if !ok {
		return form, ""
	}
	var out strings.Builder
	for i, p := range pairs {
		if i > 0 {
			out.WriteByte('&')
		}
		for j, text := range texts[2*i : 2*i+2] {
			if decoded, ok := decode(c, text); ok {
				text = decoded
			}
			if j == 1 {
				if !strings.Contains(p, "=") {
					break
				}
				out.WriteByte('=')
			}
			out.WriteString(url.QueryEscape(text))
		}
	}
	return out.String(), c.names[0]
}

// mayBeEncoded tells cheaply whether a form can hold anything but ASCII, or the
// escapes of ISO-2022-JP.
func mayBeEncoded(form string, charsets []charset) bool {
	escapes := false
	for _, c := range charsets {
		escapes = escapes || c.bits7
	}
	for i := range len(form) {
		switch c := form[i]; {
		case c >= utf8.RuneSelf:
			return true
		case c == '%' && i+1 < len(form) && (form[i+1] >= '8' || escapes && form[i+1] == '1'):
			return true
		case escapes && c == 0x1b:
			return true
		}
	}
	return false
}

// unescape is url.QueryUnescape that keeps what is no escape, as servers do.
func unescape(s string) string {
	if !strings.ContainsAny(s, "%+") {
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '+':
			out = append(out, ' ')
		case s[i] == '%' && i+2 < len(s) && isHex(s[i+1]) && isHex(s[i+2]):
			out = append(out, unhex(s[i+1])<<4|unhex(s[i+2]))
			i += 2
		default:
			out = append(out, s[i])
		}
	}
	return string(out)
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

func unhex(c byte) byte {
	switch {
	case c >= 'a':
		return c - 'a' + 10
	case c >= 'A':
		return c - 'A' + 10
	}
	return c - '0'
}

// choose finds the encoding in which every text is complete: the declared one
// first, otherwise the one whose result looks most like Japanese. UTF-8 wins.
func choose(texts []string, declared string, charsets []charset) (charset, bool) {
	valid, escapes := true, false
	for _, t := range texts {
		valid = valid && utf8.ValidString(t)
		escapes = escapes || strings.Contains(t, "\x1b$")
	}
	best, found, most := charset{}, false, -1
	for _, c := range charsets {
		// Valid UTF-8 is UTF-8, except that ISO-2022-JP is always valid.
		if valid != c.bits7 || c.bits7 && !escapes {
			continue
		}
		japanese, ok := 0, true
		for _, t := range texts {
			decoded, complete := decode(c, t)
			if ok = complete; !ok {
				break
			}
			japanese += likelihood(decoded)
		}
		if !ok {
			continue
		}
		for _, name := range c.names {
			if name == declared {
				return c, true
			}
		}
		if japanese > most {
			best, found, most = c, true, japanese
		}
	}
	return best, found
}

// decode returns text in UTF-8; false when it is not complete in this encoding.
func decode(c charset, text string) (string, bool) {
	decoded, err := c.encoding.NewDecoder().String(text)
	if err != nil || strings.ContainsRune(decoded, utf8.RuneError) {
		return "", false
	}
	return decoded, true
}

// likelihood counts what Japanese text is made of. Half-width katakana are what
// EUC-JP looks like when it is read as Shift_JIS.
func likelihood(text string) int {
	n := 0
	for _, r := range text {
		switch {
		case r >= 0x3040 && r <= 0x30ff: // kana
			n += 3
		case r >= 0x4e00 && r <= 0x9fff:
			n += 2
		case r >= 0xff61 && r <= 0xff9f:
			n -= 2
		}
	}
	return max(n, 0)
}

// isFile tells whether a part's head says, in exactly one way, that it is a file.
// In doubt it is a field, which is judged: a field may well be named "filename".
func isFile(head string) bool {
	file, dispositions := false, 0
	for line := range strings.SplitSeq(head, "\r\n") {
		name, value, _ := strings.Cut(line, ":")
		if !strings.EqualFold(strings.TrimSpace(name), "Content-Disposition") {
			continue
		}
		dispositions++
		kind, params, err := mime.ParseMediaType(value)
		file = err == nil && kind == "form-data" && params["filename"] != ""
	}
	return file && dispositions == 1
}

// slimMultipart rewrites a multipart form (RFC 7578) without the contents of
// files and with fields in UTF-8. A body that was cut ends with its last part.
// It returns false for what it does not understand, which rules then see as it is.
func slimMultipart(body []byte, boundary, declared string, charsets []charset) ([]byte, string, bool) {
	delimiter := []byte("\r\n--" + boundary)
	padded := append([]byte("\r\n"), body...)
	parts := bytes.Split(padded, delimiter)
	if len(parts) < 2 || len(parts[0]) > 2 { // a preamble hides things
		return nil, "", false
	}
	type part struct {
		head, content string
		file          bool
	}
	var list []part
	var texts []string
	for _, raw := range parts[1:] {
		if bytes.HasPrefix(raw, []byte("--")) {
			if len(bytes.TrimSpace(raw[2:])) > 0 {
				return nil, "", false // an epilogue
			}
			break
		}
		raw = bytes.TrimLeft(raw, " \t") // transport padding
		head, content, ok := bytes.Cut(raw, []byte("\r\n\r\n"))
		if !ok || !bytes.HasPrefix(head, []byte("\r\n")) {
			if bytes.HasPrefix(raw, []byte("\r\n\r\n")) { // a part without fields
				return nil, "", false
			}
			head, content = raw, nil // cut within its head
		}
		p := part{head: string(head), file: isFile(string(head))}
		texts = append(texts, p.head)
		if !p.file {
			p.content = string(content)
			texts = append(texts, p.content)
		}
		list = append(list, p)
		if len(list) > maxFormFields {
			return nil, "", false
		}
	}
	c, found := choose(texts, declared, charsets)
	var out bytes.Buffer
	for i, p := range list {
		if found {
			if text, ok := decode(c, p.head); ok {
				p.head = text
			}
			if text, ok := decode(c, p.content); ok {
				p.content = text
			}
		}
		if i > 0 {
			out.WriteString("\r\n")
		}
		out.WriteString("--" + boundary + p.head + "\r\n\r\n" + p.content)
	}
	out.WriteString("\r\n--" + boundary + "--\r\n")
	if found {
		return out.Bytes(), c.names[0], true
	}
	return out.Bytes(), "", true
}
