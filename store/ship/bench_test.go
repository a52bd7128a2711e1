package ship_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/ship"
	"github.com/sekikura/sekikura/tenant"
)

// BenchmarkEventPath is the whole way: this process appends, a bus, a shipper and
// a log store run in processes of their own. Run with -benchtime 500000x.
func BenchmarkEventPath(b *testing.B) {
	p := newPath(b, b.TempDir(), 0)
	measure := func(n int) ship.Figures {
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
		defer cancel()
		f, err := ship.Measure(ctx, ship.Load{
			Journal: p.journal, Store: p.logs.Client, Operator: operator, Bodies: []tenant.ID{village, city}, Events: n,
		})
		if err != nil {
			b.Fatal(err)
		}
		return f
	}
	measure(1000) // every process is up
	before := p.processorTime(b)
	b.ResetTimer()
	f := measure(b.N)
	b.StopTimer()
	b.ReportMetric(f.PerSecond(), "stored/s")
	b.ReportMetric(float64(b.N)/f.Acknowledged.Seconds(), "acked/s")
	b.ReportMetric(float64((f.Producer - f.Making).Nanoseconds()), "producer-ns/ev")
	for name, used := range p.processorTime(b) {
		b.ReportMetric(float64((used-before[name]).Nanoseconds())/float64(b.N), name+"-cpu-ns/ev")
	}
	if s := p.journal.Stats(); s.Spooled > 0 {
		b.Logf("%d events went by way of the spool", s.Spooled)
	}
}

// processorTime is what each child used so far.
func (p *path) processorTime(tb testing.TB) map[string]time.Duration {
	tb.Helper()
	used := make(map[string]time.Duration)
	for name, pid := range map[string]int{"bus": p.bus.cmd.Process.Pid, "ship": p.ship.cmd.Process.Pid, "logs": p.logs.PID()} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			tb.Skip("no /proc")
		}
		fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')'):]))
		var user, system int64
		if _, err := fmt.Sscan(fields[12]+" "+fields[13], &user, &system); err != nil { // utime and stime, in ticks of 10 ms
			tb.Skip("no times in /proc")
		}
		used[name] = time.Duration(user+system) * 10 * time.Millisecond
	}
	return used
}

// BenchmarkBacklogAfterACrash is a shipper that finds a backlog of which it does
// not know what the store has, so that it asks about every event.
func BenchmarkBacklogAfterACrash(b *testing.B) {
	p := newPath(b, b.TempDir(), 0)
	acked := p.during(2, func() { time.Sleep(500 * time.Millisecond) })
	if len(acked) == 0 {
		b.Fatal("nothing was acknowledged")
	}
	p.ship.kill()
	for left := b.N; left > 0; left -= 1000 {
		if err := p.journal.Append(b.Context(), batch(1000)); err != nil {
			b.Fatal(err)
		}
	}
	want := uint64(len(acked) + (b.N+999)/1000*1000) //nolint:gosec // not negative
	b.ResetTimer()
	p.ship.start(b)
	for {
		n, err := p.logs.Client.Count(b.Context(), logs.Scope{Operator: operator, Tenants: []tenant.ID{village, city}}, "service:waf", logs.Range{})
		if err != nil {
			b.Fatal(err)
		}
		if n == want {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
