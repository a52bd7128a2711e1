package store

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sekikura/sekikura/tenant"
)

// Copy writes a consistent copy of a SQLite store to path, which must not exist,
// while work goes on. Its mode is 0600. A PostgreSQL store is copied with its
// own tools, and an error says so.
func (db *DB) Copy(ctx context.Context, path string) error { return db.engine.copyTo(ctx, path) }

// RestoreTenant replaces everything that db keeps of one body with what from
// keeps of it, in one change, and returns how many rows of each table came back.
// from is a copy that was opened with the same schemas. The audit chain is not
// replaced: it goes on, with a record of the restoration; queued jobs stay as
// they are. topics are touched, so that those who read the rows look again. A
// value that is unique everywhere and has since been taken by another body is
// ErrExists, and then nothing has changed.
func (db *DB) RestoreTenant(ctx context.Context, from *DB, id tenant.ID, actor Actor, reason string, topics ...string) (map[string]int64, error) {
	var restored map[string]int64
	err := db.Change(ctx, id, actor, func(tx *Tx) error {
		restored = make(map[string]int64)
		return from.engine.view(ctx, string(id), func(old session) error {
			for _, name := range slices.Sorted(maps.Keys(db.catalog.tables)) {
				n, err := tx.restoreTable(ctx, old, from.catalog, name)
				if err != nil {
					return err
				}
				restored[name] = n
			}
			tx.Audit(Audit{Action: "tenant.restore", Object: string(id), After: fmt.Appendf(nil, `{"rows":%d}`, sum(restored)), Reason: reason})
			for _, topic := range topics {
				tx.Touch(topic)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("restoring %s: %w", id, err)
	}
	return restored, nil
}

func sum(counts map[string]int64) (all int64) {
	for _, n := range counts {
		all += n
	}
	return all
}

// restoreTable replaces the body's rows of one table; a table that the copy does
// not have yet becomes empty.
func (tx *Tx) restoreTable(ctx context.Context, old session, cat *catalog, name string) (int64, error) {
	if _, err := tx.Delete(ctx, Delete{Table: name, Where: "TRUE"}); err != nil {
		return 0, err
	}
	t := cat.tables[name]
	if t == nil {
		return 0, nil
	}
	columns := slices.Sorted(maps.Keys(t.columns))
	if len(columns) == 0 {
		return 0, fmt.Errorf("table %s has no columns", name)
	}
	count := int64(0)
	err := selectRows(ctx, cat, old, tx.id, Select{Table: name, Columns: columns}, nil, func(row Row) error {
		values, err := row.typed()
		if err != nil {
			return err
		}
		count++
		return tx.Insert(ctx, Insert{Table: name, Columns: columns}, values...)
	})
	return count, err
}
