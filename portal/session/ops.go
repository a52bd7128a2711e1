package session

import (
	"net/http"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/tenant"
)

// Me is who is logged in, and what the portal shows them.
type Me struct {
	User     Myself         `json:"user"`
	Tenant   tenant.Tenant  `json:"tenant"`
	Operator tenant.Tenant  `json:"operator"`
	Scopes   []access.Scope `json:"scopes"`
	Rooms    []string       `json:"rooms" doc:"Rooms of the portal, in the order of the rail"`
	Drill    bool           `json:"drill" doc:"A drill (訓練) is going on"`
}

// Myself is one's own account.
type Myself struct {
	Login              string      `json:"login"`
	Name               string      `json:"name"`
	Section            string      `json:"section"`
	Role               access.Role `json:"role" enum:"operator,soc,tenant_admin,tenant_staff,auditor,vendor"`
	Tenant             tenant.ID   `json:"tenant"`
	MustChangePassword bool        `json:"must_change_password"`
	TOTP               bool        `json:"totp"`
	ExpiresAt          time.Time   `json:"expires_at,omitzero"`
	LastLoginAt        time.Time   `json:"last_login_at,omitzero"`
}

type loginInput struct {
	Body struct {
		Login    string `json:"login" maxLength:"128"`
		Password string `json:"password" maxLength:"256"`
		Code     string `json:"code,omitempty" maxLength:"32" doc:"TOTP code, or a recovery code"`
	}
}

type passwordInput struct {
	Body struct {
		Old string `json:"old" maxLength:"256"`
		New string `json:"new" maxLength:"256"`
	}
}

// Enrolment is a TOTP secret that is not on yet. QR is a PNG as a data URL.
type Enrolment struct {
	Secret string `json:"secret"`
	URL    string `json:"url"`
	QR     string `json:"qr"`
}

type codeInput struct {
	Body struct {
		Code string `json:"code" maxLength:"32"`
	}
}

// Recovery are the codes that replace the second factor, once each.
type Recovery struct {
	Recovery []string `json:"recovery"`
}

// Token is one's own API token. Token itself stands only in the answer to its creation.
type Token struct {
	ID        string         `json:"id"`
	Name      string         `json:"name"`
	Scopes    []access.Scope `json:"scopes"`
	CreatedAt time.Time      `json:"created_at"`
	ExpiresAt time.Time      `json:"expires_at"`
	Token     string         `json:"token,omitempty"`
}

type tokenInput struct {
	Body struct {
		Name   string         `json:"name" minLength:"1" maxLength:"80"`
		Scopes []access.Scope `json:"scopes" minItems:"1" maxItems:"32"`
		Days   int            `json:"days" minimum:"1" maximum:"366"`
	}
}

type idInput struct {
	ID string `path:"id" maxLength:"64"`
}

// Register declares the operations on one's own session, password, second
// factor and tokens.
func (a *API) Register(r *rest.Router) {
	a.router = r
	op := func(id, method, path, summary string, scope access.Scope, of rest.Of) rest.Operation {
		return rest.Operation{ID: id, Method: method, Path: path, Summary: summary, Scope: scope, Of: of}
	}
	rest.Register(r, op("login", http.MethodPost, "/session", "Log in", access.SessionOwn, rest.PublicOne), a.login)
	rest.Register(r, op("me", http.MethodGet, "/session", "Who am I", access.SessionOwn, rest.Own), a.me)
	rest.Register(r, op("logout", http.MethodDelete, "/session", "Log out", access.SessionOwn, rest.Own), a.logout)
	rest.Register(r, op("change-password", http.MethodPost, "/session/password", "Change my password", access.SessionOwn, rest.Own), a.password)
	enrol := op("begin-totp", http.MethodPost, "/session/totp", "Begin to set up a second factor", access.SessionOwn, rest.Own)
	enrol.Secret = true
	rest.Register(r, enrol, a.beginTOTP)
	rest.Register(r, op("confirm-totp", http.MethodPut, "/session/totp", "Switch the second factor on with a first code", access.SessionOwn, rest.Own), a.confirmTOTP)
	rest.Register(r, op("end-totp", http.MethodDelete, "/session/totp", "Switch the second factor off", access.SessionOwn, rest.Own), a.endTOTP)
	rest.Register(r, op("list-tokens", http.MethodGet, "/tokens", "My API tokens", access.TokenOwn, rest.Own), a.tokens)
	create := op("create-token", http.MethodPost, "/tokens", "Make an API token; it is shown once", access.TokenOwn, rest.Own)
	create.Status, create.Secret = http.StatusCreated, true
	rest.Register(r, create, a.createToken)
	rest.Register(r, op("revoke-token", http.MethodDelete, "/tokens/{id}", "Revoke an API token", access.TokenOwn, rest.Own), a.revokeToken)
}
