// Package access says who may do what in the portal.
//
// There is one table from roles to scopes, here; every operation of the API
// declares the one scope that it needs. What a scope may be used on is a matter
// of reach: an account of a body reaches that body alone; the prefecture's own
// roles reach every body below their own operator, and never another operator's.
package access

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// Role is what an account is for.
type Role string

// The roles.
const (
	Operator    Role = "operator"     // 県運用担当
	SOC         Role = "soc"          // SOC
	TenantAdmin Role = "tenant_admin" // 団体管理者
	TenantStaff Role = "tenant_staff" // 団体職員
	Auditor     Role = "auditor"      // 監査人
	Vendor      Role = "vendor"       // 保守: always with an end
)

// Roles are all roles, in the order of the screens.
func Roles() []Role { return []Role{Operator, SOC, TenantAdmin, TenantStaff, Auditor, Vendor} }

// Scope is a right to one kind of operation (the extension x-scope).
type Scope string

// The scopes.
const (
	SessionOwn     Scope = "session.own"
	TenantRead     Scope = "tenant.read"
	TenantWrite    Scope = "tenant.write"
	UserRead       Scope = "user.read"
	UserWrite      Scope = "user.write"
	TokenOwn       Scope = "token.own"
	PolicyRead     Scope = "policy.read"
	PolicyWrite    Scope = "policy.write"
	PolicyBaseline Scope = "policy.baseline"
	EventRead      Scope = "event.read"
	EventExport    Scope = "event.export"
	AuditRead      Scope = "audit.read"
	HomeRead       Scope = "home.read"
	StatusRead     Scope = "status.read"
	BackupRead     Scope = "backup.read"
	BackupRun      Scope = "backup.run"
	SiteRead       Scope = "site.read"
)

// Scopes returns what a role may do, in the order of the list above; nothing for
// a role that does not exist. The caller may change the slice.
func Scopes(r Role) []Scope {
	switch r {
	case Operator:
		return []Scope{
			SessionOwn, TenantRead, TenantWrite, UserRead, UserWrite, TokenOwn, PolicyRead, PolicyWrite, PolicyBaseline,
			EventRead, EventExport, AuditRead, HomeRead, StatusRead, BackupRead, BackupRun, SiteRead,
		}
	case SOC:
		return []Scope{
			SessionOwn, TenantRead, TokenOwn, PolicyRead, EventRead, EventExport, HomeRead, StatusRead, SiteRead,
		}
	case TenantAdmin:
		return []Scope{
			SessionOwn, TenantRead, UserRead, UserWrite, TokenOwn, PolicyRead, PolicyWrite,
			EventRead, EventExport, AuditRead, HomeRead, SiteRead,
		}
	case TenantStaff:
		return []Scope{SessionOwn, TenantRead, HomeRead, SiteRead}
	case Auditor:
		return []Scope{
			SessionOwn, TenantRead, UserRead, PolicyRead, EventRead, EventExport, AuditRead,
			HomeRead, StatusRead, BackupRead, SiteRead,
		}
	case Vendor:
		return []Scope{SessionOwn, TenantRead, PolicyRead, EventRead, HomeRead, StatusRead, SiteRead}
	}
	return nil
}

// ForOperator tells whether a role exists only for accounts of an operator.
func (r Role) ForOperator() bool { return r == Operator || r == SOC }

// Valid tells whether r is one of the roles.
func (r Role) Valid() bool { return slices.Contains(Roles(), r) }

// Rooms are the rooms of the portal that a role sees, in the order of the rail.
func Rooms(r Role, operator bool) []string {
	switch {
	case r == Operator || r == SOC:
		return []string{
			"home", "cases", "logs", "web", "internet", "mail", "files", "dns", "endpoints", "requests", "assets",
			"operations", "helpdesk", "reports", "assessment", "settings", "audit",
		}
	case r == TenantAdmin:
		return []string{"home", "requests", "helpdesk", "logs", "ledger", "settings"}
	case r == Auditor && operator:
		return []string{"home", "logs", "web", "operations", "reports", "audit"}
	case r == Auditor:
		return []string{"home", "logs", "reports", "audit"}
	case r == Vendor && operator:
		return []string{"home", "logs", "web", "operations"}
	case r == Vendor:
		return []string{"home", "logs"}
	}
	return []string{"home", "requests", "helpdesk"}
}

// Identity is the account behind a request, as it stands now: it is read anew
// for each request, so that a right taken away is gone at once.
type Identity struct {
	Login      string
	Role       Role
	Tenant     tenant.Tenant
	Scopes     []Scope // the role's, or fewer for a token
	Address    string  // where the request came from
	Token      string  // the ID of the API token, "" for a session
	MustChange bool    // the first password still stands: only session.own may be used
	Expires    time.Time
}

// May tells whether the account has a scope.
func (i *Identity) May(s Scope) bool { return slices.Contains(i.Scopes, s) }

// Wide tells whether the account reaches every body of its operator.
func (i *Identity) Wide() bool {
	return i.Tenant.IsOperator() && i.Role != TenantAdmin && i.Role != TenantStaff
}

// Reaches tells whether the account may see t at all. Whatever is beyond it does
// not exist for it: the answer is 404.
func (i *Identity) Reaches(t tenant.Tenant) bool {
	return t.ID == i.Tenant.ID || i.Wide() && t.Operator == i.Tenant.ID
}

// Actor is the account as the audit log names it.
func (i *Identity) Actor() store.Actor {
	return store.Actor{Account: i.Login, Tenant: i.Tenant.ID, Address: i.Address}
}

type identityKey struct{}

// With returns ctx with the identity of its request.
func With(ctx context.Context, i *Identity) context.Context {
	return context.WithValue(ctx, identityKey{}, i)
}

// From returns the identity of a request. It panics where there is none, which
// is an operation that was not registered with a scope.
func From(ctx context.Context) *Identity {
	i, ok := ctx.Value(identityKey{}).(*Identity)
	if !ok {
		panic("access: a request without identity reached a handler")
	}
	return i
}

// Event is a fact about what the account did, of the service "portal". It
// belongs to the body whose data it is about.
func (i *Identity) Event(now time.Time, about tenant.ID, name string, fields ...slog.Attr) event.Event {
	return event.Event{
		ID: event.NewID(now), Time: now, Tenant: about, Service: "portal", Name: name,
		Fields: append([]slog.Attr{
			slog.String("user.name", i.Login), slog.String("user.roles", string(i.Role)),
			slog.String("organization.id", string(i.Tenant.ID)), slog.String("source.ip", i.Address),
		}, fields...),
	}
}

// NoteRead writes into a body's audit chain that somebody else reads its data,
// before they see it. Reading one's own is not noted.
func NoteRead(ctx context.Context, db *store.DB, body tenant.ID, action, object string) error {
	who := From(ctx)
	if body == who.Tenant.ID {
		return nil
	}
	err := db.Change(ctx, body, who.Actor(), func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: action, Object: object})
		return nil
	})
	if err != nil {
		return fmt.Errorf("noting a read of %s: %w", body, err)
	}
	return nil
}
