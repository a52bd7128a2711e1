package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

const (
	// firstLogin is the login of the operator's first account.
	firstLogin = "admin"
	// firstLoginFile lies in the control role's folder while firstLogin still has
	// the password that it was made with. Only the control role's own account, and
	// root, can read it.
	firstLoginFile = "first-login.txt"
	// firstLoginEvery is how often we look whether that password was changed.
	firstLoginEvery = 5 * time.Second
)

// setupActor made what a new installation begins with, in the audit log.
var setupActor = store.System("setup") //nolint:gochecknoglobals // a constant

// firstOperator adds the prefecture of the settings file to a register that does
// not have it, and to a prefecture without accounts its first one, whose password
// it leaves in firstLoginFile.
func (s *controlSettings) firstOperator(ctx context.Context, register *tenants.Register, accounts *account.Accounts, directory *tenant.Directory, log *slog.Logger) error {
	id := s.Operator.ID
	_, err := register.Get(ctx, id)
	if errors.Is(err, store.ErrNone) {
		_, err = register.Put(ctx, setupActor, tenant.Tenant{ID: id, Operator: id, Name: s.Operator.Name, Kind: tenant.Prefecture}, 0, "setup")
	}
	if err != nil {
		return err
	}
	if _, err := register.Load(ctx, directory); err != nil { // accounts belong to bodies in it
		return err
	}
	all, err := accounts.List(ctx, id, "", 2)
	if err != nil {
		return err
	}
	file := filepath.Join(s.Dir, firstLoginFile)
	var password string
	switch {
	case len(all) == 0:
		password, err = accounts.Create(ctx, setupActor, account.Account{Tenant: id, Login: firstLogin, Name: "最初の管理者", Role: access.Operator})
	case len(all) == 1 && all[0].Login == firstLogin && all[0].MustChange && all[0].LastLogin.IsZero():
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		// We died before the password was written down, or somebody removed it
		// unused: one that nobody knows is replaced.
		password, err = accounts.Reset(ctx, setupActor, id, firstLogin, false)
	default:
		return nil
	}
	if err != nil {
		return fmt.Errorf("adding the first account: %w", err)
	}
	text := fmt.Sprintf("portal:   %s\nlogin:    %s\npassword: %s\n\n"+
		"The portal asks for a new password at the first login; this file is removed then.\n"+
		"はじめてのログインで新しいパスワードに変えると、このファイルは消えます。\n", s.PortalURL, firstLogin, password)
	if err := writeFile(file, []byte(text), 0o600); err != nil {
		return fmt.Errorf("writing down the first account's password: %w", err)
	}
	log.Warn("the first account was made; its password waits to be read once", "login", firstLogin, "portal", s.PortalURL, "file", file)
	return nil
}

// removeFirstLogin waits until the first account's password was changed, and
// removes the file that held it.
func (s *controlSettings) removeFirstLogin(accounts *account.Accounts, log *slog.Logger) func(context.Context) error {
	return func(ctx context.Context) error {
		file := filepath.Join(s.Dir, firstLoginFile)
		tick := time.NewTicker(firstLoginEvery)
		defer tick.Stop()
		for {
			gone, err := s.firstLoginUsed(ctx, accounts, file)
			switch {
			case err != nil && ctx.Err() == nil:
				log.Warn("looking whether the first account's password was changed", "err", err)
			case gone:
				<-ctx.Done()
				return nil
			}
			select {
			case <-ctx.Done():
				return nil
			case <-tick.C:
			}
		}
	}
}

// firstLoginUsed removes file when its password is no longer good, and tells
// whether there is none any more.
func (s *controlSettings) firstLoginUsed(ctx context.Context, accounts *account.Accounts, file string) (gone bool, err error) {
	switch _, err := os.Stat(file); {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case err != nil:
		return false, err
	}
	first, err := accounts.Get(ctx, s.Operator.ID, firstLogin)
	switch {
	case err == nil && first.MustChange:
		return false, nil
	case err != nil && !errors.Is(err, account.ErrNone):
		return false, err
	}
	return true, os.Remove(file)
}

// portalURL is where people find the portal: the name that they type, with the
// port that the socket has.
func (m *machine) portalURL() string {
	at := port(m.addr("control", "portal"))
	if at == "" {
		at = port(m.conf.Portal.Listen)
	}
	if at == "443" {
		return "https://" + m.conf.Portal.Name + "/"
	}
	return "https://" + net.JoinHostPort(m.conf.Portal.Name, at) + "/"
}
