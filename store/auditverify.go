package store

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// Head says how far the audit chain of a body went at a time, under a signature.
// Kept where the store's administrators cannot reach it, it proves later that
// nothing at or before it was rewritten or cut off.
type Head struct {
	Tenant    tenant.ID `json:"tenant"`
	Seq       int64     `json:"seq"`
	Hash      string    `json:"hash"`
	Time      time.Time `json:"time"`      // when it was signed
	Key       string    `json:"key"`       // the first 8 bytes of the public key's SHA-256, hex
	Signature string    `json:"signature"` // Ed25519, base64
}

func (h *Head) message() []byte {
	var b bytes.Buffer
	for _, field := range []string{"sekikura-head-1", string(h.Tenant), number(h.Seq), h.Hash, number(h.Time.UnixMicro()), h.Key} {
		writeField(&b, field)
	}
	return b.Bytes()
}

// KeyID names a public key in a Head.
func KeyID(key ed25519.PublicKey) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:8])
}

// SignHeads writes the head of every chain of the installation as JSON lines,
// signed by an Ed25519 signer.
func (db *DB) SignHeads(ctx context.Context, signer crypto.Signer, to io.Writer) error {
	public, ok := signer.Public().(ed25519.PublicKey)
	if !ok {
		return fmt.Errorf("signing audit heads: a %T is no Ed25519 key", signer.Public())
	}
	now := time.UnixMicro(db.now().UnixMicro()).UTC()
	var heads []Head
	err := db.engine.view(ctx, everybody, func(s session) error {
		heads = nil
		return s.each(ctx, "SELECT tenant, seq, hash FROM sekikura_audit_heads ORDER BY tenant", nil, func(scan func(...any) error) error {
			h := Head{Time: now, Key: KeyID(public)}
			var id string
			err := scan(&id, &h.Seq, &h.Hash)
			h.Tenant = tenant.ID(id)
			heads = append(heads, h)
			return err
		})
	})
	if err != nil {
		return fmt.Errorf("reading audit heads: %w", err)
	}
	enc := json.NewEncoder(to)
	for _, h := range heads {
		signature, err := signer.Sign(rand.Reader, h.message(), crypto.Hash(0))
		if err != nil {
			return fmt.Errorf("signing the audit head of %s: %w", h.Tenant, err)
		}
		h.Signature = base64.StdEncoding.EncodeToString(signature)
		if err := enc.Encode(h); err != nil {
			return fmt.Errorf("writing audit heads: %w", err)
		}
	}
	return nil
}

// maxLine bounds one line of heads or of an export.
const maxLine = 4 << 20

// ReadHeads reads what SignHeads wrote, several such documents one after the
// other included. A line that is not signed by key is an error.
func ReadHeads(from io.Reader, key ed25519.PublicKey) ([]Head, error) {
	var heads []Head
	err := jsonLines(from, func(line int, text []byte) error {
		var h Head
		if err := strictJSON(text, &h); err != nil {
			return fmt.Errorf("line %d of the heads: %w", line, err)
		}
		signature, err := base64.StdEncoding.DecodeString(h.Signature)
		if err != nil || h.Key != KeyID(key) || !ed25519.Verify(key, h.message(), signature) {
			return fmt.Errorf("line %d of the heads, tenant %s: the signature is not of key %s", line, h.Tenant, KeyID(key))
		}
		heads = append(heads, h)
		return nil
	})
	return heads, err
}

func jsonLines(from io.Reader, each func(line int, text []byte) error) error {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if err := each(n, lines.Bytes()); err != nil {
			return err
		}
	}
	return lines.Err()
}

func strictJSON(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return errors.New("text behind the record")
	}
	return nil
}

// FaultCode is what is wrong with a chain.
type FaultCode string

// The faults.
const (
	FaultChanged  FaultCode = "changed"   // the record does not have the hash it states: it was changed
	FaultMissing  FaultCode = "missing"   // records before this one are gone
	FaultUnlinked FaultCode = "unlinked"  // the record does not follow the one before it
	FaultForeign  FaultCode = "foreign"   // the record is another body's
	FaultRewrote  FaultCode = "rewritten" // the record is not the one that a signed head names
	FaultCut      FaultCode = "cut"       // the chain ends before a head that was signed or noted
)

// Fault is one place where a chain is broken. For FaultMissing and FaultCut, Seq
// is the first record that is gone.
type Fault struct {
	Seq  int64     `json:"seq"`
	Code FaultCode `json:"code"`
}

