package record

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Template is a draft to begin with (ひな形). Texts of it may hold words in double
// braces, such as {{host}}, which Fill replaces.
type Template struct {
	Name  string `json:"name"`
	Draft Draft  `json:"draft"`
}

// MaxTemplates is how many a body may have.
const MaxTemplates = 500

// Fill returns the draft with each {{word}} replaced by its value. A word
// without a value stays, so that whoever reads it sees what is open. Values are
// not looked into again.
func (t Template) Fill(values map[string]string) Draft {
	var pairs []string
	for word, value := range values {
		pairs = append(pairs, "{{"+word+"}}", value)
	}
	fill := strings.NewReplacer(pairs...).Replace
	d := t.Draft
	d.Title, d.Body, d.System, d.Key = fill(d.Title), fill(d.Body), fill(d.System), fill(d.Key)
	d.Fields = make(map[string]string, len(t.Draft.Fields))
	for name, value := range t.Draft.Fields {
		d.Fields[name] = fill(value)
	}
	d.Tasks = nil
	for _, task := range t.Draft.Tasks {
		d.Tasks = append(d.Tasks, fill(task))
	}
	return d
}

func scanTemplate(row store.Row) (Template, error) {
	var text json.RawMessage
	if err := row.Scan(&text); err != nil {
		return Template{}, err
	}
	var t Template
	return t, json.Unmarshal(text, &t)
}

// Templates returns the templates of a body in the order of their names.
func (r *Records) Templates(ctx context.Context, p Person, id tenant.ID) ([]Template, error) {
	if err := r.may(p, id); err != nil {
		return nil, err
	}
	return store.All(ctx, r.DB.Tenant(id), getTemplates, scanTemplate)
}

// SetTemplate adds a template or replaces the one of its name. Its draft must be
// one that p could make, except that what the kind requires may be missing.
func (r *Records) SetTemplate(ctx context.Context, p Person, id tenant.ID, t Template) error {
	if err := r.may(p, id); err != nil {
		return err
	}
	t.Name = strings.TrimSpace(t.Name)
	t.Draft.clean()
	var ps problems
	if t.Name == "" {
		ps.add(policy.At("name").Is("required"))
	}
	ps.line(policy.At("name"), t.Name, MaxName)
	for _, problem := range r.checkDraft(p, t.Draft) {
		if problem.Code != "required" {
			problem.Path = "/draft" + problem.Path
			ps.add(problem)
		}
	}
	if err := ps.err(); err != nil {
		return err
	}
	after, err := json.Marshal(t)
	if err != nil {
		return err
	}
	err = r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		before, err := store.One(ctx, tx, oneTemplate, func(row store.Row) (text json.RawMessage, err error) { return text, row.Scan(&text) }, t.Name)
		if errors.Is(err, store.ErrNone) {
			n, err := tx.Count(ctx, countTemplates)
			if err != nil {
				return err
			}
			if n >= MaxTemplates {
				return refuse(policy.At("name"), "too_many", MaxTemplates)
			}
		} else if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "record.template", Object: t.Name, Before: before, After: after})
		return tx.Insert(ctx, setTemplate, t.Name, json.RawMessage(after))
	})
	if err != nil {
		return fmt.Errorf("keeping the template %s of %s: %w", t.Name, id, err)
	}
	return nil
}

// DropTemplate removes a template.
func (r *Records) DropTemplate(ctx context.Context, p Person, id tenant.ID, name string) error {
	if err := r.may(p, id); err != nil {
		return err
	}
	return r.DB.Change(ctx, id, p.Actor, func(tx *store.Tx) error {
		n, err := tx.Delete(ctx, dropTemplate, name)
		if err != nil {
			return err
		}
		if n == 0 {
			return store.ErrNone
		}
		tx.Audit(store.Audit{Action: "record.template", Object: name, Reason: "削除"})
		return nil
	})
}
