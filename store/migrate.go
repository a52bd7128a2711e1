package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
)

// migrate applies what is missing. Each migration runs in one transaction
// together with the row that records it.
func (db *DB) migrate(ctx context.Context, schemas []Schema) error {
	err := db.engine.alone(ctx, func(ctx context.Context) error {
		err := db.engine.write(ctx, "", func(s session) error {
			_, err := s.exec(ctx, `CREATE TABLE IF NOT EXISTS sekikura_migrations
				(service TEXT NOT NULL, number BIGINT NOT NULL, checksum TEXT NOT NULL, applied BIGINT NOT NULL, PRIMARY KEY (service, number))`)
			return err
		})
		if err != nil {
			return fmt.Errorf("preparing the store: %w", err)
		}
		for _, schema := range schemas {
			for _, m := range schema.Migrations {
				if err := db.migrateOne(ctx, schema.Service, m); err != nil {
					return fmt.Errorf("migration %d of %s: %w", m.Number, schema.Service, err)
				}
			}
		}
		if err := db.engine.prepareJobs(ctx); err != nil {
			return fmt.Errorf("preparing the job tables: %w", err)
		}
		return nil
	})
	return err
}

func (db *DB) migrateOne(ctx context.Context, service string, m Migration) error {
	sum, err := checksum(m)
	if err != nil {
		return err
	}
	applied, err := db.applied(ctx, service, m.Number, sum)
	if err != nil || applied {
		return err
	}
	return db.retry(ctx, func() error {
		return db.engine.write(ctx, "", func(s session) error {
			// Another opener may have been faster.
			applied, err := migrationApplied(ctx, s, db.engine.dialect(), service, m.Number, sum)
			if err != nil || applied {
				return err
			}
			for _, step := range m.Steps {
				for _, text := range stepSQL(step, db.engine.dialect()) {
					if _, err := s.exec(ctx, text); err != nil {
						return err
					}
				}
			}
			b := &builder{dialect: db.engine.dialect()}
			b.WriteString("INSERT INTO sekikura_migrations (service, number, checksum, applied) VALUES ")
			b.list(4)
			_, err = s.exec(ctx, b.String(), service, int64(m.Number), sum, fromTime(db.now()))
			return err
		})
	})
}

// list writes n placeholders in parentheses.
func (b *builder) list(n int) {
	for i := range n {
		b.WriteByte("(,"[min(i, 1)])
		b.arg(columnArg)
	}
	b.WriteByte(')')
}

func (db *DB) applied(ctx context.Context, service string, number int, sum string) (applied bool, err error) {
	err = db.engine.read(ctx, "", func(s session) error {
		applied, err = migrationApplied(ctx, s, db.engine.dialect(), service, number, sum)
		return err
	})
	return applied, err
}

func migrationApplied(ctx context.Context, s session, d dialect, service string, number int, sum string) (bool, error) {
	b := &builder{dialect: d}
	b.WriteString("SELECT checksum FROM sekikura_migrations WHERE service = ")
	b.arg(columnArg)
	b.WriteString(" AND number = ")
	b.arg(columnArg)
	was := ""
	err := s.each(ctx, b.String(), []any{service, int64(number)}, func(scan func(...any) error) error { return scan(&was) })
	if err != nil {
		return false, err
	}
	if was != "" && was != sum {
		return false, fmt.Errorf("it was applied to this database in another form (checksum %.12s, now %.12s)", was, sum)
	}
	return was != "", nil
}

