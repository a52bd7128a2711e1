package objects

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

var testTime = time.Date(2026, 11, 22, 0, 0, 0, 0, time.UTC)

func TestKeyFileIsReadBack(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	made, err := CreateKeyFile(file)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadKeyFile(file)
	if err != nil || read.ID() != made.ID() {
		t.Errorf("ReadKeyFile = key %s, %v; want %s", read.ID(), err, made.ID())
	}
	if _, err := CreateKeyFile(file); !errors.Is(err, os.ErrExist) {
		t.Errorf("creating over a key file = %v, want ErrExist", err)
	}
	if err := os.Chmod(file, 0o640); err != nil { //nolint:gosec // what the test refuses
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(file); err == nil {
		t.Error("a key file that the group can read is accepted")
	}
}

func TestSealedOpensForItsLabelAndKeyOnly(t *testing.T) {
	k, other := NewOperatorKey(), NewOperatorKey()
	sealed := k.Seal("label", []byte("secret"))
	if got, err := k.Unseal("label", sealed); err != nil || string(got) != "secret" {
		t.Errorf("Unseal = %q, %v; want %q", got, err, "secret")
	}
	flipped := bytes.Clone(sealed)
	flipped[len(flipped)-1] ^= 1
	for name, try := range map[string]func() ([]byte, error){
		"another label": func() ([]byte, error) { return k.Unseal("labe", sealed) },
		"another key":   func() ([]byte, error) { return other.Unseal("label", sealed) },
		"a flipped bit": func() ([]byte, error) { return k.Unseal("label", flipped) },
		"nothing":       func() ([]byte, error) { return k.Unseal("label", nil) },
		"half":          func() ([]byte, error) { return k.Unseal("label", sealed[:20]) },
	} {
		if got, err := try(); !errors.Is(err, ErrKey) {
			t.Errorf("Unseal with %s = %q, %v; want ErrKey", name, got, err)
		}
	}
}

func FuzzKeyFile(f *testing.F) {
	f.Add(NewOperatorKey().text())
	f.Add(keyFilePrefix)
	f.Add("")
	f.Fuzz(func(t *testing.T, text string) {
		k, err := parseKey(text)
		if err == nil && len(k.secret) != keySize {
			t.Errorf("parseKey(%q) gave a key of %d bytes", text, len(k.secret))
		}
	})
}

func FuzzKeyRecord(f *testing.F) {
	const id tenant.ID = "994413"
	k := NewOperatorKey()
	record, err := wrapKey(k, id, make([]byte, keySize), testTime)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(record)
	f.Add([]byte(`{"format":1,"tenant":"994413"}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		secret, r, err := unwrapKey([]OperatorKey{k}, in, id)
		if err == nil && (len(secret) != keySize || r.Tenant != id) {
			t.Errorf("unwrapKey(%q) = %d bytes for %s", in, len(secret), r.Tenant)
		}
	})
}

func TestPlainSizeAgreesWithWhatAgeWrites(t *testing.T) {
	header, err := headerSize()
	if err != nil {
		t.Fatal(err)
	}
	key := bodyKey{seal: make([]byte, keySize), address: make([]byte, keySize)}
	for _, size := range []int{0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 2*chunk + 1} {
		var out bytes.Buffer
		if _, _, _, err := seal(t.Context(), &out, bytes.NewReader(make([]byte, size)), "994413", key); err != nil {
			t.Fatal(err)
		}
		if got := plainSize(int64(out.Len()), header); got != int64(size) {
			t.Errorf("plainSize of %d stored bytes = %d, want %d", out.Len(), got, size)
		}
	}
	for _, stored := range []int64{0, header, header + chunkTag - 1, header + chunk + 2*chunkTag} {
		if got := plainSize(stored, header); got != -1 {
			t.Errorf("plainSize(%d) = %d, want -1: no whole object has this size", stored, got)
		}
	}
}
