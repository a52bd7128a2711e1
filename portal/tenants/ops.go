package tenants

import (
	"net/http"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

type listInput struct {
	Q      string `query:"q" maxLength:"100" doc:"Part of the name or the code"`
	Cursor string `query:"cursor" maxLength:"512"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type tenantInput struct {
	Body tenant.Tenant
}

type oneInput struct {
	ID string `path:"id" maxLength:"40"`
}

type putTenantInput struct {
	ID      string `path:"id" maxLength:"40"`
	IfMatch string `header:"If-Match"`
	Body    tenant.Tenant
}

type tagged[T any] struct {
	ETag string `header:"ETag"`
	Body T
}

// User is an account as an administrator sees it.
type User struct {
	Login              string      `json:"login"`
	Name               string      `json:"name"`
	Section            string      `json:"section"`
	Role               access.Role `json:"role" enum:"operator,soc,tenant_admin,tenant_staff,auditor,vendor"`
	Tenant             tenant.ID   `json:"tenant"`
	MustChangePassword bool        `json:"must_change_password"`
	TOTP               bool        `json:"totp"`
	Disabled           bool        `json:"disabled"`
	ExpiresAt          time.Time   `json:"expires_at,omitzero"`
	LastLoginAt        time.Time   `json:"last_login_at,omitzero"`
	CreatedAt          time.Time   `json:"created_at"`
}

// NewUser is what an administrator says of an account to be made.
type NewUser struct {
	Login     string      `json:"login" maxLength:"64"`
	Name      string      `json:"name" minLength:"1" maxLength:"80"`
	Section   string      `json:"section,omitempty" maxLength:"80"`
	Role      access.Role `json:"role" enum:"operator,soc,tenant_admin,tenant_staff,auditor,vendor"`
	ExpiresAt time.Time   `json:"expires_at,omitzero" doc:"Needed for vendors, at most 30 days ahead"`
}

// ChangedUser is what an administrator can change of an account.
type ChangedUser struct {
	Name      string      `json:"name" minLength:"1" maxLength:"80"`
	Section   string      `json:"section,omitempty" maxLength:"80"`
	Role      access.Role `json:"role" enum:"operator,soc,tenant_admin,tenant_staff,auditor,vendor"`
	Disabled  bool        `json:"disabled,omitempty"`
	ExpiresAt time.Time   `json:"expires_at,omitzero"`
}

// Created is a new account with its first password, which is shown this once.
type Created struct {
	User     User   `json:"user"`
	Password string `json:"password"`
}

// Reset is a new random password, shown this once.
type Reset struct {
	Password string `json:"password"`
}

type usersInput struct {
	ID     string `path:"id" maxLength:"40"`
	Cursor string `query:"cursor" maxLength:"512"`
	Limit  int    `query:"limit" minimum:"1" maximum:"500" default:"100"`
}

type newUserInput struct {
	ID   string `path:"id" maxLength:"40"`
	Body NewUser
}

type userInput struct {
	ID    string `path:"id" maxLength:"40"`
	Login string `path:"login" maxLength:"64"`
}

type putUserInput struct {
	ID      string `path:"id" maxLength:"40"`
	Login   string `path:"login" maxLength:"64"`
	IfMatch string `header:"If-Match"`
	Body    ChangedUser
}

type resetInput struct {
	ID    string `path:"id" maxLength:"40"`
	Login string `path:"login" maxLength:"64"`
	Body  struct {
		TOTP bool `json:"totp,omitempty" doc:"Also switch the second factor off"`
	}
}

// Register declares the operations on bodies and their accounts.
func (a *API) Register(r *rest.Router) {
	op := func(id, method, path, summary string, scope access.Scope, of rest.Of) rest.Operation {
		return rest.Operation{ID: id, Method: method, Path: path, Summary: summary, Scope: scope, Of: of}
	}
	rest.Register(r, op("list-tenants", http.MethodGet, "/tenants", "Bodies", access.TenantRead, rest.Own), a.list)
	create := op("create-tenant", http.MethodPost, "/tenants", "Add a body", access.TenantWrite, rest.Own)
	create.Status = http.StatusCreated
	rest.Register(r, create, a.create)
	rest.Register(r, op("get-tenant", http.MethodGet, "/tenants/{id}", "One body", access.TenantRead, rest.InPath), a.get)
	rest.Register(r, op("put-tenant", http.MethodPut, "/tenants/{id}", "Change a body", access.TenantWrite, rest.InPath), a.put)

	rest.Register(r, op("list-users", http.MethodGet, "/tenants/{id}/users", "Accounts of a body", access.UserRead, rest.InPath), a.users)
	add := op("create-user", http.MethodPost, "/tenants/{id}/users", "Add an account; its first password is shown once", access.UserWrite, rest.InPath)
	add.Status, add.Secret = http.StatusCreated, true
	rest.Register(r, add, a.createUser)
	rest.Register(r, op("get-user", http.MethodGet, "/tenants/{id}/users/{login}", "One account", access.UserRead, rest.InPath), a.user)
	rest.Register(r, op("put-user", http.MethodPut, "/tenants/{id}/users/{login}", "Change an account", access.UserWrite, rest.InPath), a.putUser)
	rest.Register(r, op("delete-user", http.MethodDelete, "/tenants/{id}/users/{login}", "Remove an account", access.UserWrite, rest.InPath), a.deleteUser)
	reset := op("reset-user", http.MethodPost, "/tenants/{id}/users/{login}/reset", "Give an account a new random password", access.UserWrite, rest.InPath)
	reset.Secret = true
	rest.Register(r, reset, a.resetUser)
}
