package main

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/store"
)

// headsEvery is how often the ends of the audit chains are signed. What was
// written before cannot be rewritten unseen; what came after could.
const headsEvery = 15 * time.Minute

// headKeeper signs the heads of all audit chains and keeps them in folders, one
// file a month. One of the folders belongs on another machine.
type headKeeper struct {
	db      *store.DB
	signer  ed25519.PrivateKey
	folders []string
	log     *slog.Logger
	now     func() time.Time
}

// Run signs until ctx ends, and once more then.
func (k *headKeeper) Run(ctx context.Context) error {
	if err := os.MkdirAll(k.folders[0], 0o700); err != nil { // the others are somebody else's
		return err
	}
	tick := time.NewTicker(headsEvery)
	defer tick.Stop()
	for {
		if err := k.sign(context.WithoutCancel(ctx)); err != nil {
			k.log.Error("the heads of the audit chains could not be signed", "err", err)
		}
		select {
		case <-ctx.Done():
			return k.sign(context.WithoutCancel(ctx))
		case <-tick.C:
		}
	}
}

func (k *headKeeper) sign(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	var heads bytes.Buffer
	if err := k.db.SignHeads(ctx, k.signer, &heads); err != nil {
		return err
	}
	name := "heads-" + k.now().In(jst).Format("2006-01") + ".jsonl"
	var wrong []error
	for _, folder := range k.folders {
		wrong = append(wrong, appendFile(filepath.Join(folder, name), heads.Bytes()))
	}
	return errors.Join(wrong...)
}

// read reads the signed heads from the last folder, the one that may be on
// another machine.
func (k *headKeeper) read() ([]store.Head, error) {
	return readHeads(k.folders[len(k.folders)-1], k.signer.Public().(ed25519.PublicKey)) //nolint:errcheck,forcetypeassert // always one
}

// appendFile adds lines to file and returns once they are on disk. Half a line
// that a crash left at its end is cut off first.
func appendFile(file string, lines []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	old, err := io.ReadAll(f)
	if err == nil {
		whole := int64(bytes.LastIndexByte(old, '\n') + 1)
		err = f.Truncate(whole)
		if err == nil {
			_, err = f.WriteAt(lines, whole)
		}
	}
	return errors.Join(err, f.Sync(), f.Close())
}

// readHeads reads every heads file in folder.
func readHeads(folder string, key ed25519.PublicKey) ([]store.Head, error) {
	files, err := filepath.Glob(filepath.Join(folder, "heads-*.jsonl"))
	if err != nil {
		return nil, err
	}
	var all []store.Head
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		whole := text[:bytes.LastIndexByte(text, '\n')+1] // a crash may leave half a line
		heads, err := store.ReadHeads(bytes.NewReader(whole), key)
		if err != nil {
			return nil, err
		}
		all = append(all, heads...)
	}
	return all, nil
}
