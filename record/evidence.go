package record

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// Evidence is a file that belongs to a record (証拠). Its bytes never change and
// it is not removed; who had it in hands stands in its custody log.
type Evidence struct {
	Seq    int64     `json:"seq"`
	Name   string    `json:"name"`
	Media  string    `json:"media"` // a media type as the sender said; nobody has looked
	Size   int64     `json:"size"`
	SHA256 string    `json:"sha256"`
	Inside bool      `json:"inside,omitempty"`
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Note   string    `json:"note,omitempty"`

	address objects.Address
}

// Custody is one line of the log of a piece of evidence (証拠の保全記録).
type Custody struct {
	Seq  int64     `json:"seq"`
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	Act  Handling  `json:"act"`
	Note string    `json:"note,omitempty"`
}

// Handling is what happened to evidence.
type Handling string

// The handlings. The first four are written by this package.
const (
	Secured  Handling = "secured"  // 保全
	Opened   Handling = "opened"   // 閲覧・取得
	Verified Handling = "verified" // 同一性確認
	Altered  Handling = "altered"  // 不一致
	Handed   Handling = "handed"   // 引渡し, such as to the police
	Received Handling = "received" // 受領
	Sealed   Handling = "sealed"   // 封印
)

// maxBlob is what MaxBlob is when it is not set.
const maxBlob = 1 << 30

// AddEvidence reads all of from, keeps it, and adds it to a record. When the
// record cannot take it, the bytes are left in Blobs for its sweep, which asks Held.
func (r *Records) AddEvidence(ctx context.Context, p Person, id tenant.ID, ref ID, e Evidence, from io.Reader) (Evidence, error) {
	if _, err := r.Get(ctx, p, id, ref); err != nil {
		return Evidence{}, err
	}
	e = Evidence{Name: strings.TrimSpace(e.Name), Media: e.Media, Inside: e.Inside, Note: unix(e.Note)}
	if err := r.checkEvidence(p, id, e); err != nil {
		return Evidence{}, err
	}
	limit := r.MaxBlob
	if limit <= 0 {
		limit = maxBlob
	}
	counted := &counter{from: from, sum: sha256.New(), left: limit}
	object, err := r.Blobs.Put(ctx, id, counted)
	switch {
	case errors.Is(err, errTooLarge):
		return Evidence{}, refuse(policy.At("file"), "too_large", limit)
	case err != nil:
		return Evidence{}, fmt.Errorf("keeping evidence of %s: %w", id, err)
	}
	e.Size, e.SHA256, e.address = limit-counted.left, hex.EncodeToString(counted.sum.Sum(nil)), object.Address
	_, err = r.change(ctx, p, id, ref, anyVersion, func(w *work) error {
		all, err := store.All(ctx, w.tx, getEvidence, scanEvidence, ref)
		if err != nil {
			return err
		}
		if len(all) >= MaxEvidence {
			return refuse(policy.At("evidence"), "too_many", MaxEvidence)
		}
		e.Seq, e.At, e.By = int64(len(all))+1, w.now, p.Account
		if err := w.tx.Insert(ctx, addEvidence, ref, e.Seq, e.Name, e.Media, e.Size, e.SHA256, e.address, e.Inside, e.At, e.By, e.Note); err != nil {
			return err
		}
		if err := w.handle(e.Seq, Secured, e.Note, e.Inside); err != nil {
			return err
		}
		_, err = w.enter(Evidenced, e.Inside, e.Name, map[string]any{"evidence": e.Seq, "size": e.Size, "sha256": e.SHA256})
		return err
	})
	if err != nil {
		return Evidence{}, err
	}
	return e, nil
}

