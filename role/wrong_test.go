package role

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestContradictingGroupsAreRefusedByName(t *testing.T) {
	ok := Socket{Name: "http", Network: "tcp", Address: "127.0.0.1:0"}
	for _, tt := range []struct {
		name   string
		groups []Group
		want   string // in the error; "" for none
	}{
		{"fine", []Group{{Name: "a", Sockets: []Socket{ok}}, {Name: "b", After: []string{"a"}}}, ""},
		{"no name", []Group{{}}, `"" is no name`},
		{"path as name", []Group{{Name: "../edge"}}, `"../edge" is no name`},
		{"option as name", []Group{{Name: "-x"}}, `"-x" is no name`},
		{"twice", []Group{{Name: "a"}, {Name: "a"}}, `two role groups "a"`},
		{"unknown after", []Group{{Name: "a", After: []string{"z"}}}, `starts after "z"`},
		{"circle", []Group{{Name: "a", After: []string{"b"}}, {Name: "b", After: []string{"a"}}}, "a after b after a"},
		{"after itself", []Group{{Name: "a", After: []string{"a"}}}, "a after a"},
		{"socket twice", []Group{{Name: "a", Sockets: []Socket{ok, ok}}}, `two sockets "http"`},
		{"no port", []Group{{Name: "a", Sockets: []Socket{{Name: "x", Network: "tcp", Address: "127.0.0.1"}}}}, "missing port"},
		{"network", []Group{{Name: "a", Sockets: []Socket{{Name: "x", Network: "sctp", Address: "a:1"}}}}, `"sctp" is not one of`},
		{"relative path", []Group{{Name: "a", Sockets: []Socket{{Name: "x", Network: "unix", Address: "run/x"}}}}, "not an absolute path"},
		{"long path", []Group{{Name: "a", Sockets: []Socket{{Name: "x", Network: "unix", Address: "/" + strings.Repeat("x", 107)}}}}, "longer than 107 bytes"},
	} {
		err := check(tt.groups)
		if got := err == nil; got != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
		}
		s := &Supervisor{Groups: tt.groups, Dir: t.TempDir(), Log: slog.New(slog.DiscardHandler)}
		if err := s.Run(canceled(t)); (err == nil) != (tt.want == "") {
			t.Errorf("%s: Run: %v", tt.name, err)
		}
	}
}

func canceled(t *testing.T) context.Context {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	return ctx
}

func TestASocketInUseIsNamedAndTheGroupStartsOnceItIsFree(t *testing.T) {
	for _, network := range []string{"tcp", "unix"} {
		t.Run(network, func(t *testing.T) {
			address := "127.0.0.1:0"
			if network == "unix" {
				address = filepath.Join(t.TempDir(), "s")
			}
			other, err := new(net.ListenConfig).Listen(t.Context(), network, address)
			if err != nil {
				t.Fatal(err)
			}
			address = other.Addr().String()
			group := Group{Name: "edge", Sockets: []Socket{{Name: "tcp", Network: network, Address: address}}, Settings: told(orders{})}
			s := startWith(t, func(s *Supervisor) {
				err := s.Open(t.Context())
				if err == nil || !strings.Contains(err.Error(), address) || !strings.Contains(err.Error(), "in use") || !strings.Contains(err.Error(), "group edge") {
					t.Errorf("Open: %v; want an error with the address, the reason and the group", err)
				}
			}, group, Group{Name: "other", Settings: told(orders{})})
			s.ready(t, "other")
			s.until(t, "the address is in the status", func(st Status) bool {
				return strings.Contains(st.Groups[0].LastExit, address) && st.Groups[0].Restarts > 0
			})
			if err := other.Close(); err != nil {
				t.Fatal(err)
			}
			s.ready(t, "edge")
		})
	}
}

func TestAStaleUnixSocketIsReplacedAndAnotherFileIsNot(t *testing.T) {
	dir := t.TempDir()
	stale, file := filepath.Join(dir, "stale"), filepath.Join(dir, "file")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	h, err := Socket{Name: "a", Network: "unix", Address: stale, Mode: 0o600}.hold(t.Context(), 0)
	if err != nil {
		t.Fatalf("a stale socket: %v", err)
	}
	if info, err := os.Stat(stale); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket's file stays after the end: %v", err)
	}
	if _, err := (Socket{Name: "a", Network: "unix", Address: file}).hold(t.Context(), 0); err == nil || !strings.Contains(err.Error(), "in the way") {
		t.Errorf("a plain file: %v; want that it is in the way", err)
	}
	if text, err := os.ReadFile(file); err != nil || string(text) != "precious" {
		t.Errorf("the file was touched: %q, %v", text, err)
	}
}

