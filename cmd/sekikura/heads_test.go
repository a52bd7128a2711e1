package main

import (
	"bytes"
	"crypto/ed25519"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
)

func TestHalfALineOfHeadsThatACrashLeftHarmsNothing(t *testing.T) {
	db, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "c.db")}, schemas()...)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Change(t.Context(), demoOperator, store.System("test"), func(tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "test"})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	k := &headKeeper{db: db, signer: key, folders: []string{t.TempDir()}, now: time.Now}
	if err := k.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(k.folders[0], "heads-*.jsonl"))
	if err != nil || len(files) != 1 {
		t.Fatalf("heads files: %v, %v, want one", files, err)
	}
	whole, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(whole, whole[:len(whole)/2]...), 0o600); err != nil {
		t.Fatal(err)
	}
	if heads, err := k.read(); err != nil || len(heads) != 1 {
		t.Errorf("with half a line at the end: %d heads, %v, want the one that is whole", len(heads), err)
	}
	if err := k.sign(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if heads, err := k.read(); err != nil || len(heads) != 2 || bytes.Count(text, []byte("\n")) != 2 {
		t.Errorf("after the next signing: %d heads, %v, want 2 in 2 lines", len(heads), err)
	}
}
