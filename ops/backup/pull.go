package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/store/objects"
)

// ErrRetained says that an entry is kept for now, whoever asks.
var ErrRetained = errors.New("the entry is within its time of retention")

// Retained is a bucket in which nothing is replaced, and nothing deleted before
// it is Keep old. It is the puller's own discipline: what makes it hold against
// an administrator is that only the puller's account can write below it.
type Retained struct {
	objects.Bucket
	Keep time.Duration
	Now  func() time.Time
}

// Create implements [objects.Bucket]; its Commit never replaces an entry.
func (r *Retained) Create(ctx context.Context) (objects.Pending, error) {
	p, err := r.Bucket.Create(ctx)
	if err != nil {
		return nil, err
	}
	return retainedPending{p}, nil
}

type retainedPending struct{ objects.Pending }

func (p retainedPending) Commit(ctx context.Context, name string, terms objects.Terms) error {
	terms.Once = true
	return p.Pending.Commit(ctx, name, terms)
}

// Delete implements [objects.Bucket]; a young entry answers [ErrRetained].
func (r *Retained) Delete(ctx context.Context, name string) error {
	e, err := r.Stat(ctx, name)
	if errors.Is(err, objects.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if until := e.Time.Add(r.Keep); until.After(r.Now()) {
		return fmt.Errorf("deleting %s before %s: %w", name, until.UTC().Format(time.RFC3339), ErrRetained)
	}
	return r.Bucket.Delete(ctx, name)
}

// Pull copies new backups into a store of its own, as another account or on
// another machine than the product's, whose administrators then can neither
// delete nor change what was copied. It needs no backup identity. Every field
// but Expect and Progress must be set.
type Pull struct {
	From         objects.Bucket // read only
	To           objects.Bucket // the puller's own; see [Retained]
	Verify       ed25519.PublicKey
	Installation string
	// Retain is how long a copy can neither be deleted nor replaced through us.
	Retain time.Duration
	// Expect is how long From keeps its backups: when one that is younger is
	// missing there, that is reported. Zero reports none.
	Expect   time.Duration
	State    string // folder of the puller
	Progress func(Progress)
	Log      *slog.Logger
	Now      func() time.Time
}

// Pulled is what a pull did.
type Pulled struct {
	Newest   int64     `json:"newest"`   // the highest number that is complete here
	Backups  int       `json:"backups"`  // copied now
	Parts    int       `json:"parts"`    // copied now
	Bytes    int64     `json:"bytes"`    // copied now
	Problems []Problem `json:"problems"` // what somebody should look at
}

// Run copies every backup that is not here yet, oldest first, each manifest
// after its parts. Backups that are damaged, forged, or changed since they were
// copied are problems, and what was copied stays.
func (p *Pull) Run(ctx context.Context) (Pulled, error) {
	var done Pulled
	unlock, err := lockState(p.State)
	if err != nil {
		return done, err
	}
	defer unlock()
	to := &Retained{Bucket: p.To, Keep: p.Retain, Now: p.Now}
	theirs, err := Sequences(ctx, p.From)
	if err != nil {
		return done, err
	}
	ours, err := Sequences(ctx, p.To)
	if err != nil {
		return done, err
	}
	here := make(map[int64]bool)
	for _, n := range ours {
		here[n] = true
		done.Newest = max(done.Newest, n)
	}
	there := make(map[int64]bool)
	for _, n := range theirs {
		there[n] = true
		var err error
		if here[n] {
			err = p.compare(ctx, n)
		} else if err = p.copy(ctx, n, to, &done); err == nil {
			done.Backups++
			done.Newest = max(done.Newest, n)
		}
		if ctx.Err() != nil {
			return done, ctx.Err()
		}
		if bad := (*sourceError)(nil); errors.As(err, &bad) {
			p.Log.Error("a backup at the source is not good", "sequence", n, "error", err)
			done.Problems = append(done.Problems, Problem{fmt.Sprintf("backup %d", n), err.Error()})
		} else if err != nil {
			return done, fmt.Errorf("pulling backup %d: %w", n, err)
		}
	}
	return done, p.missing(ctx, ours, there, &done)
}

// sourceError is a fault of the source, not of the pull.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// compare looks whether a backup is still the one that was copied.
func (p *Pull) compare(ctx context.Context, n int64) error {
	theirs, err := readManifest(ctx, p.From, manifestName(n))
	if err != nil {
		return &sourceError{err}
	}
	ours, err := readManifest(ctx, p.To, manifestName(n))
	if err != nil {
		return err
	}
	if !bytes.Equal(theirs, ours) {
		return &sourceError{errors.New("its manifest was changed at the source after it was copied")}
	}
	return nil
}

func (p *Pull) copy(ctx context.Context, n int64, to objects.Bucket, done *Pulled) error {
	data, err := readManifest(ctx, p.From, manifestName(n))
	if err != nil {
		return &sourceError{err}
	}
	m, err := parseManifest(data, p.Verify)
	if err == nil && (m.Sequence != n || m.Installation != p.Installation) {
		err = fmt.Errorf("the manifest is that of backup %d of installation %s: %w", m.Sequence, m.Installation, ErrSignature)
	}
	if err != nil {
		return &sourceError{err}
	}
	for i, part := range m.Parts {
		copied, err := p.part(ctx, part, to)
		if err != nil {
			return fmt.Errorf("%s: %w", part.Slice, err)
		}
		if copied {
			done.Parts++
			done.Bytes += part.Size
		}
		if p.Progress != nil {
			p.Progress(Progress{Slice: part.String(), Done: i + 1, Of: len(m.Parts), Bytes: done.Bytes})
		}
	}
	_, err = objects.WriteEntry(ctx, to, manifestName(n), bytes.NewReader(data), objects.Terms{})
	return err
}

// part copies one part unless it is here. Its name is its checksum, and only
// what fits it is committed.
func (p *Pull) part(ctx context.Context, part Part, to objects.Bucket) (copied bool, err error) {
	e, err := to.Stat(ctx, part.Name)
	if err == nil && e.Size == part.Size {
		return false, nil
	}
	if err != nil && !errors.Is(err, objects.ErrNotFound) {
		return false, err
	}
	entry, err := to.Create(ctx)
	if err != nil {
		return false, err
	}
	writing := &ownError{w: entry}
	if err := copyPart(ctx, p.From, part, writing); err != nil {
		if writing.err == nil { // reading went wrong, not our disk
			err = &sourceError{err}
		}
		return false, errors.Join(err, entry.Discard())
	}
	return true, entry.Commit(ctx, part.Name, objects.Terms{})
}

// ownError remembers whether writing failed.
type ownError struct {
	w   io.Writer
	err error
}

func (o *ownError) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.err = err
	return n, err
}

// missing reports backups that went from the source before their time.
func (p *Pull) missing(ctx context.Context, ours []int64, there map[int64]bool, done *Pulled) error {
	if p.Expect <= 0 {
		return nil
	}
	for _, n := range ours {
		if there[n] {
			continue
		}
		m, err := Read(ctx, p.To, p.Verify, n)
		if err != nil {
			return err
		}
		if p.Now().Sub(m.Started) < p.Expect {
			done.Problems = append(done.Problems, Problem{fmt.Sprintf("backup %d", n), "it was removed at the source before its time; the copy here stays"})
		}
	}
	return nil
}
