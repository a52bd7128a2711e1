package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// maxRecord bounds one row of the control store in a backup.
const maxRecord = 64 << 20

// eachRecord calls fn for every record of a "rows" slice.
func eachRecord(r io.Reader, known []table, fn func(table, record) error) (int64, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxRecord)
	n := int64(0)
	for lines.Scan() {
		var rec record
		if err := json.Unmarshal(lines.Bytes(), &rec); err != nil {
			return n, fmt.Errorf("reading row %d: %w", n+1, err)
		}
		i := slices.IndexFunc(known, func(t table) bool { return t.name == rec.Table })
		if i < 0 {
			return n, fmt.Errorf("row %d is of the table %q, which is not known here: the backup is of a newer release", n+1, rec.Table)
		}
		if err := fn(known[i], rec); err != nil {
			return n, err
		}
		n++
	}
	return n, lines.Err()
}

// checkAudit verifies a chain as it lies in a backup.
func checkAudit(id tenant.ID, r io.Reader, heads []store.Head) (int64, error) {
	lines := &lineCounter{w: io.Discard}
	report, err := store.VerifyAuditExport(id, io.TeeReader(r, lines), heads)
	if err != nil {
		return lines.n, err
	}
	if len(report.Faults) > 0 {
		return lines.n, fmt.Errorf("the audit chain of %s does not hold: %+v", id, report.Faults[0])
	}
	return report.Records, nil
}

// before are the heads that were signed when a backup began. Later ones may say of
// records that it cannot have.
func before(heads []store.Head, m Manifest) []store.Head {
	return slices.DeleteFunc(slices.Clone(heads), func(h store.Head) bool { return h.Time.After(m.Started) })
}

// ControlScratch takes the control store into a folder of its own: as
// Dir/control.db for SQLite, or by Load. Dir and Schemas must be set.
type ControlScratch struct {
	Dir     string
	Schemas []store.Schema
	Heads   []store.Head // signed heads kept elsewhere, if there are any; later ones than the backup are left out
	// Load takes a database's dump into a fresh database and opens it. Nil is
	// for SQLite.
	Load func(ctx context.Context, dump io.Reader) (*store.DB, error)

	db *store.DB
}

// Name implements [Target].
func (*ControlScratch) Name() string { return ControlName }

func (c *ControlScratch) begin(m Manifest) { c.Heads = before(c.Heads, m) }

// Restore implements [Target]. A database that stands there already is not
// overwritten.
func (c *ControlScratch) Restore(ctx context.Context, s Slice, r io.Reader) (int64, error) {
	switch {
	case s.Name == auditSlice && s.Tenant != "":
		return checkAudit(s.Tenant, r, c.Heads)
	case s.Name == rowsSlice && s.Tenant != "":
		return eachRecord(r, tables(c.Schemas), func(t table, rec record) error {
			_, _, err := t.arguments(rec)
			return err
		})
	case s.Name != databaseSlice || s.Tenant != "":
		return 0, fmt.Errorf("the control store knows no slice %s", s)
	}
	if err := c.database(ctx, r); err != nil {
		return 0, err
	}
	return 1, nil
}

func (c *ControlScratch) database(ctx context.Context, r io.Reader) (err error) {
	if c.Load != nil {
		c.db, err = c.Load(ctx, r)
		return err
	}
	file := filepath.Join(c.Dir, "control.db")
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // below the folder given
	if err != nil {
		return err
	}
	_, err = io.Copy(f, r)
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	c.db, err = store.Open(ctx, store.Config{Path: file}, c.Schemas...)
	return err
}

