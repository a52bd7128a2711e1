package ship_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/ship"
	"github.com/sekikura/sekikura/tenant"
)

// The demonstration's whole memory is a promise; each group's share is below 100 MB.
func TestTheGroupsOfTheEventPathAreSmallWhenIdle(t *testing.T) {
	p := newPath(t, t.TempDir(), 0)
	acked := p.during(20, func() { time.Sleep(2 * time.Second) })
	p.same(t, acked)
	for name, mib := range p.memory(t) {
		t.Logf("%s: %d MiB", name, mib)
		if mib > 95 {
			t.Errorf("%s takes %d MiB when idle, want below 95", name, mib)
		}
	}
	if os.Getenv("SEKIKURA_TEST_LOUD") == "" {
		return
	}
	_, err := ship.Measure(t.Context(), ship.Load{Journal: p.journal, Store: p.logs.Client, Operator: operator, Bodies: []tenant.ID{village}, Events: 500_000})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("after half a million events: %v MiB", p.memory(t))
	time.Sleep(20 * time.Second)
	t.Logf("20 s later: %v MiB", p.memory(t))
}

// memory is what each child has in memory, in MiB.
func (p *path) memory(tb testing.TB) map[string]int {
	tb.Helper()
	used := make(map[string]int)
	for name, pid := range map[string]int{"bus": p.bus.cmd.Process.Pid, "ship": p.ship.cmd.Process.Pid, "logs": p.logs.PID()} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
		if err != nil {
			tb.Skip("no /proc")
		}
		_, rest, _ := strings.Cut(string(text), "VmRSS:")
		var kib int
		if _, err := fmt.Sscan(rest, &kib); err != nil {
			tb.Skip("no VmRSS in /proc")
		}
		used[name] = kib >> 10
	}
	return used
}
