package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/sekikura/sekikura/tenant"
)

// demoFile is demo.json: where everything of a running demonstration is, and
// the secrets to use it. Addresses are host:port. A role that is not built has
// no key.
type demoFile struct {
	Portal    string            `json:"portal"`
	API       string            `json:"api"`
	CA        string            `json:"ca"`
	Admin     demoAdmin         `json:"admin"`
	Tenants   []demoTenant      `json:"tenants"`
	Users     []demoUser        `json:"users"` // one for each further role
	EdgeHTTP  string            `json:"edge_http"`
	EdgeHTTPS string            `json:"edge_https"`
	Origin    string            `json:"origin"`
	Absent    map[string]string `json:"absent"`
}

type demoAdmin struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Token    string `json:"token"`
}

type demoUser struct {
	User     string `json:"user"`
	Password string `json:"password"`
	Role     string `json:"role"`
}

type demoTenant struct {
	ID         tenant.ID `json:"id"`
	Name       string    `json:"name"`
	User       string    `json:"user"`
	Password   string    `json:"password"`
	Token      string    `json:"token"`
	Source     string    `json:"source"`
	SiteHost   string    `json:"site_host"`
	MailDomain string    `json:"mail_domain"`
}

// readDemo reads what a running demonstration has written.
func readDemo(file string) (*demoFile, error) {
	text, err := os.ReadFile(file) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, fmt.Errorf("%w (is the demonstration running? start it with: sekikura demo --data DIR)", err)
	}
	d := new(demoFile)
	if err := json.Unmarshal(text, d); err != nil {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	return d, nil
}

// write puts the file in place at once, readable by its owner only.
func (d *demoFile) write(file string) error {
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(file, append(text, '\n'), 0o600)
}

// writeFile replaces file whole: after a crash the old or the new one is there,
// and once it has returned the new one.
func writeFile(file string, text []byte, mode os.FileMode) error {
	next, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) //nolint:errcheck // gone after the rename
	_, err = next.Write(text)
	if err == nil {
		err = errors.Join(next.Chmod(mode), next.Sync())
	}
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), file); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(file))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // the name is as durable as the bytes
}

// demoTokens is what the control role leaves for demo.json: the API token of each
// login, made at the start that Nonce names.
type demoTokens struct {
	Nonce  string            `json:"nonce"`
	Tokens map[string]string `json:"tokens"`
}

func readDemoTokens(file string) (*demoTokens, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	t := new(demoTokens)
	return t, json.Unmarshal(text, t)
}
