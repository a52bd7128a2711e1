package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/store/objects"
)

// ErrRunning says that another backup or pruning of this installation is at work.
var ErrRunning = errors.New("a backup of this installation is running")

// Backup writes one installation's backups. Every field but Lock, Program and
// Progress must be set. Run may be called from several processes; one works, the
// others answer [ErrRunning].
type Backup struct {
	Installation string // such as the operator's code; part of every backup
	Sources      []Source
	Destination  objects.Bucket
	// Recipients can read the backups. Their identities stay elsewhere: this
	// machine needs none of them.
	Recipients []age.Recipient
	Key        ed25519.PrivateKey // signs manifests
	// State is a folder of this machine: it remembers the last backup, and what
	// an interrupted one has already written.
	State string
	// Lock is how long every entry of a backup stays undeletable from then on.
	// Above zero the destination must lock, or Run refuses.
	Lock     time.Duration
	Program  string         // the running version, for the manifest
	Progress func(Progress) // nil, or called after each part
	Log      *slog.Logger
	Now      func() time.Time
}

// lockSlack is how much longer than Lock an entry is locked when it is, so that
// one that many backups share need not be prolonged for each of them.
const lockSlack = 7 * 24 * time.Hour

// Run makes one backup and returns its manifest once it is complete at the
// destination. Interrupted, or with an error, it leaves no backup; its finished
// parts are taken up by the next Run.
func (b *Backup) Run(ctx context.Context) (Manifest, error) {
	unlock, err := lockState(b.State)
	if err != nil {
		return Manifest{}, err
	}
	defer unlock()
	if err := b.canLock(ctx); err != nil {
		return Manifest{}, err
	}
	m := Manifest{
		Format: manifestFormat, Installation: b.Installation, Program: b.Program,
		Started: b.Now().UTC().Truncate(time.Millisecond),
	}
	last, err := b.last(ctx)
	if err != nil {
		return Manifest{}, err
	}
	done, err := openJournal(filepath.Join(b.State, "unfinished.jsonl"))
	if err != nil {
		return Manifest{}, err
	}
	defer done.close()
	m.Parts, err = b.parts(ctx, last, done)
	if err != nil {
		return Manifest{}, err
	}
	slices.SortFunc(m.Parts, func(x, y Part) int { return x.compare(y.Slice) })
	m.LockedUntil = lockedUntil(m.Parts)
	m.Finished = b.Now().UTC().Truncate(time.Millisecond)
	if err := b.commit(ctx, &m, last); err != nil {
		return Manifest{}, err
	}
	if err := errors.Join(writeLast(b.State, &m), done.remove()); err != nil {
		// The backup stands; only the memory of it on this machine does not.
		b.Log.Warn("the backup is complete, but could not be noted", "sequence", m.Sequence, "error", err)
	}
	return m, nil
}

func (b *Backup) canLock(ctx context.Context) error {
	if b.Lock <= 0 {
		return nil
	}
	locker, ok := b.Destination.(objects.Locker)
	if ok {
		locks, err := locker.Locks(ctx)
		if err != nil {
			return fmt.Errorf("asking the destination for its lock: %w", err)
		}
		ok = locks
	}
	if !ok {
		return fmt.Errorf("the backup is to be locked for %v: %w", b.Lock, objects.ErrNoLock)
	}
	return nil
}

