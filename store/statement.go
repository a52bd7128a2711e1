package store

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// dialect is which SQL is written.
type dialect int

const (
	sqlite dialect = iota
	postgres
)

// compiled is a statement as SQL, with what its arguments must be.
type compiled struct {
	sql    string
	table  *table
	types  []Type // of the columns of a result
	params []param
}

// param is one argument of the SQL, in order.
type param struct {
	kind   paramKind
	column Column // of a columnArg
}

type paramKind int

const (
	tenantArg paramKind = iota // the tenant, or the list of an Across; this package gives it
	columnArg                  // the caller's value for a column
	whereArg                   // the caller's value in a condition
	limitArg                   // the caller's limit
)

// arguments puts the caller's values and the tenant in the order of the SQL.
func (c *compiled) arguments(args []any, tenant string) ([]any, error) {
	values := make([]any, 0, len(c.params))
	given := 0
	for _, p := range c.params {
		if p.kind == tenantArg {
			values = append(values, tenant)
			continue
		}
		if given >= len(args) {
			given++
			continue
		}
		v, err := p.value(args[given])
		if err != nil {
			return nil, fmt.Errorf("argument %d for %s: %w", given+1, c.table.name, err)
		}
		values = append(values, v)
		given++
	}
	if given != len(args) {
		return nil, fmt.Errorf("a statement on %s takes %d arguments and got %d", c.table.name, given, len(args))
	}
	return values, nil
}

// compile returns st as SQL, from the cache when it was compiled before.
func (c *catalog) compile(st Statement) (*compiled, error) {
	key := cacheKey(st)
	c.mu.RLock()
	known := c.compiled[key]
	c.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	fresh, err := c.build(st, c.dialect)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.compiled) < maxCompiled {
		c.compiled[key] = fresh
	}
	return fresh, nil
}

func cacheKey(st Statement) string {
	list := func(columns []string) string { return strings.Join(columns, "\x01") }
	switch st := st.(type) {
	case Select:
		return "S" + st.Table + "\x00" + list(st.Columns) + "\x00" + st.Where + "\x00" + st.Order + "\x00" + strconv.Itoa(st.Limit) + strconv.FormatBool(st.LimitArg)
	case Count:
		return "C" + st.Table + "\x00" + st.Where
	case Insert:
		return "I" + st.Table + "\x00" + list(st.Columns) + "\x00" + strconv.FormatBool(st.OrReplace)
	case Update:
		return "U" + st.Table + "\x00" + list(st.Set) + "\x00" + st.Where
	case Delete:
		return "D" + st.Table + "\x00" + st.Where
	case Across:
		return "A" + cacheKey(st.Select)
	case wholeInstallation:
		return "W" + cacheKey(st.Select)
	default:
		return ""
	}
}

// wholeInstallation is an Across without a list of bodies.
type wholeInstallation struct{ Select Select }

func (wholeInstallation) statement() {}

// builder writes SQL of one dialect.
type builder struct {
	strings.Builder
	dialect dialect
	params  []param
}

func (b *builder) arg(kind paramKind) { b.param(param{kind: kind}) }

func (b *builder) param(p param) {
	b.params = append(b.params, p)
	if b.dialect == postgres {
		b.WriteString("$" + strconv.Itoa(len(b.params)))
		return
	}
	b.WriteByte('?')
}

// name writes a quoted identifier, which the catalog knows to be a plain word.
func (b *builder) name(s string) { b.WriteString(`"` + s + `"`) }

func (b *builder) names(list []string) {
	for i, n := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.name(n)
	}
}

func (c *catalog) build(st Statement, d dialect) (*compiled, error) {
	b := &builder{dialect: d}
	var t *table
	var types []Type
	var err error
	switch st := st.(type) {
	case Select:
		t, types, err = c.selection(b, st, ownRows)
	case Across:
		if st.Name == "" || st.Reason == "" {
			return nil, errNameless
		}
		t, types, err = c.selection(b, st.Select, listedRows)
	case wholeInstallation:
		t, types, err = c.selection(b, st.Select, allRows)
	case Count:
		if t, err = c.table(st.Table); err == nil {
			b.WriteString("SELECT COUNT(*) FROM ")
			b.name(t.name)
			err = b.mine(t, st.Where)
		}
	case Insert:
		t, err = c.insert(b, st)
	case Update:
		t, err = c.update(b, st)
	case Delete:
		if t, err = c.table(st.Table); err == nil {
			b.WriteString("DELETE FROM ")
			b.name(t.name)
			err = b.mineWith(t, st.Where)
		}
	default:
		return nil, fmt.Errorf("%T is no statement", st)
	}
	if err != nil {
		return nil, fmt.Errorf("statement %T: %w", st, err)
	}
	return &compiled{sql: b.String(), table: t, types: types, params: b.params}, nil
}

