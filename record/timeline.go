package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Timeline returns entries of a record behind number after (0 for the first), in
// their order: at most limit, 1 to 1000. Inside entries are left out for those
// who must not see them.
func (r *Records) Timeline(ctx context.Context, p Person, id tenant.ID, ref ID, after int64, limit int) ([]Entry, error) {
	if limit < 1 || limit > 1000 {
		return nil, refuse(policy.At("limit"), "out_of_range", 1, 1000)
	}
	if _, err := r.Get(ctx, p, id, ref); err != nil {
		return nil, err
	}
	sel := listEntries
	if r.hidesInside(p, id) {
		sel = listVisible
	}
	return store.All(ctx, r.DB.Tenant(id), sel, scanEntry, ref, after, limit)
}

// Comment appends a comment; an inside one is for the operator's side alone and
// nobody else can write one. The first that the operator's side writes for the
// body is the first answer.
func (r *Records) Comment(ctx context.Context, p Person, id tenant.ID, ref ID, text string, inside bool) (Entry, error) {
	if err := r.may(p, id); err != nil {
		return Entry{}, err
	}
	text = strings.TrimSpace(unix(text))
	var ps problems
	if text == "" {
		ps.add(policy.At("text").Is("required"))
	}
	ps.lines(policy.At("text"), text, MaxComment)
	if inside && r.hidesInside(p, id) {
		ps.add(policy.At("inside").Is("role_missing"))
	}
	if err := ps.err(); err != nil {
		return Entry{}, err
	}
	var e Entry
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		var err error
		w.heard(text, inside)
		if !inside && r.insider(p, id) {
			if err := w.ends(ByAnswer); err != nil {
				return err
			}
		}
		if e, err = w.enter(Commented, inside, text, nil); err != nil {
			return err
		}
		return w.audit("comment", nil, said(e), "")
	})
	return e, err
}

// said is what the audit chain keeps of a text: that it was so, not what it
// says, since inside comments are not for the body's auditors.
func said(e Entry) map[string]any {
	sum := sha256.Sum256([]byte(e.Text))
	return map[string]any{"entry": e.Seq, "inside": e.Inside, "sha256": hex.EncodeToString(sum[:])}
}

// Annotate appends a remark on an earlier entry, such as one whose time or text
// is wrong. The entry itself stays; the remark is as visible as it.
func (r *Records) Annotate(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64, text string) (Entry, error) {
	if err := r.may(p, id); err != nil {
		return Entry{}, err
	}
	text = strings.TrimSpace(unix(text))
	var ps problems
	if text == "" {
		ps.add(policy.At("text").Is("required"))
	}
	ps.lines(policy.At("text"), text, MaxComment)
	if err := ps.err(); err != nil {
		return Entry{}, err
	}
	var e Entry
	_, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		on, err := store.One(ctx, w.tx, oneEntry, scanEntry, ref, seq)
		if err != nil {
			return err
		}
		if !r.Sees(p, id, on.Inside) {
			return store.ErrNone
		}
		w.heard(text, on.Inside)
		if e, err = w.enter(Annotated, on.Inside, text, map[string]int64{"entry": seq}); err != nil {
			return err
		}
		return w.audit("annotate", nil, said(e), "")
	})
	return e, err
}