// checksum covers what a migration does, not how this release writes it as SQL.
// Only what a step sets counts, so that the types of steps can grow fields
// without changing the checksums of old migrations.
func checksum(m Migration) (string, error) {
	h := sha256.New()
	for _, step := range m.Steps {
		text, err := json.Marshal(step)
		if err != nil {
			return "", err
		}
		var tree any
		if err := json.Unmarshal(text, &tree); err != nil {
			return "", err
		}
		if text, err = json.Marshal(whatIsSet(tree)); err != nil { // names in order
			return "", err
		}
		fmt.Fprintf(h, "%T %s\n", step, text)
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// whatIsSet is a tree of JSON without the members that have zero values.
func whatIsSet(tree any) any {
	switch tree := tree.(type) {
	case map[string]any:
		for name, value := range tree {
			switch value {
			case nil, false, "", 0.0:
				delete(tree, name)
			default:
				tree[name] = whatIsSet(value)
			}
		}
	case []any:
		for i := range tree {
			tree[i] = whatIsSet(tree[i])
		}
	}
	return tree
}

// rowWall lets a transaction see the rows of the tenants it was opened for, and
// write those of a single one. A setting that nobody made, or that a previous
// transaction left behind empty, matches no row.
const rowWall = `CREATE POLICY sekikura_tenant ON "%s"
	USING (tenant = ANY (string_to_array(current_setting('sekikura.tenant', true), ',')) OR current_setting('sekikura.tenant', true) = '*')
	WITH CHECK (tenant = current_setting('sekikura.tenant', true))`

func stepSQL(step Step, d dialect) []string {
	b := &builder{dialect: d}
	switch step := step.(type) {
	case engineStep:
		if d == postgres {
			return step.Postgres
		}
		return step.SQLite
	case CreateTable:
		b.WriteString("CREATE TABLE ")
		b.name(step.Name)
		b.WriteString(" (")
		b.column(Column{Name: tenantColumn})
		for _, c := range step.Columns {
			b.WriteString(", ")
			b.column(c)
		}
		b.WriteString(", PRIMARY KEY (")
		b.names(append([]string{tenantColumn}, step.Key...))
		b.WriteString("))")
		if d == sqlite {
			b.WriteString(" STRICT")
			return []string{b.String()}
		}
		return append([]string{b.String()}, walled(step.Name)...)
	case AddColumn:
		b.WriteString("ALTER TABLE ")
		b.name(step.Table)
		b.WriteString(" ADD COLUMN ")
		b.column(step.Column)
	case CreateIndex:
		b.WriteString("CREATE ")
		if step.Unique || step.UniqueEverywhere {
			b.WriteString("UNIQUE ")
		}
		b.WriteString("INDEX ")
		b.name(step.Name)
		b.WriteString(" ON ")
		b.name(step.Table)
		b.WriteString(" (")
		columns := step.Columns
		if !step.UniqueEverywhere {
			columns = append([]string{tenantColumn}, columns...)
		}
		b.names(columns)
		b.WriteByte(')')
	}
	return []string{b.String()}
}

// walled is the SQL that puts a PostgreSQL table behind row-level security, for
// its owner too.
func walled(table string) []string {
	return []string{
		fmt.Sprintf(`ALTER TABLE "%s" ENABLE ROW LEVEL SECURITY`, table),
		fmt.Sprintf(`ALTER TABLE "%s" FORCE ROW LEVEL SECURITY`, table),
		fmt.Sprintf(rowWall, table),
	}
}

func (b *builder) column(c Column) {
	b.name(c.Name)
	b.WriteByte(' ')
	b.WriteString(typeSQL(c.Type, b.dialect))
	if !c.Null {
		b.WriteString(" NOT NULL")
	}
	if c.Default != "" {
		literal := c.Default
		if b.dialect == sqlite {
			switch strings.ToUpper(literal) { // STRICT tables keep booleans as integers
			case "TRUE":
				literal = "1"
			case "FALSE":
				literal = "0"
			}
		}
		b.WriteString(" DEFAULT " + literal)
	}
}

// typeSQL: times are microseconds in both engines, JSON is kept as written, and
// texts compare by their bytes in both.
func typeSQL(t Type, d dialect) string {
	if d == sqlite {
		switch t {
		case Int, Bool, Time:
			return "INTEGER"
		case Bytes:
			return "BLOB"
		case Float:
			return "REAL"
		default:
			return "TEXT"
		}
	}
	switch t {
	case Int, Time:
		return "BIGINT"
	case Bool:
		return "BOOLEAN"
	case Bytes:
		return "BYTEA"
	case Float:
		return "DOUBLE PRECISION"
	default:
		return `TEXT COLLATE "C"`
	}
}
