package backup

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"

	"github.com/sekikura/sekikura/store/objects"
)

// A part is age( zstd( header line, content ) ). The header repeats what the
// manifest says, so that a part that got under another name is recognised even
// by somebody who has nothing but the part.

// ErrDamaged says that a part is not what its manifest promises.
var ErrDamaged = errors.New("the part is missing, truncated, altered, or another one")

// ErrIdentity says that a part was encrypted for somebody else.
var ErrIdentity = errors.New("the backup identity given is not one that this part was encrypted for")

// partHeader is the first line of a part.
type partHeader struct {
	Format       int    `json:"format"` // 1
	Installation string `json:"installation"`
	Slice        Slice  `json:"part"`
}

const (
	partFormat    = 1
	maxPartHeader = 4 << 10
	maxWindow     = 64 << 20 // of zstd, when reading
)

// writePart writes one slice through fill and returns it as a part with name,
// checksum and sizes.
func writePart(w io.Writer, recipients []age.Recipient, installation string, s Slice, fill func(io.Writer) (Wrote, error)) (Part, error) {
	sum := sha256.New()
	stored := &counter{w: io.MultiWriter(w, sum)}
	sealed, err := age.Encrypt(stored, recipients...)
	if err != nil {
		return Part{}, err
	}
	packed, err := zstd.NewWriter(sealed, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return Part{}, err
	}
	header, err := json.Marshal(partHeader{partFormat, installation, s})
	if err != nil {
		return Part{}, err
	}
	if _, err := packed.Write(append(header, '\n')); err != nil {
		return Part{}, err
	}
	plain := &counter{w: packed}
	wrote, err := fill(plain)
	if err := errors.Join(err, packed.Close(), sealed.Close()); err != nil {
		return Part{}, err
	}
	digest := hex.EncodeToString(sum.Sum(nil))
	return Part{
		Slice: s, Name: partName(digest), SHA256: digest, Size: stored.n, Plain: plain.n,
		Rows: wrote.Rows, Newest: wrote.Newest,
	}, nil
}

// fetchPart copies a part into spool (from its beginning) and compares its size
// and checksum. Nothing of a part is used before that.
func fetchPart(ctx context.Context, b objects.Bucket, p Part, spool *os.File) (err error) {
	if _, err := spool.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if err := spool.Truncate(0); err != nil {
		return err
	}
	if err := copyPart(ctx, b, p, spool); err != nil {
		return err
	}
	_, err = spool.Seek(0, io.SeekStart)
	return err
}

// copyPart copies a part as it lies at b to w, and answers ErrDamaged when it is
// not the one that its manifest names.
func copyPart(ctx context.Context, b objects.Bucket, p Part, w io.Writer) (err error) {
	r, err := b.Open(ctx, p.Name)
	if errors.Is(err, objects.ErrNotFound) {
		return fmt.Errorf("%w: there is no entry %s", ErrDamaged, p.Name)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	sum := sha256.New()
	n, err := io.Copy(io.MultiWriter(w, sum), io.LimitReader(&contextReader{ctx, r}, p.Size+1))
	if err != nil {
		return fmt.Errorf("reading %s: %w", p.Name, err)
	}
	if n < p.Size {
		return fmt.Errorf("%w: %d of %d bytes are there", ErrDamaged, n, p.Size)
	}
	if n > p.Size || hex.EncodeToString(sum.Sum(nil)) != p.SHA256 {
		return fmt.Errorf("%w: its checksum does not fit", ErrDamaged)
	}
	return nil
}

// openPart decrypts a part and gives its content to use, which reads it to its end.
func openPart(r io.Reader, identities []age.Identity, installation string, p Part, use func(io.Reader) error) error {
	plain, err := age.Decrypt(r, identities...)
	if err != nil {
		if noMatch := (*age.NoIdentityMatchError)(nil); errors.As(err, &noMatch) {
			return ErrIdentity
		}
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	unpacked, err := zstd.NewReader(plain, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return err
	}
	defer unpacked.Close()
	content := bufio.NewReaderSize(unpacked, 64<<10)
	header, err := readPartHeader(content)
	if err != nil {
		return err
	}
	if header.Installation != installation || header.Slice != p.Slice {
		return fmt.Errorf("%w: it says that it is %s of installation %s", ErrDamaged, header.Slice, header.Installation)
	}
	count := &counter{}
	if err := use(io.TeeReader(content, count)); err != nil {
		return err
	}
	if _, err := io.Copy(count, content); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if count.n != p.Plain {
		return fmt.Errorf("%w: it holds %d bytes, the manifest says %d", ErrDamaged, count.n, p.Plain)
	}
	return nil
}

func readPartHeader(r *bufio.Reader) (partHeader, error) {
	line, err := r.ReadSlice('\n')
	if err != nil || len(line) > maxPartHeader {
		return partHeader{}, fmt.Errorf("%w: its first line is not readable: %w", ErrDamaged, err)
	}
	var h partHeader
	if err := json.Unmarshal(line, &h); err != nil {
		return partHeader{}, fmt.Errorf("%w: its first line is not readable: %w", ErrDamaged, err)
	}
	if h.Format != partFormat {
		return partHeader{}, fmt.Errorf("%w: part of format %d, known is %d", ErrFormat, h.Format, partFormat)
	}
	return h, nil
}

// counter counts what goes through; a nil w drops it.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	if c.w == nil {
		c.n += int64(len(p))
		return len(p), nil
	}
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
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

// spool is a file without a name: it is gone when it is closed, and when we are
// killed.
func spool(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "sekikura-backup-*")
	if err != nil {
		return nil, err
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
