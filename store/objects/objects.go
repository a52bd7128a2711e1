package objects

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"iter"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/tenant"
)

// ErrAltered says that an object is not what was put: truncated, changed, moved
// to another name, or sealed for another body.
var ErrAltered = errors.New("the object is not what was stored: truncated, altered, or somebody else's")

// Address names an object within its body: HMAC-SHA256 of its bytes under a key
// of the body, as 64 lower-case hex digits.
type Address string

// ParseAddress returns s as an Address. It is the only way in for text from outside.
func ParseAddress(s string) (Address, error) {
	if len(s) != 2*sha256.Size || strings.Trim(s, "0123456789abcdef") != "" {
		return "", fmt.Errorf("%q is not an object's address: want %d lower-case hex digits", s, 2*sha256.Size)
	}
	return Address(s), nil
}

// Object describes one stored object.
type Object struct {
	Address Address
	Size    int64     // bytes of the object itself
	Stored  int64     // bytes as it lies in the bucket
	Time    time.Time // when it was stored (last, when it was put again)
}

// Store keeps the objects of all bodies in one bucket. Bucket, Keys and Now must
// be set before use, and it may be used concurrently.
type Store struct {
	Bucket Bucket
	// Keys are the operator's keys: the first wraps new bodies' keys, the others
	// are only tried for what they wrapped before a change of keys.
	Keys []OperatorKey
	Now  func() time.Time

	mu    sync.Mutex // guards cache; not held while calling out
	cache map[tenant.ID]bodyKey
}

// Put stores all of r and returns what it became. Bytes that the body already
// has are stored once, so two callers may hold the same address: drop objects
// with [Store.Sweep], which knows all of them. It returns once the object is
// durable; with an error nothing is stored.
func (s *Store) Put(ctx context.Context, id tenant.ID, r io.Reader) (Object, error) {
	key, err := s.key(ctx, id, true)
	if err != nil {
		return Object{}, err
	}
	p, err := s.Bucket.Create(ctx)
	if err != nil {
		return Object{}, fmt.Errorf("storing an object of %s: %w", id, err)
	}
	plain, stored, address, err := seal(ctx, p, r, id, key)
	if err != nil {
		return Object{}, errors.Join(fmt.Errorf("storing an object of %s: %w", id, err), p.Discard())
	}
	if err := p.Commit(ctx, objectName(id, address), Terms{}); err != nil {
		return Object{}, fmt.Errorf("storing an object of %s: %w", id, err)
	}
	// Somebody may have erased the body's key while we wrote: then what we
	// stored can never be read, and must not be reported as kept.
	if err := s.current(ctx, id, key); err != nil {
		return Object{}, errors.Join(err, s.Bucket.Delete(ctx, objectName(id, address)))
	}
	return Object{Address: address, Size: plain, Stored: stored, Time: s.Now()}, nil
}

func seal(ctx context.Context, w io.Writer, r io.Reader, id tenant.ID, key bodyKey) (plain, stored int64, _ Address, _ error) {
	var count countWriter
	sealed, err := age.Encrypt(io.MultiWriter(w, &count), &bodyWrap{id, key.seal})
	if err != nil {
		return 0, 0, "", err
	}
	mac := hmac.New(sha256.New, key.address)
	plain, err = io.Copy(io.MultiWriter(mac, sealed), &contextReader{ctx, r})
	if err != nil {
		return 0, 0, "", err
	}
	if err := sealed.Close(); err != nil {
		return 0, 0, "", err
	}
	return plain, int64(count), Address(hex.EncodeToString(mac.Sum(nil))), nil
}

// Get opens an object, or answers [ErrNotFound]. The caller closes it. Every
// chunk that Read returns was authenticated as the body's; only the final io.EOF
// says that they were all of this very object. Anything wrong is [ErrAltered].
func (s *Store) Get(ctx context.Context, id tenant.ID, address Address) (io.ReadCloser, error) {
	key, err := s.key(ctx, id, false)
	if err != nil {
		return nil, err
	}
	stored, err := s.Raw(ctx, id, address)
	if err != nil {
		return nil, err
	}
	plain, err := age.Decrypt(stored, &bodyWrap{id, key.seal})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening object %.12s of %s: %w: %w", address, id, ErrAltered, err), stored.Close())
	}
	return &reader{plain: plain, stored: stored, mac: hmac.New(sha256.New, key.address), address: address, id: id}, nil
}

// reader decrypts and, at the end, compares the address.
type reader struct {
	plain   io.Reader
	stored  io.Closer
	mac     hash.Hash
	address Address
	id      tenant.ID
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.plain.Read(p)
	r.mac.Write(p[:n])
	switch {
	case err == nil:
		return n, nil
	case !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return n, fmt.Errorf("reading object %.12s of %s: %w: %w", r.address, r.id, ErrAltered, err)
	case subtle.ConstantTimeCompare([]byte(hex.EncodeToString(r.mac.Sum(nil))), []byte(r.address)) != 1:
		return n, fmt.Errorf("reading object %.12s of %s: its bytes belong to another address: %w", r.address, r.id, ErrAltered)
	}
	return n, io.EOF
}

