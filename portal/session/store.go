package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// The keys of what a session holds. Rights are not among them: they are read
// anew with each request.
const (
	keyTenant     = "tenant"
	keyLogin      = "login"
	keyGeneration = "generation"
)

// data is a session as it is kept.
type data struct {
	Deadline   time.Time `json:"deadline"`
	Tenant     tenant.ID `json:"tenant"`
	Login      string    `json:"login"`
	Generation int64     `json:"generation"`
}

// codec writes sessions as JSON, so that the store can tell whose one is.
type codec struct{}

// Encode implements scs.Codec.
func (codec) Encode(deadline time.Time, values map[string]any) ([]byte, error) {
	d := data{Deadline: deadline}
	d.Tenant, _ = values[keyTenant].(tenant.ID)
	d.Login, _ = values[keyLogin].(string)
	d.Generation, _ = values[keyGeneration].(int64)
	return json.Marshal(d)
}

// Decode implements scs.Codec.
func (codec) Decode(text []byte) (time.Time, map[string]any, error) {
	var d data
	if err := json.Unmarshal(text, &d); err != nil {
		return time.Time{}, nil, fmt.Errorf("reading a session: %w", err)
	}
	return d.Deadline, map[string]any{keyTenant: d.Tenant, keyLogin: d.Login, keyGeneration: d.Generation}, nil
}

// keeper keeps sessions in the control store, each with the body of its account.
// scs hands it hashes of the cookies' values only. When a session ends is
// reckoned here, by the portal's clock; what scs says of it is not used.
type keeper struct {
	db  *store.DB
	now func() time.Time
}

var machine = store.Actor{Account: "system:portal"}

var bySession = store.Across{
	Name: "portal.session", Reason: "ログイン状態の確認", Machine: true,
	Select: store.Select{Table: "portal_session", Columns: []string{"data", "expires", "ends"}, Where: "hash = ?"},
}

// foundKey carries which session a request came with, so that Commit can tell
// an old session from a new one.
type foundKey struct{}

type foundSession struct {
	hash          string
	text          string
	expires, ends time.Time
}

func (k *keeper) find(ctx context.Context, hash string) (f foundSession, owner tenant.ID, err error) {
	f.hash = hash
	err = k.db.Across(ctx, bySession, "", machine, func(id tenant.ID, row store.Row) error {
		owner = id
		var text []byte
		err := row.Scan(&text, &f.expires, &f.ends)
		f.text = string(text)
		return err
	}, hash)
	return f, owner, err
}

// FindCtx implements scs.CtxStore.
func (k *keeper) FindCtx(ctx context.Context, hash string) ([]byte, bool, error) {
	f, owner, err := k.find(ctx, hash)
	if now := k.now(); err != nil || owner == "" || !now.Before(f.expires) || !now.Before(f.ends) {
		return nil, false, err
	}
	if found, ok := ctx.Value(foundKey{}).(*foundSession); ok {
		*found = f
	}
	return []byte(f.text), true, nil
}

// saveEvery is how far a session's end must move before it is written: each
// request moves it, and a write costs a disk's sync.
const saveEvery = time.Minute

// CommitCtx implements scs.CtxStore. A session that the request came with is
// only prolonged when it still stands: another request may have ended it.
func (k *keeper) CommitCtx(ctx context.Context, hash string, text []byte, _ time.Time) error {
	var d data
	if err := json.Unmarshal(text, &d); err != nil {
		return fmt.Errorf("keeping a session: %w", err)
	}
	if d.Tenant == "" {
		return errors.New("keeping a session: it has no account")
	}
	now := k.now()
	if f, ok := ctx.Value(foundKey{}).(*foundSession); ok && f.hash == hash {
		expires := earlier(now.Add(Idle), f.ends)
		if f.text == string(text) && expires.Sub(f.expires) < saveEvery {
			return nil
		}
		return k.db.Change(ctx, d.Tenant, machine, func(tx *store.Tx) error {
			_, err := tx.Update(ctx, store.Update{Table: "portal_session", Set: []string{"data", "expires"}, Where: "hash = ?"}, text, expires, hash)
			return err
		})
	}
	return k.db.Change(ctx, d.Tenant, machine, func(tx *store.Tx) error {
		if _, err := tx.Delete(ctx, store.Delete{Table: "portal_session", Where: "expires < ?"}, now); err != nil {
			return err
		}
		return tx.Insert(ctx, store.Insert{Table: "portal_session", Columns: []string{"hash", "data", "expires", "ends"}},
			hash, text, now.Add(Idle), now.Add(Absolute))
	})
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// DeleteCtx implements scs.CtxStore.
func (k *keeper) DeleteCtx(ctx context.Context, hash string) error {
	_, owner, err := k.find(ctx, hash)
	if err != nil || owner == "" {
		return err
	}
	return k.db.Change(ctx, owner, machine, func(tx *store.Tx) error {
		_, err := tx.Delete(ctx, store.Delete{Table: "portal_session", Where: "hash = ?"}, hash)
		return err
	})
}

// Find, Commit and Delete are what scs asks of every store; it uses the others.
func (k *keeper) Find(hash string) ([]byte, bool, error) {
	return k.FindCtx(context.Background(), hash)
}

// Commit implements scs.Store.
func (k *keeper) Commit(hash string, text []byte, expires time.Time) error {
	return k.CommitCtx(context.Background(), hash, text, expires)
}

// Delete implements scs.Store.
func (k *keeper) Delete(hash string) error { return k.DeleteCtx(context.Background(), hash) }
