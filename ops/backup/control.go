package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// ControlName is the source of the control store: bodies, accounts, policies,
// records, and the audit chains.
const ControlName = "control"

// The control store's slices. A body has the first two; the installation has the
// third, which alone also holds what belongs to no body (jobs, revisions).
const (
	rowsSlice     = "rows"
	auditSlice    = "audit"
	databaseSlice = "database"
)

// Control is the control store as a source. DB, Schemas, Scratch and Now must be
// set.
type Control struct {
	DB      *store.DB
	Schemas []store.Schema // all that DB was opened with
	// Scratch is a folder of this account for the copies being made.
	Scratch string
	// Dump writes the whole database in its engine's own form. Nil is for
	// SQLite, which the store copies itself; see [PGDump] for PostgreSQL.
	Dump func(ctx context.Context, w io.Writer) error
	Now  func() time.Time

	dir    string // of this backup, below Scratch
	slices map[Slice]controlSlice
}

type controlSlice struct {
	file  string
	wrote Wrote
}

// Name implements [Source].
func (*Control) Name() string { return ControlName }

// moving ends the version of a body's slice that changed while the database was
// dumped: the dump may then hold a row more or less than the slice.
const moving = "-moving"

// Slices implements [Source]. All slices show the store at one moment. On
// PostgreSQL, whose dump has a moment of its own, the bodies' slices are read
// before and after it, and those that differ are marked.
func (c *Control) Slices(ctx context.Context, _ []Part) (_ []Slice, err error) {
	if err := os.MkdirAll(c.Scratch, 0o700); err != nil {
		return nil, err
	}
	if c.dir, err = os.MkdirTemp(c.Scratch, "control-"); err != nil {
		return nil, err
	}
	total, err := c.prepare(ctx)
	if err != nil {
		return nil, err
	}
	c.slices[Slice{Source: ControlName, Name: databaseSlice}] = controlSlice{filepath.Join(c.dir, databaseSlice), Wrote{Rows: 1, Newest: total.Newest}}
	var all []Slice
	for s := range c.slices {
		all = append(all, s)
	}
	slices.SortFunc(all, Slice.compare)
	return all, nil
}

// prepare fills c.slices with the bodies' slices and c.dir with the database.
func (c *Control) prepare(ctx context.Context) (total Wrote, err error) {
	file := filepath.Join(c.dir, databaseSlice)
	if c.Dump != nil {
		return c.dumped(ctx, file)
	}
	// Everything is read from one copy: one moment, and the store is not held.
	if err := c.DB.Copy(ctx, file); err != nil {
		return total, err
	}
	db, err := store.Open(ctx, store.Config{Path: file, Now: c.Now}, c.Schemas...)
	if err != nil {
		return total, fmt.Errorf("opening the copy: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return c.rows(ctx, db)
}

// dumped dumps the database, and tries again for a quiet moment.
func (c *Control) dumped(ctx context.Context, file string) (total Wrote, err error) {
	for range 3 {
		if total, err = c.rows(ctx, c.DB); err != nil {
			return total, err
		}
		before := c.slices
		f, err := os.OpenFile(file, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // below our scratch folder
		if err != nil {
			return total, err
		}
		if err := errors.Join(c.Dump(ctx, f), f.Close()); err != nil {
			return total, err
		}
		if total, err = c.rows(ctx, c.DB); err != nil || maps.Equal(before, c.slices) {
			return total, err
		}
		marked := make(map[Slice]controlSlice, len(c.slices))
		for s, prepared := range c.slices {
			if _, same := before[s]; !same {
				s.Version += moving
			}
			marked[s] = prepared
		}
		c.slices = marked
	}
	return total, nil
}

// bodyFile is one body's slice being written.
type bodyFile struct {
	file *os.File
	buf  *bufio.Writer
	hash hash.Hash
	Wrote
}

func (c *Control) open(kind string, id tenant.ID) (*bodyFile, error) {
	f, err := os.OpenFile(filepath.Join(c.dir, kind+"-"+string(id)), os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // below our scratch folder
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	return &bodyFile{file: f, buf: bufio.NewWriterSize(io.MultiWriter(f, sum), 16<<10), hash: sum}, nil
}

// finish closes the file and notes it as a slice whose version is its checksum.
func (c *Control) finish(b *bodyFile, kind string, id tenant.ID) error {
	if err := errors.Join(b.buf.Flush(), b.file.Close()); err != nil {
		return err
	}
	s := Slice{Source: ControlName, Tenant: id, Name: kind, Version: hex.EncodeToString(b.hash.Sum(nil))}
	c.slices[s] = controlSlice{b.file.Name(), b.Wrote}
	return nil
}

// rows writes each body's rows and audit chain, and returns what they are together.
func (c *Control) rows(ctx context.Context, db *store.DB) (total Wrote, err error) {
	c.slices = make(map[Slice]controlSlice)
	bodies := make(map[tenant.ID]*bodyFile)
	defer func() {
		for _, b := range bodies {
			_ = b.file.Close() // again, where finish was not reached
		}
	}()
	now := c.Now()
	err = db.View(ctx, func(v *store.View) error {
		for _, t := range tables(c.Schemas) {
			all := store.Across{
				Name: "backup." + t.name, Reason: "バックアップ", Machine: true,
				Select: store.Select{Table: t.name, Columns: t.names()},
			}
			err := v.Across(ctx, all, func(id tenant.ID, row store.Row) error {
				b := bodies[id]
				if b == nil {
					var err error
					if b, err = c.open(rowsSlice, id); err != nil {
						return err
					}
					bodies[id] = b
				}
				r, newest, err := t.read(row, now)
				if err != nil {
					return err
				}
				b.Rows++
				if newest.After(b.Newest) {
					b.Newest = newest
				}
				return json.NewEncoder(b.buf).Encode(r)
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Wrote{}, err
	}
	for id, b := range bodies {
		if err := c.finish(b, rowsSlice, id); err != nil {
			return Wrote{}, err
		}
		total.Rows += b.Rows
		if b.Newest.After(total.Newest) {
			total.Newest = b.Newest
		}
		if err := c.audit(ctx, db, id); err != nil {
			return Wrote{}, err
		}
	}
	return total, nil
}

func (c *Control) audit(ctx context.Context, db *store.DB, id tenant.ID) error {
	b, err := c.open(auditSlice, id)
	if err != nil {
		return err
	}
	lines := &lineCounter{w: b.buf}
	if err := db.ExportAudit(ctx, id, lines); err != nil {
		return errors.Join(err, b.file.Close())
	}
	b.Rows = lines.n
	return c.finish(b, auditSlice, id)
}

type lineCounter struct {
	w io.Writer
	n int64
}

func (l *lineCounter) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.n += int64(bytes.Count(p[:n], []byte{'\n'}))
	return n, err
}

// Write implements [Source].
func (c *Control) Write(_ context.Context, s Slice, w io.Writer) (_ Wrote, err error) {
	prepared, ok := c.slices[s]
	if !ok {
		return Wrote{}, fmt.Errorf("the control store has no slice %s", s)
	}
	f, err := os.Open(prepared.file)
	if err != nil {
		return Wrote{}, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = io.Copy(w, f)
	return prepared.wrote, err
}

// Close implements [Source].
func (c *Control) Close() error {
	if c.dir == "" {
		return nil
	}
	dir := c.dir
	c.dir, c.slices = "", nil
	return os.RemoveAll(dir)
}
