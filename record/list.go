package record

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Filter narrows a list; its zero value is everything, newest first.
type Filter struct {
	Kinds    []string
	States   []string
	Open     *bool
	Severity []Severity
	Side     *Side
	Owner    *string
	System   *string
	Drill    *bool
	Since    time.Time // made at or after
	Until    time.Time // made before
	DueBy    time.Time // with a clock that runs out by then
	// Text holds words that all must stand in number, title, text, form, owner,
	// system or comments, in any width and case. Inside comments are searched
	// only for those who see them.
	Text  string
	Order Order
	// Cursor is the Next of the page before, or "".
	Cursor string
	Limit  int // 1 to 500; 0 means 50
}

// Order is how a list is sorted.
type Order string

// The orders.
const (
	ByCreated  Order = ""         // newest first
	ByUpdated  Order = "updated"  // last changed first
	ByDue      Order = "due"      // first to run out first, then those without a clock
	BySeverity Order = "severity" // worst first
)

// Page is a part of a list. Next is "" on the last one.
type Page struct {
	Records []Record
	Next    string
}

// maxWords bounds a search: each word is a look at every row that is left.
const maxWords = 8

// orders says how each order sorts and where a page goes on.
var orders = map[Order]struct {
	order, column string
	down          bool
}{
	ByCreated:  {"created DESC, id DESC", "created", true},
	ByUpdated:  {"updated DESC, id DESC", "updated", true},
	ByDue:      {"due, id", "due", false},
	BySeverity: {"severity, id", "severity", false},
}

// cursor is the last row of a page. Filter and order are not in it: with others
// it is merely a place to begin.
type cursor struct {
	Value int64 `json:"v"` // microseconds, or the severity's rank
	ID    ID    `json:"i"`
}

// List returns a page of the records of one body.
func (r *Records) List(ctx context.Context, p Person, id tenant.ID, f Filter) (Page, error) {
	if err := r.may(p, id); err != nil {
		return Page{}, err
	}
	sel, args, limit, err := r.selection(f, r.Sees(p, id, true))
	if err != nil {
		return Page{}, err
	}
	all, err := store.All(ctx, r.DB.Tenant(id), sel, scanRecord(id), args...)
	if err != nil {
		return Page{}, err
	}
	return page(f, all, limit), nil
}

// ListUnder returns a page of the records of all bodies of an operator. Each
// page is noted in the operator's audit chain. Bodies that p must not see are
// left out, so that a page may be shorter than its limit and not be the last.
func (r *Records) ListUnder(ctx context.Context, p Person, operator tenant.ID, f Filter) (Page, error) {
	if !r.Sees(p, operator, true) && (p.Only == nil || p.Tenant != operator) {
		return Page{}, store.ErrNone
	}
	sel, args, limit, err := r.selection(f, true)
	if err != nil {
		return Page{}, err
	}
	across := store.Across{Name: "record.list", Reason: "全団体の票の一覧", Select: sel}
	var all []Record
	err = r.DB.Across(ctx, across, operator, p.Actor, func(id tenant.ID, row store.Row) error {
		rec, err := scanRecord(id)(row)
		all = append(all, rec)
		return err
	}, args...)
	if err != nil {
		return Page{}, err
	}
	found := page(f, all, limit)
	var seen []Record
	for _, rec := range found.Records {
		if r.Sees(p, rec.Tenant, true) {
			seen = append(seen, rec)
		}
	}
	found.Records = seen
	return found, nil
}

func page(f Filter, all []Record, limit int) Page {
	if len(all) <= limit {
		return Page{Records: all}
	}
	all = all[:limit]
	last := all[limit-1]
	c := cursor{ID: last.ID}
	switch f.Order {
	case ByUpdated:
		c.Value = last.Updated.UnixMicro()
	case ByDue:
		c.Value = last.dueColumn().UnixMicro()
	case BySeverity:
		c.Value = int64(last.Severity.rank())
	default:
		c.Value = last.Created.UnixMicro()
	}
	text, err := json.Marshal(c)
	if err != nil {
		return Page{Records: all} // a number and a text: it cannot fail
	}
	return Page{Records: all, Next: base64.RawURLEncoding.EncodeToString(text)}
}