func (c *catalog) table(name string) (*table, error) {
	if t := c.tables[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("no schema has a table %q", name)
}

// mine writes the tenant predicate, and the caller's condition inside it.
func (b *builder) mine(t *table, where string) error {
	b.WriteString(` WHERE "` + tenantColumn + `" = `)
	b.arg(tenantArg)
	return b.and(t, where)
}

func (b *builder) and(t *table, where string) error {
	if strings.TrimSpace(where) == "" {
		return nil
	}
	b.WriteString(" AND (")
	if err := b.where(t, where); err != nil {
		return err
	}
	b.WriteByte(')')
	return nil
}

// mineWith is mine for statements that change rows: they name which.
func (b *builder) mineWith(t *table, where string) error {
	if strings.TrimSpace(where) == "" {
		return fmt.Errorf("the condition for %s is empty; TRUE means all rows", t.name)
	}
	return b.mine(t, where)
}

type reach int

const (
	ownRows    reach = iota // of one tenant
	listedRows              // of a list of tenants
	allRows                 // of the installation
)

func (c *catalog) selection(b *builder, st Select, reach reach) (*table, []Type, error) {
	t, err := c.table(st.Table)
	if err != nil {
		return nil, nil, err
	}
	if err := t.has(st.Columns); err != nil {
		return nil, nil, err
	}
	var types []Type
	b.WriteString("SELECT ")
	if reach != ownRows {
		b.name(tenantColumn)
		b.WriteString(", ")
		types = append(types, Text)
	}
	b.names(st.Columns)
	for _, name := range st.Columns {
		types = append(types, t.columns[name].Type)
	}
	b.WriteString(" FROM ")
	b.name(t.name)
	switch reach {
	case ownRows:
		err = b.mine(t, st.Where)
	case listedRows:
		b.WriteString(` WHERE "` + tenantColumn + `"`)
		if b.dialect == postgres {
			b.WriteString(" = ANY(string_to_array(")
			b.arg(tenantArg)
			b.WriteString(", ','))")
		} else { // the list is a JSON array there
			b.WriteString(" IN (SELECT value FROM json_each(")
			b.arg(tenantArg)
			b.WriteString("))")
		}
		err = b.and(t, st.Where)
	case allRows:
		b.WriteString(" WHERE TRUE")
		err = b.and(t, st.Where)
	}
	if err != nil {
		return nil, nil, err
	}
	if st.Order != "" || reach != ownRows {
		b.WriteString(" ORDER BY ")
		if st.Order != "" {
			if err := b.order(t, st.Order); err != nil {
				return nil, nil, err
			}
		} else {
			b.name(tenantColumn)
		}
	}
	switch {
	case st.Limit < 0:
		return nil, nil, fmt.Errorf("limit %d of %s is negative", st.Limit, t.name)
	case st.LimitArg && st.Limit > 0:
		return nil, nil, fmt.Errorf("%s has a limit and takes one as an argument", t.name)
	case st.LimitArg:
		b.WriteString(" LIMIT ")
		b.arg(limitArg)
	case st.Limit > 0:
		b.WriteString(" LIMIT " + strconv.Itoa(st.Limit))
	}
	return t, types, nil
}

func (c *catalog) insert(b *builder, st Insert) (*table, error) {
	t, err := c.table(st.Table)
	if err != nil {
		return nil, err
	}
	if len(st.Columns) > 0 || len(t.key) > 0 {
		if err := t.has(st.Columns); err != nil {
			return nil, err
		}
	}
	b.WriteString("INSERT INTO ")
	b.name(t.name)
	b.WriteString(" (")
	b.names(append([]string{tenantColumn}, st.Columns...))
	b.WriteString(") VALUES (")
	b.arg(tenantArg)
	for _, name := range st.Columns {
		b.WriteString(", ")
		b.param(param{columnArg, t.columns[name]})
	}
	b.WriteByte(')')
	if !st.OrReplace {
		return t, nil
	}
	b.WriteString(" ON CONFLICT (")
	b.names(append([]string{tenantColumn}, t.key...))
	b.WriteString(") DO ")
	first := true
	for _, name := range st.Columns {
		if slices.Contains(t.key, name) {
			continue
		}
		if first {
			b.WriteString("UPDATE SET ")
		} else {
			b.WriteString(", ")
		}
		first = false
		b.name(name)
		b.WriteString(" = excluded.")
		b.name(name)
	}
	if first {
		b.WriteString("NOTHING")
	}
	return t, nil
}

func (c *catalog) update(b *builder, st Update) (*table, error) {
	t, err := c.table(st.Table)
	if err != nil {
		return nil, err
	}
	if err := t.has(st.Set); err != nil {
		return nil, err
	}
	b.WriteString("UPDATE ")
	b.name(t.name)
	b.WriteString(" SET ")
	for i, name := range st.Set {
		if i > 0 {
			b.WriteString(", ")
		}
		b.name(name)
		b.WriteString(" = ")
		b.param(param{columnArg, t.columns[name]})
	}
	return t, b.mineWith(t, st.Where)
}
