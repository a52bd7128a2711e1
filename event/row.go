package event

import (
	"encoding/json"
	"log/slog"
	"strconv"
	"time"
	"unicode/utf8"
)

// maxValue bounds one field's value: a longer one is cut, and the cut is marked.
const maxValue = 32 << 10

// cutMark ends a value that was cut.
const cutMark = "…[cut]"

// AppendRow appends e as one line of JSON with a final newline: the row that the
// bus carries and the log store keeps. Its fixed fields are _time, event.id,
// tenant, service and event.action; _msg is the field "message", or the name.
// A later field with a fixed name is dropped, so that no caller can change the
// tenant of a row. Invalid UTF-8 becomes U+FFFD.
func (e *Event) AppendRow(b []byte) []byte {
	b = append(b, `{"_time":"`...)
	b = e.Time.UTC().AppendFormat(b, "2006-01-02T15:04:05.000000000Z")
	b = append(b, `","event.id":"`...)
	b = e.ID.append(b)
	b = append(b, `","tenant":`...)
	b = appendString(b, string(e.Tenant))
	b = append(b, `,"service":`...)
	b = appendString(b, e.Service)
	b = append(b, `,"event.action":`...)
	b = appendString(b, e.Name)
	message := e.Name
	for _, a := range e.Fields {
		if a.Key == "message" {
			message = a.Value.String()
			continue
		}
		b = appendAttr(b, "", a)
	}
	b = append(b, `,"_msg":`...)
	b = appendString(b, message)
	return append(b, '}', '\n')
}

func fixed(key string) bool {
	switch key {
	case "_time", "_msg", "_stream", "_stream_id", "event.id", "tenant", "service", "event.action", "message", "":
		return true
	}
	return false
}

func appendAttr(b []byte, prefix string, a slog.Attr) []byte {
	value := a.Value.Resolve()
	if value.Kind() == slog.KindGroup {
		if a.Key != "" {
			prefix += a.Key + "."
		}
		for _, inner := range value.Group() {
			b = appendAttr(b, prefix, inner)
		}
		return b
	}
	if key := prefix + a.Key; !fixed(key) {
		b = append(b, ',')
		b = appendString(b, key)
		b = append(b, ':')
		b = appendValue(b, value)
	}
	return b
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		if text, err := json.Marshal(v.Float64()); err == nil {
			return append(b, text...)
		}
		return append(b, "null"...) // NaN and infinities have no JSON
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindDuration:
		return strconv.AppendInt(b, int64(v.Duration()), 10)
	case slog.KindTime:
		return appendString(b, v.Time().UTC().Format(time.RFC3339Nano))
	default:
		return appendString(b, v.String())
	}
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string, cut at maxValue.
func appendString(b []byte, s string) []byte {
	cut := len(s) > maxValue
	if cut {
		s = s[:maxValue]
		for i := 0; i < utf8.UTFMax && len(s) > 0; i++ { // not within a character
			if r, size := utf8.DecodeLastRuneInString(s); r != utf8.RuneError || size != 1 {
				break
			}
			s = s[:len(s)-1]
		}
	}
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			b = append(b, s[start:i]...)
			if c == '"' || c == '\\' {
				b = append(b, '\\', c)
			} else {
				b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			b = append(append(b, s[start:i]...), "\uFFFD"...)
			i++
			start = i
			continue
		}
		i += size
	}
	b = append(b, s[start:]...)
	if cut {
		b = append(b, cutMark...)
	}
	return append(b, '"')
}
