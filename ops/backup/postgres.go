package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/sekikura/sekikura/store"
)

// PGDump writes a PostgreSQL control store for [Control] with pg_dump, at one
// moment, while work goes on. The URL's role must see all rows: BYPASSRLS with
// SELECT on everything (pg_read_all_data), or superuser. It is a role of its own,
// used for nothing else; the product's own is held by row-level security, and
// pg_dump refuses it.
func PGDump(url string) func(context.Context, io.Writer) error {
	return func(ctx context.Context, w io.Writer) error {
		return pgTool(ctx, url, nil, w, "pg_dump", "--format=custom", "--no-owner", "--no-privileges")
	}
}

// PGLoad takes a dump into an empty PostgreSQL database for [ControlScratch] and
// opens it. The URL's role is the product's, who owns the database.
func PGLoad(url string, schemas []store.Schema) func(context.Context, io.Reader) (*store.DB, error) {
	return func(ctx context.Context, dump io.Reader) (*store.DB, error) {
		err := pgTool(ctx, url, dump, io.Discard, "pg_restore", "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
		if err != nil {
			return nil, err
		}
		return store.Open(ctx, store.Config{URL: url}, schemas...)
	}
}

// pgTool runs one of PostgreSQL's programs. The URL reaches it in a file that
// only this account can read, since a command line is open to all.
func pgTool(ctx context.Context, url string, in io.Reader, out io.Writer, name string, args ...string) (err error) {
	dir, err := os.MkdirTemp("", "sekikura-pg-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	service, err := pgService(url)
	if err != nil {
		return err
	}
	file := filepath.Join(dir, "service.conf")
	if err := os.WriteFile(file, []byte(service), 0o600); err != nil {
		return err
	}
	if name == "pg_restore" {
		args = append(args, "--dbname=service=sekikura")
	}
	tool := exec.CommandContext(ctx, name, args...) //nolint:gosec // our own words
	tool.Env = append(os.Environ(), "PGSERVICEFILE="+file, "PGSERVICE=sekikura")
	var said bytes.Buffer
	tool.Stdin, tool.Stdout, tool.Stderr = in, out, &said
	if err := tool.Run(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// pgService writes a connection URL as libpq's service file.
func pgService(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", errors.New("the PostgreSQL tools need the database as a postgres:// URL")
	}
	entries := map[string]string{"host": u.Hostname(), "port": u.Port(), "dbname": strings.TrimPrefix(u.Path, "/"), "user": u.User.Username()}
	entries["password"], _ = u.User.Password()
	for key, values := range u.Query() {
		entries[key] = values[0]
	}
	var b strings.Builder
	b.WriteString("[sekikura]\n")
	for key, value := range entries {
		if strings.ContainsAny(key+value, "\r\n") {
			return "", errors.New("the database's URL holds a line break")
		}
		if value != "" {
			fmt.Fprintf(&b, "%s=%s\n", key, value)
		}
	}
	return b.String(), nil
}
