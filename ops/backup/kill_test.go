package backup

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/store/objects"
)

// killVariable makes this test binary a process that backs up until it is killed.
const killVariable = "SEKIKURA_TEST_BACKUP"

// killedBackup is the backup of that process and of the test that kills it.
func killedBackup(dir string) (*Backup, *age.X25519Identity, error) {
	text, err := os.ReadFile(filepath.Join(dir, "identity")) //nolint:gosec // the test's own folder
	if err != nil {
		return nil, nil, err
	}
	identity, err := age.ParseX25519Identity(string(text))
	if err != nil {
		return nil, nil, err
	}
	bucket, err := objects.OpenFolder(filepath.Join(dir, "backups"))
	if err != nil {
		return nil, nil, err
	}
	return &Backup{
		Installation: "990001", Destination: bucket, Recipients: []age.Recipient{identity.Recipient()},
		Key: ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), State: filepath.Join(dir, "state"),
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}, identity, nil
}

func backUpForEver(dir string) error {
	b, _, err := killedBackup(dir)
	if err != nil {
		return err
	}
	for n := 0; ; n++ {
		content := make(map[Slice]string)
		for i := range 20 { // half of them new each time
			version := fmt.Sprint(os.Getpid(), "-", n)
			if i%2 == 0 {
				version = "1"
			}
			content[Slice{Tenant: village, Name: fmt.Sprint(i), Version: version}] = strings.Repeat(version+"\n", 5000)
		}
		b.Sources = []Source{newShelf(content)}
		m, err := b.Run(context.Background())
		if err != nil {
			return err
		}
		fmt.Println(m.Sequence)
	}
}

func TestAKilledBackupIsWholeOrNone(t *testing.T) {
	dir := t.TempDir()
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "identity"), []byte(identity.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	acknowledged := int64(0)
	for round := range 4 {
		child := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
		child.Env = append(os.Environ(), killVariable+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n <= round && lines.Scan(); n++ {
			if _, err := fmt.Sscan(lines.Text(), &acknowledged); err != nil {
				t.Fatal(err)
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		rest, err := io.ReadAll(out)
		if err != nil && !errors.Is(err, os.ErrClosed) {
			t.Fatal(err)
		}
		for line := range strings.FieldsSeq(string(rest)) {
			_, _ = fmt.Sscan(line, &acknowledged) // the last may be cut
		}
		_ = child.Wait() // killed
	}
	b, _, err := killedBackup(dir)
	if err != nil {
		t.Fatal(err)
	}
	public := b.Key.Public().(ed25519.PublicKey)
	all, err := Sequences(t.Context(), b.Destination)
	if err != nil || acknowledged == 0 || int64(len(all)) < acknowledged {
		t.Fatalf("%d backups are there after %d were acknowledged, %v", len(all), acknowledged, err)
	}
	b.Sources = []Source{newShelf(twoBodies)}
	last, err := b.Run(t.Context())
	if err != nil {
		t.Fatalf("backing up after the kills: %v", err)
	}
	for _, n := range append(all, last.Sequence) {
		m, err := Read(t.Context(), b.Destination, public, n)
		if err != nil {
			t.Fatal(err)
		}
		r := &Restore{From: b.Destination, Identities: []age.Identity{identity}, Targets: []Target{newShelf(nil)}, Now: time.Now}
		if report, err := r.Run(t.Context(), m); err != nil || !report.OK {
			t.Errorf("backup %d: %+v, %v", n, report.Problems, err)
		}
	}
	t.Logf("%d backups survived four kills", len(all))
}
