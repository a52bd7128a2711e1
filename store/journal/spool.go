package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// ErrFull says that events cannot be kept: the bus is away and the share of the
// disk for that time is used up.
var ErrFull = errors.New("the disk's share for events that wait for the bus is used up")

const (
	segmentSize   = 8 << 20
	segmentSuffix = ".spool"
	badSuffix     = ".bad" // a segment with a damaged record, kept for the operator
	recordHead    = 13     // length of the body, CRC-32C of the body, tried, length of subject, length of id
	maxRecord     = 4 << 20
)

// record is one message that waits for the bus.
type record struct {
	subject, id string
	tried       bool // the bus may have it: it was sent and not answered
	data        []byte
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// appendRecord appends r as the spool keeps it, big-endian: four bytes length and
// four bytes CRC-32C of what follows them, one byte that is 1 for tried and else 0,
// two bytes length of subject and two of id, subject, id, data.
func appendRecord(b []byte, r record) []byte {
	start := len(b)
	b = append(b, make([]byte, recordHead)...)
	b = append(append(append(b, r.subject...), r.id...), r.data...)
	if r.tried {
		b[start+8] = 1
	}
	binary.BigEndian.PutUint16(b[start+9:], uint16(len(r.subject))) //nolint:gosec // both are short, see put
	binary.BigEndian.PutUint16(b[start+11:], uint16(len(r.id)))     //nolint:gosec // both are short, see put
	body := b[start+8:]
	binary.BigEndian.PutUint32(b[start:], uint32(len(body))) //nolint:gosec // at most maxRecord
	binary.BigEndian.PutUint32(b[start+4:], crc32.Checksum(body, castagnoli))
	return b
}

// errTorn says that the file ends within a record: its writer died there, before
// anybody was told that the record is kept.
var errTorn = errors.New("the last record is not whole")

// errDamaged says that a record is not what was written.
var errDamaged = errors.New("a record is damaged")

// readRecord returns the first record of b and what follows it. At the end of b
// it returns io.EOF. The record shares b's memory.
func readRecord(b []byte) (r record, rest []byte, err error) {
	if len(b) == 0 {
		return r, nil, io.EOF
	}
	if len(b) < recordHead {
		return r, nil, errTorn
	}
	length := binary.BigEndian.Uint32(b)
	if length < recordHead-8 || length > maxRecord {
		return r, nil, errDamaged
	}
	if uint32(len(b)-8) < length { //nolint:gosec // a segment is far below 4 GiB
		return r, nil, errTorn
	}
	body := b[8 : 8+length]
	subject, id := int(binary.BigEndian.Uint16(body[1:])), int(binary.BigEndian.Uint16(body[3:]))
	if crc32.Checksum(body, castagnoli) != binary.BigEndian.Uint32(b[4:]) || body[0] > 1 || 5+subject+id > len(body) {
		return r, nil, errDamaged
	}
	text := body[5:]
	return record{string(text[:subject]), string(text[subject : subject+id]), body[0] == 1, text[subject+id:]}, b[8+length:], nil
}

// spool keeps records on disk, in segments that are read in the order of their
// names. A segment is written by one process only and read when it is complete.
type spool struct {
	dir  string
	max  int64
	lock *os.File

	mu     sync.Mutex // guards everything below
	closed []segment  // complete, oldest first
	active *os.File
	size   int64 // of active
	total  int64 // of all
	next   uint64
	buf    []byte
}

type segment struct {
	path string
	size int64
	// old is set when a process before this one wrote it, which may have sent a
	// part of it.
	old bool
}

// openSpool opens the spool in dir and makes it if need be. One process only may
// have it open.
func openSpool(dir string, limit int64) (*spool, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor is small
		return nil, errors.Join(fmt.Errorf("the spool in %s is used by another process: %w", dir, err), lock.Close())
	}
	s := &spool{dir: dir, max: limit, lock: lock}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	for _, e := range entries {
		number, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		n, err := strconv.ParseUint(number, 16, 64)
		if !isSegment || err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil {
			return nil, errors.Join(err, lock.Close())
		}
		s.closed = append(s.closed, segment{filepath.Join(dir, e.Name()), info.Size(), true})
		s.total += info.Size()
		s.next = max(s.next, n+1)
	}
	slices.SortFunc(s.closed, func(a, b segment) int { return strings.Compare(a.path, b.path) })
	return s, nil
}

// put returns nil once r is on disk.
func (s *spool) put(r record) error {
	if len(r.subject) > 255 || len(r.id) > 255 || len(r.data) > maxRecord-1024 {
		return errors.New("keeping events on disk: the record is too large")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.buf = appendRecord(s.buf[:0], r)
	if cap(s.buf) > 2<<20 {
		defer func() { s.buf = nil }()
	}
	if s.total+int64(len(s.buf)) > s.max {
		return ErrFull
	}
	if s.active != nil && s.size+int64(len(s.buf)) > segmentSize {
		s.rotate()
	}
	if s.active == nil {
		if err := s.begin(); err != nil {
			return fmt.Errorf("keeping events on disk: %w", err)
		}
	}
	_, err := s.active.WriteAt(s.buf, s.size)
	if err == nil {
		err = s.active.Sync()
	}
	if err != nil {
		// What the file holds behind size is unknown now. Cut it off; where even
		// that fails, the reader stops at the torn record.
		if cut := s.active.Truncate(s.size); cut != nil {
			err = errors.Join(err, cut)
		}
		s.rotate()
		return fmt.Errorf("keeping events on disk: %w", err)
	}
	s.size += int64(len(s.buf))
	s.total += int64(len(s.buf))
	return nil
}

// begin makes the next segment. The folder is synced so that the file's name is
// as durable as its content.
func (s *spool) begin() error {
	path := filepath.Join(s.dir, fmt.Sprintf("%016x%s", s.next, segmentSuffix))
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	s.next++
	if err := syncDir(s.dir); err != nil {
		return errors.Join(err, file.Close(), os.Remove(path))
	}
	s.active, s.size = file, 0
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// rotate completes the active segment. Callers hold mu.
func (s *spool) rotate() {
	if s.active == nil {
		return
	}
	path := s.active.Name()
	_ = s.active.Close() // every record in it was synced
	s.active = nil
	if s.size == 0 {
		_ = os.Remove(path) // an empty segment does no harm
		return
	}
	s.closed = append(s.closed, segment{path, s.size, false})
}

// oldest returns the oldest segment, completing the active one when there is no
// other, or false.
func (s *spool) oldest() (segment, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) == 0 {
		s.rotate()
	}
	if len(s.closed) == 0 {
		return segment{}, false
	}
	return s.closed[0], true
}

// begun marks the oldest segment as one of which a part may have been sent.
func (s *spool) begun() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed[0].old = true
}

// done removes the oldest segment, whose path must be path; a damaged one is
// renamed instead, and no longer counted.
func (s *spool) done(path string, damaged bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.closed) == 0 || s.closed[0].path != path {
		return fmt.Errorf("removing %s: it is not the oldest segment", path)
	}
	s.total -= s.closed[0].size
	s.closed = s.closed[1:]
	if damaged {
		return os.Rename(path, strings.TrimSuffix(path, segmentSuffix)+badSuffix)
	}
	return os.Remove(path)
}

// bytes is how much waits.
func (s *spool) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

func (s *spool) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rotate()
	return s.lock.Close()
}
