// Package tenants serves the bodies (団体) and their accounts to the portal.
package tenants

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// API serves the operations. Every field must be set.
type API struct {
	Bodies    *tenants.Register
	Directory *tenant.Directory
	Accounts  *account.Accounts
	Events    event.Sink
	Log       *slog.Logger
	Now       func() time.Time
}

type after struct {
	After string `json:"after"`
}

func (a *API) list(ctx context.Context, in *listInput) (*rest.Body[rest.Page[tenant.Tenant]], error) {
	who := access.From(ctx)
	var at after
	if err := rest.ReadCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	page := rest.Page[tenant.Tenant]{Items: []tenant.Tenant{}}
	want := strings.ToLower(in.Q)
	for _, t := range a.Directory.Under(who.Tenant.Operator) {
		if !who.Reaches(t) || string(t.ID) <= at.After || !matches(t, want) {
			continue
		}
		if len(page.Items) == in.Limit {
			page.Next = rest.Cursor(after{string(page.Items[len(page.Items)-1].ID)})
			break
		}
		page.Items = append(page.Items, t)
	}
	return &rest.Body[rest.Page[tenant.Tenant]]{Body: page}, nil
}

func matches(t tenant.Tenant, want string) bool {
	return want == "" || strings.Contains(strings.ToLower(t.Name), want) ||
		strings.Contains(strings.ToLower(t.NameEN), want) || strings.Contains(string(t.ID), want)
}

func (a *API) create(ctx context.Context, in *tenantInput) (*tagged[tenant.Tenant], error) {
	who := access.From(ctx)
	if in.Body.Operator != who.Tenant.ID {
		return nil, rest.NotFound() // another prefecture does not exist from here
	}
	if in.Body.ID == who.Tenant.ID {
		return nil, rest.Invalid(rest.Field("/id", "taken", string(in.Body.ID)))
	}
	return a.write(ctx, in.Body, 0)
}

