package account

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
)

// Cost is what one password check costs (argon2id, RFC 9106). The zero value is
// DefaultCost.
type Cost struct {
	Time   uint32 // passes
	Memory uint32 // KiB
}

// DefaultCost is the stronger of OWASP's recommendations for argon2id with one
// lane: about 50 ms of one core.
var DefaultCost = Cost{Time: 2, Memory: 32 << 10}

// maxChecks bounds how many passwords are hashed at once, so that a flood of
// logins takes neither the memory nor the processors of everybody else.
const maxChecks = 2

// hasher hashes passwords, a few at once.
type hasher struct {
	cost  Cost
	slots chan struct{}

	once  sync.Once
	dummy string // the hash of nothing anybody knows
}

func newHasher(cost Cost) *hasher {
	if cost == (Cost{}) {
		cost = DefaultCost
	}
	return &hasher{cost: cost, slots: make(chan struct{}, maxChecks)}
}

// hash returns the PHC string of a password.
func (h *hasher) hash(ctx context.Context, password string) (string, error) {
	salt := make([]byte, 16)
	rand.Read(salt) //nolint:errcheck // never fails since Go 1.24
	sum, err := h.sum(ctx, password, salt, h.cost)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=1$%s$%s", argon2.Version, h.cost.Memory, h.cost.Time,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(sum)), nil
}

// matches tells whether a password has this PHC string. With "" the work is the
// same and the answer is no, so that the time says nothing of who exists.
func (h *hasher) matches(ctx context.Context, password, phc string) (bool, error) {
	known := phc != ""
	if !known {
		h.once.Do(func() {
			h.dummy, _ = h.hash(context.WithoutCancel(ctx), rand.Text()) //nolint:errcheck // only a cancelled context fails
		})
		phc = h.dummy
	}
	var version int
	var cost Cost
	parts := strings.Split(phc, "$")
	if len(parts) != 6 || parts[1] != "argon2id" {
		return false, fmt.Errorf("a stored password is not argon2id")
	}
	if _, err := fmt.Sscanf(parts[2]+" "+parts[3], "v=%d m=%d,t=%d,p=1", &version, &cost.Memory, &cost.Time); err != nil || version != argon2.Version {
		return false, fmt.Errorf("a stored password has unknown parameters %q", parts[3])
	}
	salt, err := base64.RawStdEncoding.DecodeString(parts[4])
	if err != nil {
		return false, fmt.Errorf("reading a stored password's salt: %w", err)
	}
	want, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return false, fmt.Errorf("reading a stored password: %w", err)
	}
	got, err := h.sum(ctx, password, salt, cost)
	if err != nil {
		return false, err
	}
	return subtle.ConstantTimeCompare(got, want) == 1 && known, nil
}

func (h *hasher) sum(ctx context.Context, password string, salt []byte, cost Cost) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), salt, cost.Time, cost.Memory, 1, 32), nil
}

// passwordAlphabet has no characters that look alike.
const passwordAlphabet = "abcdefghijkmnpqrstuvwxyz23456789"

// randomPassword is 80 random bits in four groups, to be read from a screen or a
// sheet of paper.
func randomPassword() string { return randomText(16) }

func randomText(n int) string {
	raw := make([]byte, n)
	rand.Read(raw) //nolint:errcheck // never fails since Go 1.24
	var b strings.Builder
	for i, c := range raw {
		if i > 0 && i%4 == 0 {
			b.WriteByte('-')
		}
		b.WriteByte(passwordAlphabet[c&31])
	}
	return b.String()
}

// minPassword is in characters (NIST SP 800-63B asks for eight with a second
// factor, and for length rather than kinds of characters).
const (
	minPassword = 12
	maxPassword = 256 // bytes
)

// checkPassword says what is wrong with a password that somebody chose.
func checkPassword(password, login string) error {
	const path = "/new"
	switch {
	case !utf8.ValidString(password) || len(password) > maxPassword:
		return &Wrong{path, "too_long", []any{maxPassword}}
	case utf8.RuneCountInString(password) < minPassword:
		return &Wrong{path, "too_short", []any{minPassword}}
	case strings.Contains(strings.ToLower(password), strings.ToLower(login)):
		return &Wrong{path, "holds_login", nil}
	case tooSimple(password):
		return &Wrong{path, "too_simple", nil}
	}
	return nil
}

// tooSimple finds passwords of few different characters, runs such as
// 123456789012, and one short word said again and again: what length alone lets
// through.
func tooSimple(password string) bool {
	lower := strings.ToLower(password)
	if strings.Contains((lower + lower)[1:2*len(lower)-1], lower) {
		return true
	}
	different := map[rune]bool{}
	runs, last := 0, rune(0)
	for _, c := range password {
		different[c] = true
		if c == last || c == last+1 || c == last-1 {
			runs++
		}
		last = c
	}
	n := utf8.RuneCountInString(password)
	return len(different) < 5 || runs*2 > n
}
