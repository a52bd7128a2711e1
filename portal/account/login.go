package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Busy says that there were too many wrong passwords or codes.
type Busy struct{ Wait time.Duration }

// Error says so.
func (b *Busy) Error() string { return fmt.Sprintf("too many failures; wait %v", b.Wait) }

// Login checks a password, and a code where the account has a second factor. It
// returns the account even with ErrEnded, ErrCodeMissing and ErrCodeWrong, which
// only somebody who knows the password gets. Success and failure are written
// into the audit log; a login name that does not exist is noted with the first
// operator, without the name, because people type passwords into that field.
func (a *Accounts) Login(ctx context.Context, login, password, code, address string) (Account, error) {
	login = strings.ToLower(strings.TrimSpace(login))
	now := a.Now()
	if wait := a.limiter.wait(login, address, now); wait > 0 {
		return Account{}, &Busy{wait}
	}
	s, err := a.find(ctx, login)
	if err != nil && !errors.Is(err, ErrNone) {
		return Account{}, err
	}
	ok, err := a.hasher.matches(ctx, password, s.password) // "" when nobody was found
	if err != nil {
		return Account{}, err
	}
	if !ok {
		return Account{}, a.noteFailure(ctx, s, login, address, ErrWrong)
	}
	if _, known := a.Directory.Get(s.Tenant); s.Ended(now) || !known {
		return s.Account, a.noteFailure(ctx, s, login, address, ErrEnded)
	}
	if s.TOTP {
		if code == "" {
			return s.Account, ErrCodeMissing
		}
		if err := a.useCode(ctx, s, code, address); err != nil {
			if errors.Is(err, ErrCodeWrong) {
				err = a.noteFailure(ctx, s, login, address, ErrCodeWrong)
			}
			return s.Account, err
		}
	}
	a.limiter.succeeded(login, address)
	actor := store.Actor{Account: login, Tenant: s.Tenant, Address: address}
	err = a.DB.Change(ctx, s.Tenant, actor, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "session.login", Object: login})
		_, err := tx.Update(ctx, store.Update{Table: "account", Set: []string{"last_login"}, Where: "login = ?"}, now, login)
		return err
	})
	return s.Account, err
}

// noteFailure counts and audits a failure and returns why. The same is written
// for names that exist and names that do not, so that neither the answer nor its
// time tells them apart.
func (a *Accounts) noteFailure(ctx context.Context, s stored, login, address string, why error) error {
	a.limiter.failed(login, address, a.Now())
	body, who := s.Tenant, login
	if body == "" {
		body, who = a.firstOperator(), ""
	}
	if body == "" {
		return why
	}
	actor := store.Actor{Account: machine.Account, Address: address}
	err := a.DB.Change(ctx, body, actor, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "session.login_failed", Object: who, Reason: why.Error()})
		return nil
	})
	if err != nil {
		return err
	}
	return why
}

func (a *Accounts) firstOperator() tenant.ID {
	for _, t := range a.Directory.All() {
		if t.IsOperator() {
			return t.ID
		}
	}
	return ""
}

// Current returns an account as it stands now, for a session that was begun in a
// generation. ErrNone: the session has ended.
func (a *Accounts) Current(ctx context.Context, id tenant.ID, login string, generation int64) (Account, error) {
	acc, err := a.Get(ctx, id, login)
	if err != nil {
		return acc, err
	}
	if acc.Generation != generation || acc.Ended(a.Now()) {
		return acc, ErrNone
	}
	return acc, nil
}
