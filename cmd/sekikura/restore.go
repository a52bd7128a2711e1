package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/ops/backup"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// offline finds an installation's files without its running: the settings file
// of a real one, or the folder of a demonstration.
type offline struct{ config, data string }

func (o *offline) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.config, "config", "", "the settings file of the installation")
	c.Flags().StringVar(&o.data, "data", "", "the folder of a demonstration")
}

func (o *offline) machine(ctx context.Context) (*machine, error) {
	if (o.config == "") == (o.data == "") {
		return nil, usageError{errors.New("say which installation: --config FILE, or --data DIR of a demonstration")}
	}
	conf := defaults()
	if o.config != "" {
		read, err := lostConfig(o.config)
		if err != nil {
			return nil, err
		}
		conf = *read
	} else {
		folder, err := filepath.Abs(o.data)
		if err != nil {
			return nil, err
		}
		conf.Data, conf.Operator.ID = folder, demoOperator
		if err := demoBackup(&conf, folder); err != nil {
			return nil, err
		}
	}
	m, err := newMachine(&conf)
	if err != nil {
		return nil, err
	}
	m.addr = m.runningAddress
	return m, ctx.Err()
}

func restoreCommand() *cobra.Command {
	var o offline
	var into, identity, body, change string
	var number int64
	c := &cobra.Command{
		Use: "restore", Short: "bring a backup back: a whole machine into an empty folder, or one body into the running product", Args: cobra.NoArgs,
		Long: `restore --config FILE --identity FILE --into DIR
  restores the newest backup into the empty folder DIR, checks every part, and
  prints how long it took. To rebuild a lost machine, give it the keys folder you
  kept apart (DATA/keys), restore into DATA, and start the product.

restore --config FILE --identity FILE --tenant CODE --change NUMBER
  puts one body's rows, events and objects back into the running product. No other
  body is touched; the body's audit log stays and records the restore.`,
		RunE: func(c *cobra.Command, _ []string) error {
			if (into == "") == (body == "") {
				return usageError{errors.New("say where to: --into DIR for everything, or --tenant CODE for one body")}
			}
			m, err := o.machine(c.Context())
			if err != nil {
				return err
			}
			if identity == "" {
				identity = m.conf.Backup.Identity
			}
			if identity == "" {
				return usageError{errors.New("say who can read the backups: --identity FILE")}
			}
			if into != "" {
				return restoreMachine(c.Context(), m, identity, number, into, c.OutOrStdout())
			}
			id, err := tenant.Parse(body)
			if err != nil {
				return usageError{err}
			}
			if change == "" {
				return usageError{errors.New("--change is needed: the number of the approved change, for the audit log")}
			}
			return restoreBody(c.Context(), m, identity, number, id, change, c.OutOrStdout())
		},
	}
	o.flags(c)
	c.Flags().StringVar(&into, "into", "", "an empty folder to restore everything into")
	c.Flags().StringVar(&identity, "identity", "", "the file with the age identity that reads the backups")
	c.Flags().StringVar(&body, "tenant", "", "restore this body only, into the running product")
	c.Flags().Int64Var(&number, "number", 0, "the backup's number, as `sekikura backup list` shows it; the newest if 0")
	c.Flags().StringVar(&change, "change", "", "the change number (変更番号), with --tenant")
	return c
}

// opened opens a backup by its number, 0 for the newest, and what reads it, for
// the named bodies, or for everything. It changes nothing.
func opened(ctx context.Context, m *machine, identity string, number int64, bodies ...tenant.ID) (*backup.Restore, backup.Manifest, *copies, error) {
	copies, err := m.copies()
	if err != nil || copies == nil {
		return nil, backup.Manifest{}, nil, errors.Join(err, errors.New("no backups are configured"))
	}
	identities, err := readIdentities(identity)
	if err != nil {
		return nil, backup.Manifest{}, nil, err
	}
	from, err := copies.bucket(ctx)
	if err != nil {
		return nil, backup.Manifest{}, nil, err
	}
	read := func() (backup.Manifest, error) { return backup.Newest(ctx, from, copies.public()) }
	if number > 0 {
		read = func() (backup.Manifest, error) { return backup.Read(ctx, from, copies.public(), number) }
	}
	manifest, err := read()
	if err != nil {
		return nil, backup.Manifest{}, nil, fmt.Errorf("reading the backup: %w", err)
	}
	r := &backup.Restore{From: from, Identities: identities, Tenants: bodies, Now: time.Now}
	if err := r.Readable(ctx, manifest); err != nil {
		return nil, backup.Manifest{}, nil, fmt.Errorf("reading backup %d with the identity in %s: %w", manifest.Sequence, identity, err)
	}
	return r, manifest, copies, nil
}

