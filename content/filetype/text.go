package filetype

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// sniffed is how much of a text is looked at for what it is.
const sniffed = 8 << 10

// text tells what kind of text f is, or a Result without a type for bytes that
// are no text.
func (f *file) text() Result {
	charset, text, ok := decode(f.head, int64(len(f.head)) == f.size)
	if !ok {
		return Result{}
	}
	r := Result{Type: f.kindOfText(text), Charset: charset}
	if r.Type == "wordml" || r.Type == "excelml" {
		r.Macros = bytes.Contains(f.head, []byte("macrosPresent=\"yes\"")) || bytes.Contains(f.head, []byte("<w:docSuppData>"))
	}
	return r
}

// beginnings are first words that name a type, after white space, in lower case.
var beginnings = []struct {
	word string
	t    Type
}{
	{"iso-10303-21;", "p21"},
	{"id;p", "slk"},
	{"begin:vcalendar", "ics"},
	{"begin:vcard", "vcf"},
	{"-----begin ", "pem"},
	{"windows registry editor version", "reg"},
	{"regedit4", "reg"},
	{"[internetshortcut]", "url"},
	{"[{000214a0-0000-0000-c000-000000000046}]", "url"},
	{"web\r\n1\r\n", "iqy"},
	{"web\n1\n", "iqy"},
	{"<?php", "php"},
	{"#!", "sh"},
	{"@echo ", "bat"},
	{"#@~^", "vbs"}, // encoded script, .vbe or .jse
}

// kindOfText looks at the first words of text.
func (f *file) kindOfText(text string) Type {
	start := strings.TrimLeft(text, " \t\r\n\f\ufeff")
	low := strings.ToLower(start[:min(len(start), sniffed)])
	for _, b := range beginnings {
		if strings.HasPrefix(low, b.word) {
			return b.t
		}
	}
	switch {
	case dxf(low):
		return "dxf"
	case strings.HasPrefix(low, "<"):
		if t := markup(low); t != "" {
			return t
		}
	case strings.HasPrefix(low, "from ") && mail(low[strings.IndexByte(low, '\n')+1:]) > 1:
		return "mbox"
	case mail(low) > 1:
		return EML
	case (low[:min(1, len(low))] == "{" || low[:min(1, len(low))] == "[") && looksJSON(start, f.size > int64(len(f.head))):
		return JSON
	}
	if t := script(low); t != "" {
		return t
	}
	// Browsers find HTML behind leading text.
	if htmlTag.MatchString(low[:min(len(low), 1024)]) {
		return HTML
	}
	if table(start) {
		return CSV
	}
	return Plain
}

var (
	htmlTag    = regexp.MustCompile(`<(!doctype html|html|head|body|script|iframe|title|table|style|meta|div|h1|img|svg|form)[\s>/]`)
	htmlStart  = regexp.MustCompile(`^<(html|head|body|script|iframe|title|table|style|meta|link|div|span|h[1-6]|img|form|center|font|p|a|br|b|ul|base|basefont|marquee|object|embed)[\s>/]`)
	comment    = regexp.MustCompile(`(?s)^(<!--.*?-->\s*|<\?xml[^>]*>\s*)*`)
	header     = regexp.MustCompile(`^(from|to|cc|subject|date|received|message-id|mime-version|return-path|reply-to|content-type|delivered-to|x-[a-z-]+|dkim-signature|authentication-results|sender|user-agent):`)
	hta        = regexp.MustCompile(`<hta:application[\s>/]`)
	batchWords = regexp.MustCompile(`(?m)^\s*(@?echo off|setlocal|rem |@rem |set "?[a-z_]+=|if (not )?exist |goto [a-z:]|start /|call [a-z:])`)
	psWords    = regexp.MustCompile(`(?m)(\$[a-z_][a-z0-9_]*\s*=|\bwrite-(host|output)\b|\bnew-object\b|\binvoke-(expression|webrequest|command)\b|\bparam\s*\(|\bget-[a-z]+\b|\[system\.|-encodedcommand\b|\biex\b)`)
	vbsWords   = regexp.MustCompile(`(?mi)(^\s*dim\s+[a-z]|\bcreateobject\s*\(|\bwscript\.|^\s*set\s+[a-z_]\w*\s*=|^\s*(end )?(sub|function)\b|^\s*on error resume next|\bmsgbox\b)`)
	jsWords    = regexp.MustCompile(`(?m)(\bfunction\s*\w*\s*\(|\b(var|let|const)\s+\w+\s*=|\bnew activexobject\b|\beval\s*\(|=>\s*\{|\bdocument\.|\bwscript\.|\bmodule\.exports\b|^['"]use strict['"])`)
)