func (r *reader) Close() error { return r.stored.Close() }

// Stat describes an object without reading it, or answers [ErrNotFound].
func (s *Store) Stat(ctx context.Context, id tenant.ID, address Address) (Object, error) {
	if err := check(id, address); err != nil {
		return Object{}, err
	}
	e, err := s.Bucket.Stat(ctx, objectName(id, address))
	if err != nil {
		return Object{}, fmt.Errorf("describing an object of %s: %w", id, err)
	}
	return describe(e, address)
}

func describe(e Entry, address Address) (Object, error) {
	header, err := headerSize()
	if err != nil {
		return Object{}, err
	}
	size := plainSize(e.Size, header)
	if size < 0 {
		return Object{}, fmt.Errorf("object %.12s: no whole object is stored in %d bytes: %w", address, e.Size, ErrAltered)
	}
	return Object{Address: address, Size: size, Stored: e.Size, Time: e.Time}, nil
}

// List yields a body's objects in no promised order, and ends after the first error.
func (s *Store) List(ctx context.Context, id tenant.ID) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		prefix := objectPrefix(id)
		for e, err := range s.Bucket.List(ctx, prefix) {
			if err != nil {
				yield(Object{}, fmt.Errorf("listing the objects of %s: %w", id, err))
				return
			}
			address, err := ParseAddress(strings.ReplaceAll(strings.TrimPrefix(e.Name, prefix), "/", ""))
			if err != nil {
				yield(Object{}, fmt.Errorf("listing the objects of %s: %w", id, err))
				return
			}
			o, err := describe(e, address)
			if !yield(o, err) || err != nil {
				return
			}
		}
	}
}

// Delete removes an object; an absent one is no error.
func (s *Store) Delete(ctx context.Context, id tenant.ID, address Address) error {
	if err := check(id, address); err != nil {
		return err
	}
	if err := s.Bucket.Delete(ctx, objectName(id, address)); err != nil {
		return fmt.Errorf("deleting object %.12s of %s: %w", address, id, err)
	}
	return nil
}

// Sweep deletes a body's objects that nobody holds any more: those stored before
// the given time for which held answers false. It returns how many it deleted.
// The time leaves alone what is stored but not yet written down by its owner.
func (s *Store) Sweep(ctx context.Context, id tenant.ID, before time.Time, held func(Address) bool) (int, error) {
	var drop []Address
	for o, err := range s.List(ctx, id) {
		if err != nil {
			return 0, err
		}
		if o.Time.Before(before) && !held(o.Address) {
			drop = append(drop, o.Address)
		}
	}
	for i, address := range drop {
		if err := s.Delete(ctx, id, address); err != nil {
			return i, err
		}
	}
	return len(drop), nil
}

// Erasure is what the certificate of erasure (消去証明) states.
type Erasure struct {
	Tenant  tenant.ID
	Key     string // SHA-256 of the wrapped key that is gone, in hex
	Objects int
	Bytes   int64 // as stored
	Time    time.Time
}

// Erase removes a body's key, which makes every copy of its objects unreadable,
// and then the objects. A body without a key answers [ErrNotFound]. Backups hold
// the wrapped key until they expire; the certificate must name that day.
// When it ends with an error behind the key's removal, calling it again is
// answered ErrNotFound, and [Store.Remains] removes the rest.
func (s *Store) Erase(ctx context.Context, id tenant.ID) (Erasure, error) {
	record, err := readKeyRecord(ctx, s.Bucket, id)
	if err != nil {
		return Erasure{}, fmt.Errorf("erasing %s: %w", id, err)
	}
	sum := sha256.Sum256(record)
	if err := s.Bucket.Delete(ctx, keyName(id)); err != nil {
		return Erasure{}, fmt.Errorf("erasing the key of %s: %w", id, err)
	}
	s.forget(id)
	done := Erasure{Tenant: id, Key: hex.EncodeToString(sum[:]), Time: s.Now()}
	done.Objects, done.Bytes, err = s.Remains(ctx, id)
	return done, err
}

// Remains deletes the objects of a body that has no key any more. With a key it
// is refused.
func (s *Store) Remains(ctx context.Context, id tenant.ID) (objects int, stored int64, err error) {
	_, err = s.Bucket.Stat(ctx, keyName(id))
	if err == nil {
		return 0, 0, fmt.Errorf("removing what remains of %s: it has a key, so its objects are alive", id)
	}
	if !errors.Is(err, ErrNotFound) {
		return 0, 0, fmt.Errorf("removing what remains of %s: %w", id, err)
	}
	var names []string
	for e, err := range s.Bucket.List(ctx, objectPrefix(id)) {
		if err != nil {
			return 0, 0, fmt.Errorf("removing what remains of %s: %w", id, err)
		}
		names, stored = append(names, e.Name), stored+e.Size
	}
	for i, name := range names {
		if err := s.Bucket.Delete(ctx, name); err != nil {
			return i, stored, fmt.Errorf("removing what remains of %s: %w", id, err)
		}
	}
	return len(names), stored, nil
}

