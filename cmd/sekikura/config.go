package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/sekikura/sekikura/tenant"
)

// Config is one machine's settings file, in TOML. It says where things are and
// which addresses they use; what officials decide stands in policies instead.
type Config struct {
	// Data is the folder that holds everything the product keeps.
	Data string `toml:"data"`
	// Operator is the prefecture that this installation starts with.
	Operator OperatorConfig `toml:"operator"`
	Store    StoreConfig    `toml:"store"`
	Bus      BusConfig      `toml:"bus"`
	Logs     LogsConfig     `toml:"logs"`
	Portal   PortalConfig   `toml:"portal"`
	Edge     EdgeConfig     `toml:"edge"`
	Backup   BackupConfig   `toml:"backup"`
	Audit    AuditConfig    `toml:"audit"`
	// FirstAccount is the first of ten account numbers (uid) that role groups run
	// under when the supervisor is root: one for each, none used by anybody else.
	FirstAccount uint32 `toml:"first_account"`
	// AdminPort is the first of ten loopback ports for /healthz, /readyz, /metrics
	// and /debug/pprof, one a group; 0 takes free ones.
	AdminPort int `toml:"admin_port"`

	file string // where it was read; "" for a demonstration
}

// OperatorConfig is the first operator; it is written to the control store when
// that is empty, and never read again.
type OperatorConfig struct {
	ID   tenant.ID `toml:"id"`
	Name string    `toml:"name"`
}

// StoreConfig is where the control store is.
type StoreConfig struct {
	// URL is a PostgreSQL connection string; "" keeps SQLite in the data folder.
	URL string `toml:"url"`
}

// BusConfig is the event bus.
type BusConfig struct {
	Listen   string `toml:"listen"` // host:port, loopback unless in a cluster
	MaxBytes int64  `toml:"max_bytes"`
}

// LogsConfig is the log store.
type LogsConfig struct {
	Listen string `toml:"listen"`
	// URL names an outside VictoriaLogs instead of our own role.
	URL string `toml:"url"`
	// Retention is how long rows are kept.
	Retention Days `toml:"retention_days"`
}

// Days is a whole number of days.
type Days int

// Duration is d as hours.
func (d Days) Duration() time.Duration { return time.Duration(d) * 24 * time.Hour }

// PortalConfig is the portal and API.
type PortalConfig struct {
	Listen      string `toml:"listen"`
	Name        string `toml:"name"` // the host name people type
	Certificate string `toml:"certificate"`
	Key         string `toml:"key"`
}

// EdgeConfig is the public web.
type EdgeConfig struct {
	HTTP  string `toml:"http"`
	HTTPS string `toml:"https"`
	// Certificates is a folder with NAME.crt and NAME.key for each published
	// host name.
	Certificates string `toml:"certificates"`
}

// AuditConfig is about the audit chains.
type AuditConfig struct {
	// Heads is a second folder for the signed heads, best a mount of another
	// machine, so that nobody on this one can rewrite a chain unseen.
	Heads string `toml:"heads"`
}

// BackupConfig is where encrypted copies go.
type BackupConfig struct {
	Folder     string   `toml:"folder"`
	Recipients []string `toml:"recipients"` // age public keys
	// StoreURL reaches a PostgreSQL control store as a role that sees all rows
	// (BYPASSRLS, pg_read_all_data); the product's own role does not.
	StoreURL string `toml:"store_url"`
	// Identity is a file with the age identity that reads the backups. It belongs
	// on another machine; only where it is named here, drills are held on this one.
	Identity string   `toml:"identity"`
	S3       S3Config `toml:"s3"`
}

// S3Config is an object store of somebody else's.
type S3Config struct {
	Endpoint  string `toml:"endpoint"`
	Bucket    string `toml:"bucket"`
	Region    string `toml:"region"`
	KeyFile   string `toml:"key_file"` // two lines: access key, secret key
	LockDays  Days   `toml:"lock_days"`
	Plaintext bool   `toml:"plaintext"` // no TLS; loopback only
}

// defaults are a single machine on loopback.
func defaults() Config {
	return Config{
		Data:         "/var/lib/sekikura",
		FirstAccount: 64000,
		Bus:          BusConfig{Listen: "127.0.0.1:7421", MaxBytes: 20 << 30},
		Logs:         LogsConfig{Listen: "127.0.0.1:7428", Retention: 366},
		Portal:       PortalConfig{Listen: "127.0.0.1:7443", Name: "localhost"},
		Edge:         EdgeConfig{HTTP: "127.0.0.1:7080", HTTPS: "127.0.0.1:7444"},
	}
}

// A mistake is one wrong place in a settings file.
type mistake struct {
	Line int // 0: the file as a whole
	Text string
}

// configError is everything that is wrong with one settings file.
type configError struct {
	File     string
	Mistakes []mistake
}

func (e *configError) Error() string {
	lines := make([]string, len(e.Mistakes))
	for i, m := range e.Mistakes {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.File, m.Line, m.Text)
		if m.Line == 0 {
			lines[i] = fmt.Sprintf("%s: %s", e.File, m.Text)
		}
	}
	return strings.Join(lines, "\n")
}

// loadConfig reads a settings file and returns it whole, or everything that is
// wrong with it, each with its line.
func loadConfig(file string) (*Config, error) {
	conf, text, err := readConfig(file)
	if err != nil {
		return nil, err
	}
	if wrong := append(conf.mistakes(text), conf.absent(text)...); len(wrong) > 0 {
		return nil, &configError{File: file, Mistakes: wrong}
	}
	return conf, nil
}

