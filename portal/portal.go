// Package portal is the way in for people and programs: the HTTP API below
// /api/v1, and the screens, which do nothing that the API does not offer.
//
// Every plane has a folder of its own with its operations; rest is the frame
// that each operation stands in, access the one table of who may do what. See
// README.md.
package portal

//go:generate go test -run TestTheDocumentOfTheAPIIsCurrent -update .

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/audit"
	"github.com/sekikura/sekikura/portal/backups"
	"github.com/sekikura/sekikura/portal/events"
	"github.com/sekikura/sekikura/portal/home"
	"github.com/sekikura/sekikura/portal/policies"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/portal/session"
	"github.com/sekikura/sekikura/portal/tenants"
	"github.com/sekikura/sekikura/portal/text"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store"
	storepolicies "github.com/sekikura/sekikura/store/policies"
	storetenants "github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// Server is the portal. The fields up to Web must be set; the others may stay
// empty, and what they would show is then named as absent.
type Server struct {
	DB        *store.DB
	Directory *tenant.Directory
	Accounts  *account.Accounts // opened by Handler
	Keys      *account.Sealer
	Documents *storepolicies.Documents
	Logs      events.Logs                                   // *logs.Client is one
	Status    func() (s role.Status, alive bool, err error) // see home.StatusFile
	Groups    map[string][]string                           // roles by group, of this program
	Events    event.Sink
	Log       *slog.Logger
	Now       func() time.Time
	Version   string
	Web       fs.FS // the built screens; web.Files()

	Replay     policies.Replay
	Jobs       backups.Jobs
	LastBackup func(context.Context) (home.Backup, error)
	Room       func(context.Context) ([]home.Capacity, error)
	Heads      func(context.Context) ([]store.Head, error)
	Drilling   func() bool
}

// Schemas are what the portal keeps in the store.
func Schemas() []store.Schema { return []store.Schema{account.Schema} }

// router declares every operation.
func (s *Server) router() (*rest.Router, *session.API) {
	sessions := &session.API{
		DB: s.DB, Accounts: s.Accounts, Directory: s.Directory, Events: s.Events, Log: s.Log, Now: s.Now, Issuer: "Sekikura", Drilling: s.Drilling,
	}
	r := &rest.Router{Directory: s.Directory, Who: sessions, Log: s.Log, Now: s.Now, Texts: text.Catalogues()}
	if s.Keys != nil {
		r.Replays = &account.Answers{DB: s.DB, Keys: s.Keys, Now: s.Now}
	}
	r.Open()
	sessions.Register(r)
	(&tenants.API{
		Bodies: &storetenants.Register{DB: s.DB}, Directory: s.Directory, Accounts: s.Accounts, Events: s.Events, Log: s.Log, Now: s.Now,
	}).Register(r)
	(&policies.API{Documents: s.Documents, Replay: s.Replay, Events: s.Events, Log: s.Log, Now: s.Now}).Register(r)
	(&events.API{DB: s.DB, Directory: s.Directory, Logs: s.Logs, Events: s.Events, Log: s.Log, Now: s.Now}).Register(r)
	(&home.API{
		Directory: s.Directory, Accounts: s.Accounts, Documents: s.Documents, Logs: s.Logs, Status: s.Status, Groups: s.Groups,
		LastBackup: s.LastBackup, Room: s.Room, Version: s.Version, Log: s.Log, Now: s.Now,
	}).Register(r)
	(&audit.API{DB: s.DB, Heads: s.Heads, Log: s.Log, Now: s.Now}).Register(r)
	(&backups.API{DB: s.DB, Jobs: s.Jobs, Events: s.Events, Log: s.Log, Now: s.Now}).Register(r)
	return r, sessions
}

// OpenAPI is the document of the API, as portal/openapi.json has it.
func OpenAPI() []byte {
	r, _ := new(Server).router()
	return r.Document()
}

// Handler serves the API and the screens. It is called once.
func (s *Server) Handler() http.Handler {
	s.Accounts.Open()
	r, sessions := s.router()
	sessions.Open()
	mux := http.NewServeMux()
	mux.Handle(rest.Prefix+"/", session.WithAddress(sessions.Sessions(r.Handler())))
	mux.Handle("/", newScreens(s.Web, s.Log))
	return s.guarded(mux)
}

// Limits of one connection. Exports may take long; a reader that takes nothing
// for this long is given up.
const (
	readHeader = 10 * time.Second
	readAll    = 60 * time.Second
	writeAll   = 10 * time.Minute
	idle       = 2 * time.Minute
	maxHeader  = 64 << 10
	drain      = 10 * time.Second
)

// Serve serves Handler over TLS on l until ctx ends, then lets requests finish
// for ten seconds. It closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener, conf *tls.Config) error {
	server := &http.Server{
		Handler: s.Handler(), TLSConfig: conf, ReadHeaderTimeout: readHeader, ReadTimeout: readAll, WriteTimeout: writeAll,
		IdleTimeout: idle, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.Log.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(l, "", "") }()
	select {
	case err := <-ended:
		return fmt.Errorf("serving the portal: %w", err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), drain)
	defer cancel()
	err := server.Shutdown(last)
	if err != nil {
		err = server.Close() // those that still ran are cut off
	}
	if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// guarded sets what every answer says to browsers, and keeps a panic in one
// request to that request.
func (s *Server) guarded(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch broken := recover(); broken {
			case nil:
			case http.ErrAbortHandler:
				panic(broken)
			default:
				reference := event.NewID(s.Now()).Reference("PT")
				s.Log.Error("a request broke the portal", "reference", reference, "path", r.URL.Path, "panic", broken, "stack", stack())
				http.Error(w, "internal error "+reference, http.StatusInternalServerError)
			}
		}()
		h := w.Header()
		h.Set("Content-Security-Policy", contentPolicy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(), usb=()")
		if r.TLS != nil {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		next.ServeHTTP(w, r)
	})
}

// contentPolicy lets a page load only from here. Styles set by scripts (charts,
// drawers that are resized) go through the CSSOM, which it does not concern.
const contentPolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; " +
	"connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
