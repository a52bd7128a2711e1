package account

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/store"
)

func TestAPasswordMatchesItsHashAlone(t *testing.T) {
	h := newHasher(Cost{Time: 1, Memory: 64})
	ctx := t.Context()
	phc, err := h.hash(ctx, "correct-horse")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(phc, "$argon2id$v=19$m=64,t=1,p=1$") {
		t.Errorf("the hash is %s", phc)
	}
	if again, err := h.hash(ctx, "correct-horse"); err != nil || again == phc {
		t.Errorf("the same password has the same hash twice: no salt (%v)", err)
	}
	for password, want := range map[string]bool{"correct-horse": true, "correct-horsf": false, "": false, "correct-horse ": false} {
		if got, err := h.matches(ctx, password, phc); err != nil || got != want {
			t.Errorf("matches(%q) = %v, %v, want %v", password, got, err, want)
		}
	}
	if got, err := h.matches(ctx, "anything", ""); err != nil || got {
		t.Errorf("matches of nobody = %v, %v", got, err)
	}
	for _, broken := range []string{"x", "$argon2id$v=19$m=64,t=1,p=1$!$!", "$bcrypt$v=19$m=64,t=1,p=1$a$a", "$argon2id$v=1$m=64,t=1,p=1$YQ$YQ"} {
		if _, err := h.matches(ctx, "a", broken); err == nil {
			t.Errorf("the stored password %q was read", broken)
		}
	}
}

func TestAHashWaitsForItsTurnAndGivesUpWithTheCaller(t *testing.T) {
	h := newHasher(Cost{Time: 1, Memory: 64})
	for range maxChecks {
		h.slots <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.hash(ctx, "x"); err == nil {
		t.Error("a hash was made beyond the limit")
	}
}

func TestTheDefaultCostIsNotCheap(t *testing.T) {
	if newHasher(Cost{}).cost != DefaultCost || DefaultCost.Memory < 19<<10 || DefaultCost.Time < 2 {
		t.Errorf("the default cost is %+v; OWASP asks for 19 MiB and 2 passes at least", newHasher(Cost{}).cost)
	}
}

func TestFirstPasswordsAreRandomAndPassTheRules(t *testing.T) {
	seen := map[string]bool{}
	for range 500 {
		p := randomPassword()
		if len(p) != 19 || seen[p] || strings.ContainsAny(p, "01lo") {
			t.Fatalf("a first password is %q", p)
		}
		seen[p] = true
	}
}

func TestASealedSecretOpensOnlyWhereItBelongs(t *testing.T) {
	s, err := NewSealer(bytes.Repeat([]byte{1}, 32))
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewSealer(bytes.Repeat([]byte{2}, 32))
	if err != nil {
		t.Fatal(err)
	}
	sealed := s.Seal([]byte("secret"), "totp a")
	if got, err := s.Open(sealed, "totp a"); err != nil || string(got) != "secret" {
		t.Errorf("Open = %q, %v", got, err)
	}
	altered := bytes.Clone(sealed)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() ([]byte, error){
		"moved to another account": func() ([]byte, error) { return s.Open(sealed, "totp b") },
		"with another key":         func() ([]byte, error) { return other.Open(sealed, "totp a") },
		"altered":                  func() ([]byte, error) { return s.Open(altered, "totp a") },
		"cut":                      func() ([]byte, error) { return s.Open(sealed[:10], "totp a") },
		"empty":                    func() ([]byte, error) { return s.Open(nil, "totp a") },
	} {
		if got, err := open(); err == nil {
			t.Errorf("a secret %s opened: %q", name, got)
		}
	}
	if bytes.Equal(sealed, s.Seal([]byte("secret"), "totp a")) {
		t.Error("the same secret seals to the same bytes")
	}
}

func TestTheSealingKeyIsMadeOnceAndKeptFromOthers(t *testing.T) {
	file := filepath.Join(t.TempDir(), "portal.key")
	first, err := OpenSealer(file)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
	second, err := OpenSealer(file)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := second.Open(first.Seal([]byte("x"), "a"), "a"); err != nil || string(got) != "x" {
		t.Errorf("the key read again opens %q, %v", got, err)
	}
	if err := os.Chmod(file, 0o644); err != nil { //nolint:gosec // that is the point
		t.Fatal(err)
	}
	if _, err := OpenSealer(file); err == nil || !strings.Contains(err.Error(), "0600") {
		t.Errorf("a key that others can read: %v", err)
	}
	for name, text := range map[string]string{"short": "AAAA", "no base64": "!!!"} {
		bad := filepath.Join(t.TempDir(), "bad.key")
		if err := os.WriteFile(bad, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenSealer(bad); err == nil {
			t.Errorf("a key that is %s was taken", name)
		}
	}
}

func TestTheLimiterHoldsBackPairsBeforeLoginsBeforeAddresses(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var l limiter
	for range maxPair {
		l.failed("hanako", "192.0.2.1", now)
	}
	for _, tt := range []struct {
		login, address string
		held           bool
	}{
		{"hanako", "192.0.2.1", true},
		{"hanako", "192.0.2.2", false}, // a stranger does not lock hanako out
		{"taro", "192.0.2.1", false},   // a whole town hall may share an address
	} {
		if got := l.wait(tt.login, tt.address, now) > 0; got != tt.held {
			t.Errorf("%s from %s is held: %v, want %v", tt.login, tt.address, got, tt.held)
		}
	}
	if got := l.wait("hanako", "192.0.2.1", now.Add(window)); got > 0 {
		t.Errorf("still held after the window: %v", got)
	}
	for i := range maxLogin {
		l.failed("chief", fmt.Sprintf("198.51.100.%d", i), now)
	}
	if l.wait("chief", "203.0.113.1", now) == 0 {
		t.Error("a login tried from many addresses is not held")
	}
	for i := range maxAddress {
		l.failed(fmt.Sprintf("user%d", i), "2001:db8::1", now)
	}
	if l.wait("anybody", "2001:db8::ffff", now) == 0 {
		t.Error("another address of the same /64 is not held")
	}
	if l.wait("anybody", "2001:db8:0:1::1", now) > 0 {
		t.Error("an address of another /64 is held")
	}
}

func TestTheLimitersMemoryIsBounded(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	var l limiter
	for i := range maxKeys {
		l.failed(fmt.Sprintf("user%d", i), "192.0.2.1", now)
	}
	if n := len(l.seen); n > maxKeys {
		t.Errorf("it remembers %d, want at most %d", n, maxKeys)
	}
}

// Who is called "system:…" passes for a machine in the store, without audit.
func TestNobodyIsCalledLikeTheSystem(t *testing.T) {
	for login, ok := range map[string]bool{
		"sato": true, "sato.m@vill-wakaba": true,
		"system:portal": false, "system:": false, "System:portal": false, "Sato": false, "佐藤": false, "a b": false, "ab": false, "": false,
	} {
		a := Account{Login: login, Name: "佐藤", Role: access.TenantStaff}
		if err := a.check(false, time.Now()); (err == nil) != ok {
			t.Errorf("login %q: %v, want it taken: %v", login, err, ok)
		}
		if ok && (store.Actor{Account: login}).IsSystem() {
			t.Errorf("login %q passes for the system", login)
		}
	}
}
