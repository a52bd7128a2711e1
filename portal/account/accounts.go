package account

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Accounts keeps accounts in the control store. Every field but Cost must be
// set before first use; Open makes it ready.
type Accounts struct {
	DB        *store.DB
	Directory *tenant.Directory
	Keys      *Sealer
	Now       func() time.Time
	Cost      Cost // of a password check

	hasher  *hasher
	limiter limiter
}

// Open makes a ready.
func (a *Accounts) Open() { a.hasher = newHasher(a.Cost) }

// machine is who reads on behalf of nobody: finding out who somebody is.
var machine = store.Actor{Account: "system:portal"}

var columns = []string{
	"login", "name", "section", "role", "disabled", "must_change", "totp_on", "expires", "created", "last_login", "generation", "version",
	"password", "totp", "totp_step",
}

// stored is an account with its secrets.
type stored struct {
	Account
	password string
	totp     []byte // sealed
	totpStep int64
}

func scan(row store.Row) (stored, error) {
	var s stored
	err := row.Scan(&s.Login, &s.Name, &s.Section, &s.Role, &s.Disabled, &s.MustChange, &s.TOTP, &s.Expires, &s.Created,
		&s.LastLogin, &s.Generation, &s.Version, &s.password, &s.totp, &s.totpStep)
	return s, err
}

func selectAccount(where, order string) store.Select {
	return store.Select{Table: "account", Columns: columns, Where: where, Order: order}
}

// Get returns one account of a body, or ErrNone.
func (a *Accounts) Get(ctx context.Context, id tenant.ID, login string) (Account, error) {
	s, err := get(ctx, a.DB.Tenant(id), id, login)
	return s.Account, err
}

func get(ctx context.Context, r store.Reader, id tenant.ID, login string) (stored, error) {
	s, err := store.One(ctx, r, selectAccount("login = ?", ""), scan, login)
	if errors.Is(err, store.ErrNone) {
		return s, ErrNone
	}
	s.Tenant = id
	return s, err
}

// List returns a body's accounts in the order of their logins, from behind one.
func (a *Accounts) List(ctx context.Context, id tenant.ID, after string, limit int) ([]Account, error) {
	sel := selectAccount("login > ?", "login")
	sel.LimitArg = true
	all, err := store.All(ctx, a.DB.Tenant(id), sel, scan, after, int64(limit))
	if err != nil {
		return nil, err
	}
	list := make([]Account, len(all))
	for i, s := range all {
		list[i] = s.Account
		list[i].Tenant = id
	}
	return list, nil
}

var byLogin = store.Across{
	Name: "portal.login", Reason: "ログインの確認", Machine: true, Select: selectAccount("login = ?", ""),
}

// find returns the account with a login name in the whole installation.
func (a *Accounts) find(ctx context.Context, login string) (stored, error) {
	var found *stored
	err := a.DB.Across(ctx, byLogin, "", machine, func(id tenant.ID, row store.Row) error {
		s, err := scan(row)
		s.Tenant = id
		found = &s
		return err
	}, login)
	switch {
	case err != nil:
		return stored{}, err
	case found == nil:
		return stored{}, ErrNone
	}
	return *found, nil
}

// auditable is what an audit record tells of an account.
type auditable struct {
	Name     string      `json:"name"`
	Section  string      `json:"section,omitempty"`
	Role     access.Role `json:"role"`
	Disabled bool        `json:"disabled,omitempty"`
	Expires  time.Time   `json:"expires_at,omitzero"`
}

func (a *Account) audit() json.RawMessage {
	text, err := json.Marshal(auditable{a.Name, a.Section, a.Role, a.Disabled, a.Expires})
	if err != nil {
		panic(fmt.Sprintf("account: an audit record has no JSON: %v", err)) // made of our own types
	}
	return text
}

// Create adds an account with a random first password, which it returns: it is
// kept nowhere in the clear. A *Wrong names the entry that has to be mended.
func (a *Accounts) Create(ctx context.Context, actor store.Actor, acc Account) (password string, err error) {
	password = randomPassword()
	return password, a.create(ctx, actor, acc, password, true)
}

func (a *Accounts) create(ctx context.Context, actor store.Actor, acc Account, password string, mustChange bool) error {
	body, known := a.Directory.Get(acc.Tenant)
	if !known {
		return fmt.Errorf("adding account %s: there is no body %s", acc.Login, acc.Tenant)
	}
	if err := acc.check(body.IsOperator(), a.Now()); err != nil {
		return err
	}
	if !acc.Expires.IsZero() && !acc.Expires.After(a.Now()) {
		return &Wrong{"/expires_at", "past", nil}
	}
	phc, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	err = a.DB.Change(ctx, acc.Tenant, actor, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "user.add", Object: acc.Login, After: acc.audit()})
		return tx.Insert(ctx, store.Insert{Table: "account", Columns: columns},
			acc.Login, acc.Name, acc.Section, acc.Role, acc.Disabled, mustChange, false, acc.Expires, a.Now(),
			time.Time{}, int64(1), int64(1), phc, nil, int64(0))
	})
	if errors.Is(err, store.ErrExists) {
		return ErrTaken
	}
	return err
}

