package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

const (
	village tenant.ID = "994413" // 若葉村
	city    tenant.ID = "992011" // 花見市
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// shelf is a source and a target in memory: slices by body and name.
type shelf struct {
	mu     sync.Mutex // guards all below
	kept   map[Slice]string
	writes int
	fail   func(Slice) error // nil, or what Write answers for a slice
}

func newShelf(content map[Slice]string) *shelf {
	s := &shelf{kept: make(map[Slice]string)}
	for k, v := range content {
		k.Source = "shelf"
		s.kept[k] = v
	}
	return s
}

func (s *shelf) Name() string { return "shelf" }
func (s *shelf) Close() error { return nil }

func (s *shelf) Slices(context.Context, []Part) ([]Slice, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.SortedFunc(maps.Keys(s.kept), Slice.compare), nil
}

func (s *shelf) Write(_ context.Context, slice Slice, w io.Writer) (Wrote, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(slice); err != nil {
			return Wrote{}, err
		}
	}
	s.writes++
	_, err := io.WriteString(w, s.kept[slice])
	return Wrote{Rows: int64(strings.Count(s.kept[slice], "\n")), Newest: noon.Add(-time.Minute)}, err
}

func (s *shelf) Restore(_ context.Context, slice Slice, r io.Reader) (int64, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[slice] = string(data)
	return int64(bytes.Count(data, []byte("\n"))), nil
}

func (s *shelf) Check(_ context.Context, parts []Part) (int64, []string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	checked := int64(0)
	for _, p := range parts {
		checked += int64(strings.Count(s.kept[p.Slice], "\n"))
	}
	return checked, nil, nil
}

// plant is one installation with a folder as destination.
type plant struct {
	*Backup
	bucket   objects.Bucket
	dir      string
	public   ed25519.PublicKey
	identity *age.X25519Identity
	shelf    *shelf
}

var twoBodies = map[Slice]string{
	{Tenant: village, Name: "a", Version: "1"}: "若葉村 a\n",
	{Tenant: village, Name: "b", Version: "1"}: strings.Repeat("若葉村 b\n", 50_000),
	{Tenant: city, Name: "a", Version: "1"}:    "花見市 a\n",
	{Name: "whole"}:                            "installation\n",
}

func newPlant(t *testing.T) *plant {
	t.Helper()
	dir := t.TempDir()
	bucket, err := objects.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	return newPlantOn(t, bucket, dir)
}

func newPlantOn(t *testing.T, bucket objects.Bucket, dir string) *plant {
	t.Helper()
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p := &plant{bucket: bucket, dir: dir, public: public, identity: identity, shelf: newShelf(twoBodies)}
	p.Backup = &Backup{
		Installation: "990001", Sources: []Source{p.shelf}, Destination: bucket, Recipients: []age.Recipient{identity.Recipient()},
		Key: private, State: t.TempDir(), Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return noon },
	}
	return p
}

func (p *plant) run(t *testing.T) Manifest {
	t.Helper()
	m, err := p.Run(t.Context())
	if err != nil {
		t.Fatalf("backing up: %v", err)
	}
	return m
}

func (p *plant) identities() []age.Identity { return []age.Identity{p.identity} }

func (p *plant) restore(t *testing.T, m Manifest, bodies ...tenant.ID) (Report, *shelf) {
	t.Helper()
	into := newShelf(nil)
	r := &Restore{From: p.bucket, Identities: []age.Identity{p.identity}, Targets: []Target{into}, Tenants: bodies, Spool: t.TempDir(), Now: p.Now}
	report, err := r.Run(t.Context(), m)
	if err != nil {
		t.Fatalf("restoring: %v", err)
	}
	return report, into
}

func (p *plant) drill(t *testing.T) Report {
	t.Helper()
	into := newShelf(nil)
	d := &Drill{
		From: p.bucket, Verify: p.public, Identities: []age.Identity{p.identity}, Scratch: t.TempDir(), State: p.State, Now: p.Now,
		Open: func(context.Context, string) ([]Target, func() error, error) {
			return []Target{into}, func() error { return nil }, nil
		},
	}
	report, err := d.Run(t.Context())
	if err != nil {
		t.Fatalf("drilling: %v", err)
	}
	return report
}

