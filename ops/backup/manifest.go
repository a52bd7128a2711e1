package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// Errors that callers decide by.
var (
	// ErrFormat says that a newer program wrote this.
	ErrFormat = errors.New("the backup has a format that this program does not know")
	// ErrSignature says that a manifest was not signed by this installation.
	ErrSignature = errors.New("the manifest's signature does not fit")
	// ErrNone says that there is no such backup.
	ErrNone = errors.New("there is no such backup")
)

// Manifest is one backup: everything that belongs to it, by name and checksum.
// It holds no content, so that an account without the backup identity can check
// a copy.
type Manifest struct {
	Format       int       `json:"format"` // 1
	Installation string    `json:"installation"`
	Sequence     int64     `json:"sequence"`           // 1, 2, … per destination
	Previous     string    `json:"previous,omitempty"` // Digest of the one before
	Program      string    `json:"program,omitempty"`  // the version that wrote it
	Started      time.Time `json:"started"`
	Finished     time.Time `json:"finished"`
	// LockedUntil is when the first of its entries may be deleted, the zero time
	// when the destination does not lock.
	LockedUntil time.Time `json:"locked_until,omitzero"`
	Parts       []Part    `json:"parts"` // by source, tenant, slice

	digest string
}

// Part is one slice as it lies at the destination.
type Part struct {
	Slice
	Name   string    `json:"name"`   // of the entry
	SHA256 string    `json:"sha256"` // of the entry's bytes, in hex
	Size   int64     `json:"size"`   // of the entry
	Plain  int64     `json:"plain"`  // bytes of the slice itself
	Rows   int64     `json:"rows"`
	Newest time.Time `json:"newest,omitzero"` // of the slice's rows
	Locked time.Time `json:"locked,omitzero"` // until when, as far as this backup knows
}

// Slice names a piece of a source.
type Slice struct {
	Source string    `json:"source"`
	Tenant tenant.ID `json:"tenant,omitempty"` // "" for what belongs to the whole installation
	Name   string    `json:"slice"`
	// Version changes whenever the slice's content does; a slice with the version
	// of the last backup is not written again. "" means always.
	Version string `json:"version,omitempty"`
}

// String is the slice as problems and logs name it.
func (s Slice) String() string {
	if s.Tenant == "" {
		return s.Source + " " + s.Name
	}
	return s.Source + " of " + string(s.Tenant) + " " + s.Name
}

func (s Slice) compare(t Slice) int {
	if c := strings.Compare(s.Source, t.Source); c != 0 {
		return c
	}
	if c := strings.Compare(string(s.Tenant), string(t.Tenant)); c != 0 {
		return c
	}
	return strings.Compare(s.Name, t.Name)
}

const (
	manifestFormat = 1
	manifestMagic  = "sekikura-backup-"
	// maxManifest bounds a manifest in bytes: 60 bodies over five years of days.
	maxManifest = 128 << 20
)

func manifestName(sequence int64) string { return fmt.Sprintf("manifests/%010d", sequence) }

// sign returns the manifest as it is stored: a line with format, key and
// signature, then the JSON that was signed, byte for byte.
func (m *Manifest) sign(key ed25519.PrivateKey) ([]byte, error) {
	body, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return nil, err
	}
	m.digest = digest(body)
	signature := ed25519.Sign(key, signed(body))
	line := fmt.Sprintf("%s%d %s\n", manifestMagic, manifestFormat, base64.StdEncoding.EncodeToString(signature))
	return append([]byte(line), body...), nil
}

// signed keeps these signatures apart from others of the same key.
func signed(body []byte) []byte {
	return append([]byte("sekikura backup manifest\n"), body...)
}

