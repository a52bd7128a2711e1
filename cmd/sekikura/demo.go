package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"filippo.io/age"
	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/role"
)

// demoWait is how long a demonstration may take to answer.
const demoWait = 90 * time.Second

func demoCommand() *cobra.Command {
	var folder string
	c := &cobra.Command{
		Use: "demo", Short: "start a demonstration prefecture on this machine", Args: cobra.NoArgs,
		Long: `demo starts the whole product for a fictional prefecture with three bodies, on
free ports of the loopback address only. Once everything answers it writes
DIR/demo.json (addresses, passwords, tokens; readable by you only) and prints
where to look. Ctrl-C ends everything it started. DIR keeps what happened, and a
later start goes on there.`,
		RunE: func(c *cobra.Command, _ []string) error {
			return demo(c.Context(), folder, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&folder, "data", "", "the folder for everything the demonstration keeps")
	required(c, "data")
	return c
}

// demo runs the demonstration in folder until ctx ends.
func demo(ctx context.Context, folder string, out io.Writer) error {
	begun := time.Now()
	folder, err := filepath.Abs(folder)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o711); err != nil { //nolint:gosec // role groups pass through to their own folders
		return err
	}
	file := filepath.Join(folder, "demo.json")
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	lines, err := os.OpenFile(filepath.Join(folder, "demo.log"), os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600) //nolint:gosec // below the user's own folder
	if err != nil {
		return err
	}
	defer lines.Close() //nolint:errcheck // a log

	progress(out, "preparing %s", folder)
	m, err := newDemoMachine(ctx, folder, begun)
	if err != nil {
		return err
	}
	sup := m.supervisor(lines, newLog(lines))
	m.addr = sup.Addr
	if err := sup.Open(ctx); err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- sup.Run(running) }()
	err = m.present(running, sup, file, begun, out)
	if err == nil {
		<-ctx.Done()
		fmt.Fprintln(out, "\nstopping …")
	}
	stop()
	gone := os.Remove(file)
	if errors.Is(gone, os.ErrNotExist) {
		gone = nil
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("%w\n(its log: %s)", err, lines.Name())
	} else {
		err = nil // asked to stop
	}
	return errors.Join(err, <-ended, gone)
}

func progress(out io.Writer, format string, args ...any) {
	fmt.Fprintf(out, "… "+format+"\n", args...)
}

// newDemoMachine lays out a machine on free loopback ports, with certificates of
// its own authority.
func newDemoMachine(ctx context.Context, folder string, now time.Time) (*machine, error) {
	conf := defaults()
	conf.Data = folder
	conf.Operator = OperatorConfig{ID: demoOperator, Name: "さくら県"}
	conf.Portal.Listen, conf.Portal.Name = "127.0.0.1:0", "localhost"
	conf.Edge.HTTP, conf.Edge.HTTPS = "127.0.0.1:0", "127.0.0.1:0"
	conf.Logs.Listen = "127.0.0.1:0"
	var err error
	if conf.Bus.Listen, err = freePort(ctx); err != nil { // the bus opens its own socket
		return nil, err
	}
	conf.Bus.MaxBytes = 2 << 30
	certificates := filepath.Join(folder, "certificates")
	if err := os.MkdirAll(certificates, 0o700); err != nil {
		return nil, err
	}
	ca, err := newAuthority(now)
	if err != nil {
		return nil, err
	}
	if err := ca.write(filepath.Join(folder, "ca.pem")); err != nil {
		return nil, err
	}
	if conf.Portal.Certificate, conf.Portal.Key, err = ca.issue(certificates, "portal", now, "localhost", "127.0.0.1"); err != nil {
		return nil, err
	}
	conf.Edge.Certificates = filepath.Join(certificates, "sites")
	if err := os.MkdirAll(conf.Edge.Certificates, 0o700); err != nil {
		return nil, err
	}
	for _, host := range demoHosts() {
		if _, _, err := ca.issue(conf.Edge.Certificates, host, now); err != nil {
			return nil, err
		}
	}
	if err := demoBackup(&conf, folder); err != nil {
		return nil, err
	}
	m, err := newMachine(&conf)
	if err != nil {
		return nil, err
	}
	m.demo = newDemoSeed()
	return m, nil
}

// demoBackup lets the demonstration copy itself, with an identity that stands
// beside the copies; a real one is kept elsewhere.
func demoBackup(conf *Config, folder string) error {
	conf.Backup.Folder = filepath.Join(folder, "backup")
	file := filepath.Join(folder, "backup-identity.txt")
	conf.Backup.Identity = file
	if text, err := os.ReadFile(file); err == nil { //nolint:gosec // below the user's own folder
		identity, err := age.ParseX25519Identity(string(text))
		if err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		conf.Backup.Recipients = []string{identity.Recipient().String()}
		return nil
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		return err
	}
	conf.Backup.Recipients = []string{identity.Recipient().String()}
	return writeFile(file, []byte(identity.String()), 0o600)
}

