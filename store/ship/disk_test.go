package ship_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs/logstest"
)

// smallDisk is a disk of its own of some MiB, full to the brim on demand.
type smallDisk struct {
	dir     string
	ballast string
}

func newSmallDisk(t *testing.T, mib string) *smallDisk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size="+mib+"m"); err != nil {
		t.Skipf("mounting a small disk is refused here: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Errorf("unmounting the small disk: %v", err)
		}
	})
	return &smallDisk{dir, filepath.Join(dir, "ballast")}
}

// fill leaves so many bytes free.
func (d *smallDisk) fill(t *testing.T, free int64) {
	t.Helper()
	var st unix.Statfs_t
	if err := unix.Statfs(d.dir, &st); err != nil {
		t.Fatal(err)
	}
	size := int64(st.Bavail)*st.Bsize - free //nolint:gosec // a small disk
	if size <= 0 {
		return
	}
	file, err := os.Create(d.ballast)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close() //nolint:errcheck // ballast
	if err := unix.Fallocate(int(file.Fd()), 0, 0, size); err != nil {
		t.Fatal(err)
	}
}

func (d *smallDisk) empty(t *testing.T) {
	t.Helper()
	if err := os.Remove(d.ballast); err != nil {
		t.Fatal(err)
	}
}

func (d *smallDisk) sub(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(d.dir, name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAFullDiskOfTheBusLosesNothing(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, "64")
	p := newPath(t, disk.sub(t, "bus"), 0)
	p.publisher(t)
	acked := p.during(20, func() {
		time.Sleep(500 * time.Millisecond)
		disk.fill(t, 100<<10)
		before := p.journal.Stats().Spooled
		for deadline := time.Now().Add(15 * time.Second); p.journal.Stats().Spooled == before; time.Sleep(50 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Error("no event went to the spool: the disk was not full")
				break
			}
		}
		p.bus.ended(t)   // it cannot store any more and says so
		p.bus.restart(t) // as the supervisor does, while the disk is still full
		time.Sleep(time.Second)
		disk.empty(t)
		p.bus.restart(t)
		time.Sleep(time.Second)
	})
	p.same(t, acked)
}

func TestFullDisksOfBusAndSpoolRefuseAndLoseNothing(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, "64")
	p := newPath(t, t.TempDir(), 0)
	p.journal = p.open(t, disk.sub(t, "spool"), 0)
	first := p.during(20, func() { time.Sleep(500 * time.Millisecond) })
	p.bus.kill()
	refused := 0
	stop := make(chan struct{})
	result := make(chan map[event.ID]bool)
	go func() {
		acked, n := load(p.journal, stop, 20*time.Millisecond, 20)
		refused = n
		result <- acked
	}()
	time.Sleep(500 * time.Millisecond)
	disk.fill(t, 64<<10)
	time.Sleep(1500 * time.Millisecond)
	disk.empty(t)
	p.bus.start(t)
	time.Sleep(time.Second)
	close(stop)
	acked := <-result
	if refused == 0 {
		t.Error("nothing was refused: the disk was not full")
	}
	for id := range first {
		acked[id] = true
	}
	p.same(t, acked)
}

func TestAFullDiskOfTheLogStoreDelaysAndLosesNothing(t *testing.T) {
	t.Parallel()
	disk := newSmallDisk(t, "64")
	p := newPath(t, t.TempDir(), 0)
	// The path's own store gives way to one on the small disk.
	p.logs.Kill(t)
	p.logs = logstest.StartIn(t, disk.sub(t, "logs"), true)
	p.ship.role.URL, p.ship.role.Secret = p.logs.Client.URL, p.logs.Client.Secret
	p.ship.restart(t)
	acked := p.during(20, func() {
		time.Sleep(time.Second)
		disk.fill(t, 3<<20) // below what the store leaves free
		time.Sleep(6 * time.Second)
		disk.empty(t)
		time.Sleep(time.Second)
	})
	p.same(t, acked)
}