// part finds a part by body and name.
func part(t *testing.T, m Manifest, id tenant.ID, name string) Part {
	t.Helper()
	for _, p := range m.Parts {
		if p.Tenant == id && p.Slice.Name == name {
			return p
		}
	}
	t.Fatalf("the backup has no part %s of %s", name, id)
	return Part{}
}

func read(t *testing.T, b objects.Bucket, name string) []byte {
	t.Helper()
	r, err := b.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return data
}

func write(t *testing.T, b objects.Bucket, name string, data []byte) {
	t.Helper()
	if _, err := objects.WriteEntry(t.Context(), b, name, bytes.NewReader(data), objects.Terms{}); err != nil {
		t.Fatal(err)
	}
}

func TestABackupComesBackWhole(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	report, into := p.restore(t, m)
	if !report.OK || report.Parts != 4 || report.Rows != 50_003 || report.Checked != 50_003 {
		t.Errorf("report = %+v; want 4 parts and 50003 rows, all well", report)
	}
	if !maps.Equal(into.kept, p.shelf.kept) {
		t.Error("what came back is not what was backed up")
	}
	if report.RPO != time.Minute {
		t.Errorf("RPO = %v, want a minute: the age of the newest row", report.RPO)
	}
	if got := report.Tenants[village]["shelf"]; got != 50_001 {
		t.Errorf("rows of 若葉村 = %d, want 50001", got)
	}
	for e, err := range p.bucket.List(t.Context(), "parts/") {
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(read(t, p.bucket, e.Name), []byte("若葉村")) {
			t.Errorf("%s holds plain text", e.Name)
		}
	}
}

func TestOneBodyComesBackAlone(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	report, into := p.restore(t, m, city)
	if !report.OK || len(into.kept) != 1 {
		t.Fatalf("restoring 花見市 alone: %+v with %d slices; want its one slice", report, len(into.kept))
	}
	for s := range into.kept {
		if s.Tenant != city {
			t.Errorf("restoring 花見市 alone touched %s", s)
		}
	}
	r := &Restore{From: p.bucket, Identities: []age.Identity{p.identity}, Tenants: []tenant.ID{"998010"}, Now: p.Now}
	if _, err := r.Run(t.Context(), m); !errors.Is(err, ErrNone) {
		t.Errorf("restoring a body that the backup does not hold = %v, want ErrNone", err)
	}
}

func TestOnlyWhatChangedIsWrittenAgain(t *testing.T) {
	p := newPlant(t)
	p.run(t)
	p.shelf.writes = 0
	delete(p.shelf.kept, Slice{"shelf", city, "a", "1"})
	p.shelf.kept[Slice{"shelf", city, "a", "2"}] = "花見市 a, changed\n"
	m := p.run(t)
	if p.shelf.writes != 2 {
		t.Errorf("the second backup wrote %d slices, want 2: the changed one and the one without a version", p.shelf.writes)
	}
	if m.Sequence != 2 || m.Previous == "" {
		t.Errorf("second backup: sequence %d after %q; want 2 and its predecessor's digest", m.Sequence, m.Previous)
	}
	if report, into := p.restore(t, m); !report.OK || !maps.Equal(into.kept, p.shelf.kept) {
		t.Errorf("the second backup alone does not bring everything back: %+v", report.Problems)
	}
}

func TestAPartThatWasLostIsWrittenAnew(t *testing.T) {
	p := newPlant(t)
	lost := part(t, p.run(t), village, "a")
	if err := p.bucket.Delete(t.Context(), lost.Name); err != nil {
		t.Fatal(err)
	}
	if report, _ := p.restore(t, p.run(t)); !report.OK {
		t.Errorf("the backup after a loss: %+v; want it whole", report.Problems)
	}
}