// last is the destination's newest backup; its zero value when there is none.
// A destination that lost backups is no reason to make none: that is logged.
func (b *Backup) last(ctx context.Context) (Manifest, error) {
	public := b.Key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // the documented type
	m, err := Newest(ctx, b.Destination, public)
	switch {
	case errors.Is(err, ErrNone):
		err = nil
	case errors.Is(err, ErrSignature):
		// Forged or replayed: nothing of it is reused, and its number stays used.
		b.Log.Error("the newest backup at the destination is not ours; all parts are written anew", "error", err)
		all, listErr := Sequences(ctx, b.Destination)
		if listErr != nil {
			return Manifest{}, listErr
		}
		return Manifest{Sequence: all[len(all)-1]}, nil
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("looking for the last backup: %w", err)
	}
	if m.Sequence > 0 && m.Installation != b.Installation {
		return Manifest{}, fmt.Errorf("the destination holds backups of installation %s, this one is %s: each needs a place of its own", m.Installation, b.Installation)
	}
	known, err := readLast(b.State)
	if err != nil {
		return Manifest{}, err
	}
	if known.Sequence > m.Sequence {
		b.Log.Error("the destination lost backups that this machine wrote", "written", known.Sequence, "there", m.Sequence)
		m.Sequence = known.Sequence
	}
	return m, nil
}

func (b *Backup) parts(ctx context.Context, last Manifest, done *journal) (_ []Part, err error) {
	there := make(map[string]int64)
	for e, err := range b.Destination.List(ctx, "parts/") {
		if err != nil {
			return nil, err
		}
		there[e.Name] = e.Size
	}
	known := make(map[Slice]Part, len(last.Parts))
	for _, p := range append(slices.Clone(last.Parts), done.parts...) {
		if p.Version == "" {
			continue
		}
		if size, ok := there[p.Name]; !ok || size != p.Size {
			b.Log.Error("a part of an earlier backup is gone; it is written anew if it can be", "part", p.String(), "entry", p.Name)
			continue
		}
		known[p.Slice] = p
	}
	var all []Part
	progress := Progress{}
	for _, source := range b.Sources {
		var lastOf []Part
		for _, p := range last.Parts {
			if p.Source == source.Name() {
				lastOf = append(lastOf, p)
			}
		}
		parts, err := b.source(ctx, source, lastOf, known, done, &progress)
		if err := errors.Join(err, source.Close()); err != nil {
			return nil, fmt.Errorf("backing up %s: %w", source.Name(), err)
		}
		all = append(all, parts...)
	}
	return all, nil
}

func (b *Backup) source(ctx context.Context, source Source, last []Part, known map[Slice]Part, done *journal, progress *Progress) ([]Part, error) {
	todo, err := source.Slices(ctx, last)
	if err != nil {
		return nil, err
	}
	progress.Of += len(todo)
	parts := make([]Part, 0, len(todo))
	for _, s := range todo {
		s.Source = source.Name()
		p, ok := known[s]
		if ok {
			p, err = b.reuse(ctx, p)
		} else {
			p, err = b.write(ctx, source, s)
			progress.Bytes += p.Size
			if err == nil && s.Version != "" {
				err = done.add(p)
			}
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s, err)
		}
		parts = append(parts, p)
		progress.Done++
		if b.Progress != nil {
			progress.Slice = s.String()
			b.Progress(*progress)
		}
	}
	return parts, nil
}

// reuse takes over a part of an earlier backup, and prolongs its lock when that
// would end before this backup's.
func (b *Backup) reuse(ctx context.Context, p Part) (Part, error) {
	until := b.Now().Add(b.Lock)
	if b.Lock <= 0 || !p.Locked.Before(until) {
		return p, nil
	}
	p.Locked = until.Add(lockSlack).UTC().Truncate(time.Second)
	locker := b.Destination.(objects.Locker) //nolint:forcetypeassert // canLock saw to it
	return p, locker.Lock(ctx, p.Name, p.Locked)
}

func (b *Backup) terms() objects.Terms {
	if b.Lock <= 0 {
		return objects.Terms{}
	}
	return objects.Terms{LockUntil: b.Now().Add(b.Lock + lockSlack).UTC().Truncate(time.Second)}
}

