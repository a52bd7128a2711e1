package objects

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path"
	"strings"
	"syscall"
	"time"
)

// pendingDir holds what is being written; its name is no valid segment, so no
// entry can stand there.
const pendingDir = ".pending"

// pendingAge is how old a file in pendingDir must be before OpenFolder takes it
// for the remains of a killed process.
const pendingAge = 48 * time.Hour

// Folder is a bucket in a directory of this machine. An entry appears by rename
// after its bytes were flushed to the disk, so a kill or a power cut leaves it
// whole or absent. It offers no object lock: whoever owns the directory can
// delete in it.
type Folder struct {
	root    *os.Root
	folders fs.FileMode // permissions of what it creates; 0 for reading only
	files   fs.FileMode
}

// OpenFolder opens a bucket in dir, which it creates for this account only
// (0700). Remains of writes that were killed two days ago or earlier are removed.
func OpenFolder(dir string) (*Folder, error) { return openFolder(dir, 0o700, 0o600) }

// OpenSharedFolder is OpenFolder for entries that the directory's group may read
// but not change: dir and what it creates are 2750 and 0640. It is for bytes that
// are encrypted for somebody else.
func OpenSharedFolder(dir string) (*Folder, error) {
	return openFolder(dir, 0o750|fs.ModeSetgid, 0o640)
}

func openFolder(dir string, folders, files fs.FileMode) (*Folder, error) {
	if err := os.MkdirAll(dir, folders.Perm()); err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	f := &Folder{root: root, folders: folders, files: files}
	if folders.Perm() != 0o700 {
		if err := root.Chmod(".", folders); err != nil {
			return nil, errors.Join(err, root.Close())
		}
	}
	if err := root.Mkdir(pendingDir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, errors.Join(err, root.Close())
	}
	if err := f.removeRemains(); err != nil {
		return nil, errors.Join(err, root.Close())
	}
	return f, nil
}

// ReadFolder opens the bucket in dir for reading only: nothing in dir is
// changed, and Create and Delete are refused by the file system's permissions.
func ReadFolder(dir string) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{root: root}, nil
}

// Close gives the directory back. Entries opened before can still be read.
func (f *Folder) Close() error { return f.root.Close() }

func (f *Folder) removeRemains() error {
	entries, err := fs.ReadDir(f.root.FS(), pendingDir)
	if err != nil {
		return fmt.Errorf("looking for unfinished writes: %w", err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < pendingAge {
			continue // committed meanwhile, or still being written
		}
		if err := f.root.Remove(path.Join(pendingDir, e.Name())); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an unfinished write: %w", err)
		}
	}
	return nil
}

// Create implements [Bucket].
func (f *Folder) Create(ctx context.Context) (Pending, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	name := path.Join(pendingDir, rand.Text())
	file, err := f.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return &pendingFile{File: file, folder: f, root: f.root, name: name}, nil
}

type pendingFile struct {
	*os.File
	folder *Folder
	root   *os.Root
	name   string // "" once it ended
}

func (p *pendingFile) Commit(ctx context.Context, name string, terms Terms) error {
	err := p.commit(ctx, name, terms)
	if err != nil {
		return errors.Join(fmt.Errorf("committing %s: %w", name, err), p.Discard())
	}
	p.name = ""
	return nil
}

func (p *pendingFile) commit(ctx context.Context, name string, terms Terms) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	if !terms.LockUntil.IsZero() {
		return ErrNoLock
	}
	if p.folder.files != 0o600 {
		// Past the umask, and inside pendingDir nobody else's until it is moved.
		if err := p.Chmod(p.folder.files); err != nil {
			return err
		}
	}
	if err := p.Sync(); err != nil {
		return err
	}
	if err := p.Close(); err != nil {
		return err
	}
	if err := p.makeFolders(path.Dir(name)); err != nil {
		return err
	}
	if terms.Once {
		// link(2) refuses a taken name atomically, which rename(2) does not.
		err := p.root.Link(p.name, name)
		if errors.Is(err, fs.ErrExist) {
			return ErrExists
		}
		if err != nil {
			return err
		}
		if err := p.root.Remove(p.name); err != nil {
			return err
		}
	} else if err := p.root.Rename(p.name, name); err != nil {
		return err
	}
	return syncFolder(p.root, path.Dir(name))
}

// makeFolders creates dir and makes each new directory durable in its parent.
func (p *pendingFile) makeFolders(dir string) error {
	if dir == "." {
		return nil
	}
	err := p.root.Mkdir(dir, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		if err := p.makeFolders(path.Dir(dir)); err != nil {
			return err
		}
		err = p.root.Mkdir(dir, 0o700)
	}
	if err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err == nil && p.folder.folders != 0o700 {
		if err := p.root.Chmod(dir, p.folder.folders); err != nil {
			return err
		}
	}
	return syncFolder(p.root, path.Dir(dir))
}

func syncFolder(root *os.Root, dir string) error {
	d, err := root.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (p *pendingFile) Discard() error {
	if p.name == "" {
		return nil
	}
	name := p.name
	p.name = ""
	if err := p.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	if err := p.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Open implements [Bucket].
func (f *Folder) Open(ctx context.Context, name string) (io.ReadCloser, error) {
	if _, err := f.Stat(ctx, name); err != nil {
		return nil, err
	}
	file, err := f.root.Open(name)
	if err != nil {
		return nil, notFound(name, err)
	}
	return file, nil
}

// Stat implements [Bucket].
func (f *Folder) Stat(ctx context.Context, name string) (Entry, error) {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return Entry{}, err
	}
	info, err := f.root.Lstat(name)
	if err != nil {
		return Entry{}, notFound(name, err)
	}
	if !info.Mode().IsRegular() {
		return Entry{}, fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return Entry{Name: name, Size: info.Size(), Time: info.ModTime()}, nil
}

func notFound(name string, err error) error {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	return err
}

// List implements [Bucket].
func (f *Folder) List(ctx context.Context, prefix string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		start := "."
		if i := strings.LastIndexByte(prefix, '/'); i > 0 {
			start = prefix[:i]
			if err := checkName(start); err != nil {
				yield(Entry{}, err)
				return
			}
		}
		err := fs.WalkDir(f.root.FS(), start, func(name string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) {
				return nil // never written, or deleted while we walk
			}
			if err := errors.Join(err, ctx.Err()); err != nil {
				return err
			}
			if d.IsDir() {
				if name == pendingDir || name != "." && !strings.HasPrefix(prefix, name) && !strings.HasPrefix(name, prefix) {
					return fs.SkipDir
				}
				return nil
			}
			if !strings.HasPrefix(name, prefix) || !d.Type().IsRegular() {
				return nil
			}
			info, err := d.Info()
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			if err != nil {
				return err
			}
			if !yield(Entry{Name: name, Size: info.Size(), Time: info.ModTime()}, nil) {
				return fs.SkipAll
			}
			return nil
		})
		if err != nil {
			yield(Entry{}, fmt.Errorf("listing %s*: %w", prefix, err))
		}
	}
}

// Delete implements [Bucket].
func (f *Folder) Delete(ctx context.Context, name string) error {
	if err := errors.Join(ctx.Err(), checkName(name)); err != nil {
		return err
	}
	err := f.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncFolder(f.root, path.Dir(name))
}
