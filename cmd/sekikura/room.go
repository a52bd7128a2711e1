package main

import (
	"context"
	"fmt"
	"syscall"

	"github.com/sekikura/sekikura/role/admin"
)

// leastRoom is how many bytes must be free for a group that writes: below it a
// disk is as good as full, and there is still room to say so. The log store
// keeps more free; see engine.Server.MinFreeDisk.
const (
	leastRoom     = 64 << 20
	leastLogsRoom = 512 << 20
)

// roomOn is a check that names the disk of dir when less than least bytes of it
// are free.
func roomOn(dir string, least int64) admin.Check {
	return func(context.Context) error {
		_, free, err := diskOf(dir)
		if err != nil {
			return err
		}
		if free < least {
			return fmt.Errorf("the disk of %s is full: %d MiB are free, %d are needed", dir, free>>20, least>>20)
		}
		return nil
	}
}

// diskOf measures the disk that dir stands on, in bytes. free is what others
// than root may use.
func diskOf(dir string) (total, free int64, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(dir, &disk); err != nil {
		return 0, 0, fmt.Errorf("measuring the disk of %s: %w", dir, err)
	}
	return int64(disk.Blocks) * disk.Bsize, int64(disk.Bavail) * disk.Bsize, nil //nolint:gosec // below 2^63
}
