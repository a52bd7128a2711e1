package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/tenant"
)

// figure is one promised figure and what was measured.
type figure struct{ name, promise, measured, how string }

func benchCommand() *cobra.Command {
	return &cobra.Command{
		Use: "bench", Short: "measure the promised figures on this machine", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			out := c.OutOrStdout()
			figures := []figure{benchPolicy()}
			progress(out, "sending events through the bus into the log store")
			path, err := benchEventPath(c.Context())
			if err != nil {
				return err
			}
			figures = append(figures, path...)
			progress(out, "starting a demonstration")
			started, err := benchDemo(c.Context(), out)
			if err != nil {
				return errors.Join(printFigures(out, figures), err)
			}
			return printFigures(out, append(figures, started...))
		},
	}
}

func printFigures(out io.Writer, figures []figure) error {
	fmt.Fprintf(out, "\nSekikura %s, %s JST\n", version, time.Now().In(jst).Format("2006-01-02 15:04"))
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "figure\tpromise\tmeasured\thow")
	for _, f := range figures {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", f.name, f.promise, f.measured, f.how)
	}
	return table.Flush()
}

// benchPolicy times the look-up that every request makes.
func benchPolicy() figure {
	f := figure{name: "policy.For", promise: "≤ 50 ns, 0 allocations", how: "1,000 bodies, random order"}
	table, err := policy.NewTable(waf.Spec(time.Now))
	if err != nil {
		f.measured = err.Error()
		return f
	}
	ids := make([]tenant.ID, 1000)
	for i := range ids {
		ids[i] = tenant.ID(fmt.Sprintf("x-%d", i))
		table.Set(ids[i], nil, nil)
	}
	result := testing.Benchmark(func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			if table.For(ids[i*7919%len(ids)]) == nil {
				b.Fatal("no policy")
			}
		}
	})
	f.measured = fmt.Sprintf("%.1f ns, %d allocations", float64(result.T.Nanoseconds())/float64(result.N), result.AllocsPerOp())
	return f
}

// benchDemo starts a demonstration as a user does, and weighs it.
func benchDemo(ctx context.Context, out io.Writer) ([]figure, error) {
	folder, err := os.MkdirTemp("", "sk-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(folder)                      //nolint:errcheck // best effort
	if err := os.Chmod(folder, 0o711); err != nil { //nolint:gosec // role groups pass through
		return nil, err
	}
	begun := time.Now()
	self := exec.CommandContext(ctx, "/proc/self/exe", "demo", "--data", folder) //nolint:gosec // this program, on a folder just made
	self.Cancel = func() error { return self.Process.Signal(syscall.SIGINT) }
	var said bytes.Buffer
	self.Stdout, self.Stderr = &said, &said
	if err := self.Start(); err != nil {
		return nil, err
	}
	stop := func() error {
		self.Process.Signal(syscall.SIGINT) //nolint:errcheck // Wait tells
		return self.Wait()
	}
	bounded, cancel := context.WithTimeout(ctx, demoWait)
	defer cancel()
	if err := until(bounded, func() error {
		_, err := os.Stat(filepath.Join(folder, "demo.json"))
		return err
	}); err != nil {
		return nil, errors.Join(fmt.Errorf("the demonstration is not ready: %w\n%s", err, said.String()), stop())
	}
	ready := time.Since(begun)
	progress(out, "ready after %s; letting it idle for 20 s", ready.Round(10*time.Millisecond))
	select {
	case <-ctx.Done():
		return nil, errors.Join(ctx.Err(), stop())
	case <-time.After(20 * time.Second):
	}
	memory, parts, err := weigh(self.Process.Pid, filepath.Join(folder, "run", "status.json"))
	if err := errors.Join(err, stop()); err != nil {
		return nil, err
	}
	return []figure{
		{"demo ready", "≤ 10 s", fmt.Sprintf("%.1f s", ready.Seconds()), "sekikura demo on an empty folder, until demo.json is written"},
		{"demo idle memory", "< 800 MB", fmt.Sprintf("%.0f MB", float64(memory)/1e6), "sum of PSS: " + parts},
	}, nil
}

// weigh adds up the memory of the supervisor and its groups: each page counted
// once, however many processes share it (PSS, proc(5)).
func weigh(supervisor int, statusFile string) (total int64, parts string, err error) {
	text, err := os.ReadFile(statusFile)
	if err != nil {
		return 0, "", err
	}
	var status role.Status
	if err := json.Unmarshal(text, &status); err != nil {
		return 0, "", err
	}
	names := []string{"supervisor"}
	pids := []int{supervisor}
	for _, g := range status.Groups {
		names, pids = append(names, g.Name), append(pids, g.PID)
	}
	shares := make([]string, len(pids))
	for i, pid := range pids {
		bytes, err := pss(pid)
		if err != nil {
			return 0, "", fmt.Errorf("weighing %s: %w", names[i], err)
		}
		total += bytes
		shares[i] = fmt.Sprintf("%s %.0f", names[i], float64(bytes)/1e6)
	}
	return total, strings.Join(shares, ", "), nil
}

func pss(pid int) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == "Pss:" {
			kib, err := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("no Pss line")
}
