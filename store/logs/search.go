package logs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/event"
)

// Row is one stored event, or one row of a query with pipes, by field name. The
// store keeps every value as text.
type Row map[string]string

// Range is the period [From, To) of receipt. A zero bound is open.
type Range struct{ From, To time.Time }

// Query is what somebody wants to see.
type Query struct {
	// Text is LogsQL. A bare quoted phrase is looked for in every field.
	Text string
	Range
	// Limit is how many rows a page has at most: 1 to MaxLimit, 100 when zero.
	Limit int
	// Cursor is the Next of the page before, or "".
	Cursor string
}

// MaxLimit is the largest page.
const MaxLimit = 10_000

// Page is a part of the answer, newest event first.
type Page struct {
	Rows []Row
	// Next asks for the following page; "" when there is none, and for queries
	// whose pipes leave out _time or event.id or put rows in an order of their own.
	Next string
}

// ErrCursor says that a cursor is not one of ours.
var ErrCursor = errors.New("the page's cursor is not valid")

// Search returns one page of what the query finds within scope.
func (c *Client) Search(ctx context.Context, scope Scope, q Query) (Page, error) {
	limit := q.Limit
	if limit == 0 {
		limit = 100
	}
	if limit < 0 || limit > MaxLimit {
		return Page{}, fmt.Errorf("searching logs: a page has 1 to %d rows, not %d", MaxLimit, limit)
	}
	text, err := c.expand(ctx, scope, q.Text, q.Range)
	if err != nil {
		return Page{}, err
	}
	var rows []Row
	span := q.Range
	if q.Cursor != "" {
		at, id, err := parseCursor(q.Cursor)
		if err != nil {
			return Page{}, err
		}
		// Many events may share one instant: first the rest of that instant.
		if rows, err = c.instant(ctx, scope, text, q.Range, at, id); err != nil {
			return Page{}, err
		}
		span.To = at
	}
	if missing := limit - len(rows); missing > 0 && (span.From.IsZero() || span.To.IsZero() || span.From.Before(span.To)) {
		more, err := c.newest(ctx, scope, text, span, missing, nil)
		if err != nil {
			return Page{}, err
		}
		full := len(more) == missing
		if !sortable(more) {
			return Page{Rows: append(rows, more...)}, nil
		}
		if full {
			// The engine chooses among rows of one instant as it likes: take the
			// last instant whole.
			at, err := time.Parse(time.RFC3339Nano, more[len(more)-1]["_time"])
			if err != nil {
				return Page{}, fmt.Errorf("reading the time of a stored event: %w", err)
			}
			last := more[len(more)-1]["_time"]
			more = slices.DeleteFunc(more, func(r Row) bool { return r["_time"] == last })
			tied, err := c.instant(ctx, scope, text, span, at, "")
			if err != nil {
				return Page{}, err
			}
			more = append(more, tied...)
		}
		rows = append(rows, more...)
		if !full && len(rows) <= limit {
			return Page{Rows: rows}, nil
		}
	}
	if len(rows) > limit {
		rows = rows[:limit]
	}
	return Page{Rows: rows, Next: cursorAfter(rows[len(rows)-1])}, nil
}

// Each calls fn for every row the query finds, newest first, until there is no
// more, fn returns an error, or max rows were seen. q.Cursor and q.Limit are not
// used. It is for exports.
func (c *Client) Each(ctx context.Context, scope Scope, q Query, maxRows int, fn func(Row) error) error {
	q.Cursor, q.Limit = "", 2000
	for seen := 0; seen < maxRows; {
		page, err := c.Search(ctx, scope, q)
		if err != nil {
			return err
		}
		for _, row := range page.Rows {
			if seen++; seen > maxRows {
				return nil
			}
			if err := fn(row); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		q.Cursor = page.Next
	}
	return nil
}

// newest returns up to limit rows of span, newest first.
func (c *Client) newest(ctx context.Context, scope Scope, text string, span Range, limit int, args url.Values) ([]Row, error) {
	if args == nil {
		args = url.Values{}
	}
	args.Set("limit", strconv.Itoa(limit))
	body, err := c.ask(ctx, "/select/logsql/query", scope, text, span, args)
	if err != nil {
		return nil, fmt.Errorf("searching logs: %w", err)
	}
	defer body.Close() //nolint:errcheck // only read
	var rows []Row
	err = lines(body, func(row Row) error {
		delete(row, "_stream")
		delete(row, "_stream_id")
		rows = append(rows, row)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("searching logs: %w", err)
	}
	if sortable(rows) {
		slices.SortStableFunc(rows, newestFirst)
	}
	return rows, nil
}

// instant returns the rows of one instant in the order of newestFirst, those
// with an ID below before when it is not "".
func (c *Client) instant(ctx context.Context, scope Scope, text string, span Range, at time.Time, before string) ([]Row, error) {
	if !span.From.IsZero() && at.Before(span.From) {
		return nil, nil
	}
	rows, err := c.newest(ctx, scope, text, Range{at, at.Add(1)}, MaxLimit, nil)
	if err != nil {
		return nil, err
	}
	if before != "" {
		rows = slices.DeleteFunc(rows, func(r Row) bool { return r["event.id"] >= before })
	}
	return rows, nil
}

// newestFirst orders by time, and within one instant by ID. The engine writes
// fractions of a second without trailing zeros, so times do not compare as text.
func newestFirst(a, b Row) int {
	return cmp.Or(cmp.Compare(sortableTime(b["_time"]), sortableTime(a["_time"])), cmp.Compare(b["event.id"], a["event.id"]))
}

// sortableTime is an RFC 3339 time in UTC without its final Z: a prefix is the
// earlier time.
func sortableTime(s string) string { return strings.TrimSuffix(s, "Z") }

// sortable tells whether rows are events in the order of time.
func sortable(rows []Row) bool {
	for _, r := range rows {
		if r["_time"] == "" || r["event.id"] == "" || !strings.HasSuffix(r["_time"], "Z") {
			return false
		}
	}
	return len(rows) > 0
}

func cursorAfter(r Row) string {
	return base64.RawURLEncoding.EncodeToString([]byte(r["_time"] + " " + r["event.id"]))
}

func parseCursor(s string) (time.Time, string, error) {
	raw, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(s) > 200 {
		return time.Time{}, "", ErrCursor
	}
	stamp, id, _ := strings.Cut(string(raw), " ")
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}, "", ErrCursor
	}
	if _, err := event.ParseID(id); err != nil {
		return time.Time{}, "", ErrCursor
	}
	return at, id, nil
}

// ByID returns the event with this ID, or ErrNone when the scope has none.
func (c *Client) ByID(ctx context.Context, scope Scope, id event.ID) (Row, error) {
	args := url.Values{"extra_filters": {`"event.id":="` + id.String() + `"`}}
	// An ID carries the time it was made, which is close to the receipt.
	near := Range{id.Time().Add(-time.Hour), id.Time().Add(time.Hour)}
	for _, span := range []Range{near, {}} {
		rows, err := c.newest(ctx, scope, "*", span, 1, args)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			return rows[0], nil
		}
	}
	return nil, ErrNone
}
