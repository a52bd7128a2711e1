package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// keys are an installation's own secrets. They are made at the first start, stand
// in one file that no backup holds, and are read only by the supervisor, which
// hands each group those it needs.
type keys struct {
	Bus     []byte `json:"bus"`     // lets a role publish events
	Logs    []byte `json:"logs"`    // lets the portal and the shipper into the log store
	Account []byte `json:"account"` // seals the second factors of accounts
	Heads   []byte `json:"heads"`   // ed25519 seed: signs the heads of the audit chains
	Objects []byte `json:"objects"` // wraps the bodies' data keys
	Backup  []byte `json:"backup"`  // ed25519 seed: signs the backups' manifests
}

// keySize is 256 bits for every key.
const keySize = 32

// loadKeys reads the keys in folder, and makes them when there is no file yet.
func loadKeys(folder string) (*keys, error) {
	file := filepath.Join(folder, "keys.json")
	text, err := os.ReadFile(file) //nolint:gosec // below the data folder
	if errors.Is(err, fs.ErrNotExist) {
		return makeKeys(file)
	}
	if err != nil {
		return nil, err
	}
	k := new(keys)
	if err := json.Unmarshal(text, k); err != nil {
		return nil, fmt.Errorf("reading the keys in %s: %w", file, err)
	}
	for _, key := range k.all() {
		if len(*key) != keySize {
			return nil, fmt.Errorf("reading the keys in %s: a key is missing or short; restore the file from where you keep it, it is in no backup", file)
		}
	}
	return k, nil
}

func (k *keys) all() []*[]byte {
	return []*[]byte{&k.Bus, &k.Logs, &k.Account, &k.Heads, &k.Objects, &k.Backup}
}

func makeKeys(file string) (*keys, error) {
	k := new(keys)
	for _, key := range k.all() {
		*key = make([]byte, keySize)
		rand.Read(*key) //nolint:errcheck // never fails since Go 1.24
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(k, "", "  ")
	if err != nil {
		return nil, err
	}
	return k, writeFile(file, append(text, '\n'), 0o600)
}
