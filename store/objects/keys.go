package objects

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// ErrKey says that a key does not fit: the operator's key is another one than
// that which wrapped, or what it wrapped was altered.
var ErrKey = errors.New("the key does not fit, or what it sealed was altered")

// OperatorKey wraps the data keys of an operator's bodies and seals secrets. It
// stands in a file outside everything that is backed up: without that file
// nothing sealed can be read again, by anybody. The zero OperatorKey is unusable.
type OperatorKey struct {
	secret []byte // 32 bytes
}

const (
	keyFilePrefix = "SEKIKURA-OPERATOR-KEY-1:"
	keySize       = 32
)

// NewOperatorKey makes a fresh key.
func NewOperatorKey() OperatorKey {
	k := OperatorKey{secret: make([]byte, keySize)}
	rand.Read(k.secret) //nolint:errcheck // never fails since Go 1.24
	return k
}

// OperatorKeyFrom returns the key that the 32 random bytes of secret are.
func OperatorKeyFrom(secret []byte) (OperatorKey, error) {
	if len(secret) != keySize {
		return OperatorKey{}, fmt.Errorf("an operator's key has %d bytes, not %d", keySize, len(secret))
	}
	return OperatorKey{bytes.Clone(secret)}, nil
}

// CreateKeyFile writes a fresh key to file (0600), which must not exist.
func CreateKeyFile(file string) (OperatorKey, error) {
	k := NewOperatorKey()
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if err != nil {
		return OperatorKey{}, err
	}
	_, err = f.WriteString(k.text())
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return OperatorKey{}, fmt.Errorf("writing the operator's key: %w", err)
	}
	return k, nil
}

// ReadKeyFile reads what CreateKeyFile wrote. A file that other accounts can
// read is refused.
func ReadKeyFile(file string) (OperatorKey, error) {
	info, err := os.Stat(file)
	if err != nil {
		return OperatorKey{}, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return OperatorKey{}, fmt.Errorf("%s: other accounts can read the operator's key (mode %04o, want 0600)", file, info.Mode().Perm())
	}
	text, err := os.ReadFile(file) //nolint:gosec // the operator names it
	if err != nil {
		return OperatorKey{}, err
	}
	k, err := parseKey(string(text))
	if err != nil {
		return OperatorKey{}, fmt.Errorf("%s: %w", file, err)
	}
	return k, nil
}

func (k OperatorKey) text() string {
	return keyFilePrefix + base64.StdEncoding.EncodeToString(k.secret) + "\n"
}

func parseKey(text string) (OperatorKey, error) {
	encoded, ok := strings.CutPrefix(strings.TrimSpace(text), keyFilePrefix)
	if !ok {
		return OperatorKey{}, fmt.Errorf("not an operator's key: it does not begin with %q", keyFilePrefix)
	}
	secret, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil || len(secret) != keySize {
		return OperatorKey{}, fmt.Errorf("the operator's key is damaged: want %d bytes in base64", keySize)
	}
	return OperatorKeyFrom(secret)
}

// ID tells keys apart without telling anything of the key: 16 hex digits.
func (k OperatorKey) ID() string {
	return hex.EncodeToString(derive(k.secret, "id", 8))
}

// Seal encrypts and authenticates plain (AES-256-GCM, random nonce) under a key
// that serves only this label. What was sealed for one label does not open for
// another.
func (k OperatorKey) Seal(label string, plain []byte) []byte {
	return k.aead(label).Seal(nil, nil, plain, []byte(label)) //nolint:gosec // the AEAD makes its own random nonce
}

// Unseal opens what Seal made for the same label, or answers [ErrKey].
func (k OperatorKey) Unseal(label string, sealed []byte) ([]byte, error) {
	aead := k.aead(label)
	if len(sealed) < aead.Overhead() {
		return nil, ErrKey
	}
	plain, err := aead.Open(nil, nil, sealed, []byte(label))
	if err != nil {
		return nil, ErrKey
	}
	return plain, nil
}