func freePort(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), l.Close()
}

// present waits until everything answers, writes demo.json and says where to look.
func (m *machine) present(ctx context.Context, sup *role.Supervisor, file string, begun time.Time, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	for _, g := range sup.Groups {
		if err := sup.WaitReady(ctx, g.Name); err != nil {
			if s, ok := sup.Status().Group(g.Name); ok && s.LastExit != "" {
				err = fmt.Errorf("%w (%s)", err, s.LastExit)
			}
			return err
		}
		progress(out, "%s is ready", g.Name)
	}
	made, err := readDemoTokens(m.path("control", demoTokensFile))
	if err != nil {
		return err
	}
	d := m.demoFile(m.absent(sup.Status().Absent()), made.Tokens)
	if err := d.answers(ctx); err != nil {
		return err
	}
	if err := d.write(file); err != nil {
		return err
	}
	m.welcome(d, file, time.Since(begun), out)
	return nil
}

// demoFile says where everything is.
func (m *machine) demoFile(absent, tokens map[string]string) *demoFile {
	portal := "https://" + net.JoinHostPort(m.conf.Portal.Name, port(m.addr("control", "portal")))
	d := &demoFile{
		Portal: portal, API: portal + "/api/v1", CA: m.path("ca.pem"),
		Admin:    demoAdmin{User: m.demo.Admin.Login, Password: m.demo.Admin.Password, Token: tokens[m.demo.Admin.Login]},
		EdgeHTTP: m.addr("edge", "http"), EdgeHTTPS: m.addr("edge", "https"), Origin: m.addr("origin", "http"),
		Absent: absent,
	}
	for _, b := range m.demo.Bodies {
		d.Tenants = append(d.Tenants, demoTenant{
			ID: b.Tenant.ID, Name: b.Tenant.Name, User: b.Admin.Login, Password: b.Admin.Password, Token: tokens[b.Admin.Login],
			Source: b.Tenant.Sources[0].String(), SiteHost: b.Tenant.Hosts[0], MailDomain: b.Tenant.MailDomains[0],
		})
	}
	for _, a := range m.demo.others() {
		d.Users = append(d.Users, demoUser{User: a.Login, Password: a.Password, Role: a.Role})
	}
	return d
}

func port(address string) string {
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		return ""
	}
	return port
}

// answers makes sure that every site and the portal answer for real.
func (d *demoFile) answers(ctx context.Context) error {
	w, err := demoWorld(d)
	if err != nil {
		return err
	}
	web := w.visitor()
	defer web.CloseIdleConnections()
	for _, t := range d.Tenants {
		if err := until(ctx, func() error {
			status, _, err := fetch(ctx, web, t.SiteHost, "/")
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("https://%s/ answers %d", t.SiteHost, status)
			}
			return err
		}); err != nil {
			return err
		}
	}
	return until(ctx, func() error {
		for _, token := range []string{d.Admin.Token, d.Tenants[0].Token} {
			if err := w.as(token).get(ctx, "/events?since=1h&limit=1", nil); err != nil {
				return err
			}
		}
		return nil
	})
}

// until tries again every tenth of a second until try succeeds or ctx ends, and
// then returns the last error.
func until(ctx context.Context, try func() error) error {
	for {
		err := try()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(100 * time.Millisecond):
		}
	}
}

func (m *machine) welcome(d *demoFile, file string, took time.Duration, out io.Writer) {
	fmt.Fprintf(out, "\nさくら県（架空）のデモが動いています（%.1f 秒）。\n\n", took.Seconds())
	fmt.Fprintf(out, "  portal     %s\n", d.Portal)
	fmt.Fprintf(out, "  県運用担当      %s / %s\n", d.Admin.User, d.Admin.Password)
	for _, u := range d.Users {
		if role, ok := map[string]string{"soc": "SOC", "auditor": "監査人"}[u.Role]; ok {
			fmt.Fprintf(out, "  %s  %s / %s\n", role, u.User, u.Password)
		}
	}
	for _, t := range d.Tenants {
		fmt.Fprintf(out, "  %s  %s / %s   https://%s/ (edge %s)\n", t.Name, t.User, t.Password, t.SiteHost, d.EdgeHTTPS)
	}
	fmt.Fprintf(out, "\n  The browser warns about the certificate, which was made here: go on, or trust %s.\n  Next, in another terminal: %s drill --demo %s\n  Ctrl-C ends it.\n", d.CA, os.Args[0], file)
	for what, why := range d.Absent {
		fmt.Fprintf(out, "  absent: %s (%s)\n", what, why)
	}
}
