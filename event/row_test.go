package event_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/sekikura/sekikura/event"
)

func sample(fields ...slog.Attr) *event.Event {
	return &event.Event{ID: event.NewID(noon), Time: noon, Tenant: "994413", Service: "waf", Name: "request_blocked", Fields: fields}
}

// fixed are the fields that no caller sets.
const fixed = " _time _msg _stream _stream_id event.id tenant service event.action message "

// row decodes what AppendRow wrote, which must be one line of valid JSON in
// which no fixed field stands twice.
func row(t *testing.T, e *event.Event) map[string]any {
	t.Helper()
	line := e.AppendRow(nil)
	if !json.Valid(line) || !utf8.Valid(line) || line[len(line)-1] != '\n' || bytes.IndexByte(line, '\n') != len(line)-1 {
		t.Fatalf("not one line of JSON: %.300q", line)
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.UseNumber()
	out := make(map[string]any)
	if _, err := d.Token(); err != nil {
		t.Fatal(err)
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if _, twice := out[name.(string)]; twice && strings.Contains(fixed, " "+name.(string)+" ") {
			t.Errorf("fixed field %q stands twice in %.300s", name, line)
		}
		value, err := d.Token()
		if err != nil {
			t.Fatal(err)
		}
		if _, nested := value.(json.Delim); nested {
			t.Errorf("field %q is nested", name)
		}
		out[name.(string)] = value
	}
	return out
}

// valuer is resolved only when the row is written.
type valuer struct{}

func (valuer) LogValue() slog.Value { return slog.StringValue("resolved") }

func TestARowHasTheFixedFieldsAndTheEventsOwn(t *testing.T) {
	e := sample(
		slog.String("client.ip", "192.0.2.1"), slog.Int("n", -5), slog.Uint64("u", math.MaxUint64), slog.Float64("f", 1.25), slog.Float64("nan", math.NaN()), slog.Float64("inf", math.Inf(1)),
		slog.Bool("b", true), slog.Duration("d", 1500*time.Microsecond), slog.Time("event.created", noon.In(time.FixedZone("JST", 9*3600))),
		slog.Group("http", slog.Group("request", slog.String("method", "GET")), slog.Int("status", 403)), slog.Group("", slog.String("inline", "x")), slog.Group("empty"),
		slog.Any("v", valuer{}), slog.Any("list", []int{1, 2}), slog.Any("nil", nil), slog.String("message", "SQL インジェクション"),
	)
	want := map[string]any{
		"_time": "2026-11-22T03:00:00.987654321Z", "event.id": e.ID.String(), "tenant": "994413", "service": "waf", "event.action": "request_blocked", "_msg": "SQL インジェクション",
		"client.ip": "192.0.2.1", "n": json.Number("-5"), "u": json.Number("18446744073709551615"), "f": json.Number("1.25"), "nan": nil, "inf": nil,
		"b": true, "d": json.Number("1500000"), "event.created": "2026-11-22T03:00:00.987654321Z",
		"http.request.method": "GET", "http.status": json.Number("403"), "inline": "x", "v": "resolved", "list": "[1 2]", "nil": "<nil>",
	}
	got := row(t, e)
	for name, value := range want {
		if have, ok := got[name]; !ok || have != value {
			t.Errorf("field %s is %v, want %v", name, have, value)
		}
	}
	if len(got) != len(want) {
		t.Errorf("the row is %v, want the fields %v", got, want)
	}
	if got := row(t, sample())["_msg"]; got != "request_blocked" {
		t.Errorf("without a message _msg is %v, want the name", got)
	}
}

func TestNoFieldOverridesAFixedOne(t *testing.T) {
	var fields []slog.Attr
	for _, name := range []string{"_time", "_msg", "_stream", "_stream_id", "event.id", "tenant", "service", "event.action", ""} {
		fields = append(fields, slog.String(name, "forged"))
		fields = append(fields, slog.Group("", slog.String(name, "forged")))
		if prefix, rest, ok := strings.Cut(name, "."); ok {
			fields = append(fields, slog.Group(prefix, slog.String(rest, "forged")))
		}
	}
	fields = append(fields, slog.String("x", "1"), slog.String("x", "2"), slog.Group("message", slog.String("a", "b")), slog.Group("", slog.String("message", "grouped")))
	got := row(t, sample(fields...))
	for name, value := range got {
		if value == "forged" {
			t.Errorf("field %s was forged", name)
		}
	}
	if got["tenant"] != "994413" || got["service"] != "waf" {
		t.Errorf("the row is %v", got)
	}
}

func TestALongValueIsCutBetweenCharacters(t *testing.T) {
	const most = 32 << 10
	for shift := range 5 {
		long := strings.Repeat("x", shift) + strings.Repeat("若", most)
		got, ok := row(t, sample(slog.String("s", long)))["s"].(string)
		if !ok || !strings.HasSuffix(got, "…[cut]") || !utf8.ValidString(got) || strings.ContainsRune(got, utf8.RuneError) {
			t.Fatalf("a long value ends with %q", got[max(0, len(got)-20):])
		}
		kept := strings.TrimSuffix(got, "…[cut]")
		if !strings.HasPrefix(long, kept) || len(kept) > most || len(kept) < most-utf8.UTFMax {
			t.Errorf("of a long value %d bytes are kept, want %d", len(kept), most)
		}
	}
	exact := strings.Repeat("x", most)
	if got := row(t, sample(slog.String("s", exact)))["s"]; got != exact {
		t.Error("a value of exactly the limit was changed")
	}
	junk := strings.Repeat("\xff", most+9)
	if got, ok := row(t, sample(slog.String("s", junk)))["s"].(string); !ok || !utf8.ValidString(got) || !strings.HasSuffix(got, "…[cut]") || len(got) > 4*most {
		t.Errorf("a long value of invalid bytes became %d bytes", len(got))
	}
	if got := row(t, sample(slog.Any("v", bytes.Repeat([]byte{1}, most))))["v"].(string); len(got) > most+20 {
		t.Errorf("a long value of another kind became %d bytes", len(got))
	}
}

func TestAFieldsNameIsBoundedToo(t *testing.T) {
	e := sample(slog.String(strings.Repeat("k", 1<<20), "v"))
	if line := e.AppendRow(nil); len(line) > 64<<10 {
		t.Errorf("a long name made a row of %d bytes", len(line))
	}
}

func TestAppendRowKeepsWhatIsThere(t *testing.T) {
	first, second := sample(), sample(slog.String("a", "b"))
	both := second.AppendRow(first.AppendRow([]byte("before\n")))
	if want := "before\n" + string(first.AppendRow(nil)) + string(second.AppendRow(nil)); string(both) != want {
		t.Errorf("got %s, want %s", both, want)
	}
}

// FuzzAppendRow: the row is one line of JSON, the fixed
// fields are the event's, and a field comes back as encoding/json would have it.
func FuzzAppendRow(f *testing.F) {
	for _, s := range []string{"", "a", "tenant", "message", "若葉", "\xff\xfe", "a\x00\n\"\\\u2028\u2029", "\xe8\x8b", strings.Repeat("\xf0\x9f\x98\x80", 9000), "\xed\xa0\x80"} {
		f.Add("waf", "name", "key", s, "group", "inner", int64(1))
		f.Add(s, s, s, "value", s, s, int64(-1))
	}
	f.Fuzz(func(t *testing.T, service, name, key, value, group, inner string, n int64) {
		e := sample(slog.String(key, value), slog.Group(group, slog.String(inner, value), slog.Int64("n", n)), slog.Any(key+"2", fmt.Errorf("%s", value)))
		e.Service, e.Name = service, name
		got := row(t, e)
		if got["tenant"] != "994413" || got["event.id"] != e.ID.String() || got["_time"] != "2026-11-22T03:00:00.987654321Z" {
			t.Errorf("fixed fields are %v", got)
		}
		if len(value) < 1000 {
			e.Fields = []slog.Attr{slog.String("only", value)}
			var want string
			text, err := json.Marshal(value)
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &want); err != nil {
				t.Fatal(err)
			}
			if have := row(t, e)["only"]; have != want {
				t.Errorf("value %q came back as %q, encoding/json says %q", value, have, want)
			}
		}
	})
}

func TestDiscardTakesEverything(t *testing.T) {
	event.Discard.Emit(context.Background(), *sample())
}

func BenchmarkAppendRow(b *testing.B) {
	e := sample(
		slog.String("client.ip", "192.0.2.1"), slog.String("url.path", "/cgi-bin/search?q=若葉村の人口"), slog.Int("http.response.status_code", 403),
		slog.String("user_agent.original", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"), slog.Duration("event.duration", time.Millisecond),
	)
	buf := e.AppendRow(nil)
	b.SetBytes(int64(len(buf)))
	b.ReportAllocs()
	for b.Loop() {
		buf = e.AppendRow(buf[:0])
	}
}
