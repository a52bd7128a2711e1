package backup

import (
	"archive/tar"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// ObjectsName is the source of the object store.
const ObjectsName = "objects"

// keySlice is a body's wrapped key.
const keySlice = "key"

// Objects is the object store as a source: for each body its wrapped key, and
// for each day the objects stored on it, encrypted as they are. Without the
// operator's key, which is in no backup, nobody reads them. Store must be set; it
// needs no key.
type Objects struct {
	Store *objects.Store

	days map[Slice][]objects.Object
}

// Name implements [Source].
func (*Objects) Name() string { return ObjectsName }

// Close implements [Source].
func (o *Objects) Close() error {
	o.days = nil
	return nil
}

// Slices implements [Source].
func (o *Objects) Slices(ctx context.Context, _ []Part) ([]Slice, error) {
	bodies, err := o.Store.Bodies(ctx)
	if err != nil {
		return nil, err
	}
	o.days = make(map[Slice][]objects.Object)
	for _, id := range bodies {
		key, err := o.Store.RawKey(ctx, id)
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(key)
		o.days[Slice{ObjectsName, id, keySlice, hex.EncodeToString(sum[:])}] = nil
		days := make(map[string][]objects.Object)
		for object, err := range o.Store.List(ctx, id) {
			if err != nil {
				return nil, err
			}
			day := object.Time.UTC().Format(dayForm)
			days[day] = append(days[day], object)
		}
		for day, list := range days {
			slices.SortFunc(list, func(a, b objects.Object) int { return strings.Compare(string(a.Address), string(b.Address)) })
			version := sha256.New()
			for _, object := range list {
				_, _ = io.WriteString(version, string(object.Address)) // a hash takes everything
			}
			o.days[Slice{ObjectsName, id, day, hex.EncodeToString(version.Sum(nil))}] = list
		}
	}
	var all []Slice
	for s := range o.days {
		all = append(all, s)
	}
	slices.SortFunc(all, Slice.compare)
	return all, nil
}

// Write implements [Source].
func (o *Objects) Write(ctx context.Context, s Slice, w io.Writer) (Wrote, error) {
	if s.Name == keySlice {
		key, err := o.Store.RawKey(ctx, s.Tenant)
		if err != nil {
			return Wrote{}, err
		}
		_, err = w.Write(key)
		return Wrote{Rows: 1}, err
	}
	var wrote Wrote
	out := tar.NewWriter(w)
	for _, object := range o.days[s] {
		there, err := o.one(ctx, s.Tenant, object, out)
		if err != nil {
			return wrote, err
		}
		if !there {
			continue // deleted since; the next backup packs this day again
		}
		wrote.Rows++
		if object.Time.After(wrote.Newest) {
			wrote.Newest = object.Time.UTC()
		}
	}
	return wrote, out.Close()
}

func (o *Objects) one(ctx context.Context, id tenant.ID, object objects.Object, out *tar.Writer) (there bool, err error) {
	r, err := o.Store.Raw(ctx, id, object.Address)
	if errors.Is(err, objects.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if err := out.WriteHeader(&tar.Header{Name: string(object.Address), Size: object.Stored, Mode: 0o600, ModTime: object.Time}); err != nil {
		return false, err
	}
	if _, err := io.Copy(out, r); err != nil {
		return false, fmt.Errorf("reading object %.12s: %w", object.Address, err)
	}
	return true, nil
}

// ObjectsInto puts objects into an object store, an empty one or a running one.
// A body that has another key there is refused. Store must be set; with Keys it
// reads back every object, without only its size.
type ObjectsInto struct {
	Store *objects.Store

	restored map[Slice][]objects.Address
}

// Name implements [Target].
func (*ObjectsInto) Name() string { return ObjectsName }

// Restore implements [Target].
func (o *ObjectsInto) Restore(ctx context.Context, s Slice, r io.Reader) (int64, error) {
	if s.Name == keySlice {
		record, err := io.ReadAll(io.LimitReader(r, 1<<20))
		if err != nil {
			return 0, err
		}
		return 1, o.Store.PutRawKey(ctx, s.Tenant, record)
	}
	if _, err := time.Parse(dayForm, s.Name); err != nil {
		return 0, fmt.Errorf("the object store knows no slice %s", s)
	}
	if o.restored == nil {
		o.restored = make(map[Slice][]objects.Address)
	}
	in := tar.NewReader(r)
	rows := int64(0)
	for {
		header, err := in.Next()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return rows, fmt.Errorf("reading packed objects: %w", err)
		}
		address, err := objects.ParseAddress(header.Name)
		if err != nil {
			return rows, err
		}
		if err := o.Store.PutRaw(ctx, s.Tenant, address, in); err != nil {
			return rows, err
		}
		o.restored[s] = append(o.restored[s], address)
		rows++
	}
}

// Check implements [Target].
func (o *ObjectsInto) Check(ctx context.Context, parts []Part) (checked int64, problems []string, err error) {
	for _, p := range parts {
		for _, address := range o.restored[p.Slice] {
			var err error
			if len(o.Store.Keys) > 0 {
				_, err = o.Store.Verify(ctx, p.Tenant, address)
			} else {
				_, err = o.Store.Stat(ctx, p.Tenant, address)
			}
			if ctx.Err() != nil {
				return checked, problems, ctx.Err()
			}
			if err != nil {
				problems = append(problems, err.Error())
				continue
			}
			checked++
		}
	}
	return checked, problems, nil
}
