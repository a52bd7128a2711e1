package objects

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"

	"filippo.io/age"
	"golang.org/x/crypto/chacha20poly1305"

	"github.com/sekikura/sekikura/tenant"
)

// Objects are age files (age-encryption.org/v1): age gives a fresh key to every
// file, authenticates it in chunks of 64 KiB, and tells a truncated file from a
// whole one. Only the wrapping of that file key is ours, because age's own
// recipients are public keys or passwords, and a body's key is a shared secret:
// with a public key, anybody could write objects in the body's name.

// stanzaType names our way of wrapping in the header of an age file.
const stanzaType = "sekikura.jp/body-key-1"

// bodyWrap is an age.Recipient and age.Identity: XChaCha20-Poly1305 with the
// nonce as the stanza's argument and the body's code as additional data.
type bodyWrap struct {
	id   tenant.ID
	seal []byte
}

func (w *bodyWrap) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	aead, err := chacha20poly1305.NewX(w.seal)
	if err != nil {
		return nil, err
	}
	nonce := make([]byte, aead.NonceSize())
	rand.Read(nonce) //nolint:errcheck // never fails since Go 1.24
	return []*age.Stanza{{
		Type: stanzaType,
		Args: []string{base64.RawStdEncoding.EncodeToString(nonce)},
		Body: aead.Seal(nil, nonce, fileKey, []byte(w.id)),
	}}, nil
}

func (w *bodyWrap) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	// One stanza and no other: what else stands there was not written by Wrap.
	if len(stanzas) != 1 || stanzas[0].Type != stanzaType || len(stanzas[0].Args) != 1 {
		return nil, age.ErrIncorrectIdentity
	}
	aead, err := chacha20poly1305.NewX(w.seal)
	if err != nil {
		return nil, err
	}
	nonce, err := base64.RawStdEncoding.Strict().DecodeString(stanzas[0].Args[0])
	if err != nil || len(nonce) != aead.NonceSize() {
		return nil, age.ErrIncorrectIdentity
	}
	fileKey, err := aead.Open(nil, nonce, stanzas[0].Body, []byte(w.id))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", age.ErrIncorrectIdentity, ErrKey)
	}
	return fileKey, nil
}

const (
	chunk     = 64 << 10 // age's chunk of plain text
	chunkTag  = 16       // Poly1305's tag behind each chunk
	fileNonce = 16       // between an age file's header and its first chunk
)

// headerSize is the length of the header that Wrap's one stanza gives, with
// the stream's nonce behind it.
func headerSize() (int64, error) {
	var n countWriter
	w, err := age.Encrypt(&n, &bodyWrap{seal: make([]byte, chacha20poly1305.KeySize)})
	if err != nil {
		return 0, err
	}
	if err := w.Close(); err != nil { // an empty stream is one empty chunk
		return 0, err
	}
	return int64(n) - chunkTag, nil
}

// plainSize is how many bytes lie in an age file of this stored size, or -1
// when no whole file has it.
func plainSize(stored, header int64) int64 {
	body := stored - header
	if body < chunkTag {
		return -1
	}
	chunks := (body + chunk + chunkTag - 1) / (chunk + chunkTag)
	plain := body - chunks*chunkTag
	if plain < 0 || plain == 0 && chunks != 1 || plain <= (chunks-1)*chunk && chunks > 1 {
		return -1
	}
	return plain
}

type countWriter int64

func (n *countWriter) Write(p []byte) (int, error) {
	*n += countWriter(len(p))
	return len(p), nil
}

var _ io.Writer = (*countWriter)(nil)
