package broken

import (
	"errors"
	"io/fs"
	"net/http"
	"os"
	"os/user"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sekikura/sekikura/test/harness"
)

// nobody is an ordinary user for what root starts; nil when the test's is one.
func nobody(t *testing.T) *syscall.Credential {
	t.Helper()
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skipf("an ordinary user is needed: %v", err)
	}
	id, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uint32(id), Gid: uint32(gid)}
}

func TestAnInstallationWorksFromItsSettingsFileAsRoot(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	installs(t, nil)
}

func TestAnInstallationWorksFromItsSettingsFileAsAnOrdinaryUser(t *testing.T) {
	t.Parallel()
	installs(t, nobody(t))
}

func installs(t *testing.T, as *syscall.Credential) {
	i := harness.Install(t, harness.Plan{Dir: harness.Folder(t), As: as})
	if out, err := i.Run("check", "--config", i.File); err != nil {
		t.Fatalf("check: %v\n%s", err, out)
	}
	i.Start()
	firstLogin(t, i)
	origin, reachable := harness.Origin(t)
	i.Protect(origin)
	if reachable {
		if status, body, err := i.Visit(harness.Host, "/"); err != nil || status != http.StatusOK || body != "hello" {
			t.Errorf("the protected site answers %d %q, %v, want what its origin says", status, body, err)
		}
	}
	seen(t, i)
	reset(t, i)
}

// firstLogin reads the first password as the installing person does.
func firstLogin(t *testing.T, i *harness.Installation) {
	t.Helper()
	file := i.FirstLoginFile()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatalf("after the first start no password waits to be read: %v", err)
	}
	if info.Mode() != 0o600 {
		t.Errorf("%s has mode %v, want 0600", file, info.Mode())
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	portal := strings.TrimSuffix(i.API, "api/v1")
	if !strings.Contains(string(text), portal) {
		t.Errorf("the file does not name the portal %s:\n%s", portal, text)
	}
	if said := i.Out.String(); !strings.Contains(said, file) {
		t.Errorf("the log does not say that %s is there", file)
	}
	i.FirstLogin()
	for _, secret := range regexp.MustCompile(`(?m)^password: +(\S+)$`).FindStringSubmatch(string(text))[1:] {
		if strings.Contains(i.Out.String(), secret) {
			t.Error("the log shows the first password")
		}
	}
	i.Await("the file with the first password is removed once it was changed", func() bool {
		_, err := os.Stat(file)
		return errors.Is(err, fs.ErrNotExist)
	})
}

// seen proves that a stopped attack is found under the number that the visitor saw.
func seen(t *testing.T, i *harness.Installation) {
	t.Helper()
	_, body, err := i.Visit(harness.Host, harness.Injection)
	if err != nil {
		t.Fatal(err)
	}
	ref := harness.Number.FindString(body)
	if ref == "" {
		t.Fatalf("the page of a stopped attack has no number:\n%s", body)
	}
	i.Await("the attack "+ref+" is found", func() bool { return i.Stored(i.Token)[ref] == 1 })
}

// reset locks the operator out and lets them in again, without the portal's help.
func reset(t *testing.T, i *harness.Installation) {
	t.Helper()
	out, err := i.Run("account", "reset", "--config", i.File, "admin")
	if err != nil {
		t.Fatalf("account reset: %v\n%s", err, out)
	}
	found := regexp.MustCompile(`(?m)^password: +(\S+)$`).FindStringSubmatch(out)
	if found == nil {
		t.Fatalf("account reset prints no password:\n%s", out)
	}
	status, _, err := i.Call(http.MethodPost, "", "/session", map[string]string{"login": "admin", "password": i.Password})
	if err != nil || status != http.StatusUnauthorized {
		t.Errorf("the old password is answered %d, %v, want 401", status, err)
	}
	if status, err := i.Ask(i.Token, "/tenants", nil); err != nil || status != http.StatusUnauthorized {
		t.Errorf("a token from before the reset is answered %d, %v, want 401", status, err)
	}
	i.Token, i.Password = i.Login("admin", found[1])
	status, text, err := i.Call(http.MethodGet, i.Token, "/audit?action=user.reset", nil)
	if err != nil || status != http.StatusOK || !strings.Contains(string(text), "system:account-reset") {
		t.Errorf("the audit log says of the reset: %d, %v\n%s", status, err, text)
	}
	out, err = i.Run("account", "reset", "--config", i.File, "somebody-else")
	var exit interface{ ExitCode() int }
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !strings.Contains(out, "somebody-else") {
		t.Errorf("resetting an account that is not there: %v\n%s", err, out)
	}
}
