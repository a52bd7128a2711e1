//go:build !linux

package s3test

import "errors"

func setAttribute(string) error { return errors.ErrUnsupported }
