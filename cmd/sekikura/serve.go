package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/role"
)

// machine is what one supervisor knows: its settings, its keys, and where the
// groups keep their things.
type machine struct {
	conf *Config
	keys *keys
	demo *demoSeed // nil outside a demonstration
	// closed is the folder above the data that other accounts may not pass
	// through, "" for none: then all groups keep the supervisor's account.
	closed string
	// addr is the address of a group's open socket; set before anything starts.
	addr func(group, socket string) string
}

func newMachine(conf *Config) (*machine, error) {
	if err := os.MkdirAll(conf.Data, 0o711); err != nil { //nolint:gosec // groups of other accounts pass through to their own folders
		return nil, err
	}
	k, err := loadKeys(filepath.Join(conf.Data, "keys"))
	if err != nil {
		return nil, err
	}
	return &machine{conf: conf, keys: k, closed: closedAbove(conf.Data)}, nil
}

// closedAbove returns the first folder on the way to dir that accounts other than
// its owner may not pass through, such as root's home.
func closedAbove(dir string) string {
	for at := filepath.Dir(dir); ; at = filepath.Dir(at) {
		if info, err := os.Stat(at); err == nil && info.Mode().Perm()&0o001 == 0 {
			return at
		}
		if at == filepath.Dir(at) {
			return ""
		}
	}
}

// absent names what this machine's groups go without, besides what the
// supervisor finds out itself.
func (m *machine) absent(found map[string]string) map[string]string {
	if m.closed != "" && os.Geteuid() == 0 {
		found["accounts"] = "the folder " + m.closed + " is closed to other accounts, so every part runs as root; use a data folder elsewhere, such as /var/lib/sekikura"
	}
	return found
}

// path is a place below the data folder.
func (m *machine) path(parts ...string) string {
	return filepath.Join(append([]string{m.conf.Data}, parts...)...)
}

// account is the group's own, so that no group can read another's files. The
// numbers need no entry in /etc/passwd.
func (m *machine) account(n uint32) (uid, gid uint32) {
	if m.closed != "" {
		return 0, 0 // what the supervisor is
	}
	return m.conf.FirstAccount + n, m.conf.FirstAccount
}

// groups is the product: every process that runs on this machine.
func (m *machine) groups() []role.Group {
	groups := []role.Group{m.logsGroup(), m.busGroup(), m.controlGroup(), m.edgeGroup()}
	if m.conf.Logs.URL != "" {
		groups = groups[1:] // somebody else's log store
	}
	if m.demo != nil {
		groups = append(groups, m.originGroup())
	}
	return groups
}

// runners are the groups' other side: what runs inside each process.
func runners() map[string]func(context.Context, *role.Child, *slog.Logger) error {
	return map[string]func(context.Context, *role.Child, *slog.Logger) error{
		"logs": runLogs, "bus": runBus, "control": runControl, "edge": runEdge, "origin": runOrigin,
	}
}

// supervisor watches over the machine's groups.
func (m *machine) supervisor(output io.Writer, log *slog.Logger) *role.Supervisor {
	return &role.Supervisor{Groups: m.groups(), Dir: m.path("run"), Output: output, Log: log}
}

func serveCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "serve", Short: "run the product on this machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := loadConfig(file)
			if err != nil {
				return err
			}
			m, err := newMachine(conf)
			if err != nil {
				return err
			}
			log := newLog(c.ErrOrStderr())
			if m.closed != "" && os.Geteuid() == 0 {
				return fmt.Errorf("the folder %s is closed to other accounts, so no part of the product could have one of its own: put data elsewhere, such as /var/lib/sekikura, or open it with chmod o+x", m.closed)
			}
			sup := m.supervisor(c.ErrOrStderr(), log)
			m.addr = sup.Addr
			renewed := make(chan os.Signal, 1)
			signal.Notify(renewed, syscall.SIGHUP)
			defer signal.Stop(renewed)
			go m.renew(c.Context(), sup, renewed)
			return sup.Run(c.Context())
		},
	}
	configFlag(c, &file)
	return c
}

// renew starts the groups that hold certificates anew at each signal, so that
// they read the files again. Their sockets stay open meanwhile.
func (m *machine) renew(ctx context.Context, sup *role.Supervisor, asked <-chan os.Signal) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-asked:
			sup.Restart("edge")
			sup.Restart("control")
		}
	}
}

// roleCommand is how the supervisor starts a group; nobody types it.
func roleCommand() *cobra.Command {
	return &cobra.Command{
		Use: "role GROUP", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			child, err := role.Enter()
			if err != nil {
				return err
			}
			run := runners()[args[0]]
			if run == nil || child.Group != args[0] {
				return errors.New("there is no role group " + args[0])
			}
			return run(c.Context(), child, newLog(c.ErrOrStderr()))
		},
	}
}

// newLog writes log lines about our own machinery.
func newLog(out io.Writer) *slog.Logger {
	return slog.New(slog.NewJSONHandler(out, nil))
}

// originGroup is the demonstration's sample site.
func (m *machine) originGroup() role.Group {
	uid, gid := m.account(9)
	return role.Group{
		Name: "origin", UID: uid, GID: gid,
		Sockets: []role.Socket{{Name: "http", Network: "tcp", Address: m.demo.Origin}},
		Limits:  role.Limits{Memory: 64 << 20},
	}
}

func runOrigin(ctx context.Context, child *role.Child, _ *slog.Logger) error {
	listener, err := child.Listener("http")
	if err != nil {
		return err
	}
	site := &origin{listener: listener}
	return child.Run(ctx, role.Role{Name: "origin", Run: site.Run})
}

// hexKey is how a key travels where text is needed.
func hexKey(key []byte) string { return fmt.Sprintf("%x", key) }

// jsonSettings are a group's settings as Child.Decode reads them. make is called
// at every start of the group.
func jsonSettings(make func() any) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(make()) }
}

// runningAddress is where a group of the running product listens, as its
// supervisor wrote it down; "" when it does not run.
func (m *machine) runningAddress(group, socket string) string {
	status, err := role.ReadStatus(m.path("run", "status.json"))
	if err != nil {
		return ""
	}
	g, _ := status.Group(group)
	return g.Sockets[socket]
}