func TestAnInterruptedBackupIsNoneAndIsTakenUp(t *testing.T) {
	p := newPlant(t)
	broken := errors.New("the power went")
	p.shelf.fail = func(s Slice) error {
		if s.Tenant == village && s.Name == "b" {
			return broken
		}
		return nil
	}
	if _, err := p.Run(t.Context()); !errors.Is(err, broken) {
		t.Fatalf("Run = %v, want its source's error", err)
	}
	if all, err := Sequences(t.Context(), p.bucket); len(all) != 0 || err != nil {
		t.Fatalf("after the interruption there are backups %v, %v; want none", all, err)
	}
	written := p.shelf.writes
	p.shelf.fail, p.shelf.writes = nil, 0
	m := p.run(t)
	if p.shelf.writes != 4-written+1 { // the slice without a version is written each time
		t.Errorf("the next run wrote %d slices after %d; want the rest and the one without a version", p.shelf.writes, written)
	}
	if report, _ := p.restore(t, m); !report.OK {
		t.Errorf("the backup taken up again: %+v", report.Problems)
	}
}

func TestACancelledBackupIsNone(t *testing.T) {
	p := newPlant(t)
	ctx, cancel := context.WithCancel(t.Context())
	p.Progress = func(done Progress) {
		if done.Done == 2 {
			cancel()
		}
	}
	if _, err := p.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
	if all, _ := Sequences(t.Context(), p.bucket); len(all) != 0 {
		t.Errorf("a cancelled backup left %v, want none", all)
	}
}

func TestAFullDestinationHoldsNoBackupThatLooksFinished(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=300k"); err != nil {
		t.Skipf("mounting a small tmpfs needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	bucket, err := objects.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = bucket.Close() })
	p := newPlantOn(t, bucket, dir)
	p.run(t)
	noise := make([]byte, 1<<20)
	state := uint32(1)
	for i := range noise { // what does not compress
		state = state*1664525 + 1013904223
		noise[i] = byte(state >> 24)
	}
	p.shelf.kept[Slice{"shelf", village, "large", "1"}] = string(noise)
	if _, err := p.Run(t.Context()); !errors.Is(err, syscall.ENOSPC) {
		t.Fatalf("Run on a full disk = %v, want ENOSPC", err)
	}
	m, err := Newest(t.Context(), bucket, p.public)
	if err != nil || m.Sequence != 1 {
		t.Fatalf("after the full disk the newest backup is %d, %v; want 1", m.Sequence, err)
	}
	if report := p.drill(t); !report.OK {
		t.Errorf("the backup from before the full disk: %+v", report.Problems)
	}
}

func TestOneOfConcurrentBackupsWorks(t *testing.T) {
	p := newPlant(t)
	p.shelf.fail = func(Slice) error { // while the first is at work, a second begins
		second := *p.Backup
		second.Sources = []Source{newShelf(nil)}
		if _, err := second.Run(t.Context()); !errors.Is(err, ErrRunning) {
			return fmt.Errorf("a second backup says %w, want ErrRunning", err)
		}
		return nil
	}
	p.run(t)
}

func TestTwoMachinesBackUpToOnePlace(t *testing.T) {
	p := newPlant(t)
	p.run(t)
	other := *p.Backup
	other.State, other.Sources = t.TempDir(), []Source{newShelf(twoBodies)}
	once := sync.OnceFunc(func() {
		if _, err := other.Run(t.Context()); err != nil {
			t.Errorf("the other machine: %v", err)
		}
	})
	p.shelf.fail = func(Slice) error { once(); return nil }
	if m := p.run(t); m.Sequence != 3 {
		t.Errorf("the slower machine's backup has number %d, want 3", m.Sequence)
	}
	for n := int64(1); n <= 3; n++ {
		m, err := Read(t.Context(), p.bucket, p.public, n)
		if err != nil {
			t.Fatal(err)
		}
		if report, _ := p.restore(t, m); !report.OK {
			t.Errorf("backup %d: %+v", n, report.Problems)
		}
	}
}

func TestTwoInstallationsDoNotShareAPlace(t *testing.T) {
	p := newPlant(t)
	p.run(t)
	p.Installation = "x-other"
	if _, err := p.Run(t.Context()); err == nil {
		t.Error("a second installation backed up into the first one's place")
	}
}
