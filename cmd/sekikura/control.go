package main

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/ops/backup"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/home"
	portalpolicies "github.com/sekikura/sekikura/portal/policies"
	"github.com/sekikura/sekikura/portal/web"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/role/settings"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// controlSettings is what the control store's and the portal's process needs.
type controlSettings struct {
	Dir         string
	StoreURL    string
	Bus         busAccess
	Logs        logStore
	Operator    OperatorConfig
	Certificate certificate
	PortalURL   string
	StatusFile  string
	AccountKey  []byte
	HeadsKey    []byte
	Heads       []string // folders
	Demo        *demoSeed
	DemoOrigin  string  // URL of the sample site
	Copies      *copies // nil: no backups
}

func (m *machine) controlGroup() role.Group {
	uid, gid := m.account(3)
	sandbox := role.Sandbox{Write: []string{m.path("control")}, Read: []string{m.path("run")}, Share: share(m.conf.Audit.Heads)}
	if folder := m.conf.Backup.Folder; within(m.conf.Data, folder) {
		sandbox.Write = append(sandbox.Write, folder)
	} else {
		sandbox.Given = share(folder)
	}
	return role.Group{
		Name: "control", UID: uid, GID: gid, Sandbox: sandbox,
		Sockets: []role.Socket{
			{Name: "portal", Network: "tcp", Address: m.conf.Portal.Listen},
			{Name: "settings", Network: "unix", Address: m.path("run", "settings.sock")},
			m.adminSocket(3),
		},
		Limits:   role.Limits{Files: 16384, Memory: 512 << 20},
		Settings: m.controlSettings,
		Drain:    20 * time.Second,
	}
}

// within tells whether path lies below folder.
func within(folder, path string) bool {
	below, err := filepath.Rel(folder, path)
	return err == nil && path != "" && below != "." && filepath.IsLocal(below)
}

// share is a sandbox's list of one folder, or of none.
func share(folder string) []string {
	if folder == "" {
		return nil
	}
	return []string{folder}
}

func (m *machine) controlSettings() ([]byte, error) {
	s := controlSettings{
		Dir: m.path("control"), StoreURL: m.conf.Store.URL, Bus: m.busAccess(), Logs: m.logStore(), Operator: m.conf.Operator,
		PortalURL: m.portalURL(), StatusFile: m.path("run", "status.json"), AccountKey: m.keys.Account, HeadsKey: m.keys.Heads, Demo: m.demo,
		Heads: []string{m.path("control", "heads")},
	}
	if m.conf.Audit.Heads != "" {
		s.Heads = append(s.Heads, m.conf.Audit.Heads)
	}
	if m.demo != nil {
		s.DemoOrigin = "http://" + m.addr("origin", "http")
	}
	var err error
	if s.Copies, err = m.copies(); err != nil {
		return nil, err
	}
	if s.Certificate.Chain, err = os.ReadFile(m.conf.Portal.Certificate); err != nil {
		return nil, fmt.Errorf("reading the portal's certificate: %w", err)
	}
	if s.Certificate.Key, err = os.ReadFile(m.conf.Portal.Key); err != nil {
		return nil, fmt.Errorf("reading the portal's key: %w", err)
	}
	return json.Marshal(s)
}

// kinds are the services whose policies officials write.
func kinds() []policy.Kind { return []policy.Kind{&site.Spec, waf.Spec(time.Now)} }

