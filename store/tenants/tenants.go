// Package tenants is the register of bodies (団体): which there are, under which
// operator, and what they own. It keeps them in the store, refuses what two
// bodies would both own, and fills a [tenant.Directory].
package tenants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Topic is touched by every change of the register; see [store.Tx.Touch].
// Policies touch the same one, since data planes get both together.
const Topic = "settings"

// ErrStale says that the body was changed since the caller read it.
var ErrStale = errors.New("the body was changed by somebody else meanwhile")

// Register keeps the bodies. Its Put and Remove return a [policy.Refusal] for
// what an official has to mend.
type Register struct {
	DB *store.DB
}

// Entry is one body and the version of its entry: 1, 2, …
type Entry struct {
	Tenant  tenant.Tenant
	Version int64
}

// everyBody reads all bodies of an installation; for machines.
var everyBody = store.Across{
	Name: "tenants.all", Reason: "団体の名簿", Machine: true,
	Select: store.Select{Table: store.Bodies, Columns: []string{"document", "version"}},
}

var (
	oneBody = store.Select{Table: store.Bodies, Columns: []string{"document", "version"}}
	addBody = store.Insert{Table: store.Bodies, Columns: []string{"operator", "document", "version"}}
	setBody = store.Update{Table: store.Bodies, Set: []string{"operator", "document", "version"}, Where: "version = ?"}
	cutBody = store.Delete{Table: store.Bodies, Where: "version = ?"}
)

func scan(row store.Row) (Entry, error) {
	var e Entry
	var document json.RawMessage
	if err := row.Scan(&document, &e.Version); err != nil {
		return e, err
	}
	return e, json.Unmarshal(document, &e.Tenant)
}

// Get returns one body; [store.ErrNone] when there is none.
func (r *Register) Get(ctx context.Context, id tenant.ID) (Entry, error) {
	return store.One(ctx, r.DB.Tenant(id), oneBody, scan)
}

// An Acrosser reads rows of all tenants: a *store.View.
type Acrosser interface {
	Across(ctx context.Context, across store.Across, each func(tenant.ID, store.Row) error, args ...any) error
}

// All reads every body of the installation within a view, in the order of their codes.
func All(ctx context.Context, view Acrosser) ([]tenant.Tenant, error) {
	var all []tenant.Tenant
	err := view.Across(ctx, everyBody, func(_ tenant.ID, row store.Row) error {
		e, err := scan(row)
		all = append(all, e.Tenant)
		return err
	})
	return all, err
}

// Load fills dir with the register and returns the revision of Topic it stands
// at; Wait for a higher one before loading again.
func (r *Register) Load(ctx context.Context, dir *tenant.Directory) (int64, error) {
	var all []tenant.Tenant
	var revision int64
	err := r.DB.View(ctx, func(v *store.View) (err error) {
		if all, err = All(ctx, v); err != nil {
			return err
		}
		revision, err = v.Revision(ctx, Topic)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("loading the register of bodies: %w", err)
	}
	if err := dir.Replace(all); err != nil {
		return 0, fmt.Errorf("loading the register of bodies: %w", err)
	}
	return revision, nil
}

// Follow keeps dir like the register until ctx ends: other processes' changes
// included. It ends earlier only with an error.
func (r *Register) Follow(ctx context.Context, dir *tenant.Directory) error {
	for {
		at, err := r.Load(ctx, dir)
		if err == nil {
			_, err = r.DB.Wait(ctx, Topic, at)
		}
		if ctx.Err() != nil {
			return nil //nolint:nilerr // the end of ctx is how it ends
		}
		if err != nil {
			return err
		}
	}
}

// Put writes a body: adds it when expected is 0, otherwise changes the entry
// whose version is expected, or returns ErrStale. An operator's own entry has to
// stand before those of the bodies under it. reason goes into the audit log. It
// returns the new version.
func (r *Register) Put(ctx context.Context, actor store.Actor, t tenant.Tenant, expected int64, reason string) (int64, error) {
	t = normal(t)
	if problems := check(t); problems != nil {
		return 0, policy.Refusal(problems)
	}
	after, err := json.Marshal(t)
	if err != nil {
		return 0, fmt.Errorf("writing body %s: %w", t.ID, err)
	}
	err = r.DB.Change(ctx, t.ID, actor, func(tx *store.Tx) error {
		var before json.RawMessage
		was, err := others(ctx, tx, t)
		if err != nil {
			return err
		}
		action := "tenant.add"
		switch {
		case was == nil && expected != 0, was != nil && was.Version != expected:
			return ErrStale
		case was == nil:
			err = tx.Insert(ctx, addBody, t.Operator, after, 1)
		default:
			action = "tenant.change"
			if before, err = json.Marshal(was.Tenant); err == nil {
				_, err = tx.Update(ctx, setBody, t.Operator, after, expected+1, expected)
			}
		}
		if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: action, Object: string(t.ID), Before: before, After: after, Reason: reason})
		tx.Touch(Topic)
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("writing body %s: %w", t.ID, err)
	}
	return expected + 1, nil
}

