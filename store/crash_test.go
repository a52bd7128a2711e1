package store_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
)

// crashWriter names the environment variable that makes this test binary the
// process that is killed: it writes rows to the store the variable names, and
// prints the number of each one that was acknowledged.
const crashWriter = "SEKIKURA_TEST_WRITE_TO"

func TestMain(m *testing.M) {
	if to := os.Getenv(crashWriter); to != "" {
		if err := writeForever(context.Background(), to); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func config(place string) store.Config {
	if strings.HasPrefix(place, "postgres:") {
		return store.Config{URL: place}
	}
	return store.Config{Path: place}
}

func writeForever(ctx context.Context, place string) error {
	db, err := store.Open(ctx, config(place), notes)
	if err != nil {
		return err
	}
	last, err := store.All(ctx, db.Tenant(village), allNotes, number)
	if err != nil {
		return err
	}
	for n := int64(len(last)) + 1; ; n++ {
		if err := addNotes(ctx, db, village, n); err != nil {
			return err
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

func TestAKilledWriterLosesNothingAcknowledged(t *testing.T) {
	t.Run("SQLite", func(t *testing.T) { killed(t, filepath.Join(t.TempDir(), "control.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { killed(t, postgrestest.Start(t).New(t)) })
}

func killed(t *testing.T, place string) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := int64(0)
	for round := range 5 {
		writer := exec.CommandContext(t.Context(), self, "-test.run=^$") //nolint:gosec // this binary
		writer.Env = append(os.Environ(), crashWriter+"="+place)
		writer.Stderr = os.Stderr
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			n, err := strconv.ParseInt(lines.Text(), 10, 64)
			if err != nil {
				t.Fatalf("the writer printed %q", lines.Text())
			}
			acknowledged = max(acknowledged, n)
			if n%int64(40+7*round) == 0 { // in the middle of whatever it does next
				if err := writer.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		var exit *exec.ExitError
		if err := writer.Wait(); !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("the writer ended with %v, want killed", err)
		}
	}
	db, err := store.Open(t.Context(), config(place), notes)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	rows, err := store.All(t.Context(), db.Tenant(village), allNotes, number)
	if err != nil {
		t.Fatal(err)
	}
	// One more than acknowledged may be there: written, but not yet said.
	if n := int64(len(rows)); n < acknowledged || rows[len(rows)-1] != n {
		t.Errorf("of %d acknowledged rows there are %d, the last %d", acknowledged, n, rows[len(rows)-1])
	}
	report, err := db.VerifyAudit(t.Context(), village, nil)
	if err != nil || report.Faults != nil || report.Records != int64(len(rows)) {
		t.Errorf("for %d rows the audit chain is %+v, %v", len(rows), report, err)
	}
}

func TestAFullDiskGivesErrorsAndTheStoreGoesOnAfterwards(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=4m"); err != nil {
		t.Skipf("mounting a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "control.db")}, notes)
	if err != nil {
		t.Fatal(err)
	}
	closed := false
	defer func() {
		if !closed {
			if err := db.Close(); err != nil {
				t.Error(err)
			}
		}
	}()
	ballast := filepath.Join(dir, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 2<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	body := strings.Repeat("x", 64<<10)
	add := func(n int64) error {
		return db.Change(t.Context(), village, system, func(tx *store.Tx) error {
			tx.Audit(store.Audit{Action: "note.add"})
			return tx.Insert(t.Context(), addNote, n, body)
		})
	}
	acknowledged := int64(0)
	for err = nil; err == nil && acknowledged < 1000; {
		if err = add(acknowledged + 1); err == nil {
			acknowledged++
		}
	}
	if err == nil {
		t.Fatal("a disk of 4 MB took 64 MB")
	}
	t.Logf("full after %d rows: %v", acknowledged, err)
	rows, err := store.All(t.Context(), db.Tenant(village), allNotes, number)
	if err != nil || int64(len(rows)) != acknowledged {
		t.Errorf("on the full disk %d of %d rows can be read, %v", len(rows), acknowledged, err)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	for n := acknowledged + 1; n <= acknowledged+3; n++ {
		if err := add(n); err != nil {
			t.Fatalf("after space was freed: %v", err)
		}
	}
	closed = true
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	if db, err = store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "control.db")}, notes); err != nil {
		t.Fatal(err)
	}
	closed = false
	rows, err = store.All(t.Context(), db.Tenant(village), allNotes, number)
	if err != nil || int64(len(rows)) != acknowledged+3 {
		t.Errorf("opened again there are %d rows, %v, want %d", len(rows), err, acknowledged+3)
	}
	if report, err := db.VerifyAudit(t.Context(), village, nil); err != nil || report.Faults != nil || report.Records != acknowledged+3 {
		t.Errorf("the audit chain is %+v, %v", report, err)
	}
}
