// Package session is how people and programs get into the portal and out of it:
// login with a second factor, sessions, one's own password and API tokens.
//
// A session is a random value in a cookie that no script can read and that goes
// nowhere but here; it ends after 30 minutes without use, and after 12 hours in
// any case. What the account may do is read with each request, so that a right
// taken away is gone at once.
package session

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"
	qrcode "github.com/skip2/go-qrcode"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// How long a session lives.
const (
	Idle     = 30 * time.Minute
	Absolute = 12 * time.Hour
)

// Cookie is the name of the session's cookie.
const Cookie = "sekikura_session"

// API serves the operations on one's own session. Every field but Drilling must
// be set; Open makes it ready.
type API struct {
	DB        *store.DB
	Accounts  *account.Accounts
	Directory *tenant.Directory
	Events    event.Sink
	Log       *slog.Logger
	Now       func() time.Time
	// Drilling tells whether a drill (訓練) is going on; nil: never.
	Drilling func() bool
	// Issuer names the product in an authenticator's list.
	Issuer string

	sessions *scs.SessionManager
	router   *rest.Router // set by Register
}

// Open makes a ready for Sessions and Identify.
func (a *API) Open() {
	a.sessions = scs.New()
	a.sessions.IdleTimeout, a.sessions.Lifetime = Idle, Absolute
	a.sessions.Store = &keeper{db: a.DB, now: a.Now}
	a.sessions.Codec = codec{}
	a.sessions.HashTokenInStore = true
	a.sessions.Cookie.Name = Cookie
	a.sessions.Cookie.SameSite = http.SameSiteStrictMode
	a.sessions.Cookie.Secure = true
	a.sessions.Cookie.Persist = false
	a.sessions.ErrorFunc = func(w http.ResponseWriter, r *http.Request, err error) {
		a.router.Refuse(w, r, rest.Failed(fmt.Errorf("keeping a session: %w", err)))
	}
}

// Sessions makes the session of a request known to what stands behind it.
func (a *API) Sessions(next http.Handler) http.Handler {
	inner := a.sessions.LoadAndSave(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		inner.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), foundKey{}, new(foundSession))))
	})
}

// Identify implements rest.Authenticator. A request with an Authorization header
// is judged by that alone.
func (a *API) Identify(r *http.Request) (*access.Identity, bool, error) {
	if header := r.Header.Get("Authorization"); header != "" {
		who, err := a.byToken(r, header)
		return who, false, err
	}
	ctx := r.Context()
	login := a.sessions.GetString(ctx, keyLogin)
	if login == "" {
		return nil, true, rest.ErrNobody
	}
	id, _ := a.sessions.Get(ctx, keyTenant).(tenant.ID)
	acc, err := a.Accounts.Current(ctx, id, login, a.sessions.GetInt64(ctx, keyGeneration))
	if errors.Is(err, account.ErrNone) {
		return nil, true, rest.ErrNobody
	}
	if err != nil {
		return nil, true, err
	}
	who, err := a.identity(r, acc)
	return who, true, err
}

func (a *API) byToken(r *http.Request, header string) (*access.Identity, error) {
	scheme, token, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") {
		return nil, rest.ErrNobody
	}
	acc, t, err := a.Accounts.ByToken(r.Context(), strings.TrimSpace(token))
	if errors.Is(err, account.ErrNone) {
		return nil, rest.ErrNobody
	}
	if err != nil {
		return nil, err
	}
	who, err := a.identity(r, acc)
	if err != nil {
		return nil, err
	}
	who.Token, who.Expires = t.ID, t.Expires
	who.Scopes = slices.DeleteFunc(who.Scopes, func(s access.Scope) bool { return !slices.Contains(t.Scopes, s) })
	return who, nil
}

func (a *API) identity(r *http.Request, acc account.Account) (*access.Identity, error) {
	body, known := a.Directory.Get(acc.Tenant)
	if !known {
		return nil, rest.ErrNobody
	}
	return &access.Identity{
		Login: acc.Login, Role: acc.Role, Tenant: body, Scopes: access.Scopes(acc.Role),
		Address: Address(r), MustChange: acc.MustChange, Expires: acc.Expires,
	}, nil
}

// Address is where a request came from. Headers of proxies are not believed.
func Address(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

type addressKey struct{}

// WithAddress makes the caller's address known to operations that come before
// anybody is.
func WithAddress(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), addressKey{}, Address(r))))
	})
}

