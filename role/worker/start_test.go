package worker

import (
	"context"
	"io"
	"os"
	"slices"
	"testing"
	"time"
)

// maxStart is the promise for a worker from fork to ready.
const maxStart = 5 * time.Millisecond

func TestAWorkerIsReadyInFiveMilliseconds(t *testing.T) {
	p := &Pool{Binary: binary(t), Unjailed: true}
	ways := p.jails()
	bare := ways[len(ways)-1]
	const n = 41
	took, spent := make([]time.Duration, 0, n), make([]time.Duration, 0, n)
	for range n {
		began := time.Now()
		w, err := bare.start(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(began))
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		spent = append(spent, w.cmd.ProcessState.UserTime()+w.cmd.ProcessState.SystemTime())
	}
	slices.Sort(took)
	slices.Sort(spent)
	t.Logf("fork to ready: median %v, fastest %v, 90%% %v; processor time of the whole life: median %v", took[n/2], took[0], took[n*9/10], spent[n/2])
	// On a machine that does much else the wall's median is the machine's. The
	// processor's median is ours, and some start was undisturbed.
	if got := spent[n/2]; got > maxStart {
		t.Errorf("a worker's life without a job costs %v of processor time, want at most %v", got, maxStart)
	}
	if got := took[0]; got > maxStart {
		t.Errorf("no worker of %d was ready before %v, want at most %v", n, got, maxStart)
	}
	info, err := os.Stat(binary(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the binary has %d kB", info.Size()>>10)
}

func BenchmarkStart(b *testing.B) {
	p := &Pool{Binary: binary(b), Unjailed: true}
	for _, way := range p.jails() {
		b.Run(way.name, func(b *testing.B) {
			for b.Loop() {
				w, err := way.start(context.Background())
				if err != nil {
					b.Skip(err)
				}
				if err := w.end(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkDo(b *testing.B) {
	for _, name := range []string{"bubblewrap", "namespaces", "none"} {
		b.Run(name, func(b *testing.B) {
			needJail(b, name)
			p := run(b, func(p *Pool) { p.only = name })
			f := file(b, "hello")
			for b.Loop() {
				if _, err := p.Do(context.Background(), selftest("read", 0), f, io.Discard); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
