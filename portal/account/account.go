// Package account keeps the people and programs that use the portal: their
// accounts, passwords, second factors and API tokens.
//
// An account belongs to one body. Its first password is random and shown once;
// it must be changed before anything else can be done. Passwords are kept as
// argon2id, TOTP secrets sealed under a key that stands outside every backup,
// tokens and recovery codes as hashes.
package account

import (
	"errors"
	"regexp"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Account is one account as administrators see it.
type Account struct {
	Tenant     tenant.ID
	Login      string
	Name       string
	Section    string
	Role       access.Role
	Disabled   bool
	MustChange bool // the first password, or a reset one, still stands
	TOTP       bool // a second factor is on
	Expires    time.Time
	Created    time.Time
	LastLogin  time.Time
	Generation int64 // grows when sessions and tokens of before must end
	Version    int64 // grows with each write, for ETag
}

// Ended tells whether the account may not be used at a time.
func (a *Account) Ended(now time.Time) bool {
	return a.Disabled || !a.Expires.IsZero() && !now.Before(a.Expires)
}

// What callers decide by.
var (
	ErrNone        = errors.New("no such account")
	ErrTaken       = errors.New("the login name is taken")
	ErrStale       = errors.New("the account was changed meanwhile")
	ErrLastOne     = errors.New("the last account that can administer the body")
	ErrWrong       = errors.New("login or password is wrong")
	ErrEnded       = errors.New("the account has ended")
	ErrCodeMissing = errors.New("a code of the second factor is needed")
	ErrCodeWrong   = errors.New("the code of the second factor is wrong")
	ErrNotOn       = errors.New("no second factor is being set up, or on")
)

// Wrong says which entry of an account cannot be taken.
type Wrong struct {
	Path string // JSON pointer
	Code string
	Args []any
}

// Error names the entry.
func (w *Wrong) Error() string { return w.Path + ": " + w.Code }

// maxVendor is how long a vendor's account may live: maintenance access is given
// for a job, not for good.
const maxVendor = 30 * 24 * time.Hour

var loginForm = regexp.MustCompile(`^[a-z0-9][a-z0-9._@-]{1,62}[a-z0-9]$`)

// check says what is wrong with the account for a body that is an operator or not.
func (a *Account) check(operator bool, now time.Time) error {
	switch {
	case !loginForm.MatchString(a.Login):
		return &Wrong{"/login", "wrong_form", nil}
	case a.Name == "":
		return &Wrong{"/name", "required", nil}
	case !a.Role.Valid():
		return &Wrong{"/role", "not_one_of", []any{"operator, soc, tenant_admin, tenant_staff, auditor, vendor"}}
	case a.Role.ForOperator() && !operator:
		return &Wrong{"/role", "role_of_operator", nil}
	case a.Role == access.Vendor && a.Expires.IsZero():
		return &Wrong{"/expires_at", "required", nil}
	case a.Role == access.Vendor && a.Expires.After(now.Add(maxVendor)):
		return &Wrong{"/expires_at", "too_late", []any{30}}
	}
	return nil
}

// Schema is what the portal keeps of accounts, sessions and answers.
var Schema = store.Schema{Service: "portal", Migrations: []store.Migration{{Number: 1, Steps: []store.Step{
	store.CreateTable{Name: "account", Key: []string{"login"}, Columns: []store.Column{
		{Name: "login", Type: store.Text},
		{Name: "name", Type: store.Text},
		{Name: "section", Type: store.Text},
		{Name: "role", Type: store.Text},
		{Name: "disabled", Type: store.Bool},
		{Name: "password", Type: store.Text},
		{Name: "must_change", Type: store.Bool},
		{Name: "totp", Type: store.Bytes, Null: true}, // sealed
		{Name: "totp_on", Type: store.Bool},           // confirmed by a first code
		{Name: "totp_step", Type: store.Int},          // the last step that was used
		{Name: "expires", Type: store.Time},
		{Name: "created", Type: store.Time},
		{Name: "last_login", Type: store.Time},
		{Name: "generation", Type: store.Int},
		{Name: "version", Type: store.Int},
	}},
	store.CreateIndex{Table: "account", Name: "account_login", Columns: []string{"login"}, UniqueEverywhere: true},
	store.CreateTable{Name: "recovery_code", Key: []string{"login", "hash"}, Columns: []store.Column{
		{Name: "login", Type: store.Text},
		{Name: "hash", Type: store.Text},
	}},
	store.CreateTable{Name: "api_token", Key: []string{"id"}, Columns: []store.Column{
		{Name: "id", Type: store.Text},
		{Name: "login", Type: store.Text},
		{Name: "name", Type: store.Text},
		{Name: "hash", Type: store.Text},
		{Name: "scopes", Type: store.JSON},
		{Name: "created", Type: store.Time},
		{Name: "expires", Type: store.Time},
		{Name: "generation", Type: store.Int},
	}},
	store.CreateIndex{Table: "api_token", Name: "token_hash", Columns: []string{"hash"}, UniqueEverywhere: true},
	store.CreateTable{Name: "portal_session", Key: []string{"hash"}, Columns: []store.Column{
		{Name: "hash", Type: store.Text},
		{Name: "data", Type: store.Bytes},
		{Name: "expires", Type: store.Time}, // without use
		{Name: "ends", Type: store.Time},    // in any case
	}},
	store.CreateIndex{Table: "portal_session", Name: "session_hash", Columns: []string{"hash"}, UniqueEverywhere: true},
	store.CreateTable{Name: "kept_answer", Key: []string{"login", "key"}, Columns: []store.Column{
		{Name: "login", Type: store.Text},
		{Name: "key", Type: store.Text},
		{Name: "digest", Type: store.Text},
		{Name: "answer", Type: store.Bytes, Null: true}, // sealed
		{Name: "created", Type: store.Time},
	}},
}}}}
