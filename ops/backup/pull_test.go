package backup

import (
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/objects"
)

// puller is a second account's store beside a plant.
func puller(t *testing.T, p *plant) *Pull {
	t.Helper()
	dir := t.TempDir()
	to, err := objects.OpenFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = to.Close() })
	return &Pull{
		From: p.bucket, To: to, Verify: p.public, Installation: p.Installation, Retain: 30 * 24 * time.Hour, Expect: 7 * 24 * time.Hour,
		State: t.TempDir(), Log: p.Log, Now: time.Now,
	}
}

func pull(t *testing.T, p *Pull) Pulled {
	t.Helper()
	done, err := p.Run(t.Context())
	if err != nil {
		t.Fatalf("pulling: %v", err)
	}
	return done
}

// restorePulled restores backup n from the puller's copy.
func restorePulled(t *testing.T, p *plant, from *Pull, n int64) Report {
	t.Helper()
	m, err := Read(t.Context(), from.To, p.public, n)
	if err != nil {
		t.Fatal(err)
	}
	again := *p
	again.bucket = from.To
	report, _ := again.restore(t, m)
	return report
}

func TestAPullBringsWhatIsNewOnce(t *testing.T) {
	p := newPlant(t)
	second := puller(t, p)
	p.run(t)
	if done := pull(t, second); done.Backups != 1 || done.Parts != 4 || done.Newest != 1 || len(done.Problems) != 0 {
		t.Errorf("first pull = %+v; want one backup of four parts", done)
	}
	p.run(t)
	if done := pull(t, second); done.Backups != 1 || done.Parts != 1 || done.Newest != 2 {
		t.Errorf("second pull = %+v; want one backup, and the one part that is new", done)
	}
	if done := pull(t, second); done.Backups != 0 || done.Parts != 0 {
		t.Errorf("third pull = %+v; want nothing", done)
	}
	if report := restorePulled(t, p, second, 2); !report.OK {
		t.Errorf("restoring from the copy: %+v", report.Problems)
	}
}

func TestWhatAnAdministratorDestroysStaysAtThePuller(t *testing.T) {
	p := newPlant(t)
	p.Now = time.Now
	second := puller(t, p)
	p.run(t)
	pull(t, second)
	p.run(t)
	pull(t, second)

	// The administrator rewrites one backup and deletes everything of the other.
	forge(t, p, mustRead(t, p, 2), func(m *Manifest) { m.Parts = nil })
	if err := p.bucket.Delete(t.Context(), manifestName(1)); err != nil {
		t.Fatal(err)
	}
	for e, err := range p.bucket.List(t.Context(), "parts/") {
		if err != nil {
			t.Fatal(err)
		}
		if err := p.bucket.Delete(t.Context(), e.Name); err != nil {
			t.Fatal(err)
		}
	}
	done := pull(t, second)
	if len(done.Problems) != 2 || !strings.Contains(done.Problems[0].Error, "changed at the source") || !strings.Contains(done.Problems[1].Error, "removed at the source") {
		t.Errorf("problems = %+v; want that 2 was changed and 1 removed", done.Problems)
	}
	for n := int64(1); n <= 2; n++ {
		if report := restorePulled(t, p, second, n); !report.OK {
			t.Errorf("the copy of backup %d: %+v", n, report.Problems)
		}
	}
}

