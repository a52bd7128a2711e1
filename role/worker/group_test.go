package worker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/content/job"
	"github.com/sekikura/sekikura/role"
)

// playGroup is a role group whose pool answers on its socket: a line in is a
// self test, and the line out says the jail and what came of it.
func playGroup() error {
	child, err := role.Enter()
	if err != nil {
		return err
	}
	var file string
	if err := child.Decode(&file); err != nil {
		return err
	}
	l, err := child.Listener("ask")
	if err != nil {
		return err
	}
	p := &Pool{Binary: file, Log: slog.New(slog.NewJSONHandler(os.Stderr, nil)), Warm: 2}
	serve := func(ctx context.Context) error {
		defer context.AfterFunc(ctx, func() { l.Close() })()
		for {
			conn, err := l.Accept()
			switch {
			case ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			}
			content, err := Memory(strings.NewReader("%PDF-1.4"), 100)
			if err != nil {
				return err
			}
			report, err := p.Do(ctx, job.Request{Engine: "filetype"}, content, nil)
			jail, absent := p.Jail()
			json.NewEncoder(conn).Encode([]any{jail, string(report), errors.Join(err, content.Close()) == nil, absent})
			conn.Close()
		}
	}
	return child.Run(context.Background(), role.Role{Name: "pool", Run: p.Run, Ready: p.Ready}, role.Role{Name: "ask", Run: serve})
}

func TestAPoolWorksInARoleGroupWithAnAccountOfItsOwn(t *testing.T) {
	needJail(t, "bubblewrap")
	const nobody = 65534
	group := role.Group{
		Name: "workers", Sandbox: role.Sandbox{Jails: true},
		Sockets:  []role.Socket{{Name: "ask", Network: "tcp", Address: "127.0.0.1:0"}},
		Settings: func() ([]byte, error) { return json.Marshal(binary(t)) },
	}
	if os.Geteuid() == 0 {
		group.UID, group.GID = nobody, nobody
	}
	var out strings.Builder
	s := &role.Supervisor{
		Groups: []role.Group{group}, Dir: t.TempDir(), Output: &out, Log: slog.New(slog.DiscardHandler),
		Beat: 20 * time.Millisecond,
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	wait, enough := context.WithTimeout(ctx, 20*time.Second)
	defer enough()
	err := s.WaitReady(wait)
	var answer []byte
	if err == nil {
		var conn net.Conn
		if conn, err = new(net.Dialer).DialContext(ctx, "tcp", s.Addr("workers", "ask")); err == nil {
			answer, err = io.ReadAll(conn)
			conn.Close()
		}
	}
	cancel()
	if stopped := <-ended; err != nil || stopped != nil {
		t.Fatalf("%v, %v\n%s", err, stopped, out.String())
	}
	if !strings.Contains(string(answer), `["bubblewrap",`) || !strings.Contains(string(answer), `\"pdf\"`) {
		t.Errorf("the group answers %s\n%s", answer, out.String())
	}
}
