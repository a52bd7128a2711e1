package home

import (
	"errors"
	"syscall"

	"github.com/sekikura/sekikura/role"
)

// StatusFile returns a reader of the file that the supervisor writes, and of
// whether that supervisor still lives.
func StatusFile(file string) func() (role.Status, bool, error) {
	return func() (role.Status, bool, error) {
		s, err := role.ReadStatus(file)
		if err != nil {
			return s, false, err
		}
		if s.PID <= 0 {
			return s, false, nil
		}
		// Another account's process answers EPERM, and lives.
		err = syscall.Kill(s.PID, 0)
		return s, err == nil || errors.Is(err, syscall.EPERM), nil
	}
}