// AuditReport is what a verification found. A chain with no Faults is intact;
// how much that says depends on Signed: beyond the newest signed head, someone
// who can write the database could have rewritten everything.
type AuditReport struct {
	Tenant  tenant.ID `json:"tenant"`
	Records int64     `json:"records"`
	Last    int64     `json:"last"`   // Seq of the last record
	Signed  int64     `json:"signed"` // Seq of the newest signed head that matches
	Faults  []Fault   `json:"faults,omitempty"`
}

// maxFaults bounds a report; one rewritten record makes one or two.
const maxFaults = 1000

// VerifyAudit walks the chain of one body and compares it with signed heads from
// ReadHeads (those of other bodies are ignored; none is allowed, but then a
// chain that was rewritten as a whole passes). Its error is about reading, not
// about what was found.
func (db *DB) VerifyAudit(ctx context.Context, id tenant.ID, heads []Head) (AuditReport, error) {
	if _, err := tenant.Parse(string(id)); err != nil {
		return AuditReport{}, err
	}
	v := newVerifier(id, heads)
	err := db.engine.view(ctx, string(id), func(s session) error {
		if err := db.auditWalk(ctx, id, s, func(r AuditRecord) error { v.add(&r); return nil }); err != nil {
			return err
		}
		b := &builder{dialect: db.engine.dialect()}
		b.WriteString("SELECT seq, hash FROM sekikura_audit_heads WHERE tenant = ")
		b.arg(tenantArg)
		return s.each(ctx, b.String(), []any{string(id)}, func(scan func(...any) error) error {
			var seq int64
			var hash string
			err := scan(&seq, &hash)
			v.noted(seq, hash)
			return err
		})
	})
	if err != nil {
		return AuditReport{}, fmt.Errorf("verifying the audit log of %s: %w", id, err)
	}
	return v.report(), nil
}

// VerifyAuditExport checks what ExportAudit wrote, as VerifyAudit does.
func VerifyAuditExport(id tenant.ID, from io.Reader, heads []Head) (AuditReport, error) {
	v := newVerifier(id, heads)
	err := jsonLines(from, func(line int, text []byte) error {
		var r AuditRecord
		if err := strictJSON(text, &r); err != nil {
			return fmt.Errorf("line %d of the audit export: %w", line, err)
		}
		v.add(&r)
		return nil
	})
	if err != nil {
		return AuditReport{}, err
	}
	return v.report(), nil
}

type verifier struct {
	out   AuditReport
	prev  string // hash that the record before states
	heads map[int64][]Head
	ahead int64 // the highest signed head
}

func newVerifier(id tenant.ID, heads []Head) *verifier {
	v := &verifier{out: AuditReport{Tenant: id}, heads: make(map[int64][]Head)}
	for _, h := range heads {
		if h.Tenant == id {
			v.heads[h.Seq] = append(v.heads[h.Seq], h)
			v.ahead = max(v.ahead, h.Seq)
		}
	}
	return v
}

func (v *verifier) fault(seq int64, code FaultCode) {
	if len(v.out.Faults) < maxFaults {
		v.out.Faults = append(v.out.Faults, Fault{seq, code})
	}
}

func (v *verifier) add(r *AuditRecord) {
	switch {
	case r.Seq > v.out.Last+1:
		v.fault(v.out.Last+1, FaultMissing)
	case r.Prev != v.prev || r.Seq <= v.out.Last:
		v.fault(r.Seq, FaultUnlinked)
	}
	if r.Tenant != v.out.Tenant {
		v.fault(r.Seq, FaultForeign)
	}
	sum := r.Sum()
	if sum != r.Hash {
		v.fault(r.Seq, FaultChanged)
	}
	for _, h := range v.heads[r.Seq] {
		if h.Hash != sum {
			v.fault(r.Seq, FaultRewrote)
			break
		}
		v.out.Signed = max(v.out.Signed, r.Seq)
	}
	v.out.Records++
	v.out.Last, v.prev = r.Seq, r.Hash
}

// noted compares the chain with the head that the database itself keeps.
func (v *verifier) noted(seq int64, hash string) {
	switch {
	case seq > v.out.Last:
		v.fault(v.out.Last+1, FaultCut)
		v.ahead = 0 // said once
	case seq < v.out.Last || hash != v.prev:
		v.fault(v.out.Last, FaultUnlinked)
	}
}

func (v *verifier) report() AuditReport {
	if v.ahead > v.out.Last {
		v.fault(v.out.Last+1, FaultCut)
	}
	return v.out
}