func digest(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// parseManifest reads what sign wrote; nothing of an unsigned one is believed.
func parseManifest(data []byte, key ed25519.PublicKey) (Manifest, error) {
	line, body, ok := bytes.Cut(data, []byte("\n"))
	version, ours := strings.CutPrefix(string(line), manifestMagic)
	format, signature, both := strings.Cut(version, " ")
	if !ok || !ours || !both {
		return Manifest{}, errors.New("this is no manifest of a backup")
	}
	if format != fmt.Sprint(manifestFormat) {
		return Manifest{}, fmt.Errorf("%w: %.20q, known is %d", ErrFormat, format, manifestFormat)
	}
	raw, err := base64.StdEncoding.DecodeString(signature)
	if err != nil || len(key) != ed25519.PublicKeySize || !ed25519.Verify(key, signed(body), raw) {
		return Manifest{}, ErrSignature
	}
	m := Manifest{digest: digest(body)}
	if err := json.Unmarshal(body, &m); err != nil {
		return Manifest{}, fmt.Errorf("reading a signed manifest: %w", err)
	}
	if err := m.check(); err != nil {
		return Manifest{}, fmt.Errorf("reading a signed manifest: %w", err)
	}
	return m, nil
}

// check refuses what this program would never have written, even when signed.
func (m *Manifest) check() error {
	if m.Format != manifestFormat {
		return fmt.Errorf("%w: %d, known is %d", ErrFormat, m.Format, manifestFormat)
	}
	if m.Sequence < 1 || m.Installation == "" || m.Started.IsZero() || m.Finished.Before(m.Started) {
		return errors.New("its number, installation or times are impossible")
	}
	for i, p := range m.Parts {
		if p.Tenant != "" {
			if _, err := tenant.Parse(string(p.Tenant)); err != nil {
				return err
			}
		}
		if p.Source == "" || p.Slice.Name == "" || p.Size < 0 || p.Plain < 0 || p.Rows < 0 {
			return fmt.Errorf("part %d: a name is missing or a number is negative", i)
		}
		if p.Name != partName(p.SHA256) {
			return fmt.Errorf("part %d: the entry %.80q does not carry its checksum", i, p.Name)
		}
		if _, err := objects.ParseAddress(p.SHA256); err != nil { // the same form: 64 hex digits
			return fmt.Errorf("part %d: its checksum is no SHA-256", i)
		}
		if i > 0 && m.Parts[i-1].compare(p.Slice) >= 0 {
			return fmt.Errorf("part %d: %s stands twice or out of order", i, p.Slice)
		}
	}
	return nil
}

func partName(sum string) string {
	if len(sum) < 2 {
		return ""
	}
	return "parts/" + sum[:2] + "/" + sum
}

// Digest identifies the manifest: SHA-256 of its signed body, in hex. It is set
// for manifests that were read or written, not for others.
func (m *Manifest) Digest() string { return m.digest }

// Newest is when the newest row of the backup was made.
func (m *Manifest) Newest() time.Time {
	var newest time.Time
	for _, p := range m.Parts {
		if p.Newest.After(newest) {
			newest = p.Newest
		}
	}
	return newest
}

// Size is how many bytes the backup's parts have at the destination. Parts that
// it shares with other backups count for each of them.
func (m *Manifest) Size() int64 {
	var size int64
	for _, p := range m.Parts {
		size += p.Size
	}
	return size
}

// Rows is how many rows the backup holds.
func (m *Manifest) Rows() int64 {
	var rows int64
	for _, p := range m.Parts {
		rows += p.Rows
	}
	return rows
}

// Tenants returns the bodies that have parts in the backup, by code.
func (m *Manifest) Tenants() []tenant.ID {
	var all []tenant.ID
	for _, p := range m.Parts {
		if p.Tenant != "" {
			all = append(all, p.Tenant)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Read returns the backup of this number, or [ErrNone]. Key is the public half
// of the installation's signing key.
func Read(ctx context.Context, b objects.Bucket, key ed25519.PublicKey, sequence int64) (Manifest, error) {
	data, err := readManifest(ctx, b, manifestName(sequence))
	if errors.Is(err, objects.ErrNotFound) {
		return Manifest{}, fmt.Errorf("backup %d: %w", sequence, ErrNone)
	}
	if err != nil {
		return Manifest{}, fmt.Errorf("reading backup %d: %w", sequence, err)
	}
	m, err := parseManifest(data, key)
	if err != nil {
		return Manifest{}, fmt.Errorf("backup %d: %w", sequence, err)
	}
	// Somebody may have put an old manifest under a new number.
	if m.Sequence != sequence {
		return Manifest{}, fmt.Errorf("backup %d: the manifest is that of backup %d, put in its place: %w", sequence, m.Sequence, ErrSignature)
	}
	return m, nil
}

func readManifest(ctx context.Context, b objects.Bucket, name string) (data []byte, err error) {
	r, err := b.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	data, err = io.ReadAll(io.LimitReader(r, maxManifest+1))
	if err == nil && len(data) > maxManifest {
		err = fmt.Errorf("it is longer than %d bytes", maxManifest)
	}
	return data, err
}

// Sequences returns the numbers of all backups at the destination, oldest first.
// Their manifests are not looked at.
func Sequences(ctx context.Context, b objects.Bucket) ([]int64, error) {
	var all []int64
	for e, err := range b.List(ctx, "manifests/") {
		if err != nil {
			return nil, fmt.Errorf("listing backups: %w", err)
		}
		var n int64
		if _, err := fmt.Sscanf(e.Name, "manifests/%d", &n); err != nil || manifestName(n) != e.Name {
			return nil, fmt.Errorf("listing backups: %s is not the name of a backup", e.Name)
		}
		all = append(all, n)
	}
	slices.Sort(all)
	return all, nil
}

// Newest returns the backup with the highest number, or [ErrNone].
func Newest(ctx context.Context, b objects.Bucket, key ed25519.PublicKey) (Manifest, error) {
	all, err := Sequences(ctx, b)
	if err != nil {
		return Manifest{}, err
	}
	if len(all) == 0 {
		return Manifest{}, ErrNone
	}
	return Read(ctx, b, key, all[len(all)-1])
}
