package account

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/crypto/chacha20poly1305"
)

// Sealer keeps secrets under a key that stands in a file of its own, outside the
// store and every backup.
type Sealer struct {
	aead cipher.AEAD
	mac  []byte
}

// NewSealer returns a Sealer of a key of 32 random bytes.
func NewSealer(key []byte) (*Sealer, error) {
	if len(key) != chacha20poly1305.KeySize {
		return nil, fmt.Errorf("the sealing key has %d bytes, not %d", len(key), chacha20poly1305.KeySize)
	}
	seal, err := hkdf.Key(sha256.New, key, nil, "sekikura portal seal", chacha20poly1305.KeySize)
	if err != nil {
		return nil, err
	}
	mac, err := hkdf.Key(sha256.New, key, nil, "sekikura portal mac", sha256.Size)
	if err != nil {
		return nil, err
	}
	aead, err := chacha20poly1305.NewX(seal)
	if err != nil {
		return nil, err
	}
	return &Sealer{aead: aead, mac: mac}, nil
}

// OpenSealer reads the key in a file, which only its owner may read; a file that
// is absent is made.
func OpenSealer(file string) (*Sealer, error) {
	text, err := os.ReadFile(file) //nolint:gosec // named by the configuration
	if errors.Is(err, fs.ErrNotExist) {
		return makeSealer(file)
	}
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, err
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("the sealing key %s may be read by others; its mode must be 0600", file)
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return nil, fmt.Errorf("the sealing key %s is not base64: %w", file, err)
	}
	return NewSealer(key)
}

func makeSealer(file string) (*Sealer, error) {
	key := make([]byte, chacha20poly1305.KeySize)
	rand.Read(key)                                                        //nolint:errcheck // never fails since Go 1.24
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // named by the configuration
	if err != nil {
		return nil, err
	}
	_, err = f.WriteString(base64.StdEncoding.EncodeToString(key) + "\n")
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return nil, fmt.Errorf("making the sealing key: %w", err)
	}
	return NewSealer(key)
}

// Seal encrypts a secret (XChaCha20-Poly1305). What says what it is and whose; a
// sealed secret that is moved elsewhere does not open there.
func (s *Sealer) Seal(secret []byte, what string) []byte {
	nonce := make([]byte, s.aead.NonceSize(), s.aead.NonceSize()+len(secret)+s.aead.Overhead())
	rand.Read(nonce) //nolint:errcheck // never fails since Go 1.24
	return s.aead.Seal(nonce, nonce, secret, []byte(what))
}

// Open decrypts what Seal sealed for the same purpose.
func (s *Sealer) Open(sealed []byte, what string) ([]byte, error) {
	n := s.aead.NonceSize()
	if len(sealed) < n {
		return nil, errors.New("a sealed secret is cut short")
	}
	secret, err := s.aead.Open(nil, sealed[:n], sealed[n:], []byte(what))
	if err != nil {
		return nil, fmt.Errorf("opening a sealed secret (%s): %w", what, err)
	}
	return secret, nil
}

// sum is a keyed hash, in base64, of something short that somebody types.
func (s *Sealer) sum(what, text string) string {
	h := hmac.New(sha256.New, s.mac)
	h.Write([]byte(what + "\x00" + text)) //nolint:errcheck // a hash takes everything
	return base64.RawStdEncoding.EncodeToString(h.Sum(nil))
}
