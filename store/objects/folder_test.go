package objects_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/store/objects/objectstest"
)

func folder(t testing.TB) objects.Bucket {
	t.Helper()
	f, err := objects.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

func TestFolderIsABucket(t *testing.T)     { objectstest.Bucket(t, folder) }
func TestStoreWorksInAFolder(t *testing.T) { objectstest.Store(t, folder) }

func TestWhoMayReadAFolder(t *testing.T) {
	for name, tt := range map[string]struct {
		open         func(string) (*objects.Folder, error)
		folder, file os.FileMode
	}{
		"its own account only": {objects.OpenFolder, 0o700, 0o600},
		"and its group":        {objects.OpenSharedFolder, 0o750, 0o640},
	} {
		dir := filepath.Join(t.TempDir(), "bucket")
		f, err := tt.open(dir)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Close() })
		if _, err := objects.WriteEntry(t.Context(), f, "a/b/c", strings.NewReader("x"), objects.Terms{}); err != nil {
			t.Fatal(err)
		}
		for below, want := range map[string]os.FileMode{"": tt.folder, "a": tt.folder, "a/b": tt.folder, "a/b/c": tt.file, ".pending": 0o700} {
			info, err := os.Stat(filepath.Join(dir, below))
			if err != nil || info.Mode().Perm() != want {
				t.Errorf("%s: %q has mode %v, %v; want %v", name, below, info.Mode().Perm(), err, want)
			}
		}
	}
}

func TestAFolderForReadingIsNotWritten(t *testing.T) {
	dir := t.TempDir()
	f, err := objects.ReadFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if _, err := f.Create(t.Context()); err == nil {
		t.Error("a folder opened for reading takes an entry")
	}
	for e, err := range f.List(t.Context(), "") {
		t.Errorf("an empty folder lists %+v, %v", e, err)
	}
}

func TestAFolderPromisesNoLock(t *testing.T) {
	_, err := objects.WriteEntry(t.Context(), folder(t), "x", strings.NewReader("x"), objects.Terms{LockUntil: time.Now().Add(time.Hour)})
	if !errors.Is(err, objects.ErrNoLock) {
		t.Errorf("committing with a lock = %v, want ErrNoLock", err)
	}
}

func TestRemainsOfAKilledProcessGoAfterTwoDays(t *testing.T) {
	dir := t.TempDir()
	f, err := objects.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Create(t.Context()); err != nil { // and never ended
		t.Fatal(err)
	}
	pending, err := filepath.Glob(filepath.Join(dir, ".pending", "*"))
	if err != nil || len(pending) != 1 {
		t.Fatalf("pending writes: %q, %v; want one", pending, err)
	}
	reopen := func() int {
		again, err := objects.OpenFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		left, err := filepath.Glob(filepath.Join(dir, ".pending", "*"))
		if err := errors.Join(err, again.Close()); err != nil {
			t.Fatal(err)
		}
		return len(left)
	}
	if n := reopen(); n != 1 {
		t.Errorf("a fresh pending write was removed: %d left, want 1", n)
	}
	old := time.Now().Add(-72 * time.Hour)
	if err := os.Chtimes(pending[0], old, old); err != nil {
		t.Fatal(err)
	}
	if n := reopen(); n != 0 {
		t.Errorf("a pending write of three days ago stays: %d left, want 0", n)
	}
}

func TestAFullDiskLeavesNoObject(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	f, err := objects.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	s := &objects.Store{Bucket: f, Keys: []objects.OperatorKey{objects.NewOperatorKey()}, Now: time.Now}
	_, err = s.Put(t.Context(), "994413", io.LimitReader(rand.Reader, 4<<20))
	if !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Put on a full disk = %v, want ENOSPC", err)
	}
	for o, err := range s.List(t.Context(), "994413") {
		t.Errorf("after the full disk there is %+v, %v; want nothing", o, err)
	}
	if _, err := s.Put(t.Context(), "994413", io.LimitReader(rand.Reader, 100<<10)); err != nil {
		t.Errorf("the failed Put kept its space: a small one says %v", err)
	}
}

// writerEnv makes this test binary a process that stores objects until it is killed.
const writerEnv = "SEKIKURA_TEST_OBJECT_WRITER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(writerEnv); dir != "" {
		if err := writeForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func writeForEver(dir string) error {
	f, err := objects.OpenFolder(filepath.Join(dir, "bucket"))
	if err != nil {
		return err
	}
	key, err := objects.ReadKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		return err
	}
	s := &objects.Store{Bucket: f, Keys: []objects.OperatorKey{key}, Now: time.Now}
	for {
		o, err := s.Put(context.Background(), "994413", io.LimitReader(rand.Reader, 300_000))
		if err != nil {
			return err
		}
		fmt.Println(o.Address)
	}
}

func TestKillLeavesWholeObjectsOnlyAndAllAcknowledged(t *testing.T) {
	dir := t.TempDir()
	key, err := objects.CreateKeyFile(filepath.Join(dir, "key"))
	if err != nil {
		t.Fatal(err)
	}
	acknowledged := make(map[objects.Address]bool)
	for round := range 5 {
		writer := exec.CommandContext(t.Context(), os.Args[0]) //nolint:gosec // this test binary
		writer.Env = append(os.Environ(), writerEnv+"="+dir)
		out, err := writer.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := writer.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n <= 5+round*3 && lines.Scan(); n++ {
			acknowledged[objects.Address(lines.Text())] = true
		}
		if err := writer.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			if a, err := objects.ParseAddress(lines.Text()); err == nil {
				acknowledged[a] = true
			}
		}
		_ = writer.Wait() // killed
	}
	f, err := objects.OpenFolder(filepath.Join(dir, "bucket"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	s := &objects.Store{Bucket: f, Keys: []objects.OperatorKey{key}, Now: time.Now}
	for o, err := range s.List(t.Context(), "994413") {
		if err != nil {
			t.Fatal(err)
		}
		if n, err := s.Verify(t.Context(), "994413", o.Address); err != nil || n != 300_000 {
			t.Errorf("object %.12s after the kill: %d bytes, %v; want 300000", o.Address, n, err)
		}
		delete(acknowledged, o.Address)
	}
	if len(acknowledged) != 0 {
		t.Errorf("%d acknowledged objects are gone", len(acknowledged))
	}
}
