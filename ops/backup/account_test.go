package backup

import (
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/objects"
)

// pullVariable makes this test binary the second account: it holds the folder of
// the backups, a folder of its own, and the public signing key.
const pullVariable = "SEKIKURA_TEST_PULL"

// pullOnce is all that the second account does. It has no identity and no key.
func pullOnce(arguments string) error {
	words := strings.Fields(arguments)
	public, err := base64.StdEncoding.DecodeString(words[2])
	if err != nil {
		return err
	}
	from, err := objects.ReadFolder(words[0])
	if err != nil {
		return err
	}
	to, err := objects.OpenFolder(filepath.Join(words[1], "copies"))
	if err != nil {
		return err
	}
	done, err := (&Pull{
		From: from, To: to, Verify: ed25519.PublicKey(public), Installation: "990001", Retain: 30 * 24 * time.Hour,
		State: filepath.Join(words[1], "state"), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}).Run(context.Background())
	if err != nil {
		return err
	}
	// It may read the backups, and nothing else.
	if err := from.Delete(context.Background(), manifestName(1)); !errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("the puller deleting at the source: %w, want a refusal", err)
	}
	fmt.Println(done.Backups, done.Parts, len(done.Problems))
	return nil
}

func TestASecondAccountPullsAndTheFirstCannotDelete(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("being two accounts needs root")
	}
	const product, second, stranger, group = 63998, 63999, 63996, 63997
	dir, err := os.MkdirTemp("", "sekikura-accounts-") //nolint:usetesting // other accounts must reach it
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	source, own := filepath.Join(dir, "backups"), filepath.Join(dir, "puller")
	err = errors.Join(
		os.Chmod(dir, 0o711), //nolint:gosec // to be walked through
		os.Mkdir(source, 0o700), os.Chown(source, product, group),
		os.Mkdir(own, 0o700), os.Chown(own, second, second),
	)
	if err != nil {
		t.Fatal(err)
	}
	shared, err := objects.OpenSharedFolder(source)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = shared.Close() })
	p := newPlantOn(t, shared, source)
	p.run(t)

	run := func(uid uint32, name string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), name, args...) //nolint:gosec // named below
		command.Env = append(os.Environ(), pullVariable+"="+source+" "+own+" "+base64.StdEncoding.EncodeToString(p.public))
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
		if uid != stranger {
			command.SysProcAttr.Credential.Groups = []uint32{group}
		}
		out, err := command.CombinedOutput()
		lines := strings.Split(strings.TrimSpace(string(out)), "\n") // the log engine's package has its say first
		return lines[len(lines)-1], err
	}
	if out, err := run(second, "/proc/self/exe"); err != nil || out != "1 4 0" {
		t.Fatalf("the second account's pull: %s, %v; want 1 backup, 4 parts, no problem", out, err)
	}
	if out, err := run(product, "rm", "-rf", own); err == nil {
		t.Errorf("the product's account removed the copies: %s", out)
	}
	to, err := objects.ReadFolder(filepath.Join(own, "copies"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	if report := restorePulled(t, p, &Pull{To: to}, 1); !report.OK {
		t.Errorf("restoring from the second account's copy: %+v", report.Problems)
	}
	if out, err := run(stranger, "/proc/self/exe"); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("an account outside the group: %s, %v; want permission denied", out, err)
	}
}
