package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// Audit is what a change says of itself. Before and After are JSON or empty;
// they must hold no secret, since the body's auditors read them.
type Audit struct {
	Action string // such as "policy.write"
	Object string // what it was done to, such as "waf"
	Before json.RawMessage
	After  json.RawMessage
	Reason string // a change reference (変更番号), or a sentence
}

// AuditRecord is one link of a body's audit chain. Hash covers every other
// field, among them the Hash of the record before (Prev, "" for the first), so
// that no record can be changed, removed from the middle or moved without
// changing all that follow. VerifyAudit walks the chain.
type AuditRecord struct {
	Seq         int64           `json:"seq"` // 1, 2, … per tenant
	Time        time.Time       `json:"time"`
	Tenant      tenant.ID       `json:"tenant"`
	Actor       string          `json:"actor"`
	ActorTenant tenant.ID       `json:"actor_tenant,omitempty"`
	Address     string          `json:"address,omitempty"`
	Action      string          `json:"action"`
	Object      string          `json:"object,omitempty"`
	Before      json.RawMessage `json:"before,omitempty"`
	After       json.RawMessage `json:"after,omitempty"`
	Reason      string          `json:"reason,omitempty"`
	Prev        string          `json:"prev"`
	Hash        string          `json:"hash"` // SHA-256, lower-case hex
}