// markup tells HTML, its executable relatives and kinds of XML apart.
func markup(low string) Type {
	rest := low[len(comment.FindString(low)):]
	switch {
	case hta.MatchString(low):
		return "hta"
	case strings.HasPrefix(rest, "<!doctype html"), strings.HasPrefix(rest, "<html"), !strings.HasPrefix(low, "<?xml") && htmlStart.MatchString(rest):
		return HTML
	case strings.HasPrefix(rest, "<svg"), strings.HasPrefix(rest, "<!doctype svg"):
		return "svg"
	case strings.HasPrefix(rest, "<job"), strings.HasPrefix(rest, "<package"), strings.HasPrefix(rest, "<scriptlet"), strings.HasPrefix(rest, "<component"):
		if strings.Contains(low, "<script") {
			return "wsf"
		}
	case strings.Contains(low, `progid="word.document"`), strings.Contains(low, "<w:worddocument"), strings.Contains(low, "<pkg:package"):
		return "wordml"
	case strings.Contains(low, `progid="excel.sheet"`), strings.Contains(low, "urn:schemas-microsoft-com:office:spreadsheet"):
		return "excelml"
	case strings.HasPrefix(rest, "<office:document"):
		return "fodt"
	}
	if strings.HasPrefix(low, "<?xml") || xmlRoot.MatchString(rest) {
		return XML
	}
	return ""
}

var xmlRoot = regexp.MustCompile(`^<([a-z_][\w.-]*:)?[a-z_][\w.-]*(\s+[\w:.-]+\s*=\s*["'][^<]*)?/?>`)

// dxf finds the first group of a drawing: code 0 and SECTION, after comments of
// code 999.
func dxf(low string) bool {
	lines := strings.SplitN(strings.ReplaceAll(low, "\r", ""), "\n", 64)
	for i := 0; i+1 < len(lines); i += 2 {
		switch strings.TrimSpace(lines[i]) {
		case "999":
		case "0":
			return strings.TrimSpace(lines[i+1]) == "section"
		default:
			return false
		}
	}
	return false
}

// mail counts the header lines that a mail has, up to the first line that is none.
func mail(low string) int {
	found := 0
	for line := range strings.Lines(low) {
		switch {
		case line[0] == ' ' || line[0] == '\t':
		case header.MatchString(line):
			found++
		case !headerLine.MatchString(line):
			return found
		}
	}
	return found
}

var headerLine = regexp.MustCompile(`^[!-9;-~]+:`)

// looksJSON reads as many tokens as there are; a file that goes on behind the
// head may end within one.
func looksJSON(text string, cut bool) bool {
	if !cut {
		return json.Valid([]byte(text))
	}
	tokens := json.NewDecoder(strings.NewReader(text))
	for n := 0; ; n++ {
		if _, err := tokens.Token(); err != nil {
			return n > 3 && tokens.InputOffset() > int64(len(text))/2
		}
	}
}

// script guesses a script without a first line that names it. Two different
// words of the language must be there.
func script(low string) Type {
	distinct := func(words *regexp.Regexp) int {
		seen := make(map[string]bool)
		for _, word := range words.FindAllString(low, 32) {
			seen[strings.TrimSpace(word)] = true
		}
		return len(seen)
	}
	best, most := Type(""), 1
	for _, s := range []struct {
		t     Type
		words *regexp.Regexp
	}{{"vbs", vbsWords}, {"ps1", psWords}, {"js", jsWords}, {"bat", batchWords}} {
		if n := distinct(s.words); n > most {
			best, most = s.t, n
		}
	}
	return best
}

// table tells whether the first lines have the same number of separators, at
// least one.
func table(text string) bool {
	for _, separator := range []string{",", "\t", ";"} {
		count, lines := 0, 0
		for line := range strings.Lines(text[:min(len(text), sniffed)]) {
			if !strings.HasSuffix(line, "\n") && lines > 0 {
				break // cut by the bound
			}
			n := strings.Count(line, separator)
			if n == 0 || lines > 0 && n != count {
				lines = 0
				break
			}
			count = n
			if lines++; lines == 20 {
				break
			}
		}
		if lines > 1 {
			return true
		}
	}
	return false
}

