// Package audit serves the audit chains to the portal: who did what, and whether
// the chain still is what it was.
package audit

import (
	"context"
	"encoding/csv"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/events"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// API serves the operations. Every field but Heads must be set.
type API struct {
	DB *store.DB
	// Heads reads the signed heads that are kept off the machine, as far as this
	// one can see them; nil: a check says that it compared with none.
	Heads func(context.Context) ([]store.Head, error)
	Log   *slog.Logger
	Now   func() time.Time
}

type position struct {
	Before int64 `json:"before"`
}

// scanned bounds how many records one page may look at for a text.
const scanned = 20_000

func (a *API) list(ctx context.Context, in *listInput) (*rest.Body[rest.Page[Record]], error) {
	body, err := a.whose(ctx)
	if err != nil {
		return nil, err
	}
	var at position
	if err := rest.ReadCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	if at.Before < 0 {
		return nil, rest.Invalid(rest.Field("/query/cursor", "wrong_cursor"))
	}
	page := rest.Page[Record]{Items: []Record{}}
	var more int64
	if page.Items, more, err = a.read(ctx, body, &in.Filters, at.Before, in.Limit); err != nil {
		return nil, rest.Failed(err)
	}
	if more > 0 {
		page.Next = rest.Cursor(position{more})
	}
	return &rest.Body[rest.Page[Record]]{Body: page}, nil
}

// whose is the body whose chain is asked for, the caller's own by default. That
// somebody else reads a body's chain stands in that chain.
func (a *API) whose(ctx context.Context) (tenant.Tenant, error) {
	who := access.From(ctx)
	body, named := rest.Tenant(ctx)
	if !named {
		body = who.Tenant
	}
	if err := access.NoteRead(ctx, a.DB, body.ID, "audit.read", string(body.ID)); err != nil {
		return body, rest.Failed(err)
	}
	return body, nil
}

// read returns up to limit records that pass f, and where the next page begins,
// 0 at the end.
func (a *API) read(ctx context.Context, body tenant.Tenant, f *Filters, before int64, limit int) ([]Record, int64, error) {
	out := []Record{}
	for looked := 0; ; {
		size := min(limit, 1000)
		if f.Q != "" {
			size = 1000
		}
		page, err := a.chain(ctx, body, f, store.AuditFilter{
			Actor: f.Actor, Action: f.Action, Since: f.From, Until: f.To, Before: before, Limit: size,
		})
		if err != nil {
			return nil, 0, err
		}
		for i, r := range page.Records {
			looked++
			if !matches(&r, f.Q) {
				continue
			}
			out = append(out, a.shown(ctx, r))
			if len(out) == limit {
				if i == len(page.Records)-1 {
					return out, page.Next, nil
				}
				return out, r.Seq, nil
			}
		}
		if page.Next == 0 || looked >= scanned {
			return out, page.Next, nil
		}
		before = page.Next
	}
}

func (a *API) chain(ctx context.Context, body tenant.Tenant, f *Filters, filter store.AuditFilter) (store.AuditPage, error) {
	if f.By == "operator" {
		return a.DB.AcrossLog(ctx, body.ID, filter)
	}
	return a.DB.AuditLog(ctx, body.ID, filter)
}

// shown is a record as the caller may see it. Of reads by the operator across
// bodies, a body sees who and when, and not what was looked for: that may name
// another body.
func (a *API) shown(ctx context.Context, r store.AuditRecord) Record {
	out := Record{
		Seq: r.Seq, Time: r.Time, Tenant: r.Tenant, Actor: r.Actor, ActorTenant: r.ActorTenant, Address: r.Address,
		Action: r.Action, Object: r.Object, Before: r.Before, After: r.After, Reason: r.Reason, Hash: r.Hash,
	}
	if who := access.From(ctx); r.Tenant != who.Tenant.ID && !who.Wide() {
		out.Before, out.After, out.Address = nil, nil, ""
	}
	return out
}

func matches(r *store.AuditRecord, want string) bool {
	if want == "" {
		return true
	}
	want = strings.ToLower(want)
	for _, field := range []string{r.Actor, r.Action, r.Object, r.Reason} {
		if strings.Contains(strings.ToLower(field), want) {
			return true
		}
	}
	return false
}

func (a *API) verify(ctx context.Context, _ *verifyInput) (*rest.Body[Verified], error) {
	body, err := a.whose(ctx)
	if err != nil {
		return nil, err
	}
	var heads []store.Head
	if a.Heads != nil {
		if heads, err = a.Heads(ctx); err != nil {
			return nil, rest.Failed(fmt.Errorf("reading the signed heads: %w", err))
		}
	}
	report, err := a.DB.VerifyAudit(ctx, body.ID, heads)
	if err != nil {
		return nil, rest.Failed(err)
	}
	out := Verified{Tenant: body.ID, Records: report.Records, OK: len(report.Faults) == 0}
	for i := range report.Faults {
		if out.FirstBroken == nil || report.Faults[i].Seq < *out.FirstBroken {
			out.FirstBroken = &report.Faults[i].Seq
		}
	}
	for _, h := range heads {
		if h.Tenant == body.ID && h.Seq == report.Signed && report.Signed > 0 && h.Time.After(out.SignedAt) {
			out.SignedAt = h.Time
		}
	}
	last, err := a.DB.AuditLog(ctx, body.ID, store.AuditFilter{Limit: 1})
	if err != nil {
		return nil, rest.Failed(err)
	}
	if len(last.Records) > 0 {
		out.Head = last.Records[0].Hash
	}
	return &rest.Body[Verified]{Body: out}, nil
}

// exportMost bounds a file.
const exportMost = 1_000_000

func (a *API) export(ctx context.Context, in *exportInput) (*stream, error) {
	who := access.From(ctx)
	body, named := rest.Tenant(ctx)
	if !named {
		body = who.Tenant
	}
	err := a.DB.Change(ctx, body.ID, who.Actor(), func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "audit.export", Object: string(body.ID)})
		return nil
	})
	if err != nil {
		return nil, rest.Failed(fmt.Errorf("noting an export of the audit log: %w", err))
	}
	first, next, err := a.read(ctx, body, &in.Filters, 0, 1000)
	if err != nil {
		return nil, rest.Failed(err)
	}
	out := &stream{ContentType: "text/csv; charset=utf-8"}
	out.ContentDisposition = fmt.Sprintf(`attachment; filename="audit-%s-%s.csv"`, body.ID, a.Now().UTC().Format("20060102T150405Z"))
	out.Body = func(h huma.Context) {
		h.SetStatus(http.StatusOK)
		if err := a.pour(ctx, h.BodyWriter(), body, in, first, next); err != nil {
			a.Log.Warn("an export of the audit log ended before its end", "account", who.Login, "error", err)
			panic(http.ErrAbortHandler) // the caller must not take it for whole
		}
	}
	return out, nil
}

func (a *API) pour(ctx context.Context, to io.Writer, body tenant.Tenant, in *exportInput, records []Record, next int64) error {
	if _, err := io.WriteString(to, "\uFEFF"); err != nil {
		return err
	}
	w := csv.NewWriter(to)
	w.UseCRLF = true
	if err := w.Write([]string{"seq", "time", "actor", "actor_tenant", "address", "action", "object", "before", "after", "reason", "hash"}); err != nil {
		return err
	}
	for written := 0; written < exportMost; {
		for _, r := range records {
			written++
			cells := []string{
				strconv.FormatInt(r.Seq, 10), r.Time.UTC().Format(time.RFC3339Nano), r.Actor, string(r.ActorTenant), r.Address,
				r.Action, r.Object, string(r.Before), string(r.After), r.Reason, r.Hash,
			}
			for i := range cells {
				cells[i] = events.NoFormula(cells[i])
			}
			if err := w.Write(cells); err != nil {
				return err
			}
		}
		if next == 0 {
			break
		}
		var err error
		if records, next, err = a.read(ctx, body, &in.Filters, next, 1000); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}