func (a *API) login(ctx context.Context, in *loginInput) (*rest.Body[Me], error) {
	address, _ := ctx.Value(addressKey{}).(string)
	acc, err := a.Accounts.Login(ctx, in.Body.Login, in.Body.Password, in.Body.Code, address)
	if err != nil {
		return nil, a.refused(ctx, acc, address, err)
	}
	// A new value for the cookie: whoever planted the old one must not have the
	// new session (session fixation).
	if err := a.sessions.RenewToken(ctx); err != nil {
		return nil, fmt.Errorf("beginning a session: %w", err)
	}
	a.sessions.Put(ctx, keyTenant, acc.Tenant)
	a.sessions.Put(ctx, keyLogin, acc.Login)
	a.sessions.Put(ctx, keyGeneration, acc.Generation)
	body, known := a.Directory.Get(acc.Tenant)
	if !known {
		return nil, rest.NewProblem(http.StatusUnauthorized, "account_ended")
	}
	who := &access.Identity{
		Login: acc.Login, Role: acc.Role, Tenant: body, Scopes: access.Scopes(acc.Role), Address: address,
		MustChange: acc.MustChange, Expires: acc.Expires,
	}
	a.Events.Emit(ctx, who.Event(a.Now(), body.ID, "login_succeeded", slog.String("event.outcome", "passed")))
	me := a.describe(who, acc)
	return &rest.Body[Me]{Body: me}, nil
}

// refused answers a login that did not succeed.
func (a *API) refused(ctx context.Context, acc account.Account, address string, err error) error {
	status := http.StatusUnauthorized
	var code string
	var busy *account.Busy
	switch {
	case errors.As(err, &busy):
		status, code = http.StatusTooManyRequests, "too_many"
	case errors.Is(err, account.ErrWrong):
		code = "wrong_login"
	case errors.Is(err, account.ErrEnded):
		code = "account_ended"
	case errors.Is(err, account.ErrCodeMissing):
		return rest.NewProblem(status, "totp_required") // half way: neither failed nor succeeded
	case errors.Is(err, account.ErrCodeWrong):
		code = "totp_wrong"
	default:
		return rest.Failed(err)
	}
	about := acc.Tenant
	if about == "" {
		for _, t := range a.Directory.All() {
			if t.IsOperator() {
				about = t.ID
				break
			}
		}
	}
	if about != "" {
		who := access.Identity{Login: acc.Login, Role: acc.Role, Address: address}
		a.Events.Emit(ctx, who.Event(a.Now(), about, "login_failed",
			slog.String("event.outcome", "refused"), slog.String("refused.reason", code)))
	}
	p := rest.NewProblem(status, code)
	if busy != nil {
		p = p.After(busy.Wait)
	}
	return p
}

func (a *API) describe(who *access.Identity, acc account.Account) Me {
	operator, _ := a.Directory.Get(who.Tenant.Operator)
	return Me{
		User: Myself{
			Login: acc.Login, Name: acc.Name, Section: acc.Section, Role: acc.Role, Tenant: acc.Tenant,
			MustChangePassword: acc.MustChange, TOTP: acc.TOTP, ExpiresAt: acc.Expires, LastLoginAt: acc.LastLogin,
		},
		Tenant: who.Tenant, Operator: operator, Scopes: who.Scopes,
		Rooms: access.Rooms(who.Role, who.Tenant.IsOperator()), Drill: a.Drilling != nil && a.Drilling(),
	}
}

func (a *API) me(ctx context.Context, _ *rest.Nothing) (*rest.Body[Me], error) {
	who := access.From(ctx)
	acc, err := a.Accounts.Get(ctx, who.Tenant.ID, who.Login)
	if err != nil {
		return nil, rest.Failed(err)
	}
	return &rest.Body[Me]{Body: a.describe(who, acc)}, nil
}

func (a *API) logout(ctx context.Context, _ *rest.Nothing) (*rest.Nothing, error) {
	who, p := withSession(ctx)
	if p != nil {
		return nil, p
	}
	err := a.DB.Change(ctx, who.Tenant.ID, who.Actor(), func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "session.logout", Object: who.Login})
		return nil
	})
	if err = errors.Join(err, a.sessions.Destroy(ctx)); err != nil {
		return nil, rest.Failed(err)
	}
	a.Events.Emit(ctx, who.Event(a.Now(), who.Tenant.ID, "logged_out"))
	return nil, nil
}

// withSession refuses an API token: what it could change here outlives it.
func withSession(ctx context.Context) (*access.Identity, *rest.Problem) {
	who := access.From(ctx)
	if who.Token != "" {
		return who, rest.NewProblem(http.StatusForbidden, "session_required")
	}
	return who, nil
}

func (a *API) password(ctx context.Context, in *passwordInput) (*rest.Nothing, error) {
	who, p := withSession(ctx)
	if p != nil {
		return nil, p
	}
	generation, err := a.Accounts.ChangePassword(ctx, who, in.Body.Old, in.Body.New)
	if err != nil {
		return nil, a.own(err, "/old", "wrong_password")
	}
	// The other sessions have ended with the old generation; this one goes on
	// under a new value.
	if err := a.sessions.RenewToken(ctx); err != nil {
		return nil, rest.Failed(err)
	}
	a.sessions.Put(ctx, keyGeneration, generation)
	a.Events.Emit(ctx, who.Event(a.Now(), who.Tenant.ID, "password_changed"))
	return nil, nil
}