// count counts the restored rows of one body.
func (c *ControlScratch) count(ctx context.Context, id tenant.ID) (int64, error) {
	n := int64(0)
	err := c.db.View(ctx, func(v *store.View) error {
		for _, t := range tables(c.Schemas) {
			one := store.Across{Name: "backup.count." + t.name, Reason: "復元の確認", Machine: true, Select: store.Select{Table: t.name, Columns: t.names()[:1]}}
			err := v.Across(ctx, one, func(owner tenant.ID, _ store.Row) error {
				if id == owner {
					n++
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	return n, err
}

// Check implements [Target]: the restored database has as many rows of each body
// as the body's own slice (but for slices that moved during a dump), and every
// audit chain verifies.
func (c *ControlScratch) Check(ctx context.Context, parts []Part) (checked int64, problems []string, err error) {
	if c.db == nil {
		return 0, []string{"the database itself did not come back"}, nil
	}
	for _, p := range parts {
		switch p.Slice.Name {
		case rowsSlice:
			n, err := c.count(ctx, p.Tenant)
			if err != nil {
				return checked, problems, err
			}
			checked += n
			if n != p.Rows && !strings.HasSuffix(p.Version, moving) {
				problems = append(problems, fmt.Sprintf("%d rows of body %s are in the restored database, %d in its backup", n, p.Tenant, p.Rows))
			}
		case auditSlice:
			report, err := c.db.VerifyAudit(ctx, p.Tenant, c.Heads)
			if err != nil {
				return checked, problems, err
			}
			checked += report.Records
			if len(report.Faults) > 0 || report.Records != p.Rows && !strings.HasSuffix(p.Version, moving) {
				problems = append(problems, fmt.Sprintf("the restored audit chain of body %s has %d of %d records and the faults %+v", p.Tenant, report.Records, p.Rows, report.Faults))
			}
		}
	}
	return checked, problems, nil
}

// Close closes the restored database.
func (c *ControlScratch) Close() error {
	if c.db == nil {
		return nil
	}
	db := c.db
	c.db = nil
	return db.Close()
}

// ControlBody puts one body's rows back into a running control store, in place of
// what the body has there now. The body's audit chain stays the running one, with
// a record of the restore; the chain in the backup is verified. DB, Schemas,
// Actor and Reason must be set.
type ControlBody struct {
	DB      *store.DB
	Schemas []store.Schema
	Heads   []store.Head // as in [ControlScratch]
	Actor   store.Actor
	Reason  string // the change reference (変更番号), for the audit record
	// Topics are touched, so that those who read the rows (such as the pushing of
	// policies) look again.
	Topics []string
	// Standing, when set, refuses rows that contradict other bodies' as those stand
	// now, such as a host name that has moved since; then nothing is replaced.
	Standing func(context.Context, *store.Tx) error
}

// Name implements [Target].
func (*ControlBody) Name() string { return ControlName }

func (c *ControlBody) begin(m Manifest) { c.Heads = before(c.Heads, m) }

// Restore implements [Target]. A body's rows are replaced in one transaction.
func (c *ControlBody) Restore(ctx context.Context, s Slice, r io.Reader) (int64, error) {
	switch {
	case s.Tenant == "":
		return 0, fmt.Errorf("%s is not one body's: a running control store is not replaced as a whole", s)
	case s.Name == auditSlice:
		return checkAudit(s.Tenant, r, c.Heads)
	case s.Name != rowsSlice:
		return 0, fmt.Errorf("the control store knows no slice %s", s)
	}
	content, err := io.ReadAll(r) // a Change may run its function again
	if err != nil {
		return 0, err
	}
	known := tables(c.Schemas)
	var n int64
	err = c.DB.Change(ctx, s.Tenant, c.Actor, func(tx *store.Tx) error {
		for _, t := range slices.Backward(known) {
			if _, err := tx.Delete(ctx, store.Delete{Table: t.name, Where: "TRUE"}); err != nil {
				return err
			}
		}
		var err error
		n, err = eachRecord(bytes.NewReader(content), known, func(t table, rec record) error {
			insert, args, err := t.arguments(rec)
			if err != nil {
				return err
			}
			return tx.Insert(ctx, insert, args...)
		})
		if err != nil {
			return err
		}
		if c.Standing != nil {
			if err := c.Standing(ctx, tx); err != nil {
				return err
			}
		}
		tx.Audit(store.Audit{Action: "backup.restore", Object: string(s.Tenant), Reason: c.Reason})
		for _, topic := range c.Topics {
			tx.Touch(topic)
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// Check implements [Target].
func (c *ControlBody) Check(ctx context.Context, parts []Part) (checked int64, problems []string, err error) {
	for _, p := range parts {
		if p.Slice.Name != rowsSlice {
			continue
		}
		n := int64(0)
		for _, t := range tables(c.Schemas) {
			rows, err := c.DB.Tenant(p.Tenant).Count(ctx, store.Count{Table: t.name})
			if err != nil {
				return checked, problems, err
			}
			n += rows
		}
		checked += n
		if n != p.Rows {
			problems = append(problems, fmt.Sprintf("body %s has %d rows, %d in its backup", p.Tenant, n, p.Rows))
		}
	}
	return checked, problems, nil
}