// Standing refuses, within a change, what the change's own body claims of other
// bodies' as its entry stands there now: for rows that came another way than by
// Put, such as out of a backup. A directory with two owners of one thing could
// not be loaded, for any body.
func Standing(ctx context.Context, tx *store.Tx) error {
	own, err := store.All(ctx, tx, oneBody, scan)
	if err != nil || len(own) == 0 {
		return err
	}
	_, err = others(ctx, tx, own[0].Tenant)
	return err
}

// others compares t with every other body and returns t's own entry, if any.
func others(ctx context.Context, tx *store.Tx, t tenant.Tenant) (*Entry, error) {
	var own *Entry
	var problems []policy.Problem
	operator, under := t.Operator == t.ID, tenant.ID("")
	err := tx.Across(ctx, everyBody, "", func(id tenant.ID, row store.Row) error {
		e, err := scan(row)
		if err != nil {
			return err
		}
		switch {
		case id == t.ID:
			own = &e
			return nil
		case id == t.Operator && e.Tenant.IsOperator():
			operator = true
		}
		if e.Tenant.Operator == t.ID {
			under = id
		}
		problems = append(problems, conflicts(t, e.Tenant)...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if !operator {
		problems = append(problems, policy.At("operator").Is("no_such_operator", string(t.Operator)))
	}
	if under != "" && t.Operator != t.ID {
		problems = append(problems, policy.At("operator").Is("has_bodies", string(t.ID), string(under)))
	}
	if problems != nil {
		return nil, policy.Refusal(problems)
	}
	return own, nil
}

// Remove takes a body out of the register; what else the store keeps of it
// stays. An operator goes last.
func (r *Register) Remove(ctx context.Context, actor store.Actor, id tenant.ID, expected int64, reason string) error {
	err := r.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		was, err := store.All(ctx, tx, oneBody, scan)
		if err != nil {
			return err
		}
		if len(was) == 0 {
			return store.ErrNone
		}
		var problems []policy.Problem
		err = tx.Across(ctx, everyBody, "", func(other tenant.ID, row store.Row) error {
			e, err := scan(row)
			if err == nil && other != id && e.Tenant.Operator == id {
				problems = append(problems, policy.At("operator").Is("has_bodies", string(id), string(other)))
			}
			return err
		})
		if err != nil {
			return err
		}
		if problems != nil {
			return policy.Refusal(problems)
		}
		gone, err := tx.Delete(ctx, cutBody, expected)
		if err != nil {
			return err
		}
		if gone == 0 {
			return ErrStale
		}
		before, err := json.Marshal(was[0].Tenant)
		if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "tenant.remove", Object: string(id), Before: before, Reason: reason})
		tx.Touch(Topic)
		return nil
	})
	if err != nil {
		return fmt.Errorf("removing body %s: %w", id, err)
	}
	return nil
}
