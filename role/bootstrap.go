package role

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// The child's file descriptors: standard error, then these, then its sockets in
// the order of bootstrap.Sockets.
const (
	fdBootstrap = 3
	fdSigns     = 4
	fdCrash     = 5
	fdSockets   = 6
)

// magic begins the bootstrap. Its first byte becomes bootJailed once the
// process has put its sandbox on and starts itself again inside.
const (
	magic      = "?sekikura role group\n"
	bootFresh  = '?'
	bootJailed = '!'
)

// bootstrap is what the supervisor tells a child. It travels in a file in
// memory: never in arguments or the environment, which others can read.
type bootstrap struct {
	Group    string            `json:"group"`
	Beat     time.Duration     `json:"beat"`
	Sockets  []string          `json:"sockets"`
	Caps     []Cap             `json:"caps"`
	Sandbox  Sandbox           `json:"sandbox"`
	Limits   Limits            `json:"limits"`
	Survives bool              `json:"survives"`
	Absent   map[string]string `json:"absent"`
	Settings []byte            `json:"settings"`
}

// file puts b into memory. The caller closes it.
func (b *bootstrap) file() (*os.File, error) {
	text, err := json.Marshal(b)
	if err != nil {
		return nil, err
	}
	fd, err := unix.MemfdCreate("sekikura-role", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a file in memory: %w", err)
	}
	f := os.NewFile(uintptr(fd), "bootstrap")
	if _, err := f.Write(append([]byte(magic), text...)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

var errNoBootstrap = errors.New("a role group is started by `sekikura serve`, not by hand")

// readBootstrap reads what file wrote, and whether the sandbox is on already.
// f stays open and where it was.
func readBootstrap(f io.ReaderAt) (b *bootstrap, jailed bool, err error) {
	head := make([]byte, len(magic))
	if _, err := f.ReadAt(head, 0); err != nil || string(head[1:]) != magic[1:] {
		return nil, false, errNoBootstrap
	}
	jailed = head[0] == bootJailed
	b = new(bootstrap)
	if err := json.NewDecoder(io.NewSectionReader(f, int64(len(magic)), 1<<30)).Decode(b); err != nil {
		return nil, jailed, fmt.Errorf("reading what the supervisor said: %w", err)
	}
	return b, jailed, nil
}