func (a *API) get(ctx context.Context, in *oneInput) (*tagged[tenant.Tenant], error) {
	e, err := a.Bodies.Get(ctx, tenant.ID(in.ID))
	if errors.Is(err, store.ErrNone) {
		return nil, rest.NotFound()
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	return &tagged[tenant.Tenant]{ETag: etag(e.Version), Body: e.Tenant}, nil
}

func (a *API) put(ctx context.Context, in *putTenantInput) (*tagged[tenant.Tenant], error) {
	who := access.From(ctx)
	e, err := a.Bodies.Get(ctx, tenant.ID(in.ID))
	if errors.Is(err, store.ErrNone) {
		return nil, rest.NotFound()
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	if p := rest.Fits(in.IfMatch, etag(e.Version)); p != nil {
		return nil, p
	}
	switch {
	case in.Body.ID != e.Tenant.ID:
		return nil, rest.Invalid(rest.Field("/id", "fixed", in.ID))
	case in.Body.Operator != e.Tenant.Operator:
		// A body does not move between prefectures by a form.
		return nil, rest.Invalid(rest.Field("/operator", "fixed", string(e.Tenant.Operator)))
	case e.Tenant.Operator != who.Tenant.ID:
		return nil, rest.NotFound()
	}
	return a.write(ctx, in.Body, e.Version)
}

func (a *API) write(ctx context.Context, t tenant.Tenant, expected int64) (*tagged[tenant.Tenant], error) {
	who := access.From(ctx)
	version, err := a.Bodies.Put(ctx, who.Actor(), t, expected, "")
	var refused policy.Refusal
	switch {
	case errors.As(err, &refused):
		return nil, rest.Invalid(a.blind(who, refused)...)
	case errors.Is(err, tenants.ErrStale) && expected == 0, errors.Is(err, store.ErrExists):
		return nil, rest.Invalid(rest.Field("/id", "taken", string(t.ID)))
	case errors.Is(err, tenants.ErrStale):
		return nil, rest.NewProblem(http.StatusConflict, "stale")
	case err != nil:
		return nil, rest.Failed(err)
	}
	// The caller's next request must see it; other processes follow by themselves.
	if _, err := a.Bodies.Load(ctx, a.Directory); err != nil {
		return nil, rest.Failed(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), t.ID, "tenant_changed"))
	e, err := a.Bodies.Get(ctx, t.ID)
	if err != nil {
		return nil, rest.Failed(err)
	}
	return &tagged[tenant.Tenant]{ETag: etag(version), Body: e.Tenant}, nil
}

// blind takes the codes of bodies that the caller does not reach out of what is
// wrong: a host can be taken without saying by whom.
func (a *API) blind(who *access.Identity, problems []policy.Problem) []rest.FieldError {
	entries := rest.FromPolicy(problems)
	for i := range entries {
		var seen []any
		for _, arg := range entries[i].Args {
			if id, ok := arg.(string); ok {
				if t, known := a.Directory.Get(tenant.ID(id)); known && !who.Reaches(t) {
					continue
				}
			}
			seen = append(seen, arg)
		}
		entries[i].Args = seen
	}
	return entries
}

func etag(version int64) string { return strconv.Quote(strconv.FormatInt(version, 10)) }

func shown(acc account.Account) User {
	return User{
		Login: acc.Login, Name: acc.Name, Section: acc.Section, Role: acc.Role, Tenant: acc.Tenant,
		MustChangePassword: acc.MustChange, TOTP: acc.TOTP, Disabled: acc.Disabled, ExpiresAt: acc.Expires,
		LastLoginAt: acc.LastLogin, CreatedAt: acc.Created,
	}
}

func (a *API) users(ctx context.Context, in *usersInput) (*rest.Body[rest.Page[User]], error) {
	var at after
	if err := rest.ReadCursor(in.Cursor, &at); err != nil {
		return nil, err
	}
	if err := access.NoteRead(ctx, a.Accounts.DB, tenant.ID(in.ID), "user.read", ""); err != nil {
		return nil, rest.Failed(err)
	}
	all, err := a.Accounts.List(ctx, tenant.ID(in.ID), at.After, in.Limit+1)
	if err != nil {
		return nil, rest.Failed(err)
	}
	page := rest.Page[User]{Items: []User{}}
	for i, acc := range all {
		if i == in.Limit {
			page.Next = rest.Cursor(after{all[i-1].Login})
			break
		}
		page.Items = append(page.Items, shown(acc))
	}
	return &rest.Body[rest.Page[User]]{Body: page}, nil
}

// mayManage keeps administrators of a prefecture's own offices from making
// themselves, or resetting, accounts that see every body: those are made by the
// operator's role alone.
func mayManage(ctx context.Context, roles ...access.Role) *rest.Problem {
	who := access.From(ctx)
	body, _ := rest.Tenant(ctx)
	if who.Role == access.Operator || !body.IsOperator() {
		return nil
	}
	for _, r := range roles {
		if r != access.TenantAdmin && r != access.TenantStaff {
			return rest.NewProblem(http.StatusForbidden, "role_beyond_yours")
		}
	}
	return nil
}

func (a *API) createUser(ctx context.Context, in *newUserInput) (*rest.Body[Created], error) {
	who := access.From(ctx)
	if p := mayManage(ctx, in.Body.Role); p != nil {
		return nil, p
	}
	acc := account.Account{
		Tenant: tenant.ID(in.ID), Login: strings.ToLower(in.Body.Login), Name: in.Body.Name, Section: in.Body.Section,
		Role: in.Body.Role, Expires: in.Body.ExpiresAt.UTC(),
	}
	password, err := a.Accounts.Create(ctx, who.Actor(), acc)
	if err != nil {
		return nil, refused(err)
	}
	made, err := a.Accounts.Get(ctx, acc.Tenant, acc.Login)
	if err != nil {
		return nil, rest.Failed(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), acc.Tenant, "user_added", slog.String("user.target.name", acc.Login)))
	return &rest.Body[Created]{Body: Created{User: shown(made), Password: password}}, nil
}

