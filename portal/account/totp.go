package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base32"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/store"
)

// RFC 6238: steps of 30 s, one step of tolerance to either side.
const (
	totpStep = 30
	totpSkew = 1
)

// recoveryCodes is how many codes replace a lost second factor.
const recoveryCodes = 10

func totpPurpose(s *stored) string { return "totp " + string(s.Tenant) + " " + s.Login }

// BeginTOTP makes a secret for one's own second factor and returns its otpauth
// URL. It is not on before ConfirmTOTP. An account whose second factor is on has
// to end it first.
func (a *Accounts) BeginTOTP(ctx context.Context, who *access.Identity, issuer string) (secret, url string, err error) {
	raw := make([]byte, 20)
	rand.Read(raw) //nolint:errcheck // never fails since Go 1.24
	key, err := totp.Generate(totp.GenerateOpts{Issuer: issuer, AccountName: who.Login, Secret: raw, Period: totpStep})
	if err != nil {
		return "", "", fmt.Errorf("making a second factor: %w", err)
	}
	err = a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) error {
		s, err := get(ctx, tx, who.Tenant.ID, who.Login)
		if err != nil {
			return err
		}
		if s.TOTP {
			return ErrStale
		}
		tx.Audit(store.Audit{Action: "session.totp_begin", Object: who.Login})
		_, err = tx.Update(ctx, store.Update{Table: "account", Set: []string{"totp"}, Where: "login = ?"},
			a.Keys.Seal(raw, totpPurpose(&s)), who.Login)
		return err
	})
	return key.Secret(), key.URL(), err
}

// ConfirmTOTP switches the second factor on with a first code and returns the
// recovery codes, which are kept nowhere in the clear.
func (a *Accounts) ConfirmTOTP(ctx context.Context, who *access.Identity, code string) ([]string, error) {
	if wait := a.limiter.wait(who.Login, who.Address, a.Now()); wait > 0 {
		return nil, &Busy{wait}
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		codes[i] = randomText(12)
	}
	wrong := false
	err := a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) error {
		s, err := get(ctx, tx, who.Tenant.ID, who.Login)
		if err != nil {
			return err
		}
		if s.TOTP || len(s.totp) == 0 {
			return ErrNotOn
		}
		step, err := a.step(&s, code)
		if err != nil {
			wrong = true
			return err
		}
		tx.Audit(store.Audit{Action: "session.totp_on", Object: who.Login})
		for _, c := range codes {
			if err := tx.Insert(ctx, store.Insert{Table: "recovery_code", Columns: []string{"login", "hash"}}, who.Login, a.recoveryHash(&s, c)); err != nil {
				return err
			}
		}
		_, err = tx.Update(ctx, store.Update{Table: "account", Set: []string{"totp_on", "totp_step", "version"}, Where: "login = ?"},
			true, step, s.Version+1, who.Login)
		return err
	})
	if wrong {
		a.limiter.failed(who.Login, who.Address, a.Now())
	}
	if err != nil {
		return nil, err
	}
	return codes, nil
}

// EndTOTP switches one's own second factor off; it takes a code.
func (a *Accounts) EndTOTP(ctx context.Context, who *access.Identity, code string) error {
	if wait := a.limiter.wait(who.Login, who.Address, a.Now()); wait > 0 {
		return &Busy{wait}
	}
	s, err := get(ctx, a.DB.Tenant(who.Tenant.ID), who.Tenant.ID, who.Login)
	if err != nil {
		return err
	}
	if !s.TOTP {
		return ErrNotOn
	}
	if err := a.useCode(ctx, s, code, who.Address); err != nil {
		a.limiter.failed(who.Login, who.Address, a.Now())
		return err
	}
	return a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "session.totp_off", Object: who.Login})
		return clearTOTP(ctx, tx, who.Login)
	})
}

func clearTOTP(ctx context.Context, tx *store.Tx, login string) error {
	if _, err := tx.Delete(ctx, store.Delete{Table: "recovery_code", Where: "login = ?"}, login); err != nil {
		return err
	}
	_, err := tx.Update(ctx, store.Update{Table: "account", Set: []string{"totp", "totp_on", "totp_step"}, Where: "login = ?"},
		nil, false, int64(0), login)
	return err
}

// useCode spends a TOTP code or a recovery code: neither works twice, whoever
// looked over a shoulder (RFC 6238, 5.2).
func (a *Accounts) useCode(ctx context.Context, s stored, code, address string) error {
	actor := store.Actor{Account: s.Login, Tenant: s.Tenant, Address: address}
	return a.DB.Change(ctx, s.Tenant, actor, func(tx *store.Tx) error {
		now, err := get(ctx, tx, s.Tenant, s.Login)
		if err != nil {
			return err
		}
		step, err := a.step(&now, code)
		if err == nil {
			tx.Audit(store.Audit{Action: "session.totp", Object: s.Login})
			_, err = tx.Update(ctx, store.Update{Table: "account", Set: []string{"totp_step"}, Where: "login = ?"}, step, s.Login)
			return err
		}
		n, err := tx.Delete(ctx, store.Delete{Table: "recovery_code", Where: "login = ? AND hash = ?"}, s.Login, a.recoveryHash(&now, code))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrCodeWrong
		}
		tx.Audit(store.Audit{Action: "session.recovery_code", Object: s.Login})
		return nil
	})
}

// step returns the time step of a code that is right now and was not used.
func (a *Accounts) step(s *stored, code string) (int64, error) {
	raw, err := a.Keys.Open(s.totp, totpPurpose(s))
	if err != nil {
		return 0, err
	}
	secret := base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(raw)
	now := a.Now().Unix() / totpStep
	right := int64(0)
	for step := now - totpSkew; step <= now+totpSkew; step++ {
		want, err := hotp.GenerateCodeCustom(secret, uint64(step), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1}) //nolint:gosec // after 1970
		if err != nil {
			return 0, fmt.Errorf("computing a code of the second factor: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(strings.ReplaceAll(code, " ", ""))) == 1 && step > s.totpStep {
			right = step
		}
	}
	if right == 0 {
		return 0, ErrCodeWrong
	}
	return right, nil
}

// recoveryHash is what is kept of a recovery code. People type it with or
// without its dashes, in any case.
func (a *Accounts) recoveryHash(s *stored, code string) string {
	code = strings.ToLower(strings.NewReplacer("-", "", " ", "").Replace(code))
	return a.Keys.sum("recovery "+string(s.Tenant)+" "+s.Login, code)
}

// CodeAt returns the code of a secret, as an authenticator shows it; for tests
// and for setting up a demonstration.
func CodeAt(secret string, at time.Time) (string, error) {
	return totp.GenerateCodeCustom(secret, at, totp.ValidateOpts{Period: totpStep, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
}
