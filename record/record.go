// Package record is the one engine for numbered work (票): 事案, インシデント,
// 障害, 申請, 問合せ, 問題, 変更, 作業, and what a plane adds.
//
// A [Record] belongs to one body, has a number by fiscal year (年度) and kind, an
// owner, a severity, clocks, and a timeline to which everything that happens is
// appended and from which nothing goes. What a kind's records may do stands in
// a [Kind], as data; [Compile] checks all kinds and makes the [Set] that
// [Records] works by. Each function that changes something takes the [Person]
// who does, does it in one transaction together with its entry in the body's
// audit chain, and answers store.ErrNone for what the person may not see, as if
// it were not there.
//
// What is wrong with an input is a policy.Refusal, which names the place.
package record

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// ID names a record for ever: a UUID version 7. Numbers are for people.
type ID string

// ParseID returns s as an ID. It is the only way in for text from outside.
func ParseID(s string) (ID, error) {
	id, err := event.ParseID(s)
	return ID(id.String()), err
}

// Errors that callers decide by, besides those of package store.
var (
	// ErrStale says that somebody else changed the record meanwhile.
	ErrStale = errors.New("the record was changed by somebody else meanwhile")
	// ErrAltered says that evidence is no longer what was put in.
	ErrAltered = errors.New("the evidence is not what was put in")
)

// Records keeps and changes the records of all bodies. DB, Kinds and Bodies must
// be set; Blobs before evidence is used. It may be used concurrently.
type Records struct {
	DB    *store.DB
	Kinds *Set
	// Bodies tells who the operator of a body is. *tenant.Directory does.
	Bodies interface {
		Get(tenant.ID) (tenant.Tenant, bool)
	}
	Blobs Blobs
	// MaxBlob is the largest evidence file in bytes; 0 means 1 GiB.
	MaxBlob int64
	// After is called in the transaction of every entry that a timeline gets,
	// such as to enqueue a notice that exists exactly when the entry does. It may
	// be called again when the transaction is, and must do nothing outside it.
	// Nil is nobody.
	After func(ctx context.Context, tx *store.Tx, rec Record, e Entry) error
}

// Blobs keeps the bytes of evidence files. *objects.Store does.
type Blobs interface {
	Put(ctx context.Context, id tenant.ID, r io.Reader) (objects.Object, error)
	Get(ctx context.Context, id tenant.ID, address objects.Address) (io.ReadCloser, error)
}

// Person is who reads or changes records, with what the portal knows of them. A
// service acts as store.System; it may make every move.
type Person struct {
	store.Actor
	Roles []string
	// Only limits somebody of the operator's side to these bodies, such as the
	// staff of a contracted SOC; nil is all bodies of the operator.
	Only []tenant.ID
}

// has tells whether the person holds one of roles.
func (p Person) has(roles []string) bool {
	return p.IsSystem() || slices.Contains(roles, "*") ||
		slices.ContainsFunc(p.Roles, func(role string) bool { return slices.Contains(roles, role) })
}

// Record is one piece of work as it stands.
type Record struct {
	ID       ID                `json:"id"`
	Tenant   tenant.ID         `json:"tenant"`
	Kind     string            `json:"kind"`
	Number   string            `json:"number"`
	Version  int64             `json:"version"` // moves and edits count it up; comments do not
	State    string            `json:"state"`
	Open     bool              `json:"open"`
	Severity Severity          `json:"severity"`
	Side     Side              `json:"side"`
	Owner    string            `json:"owner"`
	System   string            `json:"system"` // what it is about, such as a name of the 台帳
	Title    string            `json:"title"`
	Body     string            `json:"body"`
	Fields   map[string]string `json:"fields,omitempty"`
	// Key makes two findings the same one, such as rule and host; "" is none.
	Key      string    `json:"key,omitempty"`
	Repeats  int64     `json:"repeats"` // how often the same was found again
	LastSeen time.Time `json:"last_seen"`
	// MergedInto is the record that took this one in, or "".
	MergedInto ID        `json:"merged_into,omitempty"`
	Created    time.Time `json:"created"`
	CreatedBy  string    `json:"created_by"`
	Updated    time.Time `json:"updated"`
	Closed     time.Time `json:"closed,omitzero"`
	// Due is the next of its clocks' ends; the zero time when none runs.
	Due time.Time `json:"due,omitzero"`
	// Drill marks what belongs to an exercise (訓練).
	Drill   bool  `json:"drill,omitempty"`
	Entries int64 `json:"entries"` // how many the timeline has; inside ones count

	search string // by which everybody finds it
	inside string // what only the operator's side finds it by
}