// selection turns a filter into a statement, its arguments, and the page's length.
func (r *Records) selection(f Filter, inside bool) (store.Select, []any, int, error) {
	var ps problems
	var where []string
	var args []any
	and := func(condition string, values ...any) {
		where = append(where, condition)
		args = append(args, values...)
	}
	if f.Open != nil {
		and("open = ?", *f.Open)
	}
	in(&ps, and, "kind", f.Kinds)
	in(&ps, and, "state", f.States)
	if len(f.Severity) > 0 {
		var ranks []any
		for _, s := range f.Severity {
			checkSeverity(&ps, s)
			ranks = append(ranks, s.rank())
		}
		and(store.In("severity", len(ranks)), ranks...)
	}
	if f.Side != nil {
		checkSide(&ps, *f.Side)
		and("side = ?", *f.Side)
	}
	for name, value := range map[string]*string{"owner": f.Owner, "system": f.System} {
		if value != nil {
			ps.line(policy.At(name), *value, MaxName)
			and(name+" = ?", *value)
		}
	}
	if f.Drill != nil {
		and("drill = ?", *f.Drill)
	}
	if !f.Since.IsZero() {
		and("created >= ?", f.Since)
	}
	if !f.Until.IsZero() {
		and("created < ?", f.Until)
	}
	if !f.DueBy.IsZero() {
		and("due <= ?", f.DueBy)
	}
	searchWords(&ps, and, f.Text, inside)
	order, ok := orders[f.Order]
	if !ok {
		ps.add(policy.At("order").Is("no_such_choice", clip(string(f.Order), 60)))
	}
	limit := f.Limit
	if limit == 0 {
		limit = 50
	}
	if limit < 1 || limit > 500 {
		ps.add(policy.At("limit").Is("out_of_range", 1, 500))
	}
	if f.Cursor != "" && ok {
		from, err := parseCursor(f.Cursor)
		if err != nil {
			ps.add(policy.At("cursor").Is("not_a_cursor"))
		}
		value := any(from.Value)
		// Of x <= v AND (x < v OR id < i) an index can use the first half, of the
		// shorter x < v OR x = v AND id < i it cannot.
		if order.down {
			and(order.column+" <= ? AND ("+order.column+" < ? OR id < ?)", value, value, from.ID)
		} else {
			and(order.column+" >= ? AND ("+order.column+" > ? OR id > ?)", value, value, from.ID)
		}
	}
	sel := store.Select{Table: "records", Columns: recordColumns, Where: strings.Join(where, " AND "), Order: order.order, LimitArg: true}
	return sel, append(args, limit+1), limit, ps.err()
}

// in adds the condition that a column is one of a list; an empty list is any.
func in(ps *problems, and func(string, ...any), column string, values []string) {
	if len(values) == 0 {
		return
	}
	if len(values) > 100 {
		ps.add(policy.At(column).Is("too_many", 100))
		return
	}
	var args []any
	for _, v := range values {
		ps.line(policy.At(column), v, MaxName)
		args = append(args, v)
	}
	and(store.In(column, len(args)), args...)
}

func searchWords(ps *problems, and func(string, ...any), text string, inside bool) {
	ps.line(policy.At("text"), text, MaxTitle)
	words := strings.Fields(fold(text))
	if len(words) > maxWords {
		ps.add(policy.At("text").Is("too_many", maxWords))
		return
	}
	for _, w := range words {
		if inside {
			and("(search LIKE ? OR inside LIKE ?)", store.Contains(w), store.Contains(w))
		} else {
			and("search LIKE ?", store.Contains(w))
		}
	}
}

var errCursor = errors.New("the cursor is none of ours")

func parseCursor(s string) (cursor, error) {
	var c cursor
	if len(s) > 200 {
		return c, errCursor
	}
	text, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		return c, errCursor
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return c, errCursor
	}
	if _, err := ParseID(string(c.ID)); err != nil {
		return c, errCursor
	}
	return c, nil
}

// Count counts the records of one body that a filter finds, whatever its order,
// cursor and limit.
func (r *Records) Count(ctx context.Context, p Person, id tenant.ID, f Filter) (int64, error) {
	if err := r.may(p, id); err != nil {
		return 0, err
	}
	f.Order, f.Cursor, f.Limit = ByCreated, "", 1
	sel, args, _, err := r.selection(f, r.Sees(p, id, true))
	if err != nil {
		return 0, err
	}
	return r.DB.Tenant(id).Count(ctx, store.Count{Table: "records", Where: sel.Where}, args[:len(args)-1]...)
}
