// Package postgrestest runs a PostgreSQL of its own for a test: in a temporary
// folder, on a unix socket only, stopped when the test ends. As root it runs as
// user postgres, since PostgreSQL refuses root; otherwise as the test's user.
package postgrestest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Server is one running PostgreSQL.
type Server struct {
	bin, dir  string
	owner     *syscall.Credential // whom it runs as; nil for the test's user
	run       *exec.Cmd
	databases atomic.Int64
}

// Role is the role that databases of New belong to: neither superuser nor
// BYPASSRLS.
const Role = "sekikura"

// super is the role that initdb makes.
const super = "postgres"

// Start runs a PostgreSQL until tb ends. Where none is installed the test is
// skipped; with CI=true it fails.
func Start(tb testing.TB) *Server {
	tb.Helper()
	bin := find()
	if bin == "" {
		const absent = "PostgreSQL is not installed (Debian package postgresql)"
		if os.Getenv("CI") == "true" {
			tb.Fatal(absent)
		}
		tb.Skip(absent)
	}
	s := &Server{bin: bin}
	var err error
	// Not tb.TempDir: its parents are closed to user postgres, and its path may
	// be too long for a socket (sun_path, 108 bytes).
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := os.RemoveAll(s.dir); err != nil {
			tb.Error(err)
		}
	})
	if os.Geteuid() == 0 {
		if s.owner, err = credential(); err != nil {
			tb.Skipf("running PostgreSQL as root needs a user postgres: %v", err)
		}
		if err := os.Chown(s.dir, int(s.owner.Uid), int(s.owner.Gid)); err != nil {
			tb.Fatal(err)
		}
	}
	// fsync is off: the folder does not outlive the test.
	init := s.command("initdb", "-D", filepath.Join(s.dir, "data"), "-U", super, "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync")
	if out, err := init.CombinedOutput(); err != nil {
		tb.Fatalf("initdb: %v\n%s", err, out)
	}
	s.Resume(tb)
	tb.Cleanup(func() { s.Stop(tb) })
	s.exec(tb, "postgres", "CREATE ROLE "+Role+" LOGIN NOSUPERUSER NOBYPASSRLS")
	return s
}

// find returns the folder of the newest PostgreSQL's programs, or "".
func find() string {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
	if err != nil {
		return ""
	}
	best, bin := -1, ""
	for _, f := range found {
		version, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(f))))
		if err == nil && version > best {
			best, bin = version, filepath.Dir(f)
		}
	}
	if bin == "" {
		if f, err := exec.LookPath("initdb"); err == nil {
			bin = filepath.Dir(f)
		}
	}
	return bin
}

func credential() (*syscall.Credential, error) {
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
}

func (s *Server) command(program string, args ...string) *exec.Cmd {
	c := exec.CommandContext(context.Background(), filepath.Join(s.bin, program), args...) //nolint:gosec // the folder was searched above
	c.Dir = s.dir
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	// Should the test be killed, the server goes with it: SIGINT is a fast shutdown.
	c.SysProcAttr = &syscall.SysProcAttr{Credential: s.owner, Pdeathsig: syscall.SIGINT}
	return c
}

// Resume starts the server again after Stop, with its data. It returns when the
// server answers.
func (s *Server) Resume(tb testing.TB) {
	tb.Helper()
	var log bytes.Buffer
	s.run = s.command("postgres", "-D", filepath.Join(s.dir, "data"), "-k", s.dir, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60")
	s.run.Stdout, s.run.Stderr = &log, &log
	if err := s.run.Start(); err != nil {
		tb.Fatal(err)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, s.url(super, "postgres"))
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			s.Stop(tb)
			tb.Fatalf("PostgreSQL does not answer: %v\n%s", err, log.String())
		}
		time.Sleep(20 * time.Millisecond) // a starting server tells nobody when it is ready
	}
}

// Stop stops the server at once; its connections break. It may be called twice.
func (s *Server) Stop(tb testing.TB) {
	tb.Helper()
	if s.run == nil {
		return
	}
	if err := s.run.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		tb.Errorf("stopping PostgreSQL: %v", err)
	}
	var exit *exec.ExitError
	if err := s.run.Wait(); err != nil && !errors.As(err, &exit) {
		tb.Errorf("stopping PostgreSQL: %v", err)
	}
	s.run = nil
}

// New makes an empty database that Role owns and returns its URL.
func (s *Server) New(tb testing.TB) string {
	tb.Helper()
	name := fmt.Sprintf("test%d", s.databases.Add(1))
	s.exec(tb, "postgres", "CREATE DATABASE "+name+" OWNER "+Role)
	return s.url(Role, name)
}

// SuperURL is URL with the superuser's role, for tests that look behind the walls.
func (s *Server) SuperURL(u string) string { return strings.Replace(u, Role+"@", super+"@", 1) }

func (s *Server) url(role, database string) string {
	return (&url.URL{
		Scheme: "postgres", User: url.User(role), Path: "/" + database,
		RawQuery: url.Values{"host": {s.dir}, "sslmode": {"disable"}}.Encode(),
	}).String()
}

func (s *Server) exec(tb testing.TB, database, statement string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.url(super, database))
	if err != nil {
		tb.Fatal(err)
	}
	if _, err := conn.Exec(ctx, statement); err != nil {
		tb.Errorf("%s: %v", statement, err)
	}
	if err := conn.Close(ctx); err != nil {
		tb.Error(err)
	}
}