// decode tells the encoding of b and returns enough of it to read ASCII words:
// UTF-16 becomes UTF-8, everything else stays. whole says that b is all there is.
func decode(b []byte, whole bool) (charset, text string, ok bool) {
	switch {
	case bytes.HasPrefix(b, []byte("\xef\xbb\xbf")):
		return "utf-8", string(b[3:]), utf8.Valid(trimRune(b, whole))
	case bytes.HasPrefix(b, []byte("\xff\xfe\x00\x00")), bytes.HasPrefix(b, []byte("\x00\x00\xfe\xff")):
		return "", "", false // UTF-32, which nobody sends
	case bytes.HasPrefix(b, []byte("\xff\xfe")):
		return "utf-16le", wide(b[2:], binary.LittleEndian), true
	case bytes.HasPrefix(b, []byte("\xfe\xff")):
		return "utf-16be", wide(b[2:], binary.BigEndian), true
	}
	if order, name := wideWithoutMark(b); order != nil {
		return name, wide(b, order), true
	}
	for _, c := range b {
		if c < ' ' && c != '\t' && c != '\n' && c != '\r' && c != '\f' && c != 0x1b && c != 0x1a || c == 0x7f {
			return "", "", false
		}
	}
	switch {
	case bytes.Contains(b, []byte("\x1b$B")), bytes.Contains(b, []byte("\x1b$@")), bytes.Contains(b, []byte("\x1b(J")):
		return "iso-2022-jp", string(b), true
	case bytes.IndexByte(b, 0x1b) >= 0:
		return "", "", false
	case ascii(b):
		return "us-ascii", string(b), true
	case utf8.Valid(trimRune(b, whole)):
		return "utf-8", string(b), true
	}
	return legacy(b, whole)
}

func ascii(b []byte) bool {
	for _, c := range b {
		if c >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// trimRune drops a character that the bound cut in two.
func trimRune(b []byte, whole bool) []byte {
	if whole {
		return b
	}
	for i := 1; i <= utf8.UTFMax && i <= len(b); i++ {
		if c := b[len(b)-i]; utf8.RuneStart(c) {
			if !utf8.FullRune(b[len(b)-i:]) {
				return b[:len(b)-i]
			}
			break
		}
	}
	return b
}

func wide(b []byte, order binary.ByteOrder) string {
	b = b[:min(len(b), 2*sniffed)&^1]
	units := make([]uint16, 0, len(b)/2)
	for ; len(b) >= 2; b = b[2:] {
		units = append(units, order.Uint16(b))
	}
	return string(utf16.Decode(units))
}

// wideWithoutMark finds UTF-16 by its zero bytes: most characters of a script
// or of markup are ASCII.
func wideWithoutMark(b []byte) (binary.ByteOrder, string) {
	b = b[:min(len(b), 512)&^1]
	if len(b) < 8 {
		return nil, ""
	}
	var zero [2]int
	for i, c := range b {
		if c == 0 {
			zero[i&1]++
		}
	}
	half := len(b) / 2
	printable := func(odd int) bool {
		for i := odd; i < len(b); i += 2 {
			if c := b[i]; b[i^1] == 0 && (c < ' ' && c != '\t' && c != '\n' && c != '\r' || c > '~') {
				return false
			}
		}
		return true
	}
	switch {
	case zero[1] > half*3/4 && zero[0] == 0 && printable(0):
		return binary.LittleEndian, "utf-16le"
	case zero[0] > half*3/4 && zero[1] == 0 && printable(1):
		return binary.BigEndian, "utf-16be"
	}
	return nil, ""
}

// legacy tells Shift_JIS from EUC-JP by which of them reads b without an error.
// Text of other countries in one byte a character reads as neither and is
// unknown-8bit; half-width kana alone would make anything Shift_JIS.
func legacy(b []byte, whole bool) (charset, text string, ok bool) {
	sjisPairs, sjisOK := sjis(b, whole)
	eucPairs, eucOK := eucjp(b, whole)
	switch {
	case eucOK && (!sjisOK || eucPairs >= sjisPairs):
		return "euc-jp", string(b), true
	case sjisOK && sjisPairs > 0:
		return "shift_jis", string(b), true
	}
	high := 0
	for _, c := range b {
		if c >= utf8.RuneSelf {
			high++
		}
	}
	if high*3 > len(b) {
		return "", "", false
	}
	return "unknown-8bit", string(b), true
}

func sjis(b []byte, whole bool) (pairs int, ok bool) {
	for i := 0; i < len(b); i++ {
		c := b[i]
		switch {
		case c < 0x80, c >= 0xa1 && c <= 0xdf:
		case c >= 0x81 && c <= 0x9f, c >= 0xe0 && c <= 0xfc:
			if i++; i == len(b) {
				return pairs, !whole
			}
			if t := b[i]; t < 0x40 || t == 0x7f || t > 0xfc {
				return pairs, false
			}
			pairs++
		default:
			return pairs, false
		}
	}
	return pairs, true
}

func eucjp(b []byte, whole bool) (pairs int, ok bool) {
	for i := 0; i < len(b); i++ {
		var more int
		switch c := b[i]; {
		case c < 0x80:
			continue
		case c == 0x8e, c >= 0xa1 && c <= 0xfe:
			more = 1
		case c == 0x8f:
			more = 2
		default:
			return pairs, false
		}
		for range more {
			if i++; i == len(b) {
				return pairs, !whole
			}
			if b[i] < 0xa1 || b[i] == 0xff {
				return pairs, false
			}
		}
		pairs++
	}
	return pairs, true
}
