package store

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// catalog knows the tables of this program's schemas and turns statements into SQL.
type catalog struct {
	dialect dialect
	tables  map[string]*table

	mu       sync.RWMutex // guards compiled
	compiled map[string]*compiled
}

type table struct {
	name    string
	service string
	columns map[string]Column
	key     []string
}

// maxCompiled bounds the cache, should a caller build its conditions from data.
const maxCompiled = 4096

// newCatalog checks schemas: their names, numbers and declared statements.
func newCatalog(schemas []Schema) (*catalog, error) {
	c := &catalog{tables: make(map[string]*table), compiled: make(map[string]*compiled)}
	services, indexes := make(map[string]bool), make(map[string]bool)
	for _, s := range schemas {
		if s.Service == "" || services[s.Service] {
			return nil, fmt.Errorf("schema %q: the name of its service is empty or taken", s.Service)
		}
		services[s.Service] = true
		for i, m := range s.Migrations {
			if m.Number != i+1 {
				return nil, fmt.Errorf("schema %s: migration %d stands where %d should", s.Service, m.Number, i+1)
			}
			for _, step := range m.Steps {
				if err := c.apply(s.Service, step, indexes); err != nil {
					return nil, fmt.Errorf("schema %s, migration %d: %w", s.Service, m.Number, err)
				}
			}
		}
	}
	for _, s := range schemas {
		for _, st := range s.Statements {
			for _, d := range []dialect{sqlite, postgres} {
				compiled, err := c.build(st, d)
				if err == nil && compiled.table.service != s.Service {
					err = fmt.Errorf("table %s belongs to %s", compiled.table.name, compiled.table.service)
				}
				if err != nil {
					return nil, fmt.Errorf("schema %s: %w", s.Service, err)
				}
			}
		}
	}
	return c, nil
}

func (c *catalog) apply(service string, step Step, indexes map[string]bool) error {
	switch step := step.(type) {
	case CreateTable:
		return c.createTable(service, step)
	case AddColumn:
		t := c.tables[step.Table]
		if t == nil || t.service != service {
			return fmt.Errorf("there is no table %q of this schema", step.Table)
		}
		if !step.Column.Null && step.Column.Default == "" {
			return fmt.Errorf("added column %s.%s needs Null or a default", step.Table, step.Column.Name)
		}
		return t.add(step.Column)
	case CreateIndex:
		t := c.tables[step.Table]
		if t == nil || t.service != service {
			return fmt.Errorf("there is no table %q of this schema", step.Table)
		}
		if err := name(step.Name); err != nil {
			return err
		}
		if indexes[step.Name] {
			return fmt.Errorf("index %s exists twice", step.Name)
		}
		indexes[step.Name] = true
		return t.has(step.Columns)
	case engineStep:
		return nil
	default:
		return fmt.Errorf("%T is no step", step)
	}
}

func (c *catalog) createTable(service string, step CreateTable) error {
	if err := name(step.Name); err != nil {
		return err
	}
	if other := c.tables[step.Name]; other != nil {
		return fmt.Errorf("table %s exists already in schema %s", step.Name, other.service)
	}
	t := &table{name: step.Name, service: service, columns: make(map[string]Column), key: step.Key}
	for _, column := range step.Columns {
		if err := t.add(column); err != nil {
			return err
		}
	}
	if len(step.Key) > 0 {
		if err := t.has(step.Key); err != nil {
			return err
		}
	}
	for _, k := range step.Key {
		if t.columns[k].Null {
			return fmt.Errorf("key column %s.%s may not be null", step.Name, k)
		}
	}
	c.tables[step.Name] = t
	return nil
}

func (t *table) add(column Column) error {
	if err := name(column.Name); err != nil {
		return err
	}
	if _, twice := t.columns[column.Name]; twice || column.Name == tenantColumn {
		return fmt.Errorf("column %s.%s exists already", t.name, column.Name)
	}
	if words[column.Name] || functions[column.Name] {
		return fmt.Errorf("column %s.%s has the name of a word that conditions use", t.name, column.Name)
	}
	if column.Type < Text || column.Type > Float {
		return fmt.Errorf("column %s.%s has no type", t.name, column.Name)
	}
	if column.Default != "" {
		if err := literal(column.Default); err != nil {
			return fmt.Errorf("default of %s.%s: %w", t.name, column.Name, err)
		}
	}
	t.columns[column.Name] = column
	return nil
}

// has checks a list of the table's columns: each once, and not empty.
func (t *table) has(columns []string) error {
	if len(columns) == 0 {
		return fmt.Errorf("a list of columns of %s is empty", t.name)
	}
	for i, c := range columns {
		if _, ok := t.columns[c]; !ok {
			return fmt.Errorf("%s has no column %s", t.name, c)
		}
		if slices.Contains(columns[:i], c) {
			return fmt.Errorf("column %s.%s is named twice", t.name, c)
		}
	}
	return nil
}

// tenantColumn is the column this package adds; no statement may name it.
const tenantColumn = "tenant"

var nameShape = regexp.MustCompile(`^[a-z][a-z0-9_]{0,47}$`)

// name checks the name of a table, column or index.
func name(s string) error {
	if !nameShape.MatchString(s) {
		return fmt.Errorf("name %q is not up to 48 of a-z 0-9 _", s)
	}
	for _, taken := range []string{"sekikura_", "river", "sqlite_", "pg_"} {
		if strings.HasPrefix(s, taken) {
			return fmt.Errorf("name %q begins with %s, which is taken", s, taken)
		}
	}
	return nil
}
