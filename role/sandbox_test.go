package role

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// nobody is an account without rights that every system has.
const nobody = 65534

func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("needs root to change accounts and capabilities")
	}
}

// line returns the value of one line of /proc/self/status.
func line(status, name string) string {
	for l := range strings.Lines(status) {
		if value, found := strings.CutPrefix(l, name+":"); found {
			return strings.Join(strings.Fields(value), " ")
		}
	}
	return ""
}

func TestTheAccountChangesAndOnlyDeclaredCapabilitiesStay(t *testing.T) {
	needRoot(t)
	admin := strconv.FormatUint(1<<unix.CAP_NET_ADMIN, 16)
	for _, tt := range []struct {
		name     string
		uid      uint32
		caps     []Cap
		wantID   string
		wantCaps string
	}{
		{"plain", nobody, nil, "65534 65534 65534 65534", "0"},
		{"netfilter", nobody, []Cap{CapNetAdmin}, "65534 65534 65534 65534", admin},
		{"root", 0, []Cap{CapNetAdmin}, "0 0 0 0", admin},
		{"root-bare", 0, nil, "0 0 0 0", "0"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := start(t, Group{Name: tt.name, UID: tt.uid, GID: tt.uid, Caps: tt.caps, Sockets: onTCP, Settings: told(orders{})})
			s.ready(t)
			got, err := ask(t, s.Addr(tt.name, "tcp"), "hello")
			if err != nil {
				t.Fatal(err)
			}
			if id := line(got.Status, "Uid"); id != tt.wantID {
				t.Errorf("uid %s, want %s", id, tt.wantID)
			}
			if groups := line(got.Status, "Groups"); groups != "" {
				t.Errorf("supplementary groups %q stay", groups)
			}
			for _, set := range []string{"CapPrm", "CapEff", "CapBnd"} {
				if have := strings.TrimLeft(line(got.Status, set), "0"); have != strings.TrimLeft(tt.wantCaps, "0") {
					t.Errorf("%s is %s, want %s", set, have, tt.wantCaps)
				}
			}
			if got := line(got.Status, "NoNewPrivs"); got != "1" {
				t.Errorf("NoNewPrivs is %s", got)
			}
			if absent := s.Status().Absent(); len(absent) > 0 {
				t.Errorf("as root something is absent: %v", absent)
			}
		})
	}
}

