package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheFirstPageDoesNotReadTheBackupsAtEveryView(t *testing.T) {
	dir := t.TempDir()
	w := &work{copies: &copies{Conf: BackupConfig{Folder: dir}, Signing: make([]byte, keySize)}}
	first, err := w.last(t.Context())
	if err != nil || !first.Time.IsZero() || first.OK {
		t.Fatalf("without a backup: %+v, %v", first, err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "manifests"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "manifests", "none"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if again, err := w.last(t.Context()); err != nil || again != first {
		t.Errorf("within a minute: %+v, %v; want what was seen before", again, err)
	}
	w.seen.at = w.seen.at.Add(-lastFor)
	if _, err := w.last(t.Context()); err == nil {
		t.Error("after a minute the folder was not read again")
	}
}
