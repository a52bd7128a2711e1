package backup

import (
	"context"
	"io"
	"time"
)

// Source is something that is backed up. Its methods are called one after the
// other: Slices, then Write for some of the slices, then Close.
type Source interface {
	// Name is the first word of its slices; unique within a backup.
	Name() string
	// Slices returns what there is to back up now. last are this source's slices
	// in the backup before, with the rows they had. The slices stay as they are
	// until Close.
	Slices(ctx context.Context, last []Part) ([]Slice, error)
	// Write writes the content of one of those slices.
	Write(ctx context.Context, s Slice, w io.Writer) (Wrote, error)
	// Close drops what Slices prepared. It may be called without Slices.
	Close() error
}

// Wrote says what a slice turned out to hold.
type Wrote struct {
	Rows   int64
	Newest time.Time // of its rows; zero when they have no time
}

// Target takes what a source of the same name wrote. Its methods are called one
// after the other.
type Target interface {
	// Name is the source whose slices it takes.
	Name() string
	// Restore takes one slice and returns how many rows it had. It reads r to
	// its end.
	Restore(ctx context.Context, s Slice, r io.Reader) (rows int64, err error)
	// Check re-reads what the given parts became, compares it with what they say,
	// and returns how many rows it saw and what is wrong. The error is for what
	// could not be checked.
	Check(ctx context.Context, parts []Part) (checked int64, problems []string, err error)
}

// Progress is how far a backup, a restore or a pull is.
type Progress struct {
	Slice string // what is being worked on
	Done  int    // parts
	Of    int    // parts, 0 while it is not known
	Bytes int64  // moved so far
}
