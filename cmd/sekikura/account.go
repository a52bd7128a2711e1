package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

func accountCommand() *cobra.Command {
	c := &cobra.Command{Use: "account", Short: "the way back in for people who are locked out"}
	c.AddCommand(accountResetCommand())
	return c
}

// accountResetCommand works on the control store itself: whoever may read the
// installation's keys on this machine may do it, and the portal need not run.
func accountResetCommand() *cobra.Command {
	var config string
	var factor bool
	c := &cobra.Command{
		Use: "reset LOGIN", Short: "give an account a new first password, which is printed once", Args: cobra.ExactArgs(1),
		Long: `reset gives an account of the portal a new random password, prints it once, and
ends the account's sessions and API tokens. The password has to be changed at the
next login. It is for an operator who is locked out; run it on the machine of the
control role, as root or as the user who runs the product. The audit log of the
account's body shows it.`,
		RunE: func(c *cobra.Command, args []string) error {
			conf, err := loadConfig(config)
			if err != nil {
				return err
			}
			return accountReset(c, conf, args[0], factor)
		},
	}
	configFlag(c, &config)
	c.Flags().BoolVar(&factor, "second-factor", false, "switch the second factor off as well, for a lost telephone")
	return c
}

func accountReset(c *cobra.Command, conf *Config, login string, factor bool) error {
	ctx := c.Context()
	dir := filepath.Join(conf.Data, "control")
	keyFolder := filepath.Join(conf.Data, "keys")
	// A wrong folder must not be filled with a new installation.
	needed := []string{filepath.Join(keyFolder, "keys.json")}
	if conf.Store.URL == "" {
		needed = append(needed, filepath.Join(dir, "control.db"))
	}
	for _, file := range needed {
		if _, err := os.Stat(file); err != nil {
			return fmt.Errorf("looking for the installation of %s: %w", conf.file, err)
		}
	}
	k, err := loadKeys(keyFolder)
	if err != nil {
		return err
	}
	sealer, err := account.NewSealer(k.Account)
	if err != nil {
		return err
	}
	db, err := openStore(ctx, dir, conf.Store.URL)
	if err != nil {
		return fmt.Errorf("opening the control store: %w", err)
	}
	defer db.Close() //nolint:errcheck // every change is committed
	directory := new(tenant.Directory)
	if _, err := (&tenants.Register{DB: db}).Load(ctx, directory); err != nil {
		return err
	}
	accounts := &account.Accounts{DB: db, Directory: directory, Keys: sealer, Now: time.Now}
	accounts.Open()
	for _, body := range directory.All() {
		password, err := accounts.Reset(ctx, store.System("account-reset"), body.ID, login, factor)
		if errors.Is(err, account.ErrNone) {
			continue
		}
		if err != nil {
			return fmt.Errorf("resetting the account %s of %s: %w", login, body.Name, err)
		}
		if login == firstLogin { // what it says is no longer true
			if err := os.Remove(filepath.Join(dir, firstLoginFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
		fmt.Fprintf(c.OutOrStdout(), "account:  %s (%s %s)\npassword: %s\nIt has to be changed at the next login.\n", login, body.ID, body.Name, password)
		now, err := accounts.Get(ctx, body.ID, login)
		if err != nil {
			return err
		}
		if now.Ended(time.Now()) {
			fmt.Fprintln(c.OutOrStdout(), "The account is disabled or has expired: another operator has to enable it in the portal first.")
		}
		return nil
	}
	return fmt.Errorf("there is no account %q in the control store", login)
}
