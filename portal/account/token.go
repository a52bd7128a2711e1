package account

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Token is an API token: the account's rights or fewer, for a time. It ends with
// the account, and whenever its password changes: a password changes because
// somebody may know it who should not, and then a token may be theirs.
type Token struct {
	ID      string
	Tenant  tenant.ID
	Login   string
	Name    string
	Scopes  []access.Scope
	Created time.Time
	Expires time.Time

	generation int64
}

// TokenPrefix begins every token, so that one that leaks can be found by a scanner.
const TokenPrefix = "sekikura_"

// maxTokens is how many tokens one account may have.
const maxTokens = 50

var tokenColumns = []string{"id", "login", "name", "scopes", "created", "expires", "generation"}

func scanToken(row store.Row) (Token, error) {
	var t Token
	var scopes json.RawMessage
	if err := row.Scan(&t.ID, &t.Login, &t.Name, &scopes, &t.Created, &t.Expires, &t.generation); err != nil {
		return t, err
	}
	return t, json.Unmarshal(scopes, &t.Scopes)
}

// tokenHash needs no salt and no stretching: a token has 256 random bits.
func tokenHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}

// CreateToken makes a token of an account and returns it; it is kept nowhere in
// the clear. Scopes must be among the role's.
func (a *Accounts) CreateToken(ctx context.Context, actor store.Actor, t Token) (Token, string, error) {
	raw := make([]byte, 32)
	rand.Read(raw) //nolint:errcheck // never fails since Go 1.24
	token := TokenPrefix + base64.RawURLEncoding.EncodeToString(raw)
	t.ID, t.Created = "tk-"+strings.ToLower(rand.Text()[:16]), a.Now().UTC().Truncate(time.Microsecond)
	err := a.DB.Change(ctx, t.Tenant, actor, func(tx *store.Tx) error {
		owner, err := get(ctx, tx, t.Tenant, t.Login)
		if err != nil {
			return err
		}
		for i, s := range t.Scopes {
			if !slices.Contains(access.Scopes(owner.Role), s) {
				return &Wrong{"/scopes/" + strconv.Itoa(i), "scope_not_yours", []any{string(s)}}
			}
		}
		n, err := tx.Count(ctx, store.Count{Table: "api_token", Where: "login = ?"}, t.Login)
		if err != nil {
			return err
		}
		if n >= maxTokens {
			return &Wrong{"/name", "too_many_tokens", []any{maxTokens}}
		}
		t.generation = owner.Generation
		scopes, err := json.Marshal(t.Scopes)
		if err != nil {
			return err
		}
		note, err := json.Marshal(map[string]any{"name": t.Name, "scopes": t.Scopes, "expires_at": t.Expires})
		if err != nil {
			return err
		}
		tx.Audit(store.Audit{Action: "token.add", Object: t.Login + " " + t.ID, After: note})
		return tx.Insert(ctx, store.Insert{Table: "api_token", Columns: append(slices.Clone(tokenColumns), "hash")},
			t.ID, t.Login, t.Name, json.RawMessage(scopes), t.Created, t.Expires, t.generation, tokenHash(token))
	})
	return t, token, err
}

// Tokens lists an account's tokens, newest first.
func (a *Accounts) Tokens(ctx context.Context, id tenant.ID, login string) ([]Token, error) {
	return store.All(ctx, a.DB.Tenant(id), store.Select{
		Table: "api_token", Columns: tokenColumns, Where: "login = ?", Order: "created DESC, id",
	}, scanToken, login)
}

// RevokeToken ends one token at once, or returns ErrNone.
func (a *Accounts) RevokeToken(ctx context.Context, actor store.Actor, tid tenant.ID, login, id string) error {
	return a.DB.Change(ctx, tid, actor, func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "token.revoke", Object: login + " " + id})
		n, err := tx.Delete(ctx, store.Delete{Table: "api_token", Where: "login = ? AND id = ?"}, login, id)
		if err == nil && n == 0 {
			return ErrNone
		}
		return err
	})
}

var byToken = store.Across{
	Name: "portal.token", Reason: "トークンの確認", Machine: true,
	Select: store.Select{Table: "api_token", Columns: tokenColumns, Where: "hash = ?"},
}

// ByToken returns the account and the token behind what a program sent. ErrNone:
// unknown, revoked, expired, or its account has ended.
func (a *Accounts) ByToken(ctx context.Context, token string) (Account, Token, error) {
	if !strings.HasPrefix(token, TokenPrefix) || len(token) > 100 {
		return Account{}, Token{}, ErrNone
	}
	var found *Token
	err := a.DB.Across(ctx, byToken, "", machine, func(id tenant.ID, row store.Row) error {
		t, err := scanToken(row)
		t.Tenant = id
		found = &t
		return err
	}, tokenHash(token))
	switch {
	case err != nil: // not ErrNone: a store that is away must not look like a revoked token
		return Account{}, Token{}, err
	case found == nil:
		return Account{}, Token{}, ErrNone
	}
	if !a.Now().Before(found.Expires) {
		return Account{}, *found, ErrNone
	}
	acc, err := a.Current(ctx, found.Tenant, found.Login, found.generation)
	return acc, *found, err
}