func (a *API) user(ctx context.Context, in *userInput) (*tagged[User], error) {
	acc, err := a.Accounts.Get(ctx, tenant.ID(in.ID), in.Login)
	if err != nil {
		return nil, refused(err)
	}
	if err := access.NoteRead(ctx, a.Accounts.DB, acc.Tenant, "user.read", acc.Login); err != nil {
		return nil, rest.Failed(err)
	}
	return &tagged[User]{ETag: etag(acc.Version), Body: shown(acc)}, nil
}

func (a *API) putUser(ctx context.Context, in *putUserInput) (*tagged[User], error) {
	who := access.From(ctx)
	before, err := a.Accounts.Get(ctx, tenant.ID(in.ID), in.Login)
	if err != nil {
		return nil, refused(err)
	}
	if p := mayManage(ctx, before.Role, in.Body.Role); p != nil {
		return nil, p
	}
	if p := rest.Fits(in.IfMatch, etag(before.Version)); p != nil {
		return nil, p
	}
	changed := before
	changed.Name, changed.Section, changed.Role = in.Body.Name, in.Body.Section, in.Body.Role
	changed.Disabled, changed.Expires = in.Body.Disabled, in.Body.ExpiresAt.UTC()
	if in.Body.ExpiresAt.IsZero() {
		changed.Expires = time.Time{}
	}
	acc, err := a.Accounts.Change(ctx, who.Actor(), changed, before.Version)
	if err != nil {
		return nil, refused(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), acc.Tenant, "user_changed", slog.String("user.target.name", acc.Login)))
	return &tagged[User]{ETag: etag(acc.Version), Body: shown(acc)}, nil
}

func (a *API) deleteUser(ctx context.Context, in *userInput) (*rest.Nothing, error) {
	who := access.From(ctx)
	before, err := a.Accounts.Get(ctx, tenant.ID(in.ID), in.Login)
	if err != nil {
		return nil, refused(err)
	}
	if p := mayManage(ctx, before.Role); p != nil {
		return nil, p
	}
	if before.Login == who.Login {
		return nil, rest.NewProblem(http.StatusConflict, "own_account")
	}
	if err := a.Accounts.Remove(ctx, who.Actor(), before.Tenant, before.Login); err != nil {
		return nil, refused(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), before.Tenant, "user_removed", slog.String("user.target.name", before.Login)))
	return nil, nil
}

func (a *API) resetUser(ctx context.Context, in *resetInput) (*rest.Body[Reset], error) {
	who := access.From(ctx)
	before, err := a.Accounts.Get(ctx, tenant.ID(in.ID), in.Login)
	if err != nil {
		return nil, refused(err)
	}
	if p := mayManage(ctx, before.Role); p != nil {
		return nil, p
	}
	password, err := a.Accounts.Reset(ctx, who.Actor(), before.Tenant, before.Login, in.Body.TOTP)
	if err != nil {
		return nil, refused(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), before.Tenant, "user_reset",
		slog.String("user.target.name", before.Login), slog.String("second_factor.cleared", fmt.Sprint(in.Body.TOTP))))
	return &rest.Body[Reset]{Body: Reset{Password: password}}, nil
}

// refused answers what accounts refuse.
func refused(err error) error {
	var wrong *account.Wrong
	switch {
	case errors.As(err, &wrong):
		return rest.Invalid(rest.Field(wrong.Path, wrong.Code, wrong.Args...))
	case errors.Is(err, account.ErrNone):
		return rest.NotFound()
	case errors.Is(err, account.ErrTaken):
		return rest.Invalid(rest.Field("/login", "taken"))
	case errors.Is(err, account.ErrStale):
		return rest.NewProblem(http.StatusConflict, "stale")
	case errors.Is(err, account.ErrLastOne):
		return rest.NewProblem(http.StatusConflict, "last_operator")
	}
	return rest.Failed(err)
}