func TestASecondSupervisorOnTheSameFolderIsRefused(t *testing.T) {
	s := start(t, Group{Name: "edge", Settings: told(orders{})})
	s.ready(t)
	second := &Supervisor{Groups: s.Groups, Dir: s.Dir, Output: s.out, Log: s.Log}
	if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), s.Dir) {
		t.Errorf("got %v, want a refusal that names %s", err, s.Dir)
	}
	s.stop()
	if err := second.Run(canceled(t)); err != nil {
		t.Errorf("after the first has gone: %v", err)
	}
}

func TestAMissingBinaryIsSaidAndTriedAgain(t *testing.T) {
	s := startWith(t, func(s *Supervisor) { s.Binary = "/nonexistent/sekikura" }, Group{Name: "edge", Settings: told(orders{})})
	now := s.until(t, "it was tried twice", func(st Status) bool { return st.Groups[0].Restarts > 0 })
	if got := now.Groups[0].LastExit; !strings.Contains(got, "/nonexistent/sekikura") || !strings.Contains(got, "role group edge") {
		t.Errorf("last exit %q; want the binary and the group", got)
	}
}

func TestSettingsThatCannotBeMadeStopOnlyTheirGroup(t *testing.T) {
	s := start(t,
		Group{Name: "edge", Settings: func() ([]byte, error) { return nil, errors.New("the key file is gone") }},
		Group{Name: "logs", Settings: told(orders{})})
	s.ready(t, "logs")
	now := s.until(t, "edge has failed", func(st Status) bool { return st.Groups[0].LastExit != "" })
	if got := now.Groups[0].LastExit; !strings.Contains(got, "the key file is gone") {
		t.Errorf("last exit %q", got)
	}
}

func TestAnUnusedSocketEndsTheGroup(t *testing.T) {
	s := start(t, Group{Name: "edge", Settings: told(orders{}), Sockets: []Socket{{Name: "forgotten", Network: "tcp", Address: "127.0.0.1:0"}}})
	s.until(t, "it ended", func(st Status) bool { return st.Groups[0].LastExit != "" })
	if !strings.Contains(s.out.String(), "leaves its sockets unused: forgotten") {
		t.Errorf("nothing names the socket:\n%s", last(s.out.String()))
	}
}

func TestARoleGroupStartedByHandSaysHowToStartIt(t *testing.T) {
	out, err := exec.CommandContext(t.Context(), "/proc/self/exe", "role", "edge").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "sekikura serve") {
		t.Errorf("got %q, %v", out, err)
	}
}

func TestTheLastRoleToFailIsNamed(t *testing.T) {
	waits := func(ctx context.Context) error { <-ctx.Done(); return nil }
	for _, tt := range []struct {
		name string
		run  func(context.Context) error
		want string
	}{
		{"error", func(context.Context) error { return errors.New("no disk") }, "role bad: no disk"},
		{"ends early", func(context.Context) error { return nil }, "role bad: it ended by itself"},
	} {
		c := &Child{Group: "g", beat: time.Millisecond, signs: new(output)}
		err := c.Run(t.Context(), Role{Name: "good", Run: waits}, Role{Name: "bad", Run: tt.run})
		if err == nil || err.Error() != tt.want {
			t.Errorf("%s: got %v, want %s", tt.name, err, tt.want)
		}
	}
}

func TestACutLineAndAPlainLineStayJSON(t *testing.T) {
	out := new(output)
	s := &Supervisor{Output: out}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		w.WriteString("{\"msg\":\"a\"}\n" + strings.Repeat("x", 3*maxLine) + "\nplain \"quoted\"\nno newline at the end")
		w.Close()
	}()
	s.pass("edge", r)
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 4 {
		t.Fatalf("got %d lines, want 4", len(lines))
	}
	for i, want := range []string{`{"group":"edge","msg":"a"}`, "", `{"group":"edge","level":"INFO","msg":"plain \"quoted\""}`, `{"group":"edge","level":"INFO","msg":"no newline at the end"}`} {
		if want != "" && lines[i] != want {
			t.Errorf("line %d: %s, want %s", i, lines[i], want)
		}
	}
	if got := len(lines[1]); got < maxLine || got > maxLine+100 {
		t.Errorf("a line of three times the limit passes as %d bytes", got)
	}
}

func TestAHalfWrittenStatusIsAnErrorThatNamesTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "status.json")
	if err := os.WriteFile(file, []byte(`{"pid":`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadStatus(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
}
