// Command sekikura is the whole product: the supervisor, every role, and the
// tools of the people who run it.
//
// This folder is the composition root and the map of the product: serve.go says
// which groups of roles run, and one file a group (control.go, bus.go, logs.go,
// edge.go) builds its services and hands each its neighbours. Whatever is not
// wired here does not run.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes, which scripts rely on.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// version is set by the build.
var version = "development" //nolint:gochecknoglobals // -ldflags -X needs a variable

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// usageError is a mistake in the command line.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run does what args say until it is done or ctx ends, and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	command := commands(stdout, stderr)
	command.SetArgs(args)
	err := command.ExecuteContext(ctx)
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, new(usageError)):
		fmt.Fprintln(stderr, "sekikura:", err)
		return exitUsage
	case errors.Is(err, errSaid):
		return exitFailed
	}
	fmt.Fprintln(stderr, "sekikura:", err)
	return exitFailed
}

// errSaid is the error of a command that has already told the user.
var errSaid = errors.New("said already")