func (b *Backup) write(ctx context.Context, source Source, s Slice) (Part, error) {
	entry, err := b.Destination.Create(ctx)
	if err != nil {
		return Part{}, err
	}
	p, err := writePart(entry, b.Recipients, b.Installation, s, func(w io.Writer) (Wrote, error) {
		return source.Write(ctx, s, &contextWriter{ctx, w})
	})
	if err != nil {
		return Part{}, errors.Join(err, entry.Discard())
	}
	terms := b.terms()
	p.Locked = terms.LockUntil
	return p, entry.Commit(ctx, p.Name, terms)
}

// contextWriter stops writing when its context ends.
type contextWriter struct {
	ctx context.Context
	w   io.Writer
}

func (c *contextWriter) Write(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.w.Write(p)
}

// commit makes the backup exist. When another machine of the installation took
// the number meanwhile, it takes the next one.
func (b *Backup) commit(ctx context.Context, m *Manifest, last Manifest) error {
	m.Sequence, m.Previous = last.Sequence+1, last.digest
	for range 5 {
		data, err := m.sign(b.Key)
		if err != nil {
			return err
		}
		terms := b.terms()
		terms.Once = true
		_, err = objects.WriteEntry(ctx, b.Destination, manifestName(m.Sequence), bytes.NewReader(data), terms)
		if !errors.Is(err, objects.ErrExists) {
			return err
		}
		other, err := b.last(ctx)
		if err != nil {
			return err
		}
		m.Sequence, m.Previous = max(other.Sequence, m.Sequence)+1, other.digest
	}
	return fmt.Errorf("writing the manifest: %w", ErrRunning)
}

func lockedUntil(parts []Part) time.Time {
	var until time.Time
	for i, p := range parts {
		if i == 0 || p.Locked.Before(until) {
			until = p.Locked
		}
	}
	return until
}

// lockState makes this process the only one that writes or prunes.
func lockState(dir string) (unlock func(), err error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the state folder
	if err != nil {
		return nil, err
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) //nolint:gosec // a descriptor fits
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrRunning
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil // which unlocks
}

// lastBackup is what a machine remembers of the last backup it wrote or saw, so
// that it notices when the destination shows an older one as the newest.
type lastBackup struct {
	Sequence int64  `json:"sequence"`
	Digest   string `json:"digest"`
}

func readLast(dir string) (lastBackup, error) {
	var last lastBackup
	text, err := os.ReadFile(filepath.Join(dir, "last.json")) //nolint:gosec // below the state folder
	if errors.Is(err, fs.ErrNotExist) {
		return last, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &last)
	}
	if err != nil {
		return last, fmt.Errorf("reading which backup was the last: %w", err)
	}
	return last, nil
}

func writeLast(dir string, m *Manifest) error {
	text, err := json.Marshal(lastBackup{m.Sequence, m.digest})
	if err != nil {
		return err
	}
	return writeFile(filepath.Join(dir, "last.json"), text)
}

// writeFile replaces a file as a whole.
func writeFile(name string, data []byte) error {
	f, err := os.CreateTemp(filepath.Dir(name), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// journal remembers the parts of a backup that is not finished.
type journal struct {
	name  string
	file  *os.File
	parts []Part // of the run before
}

func openJournal(name string) (*journal, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600) //nolint:gosec // below the state folder
	if err != nil {
		return nil, err
	}
	j := &journal{name: name, file: f}
	good := int64(0)
	decoder := json.NewDecoder(f)
	for {
		var p Part
		if err := decoder.Decode(&p); err != nil {
			break // the end, or the line that a kill cut short: the rest is written anew
		}
		j.parts = append(j.parts, p)
		good = decoder.InputOffset()
	}
	if err := f.Truncate(good); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if _, err := f.Seek(good, io.SeekStart); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

func (j *journal) add(p Part) error {
	line, err := json.Marshal(p)
	if err != nil {
		return err
	}
	_, err = j.file.Write(append([]byte{'\n'}, line...))
	return err
}

func (j *journal) remove() error { return os.Remove(j.name) }

func (j *journal) close() { _ = j.file.Close() }
