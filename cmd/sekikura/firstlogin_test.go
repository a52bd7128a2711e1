package main

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/store"
)

// setup is a control store that a test opens again and again, as the control
// group does at each start.
type setup struct {
	*controlSettings
	t *testing.T
}

func newSetup(t *testing.T) *setup {
	t.Helper()
	return &setup{t: t, controlSettings: &controlSettings{
		Dir: t.TempDir(), Operator: OperatorConfig{ID: demoOperator, Name: "さくら県"}, PortalURL: "https://portal.example/", AccountKey: make([]byte, keySize),
	}}
}

// start opens the store, hands it to do, and closes it.
func (s *setup) start(do func(context.Context, *begun)) {
	s.t.Helper()
	b, err := s.open(s.t.Context(), slog.New(slog.DiscardHandler))
	if err != nil {
		s.t.Fatal(err)
	}
	if do != nil {
		do(s.t.Context(), b)
	}
	if err := b.db.Close(); err != nil {
		s.t.Fatal(err)
	}
}

func (s *setup) file() string { return filepath.Join(s.Dir, firstLoginFile) }

// password is what waits in the file; "" when there is none.
func (s *setup) password() string {
	s.t.Helper()
	text, err := os.ReadFile(s.file())
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		s.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^password: (\S+)$`).FindSubmatch(text)
	if found == nil {
		s.t.Fatalf("no password stands in %q", text)
	}
	return string(found[1])
}

func TestTheFirstPasswordWaitsUntilItWasChanged(t *testing.T) {
	s := newSetup(t)
	s.start(nil)
	first := s.password()
	if first == "" {
		t.Fatal("after the first start no password waits")
	}
	s.start(func(ctx context.Context, b *begun) {
		if gone, err := s.firstLoginUsed(ctx, b.accounts, s.file()); gone || err != nil {
			t.Errorf("before its use the password was removed: %v, %v", gone, err)
		}
		acc, err := b.accounts.Login(ctx, firstLogin, first, "", "192.0.2.1")
		if err != nil || !acc.MustChange {
			t.Errorf("login with the first password: %v, must change %v, want true", err, acc.MustChange)
		}
	})
	if got := s.password(); got != first {
		t.Errorf("after another start the password is %q, want the first one %q", got, first)
	}
	s.start(func(ctx context.Context, b *begun) {
		if err := b.accounts.SetPassword(ctx, store.System("test"), demoOperator, firstLogin, "another-one-of-mine"); err != nil {
			t.Fatal(err)
		}
		if gone, err := s.firstLoginUsed(ctx, b.accounts, s.file()); !gone || err != nil {
			t.Errorf("after the change the file is not removed: %v, %v", gone, err)
		}
	})
	s.start(nil)
	if got := s.password(); got != "" {
		t.Errorf("a start after the change leaves the password %q behind", got)
	}
}

func TestAFirstPasswordThatNobodyKnowsIsReplaced(t *testing.T) {
	s := newSetup(t)
	s.start(nil)
	lost := s.password()
	if err := os.Remove(s.file()); err != nil { // as when we die before it is written
		t.Fatal(err)
	}
	s.start(func(ctx context.Context, b *begun) {
		now := s.password()
		if now == "" || now == lost {
			t.Fatalf("after a start without the file the password is %q, want a new one", now)
		}
		if _, err := b.accounts.Login(ctx, firstLogin, lost, "", "192.0.2.1"); !errors.Is(err, account.ErrWrong) {
			t.Errorf("login with the lost password: %v, want ErrWrong", err)
		}
		if _, err := b.accounts.Login(ctx, firstLogin, now, "", "192.0.2.1"); err != nil {
			t.Errorf("login with the new password: %v", err)
		}
	})
	if err := os.Remove(s.file()); err != nil {
		t.Fatal(err)
	}
	s.start(nil)
	if got := s.password(); got != "" {
		t.Errorf("an account that was used gets the password %q by a start", got)
	}
}
