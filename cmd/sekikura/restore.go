package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/ops/backup"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

func backupCommand() *cobra.Command {
	c := &cobra.Command{Use: "backup", Short: "make, list and try out backups, or copy them away"}
	c.AddCommand(
		backupJobCommand("run", "make a backup now and wait for it", "/backups"),
		backupJobCommand("drill", "restore the newest backup into a scratch place and report", "/backups/drill"),
		backupListCommand(), backupPullCommand(),
	)
	return c
}

// backupJobCommand asks the running product for a job and shows its progress.
func backupJobCommand(name, short, path string) *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: name, Short: short, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			var begun struct{ Job string }
			if _, err := api.call(c.Context(), http.MethodPost, path, nil, struct{}{}, &begun); err != nil {
				return err
			}
			return await(c.Context(), api, begun.Job, c.OutOrStdout())
		},
	}
	r.flags(c)
	return c
}

// await shows a job's progress until it has ended.
func await(ctx context.Context, api *apiClient, id string, out io.Writer) error {
	for last := ""; ; {
		var job struct {
			State    string
			Progress float64
			Error    string
		}
		if err := api.get(ctx, "/jobs/"+id, &job); err != nil {
			return err
		}
		if line := fmt.Sprintf("%s %.0f %%", job.State, job.Progress*100); line != last {
			progress(out, "%s", line)
			last = line
		}
		switch job.State {
		case backup.Done:
			return nil
		case backup.Failed:
			return errors.New(job.Error)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(300 * time.Millisecond):
		}
	}
}

func backupListCommand() *cobra.Command {
	var r remote
	c := &cobra.Command{
		Use: "list", Short: "list the backups and the last drill", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			api, err := r.client()
			if err != nil {
				return err
			}
			var list struct {
				Items []struct {
					ID          string
					Time        time.Time
					Size        int64
					OK          bool
					Destination string
				}
				LastDrill *struct {
					Time    time.Time
					OK      bool
					RTOS    float64 `json:"rto_s"`
					RPOS    float64 `json:"rpo_s"`
					Checked int64
				} `json:"last_drill"`
			}
			if err := api.get(c.Context(), "/backups", &list); err != nil {
				return err
			}
			out := c.OutOrStdout()
			for _, b := range list.Items {
				fmt.Fprintf(out, "%s  %s JST  %d bytes  ok=%v  %s\n", b.ID, b.Time.In(jst).Format("2006-01-02 15:04:05"), b.Size, b.OK, b.Destination)
			}
			if d := list.LastDrill; d != nil {
				fmt.Fprintf(out, "last drill %s JST: ok=%v, restored in %.1f s (RTO), newest row %.1f s old (RPO), %d rows checked\n",
					d.Time.In(jst).Format("2006-01-02 15:04:05"), d.OK, d.RTOS, d.RPOS, d.Checked)
			}
			return nil
		},
	}
	r.flags(c)
	return c
}

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
		read, err := loadConfig(o.config)
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

func backupPullCommand() *cobra.Command {
	var o offline
	var into string
	var days int
	c := &cobra.Command{
		Use: "pull", Short: "copy new backups into a store of this account's own, where the product's administrators cannot delete them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := o.machine(c.Context())
			if err != nil {
				return err
			}
			copies, err := m.copies()
			if err != nil || copies == nil {
				return errors.Join(err, errors.New("no backups are configured"))
			}
			return pull(c.Context(), copies, into, days, c.OutOrStdout())
		},
	}
	o.flags(c)
	c.Flags().StringVar(&into, "into", "", "the folder of this account for the copies")
	c.Flags().IntVar(&days, "retain-days", 90, "how long a copy cannot be deleted or replaced")
	required(c, "into")
	return c
}

func pull(ctx context.Context, copies *copies, into string, days int, out io.Writer) error {
	from, err := copies.bucket(ctx)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(into, 0o700); err != nil {
		return err
	}
	to, err := objects.OpenFolder(filepath.Join(into, "backups"))
	if err != nil {
		return err
	}
	defer to.Close() //nolint:errcheck // every entry is committed
	retain := Days(days).Duration()
	pulled, err := (&backup.Pull{
		From: from, To: &backup.Retained{Bucket: to, Keep: retain, Now: time.Now}, Verify: copies.public(), Installation: string(copies.Operator),
		Retain: retain, State: filepath.Join(into, "state"), Log: newLog(out), Now: time.Now,
	}).Run(ctx)
	fmt.Fprintf(out, "copied %d backups, %d parts, %d bytes; the newest here is number %d\n", pulled.Backups, pulled.Parts, pulled.Bytes, pulled.Newest)
	for _, p := range pulled.Problems {
		fmt.Fprintf(out, "look at this: %s: %s\n", p.What, p.Error)
	}
	if err == nil && len(pulled.Problems) > 0 {
		return errSaid
	}
	return err
}

func restoreCommand() *cobra.Command {
	var o offline
	var into, identity, body, change string
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
			if into != "" {
				return restoreMachine(c.Context(), m, identity, into, c.OutOrStdout())
			}
			id, err := tenant.Parse(body)
			if err != nil {
				return usageError{err}
			}
			if change == "" {
				return usageError{errors.New("--change is needed: the number of the approved change, for the audit log")}
			}
			return restoreBody(c.Context(), m, identity, id, change, c.OutOrStdout())
		},
	}
	o.flags(c)
	c.Flags().StringVar(&into, "into", "", "an empty folder to restore everything into")
	c.Flags().StringVar(&identity, "identity", "", "the file with the age identity that reads the backups")
	c.Flags().StringVar(&body, "tenant", "", "restore this body only, into the running product")
	c.Flags().StringVar(&change, "change", "", "the change number (変更番号), with --tenant")
	return c
}

// newest opens the newest backup and what reads it.
func newest(ctx context.Context, m *machine, identity string) (*backup.Restore, backup.Manifest, *copies, error) {
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
	manifest, err := backup.Newest(ctx, from, copies.public())
	return &backup.Restore{From: from, Identities: identities, Now: time.Now}, manifest, copies, err
}

func restoreMachine(ctx context.Context, m *machine, identity, into string, out io.Writer) error {
	into, err := filepath.Abs(into)
	if err != nil {
		return err
	}
	for _, name := range []string{"control", "logs"} {
		if _, err := os.Stat(filepath.Join(into, name)); !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s holds a %q already; restore into a folder without one", into, name)
		}
	}
	r, manifest, copies, err := newest(ctx, m, identity)
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
	if err := m.handOver(into); err != nil {
		return err
	}
	return printReport(out, report)
}

// handOver gives restored folders to the accounts of their role groups.
func (m *machine) handOver(into string) error {
	if os.Geteuid() != 0 {
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

func restoreBody(ctx context.Context, m *machine, identity string, id tenant.ID, change string, out io.Writer) error {
	r, manifest, copies, err := newest(ctx, m, identity)
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
	r.Tenants, r.Progress = []tenant.ID{id}, teller(out)
	r.Targets = []backup.Target{
		&backup.ControlBody{DB: db, Schemas: schemas(), Actor: store.System("restore"), Reason: change},
		&backup.LogsInto{Client: copies.Logs.client()},
		&backup.ObjectsInto{Store: &objects.Store{Bucket: blobs, Keys: []objects.OperatorKey{sealing}, Now: time.Now}},
	}
	report, err := r.Run(ctx, manifest)
	if err != nil {
		return err
	}
	if err := m.handOver(m.conf.Data); err != nil {
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
