package objects

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// Errors that callers decide by.
var (
	// ErrNotFound says that there is no object, key or entry of this name.
	ErrNotFound = errors.New("no such object")
	// ErrExists answers a Commit with Terms.Once when the name is taken.
	ErrExists = errors.New("the name is taken")
	// ErrLocked says that an entry may not be deleted yet, by anybody.
	ErrLocked = errors.New("the entry is locked")
	// ErrNoLock says that a bucket cannot keep anybody from deleting an entry.
	ErrNoLock = errors.New("the bucket offers no object lock")
)

// Bucket is a flat place for entries, each written once as a whole. [Folder] and
// [S3] implement it, and both pass objectstest.Bucket. It may be used
// concurrently, from several processes too.
//
// A name is 1 to 512 bytes of segments joined by "/"; a segment is made of
// a-z A-Z 0-9 . _ - and does not begin with a dot.
type Bucket interface {
	// Create starts an entry. Nobody sees it before Commit returned nil. The
	// caller ends it with Commit or Discard.
	Create(ctx context.Context) (Pending, error)
	// Open returns an entry's bytes, or [ErrNotFound]; the caller closes it.
	Open(ctx context.Context, name string) (io.ReadCloser, error)
	// Stat describes one entry, or [ErrNotFound].
	Stat(ctx context.Context, name string) (Entry, error)
	// List yields the entries whose names begin with prefix, in no promised
	// order. It ends after the first error.
	List(ctx context.Context, prefix string) iter.Seq2[Entry, error]
	// Delete removes an entry; an absent one is no error, a locked one ErrLocked.
	Delete(ctx context.Context, name string) error
}

// Pending is an entry being written.
type Pending interface {
	io.Writer
	// Commit makes the bytes written the entry name, durable and whole, or
	// returns an error and leaves name as it was. Pending ends either way.
	Commit(ctx context.Context, name string, terms Terms) error
	// Discard drops the entry. After Commit it does nothing.
	Discard() error
}

// Terms are the conditions of a Commit.
type Terms struct {
	// Once refuses to replace: when the name is taken, the answer is ErrExists.
	Once bool
	// LockUntil is when the entry may be deleted or replaced at the earliest,
	// by anybody. A bucket that cannot promise it answers ErrNoLock. The zero
	// time asks for no lock.
	LockUntil time.Time
}

// Locker is a bucket that can keep everybody, its administrator included, from
// deleting an entry before a time (S3 object lock, compliance mode).
type Locker interface {
	// Locks tells whether the bucket was made with object lock.
	Locks(ctx context.Context) (bool, error)
	// Lock prolongs the lock of an entry; it can never be shortened.
	Lock(ctx context.Context, name string, until time.Time) error
	// LockedUntil is when the entry's lock ends, or the zero time without one.
	LockedUntil(ctx context.Context, name string) (time.Time, error)
}

// Entry describes what is stored under a name.
type Entry struct {
	Name string
	Size int64     // bytes as stored
	Time time.Time // when it was committed
}

// maxName bounds a name in bytes; S3 allows 1024 for key and prefix together.
const maxName = 512

func checkName(name string) error {
	if name == "" || len(name) > maxName {
		return fmt.Errorf("entry name of %d bytes: 1 to %d are allowed", len(name), maxName)
	}
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "" || segment[0] == '.' {
			return fmt.Errorf("entry name %q: a segment is empty or begins with a dot", name)
		}
		for _, c := range []byte(segment) {
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
				return fmt.Errorf("entry name %q: the character %q is not allowed", name, c)
			}
		}
	}
	return nil
}

// WriteEntry commits all of r as one entry and returns its size.
func WriteEntry(ctx context.Context, b Bucket, name string, r io.Reader, terms Terms) (int64, error) {
	p, err := b.Create(ctx)
	if err != nil {
		return 0, fmt.Errorf("creating %s: %w", name, err)
	}
	n, err := io.Copy(p, &contextReader{ctx, r})
	if err != nil {
		return n, errors.Join(fmt.Errorf("writing %s: %w", name, err), p.Discard())
	}
	return n, p.Commit(ctx, name, terms)
}

// contextReader stops reading when its context ends.
type contextReader struct {
	ctx context.Context
	r   io.Reader
}

func (c *contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.r.Read(p)
}