func restoreMachine(ctx context.Context, m *machine, identity string, number int64, into string, out io.Writer) error {
	into, err := filepath.Abs(into)
	if err != nil {
		return err
	}
	for _, name := range []string{"control", "logs"} {
		if _, err := os.Stat(filepath.Join(into, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds a %q already; restore into a folder without one", into, name)
		}
	}
	r, manifest, copies, err := opened(ctx, m, identity, number)
	if err != nil {
		return err
	}
	targets, done, err := copies.targets(ctx, into, filepath.Join(into, "logs"))
	if err != nil {
		return err
	}
	r.Targets, r.Progress = targets, teller(out)
	report, err := r.Run(ctx, manifest)
	if err := errors.Join(err, done()); err != nil {
		return err
	}
	if err := takeHeads(into); err != nil {
		return err
	}
	if err := m.handOver(into); err != nil {
		return err
	}
	return printReport(out, report)
}

// takeHeads puts the restored heads of the audit chains where the product looks
// for them.
func takeHeads(into string) error {
	err := os.Rename(filepath.Join(into, "settings", "heads"), filepath.Join(into, "control", "heads"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the backup was made before anything was signed
	}
	return err
}

// handOver gives restored folders to the accounts of their role groups.
func (m *machine) handOver(into string) error {
	if os.Geteuid() != 0 || m.closed != "" {
		return nil
	}
	for n, name := range map[uint32]string{1: "logs", 3: "control"} {
		uid, gid := m.account(n)
		if err := giveAway(filepath.Join(into, name), int(uid), int(gid)); err != nil {
			return fmt.Errorf("handing %s over to its account: %w", name, err)
		}
	}
	return nil
}

// giveAway changes the owner of folder and everything below it, and follows no
// link out of it.
func giveAway(folder string, uid, gid int) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // only a handle
	return fs.WalkDir(root.FS(), ".", func(path string, _ fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // the running product cleans up, too
		}
		if err == nil {
			err = root.Lchown(path, uid, gid)
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

// afterRestore refuses what contradicts other bodies by now, and ends the body's
// sessions and tokens: one that was revoked since the backup stays revoked.
func afterRestore(ctx context.Context, tx *store.Tx) error {
	if err := tenants.Standing(ctx, tx); err != nil {
		return err
	}
	return account.EndAll(ctx, tx)
}

func restoreBody(ctx context.Context, m *machine, identity string, number int64, id tenant.ID, change string, out io.Writer) error {
	r, manifest, copies, err := opened(ctx, m, identity, number, id)
	if err != nil {
		return err
	}
	heads, err := copies.heads()
	if err != nil {
		return err
	}
	db, err := openStore(ctx, m.path("control"), m.conf.Store.URL)
	if err != nil {
		return err
	}
	defer db.Close() //nolint:errcheck // every change is committed
	sealing, err := objects.OperatorKeyFrom(copies.Objects)
	if err != nil {
		return err
	}
	blobs, err := objects.OpenFolder(copies.place("objects"))
	if err != nil {
		return err
	}
	defer blobs.Close() //nolint:errcheck // every entry is committed
	r.Progress = teller(out)
	r.Targets = []backup.Target{
		&backup.ControlBody{DB: db, Schemas: schemas(), Heads: heads, Actor: store.System("restore"), Reason: change, Topics: []string{tenants.Topic}, Standing: afterRestore},
		&backup.LogsInto{Client: copies.Logs.patient()},
		&backup.ObjectsInto{Store: &objects.Store{Bucket: blobs, Keys: []objects.OperatorKey{sealing}, Now: time.Now}},
	}
	report, err := r.Run(ctx, manifest)
	if err := errors.Join(err, m.handOver(m.conf.Data)); err != nil {
		return err
	}
	return printReport(out, report)
}

// teller shows a restore's progress at most every half second.
func teller(out io.Writer) func(backup.Progress) {
	var last time.Time
	return func(p backup.Progress) {
		if time.Since(last) > 500*time.Millisecond || p.Done == p.Of {
			last = time.Now()
			progress(out, "%d of %d parts, %d bytes: %s", p.Done, p.Of, p.Bytes, p.Slice)
		}
	}
}

func printReport(out io.Writer, r backup.Report) error {
	fmt.Fprintf(out, "backup number %d of %s JST\n", r.Sequence, r.Made.In(jst).Format("2006-01-02 15:04:05"))
	fmt.Fprintf(out, "%d parts, %d rows, %d rows read again; restored in %.1f s (RTO), newest row %.1f s old (RPO)\n",
		r.Parts, r.Rows, r.Checked, r.RTO.Seconds(), r.RPO.Seconds())
	for _, p := range r.Problems {
		fmt.Fprintf(out, "problem: %s: %s\n", p.What, p.Error)
	}
	if !r.OK {
		fmt.Fprintln(out, "Not everything came back. Try an older backup, or the copy of the second account.")
		return errSaid
	}
	fmt.Fprintln(out, "everything came back and was read again")
	return nil
}
