package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/ops/backup"
	"github.com/sekikura/sekikura/store/objects"
)

func backupCommand() *cobra.Command {
	c := &cobra.Command{Use: "backup", Short: "make, list and try out backups, or copy them away"}
	c.AddCommand(
		backupJobCommand("run", "make a backup now and wait for it", "/backups"),
		backupJobCommand("drill", "restore the newest backup into a scratch place and report", "/backups/drill"),
		backupListCommand(), backupKeyCommand(), backupPullCommand(),
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
			if len(list.Items) == 0 {
				fmt.Fprintln(c.ErrOrStderr(), "There is no backup yet: sekikura backup run makes one.")
			}
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

// backupKeyCommand prints what the account that pulls needs to know: nothing
// secret.
func backupKeyCommand() *cobra.Command {
	var o offline
	c := &cobra.Command{
		Use: "key", Short: "print the key that the signatures of this installation's backups are checked with", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			m, err := o.machine(c.Context())
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%x\n", (&copies{Signing: m.keys.Backup}).public())
			return nil
		},
	}
	o.flags(c)
	return c
}

// backupPullCommand runs as another account, best on another machine. It needs to
// read the folder of backups, and no secret of the product.
func backupPullCommand() *cobra.Command {
	var from, into, key, installation string
	var days, expect int
	c := &cobra.Command{
		Use: "pull", Short: "copy new backups into a store of this account's own, where the product's administrators cannot delete them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			public, err := hex.DecodeString(key)
			if err != nil || len(public) != ed25519.PublicKeySize {
				return usageError{errors.New("--key must be what `sekikura backup key` prints")}
			}
			source, err := objects.ReadFolder(from)
			if err != nil {
				return fmt.Errorf("opening the folder of backups: %w", err)
			}
			defer source.Close() //nolint:errcheck // only read
			if err := os.MkdirAll(into, 0o700); err != nil {
				return err
			}
			to, err := objects.OpenFolder(filepath.Join(into, "backups"))
			if err != nil {
				return err
			}
			defer to.Close() //nolint:errcheck // every entry is committed
			retain := Days(days).Duration()
			return pull(c.Context(), &backup.Pull{
				From: source, To: &backup.Retained{Bucket: to, Keep: retain, Now: time.Now}, Verify: public, Installation: installation,
				Retain: retain, Expect: Days(expect).Duration(), State: filepath.Join(into, "state"), Log: newLog(c.ErrOrStderr()), Now: time.Now,
			}, c.OutOrStdout())
		},
	}
	f := c.Flags()
	f.StringVar(&from, "from", "", "the folder that the product writes its backups to")
	f.StringVar(&into, "into", "", "the folder of this account for the copies")
	f.StringVar(&key, "key", "", "what `sekikura backup key` printed on the product's machine")
	f.StringVar(&installation, "installation", "", "the prefecture's code")
	f.IntVar(&days, "retain-days", 90, "how long a copy cannot be deleted or replaced")
	f.IntVar(&expect, "expect-days", 14, "how long the product keeps every backup: a younger one that is missing there is reported")
	for _, name := range []string{"from", "into", "key", "installation"} {
		required(c, name)
	}
	return c
}

func pull(ctx context.Context, p *backup.Pull, out io.Writer) error {
	pulled, err := p.Run(ctx)
	fmt.Fprintf(out, "copied %d backups, %d parts, %d bytes; the newest here is number %d\n", pulled.Backups, pulled.Parts, pulled.Bytes, pulled.Newest)
	for _, p := range pulled.Problems {
		fmt.Fprintf(out, "look at this: %s: %s\n", p.What, p.Error)
	}
	if err == nil && len(pulled.Problems) > 0 {
		return errSaid
	}
	return err
}