// Change replaces what administrators decide of an account: name, section, role,
// disabled, expiry. version is the one they saw; another is ErrStale. A change of
// role, and disabling, ends its sessions.
func (a *Accounts) Change(ctx context.Context, actor store.Actor, acc Account, version int64) (Account, error) {
	body, known := a.Directory.Get(acc.Tenant)
	if !known {
		return Account{}, ErrNone
	}
	if err := acc.check(body.IsOperator(), a.Now()); err != nil {
		return Account{}, err
	}
	var after Account
	err := a.DB.Change(ctx, acc.Tenant, actor, func(tx *store.Tx) error {
		before, err := get(ctx, tx, acc.Tenant, acc.Login)
		if err != nil {
			return err
		}
		if before.Version != version {
			return ErrStale
		}
		after = before.Account
		after.Name, after.Section, after.Role, after.Disabled, after.Expires = acc.Name, acc.Section, acc.Role, acc.Disabled, acc.Expires
		after.Version++
		if after.Role != before.Role || after.Disabled {
			after.Generation++
		}
		if err := a.keepOne(ctx, tx, &before.Account, &after); err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "user.change", Object: acc.Login, Before: before.audit(), After: after.audit()})
		_, err = tx.Update(ctx, store.Update{
			Table: "account", Set: []string{"name", "section", "role", "disabled", "expires", "generation", "version"}, Where: "login = ?",
		}, after.Name, after.Section, after.Role, after.Disabled, after.Expires, after.Generation, after.Version, acc.Login)
		return err
	})
	return after, err
}

// keepOne refuses to take the last usable account of an operator's own role away:
// nobody could make another. after is nil for a removal.
func (a *Accounts) keepOne(ctx context.Context, tx *store.Tx, before, after *Account) error {
	able := func(x *Account) bool {
		return x != nil && x.Role == access.Operator && !x.Ended(a.Now()) && x.Expires.IsZero()
	}
	if !able(before) || able(after) {
		return nil
	}
	others, err := store.All(ctx, tx, selectAccount("role = ? AND login <> ?", ""), scan, access.Operator, before.Login)
	if err != nil {
		return err
	}
	for _, o := range others {
		if able(&o.Account) {
			return nil
		}
	}
	return ErrLastOne
}

// Remove deletes an account with its tokens and codes; its sessions end.
func (a *Accounts) Remove(ctx context.Context, actor store.Actor, id tenant.ID, login string) error {
	return a.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		before, err := get(ctx, tx, id, login)
		if err != nil {
			return err
		}
		if err := a.keepOne(ctx, tx, &before.Account, nil); err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "user.remove", Object: login, Before: before.audit()})
		for _, table := range []string{"recovery_code", "api_token", "kept_answer", "account"} {
			if _, err := tx.Delete(ctx, store.Delete{Table: table, Where: "login = ?"}, login); err != nil {
				return err
			}
		}
		return nil
	})
}

// Reset gives an account a new random password, which it returns and which must
// be changed, and ends its sessions. With totp its second factor is switched off.
func (a *Accounts) Reset(ctx context.Context, actor store.Actor, id tenant.ID, login string, totp bool) (password string, err error) {
	password = randomPassword()
	phc, err := a.hasher.hash(ctx, password)
	if err != nil {
		return "", err
	}
	err = a.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		before, err := get(ctx, tx, id, login)
		if err != nil {
			return err
		}
		after, err := json.Marshal(map[string]bool{"totp_cleared": totp && before.TOTP})
		if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "user.reset", Object: login, After: after})
		if totp {
			if err := clearTOTP(ctx, tx, login); err != nil {
				return err
			}
		}
		return setPassword(ctx, tx, before, phc, true)
	})
	if err != nil {
		return "", err
	}
	return password, nil
}

func setPassword(ctx context.Context, tx *store.Tx, s stored, phc string, mustChange bool) error {
	_, err := tx.Update(ctx, store.Update{
		Table: "account", Set: []string{"password", "must_change", "generation", "version"}, Where: "login = ?",
	}, phc, mustChange, s.Generation+1, s.Version+1, s.Login)
	return err
}

// ChangePassword replaces one's own password and ends all sessions of before;
// it returns the new generation for the session that goes on. ErrWrong says that
// old is not the password; it counts as a failed login.
func (a *Accounts) ChangePassword(ctx context.Context, who *access.Identity, old, chosen string) (generation int64, err error) {
	if wait := a.limiter.wait(who.Login, who.Address, a.Now()); wait > 0 {
		return 0, &Busy{wait}
	}
	s, err := get(ctx, a.DB.Tenant(who.Tenant.ID), who.Tenant.ID, who.Login)
	if err != nil {
		return 0, err
	}
	ok, err := a.hasher.matches(ctx, old, s.password)
	if err != nil {
		return 0, err
	}
	if !ok {
		a.limiter.failed(who.Login, who.Address, a.Now())
		return 0, ErrWrong
	}
	if old == chosen {
		return 0, &Wrong{"/new", "same_as_old", nil}
	}
	if err := checkPassword(chosen, who.Login); err != nil {
		return 0, err
	}
	phc, err := a.hasher.hash(ctx, chosen)
	if err != nil {
		return 0, err
	}
	err = a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) error {
		now, err := get(ctx, tx, who.Tenant.ID, who.Login)
		if err != nil {
			return err
		}
		if now.password != s.password {
			return ErrStale
		}
		generation = now.Generation + 1
		tx.Audit(store.Audit{Action: "session.password", Object: who.Login})
		return setPassword(ctx, tx, now, phc, false)
	})
	return generation, err
}

// SetPassword gives an account a password that is known already and need not be
// changed: for tests and for setting up an installation by a program.
func (a *Accounts) SetPassword(ctx context.Context, actor store.Actor, id tenant.ID, login, password string) error {
	phc, err := a.hasher.hash(ctx, password)
	if err != nil {
		return err
	}
	return a.DB.Change(ctx, id, actor, func(tx *store.Tx) error {
		s, err := get(ctx, tx, id, login)
		if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "user.reset", Object: login})
		return setPassword(ctx, tx, s, phc, false)
	})
}
