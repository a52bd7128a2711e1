package logstest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// The bodies of the suite. Their operator is a fresh one each time, so that the
// suite can run on a store that is in use.
const (
	mine   = tenant.ID("994413")
	theirs = tenant.ID("992011")
	near   = tenant.ID("x-a") // whose name begins another's
	nearer = tenant.ID("x-ab")
)

// secret is a word that stands only in rows of other bodies.
const secret = "xyzzyforeign"

// Run checks that c is a log store as this product needs it.
func Run(t *testing.T, c *logs.Client) {
	s := &suite{
		Client:   c,
		operator: tenant.ID("x-suite-" + fmt.Sprintf("%012x", time.Now().UnixNano()&0xffffffffffff)),
		start:    time.Now().Add(-time.Hour).UTC().Truncate(time.Second),
	}
	s.fill(t)
	t.Run("rows are found again", s.found)
	t.Run("no query shows another body's rows", s.wall)
	t.Run("a phrase is found in any text", s.phrases)
	t.Run("pages lose and repeat nothing", s.pages)
	t.Run("a wrong query says where", s.wrong)
	t.Run("counts agree with rows", s.counts)
	t.Run("limits hold", s.limits)
	t.Run("the store says what it holds", s.held)
}

type suite struct {
	*logs.Client
	operator tenant.ID
	start    time.Time
	ids      []event.ID // of mine
	foreign  []event.ID
}

func (s *suite) scope(bodies ...tenant.ID) logs.Scope {
	return logs.Scope{Operator: s.operator, Tenants: bodies}
}

func (s *suite) span() logs.Range {
	return logs.Range{From: s.start.Add(-time.Minute), To: s.start.Add(time.Hour)}
}