// lostConfig is loadConfig on a machine that was lost: its certificates are in
// the backup, and the settings returned name none that is not there.
func lostConfig(file string) (*Config, error) {
	conf, text, err := readConfig(file)
	if err != nil {
		return nil, err
	}
	if wrong := conf.mistakes(text); len(wrong) > 0 {
		return nil, &configError{File: file, Mistakes: wrong}
	}
	for _, file := range []*string{&conf.Portal.Certificate, &conf.Portal.Key, &conf.Edge.Certificates, &conf.Audit.Heads, &conf.Backup.Identity} {
		if _, err := os.Stat(*file); errors.Is(err, fs.ErrNotExist) {
			*file = ""
		}
	}
	return conf, nil
}

// readConfig reads a settings file and what it says, which may be wrong.
func readConfig(file string) (*Config, []byte, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, nil, fmt.Errorf("reading the settings: %w", err)
	}
	conf := defaults()
	decoder := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields()
	if err := decoder.Decode(&conf); err != nil {
		return nil, nil, &configError{File: file, Mistakes: decodeMistakes(err)}
	}
	conf.file = file
	if !filepath.IsAbs(conf.Data) {
		// Absolute, for role groups and their sockets are given it.
		if conf.Data, err = filepath.Abs(filepath.Join(filepath.Dir(file), conf.Data)); err != nil {
			return nil, nil, err
		}
	}
	return &conf, text, nil
}

func decodeMistakes(err error) []mistake {
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		wrong := make([]mistake, len(unknown.Errors))
		for i, e := range unknown.Errors {
			line, _ := e.Position()
			wrong[i] = mistake{line, fmt.Sprintf("the key %q is not known here", strings.Join(e.Key(), "."))}
		}
		return wrong
	}
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		text := strings.TrimPrefix(bad.Error(), "toml: ")
		if key := strings.Join(bad.Key(), "."); key != "" {
			text = key + ": " + text
		}
		return []mistake{{line, text}}
	}
	return []mistake{{0, err.Error()}}
}

// mistakes checks what TOML cannot.
func (c *Config) mistakes(text []byte) []mistake {
	var wrong []mistake
	at := func(key, format string, args ...any) {
		wrong = append(wrong, mistake{lineOf(text, key), key + ": " + fmt.Sprintf(format, args...)})
	}
	addresses := map[string]string{}
	for _, a := range []struct{ key, value string }{
		{"bus.listen", c.Bus.Listen},
		{"logs.listen", c.Logs.Listen},
		{"portal.listen", c.Portal.Listen},
		{"edge.http", c.Edge.HTTP},
		{"edge.https", c.Edge.HTTPS},
	} {
		_, port, err := net.SplitHostPort(a.value)
		if err != nil {
			at(a.key, "%q is not host:port", a.value)
			continue
		}
		if other := addresses[a.value]; other != "" && port != "0" {
			at(a.key, "%s is already the address of %s", a.value, other)
		}
		addresses[a.value] = a.key
	}
	if c.Backup.Folder != "" && c.Backup.S3.Endpoint != "" {
		at("backup.folder", "name a folder or an S3 bucket, not both")
	}
	if c.Store.URL != "" && (c.Backup.Folder != "" || c.Backup.S3.Endpoint != "") && c.Backup.StoreURL == "" {
		at("backup.store_url", "a PostgreSQL store is copied by a role of its own that sees all rows; name its URL")
	}
	if (c.Backup.Folder != "" || c.Backup.S3.Endpoint != "") && len(c.Backup.Recipients) == 0 {
		at("backup.recipients", "name who can read the backups: age public keys, made with age-keygen")
	}
	if c.Logs.Retention < 1 {
		at("logs.retention_days", "must be at least 1")
	}
	if _, err := tenant.Parse(string(c.Operator.ID)); err != nil { // TOML does not ask a string's own type
		at("operator.id", "name the prefecture's code, such as 130001: %v", err)
	}
	return wrong
}

// absent are the files that are named and not there.
func (c *Config) absent(text []byte) []mistake {
	var wrong []mistake
	for _, f := range []struct{ key, file string }{
		{"portal.certificate", c.Portal.Certificate},
		{"portal.key", c.Portal.Key},
		{"edge.certificates", c.Edge.Certificates},
		{"backup.s3.key_file", c.Backup.S3.KeyFile},
		{"audit.heads", c.Audit.Heads},
		{"backup.identity", c.Backup.Identity},
	} {
		if f.file == "" {
			if strings.HasPrefix(f.key, "portal.") { // without TLS nobody gets in
				wrong = append(wrong, mistake{lineOf(text, f.key), f.key + ": name a file (PEM); the portal speaks nothing but HTTPS"})
			}
			continue
		}
		if _, err := os.Stat(f.file); err != nil {
			wrong = append(wrong, mistake{lineOf(text, f.key), fmt.Sprintf("%s: %v", f.key, err)})
		}
	}
	return wrong
}

// lineOf finds the line where key (table.name) is set; 0 when it is not.
func lineOf(text []byte, key string) int {
	table, name := "", key
	if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
		table, name = key[:dot], key[dot+1:]
	}
	in := ""
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if inner, ok := strings.CutPrefix(line, "["); ok {
			in = strings.TrimSpace(strings.TrimSuffix(inner, "]"))
			continue
		}
		before, _, ok := strings.Cut(line, "=")
		if ok && in == table && strings.TrimSpace(before) == name {
			return i + 1
		}
	}
	return 0
}