func TestLandlockDeniesWhatIsNotDeclared(t *testing.T) {
	dir := t.TempDir()
	open := func(name string) string {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte("x"), 0o666); err != nil {
			t.Fatal(err)
		}
		return file
	}
	declared, other, single := open("declared/file"), open("other/file"), open("single/file")
	shared := open("shared/file")
	own := filepath.Join(dir, "own", "new")
	s := start(t, Group{
		Name: "edge", Sockets: onTCP,
		Sandbox: Sandbox{
			Read:  []string{filepath.Dir(declared), single, filepath.Join(dir, "absent")},
			Write: []string{filepath.Dir(own)}, Share: []string{shared},
		},
		Settings: told(orders{
			Read:  []string{declared, other, single, shared, "/etc/passwd"},
			Write: []string{own, declared, other, shared, filepath.Join(dir, "beside"), "/dev/null"},
		}),
	})
	s.ready(t)
	if why, absent := s.Status().Absent()["landlock"]; absent {
		t.Skip("no Landlock here: " + why)
	}
	got, err := ask(t, s.Addr("edge", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	for what, want := range map[string]string{
		"read " + declared: "ok", "read " + single: "ok", "read " + other: "denied", "read " + shared: "ok",
		"read /etc/passwd": "ok",
		"write " + own:     "ok", "write " + declared: "denied", "write " + other: "denied", "write " + shared: "ok",
		"write " + filepath.Join(dir, "beside"): "denied", "write /dev/null": "ok",
	} {
		if got.Tried[what] != want {
			t.Errorf("%s: %s, want %s", what, got.Tried[what], want)
		}
	}
	if got.Mount != "denied" {
		t.Errorf("a new mount namespace: %s, want denied", got.Mount)
	}
	if got.Spawn != "denied" {
		t.Errorf("a process in a new user namespace: %s, want denied", got.Spawn)
	}
	if got.Plain != "ok" {
		t.Errorf("a plain process of the own binary: %s, want ok", got.Plain)
	}
	if !strings.Contains(strings.Join(s.Status().Groups[0].Sandbox, " "), "landlock") {
		t.Errorf("the status does not name Landlock: %v", s.Status().Groups[0].Sandbox)
	}
}

func TestAGroupThatMakesJailsGoesWithoutLandlockAndSaysSo(t *testing.T) {
	s := start(t, Group{Name: "workers", Sockets: onTCP, Sandbox: Sandbox{Jails: true}, Settings: told(orders{})})
	s.ready(t)
	if got := strings.Join(s.Status().Groups[0].Sandbox, ", "); !strings.Contains(got, "jails instead of landlock") {
		t.Errorf("the status says %q", got)
	}
	got, err := ask(t, s.Addr("workers", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got.Spawn == "denied" && os.Geteuid() == 0 {
		t.Errorf("a process in a new user namespace: %s, but jails need it", got.Spawn)
	}
}

func TestAFolderOfAnEarlierAccountIsHandedOver(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	own, other := filepath.Join(dir, "own"), filepath.Join(dir, "other")
	if err := os.MkdirAll(filepath.Join(own, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{filepath.Join(own, "deep", "file"), other} {
		if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(other, filepath.Join(own, "link")); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(own, "deep", "file")
	s := start(t, Group{
		Name: "edge", UID: nobody, GID: nobody, Sockets: onTCP, Sandbox: Sandbox{Write: []string{own}},
		Settings: told(orders{Read: []string{file}, Write: []string{file, other}}),
	})
	s.ready(t)
	got, err := ask(t, s.Addr("edge", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got.Tried["read "+file] != "ok" || got.Tried["write "+file] != "ok" || got.Tried["write "+other] != "denied" {
		t.Errorf("got %v; want its own files, and not the one that a link names", got.Tried)
	}
	var now unix.Stat_t
	if err := unix.Stat(other, &now); err != nil || now.Uid != 0 {
		t.Errorf("the file behind a link belongs to %d now, %v", now.Uid, err)
	}
}

func TestAFolderThatTheOperatorNamedIsOnlyTakenWhenItIsEmpty(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	if err := os.Chmod(filepath.Dir(dir), 0o755); err != nil {
		t.Fatal(err)
	}
	absent, empty, foreign := filepath.Join(dir, "new", "absent"), filepath.Join(dir, "empty"), filepath.Join(dir, "foreign")
	theirs := filepath.Join(foreign, "accounts.db")
	for _, folder := range []string{filepath.Join(empty, "lost+found"), foreign} {
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(theirs, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := start(t, Group{
		Name: "control", UID: nobody, GID: nobody, Sockets: onTCP, Sandbox: Sandbox{Given: []string{absent, empty, foreign}},
		Settings: told(orders{Read: []string{theirs}, Write: []string{filepath.Join(absent, "a"), filepath.Join(empty, "a"), filepath.Join(foreign, "a")}}),
	})
	s.ready(t) // whatever is wrong with a folder
	got, err := ask(t, s.Addr("control", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	for try, want := range map[string]string{
		"write " + filepath.Join(absent, "a"): "ok", "write " + filepath.Join(empty, "a"): "ok", "write " + filepath.Join(foreign, "a"): "denied", "read " + theirs: "denied",
	} {
		if got.Tried[try] != want {
			t.Errorf("%s: %q, want %q", try, got.Tried[try], want)
		}
	}
	for file, want := range map[string]uint32{absent: nobody, empty: nobody, foreign: 0, theirs: 0} {
		var now unix.Stat_t
		if err := unix.Stat(file, &now); err != nil || now.Uid != want {
			t.Errorf("%s belongs to account %d (%v), want %d", file, now.Uid, err, want)
		}
	}
}

func TestSettingsCanNameAnotherGroupsPort(t *testing.T) {
	var s *Supervisor
	seen := make(chan string, 10)
	run := startWith(t, func(made *Supervisor) { s = made },
		Group{Name: "edge", Settings: func() ([]byte, error) {
			seen <- s.Addr("logs", "tcp")
			return told(orders{})()
		}},
		Group{Name: "logs", Sockets: onTCP, Settings: told(orders{})})
	run.ready(t)
	if got := <-seen; got == "" || strings.HasSuffix(got, ":0") {
		t.Errorf("at the first start the address of logs is %q", got)
	}
}

func TestSettingsAreInNeitherArgumentsNorEnvironment(t *testing.T) {
	s := start(t, Group{Name: "edge", Sockets: onTCP, Settings: told(orders{Read: []string{"/password-4711"}})})
	s.ready(t)
	got, err := ask(t, s.Addr("edge", "tcp"), "hello")
	if err != nil {
		t.Fatal(err)
	}
	if got.Tried["read /password-4711"] == "" {
		t.Fatal("the settings did not arrive")
	}
	args, err := os.ReadFile("/proc/" + strconv.Itoa(got.PID) + "/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(got.Environ, "4711") || strings.Contains(string(args), "4711") {
		t.Errorf("the settings can be read by others: %q %q", args, got.Environ)
	}
}

// bits32 is a program of 32 bits for x86 that ends with status 42 by int 0x80.
var bits32 = []byte("\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x02\x00\x03\x00\x01\x00\x00\x00\x54\x80\x04\x08\x34\x00\x00\x00" + // entry 0x8048054
	"\x00\x00\x00\x00\x00\x00\x00\x00\x34\x00\x20\x00\x01\x00\x00\x00\x00\x00\x00\x00" +
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x80\x04\x08\x00\x80\x04\x08" +
	"\x60\x00\x00\x00\x60\x00\x00\x00\x05\x00\x00\x00\x00\x10\x00\x00" +
	"\xb8\x01\x00\x00\x00\xbb\x2a\x00\x00\x00\xcd\x80")

func TestCallsByForeignNumbersEndTheProcess(t *testing.T) {
	file := filepath.Join(t.TempDir(), "bits32")
	if err := os.WriteFile(file, bits32, 0o755); err != nil {
		t.Fatal(err)
	}
	if got := exits(file); got != "exit status 42" {
		t.Skipf("this machine runs no programs of 32 bits for x86: %s", got)
	}
	for _, tt := range []struct {
		allowed bool
		want    string
	}{{false, "signal: bad system call"}, {true, "exit status 42"}} {
		s := start(t, Group{
			Name: "edge", Sockets: onTCP, Sandbox: Sandbox{Exec: []string{file}, Bits32: tt.allowed},
			Settings: told(orders{Exec: file}),
		})
		s.ready(t)
		got, err := ask(t, s.Addr("edge", "tcp"), "hello")
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(got.Exec, tt.want) {
			t.Errorf("allowed %v: a program of 32 bits ends with %q, want %q", tt.allowed, got.Exec, tt.want)
		}
		s.stop()
	}
}

func TestEveryDeniedCallIsKnownToTheFilter(t *testing.T) {
	for _, s := range []Sandbox{{}, {Jails: true}, {Calls: []string{"bpf"}}} {
		policy := s.policy()
		if _, err := policy.Assemble(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	for _, machine := range []*arch.Info{arch.X86_64, arch.AARCH64} {
		for _, name := range (Sandbox{}).calls() {
			if _, known := machine.SyscallNames[name]; !known {
				t.Errorf("%s has no call %s: a group would not start there", machine.Name, name)
			}
		}
	}
	if got := (Sandbox{Calls: []string{"bpf"}}).calls(); strings.Contains(strings.Join(got, " "), "bpf") {
		t.Error("an allowed call is denied")
	}
}

func TestWithoutRootItRunsAndNamesWhatIsAbsent(t *testing.T) {
	dir := t.TempDir()
	plan := scheme{
		Dir: filepath.Join(dir, "run"),
		Groups: []planned{{
			Name: "edge", UID: 61191, GID: 61191, Caps: []Cap{CapNetAdmin},
			Sockets: []Socket{onTCP[0], {Name: "low", Network: "tcp", Address: "127.0.0.1:81", Optional: true}},
		}},
	}
	run := supervise(t, dir, plan, nobody)
	status := run.until(t, func(st Status) bool { return len(st.Groups) == 1 && st.Groups[0].State == Ready })
	got, err := ask(t, status.Groups[0].Sockets["tcp"], "hello")
	if err != nil {
		t.Fatal(err)
	}
	if line(got.Status, "NoNewPrivs") != "1" || line(got.Status, "CapEff") != "0000000000000000" {
		t.Errorf("the child is not confined:\n%s", got.Status)
	}
	absent := status.Absent()
	for _, what := range []string{"accounts", "capabilities"} {
		if !strings.Contains(absent[what], "root") {
			t.Errorf("%s: %q, want that it needs root", what, absent[what])
		}
	}
	if lowPortsArePrivileged() && absent["low_ports"] != "needs root" {
		t.Errorf("low_ports: %q, want that it needs root", absent["low_ports"])
	}
	text, err := json.Marshal(absent)
	t.Logf("absent: %s %v", text, err)
}

// lowPortsArePrivileged tells whether port 81 needs root on this machine.
func lowPortsArePrivileged() bool {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_unprivileged_port_start")
	first, wrong := strconv.Atoi(strings.TrimSpace(string(text)))
	return err != nil || wrong != nil || first > 81
}
