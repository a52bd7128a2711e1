package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sekikura/sekikura/tenant"
)

// Bodies is the table of the bodies themselves, one row in each body's own
// scope. Package tenants keeps it; this package reads from it which bodies stand
// under an operator.
const Bodies = "bodies"

// Across reads rows of all bodies under operator, the operator's own included,
// and calls each for every row. What a person reads is written into the
// operator's audit chain before the first row is handed out; AcrossLog shows it
// to the bodies. The actor must be a member of the operator, or a system actor.
// operator "" stands for the whole installation and is for Machine reads alone.
func (db *DB) Across(ctx context.Context, across Across, operator tenant.ID, actor Actor, each func(tenant.ID, Row) error, args ...any) error {
	if err := across.allowed(operator, actor); err != nil {
		return fmt.Errorf("reading %s: %w", across.Name, err)
	}
	if !across.Machine {
		err := db.Change(ctx, operator, actor, func(tx *Tx) error {
			tx.Audit(Audit{Action: AcrossAction, Object: across.Name, Reason: across.Reason})
			return nil
		})
		if err != nil {
			return fmt.Errorf("noting the read of %s: %w", across.Name, err)
		}
	}
	return db.engine.view(ctx, everybody, func(s session) error {
		return acrossRows(ctx, db.catalog, s, across, operator, args, each)
	})
}

// AcrossAction is the audit action of a read across tenants.
const AcrossAction = "across.read"

var errNameless = errors.New("a read across tenants needs a name and a reason")

func (a Across) allowed(operator tenant.ID, actor Actor) error {
	switch {
	case a.Name == "" || a.Reason == "":
		return errNameless
	case operator == "" && !a.Machine:
		return errors.New("only a machine reads the whole installation")
	case operator == "" && !actor.IsSystem(), a.Machine && !actor.IsSystem():
		return fmt.Errorf("a read for machines by a person: %w", ErrForeign)
	case !actor.IsSystem() && actor.Tenant != operator:
		return ErrForeign
	}
	return nil
}

func acrossRows(ctx context.Context, cat *catalog, s session, across Across, operator tenant.ID, args []any, each func(tenant.ID, Row) error) error {
	var st Statement = wholeInstallation{across.Select}
	list := ""
	if operator != "" {
		st = across
		ids, err := bodiesUnder(ctx, s, cat.dialect, operator)
		if err != nil {
			return err
		}
		list = strings.Join(ids, ",")
		if len(ids) > 0 { // the second wall narrows to the same list
			if err := s.scope(ctx, list); err != nil {
				return err
			}
		}
		if cat.dialect == sqlite {
			text, err := json.Marshal(append([]string{}, ids...))
			if err != nil {
				return err
			}
			list = string(text)
		}
	}
	c, err := cat.compile(st)
	if err != nil {
		return err
	}
	values, err := c.arguments(args, list)
	if err != nil {
		return err
	}
	raw := make([]any, len(c.types)) // the tenant, and what each may scan
	into := make([]any, len(raw))
	for i := range raw {
		into[i] = &raw[i]
	}
	row := Row{types: c.types[1:], values: make([]any, len(raw)-1)}
	row.scan = func(values ...any) error {
		for i, v := range values {
			*v.(*any) = raw[i+1] // Row.Scan passes nothing else
		}
		return nil
	}
	err = s.each(ctx, c.sql, values, func(scan func(...any) error) error {
		clear(raw)
		if err := scan(into...); err != nil {
			return err
		}
		id, ok := raw[0].(string)
		if !ok {
			return fmt.Errorf("a tenant came back as %T", raw[0])
		}
		return each(tenant.ID(id), row)
	})
	if err != nil {
		return fmt.Errorf("reading %s across bodies: %w", across.Select.Table, err)
	}
	return nil
}

func bodiesUnder(ctx context.Context, s session, d dialect, operator tenant.ID) ([]string, error) {
	b := &builder{dialect: d}
	b.WriteString("SELECT tenant FROM " + Bodies + " WHERE operator = ")
	b.arg(columnArg)
	b.WriteString(" ORDER BY tenant")
	var ids []string
	err := s.each(ctx, b.String(), []any{string(operator)}, func(scan func(...any) error) error {
		var id string
		err := scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading the bodies under %s: %w", operator, err)
	}
	return ids, nil
}

// Across reads rows of many tenants within the change, for the checks of a
// machine such as "does another body claim this host"; across must be marked
// Machine, and the caller must not show a person more than the answer. operator
// "" stands for the whole installation.
func (tx *Tx) Across(ctx context.Context, across Across, operator tenant.ID, each func(tenant.ID, Row) error, args ...any) error {
	if err := tx.ready(); err != nil {
		return err
	}
	if !across.Machine {
		return tx.keep(fmt.Errorf("reading %s within a change: it is not marked Machine", across.Name))
	}
	return tx.keep(func() error {
		if err := tx.conn.scope(ctx, everybody); err != nil {
			return err
		}
		tx.reading = true
		err := acrossRows(ctx, tx.db.catalog, tx.conn, across, operator, args, each)
		tx.reading = false
		if err != nil {
			return err
		}
		return tx.conn.scope(ctx, string(tx.id))
	}())
}

// View sees the whole installation at one moment. It is for machines: nothing
// it reads is audited.
type View struct {
	db      *DB
	conn    session
	reading bool // as in Tx
}

// View runs fn with a View, which is valid until fn returns.
func (db *DB) View(ctx context.Context, fn func(*View) error) error {
	return db.engine.view(ctx, everybody, func(s session) error { return fn(&View{db: db, conn: s}) })
}

// Across reads the rows of all tenants; across must be marked Machine.
func (v *View) Across(ctx context.Context, across Across, each func(tenant.ID, Row) error, args ...any) error {
	if !across.Machine {
		return fmt.Errorf("reading %s in a view: it is not marked Machine", across.Name)
	}
	if v.reading {
		return errReading
	}
	v.reading = true
	defer func() { v.reading = false }()
	return acrossRows(ctx, v.db.catalog, v.conn, across, "", args, each)
}

// Revision returns how often topic was touched, at the view's moment.
func (v *View) Revision(ctx context.Context, topic string) (int64, error) {
	if v.reading {
		return 0, errReading
	}
	return revision(ctx, v.conn, v.db.engine.dialect(), topic)
}
