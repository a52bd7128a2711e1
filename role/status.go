package role

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// State is where a group is in its life.
type State string

// The states of a group.
const (
	Waiting  State = "waiting"   // for groups it starts after, or for its next try
	Starting State = "starting"  // the process runs and has not said that it is ready
	Ready    State = "ready"     // it does its work
	NotReady State = "not_ready" // it runs, and says that it cannot do its work
	Stopping State = "stopping"  // it was asked to end
	Stopped  State = "stopped"   // it ended because it was asked to
)

// Status is what a supervisor knows about its groups.
type Status struct {
	Time   time.Time     `json:"time"` // when it was written
	PID    int           `json:"pid"`  // the supervisor's process
	Groups []GroupStatus `json:"groups"`
}

// GroupStatus is one group of a [Status].
type GroupStatus struct {
	Name     string            `json:"name"`
	PID      int               `json:"pid,omitempty"` // 0 while there is no process
	State    State             `json:"state"`
	Since    time.Time         `json:"since"`               // when the state began
	Started  time.Time         `json:"started,omitzero"`    // when the process was started
	Restarts int               `json:"restarts"`            // starts after the first
	LastExit string            `json:"last_exit,omitempty"` // why the last process ended or could not start
	LastAt   time.Time         `json:"last_exit_at,omitzero"`
	Crash    string            `json:"crash,omitempty"`   // the file with the last crash's stacks
	Sockets  map[string]string `json:"sockets,omitempty"` // name to address
	Sandbox  []string          `json:"sandbox,omitempty"` // what is in force: landlock, seccomp, …
	Absent   map[string]string `json:"absent,omitempty"`  // what is not, and why
	Birth    uint64            `json:"birth,omitempty"`   // the process's start in clock ticks after boot
}

// Absent collects what is missing on this machine over all groups: a name such
// as "low_ports" and the reason.
func (s Status) Absent() map[string]string {
	all := make(map[string]string)
	for _, g := range s.Groups {
		for what, why := range g.Absent {
			all[what] = why
		}
	}
	return all
}

// Group returns the status of the group called name.
func (s Status) Group(name string) (GroupStatus, bool) {
	for _, g := range s.Groups {
		if g.Name == name {
			return g, true
		}
	}
	return GroupStatus{}, false
}

// ReadStatus reads the file that a supervisor writes. Whether that supervisor
// still lives is for the reader to judge by PID and Time.
func ReadStatus(file string) (Status, error) {
	var s Status
	text, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return Status{}, fmt.Errorf("reading %s: %w", file, err)
	}
	return s, nil
}

// statusRoom is what the file takes on disk, at least and in steps: spaces behind
// the JSON keep room to write over it when the disk is full.
const statusRoom = 8 << 10

// write replaces file as a whole, so that a reader never sees half of it. On a
// disk that is full it writes over the old text instead: what is down now matters
// more than a reader that has to look twice.
func (s Status) write(file string) error {
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, statusRoom-1-len(text)%statusRoom)...)
	text = append(text, '\n')
	err = replaceFile(file, text)
	if errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) {
		return overwrite(file, text)
	}
	return err
}

func replaceFile(file string, text []byte) error {
	next, err := os.CreateTemp(filepath.Dir(file), ".status-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) //nolint:errcheck // gone after the rename
	_, err = next.Write(text)
	// The portal reads it under another account; there is no secret in it.
	if err := errors.Join(err, next.Chmod(0o644), next.Close()); err != nil {
		return err
	}
	return os.Rename(next.Name(), file)
}

func overwrite(file string, text []byte) error {
	old, err := os.OpenFile(file, os.O_WRONLY, 0) //nolint:gosec // our own file
	if err != nil {
		return err
	}
	_, err = old.WriteAt(text, 0)
	return errors.Join(err, old.Truncate(int64(len(text))), old.Close())
}
