package policies

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// Version is one version of a document, what it changed against the one before
// it, and the approval of an emergency, if it has been given.
type Version struct {
	Document policy.Document `json:"document"`
	Changed  []Leaf          `json:"changed"`
	Approval *Approval       `json:"approval,omitempty"`
}

// Leaf is one value that differs between two versions. Before or After is nil
// where the version does not set it. A list is one leaf.
type Leaf struct {
	Path   string          `json:"path"` // JSON pointer; /mode and /locks stand for those of the envelope
	Before json.RawMessage `json:"before,omitempty"`
	After  json.RawMessage `json:"after,omitempty"`
}

// Approval is the approval of an emergency change afterwards.
type Approval struct {
	By        string    `json:"by"`
	At        time.Time `json:"at"`
	Reference string    `json:"reference"`
}

// History returns versions of a document, newest first: at most limit (1 to
// 200), below version before (0 for the newest).
func (d *Documents) History(ctx context.Context, id tenant.ID, layer policy.Layer, service string, before int64, limit int) ([]Version, error) {
	if _, err := d.kind(service); err != nil {
		return nil, err
	}
	if limit < 1 || limit > 200 {
		return nil, fmt.Errorf("reading the history of %s: 1 to 200 versions, not %d", service, limit)
	}
	if before <= 0 {
		before = math.MaxInt64
	}
	rows, err := store.All(ctx, d.DB.Tenant(id), history, scanVersion, layer, service, before, limit+1)
	if err != nil {
		return nil, err
	}
	var versions []Version
	for i := range rows[:min(limit, len(rows))] {
		v := Version{Document: rows[i].document, Approval: rows[i].approval}
		var older *policy.Document
		if i+1 < len(rows) {
			older = &rows[i+1].document
		}
		if v.Changed, err = Diff(older, &v.Document); err != nil {
			return nil, fmt.Errorf("comparing version %d of %s: %w", v.Document.Version, service, err)
		}
		versions = append(versions, v)
	}
	return versions, nil
}

// Diff lists the leaves that differ between two documents, of which either may
// be nil, in the order of their paths.
func Diff(before, after *policy.Document) ([]Leaf, error) {
	old, err := leaves(before)
	if err != nil {
		return nil, err
	}
	fresh, err := leaves(after)
	if err != nil {
		return nil, err
	}
	paths := maps.Clone(old)
	maps.Copy(paths, fresh)
	var changed []Leaf
	for _, path := range slices.Sorted(maps.Keys(paths)) {
		was, had := old[path]
		now, has := fresh[path]
		if had && has && reflect.DeepEqual(was, now) {
			continue
		}
		leaf := Leaf{Path: path}
		if had {
			if leaf.Before, err = json.Marshal(was); err != nil {
				return nil, err
			}
		}
		if has {
			if leaf.After, err = json.Marshal(now); err != nil {
				return nil, err
			}
		}
		changed = append(changed, leaf)
	}
	return changed, nil
}

func leaves(doc *policy.Document) (map[string]any, error) {
	all := make(map[string]any)
	if doc == nil {
		return all, nil
	}
	var tree map[string]any
	if len(doc.Body) > 0 {
		if err := json.Unmarshal(doc.Body, &tree); err != nil {
			return nil, err
		}
	}
	collect(all, "", tree)
	if doc.Mode != "" {
		all["/mode"] = doc.Mode
	}
	if len(doc.Locks) > 0 {
		all["/locks"] = doc.Locks
	}
	return all, nil
}

func collect(all map[string]any, path string, tree map[string]any) {
	for name, value := range tree {
		below := path + "/" + strings.ReplaceAll(strings.ReplaceAll(name, "~", "~0"), "/", "~1")
		if object, ok := value.(map[string]any); ok && len(object) > 0 {
			collect(all, below, object)
			continue
		}
		all[below] = value
	}
}

// Approve gives an emergency change the reference it was written without. A
// version that waits for no approval is store.ErrNone. Whoever wrote the change
// cannot approve it.
func (d *Documents) Approve(ctx context.Context, actor store.Actor, id tenant.ID, layer policy.Layer, service string, version int64, reference string) error {
	reference = strings.TrimSpace(reference)
	if reference == "" || !plainText(reference, maxReference) {
		return policy.Refusal{policy.At("reference").Is("not_a_text", maxReference)}
	}
	err := d.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		was, err := store.One(ctx, tx, oneVersion, scanVersion, layer, service, version)
		if err != nil {
			return err
		}
		if was.document.Change.By == actor.Account {
			return policy.Refusal{policy.At("by").Is("own_change", actor.Account)}
		}
		text, err := json.Marshal(Approval{By: actor.Account, At: tx.Now().UTC(), Reference: reference})
		if err != nil {
			return err
		}
		n, err := tx.Update(ctx, approve, nil, text, layer, service, version)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNone
		}
		tx.Audit(store.Audit{Action: "policy.approve", Object: fmt.Sprintf("%s/%s/%d", layer, service, version), After: text, Reason: reference})
		return nil
	})
	if err != nil {
		return fmt.Errorf("approving version %d of %s of %s: %w", version, service, id, err)
	}
	return nil
}

