package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/role/settings"
	"github.com/sekikura/sekikura/tenant"
)

// edgeSettings is what the public web's process needs.
type edgeSettings struct {
	Dir          string
	Control      string // the unix socket that hands out settings
	Bus          busAccess
	Operator     tenant.ID
	Certificates map[string]certificate
	LocalOrigins bool // a demonstration's origins stand on this machine
}

// certificate is a PEM chain and key. The supervisor reads them, so that the
// files need not be readable by the process that talks to the Internet.
type certificate struct{ Chain, Key []byte }

func (m *machine) edgeGroup() role.Group {
	uid, gid := m.account(4)
	return role.Group{
		Name: "edge", UID: uid, GID: gid,
		Caps:    nil, // the supervisor opens the low ports
		Sandbox: role.Sandbox{Write: []string{m.path("edge")}, Share: []string{m.path("run", "settings.sock")}},
		Sockets: []role.Socket{
			{Name: "http", Network: "tcp", Address: m.conf.Edge.HTTP, Optional: true},
			{Name: "https", Network: "tcp", Address: m.conf.Edge.HTTPS, Optional: true},
			m.adminSocket(4),
		},
		Limits: role.Limits{Files: 65536, Memory: 1 << 30},
		Drain:  20 * time.Second, // longer than the sites' own, so that the last events are kept
		Settings: func() ([]byte, error) {
			certificates, err := readCertificates(m.conf.Edge.Certificates)
			if err != nil {
				return nil, err
			}
			return jsonSettings(func() any {
				return edgeSettings{
					Dir: m.path("edge"), Control: m.path("run", "settings.sock"), Bus: m.busAccess(), Operator: m.conf.Operator.ID,
					Certificates: certificates, LocalOrigins: m.demo != nil,
				}
			})()
		},
	}
}

// readCertificates reads every NAME.crt and NAME.key in folder ("" for none).
func readCertificates(folder string) (map[string]certificate, error) {
	if folder == "" {
		return nil, nil
	}
	chains, err := filepath.Glob(filepath.Join(folder, "*.crt"))
	if err != nil {
		return nil, err
	}
	found := make(map[string]certificate, len(chains))
	for _, file := range chains {
		name := strings.TrimSuffix(file, ".crt")
		chain, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		key, err := os.ReadFile(name + ".key")
		if err != nil {
			return nil, err
		}
		found[filepath.Base(name)] = certificate{chain, key}
	}
	return found, nil
}

// shelf finds certificates by host name, or by *.example for one level below.
type shelf map[string]*tls.Certificate

func newShelf(files map[string]certificate) (shelf, error) {
	s := make(shelf, len(files))
	for host, c := range files {
		pair, err := tls.X509KeyPair(c.Chain, c.Key)
		if err != nil {
			return nil, fmt.Errorf("the certificate of %s: %w", host, err)
		}
		s[strings.ToLower(host)] = &pair
	}
	return s, nil
}

// errNoCertificate refuses a handshake for a name that we do not publish.
var errNoCertificate = errors.New("no certificate for this name")

// GetCertificate implements site.Certificates.
func (s shelf) GetCertificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	name := strings.ToLower(strings.TrimSuffix(hello.ServerName, "."))
	if c := s[name]; c != nil {
		return c, nil
	}
	if _, parent, ok := strings.Cut(name, "."); ok {
		if c := s["*."+parent]; c != nil {
			return c, nil
		}
	}
	return nil, errNoCertificate
}

func runEdge(ctx context.Context, child *role.Child, log *slog.Logger) error {
	var s edgeSettings
	if err := child.Decode(&s); err != nil {
		return err
	}
	// The rule engine tries out a temporary file when it starts.
	if err := os.Setenv("TMPDIR", s.Dir); err != nil {
		return err
	}
	figures, administrative, err := administration(child, log)
	if err != nil {
		return err
	}
	tenants := new(tenant.Directory)
	sites, err := policy.NewTable(&site.Spec)
	if err != nil {
		return err
	}
	rules, err := policy.NewTable(waf.Spec(time.Now))
	if err != nil {
		return err
	}
	plane := &settings.Plane{Directory: tenants, Services: map[string]settings.Setter{"site": sites, "waf": rules}}
	follow := &settings.Client{Socket: s.Control, File: filepath.Join(s.Dir, "settings.json"), Apply: plane.Apply, Log: log}
	if _, err := follow.Load(); err != nil {
		log.Error("starting without the last good settings", "err", err)
	}
	firewall, err := waf.New(waf.Config{Policies: rules, Log: log.With("service", "waf"), Now: time.Now})
	if err != nil {
		return err
	}
	certificates, err := newShelf(s.Certificates)
	if err != nil {
		return err
	}
	events, end, err := openJournal(ctx, s.Bus, "edge", filepath.Join(s.Dir, "spool"), tenants, log)
	if err != nil {
		return err
	}
	web := &site.Server{
		Directory: tenants, Policies: sites, Certificates: certificates, Inspector: inspector{firewall},
		Journal: events, Sink: events, Log: log.With("service", "site"), Now: time.Now,
		Name: "sekikura-" + string(s.Operator), Owner: s.Operator, Metrics: site.NewMetrics(),
	}
	if s.LocalOrigins {
		web.MayDial = func(netip.AddrPort) bool { return true }
	}
	for name, into := range map[string]*[]net.Listener{"http": &web.HTTP, "https": &web.HTTPS} {
		if !child.Has(name) {
			continue
		}
		listener, err := child.Listener(name)
		if err != nil {
			return errors.Join(err, end())
		}
		*into = append(*into, listener)
	}
	figures.Check("settings", func(context.Context) error {
		if follow.Revision() == 0 {
			return errors.New("no settings have arrived yet")
		}
		return nil
	})
	if err := figures.Register(events, web.Metrics, firewall); err != nil {
		return errors.Join(err, end())
	}
	return errors.Join(child.Run(ctx, administrative,
		role.Role{Name: "site", Run: web.Run},
		role.Role{Name: "settings", Run: follow.Run},
	), end())
}

// inspector lets the sites consult the web application firewall.
type inspector struct{ *waf.Engine }

// Inspect implements site.Inspector.
func (i inspector) Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, body []byte, whole bool) site.Inspection {
	return i.Engine.Inspect(ctx, id, client, r, body, whole)
}