func runControl(ctx context.Context, child *role.Child, log *slog.Logger) error {
	var s controlSettings
	if err := child.Decode(&s); err != nil {
		return err
	}
	figures, administrative, err := administration(child, log)
	if err != nil {
		return err
	}
	figures.Check("disk", roomOn(s.Dir, leastRoom))
	if err := figures.Register(role.Figures{File: s.StatusFile, Now: time.Now}); err != nil {
		return err
	}
	secure, err := s.Certificate.tls()
	if err != nil {
		return err
	}
	door, err := child.Listener("portal")
	if err != nil {
		return err
	}
	push, err := child.Listener("settings")
	if err != nil {
		return err
	}
	first, err := s.await(ctx, &waiting{child: child, figures: figures, administrative: administrative, door: door, secure: secure, log: log})
	if err != nil || first == nil {
		return err
	}
	db, directory, register, documents, accounts, keys := first.db, first.directory, first.register, first.documents, first.accounts, first.keys
	defer db.Close() //nolint:errcheck // every change is committed
	events, end, err := openJournal(ctx, s.Bus, "control", filepath.Join(s.Dir, "spool"), directory, log)
	if err != nil {
		return err
	}
	if err := figures.Register(events); err != nil {
		return errors.Join(err, end())
	}
	heads := &headKeeper{db: db, signer: ed25519.NewKeyFromSeed(s.HeadsKey), folders: s.Heads, log: log, now: time.Now}
	found := s.Logs.client()
	people := &portal.Server{
		DB: db, Directory: directory, Accounts: accounts, Keys: keys, Documents: documents, Logs: found,
		Status: home.StatusFile(s.StatusFile), Groups: groupRoles(), Events: events, Log: log.With("service", "portal"), Now: time.Now,
		Version: version, Web: web.Files(),
		Replay: &portalpolicies.Stored{Logs: found, Judge: judge{}}, Room: s.room,
		Heads: func(context.Context) ([]store.Head, error) { return heads.read() },
	}
	var copying []role.Role
	if s.Copies != nil {
		w := newWork(s.Copies, db, directory, events, log.With("service", "backup"))
		people.Jobs, people.LastBackup = w, w.last
		copying = append(copying, role.Role{Name: "backup", Run: patiently(log, "backup", w.Run)})
	}
	return errors.Join(child.Run(ctx, append(copying, administrative,
		role.Role{Name: "register", Run: patiently(log, "register", func(ctx context.Context) error { return register.Follow(ctx, directory) })},
		role.Role{Name: "settings", Run: servePush(push, &settings.Server{Source: pushed{documents}, Log: log})},
		role.Role{Name: "audit-heads", Run: heads.Run},
		role.Role{Name: "first-login", Run: s.removeFirstLogin(accounts, log)},
		role.Role{Name: "portal", Run: func(ctx context.Context) error { return people.Serve(ctx, door, secure) }},
	)...), end())
}

// groupRoles names the roles of each group, for the page that shows them.
func groupRoles() map[string][]string {
	return map[string][]string{
		"logs": {"logs"}, "bus": {"bus", "shipper"}, "control": {"portal", "settings", "audit-heads", "backup"}, "edge": {"site", "waf"},
	}
}

// tls is what a server shows of this certificate.
func (c certificate) tls() (*tls.Config, error) {
	pair, err := tls.X509KeyPair(c.Chain, c.Key)
	if err != nil {
		return nil, fmt.Errorf("the portal's certificate: %w", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}, nil
}

// room measures the disk that the log store fills.
func (s *controlSettings) room(context.Context) ([]home.Capacity, error) {
	total, free, err := diskOf(s.Dir)
	if err != nil {
		return nil, err
	}
	return []home.Capacity{{ID: "log_disk", Used: total - free, Total: total}}, nil
}

// openStore opens the control store with the tables of everything that keeps
// something there.
func openStore(ctx context.Context, dir, url string) (*store.DB, error) {
	conf := store.Config{URL: url}
	if url == "" {
		conf.Path = filepath.Join(dir, "control.db")
	}
	return store.Open(ctx, conf, schemas()...)
}

// schemas are the tables of everything that keeps something in the control store.
func schemas() []store.Schema {
	return append([]store.Schema{policies.Schema, backup.Schema}, portal.Schemas()...)
}

// begin writes the operator, or the demonstration, into the store.
func (s *controlSettings) begin(ctx context.Context, register *tenants.Register, documents *policies.Documents, accounts *account.Accounts, directory *tenant.Directory, log *slog.Logger) error {
	if s.Demo == nil {
		return s.firstOperator(ctx, register, accounts, directory, log)
	}
	file := filepath.Join(s.Dir, demoTokensFile)
	if old, err := readDemoTokens(file); err == nil && old.Nonce == s.Demo.Nonce {
		return nil // this process came back; the tokens in demo.json stay good
	}
	f := &filler{seed: s.Demo, register: register, documents: documents, accounts: accounts, directory: directory, origin: s.DemoOrigin}
	tokens, err := f.fill(ctx)
	if err != nil {
		return fmt.Errorf("filling in the demonstration: %w", err)
	}
	text, err := json.Marshal(demoTokens{s.Demo.Nonce, tokens})
	if err != nil {
		return err
	}
	return writeFile(file, text, 0o600)
}

// demoTokensFile is where the control role leaves the tokens of a demonstration
// for demo.json.
const demoTokensFile = "demo-tokens.json" //nolint:gosec // a file name

// servePush answers the data planes until its context ends; their questions,
// which stay open for long, end with it.
func servePush(listener net.Listener, handler http.Handler) func(context.Context) error {
	return func(ctx context.Context) error {
		server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second}
		stopped := context.AfterFunc(ctx, func() { server.Close() }) //nolint:errcheck // nothing to save
		defer stopped()
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
