package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// demoTokenDays is how long a demonstration's API tokens are good for.
const demoTokenDays = 30

// filler writes the demonstration's bodies, sites and people into the control
// store. It may run again on a store that has them: each start of a
// demonstration brings fresh passwords and tokens.
type filler struct {
	seed      *demoSeed
	register  *tenants.Register
	documents *policies.Documents
	accounts  *account.Accounts
	directory *tenant.Directory
	origin    string // URL of the sample site
}

// demoActor is who wrote the demonstration, in the audit log.
var demoActor = store.System("demo") //nolint:gochecknoglobals // a constant

// fill writes everything and returns the API token of each login that has one.
func (f *filler) fill(ctx context.Context) (map[string]string, error) {
	for _, t := range f.seed.tenants() {
		if err := f.body(ctx, t); err != nil {
			return nil, fmt.Errorf("adding %s: %w", t.Name, err)
		}
	}
	if _, err := f.register.Load(ctx, f.directory); err != nil {
		return nil, err
	}
	for _, b := range f.seed.Bodies {
		if err := f.sites(ctx, b.Tenant); err != nil {
			return nil, fmt.Errorf("publishing the sites of %s: %w", b.Tenant.Name, err)
		}
	}
	tokens := make(map[string]string)
	for _, a := range f.seed.accounts() {
		token, err := f.account(ctx, a)
		if err != nil {
			return nil, fmt.Errorf("adding the account %s: %w", a.Login, err)
		}
		tokens[a.Login] = token
	}
	return tokens, nil
}

func (f *filler) body(ctx context.Context, t tenant.Tenant) error {
	_, err := f.register.Get(ctx, t.ID)
	if !errors.Is(err, store.ErrNone) {
		return err // there already: what the user changed stays
	}
	_, err = f.register.Put(ctx, demoActor, t, 0, "demo")
	return err
}

// sites publishes the body's hosts in front of the sample site, whose port is
// another one after every start.
func (f *filler) sites(ctx context.Context, t tenant.Tenant) error {
	var p struct {
		Sites []site.Site `json:"sites"`
	}
	for _, host := range t.Hosts {
		s := site.Site{Host: host, Origin: f.origin}
		if host == stoppedHost {
			s.Origin = nobody
		}
		p.Sites = append(p.Sites, s)
	}
	body, err := json.Marshal(p)
	if err != nil {
		return err
	}
	have, err := f.documents.Get(ctx, t.ID, policy.Override, site.Spec.Name)
	if err != nil {
		return err
	}
	version := int64(0)
	if have != nil {
		version = have.Version
	}
	_, err = f.documents.Put(ctx, demoActor, t.ID, policy.Override, policy.Document{
		Service: site.Spec.Name, Body: body, Change: policy.Change{Reference: "demo", Note: "見本のサイト"},
	}, version)
	return err
}

func (f *filler) account(ctx context.Context, a demoAccount) (token string, err error) {
	_, err = f.accounts.Get(ctx, a.Tenant, a.Login)
	if errors.Is(err, account.ErrNone) {
		_, err = f.accounts.Create(ctx, demoActor, account.Account{
			Tenant: a.Tenant, Login: a.Login, Name: a.Name, Section: a.Section, Role: access.Role(a.Role),
		})
	}
	if err != nil {
		return "", err
	}
	if err := f.accounts.SetPassword(ctx, demoActor, a.Tenant, a.Login, a.Password); err != nil {
		return "", err
	}
	old, err := f.accounts.Tokens(ctx, a.Tenant, a.Login)
	if err != nil {
		return "", err
	}
	for _, t := range old {
		if t.Name == demoTokenName {
			if err := f.accounts.RevokeToken(ctx, demoActor, a.Tenant, a.Login, t.ID); err != nil {
				return "", err
			}
		}
	}
	_, token, err = f.accounts.CreateToken(ctx, demoActor, account.Token{
		Tenant: a.Tenant, Login: a.Login, Name: demoTokenName, Scopes: access.Scopes(access.Role(a.Role)), Expires: f.accounts.Now().AddDate(0, 0, demoTokenDays),
	})
	return token, err
}

// demoTokenName marks the tokens that the next start replaces.
const demoTokenName = "demo"