func (r *Records) checkEvidence(p Person, id tenant.ID, e Evidence) error {
	var ps problems
	if e.Name == "" || strings.ContainsAny(e.Name, `/\`) {
		ps.add(policy.At("name").Is("not_a_file_name"))
	}
	ps.line(policy.At("name"), e.Name, MaxName)
	ps.line(policy.At("media"), e.Media, MaxName)
	ps.lines(policy.At("note"), e.Note, MaxReason)
	if e.Inside && r.hidesInside(p, id) {
		ps.add(policy.At("inside").Is("role_missing"))
	}
	return ps.err()
}

var errTooLarge = errors.New("the file is too large")

// counter passes on what it reads, its hash and its size, up to a limit.
type counter struct {
	from io.Reader
	sum  hash.Hash
	left int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.from.Read(b)
	if int64(n) > c.left {
		return 0, errTooLarge
	}
	c.left -= int64(n)
	c.sum.Write(b[:n])
	return n, err
}

func scanEvidence(row store.Row) (Evidence, error) {
	var e Evidence
	return e, row.Scan(&e.Seq, &e.Name, &e.Media, &e.Size, &e.SHA256, &e.address, &e.Inside, &e.At, &e.By, &e.Note)
}

// handle appends to the custody log, and to the audit chain.
func (w *work) handle(evidence int64, act Handling, note string, inside bool) error {
	log, err := store.All(w.ctx, w.tx, getCustody, scanCustody, w.rec.ID, evidence)
	if err != nil {
		return err
	}
	if len(log) >= MaxEntries {
		return refuse(policy.At("custody"), "too_many", MaxEntries)
	}
	if err := w.tx.Insert(w.ctx, addCustody, w.rec.ID, evidence, len(log)+1, w.now, w.person.Account, act, note); err != nil {
		return err
	}
	if inside {
		note = ""
	}
	return w.audit("evidence", nil, map[string]any{"evidence": evidence, "act": act}, note)
}

func scanCustody(row store.Row) (Custody, error) {
	var c Custody
	return c, row.Scan(&c.Seq, &c.At, &c.By, &c.Act, &c.Note)
}

// EvidenceOf returns the evidence of a record that p sees.
func (r *Records) EvidenceOf(ctx context.Context, p Person, id tenant.ID, ref ID) ([]Evidence, error) {
	if _, err := r.Get(ctx, p, id, ref); err != nil {
		return nil, err
	}
	all, err := store.All(ctx, r.DB.Tenant(id), getEvidence, scanEvidence, ref)
	return slices.DeleteFunc(all, func(e Evidence) bool { return !r.Sees(p, id, e.Inside) }), err
}

// one returns a piece of evidence that p sees, or store.ErrNone.
func (r *Records) one(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64) (Evidence, error) {
	all, err := r.EvidenceOf(ctx, p, id, ref)
	if err != nil {
		return Evidence{}, err
	}
	for _, e := range all {
		if e.Seq == seq {
			return e, nil
		}
	}
	return Evidence{}, store.ErrNone
}

// CustodyOf returns the custody log of a piece of evidence.
func (r *Records) CustodyOf(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64) ([]Custody, error) {
	if _, err := r.one(ctx, p, id, ref, seq); err != nil {
		return nil, err
	}
	return store.All(ctx, r.DB.Tenant(id), getCustody, scanCustody, ref, seq)
}

// Handle notes in the custody log that evidence was handed over, received or
// sealed: what this package cannot see itself.
func (r *Records) Handle(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64, act Handling, note string) error {
	e, err := r.one(ctx, p, id, ref, seq)
	if err != nil {
		return err
	}
	note = unix(note)
	var ps problems
	if act != Handed && act != Received && act != Sealed {
		ps.add(policy.At("act").Is("no_such_choice", clip(string(act), 60)))
	}
	if strings.TrimSpace(note) == "" {
		ps.add(policy.At("note").Is("required"))
	}
	ps.lines(policy.At("note"), note, MaxReason)
	if err := ps.err(); err != nil {
		return err
	}
	_, err = r.change(ctx, p, id, ref, anyVersion, func(w *work) error { return w.handle(seq, act, note, e.Inside) })
	return err
}

// OpenEvidence hands out the bytes of evidence, after it has noted so. Reading
// to the end ends with ErrAltered instead of io.EOF where they are not what was
// put in. The caller closes it.
func (r *Records) OpenEvidence(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64) (io.ReadCloser, Evidence, error) {
	e, err := r.one(ctx, p, id, ref, seq)
	if err != nil {
		return nil, e, err
	}
	if _, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error { return w.handle(seq, Opened, "", e.Inside) }); err != nil {
		return nil, e, err
	}
	from, err := r.Blobs.Get(ctx, id, e.address)
	if err != nil {
		return nil, e, fmt.Errorf("opening evidence %d of %s: %w", seq, ref, err)
	}
	return &checked{from, sha256.New(), e.SHA256}, e, nil
}

// checked is a reader that knows what it should have read in the end.
type checked struct {
	io.ReadCloser
	sum  hash.Hash
	want string
}

func (c *checked) Read(b []byte) (int, error) {
	n, err := c.ReadCloser.Read(b)
	c.sum.Write(b[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(c.sum.Sum(nil)) != c.want {
		return n, ErrAltered
	}
	return n, err
}

// VerifyEvidence reads evidence wholly and notes whether it is what was put in;
// if not, it returns ErrAltered besides. Bytes that cannot be had are the error
// of Blobs, which says nothing about them.
func (r *Records) VerifyEvidence(ctx context.Context, p Person, id tenant.ID, ref ID, seq int64) error {
	e, err := r.one(ctx, p, id, ref, seq)
	if err != nil {
		return err
	}
	from, err := r.Blobs.Get(ctx, id, e.address)
	if err == nil {
		_, err = io.Copy(io.Discard, &checked{from, sha256.New(), e.SHA256})
		err = errors.Join(err, from.Close())
	}
	altered := errors.Is(err, ErrAltered) || errors.Is(err, objects.ErrAltered)
	if err != nil && !altered {
		return fmt.Errorf("reading evidence %d of %s: %w", seq, ref, err)
	}
	act := Verified
	if altered {
		act = Altered
	}
	if _, err := r.change(ctx, p, id, ref, anyVersion, func(w *work) error { return w.handle(seq, act, "", e.Inside) }); err != nil {
		return err
	}
	if altered {
		return ErrAltered
	}
	return nil
}

// Held returns whether an object of the body id is evidence, as the objects'
// sweep asks it.
func (r *Records) Held(ctx context.Context, id tenant.ID) (func(objects.Address) bool, error) {
	held := map[objects.Address]bool{}
	_, err := store.All(ctx, r.DB.Tenant(id), everyAddress, func(row store.Row) (struct{}, error) {
		var a objects.Address
		err := row.Scan(&a)
		held[a] = true
		return struct{}{}, err
	})
	return func(a objects.Address) bool { return held[a] }, err
}
