package backup

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/logstest"
	"github.com/sekikura/sekikura/tenant"
)

// cpu is the processor time of this process and of the log store's so far.
func cpu(b *testing.B, engine *logstest.Process) (ours, theirs time.Duration) {
	b.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", engine.PID()))
	if err != nil {
		b.Skipf("reading the log store's processor time: %v", err)
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	var user, system int64 // proc(5): fields 14 and 15, in hundredths of a second
	if _, err := fmt.Sscan(fields[11]+" "+fields[12], &user, &system); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano()), time.Duration(user+system) * 10 * time.Millisecond
}

// BenchmarkLogs measures a first backup and a restore of one body's day. MB are
// of rows as JSON; cpu-s/GB is processor time, which other work on the machine
// changes less than the time taken.
func BenchmarkLogs(b *testing.B) {
	const rows = 400_000
	engine := logstest.Start(b)
	client := engine.Client
	day := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -1)
	fillLogs(b, client, day, rows)
	source := &Logs{Client: client, Bodies: func() []tenant.Tenant { return []tenant.Tenant{{ID: village, Operator: operator}} }, Now: time.Now}
	all, err := source.Slices(b.Context(), nil)
	if err != nil || len(all) != 1 {
		b.Fatalf("slices = %v, %v; want one day", all, err)
	}
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		b.Fatal(err)
	}
	var packed writeBuffer
	var p Part
	b.Run("backup", func(b *testing.B) {
		ours, theirs := cpu(b, engine)
		for b.Loop() {
			packed.data = packed.data[:0]
			p, err = writePart(&packed, []age.Recipient{identity.Recipient()}, "990001", all[0], func(w io.Writer) (Wrote, error) {
				return source.Write(b.Context(), all[0], w)
			})
			if err != nil || p.Rows != rows {
				b.Fatalf("%d rows, %v; want %d", p.Rows, err, rows)
			}
		}
		oursAfter, theirsAfter := cpu(b, engine)
		report(b, oursAfter-ours, theirsAfter-theirs, p.Plain*int64(b.N))
		b.SetBytes(p.Plain)
		b.ReportMetric(float64(p.Size)/rows, "stored-B/row")
		b.ReportMetric(float64(p.Plain)/rows, "B/row")
	})
	b.Run("restore", func(b *testing.B) {
		var ours, theirs time.Duration
		for b.Loop() {
			scratch := logstest.Start(b)
			before, _ := cpu(b, scratch)
			into := &LogsInto{Client: scratch.Client}
			err := openPart(&readBuffer{packed.data}, []age.Identity{identity}, "990001", p, func(r io.Reader) error {
				n, err := into.Restore(b.Context(), p.Slice, r)
				if err == nil && n != rows {
					err = fmt.Errorf("%d rows came back, want %d", n, rows)
				}
				return err
			})
			if err != nil {
				b.Fatal(err)
			}
			if _, problems, err := into.Check(b.Context(), []Part{p}); err != nil || len(problems) > 0 {
				b.Fatal(problems, err)
			}
			after, engineAfter := cpu(b, scratch)
			ours, theirs = ours+after-before, theirs+engineAfter
			scratch.Kill(b)
		}
		report(b, ours, theirs, p.Plain*int64(b.N))
		b.SetBytes(p.Plain)
	})
}

func report(b *testing.B, ours, theirs time.Duration, plain int64) {
	b.Helper()
	b.ReportMetric(ours.Seconds()/float64(plain)*1e9, "cpu-s/GB")
	b.ReportMetric(theirs.Seconds()/float64(plain)*1e9, "engine-cpu-s/GB")
}

type writeBuffer struct{ data []byte }

func (w *writeBuffer) Write(p []byte) (int, error) {
	w.data = append(w.data, p...)
	return len(p), nil
}

type readBuffer struct{ data []byte }

func (r *readBuffer) Read(p []byte) (int, error) {
	if len(r.data) == 0 {
		return 0, io.EOF
	}
	n := copy(p, r.data)
	r.data = r.data[n:]
	return n, nil
}

func fillLogs(b *testing.B, client *logs.Client, day time.Time, n int) {
	b.Helper()
	var rows []byte
	for i := range n {
		at := day.Add(time.Duration(i) * (24 * time.Hour / time.Duration(n)))
		e := event.Event{ID: event.NewID(at), Time: at, Tenant: village, Service: "site", Name: "request_served", Fields: []slog.Attr{
			slog.String("source.ip", fmt.Sprintf("192.0.%d.%d", i%7, i%251)), slog.String("url.domain", "www.vill.wakaba.example"),
			slog.String("url.path", fmt.Sprintf("/kurashi/%d/index.html", i%997)), slog.String("http.request.method", "GET"),
			slog.Int("http.response.status_code", 200), slog.Int("http.response.body.bytes", 1000+i%50000),
			slog.Int("event.duration", 100_000+i*7919%9_000_000), slog.String("event.outcome", "passed"),
			slog.String("user_agent.original", fmt.Sprintf("Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/%d.0", 100+i%40)),
		}}
		rows = e.AppendRow(rows)
		if len(rows) > 4<<20 || i == n-1 {
			if _, err := client.Insert(context.Background(), operator, rows); err != nil {
				b.Fatal(err)
			}
			rows = rows[:0]
		}
	}
	if err := client.Flush(b.Context()); err != nil {
		b.Fatal(err)
	}
}
