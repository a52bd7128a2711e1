package broken

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/sekikura/sekikura/test/harness"
)

// disk is a file system in memory whose room the test decides.
type disk struct {
	t   *testing.T
	dir string
}

// roomy is how large a disk is that is not full. Nothing is set aside for it.
const roomy = 4 << 30

// newDisk mounts a disk at dir until the test ends.
func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small disk needs root")
	}
	if err := os.Mkdir(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("small", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d,mode=711", roomy)); err != nil {
		t.Skipf("this machine lets no test mount a small disk: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return &disk{t, dir}
}

func (d *disk) resize(size uint64) error {
	return unix.Mount("", d.dir, "", unix.MS_REMOUNT|unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("size=%d", size))
}

func (d *disk) stat() unix.Statfs_t {
	d.t.Helper()
	var s unix.Statfs_t
	if err := unix.Statfs(d.dir, &s); err != nil {
		d.t.Fatal(err)
	}
	return s
}

// fill makes the disk so small that not a page is left.
func (d *disk) fill() {
	d.t.Helper()
	for range 100 { // the product writes meanwhile: then the size was too small
		s := d.stat()
		used := (s.Blocks - s.Bfree) * uint64(s.Bsize) //nolint:gosec // not negative
		if err := d.resize(used); err == nil && d.stat().Bfree == 0 {
			return
		}
	}
	d.t.Fatal("the disk does not become full")
}

// free gives it room again.
func (d *disk) free() {
	d.t.Helper()
	if err := d.resize(roomy); err != nil {
		d.t.Fatal(err)
	}
}

func TestAFullDiskUnderLoadLosesNothing(t *testing.T) {
	t.Parallel()
	dir := harness.Folder(t)
	data := filepath.Join(dir, "data")
	small := newDisk(t, data)
	i := harness.Install(t, harness.Plan{Dir: dir, Data: data})
	i.Start()
	i.FirstLogin()
	origin, reachable := harness.Origin(t)
	i.Protect(origin)
	seen(t, i)

	end := i.Attack(harness.Host)
	before := stops(t, i, reachable, 20)
	small.fill()
	during := stops(t, i, reachable, 20)
	i.Await("a change is refused because the disk is full", func() bool {
		return saysAway(t, i, http.MethodPut, i.Token, "/tenants/"+harness.Body+"/policies/waf", map[string]any{
			"body": map[string]int{"paranoia": 2}, "change": map[string]string{"reference": "令8-0003"},
		}, "If-Match", `"override-0"`)
	})
	for _, group := range []string{"control", "bus", "logs"} {
		i.Await("/readyz of "+group+" names the disk", func() bool {
			status, text, err := i.Admin(group, "/readyz")
			return err == nil && status == http.StatusServiceUnavailable && strings.Contains(text, "disk")
		})
	}
	i.Await("the portal shows that the log store and the bus cannot do their work", func() bool {
		down := parts(i)
		return down["logs"] == "down" && down["bus"] == "down" && down["edge"] == "up"
	})
	small.free()
	i.AwaitReady()
	i.Await("the portal shows that everything is up again", func() bool {
		for _, state := range parts(i) {
			if state != "up" {
				return false
			}
		}
		return true
	})
	i.ExactlyOnce(i.Token, append(append(end(), before...), during...))
	i.Must(http.StatusOK, http.MethodPut, i.Token, "/tenants/"+harness.Body+"/policies/waf", map[string]any{
		"body": map[string]string{"action": "detect"}, "change": map[string]string{"reference": "令8-0004"},
	}, nil, "If-Match", `"override-0"`)
}

// parts is what the portal shows of the machine's parts: their states by group.
func parts(i *harness.Installation) map[string]string {
	var shown struct {
		Parts []struct{ Group, State string }
	}
	status, err := i.Ask(i.Token, "/status", &shown)
	if err != nil || status != http.StatusOK {
		return map[string]string{"portal": "down"}
	}
	states := make(map[string]string)
	for _, p := range shown.Parts {
		states[p.Group] = p.State
	}
	return states
}
