package backup

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/sekikura/sekikura/store"
)

// table is one table of the control store as its schema describes it.
type table struct {
	name    string
	columns []store.Column
	key     []string
}

// tables lists what schemas keep per body, with the register of bodies first.
func tables(schemas []store.Schema) []table {
	all := []table{{name: store.Bodies, columns: []store.Column{
		{Name: "operator", Type: store.Text}, {Name: "document", Type: store.JSON}, {Name: "version", Type: store.Int},
	}}}
	for _, s := range schemas {
		for _, m := range s.Migrations {
			for _, step := range m.Steps {
				switch step := step.(type) {
				case store.CreateTable:
					all = append(all, table{step.Name, slices.Clone(step.Columns), step.Key})
				case store.AddColumn:
					if i := slices.IndexFunc(all, func(t table) bool { return t.name == step.Table }); i >= 0 {
						all[i].columns = append(all[i].columns, step.Column)
					}
				}
			}
		}
	}
	return all
}

func (t table) names() []string {
	names := make([]string, len(t.columns))
	for i, c := range t.columns {
		names[i] = c.Name
	}
	return names
}

// record is one row of the control store as a line of a backup. Values are JSON
// strings, numbers and booleans; bytes are base64, times RFC 3339, and JSON
// columns stand as they are. A null column is null.
type record struct {
	Table string                     `json:"table"`
	Row   map[string]json.RawMessage `json:"row"`
}

// goTypes are what the store gives for a column that is not null.
var goTypes = map[store.Type]reflect.Type{
	store.Text: reflect.TypeFor[string](), store.Int: reflect.TypeFor[int64](), store.Bool: reflect.TypeFor[bool](),
	store.Time: reflect.TypeFor[time.Time](), store.Bytes: reflect.TypeFor[[]byte](),
	store.JSON: reflect.TypeFor[json.RawMessage](), store.Float: reflect.TypeFor[float64](),
}

// read turns a row of the store into a record, and returns the newest of its
// times that is not after now: when the row was last touched, as far as it says.
func (t table) read(row store.Row, now time.Time) (record, time.Time, error) {
	var newest time.Time
	into := make([]any, len(t.columns))
	for i, c := range t.columns {
		into[i] = reflect.New(reflect.PointerTo(goTypes[c.Type])).Interface() // a nil pointer stands for null
	}
	if err := row.Scan(into...); err != nil {
		return record{}, newest, fmt.Errorf("reading a row of %s: %w", t.name, err)
	}
	r := record{Table: t.name, Row: make(map[string]json.RawMessage, len(into))}
	for i, c := range t.columns {
		if at, ok := into[i].(**time.Time); ok && *at != nil && (*at).After(newest) && !(*at).After(now) {
			newest = **at
		}
		value, err := json.Marshal(reflect.ValueOf(into[i]).Elem().Interface())
		if err != nil {
			return record{}, newest, fmt.Errorf("reading column %s.%s: %w", t.name, c.Name, err)
		}
		r.Row[c.Name] = value
	}
	return r, newest, nil
}

// arguments turns a record into an Insert of the columns that it knows, and its
// values. A column that came later than the backup gets its default.
func (t table) arguments(r record) (store.Insert, []any, error) {
	insert := store.Insert{Table: t.name}
	var args []any
	for _, c := range t.columns {
		raw, ok := r.Row[c.Name]
		if !ok {
			continue
		}
		insert.Columns = append(insert.Columns, c.Name)
		if string(raw) == "null" && c.Null {
			args = append(args, nil)
			continue
		}
		value := reflect.New(goTypes[c.Type])
		if err := json.Unmarshal(raw, value.Interface()); err != nil {
			return insert, nil, fmt.Errorf("column %s.%s: %w", t.name, c.Name, err)
		}
		args = append(args, value.Elem().Interface())
	}
	if len(args) != len(r.Row) {
		return insert, nil, fmt.Errorf("a row of %s has columns that are not known here: the backup is of a newer release", t.name)
	}
	return insert, args, nil
}