// Sum returns the hash that the record should have: SHA-256 over a tag, and the
// fields in the order of the struct, each behind its length in eight bytes.
func (r *AuditRecord) Sum() string {
	h := sha256.New()
	for _, field := range []string{
		"sekikura-audit-1", number(r.Seq), number(r.Time.UnixMicro()), string(r.Tenant), r.Actor, string(r.ActorTenant),
		r.Address, r.Action, r.Object, string(r.Before), string(r.After), r.Reason, r.Prev,
	} {
		writeField(h, field)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func number(n int64) string {
	return string(binary.BigEndian.AppendUint64(nil, uint64(n))) //nolint:gosec // the same 64 bits
}

func writeField(h io.Writer, field string) {
	io.WriteString(h, number(int64(len(field)))) //nolint:errcheck // a hash takes everything
	io.WriteString(h, field)                     //nolint:errcheck // a hash takes everything
}

// Audit notes what the change does. The record is appended to the body's chain
// when the change commits, and only then.
func (tx *Tx) Audit(a Audit) { tx.audits = append(tx.audits, a) }

// maxAudit bounds one record; a longer before or after is replaced by its hash,
// so that a large list does not make the log unreadable.
const maxAudit = 256 << 10

func auditJSON(text json.RawMessage) (json.RawMessage, error) {
	if len(text) == 0 {
		return nil, nil
	}
	if err := validJSON(string(text)); err != nil {
		return nil, err
	}
	if len(text) > maxAudit {
		sum := sha256.Sum256(text)
		return fmt.Appendf(nil, `{"sha256":"%x","bytes":%d}`, sum, len(text)), nil
	}
	var line bytes.Buffer // one line, so that an export has one line a record
	if err := json.Compact(&line, text); err != nil {
		return nil, err
	}
	return line.Bytes(), nil
}

// appendAudit takes the head of the chain, which makes all changes of one body
// that get here wait for each other, and links the records behind it.
func (tx *Tx) appendAudit(ctx context.Context) error {
	if len(tx.audits) == 0 {
		return nil
	}
	seq, prev, err := tx.auditHead(ctx)
	if err != nil {
		return fmt.Errorf("reading the head of the audit chain of %s: %w", tx.id, err)
	}
	now := tx.db.now()
	for _, a := range tx.audits {
		if a.Action == "" {
			return errors.New("an audit record needs an action")
		}
		seq++
		r := AuditRecord{
			Seq: seq, Time: time.UnixMicro(now.UnixMicro()).UTC(), Tenant: tx.id,
			Actor: clean(tx.actor.Account), ActorTenant: tx.actor.Tenant, Address: clean(tx.actor.Address),
			Action: clean(a.Action), Object: clean(a.Object), Reason: clean(a.Reason), Prev: prev,
		}
		if r.Before, err = auditJSON(a.Before); err != nil {
			return fmt.Errorf("audit record %s, before: %w", a.Action, err)
		}
		if r.After, err = auditJSON(a.After); err != nil {
			return fmt.Errorf("audit record %s, after: %w", a.Action, err)
		}
		r.Hash = r.Sum()
		b := &builder{dialect: tx.db.engine.dialect()}
		b.WriteString("INSERT INTO sekikura_audit (" + auditColumns + ") VALUES ")
		b.list(13)
		_, err := tx.conn.exec(ctx, b.String(), string(r.Tenant), r.Seq, r.Time.UnixMicro(), r.Actor, string(r.ActorTenant), r.Address,
			r.Action, r.Object, string(r.Before), string(r.After), r.Reason, r.Prev, r.Hash)
		if err != nil {
			return fmt.Errorf("appending to the audit chain of %s: %w", tx.id, err)
		}
		prev = r.Hash
	}
	b := &builder{dialect: tx.db.engine.dialect()}
	b.WriteString("UPDATE sekikura_audit_heads SET seq = ")
	b.arg(columnArg)
	b.WriteString(", hash = ")
	b.arg(columnArg)
	b.WriteString(" WHERE tenant = ")
	b.arg(columnArg)
	if _, err := tx.conn.exec(ctx, b.String(), seq, prev, string(tx.id)); err != nil {
		return fmt.Errorf("moving the head of the audit chain of %s: %w", tx.id, err)
	}
	return nil
}

const auditColumns = `tenant, seq, time, actor, actor_tenant, address, action, object, before, after, reason, prev, hash`

func (tx *Tx) auditHead(ctx context.Context) (seq int64, hash string, err error) {
	b := &builder{dialect: tx.db.engine.dialect()}
	b.WriteString("INSERT INTO sekikura_audit_heads (tenant, seq, hash) VALUES (")
	b.arg(columnArg)
	b.WriteString(", 0, '') ON CONFLICT (tenant) DO NOTHING")
	if _, err := tx.conn.exec(ctx, b.String(), string(tx.id)); err != nil {
		return 0, "", err
	}
	b = &builder{dialect: tx.db.engine.dialect()}
	b.WriteString("SELECT seq, hash FROM sekikura_audit_heads WHERE tenant = ")
	b.arg(columnArg)
	if b.dialect == postgres {
		b.WriteString(" FOR UPDATE")
	}
	err = tx.conn.each(ctx, b.String(), []any{string(tx.id)}, func(scan func(...any) error) error { return scan(&seq, &hash) })
	return seq, hash, err
}

// clean makes a text from outside, such as an address, storable.
func clean(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
}

// AuditFilter narrows an audit log; its zero value is everything.
type AuditFilter struct {
	Actor  string    // exactly
	Action string    // exactly, or with a final "." everything below it, such as "policy."
	Object string    // exactly
	Since  time.Time // inclusive
	Until  time.Time // exclusive
	// Before is the Next of the previous page, or 0 for the first.
	Before int64
	// Limit is the length of a page: 1 to 1000; 0 means 100.
	Limit int
}

// AuditPage is a part of an audit log, newest record first. Next is 0 on the last page.
type AuditPage struct {
	Records []AuditRecord
	Next    int64
}

// AuditLog reads the audit chain of one body.
func (db *DB) AuditLog(ctx context.Context, id tenant.ID, f AuditFilter) (AuditPage, error) {
	if f.Limit == 0 {
		f.Limit = 100
	}
	if f.Limit < 1 || f.Limit > 1000 || f.Before < 0 {
		return AuditPage{}, fmt.Errorf("an audit page has 1 to 1000 records, not %d", f.Limit)
	}
	b, args := &builder{dialect: db.engine.dialect()}, []any{string(id)}
	b.WriteString("SELECT " + auditColumns + " FROM sekikura_audit WHERE tenant = ")
	b.arg(tenantArg)
	and := func(condition string, v any) {
		b.WriteString(" AND " + condition)
		b.arg(whereArg)
		args = append(args, v)
	}
	if f.Actor != "" {
		and("actor = ", clean(f.Actor))
	}
	if f.Object != "" {
		and("object = ", clean(f.Object))
	}
	if strings.HasSuffix(f.Action, ".") {
		and("action LIKE ", HasPrefix(clean(f.Action)))
		b.WriteString(` ESCAPE '\'`)
	} else if f.Action != "" {
		and("action = ", clean(f.Action))
	}
	if !f.Since.IsZero() {
		and("time >= ", f.Since.UnixMicro())
	}
	if !f.Until.IsZero() {
		and("time < ", f.Until.UnixMicro())
	}
	if f.Before > 0 {
		and("seq < ", f.Before)
	}
	b.WriteString(" ORDER BY seq DESC LIMIT ")
	b.arg(limitArg)
	args = append(args, int64(f.Limit)+1)
	var page AuditPage
	err := db.read(ctx, id, func(s session) error {
		return s.each(ctx, b.String(), args, func(scan func(...any) error) error {
			r, err := scanAudit(scan)
			page.Records = append(page.Records, r)
			return err
		})
	})
	if err != nil {
		return AuditPage{}, fmt.Errorf("reading the audit log of %s: %w", id, err)
	}
	if len(page.Records) > f.Limit {
		page.Records = page.Records[:f.Limit]
		page.Next = page.Records[f.Limit-1].Seq
	}
	return page, nil
}

func scanAudit(scan func(...any) error) (AuditRecord, error) {
	var r AuditRecord
	var micros int64
	var id, actorTenant, before, after string
	err := scan(&id, &r.Seq, &micros, &r.Actor, &actorTenant, &r.Address, &r.Action, &r.Object, &before, &after, &r.Reason, &r.Prev, &r.Hash)
	r.Tenant, r.ActorTenant, r.Time = tenant.ID(id), tenant.ID(actorTenant), time.UnixMicro(micros).UTC()
	if before != "" {
		r.Before = json.RawMessage(before)
	}
	if after != "" {
		r.After = json.RawMessage(after)
	}
	return r, err
}

// AcrossLog reads who of the operator above id has read across its bodies, from
// the operator's chain: a body may see who reads its data.
func (db *DB) AcrossLog(ctx context.Context, id tenant.ID, f AuditFilter) (AuditPage, error) {
	above, err := One(ctx, db.Tenant(id), Select{Table: Bodies, Columns: []string{"operator"}}, func(row Row) (operator tenant.ID, err error) {
		return operator, row.Scan(&operator)
	})
	if err != nil {
		return AuditPage{}, err
	}
	f.Action = AcrossAction
	return db.AuditLog(ctx, above, f)
}

// auditWalk calls each for the whole chain of one body, oldest record first.
func (db *DB) auditWalk(ctx context.Context, id tenant.ID, s session, each func(AuditRecord) error) error {
	b := &builder{dialect: db.engine.dialect()}
	b.WriteString("SELECT " + auditColumns + " FROM sekikura_audit WHERE tenant = ")
	b.arg(tenantArg)
	b.WriteString(" ORDER BY seq")
	return s.each(ctx, b.String(), []any{string(id)}, func(scan func(...any) error) error {
		r, err := scanAudit(scan)
		if err != nil {
			return err
		}
		return each(r)
	})
}

// ExportAudit writes the chain of one body as JSON lines, oldest record first.
// VerifyAuditExport checks such a file without the database.
func (db *DB) ExportAudit(ctx context.Context, id tenant.ID, to io.Writer) error {
	enc := json.NewEncoder(to)
	enc.SetEscapeHTML(false)
	err := db.read(ctx, id, func(s session) error {
		return db.auditWalk(ctx, id, s, func(r AuditRecord) error { return enc.Encode(r) })
	})
	if err != nil {
		return fmt.Errorf("exporting the audit log of %s: %w", id, err)
	}
	return nil
}