func (s *suite) fill(t *testing.T) {
	t.Helper()
	var rows []byte
	add := func(body tenant.ID, service string, at time.Time, fields ...slog.Attr) event.ID {
		e := event.Event{ID: event.NewID(at), Time: at, Tenant: body, Service: service, Name: "request_blocked", Fields: fields}
		rows = e.AppendRow(rows)
		return e.ID
	}
	for i := range 40 {
		// Ten share every instant, so that pages end within one.
		at := s.start.Add(time.Duration(i/10) * 1500 * time.Millisecond)
		s.ids = append(s.ids, add(mine, "waf", at, slog.Int("n", i), slog.String("url.full", fmt.Sprintf("https://www.example.test/a?q=union select %d", i)),
			slog.String("strange.field", "grape fruit"), slog.String("note.ja", "不正な要求を検知しました"), slog.String("client.ip", "203.0.113.7")))
	}
	for _, body := range []tenant.ID{theirs, nearer} {
		for i := range 5 {
			s.foreign = append(s.foreign, add(body, "waf", s.start.Add(time.Duration(i)*time.Second),
				slog.String("word", secret), slog.String("client.ip", "203.0.113.7"), slog.String("tenants", string(mine))))
		}
	}
	add(near, "waf", s.start, slog.String("word", "near"))
	if _, err := s.Insert(t.Context(), s.operator, rows); err != nil {
		t.Fatal(err)
	}
	// Another operator with a body of the same number: the account keeps them apart.
	other := event.Event{ID: event.NewID(s.start), Time: s.start, Tenant: mine, Service: "waf", Name: "request_blocked", Fields: []slog.Attr{slog.String("word", secret)}}
	s.foreign = append(s.foreign, other.ID)
	if _, err := s.Insert(t.Context(), s.operator+"b", other.AppendRow(nil)); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func (s *suite) found(t *testing.T) {
	page, err := s.Search(t.Context(), s.scope(mine), logs.Query{Text: `service:waf n:=7`, Range: s.span()})
	if err != nil {
		t.Fatal(err)
	}
	if len(page.Rows) != 1 || page.Rows[0]["event.id"] != s.ids[7].String() || page.Rows[0]["tenant"] != string(mine) ||
		page.Rows[0]["event.action"] != "request_blocked" || page.Next != "" {
		t.Errorf("Search for one event = %v, want the event %s alone", page, s.ids[7])
	}
	row, err := s.ByID(t.Context(), s.scope(mine), s.ids[3])
	if err != nil || row["n"] != "3" {
		t.Errorf("ByID = %v, %v; want the row with n=3", row, err)
	}
	if _, err := s.ByID(t.Context(), s.scope(mine), s.foreign[0]); !errors.Is(err, logs.ErrNone) {
		t.Errorf("ByID of another body's event = %v, want ErrNone", err)
	}
	page, err = s.Search(t.Context(), s.scope(mine), logs.Query{Text: `* | stats by (service) count() events`, Range: s.span()})
	if err != nil || len(page.Rows) != 1 || page.Rows[0]["events"] != "40" {
		t.Errorf("Search with stats = %v, %v; want one row with 40 events", page, err)
	}
}

// attacks are queries of somebody who wants other bodies' rows.
func attacks(operator tenant.ID) []string {
	return []string{
		`*`, secret, `"` + secret + `"`, `word:` + secret, `tenant:` + string(theirs), `tenant:="` + string(theirs) + `"`, `tenant:!x`,
		`_stream:{tenant="` + string(theirs) + `"}`, `{tenant="` + string(theirs) + `"}`, `{tenant!=""}`, `{tenant=~".*"} or *`, `{}`,
		`x or tenant:` + string(theirs), `* or ` + secret, `!tenant:` + string(mine), `not {tenant="` + string(mine) + `"}`,
		`) or (tenant:` + string(theirs), `* ) or (*`, "* | filter tenant:" + string(theirs), "* #", "* # \n or *",
		`options(ignore_global_time_filter=true) *`, `options(global_filter=(*)) *`, `options(concurrency=1) tenant:` + string(theirs),
		`event.id:in(* | fields event.id)`, `n:in(word:` + secret + ` | fields client.ip)`, `client.ip:in(tenant:` + string(theirs) + ` | fields client.ip)`,
		`_stream_id:in({tenant="` + string(theirs) + `"} | fields _stream_id)`, `* | join by (client.ip) (tenant:` + string(theirs) + `)`,
		`* | join by (client.ip) (options(ignore_global_time_filter=true) ` + secret + `) prefix "j."`,
		`* | union (` + secret + `)`, `* | union (tenant:` + string(theirs) + ` | union (*))`, `x | union (* | union (word:` + secret + `))`,
		`* | stream_context before 1000 after 1000`, `n:=1 | stream_context before 1000`, `* | stats by (tenant, word) count()`,
		`* | stats count() if (word:` + secret + `) hits by (word)`, `* | uniq by (word, tenant)`, `* | top 10 by (word)`, `* | field_values word`,
		`* | facets`, `* | field_names`, `* | blocks_count`, `* | query_stats`, `* | sort by (word) desc`, `* | first 50 by (word)`,
		`* | format if (word:in(` + secret + `)) "<word>" as leak`, `* | extract if (word:in(tenant:` + string(theirs) + ` | fields word)) "<x>" from word`,
		`word:contains_any(` + secret + ` | fields word)`, `word:contains_all(* | fields word)`, `* | fields *`, `* | unpack_json`, `* | block_stats`,
		`* | running_stats sum(n) as x by (word)`, `* | total_stats count() as x by (word)`, `* | generate_sequence 5`,
		`* | delete _time`, `* | rm tenant | filter word:` + secret, `* | cp word as tenant`, `AccountID:` + string(operator), `* | limit 1000 | offset 0`,
		`word:eq_field(word)`, `word:` + secret + `*`, `word:~"xyz.*"`, `word:>a`, `i(` + strings.ToUpper(secret) + `)`, `word:seq(` + secret + `)`,
		`_time:100d`, `_time:[1970-01-01,2100-01-01] ` + secret, `* | hash(word) as h`, `* | collapse_nums at word`, `* | time_add 1h`,
	}
}

func (s *suite) wall(t *testing.T) {
	answered := 0
	for _, text := range attacks(s.operator) {
		for _, span := range []logs.Range{s.span(), {}} {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			page, err := s.Search(ctx, s.scope(mine), logs.Query{Text: text, Range: span, Limit: 1000})
			if err == nil {
				answered++
			}
			for _, row := range page.Rows {
				s.innocent(t, text, fmt.Sprint(row))
				if body, ok := row["tenant"]; ok && body != string(mine) && !strings.Contains(text, "cp word") {
					t.Errorf("Search(%s) showed a row of %q", text, body)
				}
			}
			facets, err := s.Facets(ctx, s.scope(mine), text, span, 100)
			if err == nil {
				s.innocent(t, text, fmt.Sprint(facets))
			}
			series, err := s.Histogram(ctx, s.scope(mine), text, span, time.Hour, "word")
			if err == nil {
				s.innocent(t, text, fmt.Sprint(series))
			}
			cancel()
		}
	}
	if answered < 60 {
		t.Errorf("only %d of the attacks were queries that the store answers; the test proves little", answered)
	}
	// A body whose ID begins another's sees its own row and no more.
	page, err := s.Search(t.Context(), s.scope(near), logs.Query{Text: "*", Range: s.span()})
	if err != nil || len(page.Rows) != 1 {
		t.Errorf("the body %s sees %d rows, %v; want its own one", near, len(page.Rows), err)
	}
	// The attacks are sharp: with the wall's consent the rows are there.
	page, err = s.Search(t.Context(), s.scope(mine, theirs, nearer), logs.Query{Text: "word:" + secret, Range: s.span()})
	if err != nil || len(page.Rows) != 10 {
		t.Errorf("the operator sees %d of the other bodies' rows, %v; want 10", len(page.Rows), err)
	}
	for _, bad := range []logs.Scope{
		{Operator: s.operator},
		{Operator: s.operator, Tenants: []tenant.ID{`994413") or ("`}},
		{Operator: s.operator, Tenants: []tenant.ID{""}},
		{Tenants: []tenant.ID{mine}},
	} {
		if _, err := s.Search(t.Context(), bad, logs.Query{Text: "*"}); err == nil {
			t.Errorf("Search in scope %q was answered, want it refused", bad)
		}
	}
}

func (s *suite) innocent(t *testing.T, text, answer string) {
	t.Helper()
	for _, id := range s.foreign {
		if strings.Contains(answer, id.String()) {
			t.Errorf("the query %s showed the foreign event %s", text, id)
		}
	}
	// The word may come back from the query itself, as in format or an extracted name.
	if strings.Contains(answer, secret) && !strings.Contains(text, "format") {
		t.Errorf("the query %s showed a foreign word: %.200s", text, answer)
	}
}

func (s *suite) phrases(t *testing.T) {
	for _, tt := range []struct {
		text string
		rows int
	}{
		{`"grape fruit"`, 40},
		{`'grape fruit'`, 40},
		{`"union select 17"`, 1},
		{`"検知"`, 40},
		{`"grape"* n:=5`, 1},
		{`!"grape fruit"`, 0},
		{`"203.0.113.7" and service:waf`, 40},
		{`"no such phrase"`, 0},
		{`"` + s.ids[9].String() + `"`, 1},
		{`"` + secret + `"`, 0},
		{`"grape fruit" | stats count() c`, 1},
	} {
		page, err := s.Search(t.Context(), s.scope(mine), logs.Query{Text: tt.text, Range: s.span()})
		if err != nil || len(page.Rows) != tt.rows {
			t.Errorf("Search(%s) = %d rows, %v; want %d", tt.text, len(page.Rows), err, tt.rows)
		}
	}
}

func (s *suite) pages(t *testing.T) {
	for _, limit := range []int{1, 3, 7, 10, 25, 39, 40, 41, 100} {
		seen := make(map[string]bool)
		last := ""
		q := logs.Query{Text: "*", Range: s.span(), Limit: limit}
		for range 60 {
			page, err := s.Search(t.Context(), s.scope(mine), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(page.Rows) > limit {
				t.Errorf("a page of %d has %d rows", limit, len(page.Rows))
			}
			for _, row := range page.Rows {
				if seen[row["event.id"]] {
					t.Errorf("with pages of %d the event %s came twice", limit, row["event.id"])
				}
				seen[row["event.id"]] = true
				at := strings.TrimSuffix(row["_time"], "Z")
				if last != "" && at > last {
					t.Errorf("with pages of %d an event of %s came behind %s, want newest first", limit, at, last)
				}
				last = at
			}
			if page.Next == "" {
				break
			}
			q.Cursor = page.Next
		}
		if len(seen) != len(s.ids) {
			t.Errorf("with pages of %d %d events came, want %d", limit, len(seen), len(s.ids))
		}
	}
	n := 0
	err := s.Each(t.Context(), s.scope(mine), logs.Query{Text: "*", Range: s.span()}, 33, func(logs.Row) error { n++; return nil })
	if err != nil || n != 33 {
		t.Errorf("Each gave %d rows, %v; want 33", n, err)
	}
	for _, cursor := range []string{"x", "!!", "MjAyNg", strings.Repeat("A", 300)} {
		if _, err := s.Search(t.Context(), s.scope(mine), logs.Query{Text: "*", Cursor: cursor}); !errors.Is(err, logs.ErrCursor) {
			t.Errorf("Search with cursor %q = %v, want ErrCursor", cursor, err)
		}
	}
}

func (s *suite) wrong(t *testing.T) {
	for _, text := range []string{`tenant:(`, `* | sort by (`, `"open`, `n:in(`, `_time:yesterdayish`, `* | stats`, `a ]`} {
		_, err := s.Search(t.Context(), s.scope(mine), logs.Query{Text: text, Range: s.span()})
		var bad *logs.BadQueryError
		if !errors.As(err, &bad) || bad.Detail == "" {
			t.Errorf("Search(%s) = %v, want a BadQueryError with a reason", text, err)
			continue
		}
		if strings.Contains(bad.Detail, "http") || strings.Contains(bad.Detail, "127.0.0.1") {
			t.Errorf("the reason of %s tells about the inside: %s", text, bad.Detail)
		}
	}
}

func (s *suite) counts(t *testing.T) {
	n, err := s.Count(t.Context(), s.scope(mine), `"grape fruit"`, s.span())
	if err != nil || n != 40 {
		t.Errorf("Count = %d, %v; want 40", n, err)
	}
	series, err := s.Histogram(t.Context(), s.scope(mine), "*", s.span(), time.Second, "service")
	if err != nil {
		t.Fatal(err)
	}
	var sum uint64
	if len(series) != 1 || series[0].Fields["service"] != "waf" {
		t.Fatalf("Histogram = %v, want one series of waf", series)
	}
	for i, b := range series[0].Buckets {
		sum += b.Count
		if i > 0 && !b.Time.After(series[0].Buckets[i-1].Time) {
			t.Errorf("bucket %d of %v is out of order", i, b.Time)
		}
	}
	if sum != 40 || series[0].Total != 40 || !series[0].Buckets[0].Time.Equal(s.start) {
		t.Errorf("Histogram sums to %d of %d from %v, want 40 of 40 from %v", sum, series[0].Total, series[0].Buckets[0].Time, s.start)
	}
	facets, err := s.Facets(t.Context(), s.scope(mine), "*", s.span(), 5)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range facets {
		if f.Field == "client.ip" && len(f.Values) == 1 && f.Values[0] == (logs.Value{Value: "203.0.113.7", Count: 40}) {
			return
		}
	}
	t.Errorf("Facets = %v, want client.ip with one value 40 times", facets)
}

func (s *suite) limits(t *testing.T) {
	if _, err := s.Search(t.Context(), s.scope(mine), logs.Query{Text: "*", Limit: logs.MaxLimit + 1}); err == nil {
		t.Error("a page beyond the largest was answered, want it refused")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Search(ctx, s.scope(mine), logs.Query{Text: "*"}); !errors.Is(err, context.Canceled) {
		t.Errorf("Search after its asker left = %v, want context.Canceled", err)
	}
	quick := logs.Client{URL: s.URL, Secret: s.Secret, HTTP: s.HTTP, Timeout: time.Nanosecond}
	if _, err := quick.Search(t.Context(), s.scope(mine), logs.Query{Text: "*"}); err != nil && !errors.Is(err, logs.ErrTooLong) {
		t.Errorf("Search without time = %v, want ErrTooLong", err)
	}
	gone := logs.Client{URL: "http://127.0.0.1:1"}
	if _, err := gone.Search(t.Context(), s.scope(mine), logs.Query{Text: "*"}); !errors.Is(err, logs.ErrUnavailable) {
		t.Errorf("Search without a store = %v, want ErrUnavailable", err)
	}
}

func (s *suite) held(t *testing.T) {
	fresh := event.NewID(time.Now())
	ids := append([]event.ID{fresh, s.foreign[0]}, s.ids...)
	held, err := s.Held(t.Context(), s.operator, []tenant.ID{mine}, ids, s.span())
	if err != nil {
		t.Fatal(err)
	}
	if len(held.Stored) != 41 || held.Stored[fresh] != 0 || held.Stored[s.ids[39]] != 1 || held.Found[s.foreign[0]] || !held.Found[s.ids[0]] {
		t.Errorf("Held = %d stored, %d found; want 41 and 40, each once", len(held.Stored), len(held.Found))
	}
	state, err := s.State(t.Context())
	if err != nil || state.Start == "" || state.Inserts == 0 || state.Dropped != 0 {
		t.Errorf("State = %+v, %v; want a start, inserts, and nothing dropped", state, err)
	}
}
