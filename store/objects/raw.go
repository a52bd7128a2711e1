package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/sekikura/sekikura/tenant"
)

// Raw opens an object as it lies in the bucket, encrypted, for backups; the
// caller closes it. It needs no key.
func (s *Store) Raw(ctx context.Context, id tenant.ID, address Address) (io.ReadCloser, error) {
	if err := check(id, address); err != nil {
		return nil, err
	}
	r, err := s.Bucket.Open(ctx, objectName(id, address))
	if err != nil {
		return nil, fmt.Errorf("opening object %.12s of %s: %w", address, id, err)
	}
	return r, nil
}

// PutRaw stores what Raw read under the same address. Whether it is whole shows
// when it is read; [Store.Verify] does that.
func (s *Store) PutRaw(ctx context.Context, id tenant.ID, address Address, r io.Reader) error {
	if err := check(id, address); err != nil {
		return err
	}
	_, err := WriteEntry(ctx, s.Bucket, objectName(id, address), r, Terms{})
	return err
}

// RawKey returns a body's key as it lies in the bucket, wrapped by the
// operator's key, or [ErrNotFound].
func (s *Store) RawKey(ctx context.Context, id tenant.ID) ([]byte, error) {
	return readKeyRecord(ctx, s.Bucket, id)
}

// PutRawKey gives a body the wrapped key that RawKey read. When the body has a
// key that is not the same, the answer is [ErrExists]: objects under the present
// key would be lost.
func (s *Store) PutRawKey(ctx context.Context, id tenant.ID, record []byte) error {
	if _, err := parseKeyRecord(record, id); err != nil {
		return err
	}
	_, err := WriteEntry(ctx, s.Bucket, keyName(id), bytes.NewReader(record), Terms{Once: true})
	if !errors.Is(err, ErrExists) {
		return err
	}
	present, err := readKeyRecord(ctx, s.Bucket, id)
	if err != nil || bytes.Equal(present, record) {
		return err
	}
	// The same key may have been wrapped by another operator's key since.
	now, _, nowErr := unwrapKey(s.Keys, present, id)
	old, _, oldErr := unwrapKey(s.Keys, record, id)
	if nowErr == nil && oldErr == nil && bytes.Equal(now, old) {
		return nil
	}
	return fmt.Errorf("restoring the key of %s: it has another key already: %w", id, ErrExists)
}

// Verify reads an object to its end and returns its size, or [ErrAltered].
func (s *Store) Verify(ctx context.Context, id tenant.ID, address Address) (size int64, err error) {
	r, err := s.Get(ctx, id, address)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	return io.Copy(io.Discard, &contextReader{ctx, r})
}
