// Command sekikura-worker parses one hostile file and exits.
//
// It is started ahead of time by role/worker, in a jail where there is one,
// and talks content/job on descriptor 3. Before it reads a byte from
// outside it gives up every system call that its work does not need: it cannot
// open files, make sockets or start programs. It imports only content, so that
// it starts in milliseconds.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/sekikura/sekikura/content/filetype"
	"github.com/sekikura/sekikura/content/job"
)

// engines are what a job can name.
var engines = map[string]job.Engine{
	"filetype": func(f job.File, size int64, _ []byte, _ io.Writer) (any, error) {
		return filetype.Detect(f, size)
	},
	"selftest": selftest,
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	flags := flag.NewFlagSet("sekikura-worker", flag.ContinueOnError)
	cpu := flags.Uint64("cpu", 30, "seconds of processor time")
	memory := flags.Uint64("memory", 512<<20, "bytes of memory")
	if err := flags.Parse(args); err != nil {
		return err
	}
	conn := os.NewFile(3, "jobs")
	if _, err := conn.Stat(); err != nil {
		return fmt.Errorf("sekikura-worker is started by sekikura, not by hand: %w", err)
	}
	if err := confine(*cpu, *memory); err != nil {
		return err
	}
	return job.Serve(conn, engines)
}

// trial is what selftest is told to try.
type trial struct {
	Do    string `json:"do"`
	Bytes int    `json:"bytes"`
}

// selftest misbehaves on purpose, so that the product can check on the machine
// where it runs that the limits hold. It does nothing that a hostile file's
// parser could not.
func selftest(f job.File, _ int64, options []byte, out io.Writer) (any, error) {
	var t trial
	if err := json.Unmarshal(options, &t); err != nil {
		return nil, fmt.Errorf("reading the self test's options: %w", err)
	}
	switch t.Do {
	case "escape":
		return escape(), nil
	case "panic":
		panic("the self test was asked to")
	case "spin":
		for i := 0; ; i++ {
			if i < 0 {
				return i, nil
			}
		}
	case "sleep":
		time.Sleep(time.Hour)
	case "memory":
		var kept [][]byte
		for {
			block := make([]byte, 1<<20)
			for i := range block {
				block[i] = byte(i)
			}
			if kept = append(kept, block); len(kept) > t.Bytes>>20 {
				return len(kept), nil
			}
		}
	case "output":
		_, err := io.CopyN(out, zeros{}, int64(t.Bytes))
		return t.Bytes, err
	case "garbage":
		if _, err := os.NewFile(3, "jobs").WriteString("Segmentation fault\n"); err != nil {
			return nil, err
		}
		os.Exit(0)
	case "exit":
		os.Exit(0)
	case "read":
		text, err := io.ReadAll(f)
		return len(text), err
	}
	return nil, fmt.Errorf("the self test does not know %q", t.Do)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }
