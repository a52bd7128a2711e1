package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/spf13/cobra"
)

// commands is the command line. Every command has its own constructor beside
// what it does.
func commands(stdout, stderr io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "sekikura",
		Short: "自治体情報セキュリティクラウド: protects a prefecture's municipalities with one program",
		Long: `Sekikura is one program with which a prefecture protects its municipalities.

  sekikura demo --data DIR          a demonstration prefecture on this machine
  sekikura drill --demo DIR/demo.json   real attacks against it, and what stopped them
  sekikura serve --config FILE      the real thing`,
		SilenceUsage: true, SilenceErrors: true,
		Version: version,
	}
	root.SetOut(stdout)
	root.SetErr(stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(
		serveCommand(), roleCommand(), demoCommand(), checkCommand(), drillCommand(),
		accountCommand(), auditCommand(), backupCommand(), restoreCommand(), scratchLogsCommand(), benchCommand(), versionCommand(),
		statusCommand(), tenantsCommand(), eventsCommand(), policyCommand(),
	)
	for _, c := range root.Commands() {
		strict(c)
	}
	root.Args = func(_ *cobra.Command, args []string) error {
		if len(args) > 0 {
			return usageError{fmt.Errorf("there is no command %q; see: sekikura --help", args[0])}
		}
		return nil
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

// strict turns a wrong number of arguments into a usage error, in c and below.
func strict(c *cobra.Command) {
	if check := c.Args; check != nil {
		c.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return usageError{fmt.Errorf("%w; see: %s --help", err, c.CommandPath())}
			}
			return nil
		}
	}
	for _, below := range c.Commands() {
		strict(below)
	}
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "print the version", Args: cobra.NoArgs,
		Run: func(c *cobra.Command, _ []string) {
			fmt.Fprintln(c.OutOrStdout(), "sekikura", version)
		},
	}
}

func checkCommand() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "check", Short: "check a settings file and name every wrong line", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if _, err := loadConfig(file); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), file, "is in order")
			return nil
		},
	}
	configFlag(c, &file)
	return c
}

func drillCommand() *cobra.Command {
	var demo, config, tokenFile, ca string
	var yes bool
	c := &cobra.Command{
		Use: "drill", Short: "run one real case for each effect and outage lesson that is built", Args: cobra.NoArgs,
		Long: `drill sends real attacks and prints what stopped each, after how long, and under
which event it is found. It doubles as the acceptance test (検査調書).

drill --demo DIR/demo.json        against a running demonstration
drill --config FILE --token-file FILE   against an installation in use: it asks
  first, attacks the first published site only, and marks everything as 訓練`,
		RunE: func(c *cobra.Command, _ []string) error {
			if (demo == "") == (config == "") {
				return usageError{errors.New("say against what: --demo FILE, or --config FILE --token-file FILE")}
			}
			if demo != "" {
				d, err := readDemo(demo)
				if err != nil {
					return err
				}
				world, err := demoWorld(d)
				if err != nil {
					return err
				}
				return drill(c.Context(), world, filepath.Dir(demo), c.OutOrStdout())
			}
			conf, err := loadConfig(config)
			if err != nil {
				return err
			}
			world, err := realWorld(c.Context(), conf, tokenFile, ca)
			if err != nil {
				return err
			}
			if !yes && !agreed(c.InOrStdin(), c.OutOrStdout(), world) {
				return errors.New("nothing was sent")
			}
			return drill(c.Context(), world, ".", c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&demo, "demo", "", "demo.json of a running demonstration")
	f.StringVar(&config, "config", "", "the settings file of an installation in use")
	f.StringVar(&tokenFile, "token-file", "", "with --config: a file that holds an API token of the prefecture")
	f.StringVar(&ca, "ca", "", "with --config: a file of certificates to trust (PEM); the system's if empty")
	f.BoolVar(&yes, "yes", false, "with --config: do not ask")
	return c
}

func configFlag(c *cobra.Command, file *string) {
	c.Flags().StringVar(file, "config", "", "the settings file (TOML)")
	required(c, "config")
}

// required makes a flag necessary; a missing one is a usage error.
func required(c *cobra.Command, name string) {
	check := c.PreRunE
	c.PreRunE = func(c *cobra.Command, args []string) error {
		if !c.Flags().Changed(name) {
			return usageError{fmt.Errorf("--%s is needed; see: %s --help", name, c.CommandPath())}
		}
		if check != nil {
			return check(c, args)
		}
		return nil
	}
}
