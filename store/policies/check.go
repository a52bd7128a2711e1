package policies

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// canonicalBody returns a body with each name once and in order, so that no two
// readers of the stored text can see different policies in it.
func canonicalBody(body json.RawMessage) (json.RawMessage, []policy.Problem) {
	if len(bytes.TrimSpace(body)) == 0 {
		return json.RawMessage("{}"), nil
	}
	if len(body) > MaxBody {
		return nil, []policy.Problem{policy.Place("").Is("too_large", len(body), MaxBody)}
	}
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	var tree map[string]any
	if err := dec.Decode(&tree); err != nil {
		return nil, []policy.Problem{policy.Place("").Is("not_json", err.Error())}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, []policy.Problem{policy.Place("").Is("not_json", "text behind the document")}
	}
	if tree == nil {
		return nil, []policy.Problem{policy.Place("").Is("null")}
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(tree); err != nil {
		return nil, []policy.Problem{policy.Place("").Is("not_json", err.Error())}
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

// overrideProblems checks an override on its operator's baseline.
func overrideProblems(ctx context.Context, tx *store.Tx, k policy.Kind, operator tenant.ID, doc *policy.Document) ([]policy.Problem, error) {
	var baseline *policy.Document
	err := tx.Across(ctx, everyBaseline, operator, func(_ tenant.ID, row store.Row) error {
		s, err := scanDocument(row)
		baseline = &s.document
		return err
	}, doc.Service)
	if err != nil {
		return nil, err
	}
	effective, problems := k.Explain(baseline, doc)
	for _, path := range effective.Ignored {
		problems = append(problems, policy.Place(path).Is("locked"))
	}
	return problems, nil
}

// baselineProblems checks a baseline by itself and below the override of every
// body. An override whose values the new locks put out of force is no problem:
// that is what a lock is for.
func baselineProblems(ctx context.Context, tx *store.Tx, k policy.Kind, bodies map[tenant.ID]tenant.Tenant, doc *policy.Document) ([]policy.Problem, error) {
	effective, problems := k.Explain(doc, nil)
	if problems != nil {
		return problems, nil
	}
	problems = lockProblems(doc.Locks, effective)
	err := tx.Across(ctx, everyOverride, tx.Tenant(), func(id tenant.ID, row store.Row) error {
		s, err := scanDocument(row)
		if err != nil {
			return err
		}
		_, broken := k.Explain(doc, &s.document)
		for _, p := range broken {
			problems = append(problems, policy.Place(p.Path).Is("breaks_override", string(id), bodies[id].Name, p.Code, p.Args))
		}
		return nil
	}, doc.Service)
	return problems, err
}

// maxLocks bounds the locks of a baseline; more than a service has fields help nobody.
const maxLocks = 500

// lockProblems refuses locks that fix nothing, since they would look as if they did.
func lockProblems(locks []string, effective policy.Effective) []policy.Problem {
	if len(locks) > maxLocks {
		return []policy.Problem{policy.At("locks").Is("too_many", maxLocks)}
	}
	var problems []policy.Problem
	for i, lock := range locks {
		fixes := lock == "/mode" || lock == ""
		for path := range effective.Origins {
			fixes = fixes || path == lock || strings.HasPrefix(path, lock+"/")
		}
		if !fixes || lock == "" || slices.Contains(locks[:i], lock) {
			problems = append(problems, policy.At("locks", i).Is("no_such_field", lock))
		}
	}
	return problems
}