// Entry is one line of a timeline.
type Entry struct {
	Seq  int64     `json:"seq"` // 1, 2, … per record
	At   time.Time `json:"at"`
	By   string    `json:"by"`
	From tenant.ID `json:"from,omitempty"` // whose member By is
	What What      `json:"what"`
	// Inside entries are for the operator's side only.
	Inside bool            `json:"inside,omitempty"`
	Text   string          `json:"text,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

// What is the sort of an entry.
type What string

// The sorts.
const (
	Created   What = "created"
	Moved     What = "moved"
	Edited    What = "edited"
	Commented What = "commented"
	Annotated What = "annotated" // a remark on an earlier entry, since nothing is edited
	Repeated  What = "repeated"  // the same was found again
	Clocked   What = "clocked"   // a clock was paused, resumed or ended by hand or by a fact
	Overdue   What = "overdue"   // a clock has run out
	Tasked    What = "tasked"
	Linked    What = "linked"
	Evidenced What = "evidenced"
	MergedIn  What = "merged_in" // another record was merged into this one
	MergedTo  What = "merged_to"
)

// Sees is the one rule of who sees what: somebody of the operator above a body
// sees everything of the body; a member of the body sees what is not inside; a
// service sees all; and who is limited to some bodies (Only) sees nothing of
// others. Whatever this package hands out has passed it.
func (r *Records) Sees(p Person, owner tenant.ID, inside bool) bool {
	switch {
	case p.IsSystem():
		return true
	case p.Only != nil && !slices.Contains(p.Only, owner):
		return false
	case r.insider(p, owner):
		return true
	}
	return !inside && p.Tenant != "" && p.Tenant == owner
}

// insider tells whether p works for the operator of owner.
func (r *Records) insider(p Person, owner tenant.ID) bool {
	body, ok := r.Bodies.Get(owner)
	return ok && p.Tenant != "" && p.Tenant == body.Operator
}

// hidesInside tells whether p must not see what is inside.
func (r *Records) hidesInside(p Person, owner tenant.ID) bool { return !r.Sees(p, owner, true) }

// may tells store.ErrNone unless p sees the records of owner.
func (r *Records) may(p Person, owner tenant.ID) error {
	if !r.Sees(p, owner, false) {
		return store.ErrNone
	}
	return nil
}

// Get returns one record.
func (r *Records) Get(ctx context.Context, p Person, id tenant.ID, ref ID) (Record, error) {
	if err := r.may(p, id); err != nil {
		return Record{}, err
	}
	return store.One(ctx, r.DB.Tenant(id), getRecord, scanRecord(id), ref)
}

// ByNumber returns the record with a number as somebody typed it.
func (r *Records) ByNumber(ctx context.Context, p Person, id tenant.ID, typed string) (Record, error) {
	if err := r.may(p, id); err != nil {
		return Record{}, err
	}
	_, number, err := r.Kinds.ParseNumber(typed)
	if err != nil {
		return Record{}, store.ErrNone
	}
	return store.One(ctx, r.DB.Tenant(id), getByNumber, scanRecord(id), number)
}

// maxRedirects bounds a chain of merges.
const maxRedirects = 50

// Follow returns the record that ref was merged into, over any number of
// merges, or the record itself.
func (r *Records) Follow(ctx context.Context, p Person, id tenant.ID, ref ID) (Record, error) {
	rec, err := r.Get(ctx, p, id, ref)
	for n := 0; err == nil && rec.MergedInto != "" && n < maxRedirects; n++ {
		rec, err = r.Get(ctx, p, id, rec.MergedInto)
	}
	return rec, err
}
