package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/portal/text"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/role/admin"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// begun is an open control store with what stands on it.
type begun struct {
	db        *store.DB
	directory *tenant.Directory
	register  *tenants.Register
	documents *policies.Documents
	accounts  *account.Accounts
	keys      *account.Sealer
}

// open opens the control store and writes into it what a new one begins with.
func (s *controlSettings) open(ctx context.Context, log *slog.Logger) (b *begun, err error) {
	db, err := openStore(ctx, s.Dir, s.StoreURL)
	if err != nil {
		return nil, fmt.Errorf("opening the control store: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	b = &begun{db: db, directory: new(tenant.Directory), register: &tenants.Register{DB: db}, documents: &policies.Documents{DB: db, Kinds: kinds(), Writing: writing}}
	if b.keys, err = account.NewSealer(s.AccountKey); err != nil {
		return nil, err
	}
	b.accounts = &account.Accounts{DB: db, Directory: b.directory, Keys: b.keys, Now: time.Now}
	b.accounts.Open()
	if err := s.begin(ctx, b.register, b.documents, b.accounts, b.directory, log); err != nil {
		return nil, err
	}
	_, err = b.register.Load(ctx, b.directory)
	return b, err
}

// waiting is what the control group does while its store cannot be opened: it
// answers people and /readyz, and tries again.
type waiting struct {
	child          *role.Child
	figures        *admin.Server
	administrative role.Role
	door           net.Listener
	secure         *tls.Config
	log            *slog.Logger

	mu    sync.Mutex // guards the rest
	store *store.DB  // nil while it is not open
	why   error      // why not
}

// openAgain is the pause between two tries to open the control store.
const openAgain = 2 * time.Second

// await opens the control store, however long that takes; nil without an error
// says that the group was told to end before.
func (s *controlSettings) await(ctx context.Context, w *waiting) (*begun, error) {
	w.figures.Check("control store", w.ping)
	first, err := s.open(ctx, w.log)
	if err == nil {
		w.note(first.db, nil)
		return first, nil
	}
	w.note(nil, err)
	w.log.Error("the control store cannot be opened and is tried again; the portal says so meanwhile", "err", err)
	door, err := duplicate(w.door)
	if err != nil {
		return nil, err
	}
	trying, stop := context.WithCancel(ctx)
	defer stop()
	var b *begun
	err = w.child.Run(trying, w.administrative,
		role.Role{Name: "portal", Run: func(ctx context.Context) error { return w.serve(ctx, door) }},
		role.Role{Name: "control store", Run: func(ctx context.Context) error {
			b = s.tryOpen(ctx, w)
			stop()
			return nil
		}},
	)
	return b, err
}

func (s *controlSettings) tryOpen(ctx context.Context, w *waiting) *begun {
	tick := time.NewTicker(openAgain)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		b, err := s.open(ctx, w.log)
		if err == nil {
			w.note(b.db, nil)
			w.log.Info("the control store is open")
			return b
		}
		w.note(nil, err)
		w.log.Debug("the control store cannot be opened yet", "err", err)
	}
}

func (w *waiting) note(db *store.DB, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.store, w.why = db, why
}

func (w *waiting) ping(ctx context.Context) error {
	w.mu.Lock()
	db, why := w.store, w.why
	w.mu.Unlock()
	if db == nil {
		return why
	}
	return db.Ping(ctx)
}

// serve answers every request with the problem that the API gives while the
// store is away.
func (w *waiting) serve(ctx context.Context, door net.Listener) error {
	quiet := slog.New(slog.DiscardHandler)
	answers := &rest.Router{Texts: text.Catalogues(), Log: quiet, Now: time.Now}
	server := &http.Server{
		TLSConfig: w.secure, ReadHeaderTimeout: 10 * time.Second, IdleTimeout: time.Minute, ErrorLog: slog.NewLogLogger(quiet.Handler(), slog.LevelDebug),
		Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			answers.Refuse(out, r, rest.Failed(store.ErrAway))
		}),
	}
	stopped := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // nothing to save
	defer stopped()
	if err := server.ServeTLS(door, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// duplicate is another listener on the socket of l, which stays open when the
// other is closed.
func duplicate(l net.Listener) (net.Listener, error) {
	opened, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return nil, fmt.Errorf("the listener on %s has no file", l.Addr())
	}
	file, err := opened.File()
	if err != nil {
		return nil, fmt.Errorf("sharing the socket %s: %w", l.Addr(), err)
	}
	second, err := net.FileListener(file)
	return second, errors.Join(err, file.Close())
}

// patiently runs what needs a neighbour that may be away, such as the control
// store, again and again until its context ends: the process and its other roles
// go on.
func patiently(log *slog.Logger, name string, run func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		for said := false; ; {
			err := run(ctx)
			if ctx.Err() != nil {
				return err
			}
			if !said {
				log.Error("a part of the role group ended and is begun again", "part", name, "err", err)
				said = true
			}
			pause := time.NewTimer(openAgain)
			select {
			case <-ctx.Done():
			case <-pause.C:
			}
			pause.Stop()
		}
	}
}