// own answers an error about one's own account; wrong is the entry and the code
// of ErrWrong and ErrCodeWrong.
func (a *API) own(err error, path, code string) error {
	var wrong *account.Wrong
	var busy *account.Busy
	switch {
	case errors.As(err, &wrong):
		return rest.Invalid(rest.Field(wrong.Path, wrong.Code, wrong.Args...))
	case errors.As(err, &busy):
		return rest.NewProblem(http.StatusTooManyRequests, "too_many").After(busy.Wait)
	case errors.Is(err, account.ErrWrong), errors.Is(err, account.ErrCodeWrong):
		return rest.Invalid(rest.Field(path, code))
	case errors.Is(err, account.ErrStale):
		return rest.NewProblem(http.StatusConflict, "stale")
	case errors.Is(err, account.ErrNotOn):
		return rest.NewProblem(http.StatusConflict, "totp_not_on")
	}
	return rest.Failed(err)
}

func (a *API) beginTOTP(ctx context.Context, _ *rest.Nothing) (*rest.Body[Enrolment], error) {
	who, p := withSession(ctx)
	if p != nil {
		return nil, p
	}
	secret, url, err := a.Accounts.BeginTOTP(ctx, who, a.Issuer)
	if errors.Is(err, account.ErrStale) {
		return nil, rest.NewProblem(http.StatusConflict, "totp_on_already")
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	png, err := qrcode.Encode(url, qrcode.Medium, 256)
	if err != nil {
		return nil, rest.Failed(fmt.Errorf("drawing a QR code: %w", err))
	}
	return &rest.Body[Enrolment]{Body: Enrolment{
		Secret: secret, URL: url, QR: "data:image/png;base64," + base64.StdEncoding.EncodeToString(png),
	}}, nil
}

func (a *API) confirmTOTP(ctx context.Context, in *codeInput) (*rest.Body[Recovery], error) {
	who, p := withSession(ctx)
	if p != nil {
		return nil, p
	}
	codes, err := a.Accounts.ConfirmTOTP(ctx, who, in.Body.Code)
	if err != nil {
		return nil, a.own(err, "/code", "totp_wrong")
	}
	a.Events.Emit(ctx, who.Event(a.Now(), who.Tenant.ID, "second_factor_enabled"))
	return &rest.Body[Recovery]{Body: Recovery{Recovery: codes}}, nil
}

func (a *API) endTOTP(ctx context.Context, in *codeInput) (*rest.Nothing, error) {
	who, p := withSession(ctx)
	if p != nil {
		return nil, p
	}
	if err := a.Accounts.EndTOTP(ctx, who, in.Body.Code); err != nil {
		return nil, a.own(err, "/code", "totp_wrong")
	}
	a.Events.Emit(ctx, who.Event(a.Now(), who.Tenant.ID, "second_factor_disabled"))
	return nil, nil
}

func shown(t account.Token) Token {
	return Token{ID: t.ID, Name: t.Name, Scopes: t.Scopes, CreatedAt: t.Created, ExpiresAt: t.Expires}
}

func (a *API) tokens(ctx context.Context, _ *rest.Nothing) (*rest.Body[rest.Page[Token]], error) {
	who := access.From(ctx)
	all, err := a.Accounts.Tokens(ctx, who.Tenant.ID, who.Login)
	if err != nil {
		return nil, rest.Failed(err)
	}
	page := rest.Page[Token]{Items: make([]Token, len(all))}
	for i, t := range all {
		page.Items[i] = shown(t)
	}
	return &rest.Body[rest.Page[Token]]{Body: page}, nil
}

func (a *API) createToken(ctx context.Context, in *tokenInput) (*rest.Body[Token], error) {
	who := access.From(ctx)
	expires := a.Now().Add(time.Duration(in.Body.Days) * 24 * time.Hour)
	if !who.Expires.IsZero() && expires.After(who.Expires) {
		expires = who.Expires // nobody gives away more time than they have
	}
	for i, s := range in.Body.Scopes {
		if !who.May(s) {
			return nil, rest.Invalid(rest.Field(fmt.Sprintf("/scopes/%d", i), "scope_not_yours", string(s)))
		}
	}
	t, text, err := a.Accounts.CreateToken(ctx, who.Actor(), account.Token{
		Tenant: who.Tenant.ID, Login: who.Login, Name: in.Body.Name, Scopes: in.Body.Scopes, Expires: expires.UTC(),
	})
	if err != nil {
		return nil, a.own(err, "/name", "invalid")
	}
	out := shown(t)
	out.Token = text
	return &rest.Body[Token]{Body: out}, nil
}

func (a *API) revokeToken(ctx context.Context, in *idInput) (*rest.Nothing, error) {
	who := access.From(ctx)
	err := a.Accounts.RevokeToken(ctx, who.Actor(), who.Tenant.ID, who.Login, in.ID)
	if errors.Is(err, account.ErrNone) {
		return nil, rest.NotFound()
	}
	if err != nil {
		return nil, rest.Failed(err)
	}
	return nil, nil
}