func mustRead(t *testing.T, p *plant, n int64) Manifest {
	t.Helper()
	m, err := Read(t.Context(), p.bucket, p.public, n)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestAPullTakesNothingDamagedOrForged(t *testing.T) {
	p := newPlant(t)
	second := puller(t, p)
	bad := part(t, p.run(t), village, "b")
	data := read(t, p.bucket, bad.Name)
	data[len(data)-1] ^= 1
	write(t, p.bucket, bad.Name, data)
	if done := pull(t, second); done.Backups != 0 || len(done.Problems) != 1 {
		t.Errorf("pulling a damaged backup = %+v; want one problem and no backup", done)
	}
	if _, err := second.To.Stat(t.Context(), bad.Name); !errors.Is(err, objects.ErrNotFound) {
		t.Errorf("the damaged part at the puller: %v, want ErrNotFound", err)
	}
	data[len(data)-1] ^= 1 // the source is mended
	write(t, p.bucket, bad.Name, data)
	if done := pull(t, second); done.Backups != 1 || len(done.Problems) != 0 {
		t.Errorf("pulling the mended backup = %+v; want it copied", done)
	}
	write(t, p.bucket, manifestName(2), read(t, p.bucket, manifestName(1)))
	if done := pull(t, second); done.Backups != 0 || len(done.Problems) != 1 || done.Newest != 1 {
		t.Errorf("pulling a replayed manifest = %+v; want one problem and nothing copied", done)
	}
}

func TestAnInterruptedPullIsNoBackup(t *testing.T) {
	p := newPlant(t)
	second := puller(t, p)
	p.run(t)
	ctx, cancel := context.WithCancel(t.Context())
	second.Progress = func(done Progress) {
		if done.Done == 2 {
			cancel()
		}
	}
	if _, err := second.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v, want context.Canceled", err)
	}
	if all, _ := Sequences(t.Context(), second.To); len(all) != 0 {
		t.Errorf("the interrupted pull left the backups %v, want none", all)
	}
	second.Progress = nil
	if done := pull(t, second); done.Parts != 2 || done.Backups != 1 {
		t.Errorf("the next pull = %+v; want the two parts that were missing", done)
	}
}

func TestThePullersStoreRefusesToForget(t *testing.T) {
	p := newPlant(t)
	second := puller(t, p)
	p.run(t)
	pull(t, second)
	kept := &Retained{Bucket: second.To, Keep: second.Retain, Now: time.Now}
	if err := kept.Delete(t.Context(), manifestName(1)); !errors.Is(err, ErrRetained) {
		t.Errorf("deleting within the retention = %v, want ErrRetained", err)
	}
	if _, err := objects.WriteEntry(t.Context(), kept, manifestName(1), strings.NewReader("x"), objects.Terms{}); !errors.Is(err, objects.ErrExists) {
		t.Errorf("replacing = %v, want ErrExists", err)
	}
	prune := &Prune{Bucket: kept, Verify: p.public, State: second.State, Log: p.Log, Now: func() time.Time { return time.Now().AddDate(0, 0, 5) }}
	p.run(t)
	pull(t, second)
	if done, err := prune.Run(t.Context()); err != nil || done.Backups != 0 || done.Locked != 1 {
		t.Errorf("pruning within the retention = %+v, %v; want nothing gone", done, err)
	}
	if report := restorePulled(t, p, second, 1); !report.OK {
		t.Errorf("after the refused pruning: %+v", report.Problems)
	}
	kept.Now = func() time.Time { return time.Now().AddDate(0, 2, 0) }
	if err := kept.Delete(t.Context(), manifestName(1)); err != nil {
		t.Errorf("deleting after the retention: %v", err)
	}
}

// The puller's folder belongs to another account: the product's own, here
// nobody, can neither delete nor write in it.
func TestTheProductsAccountCannotDeleteAtThePuller(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("taking the product's account needs root")
	}
	p := newPlant(t)
	second := puller(t, p)
	p.run(t)
	pull(t, second)
	folder := second.To.(*objects.Folder)
	name := manifestName(1)
	const nobody = 65534
	result := make(chan error)
	go func() {
		// The thread's own identity; it is not given back to the scheduler.
		runtime.LockOSThread()
		if _, _, errno := syscall.RawSyscall(syscall.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			result <- nil
			return
		}
		result <- folder.Delete(context.Background(), name)
	}()
	if err := <-result; !errors.Is(err, os.ErrPermission) {
		t.Errorf("the product's account deleting a copy = %v, want a refusal", err)
	}
	if _, err := folder.Stat(t.Context(), name); err != nil {
		t.Errorf("the copy afterwards: %v", err)
	}
}
