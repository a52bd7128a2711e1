package event

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// ID names one event for ever: a UUID version 7 (RFC 9562, 5.7), so IDs made
// later sort later.
type ID [16]byte

// NewID returns a fresh ID that carries now.
func NewID(now time.Time) ID {
	var id ID
	var stamp [8]byte
	binary.BigEndian.PutUint64(stamp[:], uint64(now.UnixMilli())) //nolint:gosec // after 1970
	copy(id[:6], stamp[2:])
	rand.Read(id[6:]) //nolint:errcheck // never fails since Go 1.24
	id[6] = id[6]&0x0f | 0x70
	id[8] = id[8]&0x3f | 0x80
	return id
}

// Time is the millisecond in which the ID was made.
func (id ID) Time() time.Time {
	var stamp [8]byte
	copy(stamp[2:], id[:6])
	return time.UnixMilli(int64(binary.BigEndian.Uint64(stamp[:]))) //nolint:gosec // 48 bits
}

// IsZero tells whether nobody set the ID.
func (id ID) IsZero() bool { return id == ID{} }

// String is the usual form of a UUID: 8-4-4-4-12 lower-case hex digits.
func (id ID) String() string {
	var buf [36]byte
	return string(id.append(buf[:0]))
}

func (id ID) append(b []byte) []byte {
	for i, part := range [...][]byte{id[0:4], id[4:6], id[6:8], id[8:10], id[10:16]} {
		if i > 0 {
			b = append(b, '-')
		}
		b = hex.AppendEncode(b, part)
	}
	return b
}

var errID = errors.New("not an event id")

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	var id ID
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, errID
	}
	if _, err := hex.Decode(id[:], []byte(strings.ReplaceAll(s, "-", ""))); err != nil {
		return ID{}, errID
	}
	return id, nil
}

// alphabet has no 0 O 1 I, so that a number survives the telephone.
const alphabet = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"

// Reference is the number a visitor sees and reads over the phone, such as
// WB-7K2M-94QX: a prefix of two letters for the kind of page, and 40 of the ID's
// random bits. It is stored with the event as event.reference.
func (id ID) Reference(prefix string) string {
	var bits uint64
	for _, b := range id[11:16] {
		bits = bits<<8 | uint64(b)
	}
	out := make([]byte, 0, 16)
	out = append(append(out, prefix...), '-')
	for i := 7; i >= 0; i-- {
		out = append(out, alphabet[bits>>(uint(i)*5)&31])
		if i == 4 {
			out = append(out, '-')
		}
	}
	return string(out)
}
