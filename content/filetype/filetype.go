// Package filetype tells what a file is from its bytes, never from its name.
package filetype

import "io"

// Result is a file's type.
type Result struct{ Type string }

// Detect is being written.
func Detect(r io.ReaderAt, size int64) (Result, error) { return Result{}, nil }
