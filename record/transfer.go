package record

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record/clock"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Limits of one import.
const (
	MaxRows       = 5_000
	MaxImportSize = 32 << 20 // bytes
)

// RowProblem is what is wrong with one row of an import. Row counts from 1
// without the head; 0 is the file as a whole.
type RowProblem struct {
	Row     int            `json:"row"`
	Problem policy.Problem `json:"problem"`
}

// columns of a table of records: what an import takes and an export writes.
// Fields of forms stand behind them, each as "fields." and its name.
var (
	taken   = []string{"kind", "title", "body", "severity", "side", "owner", "system", "key", "drill"}
	told    = []string{"number", "state", "created", "created_by", "updated", "closed", "due", "repeats"} // what cannot be set
	bom     = "\xEF\xBB\xBF"
	inField = "fields."
)

// ParseCSV reads drafts from CSV as Excel writes it: UTF-8 with or without a BOM,
// the first line naming the columns in any order. Columns that only an export
// writes are left out, unknown ones are a problem. With problems there are no drafts.
func ParseCSV(from io.Reader) ([]Draft, []RowProblem, error) {
	text, problem, err := readAll(from)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	reader := csv.NewReader(strings.NewReader(strings.TrimPrefix(text, bom)))
	reader.FieldsPerRecord = -1
	rows, err := reader.ReadAll()
	var broken *csv.ParseError
	if errors.As(err, &broken) {
		return nil, []RowProblem{{0, policy.At("line", broken.Line).Is("not_csv", broken.Err.Error())}}, nil
	}
	if err != nil {
		return nil, nil, fmt.Errorf("reading CSV: %w", err)
	}
	if len(rows) == 0 {
		return nil, whole("empty"), nil
	}
	head, rows := rows[0], rows[1:]
	var wrong []RowProblem
	for i, name := range head {
		head[i] = strings.ToLower(strings.TrimSpace(name))
		known := slices.Contains(taken, head[i]) || slices.Contains(told, head[i]) || strings.HasPrefix(head[i], inField)
		if !known || slices.Contains(head[:i], head[i]) {
			wrong = append(wrong, RowProblem{0, policy.At(clip(head[i], 60)).Is("no_such_column", clip(head[i], 60))})
		}
	}
	if len(rows) > MaxRows {
		wrong = append(wrong, whole("too_many", MaxRows)...)
	}
	if wrong != nil {
		return nil, wrong, nil
	}
	var drafts []Draft
	for i, row := range rows {
		if len(row) != len(head) {
			wrong = append(wrong, RowProblem{i + 1, policy.At().Is("wrong_width", len(row), len(head))})
			continue
		}
		d := Draft{Fields: map[string]string{}}
		for j, value := range row {
			if code := d.set(head[j], unguard(value)); code != "" {
				wrong = append(wrong, RowProblem{i + 1, policy.At(head[j]).Is(code)})
			}
		}
		drafts = append(drafts, d)
	}
	if wrong != nil {
		return nil, wrong, nil
	}
	return drafts, nil, nil
}

func whole(code string, args ...any) []RowProblem {
	return []RowProblem{{0, policy.At().Is(code, args...)}}
}

func readAll(from io.Reader) (string, []RowProblem, error) {
	text, err := io.ReadAll(io.LimitReader(from, MaxImportSize+1))
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("reading an import: %w", err)
	case len(text) > MaxImportSize:
		return "", whole("too_large", MaxImportSize), nil
	case !utf8.Valid(text): // such as Shift_JIS, in which 外字 would be lost
		return "", whole("not_utf8"), nil
	}
	return string(text), nil, nil
}

// set sets one value by the name of its column.
func (d *Draft) set(column, value string) (code string) {
	switch column {
	case "kind":
		d.Kind = value
	case "title":
		d.Title = value
	case "body":
		d.Body = value
	case "severity":
		d.Severity = Severity(value)
	case "side":
		d.Side = Side(value)
	case "owner":
		d.Owner = value
	case "system":
		d.System = value
	case "key":
		d.Key = value
	case "drill":
		switch strings.ToLower(value) { // Excel writes TRUE
		case "", "false":
		case "true":
			d.Drill = true
		default:
			return "not_yes_or_no"
		}
	default:
		if name, ok := strings.CutPrefix(column, inField); ok && value != "" {
			d.Fields[name] = value
		}
	}
	return ""
}

// ParseJSON reads drafts from a JSON list of objects with the names of Draft. A
// name that is none of them is a problem.
func ParseJSON(from io.Reader) ([]Draft, []RowProblem, error) {
	text, problem, err := readAll(from)
	if err != nil || problem != nil {
		return nil, problem, err
	}
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	var drafts []Draft
	if err := dec.Decode(&drafts); err != nil {
		return nil, whole("not_json", err.Error()), nil //nolint:nilerr // what is wrong with the file is the answer
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, whole("not_json", "text behind the list"), nil
	}
	if len(drafts) > MaxRows {
		return nil, whole("too_many", MaxRows), nil
	}
	return drafts, nil, nil
}

