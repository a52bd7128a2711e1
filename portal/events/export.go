package events

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store/logs"
)

// columns come first in a file, in this order, when an event has them.
func columns() []string {
	return []string{
		"_time", "event.id", "tenant", "service", "event.action", "event.outcome", "event.category", "event.reference",
		"source.ip", "source.port", "http.request.method", "url.scheme", "url.domain", "url.path", "url.query",
		"http.response.status_code", "rule.id", "rule.name", "rule.category", "waf.score", "waf.threshold",
		"user.name", "user_agent.original", "_msg",
	}
}

// exportPage is how many rows are fetched at once; the columns of a file are the
// fields of the first such page.
const exportPage = 1000

func (a *API) export(ctx context.Context, in *exportInput) (*stream, error) {
	text, err := in.text()
	if err != nil {
		return nil, err
	}
	span, err := in.period(a.Now())
	if err != nil {
		return nil, err
	}
	if err := a.note(ctx, "event.export", &in.Filters, span); err != nil {
		return nil, rest.Failed(err)
	}
	q := logs.Query{Text: text, Range: span, Limit: min(exportPage, in.Limit)}
	scope := a.scope(ctx)
	first, err := a.Logs.Search(ctx, scope, q)
	if err != nil {
		return nil, failed(err)
	}
	out := &stream{ContentType: map[string]string{
		"csv": "text/csv; charset=utf-8", "ltsv": "text/plain; charset=utf-8", "json": "application/json",
	}[in.Format]}
	out.ContentDisposition = fmt.Sprintf(`attachment; filename="events-%s.%s"`, a.Now().UTC().Format("20060102T150405Z"), in.Format)
	out.Body = func(h huma.Context) {
		h.SetStatus(http.StatusOK)
		if err := a.pour(ctx, h.BodyWriter(), in.Format, scope, q, first, in.Limit); err != nil {
			a.Log.Warn("an export ended before its end", "account", access.From(ctx).Login, "error", err)
			// The status is out already: only a broken connection tells the
			// caller that the file is not whole.
			panic(http.ErrAbortHandler)
		}
	}
	return out, nil
}

// pour writes all pages from the first on, up to limit rows.
func (a *API) pour(ctx context.Context, to io.Writer, format string, scope logs.Scope, q logs.Query, page logs.Page, limit int) error {
	buffered := bufio.NewWriterSize(to, 64<<10)
	sheet := newSheet(format, buffered, page.Rows)
	for written := 0; ; {
		for _, row := range page.Rows {
			if written == limit {
				break
			}
			if err := sheet.row(row); err != nil {
				return err
			}
			written++
		}
		if page.Next == "" || written >= limit {
			break
		}
		var err error
		q.Cursor, q.Limit = page.Next, min(exportPage, limit-written)
		if page, err = a.Logs.Search(ctx, scope, q); err != nil {
			return err
		}
	}
	if err := sheet.end(); err != nil {
		return err
	}
	return buffered.Flush()
}

// sheet writes rows in one format.
type sheet interface {
	row(logs.Row) error
	end() error
}

func newSheet(format string, to io.Writer, first []logs.Row) sheet {
	switch format {
	case "ltsv":
		return &ltsvSheet{to: to, names: names(first)}
	case "json":
		return &jsonSheet{to: to}
	}
	return &csvSheet{to: to, csv: csv.NewWriter(to), names: names(first)}
}

// names are the fields of rows: the known columns first, the rest in order.
func names(rows []logs.Row) []string {
	have := map[string]bool{}
	for _, row := range rows {
		for name := range row {
			have[name] = true
		}
	}
	var out []string
	for _, name := range columns() {
		if have[name] {
			out = append(out, name)
			delete(have, name)
		}
	}
	return append(out, slices.Sorted(maps.Keys(have))...)
}

// csvSheet is what spreadsheets in Japan open: UTF-8 with a byte order mark, CRLF,
// and times of Japan with their offset. Fields that no row of the first page had go into the last column.
type csvSheet struct {
	to    io.Writer
	csv   *csv.Writer
	names []string
	begun bool
}

const others = "other_fields"

func (s *csvSheet) begin() error {
	if s.begun {
		return nil
	}
	s.begun = true
	s.csv.UseCRLF = true
	if _, err := io.WriteString(s.to, "\uFEFF"); err != nil {
		return err
	}
	return s.csv.Write(append(slices.Clone(s.names), others))
}

func (s *csvSheet) row(row logs.Row) error {
	if err := s.begin(); err != nil {
		return err
	}
	cells := make([]string, 0, len(s.names)+1)
	rest := maps.Clone(row)
	for _, name := range s.names {
		cell := row[name]
		if name == "_time" || name == "event.created" {
			cell = inJapan(cell)
		}
		cells = append(cells, NoFormula(cell))
		delete(rest, name)
	}
	last := ""
	if len(rest) > 0 {
		text, err := json.Marshal(rest)
		if err != nil {
			return err
		}
		last = string(text)
	}
	return s.csv.Write(append(cells, last))
}

func (s *csvSheet) end() error {
	if err := s.begin(); err != nil {
		return err
	}
	s.csv.Flush()
	return s.csv.Error()
}

// inJapan is a time of the log store in Japan's time (no daylight saving), and
// anything else as it is.
func inJapan(stamp string) string {
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return stamp
	}
	return at.In(time.FixedZone("JST", 9*60*60)).Format("2006-01-02T15:04:05.000000000Z07:00")
}

// NoFormula keeps a spreadsheet from running a cell that somebody else wrote
// (CSV injection): a value that could begin a formula gets an apostrophe. Full
// width signs count, because Japanese spreadsheets take them too.
func NoFormula(cell string) string {
	trimmed := strings.TrimLeft(cell, " \u3000")
	for _, sign := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"} {
		if strings.HasPrefix(trimmed, sign) {
			return "'" + cell
		}
	}
	return cell
}

// ltsvSheet writes labelled tab-separated values (ltsv.org). The format cannot
// escape: tabs and line ends within a value become spaces.
type ltsvSheet struct {
	to    io.Writer
	names []string
}

func (s *ltsvSheet) row(row logs.Row) error {
	var line strings.Builder
	write := func(name string) {
		value, ok := row[name]
		if !ok {
			return
		}
		if line.Len() > 0 {
			line.WriteByte('\t')
		}
		line.WriteString(strings.Map(labelChar, name) + ":" + strings.NewReplacer("\t", " ", "\r", " ", "\n", " ").Replace(value))
	}
	for _, name := range s.names {
		write(name)
	}
	for _, name := range slices.Sorted(maps.Keys(row)) {
		if !slices.Contains(s.names, name) {
			write(name)
		}
	}
	line.WriteByte('\n')
	_, err := io.WriteString(s.to, line.String())
	return err
}

func (s *ltsvSheet) end() error { return nil }

func labelChar(c rune) rune {
	if c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '_' || c == '.' || c == '-' {
		return c
	}
	return '_'
}

// jsonSheet writes one list of objects.
type jsonSheet struct {
	to    io.Writer
	begun bool
}

func (s *jsonSheet) row(row logs.Row) error {
	text, err := json.Marshal(row)
	if err != nil {
		return err
	}
	before := ",\n"
	if !s.begun {
		s.begun, before = true, "[\n"
	}
	_, err = fmt.Fprintf(s.to, "%s%s", before, text)
	return err
}

func (s *jsonSheet) end() error {
	text := "\n]\n"
	if !s.begun {
		text = "[]\n"
	}
	_, err := io.WriteString(s.to, text)
	return err
}
