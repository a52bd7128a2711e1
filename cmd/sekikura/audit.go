package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "check the audit chains"}
	c.AddCommand(auditVerifyCommand())
	return c
}

// auditVerifyCommand reads the control store itself, so that it also works while
// the product is stopped, on a restored copy, or when the portal is not trusted.
func auditVerifyCommand() *cobra.Command {
	var config, data, heads string
	c := &cobra.Command{
		Use: "verify", Short: "walk every body's audit chain and compare it with the signed heads", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if (config == "") == (data == "") {
				return usageError{errors.New("say which store: --config FILE, or --data DIR of a demonstration")}
			}
			conf := &Config{Data: data}
			if config != "" {
				var err error
				if conf, err = loadConfig(config); err != nil {
					return err
				}
			}
			if heads == "" {
				heads = filepath.Join(conf.Data, "control", "heads")
			}
			return auditVerify(c, conf, heads)
		},
	}
	c.Flags().StringVar(&config, "config", "", "the settings file of the installation")
	c.Flags().StringVar(&data, "data", "", "the folder of a demonstration")
	c.Flags().StringVar(&heads, "heads", "", "the folder of the signed heads to compare with, best the one on another machine")
	return c
}

func auditVerify(c *cobra.Command, conf *Config, folder string) error {
	ctx, out := c.Context(), c.OutOrStdout()
	k, err := loadKeys(filepath.Join(conf.Data, "keys"))
	if err != nil {
		return err
	}
	signer := ed25519.NewKeyFromSeed(k.Heads)
	heads, err := readHeads(folder, signer.Public().(ed25519.PublicKey)) //nolint:errcheck,forcetypeassert // always one
	if err != nil {
		return fmt.Errorf("reading the signed heads in %s: %w", folder, err)
	}
	db, err := openStore(ctx, filepath.Join(conf.Data, "control"), conf.Store.URL)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // only read
	bodies := new(tenant.Directory)
	if _, err := (&tenants.Register{DB: db}).Load(ctx, bodies); err != nil {
		return err
	}
	broken := 0
	for _, t := range bodies.All() {
		report, err := db.VerifyAudit(ctx, t.ID, heads)
		if err != nil {
			return fmt.Errorf("reading the audit chain of %s: %w", t.ID, err)
		}
		if len(report.Faults) == 0 {
			fmt.Fprintf(out, "%s %s: %d records intact, signed up to record %d\n", t.ID, t.Name, report.Records, report.Signed)
			continue
		}
		broken++
		for _, f := range report.Faults {
			fmt.Fprintf(out, "%s %s: record %d %s\n", t.ID, t.Name, f.Seq, f.Code)
		}
	}
	if broken > 0 {
		fmt.Fprintf(out, "%d chains are broken: somebody changed the control store past the product. Keep it as evidence, and compare with the newest backup.\n", broken)
		return errSaid
	}
	return nil
}