// Rewrap wraps every body's key by the first of Keys. Afterwards, and once the
// backups of before have expired, the others are not needed any more. It returns
// how many it wrapped anew.
func (s *Store) Rewrap(ctx context.Context) (int, error) {
	bodies, err := s.Bodies(ctx)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, id := range bodies {
		record, err := readKeyRecord(ctx, s.Bucket, id)
		if err != nil {
			return done, fmt.Errorf("wrapping the key of %s anew: %w", id, err)
		}
		secret, r, err := unwrapKey(s.Keys, record, id)
		if err != nil {
			return done, err
		}
		if r.OperatorKey == s.Keys[0].ID() {
			continue
		}
		record, err = wrapKey(s.Keys[0], id, secret, r.Created)
		if err != nil {
			return done, err
		}
		if _, err := WriteEntry(ctx, s.Bucket, keyName(id), bytes.NewReader(record), Terms{}); err != nil {
			return done, fmt.Errorf("wrapping the key of %s anew: %w", id, err)
		}
		s.forget(id)
		done++
	}
	return done, nil
}

// Bodies returns the bodies that have a key here, in no promised order.
func (s *Store) Bodies(ctx context.Context) ([]tenant.ID, error) {
	var bodies []tenant.ID
	for e, err := range s.Bucket.List(ctx, "keys/") {
		if err != nil {
			return nil, fmt.Errorf("listing the bodies with objects: %w", err)
		}
		id, err := tenant.Parse(strings.TrimPrefix(e.Name, "keys/"))
		if err != nil {
			return nil, fmt.Errorf("listing the bodies with objects: %w", err)
		}
		bodies = append(bodies, id)
	}
	return bodies, nil
}

func (s *Store) forget(id tenant.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.cache, id)
}

// key returns a body's key, and makes it when create is set.
func (s *Store) key(ctx context.Context, id tenant.ID, create bool) (bodyKey, error) {
	if _, err := tenant.Parse(string(id)); err != nil {
		return bodyKey{}, err
	}
	s.mu.Lock()
	key, ok := s.cache[id]
	s.mu.Unlock()
	if ok {
		return key, nil
	}
	record, err := readKeyRecord(ctx, s.Bucket, id)
	if errors.Is(err, ErrNotFound) && create {
		record, err = s.makeKey(ctx, id)
	}
	if err != nil {
		return bodyKey{}, fmt.Errorf("reading the key of %s: %w", id, err)
	}
	secret, _, err := unwrapKey(s.Keys, record, id)
	if err != nil {
		return bodyKey{}, err
	}
	key = bodyKey{record: record, seal: derive(secret, "encrypt", keySize), address: derive(secret, "address", keySize)}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cache == nil {
		s.cache = make(map[tenant.ID]bodyKey)
	}
	s.cache[id] = key
	return key, nil
}

func (s *Store) makeKey(ctx context.Context, id tenant.ID) ([]byte, error) {
	if len(s.Keys) == 0 {
		return nil, ErrKey
	}
	record, err := newKeyRecord(s.Keys[0], id, s.Now())
	if err != nil {
		return nil, err
	}
	_, err = WriteEntry(ctx, s.Bucket, keyName(id), bytes.NewReader(record), Terms{Once: true})
	if errors.Is(err, ErrExists) { // another process was first
		return readKeyRecord(ctx, s.Bucket, id)
	}
	return record, err
}

// current fails when the body's key is not the one that we hold.
func (s *Store) current(ctx context.Context, id tenant.ID, key bodyKey) error {
	record, err := readKeyRecord(ctx, s.Bucket, id)
	if err == nil && bytes.Equal(record, key.record) {
		return nil
	}
	s.forget(id)
	if err == nil {
		// Wrapped anew, or erased and made again: only the key itself tells.
		secret, _, unwrapErr := unwrapKey(s.Keys, record, id)
		if unwrapErr == nil && bytes.Equal(derive(secret, "address", keySize), key.address) {
			return nil
		}
		err = errors.Join(ErrKey, unwrapErr)
	}
	return fmt.Errorf("the key of %s changed while an object was stored: %w", id, err)
}

func check(id tenant.ID, address Address) error {
	_, idErr := tenant.Parse(string(id))
	_, addressErr := ParseAddress(string(address))
	return errors.Join(idErr, addressErr)
}

func objectPrefix(id tenant.ID) string { return "objects/" + string(id) + "/" }

// objectName spreads a body's objects over 256 folders.
func objectName(id tenant.ID, a Address) string {
	return objectPrefix(id) + string(a[:2]) + "/" + string(a[2:])
}
