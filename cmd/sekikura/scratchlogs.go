package main

import (
	"bufio"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/engine"
)

// scratchRetention keeps every restored row, however old.
const scratchRetention = 100 * 365 * 24 * time.Hour

// scratchLogsCommand is a log store for a restore, in a process of its own that
// ends with its standard input. Nobody types it; see startScratchLogs.
func scratchLogsCommand() *cobra.Command {
	return &cobra.Command{
		Use: "scratch-logs DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in := bufio.NewReader(c.InOrStdin())
			secret, err := in.ReadString('\n')
			if err != nil {
				return fmt.Errorf("reading the secret: %w", err)
			}
			listener, err := new(net.ListenConfig).Listen(c.Context(), "tcp", "127.0.0.1:0")
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), listener.Addr())
			ctx, stop := context.WithCancel(c.Context())
			go func() {
				defer stop()
				io.Copy(io.Discard, in) //nolint:errcheck // it ends, that is all
			}()
			server := &engine.Server{
				Listener: listener, Dir: args[0], Secret: strings.TrimSpace(secret), Boot: rand.Text(),
				Retention: scratchRetention, FlushInterval: time.Second, Log: slog.New(slog.DiscardHandler),
			}
			return server.Run(ctx)
		},
	}
}

// startScratchLogs starts a log store on dir and returns a client of it. stop
// ends it and waits until its rows are on disk.
func startScratchLogs(ctx context.Context, dir string) (found *logs.Client, stop func() error, err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, nil, err
	}
	self := exec.CommandContext(context.WithoutCancel(ctx), "/proc/self/exe", "scratch-logs", dir) //nolint:gosec // this program
	self.Args[0] = os.Args[0]
	self.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := self.StdinPipe()
	if err != nil {
		return nil, nil, err
	}
	out, err := self.StdoutPipe()
	if err != nil {
		return nil, nil, err
	}
	if err := self.Start(); err != nil {
		return nil, nil, fmt.Errorf("starting a log store for the restore: %w", err)
	}
	stop = func() error { return errors.Join(in.Close(), self.Wait()) }
	secret := rand.Text()
	if _, err := fmt.Fprintln(in, secret); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("starting a log store for the restore: %w", err), stop())
	}
	found = &logs.Client{URL: "http://" + strings.TrimSpace(address), Secret: secret}
	bounded, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	if err := until(bounded, func() error { return found.Health(bounded) }); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("waiting for the log store of the restore: %w", err), stop())
	}
	return found, stop, nil
}
