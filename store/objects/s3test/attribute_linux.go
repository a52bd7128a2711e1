package s3test

import "golang.org/x/sys/unix"

func setAttribute(dir string) error { return unix.Setxattr(dir, "user.sekikura", []byte("test"), 0) }