func (k OperatorKey) aead(label string) cipher.AEAD {
	block, err := aes.NewCipher(derive(k.secret, "seal "+label, keySize))
	if err != nil {
		panic(err) // only for a wrong key length
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // only for a foreign block cipher
	}
	return aead
}

// derive is HKDF-SHA256 (RFC 5869) without salt; secret is uniformly random.
func derive(secret []byte, purpose string, size int) []byte {
	if len(secret) != keySize {
		panic("objects: an operator's or body's key is not set")
	}
	key, err := hkdf.Key(sha256.New, secret, nil, "sekikura objects "+purpose, size)
	if err != nil {
		panic(err) // only for sizes above 8160 bytes
	}
	return key
}

// bodyKey is one body's data key, split by purpose.
type bodyKey struct {
	record  []byte // as it lies in the bucket
	seal    []byte // wraps each object's file key
	address []byte // makes addresses
}

// keyRecord is how a body's key lies in the bucket.
type keyRecord struct {
	Format      int       `json:"format"` // 1
	Tenant      tenant.ID `json:"tenant"`
	OperatorKey string    `json:"operator_key"` // its ID
	Created     time.Time `json:"created"`
	Sealed      []byte    `json:"sealed"`
}

const keyRecordFormat = 1

// maxKeyRecord bounds a key record in bytes.
const maxKeyRecord = 4 << 10

func newKeyRecord(k OperatorKey, id tenant.ID, now time.Time) ([]byte, error) {
	secret := make([]byte, keySize)
	rand.Read(secret) //nolint:errcheck // never fails since Go 1.24
	return wrapKey(k, id, secret, now)
}

func wrapKey(k OperatorKey, id tenant.ID, secret []byte, created time.Time) ([]byte, error) {
	return json.Marshal(keyRecord{
		Format: keyRecordFormat, Tenant: id, OperatorKey: k.ID(), Created: created.UTC(),
		Sealed: k.Seal(keyLabel(id), secret),
	})
}

func keyLabel(id tenant.ID) string { return "tenant key " + string(id) }

// parseKeyRecord reads a record that came from a bucket or a backup.
func parseKeyRecord(record []byte, id tenant.ID) (keyRecord, error) {
	var r keyRecord
	decoder := json.NewDecoder(bytes.NewReader(record))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return keyRecord{}, fmt.Errorf("the key record of %s is damaged: %w", id, err)
	}
	if r.Format != keyRecordFormat {
		return keyRecord{}, fmt.Errorf("the key record of %s has format %d; this program knows %d", id, r.Format, keyRecordFormat)
	}
	if r.Tenant != id {
		return keyRecord{}, fmt.Errorf("the key record of %s says that it belongs to %q: %w", id, r.Tenant, ErrKey)
	}
	return r, nil
}

func unwrapKey(keys []OperatorKey, record []byte, id tenant.ID) (secret []byte, _ keyRecord, _ error) {
	r, err := parseKeyRecord(record, id)
	if err != nil {
		return nil, r, err
	}
	for _, k := range keys {
		if k.ID() != r.OperatorKey {
			continue
		}
		secret, err := k.Unseal(keyLabel(id), r.Sealed)
		if err == nil && len(secret) != keySize {
			err = ErrKey
		}
		if err != nil {
			return nil, r, fmt.Errorf("unwrapping the key of %s: %w", id, err)
		}
		return secret, r, nil
	}
	return nil, r, fmt.Errorf("unwrapping the key of %s: it was wrapped by the operator key %s, which is not here: %w", id, r.OperatorKey, ErrKey)
}

func keyName(id tenant.ID) string { return "keys/" + string(id) }

// readKeyRecord returns a body's wrapped key as it lies in the bucket, or ErrNotFound.
func readKeyRecord(ctx context.Context, b Bucket, id tenant.ID) (record []byte, err error) {
	r, err := b.Open(ctx, keyName(id))
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	record, err = io.ReadAll(io.LimitReader(r, maxKeyRecord+1))
	if err == nil && len(record) > maxKeyRecord {
		err = fmt.Errorf("the key record of %s is longer than %d bytes", id, maxKeyRecord)
	}
	return record, err
}