// Pending is an emergency change that waits for its approval.
type Pending struct {
	Tenant   tenant.ID       `json:"tenant"`
	Layer    policy.Layer    `json:"layer"`
	Document policy.Document `json:"document"`
}

// Unapproved lists the emergency changes of one body that wait for approval,
// the one due first on top.
func (d *Documents) Unapproved(ctx context.Context, id tenant.ID) ([]Pending, error) {
	return store.All(ctx, d.DB.Tenant(id), unapproved, func(row store.Row) (Pending, error) {
		s, err := scanVersion(row)
		return Pending{id, s.layer, s.document}, err
	})
}

// UnapprovedUnder lists those of all bodies of an operator; the read is audited.
func (d *Documents) UnapprovedUnder(ctx context.Context, operator tenant.ID, actor store.Actor) ([]Pending, error) {
	var all []Pending
	err := d.DB.Across(ctx, everyUnapproved, operator, actor, func(id tenant.ID, row store.Row) error {
		s, err := scanVersion(row)
		all = append(all, Pending{id, s.layer, s.document})
		return err
	})
	return all, err
}

// ReferenceMandatory tells whether an operator demands a change reference of
// every write of its bodies, emergencies included. It is off until it is set.
func (d *Documents) ReferenceMandatory(ctx context.Context, operator tenant.ID) (bool, error) {
	on, err := store.One(ctx, d.DB.Tenant(operator), getRule, scanRule)
	if errors.Is(err, store.ErrNone) {
		return false, nil
	}
	return on, err
}

func scanRule(row store.Row) (on bool, err error) { return on, row.Scan(&on) }

var ruleAcross = store.Across{
	Name: "policies.reference_rule", Reason: "変更番号の必須設定の確認", Machine: true, Select: getRule,
}

func (d *Documents) mandatoryIn(ctx context.Context, tx *store.Tx, operator tenant.ID) (bool, error) {
	mandatory := false
	err := tx.Across(ctx, ruleAcross, operator, func(id tenant.ID, row store.Row) error {
		on, err := scanRule(row)
		if id == operator {
			mandatory = on
		}
		return err
	})
	return mandatory, err
}

// SetReferenceMandatory switches ReferenceMandatory.
func (d *Documents) SetReferenceMandatory(ctx context.Context, actor store.Actor, operator tenant.ID, on bool, reason string) error {
	err := d.DB.Change(ctx, operator, actor, func(tx *store.Tx) error {
		was, err := store.All(ctx, tx, getRule, scanRule)
		if err != nil {
			return err
		}
		_, self, err := bodiesAround(ctx, tx)
		if err != nil {
			return err
		}
		if self == nil || !self.IsOperator() {
			return policy.Refusal{policy.At("tenant").Is("not_an_operator", string(operator))}
		}
		if err := tx.Insert(ctx, setRule, on); err != nil {
			return err
		}
		before := len(was) > 0 && was[0]
		tx.Audit(store.Audit{
			Action: "policy.reference_mandatory", Before: fmt.Appendf(nil, "%t", before), After: fmt.Appendf(nil, "%t", on), Reason: reason,
		})
		return nil
	})
	if err != nil {
		return fmt.Errorf("setting the rule about change references of %s: %w", operator, err)
	}
	return nil
}

// Snapshot is everything that data planes get, of one moment.
type Snapshot struct {
	Revision  int64           `json:"revision"` // higher than that of every earlier snapshot that differs
	Tenants   []tenant.Tenant `json:"tenants"`
	Documents []Entry         `json:"documents"`
}

// Entry is one current document of a snapshot.
type Entry struct {
	Tenant   tenant.ID       `json:"tenant"`
	Layer    policy.Layer    `json:"layer"`
	Document policy.Document `json:"document"`
}

// Snapshot returns all bodies and the current documents of those that exist.
func (d *Documents) Snapshot(ctx context.Context) (Snapshot, error) {
	var s Snapshot
	err := d.DB.View(ctx, func(v *store.View) (err error) {
		s = Snapshot{}
		if s.Revision, err = v.Revision(ctx, tenants.Topic); err != nil {
			return err
		}
		if s.Tenants, err = tenants.All(ctx, v); err != nil {
			return err
		}
		exists := make(map[tenant.ID]bool, len(s.Tenants))
		for _, t := range s.Tenants {
			exists[t.ID] = true
		}
		return v.Across(ctx, everyDocument, func(id tenant.ID, row store.Row) error {
			doc, err := scanDocument(row)
			if exists[id] {
				s.Documents = append(s.Documents, Entry{id, doc.layer, doc.document})
			}
			return err
		})
	})
	if err != nil {
		return Snapshot{}, fmt.Errorf("reading all policies: %w", err)
	}
	return s, nil
}

// Wait returns once there is a snapshot newer than revision after, and which
// revision that is; changes by other processes count.
func (d *Documents) Wait(ctx context.Context, after int64) (int64, error) {
	return d.DB.Wait(ctx, tenants.Topic, after)
}