// Import makes a record of every draft, all in one transaction: with a problem
// in any of them nothing happens, and all problems are told. With dry nothing
// happens in any case. Drafts that repeat an open record are noted there, as
// Create does, and their record is in the answer again.
func (r *Records) Import(ctx context.Context, p Person, id tenant.ID, drafts []Draft, dry bool) ([]Record, []RowProblem, error) {
	if err := r.may(p, id); err != nil {
		return nil, nil, err
	}
	if len(drafts) > MaxRows {
		return nil, whole("too_many", MaxRows), nil
	}
	drafts = slices.Clone(drafts)
	var wrong []RowProblem
	for i := range drafts {
		drafts[i].clean()
		for _, problem := range r.checkDraft(p, drafts[i]) {
			wrong = append(wrong, RowProblem{i + 1, problem})
		}
	}
	if wrong != nil || dry || len(drafts) == 0 {
		return nil, wrong, nil
	}
	var made []Record
	err := r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		made = make([]Record, 0, len(drafts))
		for i, d := range drafts {
			rec, _, err := r.create(ctx, tx, p, d)
			if err != nil {
				return fmt.Errorf("row %d: %w", i+1, err)
			}
			made = append(made, rec)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("importing records of %s: %w", id, err)
	}
	return made, nil, nil
}

// Export writes the records of a body that a filter finds, all pages of it, as
// CSV for Excel (UTF-8 with BOM, CRLF): times in Japan, and what a spreadsheet
// would take for a formula with a ' in front, which ParseCSV takes off again.
// The export is noted in the body's audit chain.
func (r *Records) Export(ctx context.Context, p Person, id tenant.ID, f Filter, to io.Writer) error {
	fields := r.exportFields(f)
	if _, err := io.WriteString(to, bom); err != nil {
		return err
	}
	w := csv.NewWriter(to)
	w.UseCRLF = true
	head := slices.Concat([]string{"number"}, taken, told[1:], fields)
	if err := w.Write(head); err != nil {
		return err
	}
	err := r.each(ctx, p, id, f, func(rec Record) error {
		row := make([]string, len(head))
		for i, column := range head {
			row[i] = guard(rec.cell(column))
		}
		return w.Write(row)
	})
	if err != nil {
		return err
	}
	w.Flush()
	return w.Error()
}

// ExportJSON writes the same records as a JSON list.
func (r *Records) ExportJSON(ctx context.Context, p Person, id tenant.ID, f Filter, to io.Writer) error {
	before := "[\n"
	err := r.each(ctx, p, id, f, func(rec Record) error {
		text, err := json.Marshal(rec)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(to, "%s%s", before, text)
		before = ",\n"
		return err
	})
	if err != nil {
		return err
	}
	if before == "[\n" {
		_, err = io.WriteString(to, "[]\n")
		return err
	}
	_, err = io.WriteString(to, "\n]\n")
	return err
}

// each calls fn for every record that f finds, having noted that p takes them out.
func (r *Records) each(ctx context.Context, p Person, id tenant.ID, f Filter, fn func(Record) error) error {
	f.Cursor, f.Limit = "", 500
	page, err := r.List(ctx, p, id, f)
	if err != nil {
		return err
	}
	if err := r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "record.export", Object: strings.Join(f.Kinds, ",")})
		return nil
	}); err != nil {
		return err
	}
	for {
		for _, rec := range page.Records {
			if err := fn(rec); err != nil {
				return err
			}
		}
		if page.Next == "" {
			return nil
		}
		f.Cursor = page.Next
		if page, err = r.List(ctx, p, id, f); err != nil {
			return err
		}
	}
}

// exportFields are the columns of the forms of the kinds in a filter.
func (r *Records) exportFields(f Filter) []string {
	kinds := f.Kinds
	if len(kinds) == 0 {
		kinds = r.Kinds.Names()
	}
	var all []string
	for _, name := range kinds {
		if k, ok := r.Kinds.Kind(name); ok {
			for _, field := range k.Fields {
				if column := inField + field.Name; !slices.Contains(all, column) {
					all = append(all, column)
				}
			}
		}
	}
	return all
}

func (rec *Record) cell(column string) string {
	moment := func(t time.Time) string {
		if t.IsZero() {
			return ""
		}
		return t.In(clock.JST).Format("2006-01-02 15:04:05")
	}
	switch column {
	case "number":
		return rec.Number
	case "kind":
		return rec.Kind
	case "title":
		return rec.Title
	case "body":
		return rec.Body
	case "severity":
		return string(rec.Severity)
	case "side":
		return string(rec.Side)
	case "owner":
		return rec.Owner
	case "system":
		return rec.System
	case "key":
		return rec.Key
	case "drill":
		return fmt.Sprint(rec.Drill)
	case "state":
		return rec.State
	case "created":
		return moment(rec.Created)
	case "created_by":
		return rec.CreatedBy
	case "updated":
		return moment(rec.Updated)
	case "closed":
		return moment(rec.Closed)
	case "due":
		return moment(rec.Due)
	case "repeats":
		return fmt.Sprint(rec.Repeats)
	}
	return rec.Fields[strings.TrimPrefix(column, inField)]
}

// formula tells whether a spreadsheet would compute a text, perhaps behind
// quotes that guard put there (OWASP, CSV injection).
func formula(s string) bool {
	s = strings.TrimLeft(s, "'")
	return s != "" && strings.ContainsRune("=+-@\t\r＝＋－＠", []rune(s)[0])
}

// guard puts a ' in front of what would be a formula; unguard takes it off, so
// that a round trip changes nothing.
func guard(s string) string {
	if formula(s) {
		return "'" + s
	}
	return s
}

func unguard(s string) string {
	if rest, ok := strings.CutPrefix(s, "'"); ok && formula(rest) {
		return rest
	}
	return s
}
