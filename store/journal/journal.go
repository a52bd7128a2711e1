// Package journal is how every role reports events: it implements event.Journal
// and event.Sink on the event bus.
//
// Events of concurrent callers are gathered by body into messages, and a caller
// returns when the bus has its message on disk. While the bus is away, or when
// its answer is not known, the message goes to a spool on this machine's disk
// instead, and from there to the bus when it is back, under the same id and
// marked, so that nobody stores it twice.
package journal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/tenant"
)

const (
	// maxData is how many bytes of rows one message has, maxEvents how many rows.
	maxData   = 512 << 10
	maxEvents = bus.MaxBatch
	// committers is how many messages are on their way at once.
	committers = 4
	// maxWaiting bounds the bytes that wait in memory; past it Append waits.
	maxWaiting = 32 << 20
	// publishTimeout is how long the bus has to say that a message is on disk,
	// when the message is on our disk already.
	publishTimeout = 3 * time.Second
	// patience is how long a new message waits for the bus before our own disk
	// takes it: somebody is waiting, such as a visitor for a block page. The bus
	// may have the message all the same; it knows it again by its id.
	patience = 250 * time.Millisecond
)

// A Bus keeps messages. Publish returns nil when the message is on the bus's
// disk; after an error it may be there or not.
type Bus interface {
	Publish(ctx context.Context, subject, id string, replayed bool, data []byte) error
}

// A Directory knows under which operator a body stands; *tenant.Directory does.
type Directory interface {
	Get(tenant.ID) (tenant.Tenant, bool)
}

// Config is what a journal needs. Bus, Dir, Tenants, Log and Now must be set.
type Config struct {
	Bus     Bus
	Tenants Directory
	// Dir holds the spool; no two processes may share it.
	Dir string
	// MaxSpool is how many bytes may wait for the bus on disk: 1 GiB when zero.
	MaxSpool int64
	// Ring is how many emitted events may wait in memory: 16384 when zero.
	Ring int
	Log  *slog.Logger
	Now  func() time.Time
}

// repeatable is for how long after an Append that was refused its caller may try
// again with the same events, while the bus may have some of them: those that
// went with another body's, or a message that it did not answer for.
const repeatable = 2 * time.Minute

// ErrClosed is what Append says after Close.
var ErrClosed = errors.New("the event journal is closed")

// Journal implements event.Journal and event.Sink. It may be used concurrently.
type Journal struct {
	conf  Config
	spool *spool
	room  *semaphore.Weighted // bytes of waiting groups
	count counters

	mu     sync.Mutex // guards the rest of this block
	ready  sync.Cond  // a group waits, or closing
	queue  []*group   // oldest first
	open   map[tenant.ID]*group
	closed bool

	away    atomic.Bool  // the last message did not reach the bus
	repeats atomic.Int64 // until then callers may append again what the bus has (Unix ns)
	spooled chan struct{}
	ring    chan event.Event
	emit    sync.RWMutex // held for reading while emitting, so that Close can close ring
	ended   bool         // guarded by emit

	stop       context.CancelFunc
	committing sync.WaitGroup
	draining   sync.WaitGroup
	sink       sync.WaitGroup
}

// group is one message in the making.
type group struct {
	operator, body tenant.ID
	data           []byte
	events         int
	done           chan struct{} // closed when err is final
	err            error
}

// Open starts a journal and takes up what an earlier process left in Dir. The
// caller closes it.
func Open(conf Config) (*Journal, error) {
	if conf.MaxSpool == 0 {
		conf.MaxSpool = 1 << 30
	}
	if conf.Ring == 0 {
		conf.Ring = 16384
	}
	kept, err := openSpool(conf.Dir, conf.MaxSpool)
	if err != nil {
		return nil, fmt.Errorf("opening the event journal: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	j := &Journal{
		conf: conf, spool: kept, stop: stop,
		room:    semaphore.NewWeighted(maxWaiting),
		open:    make(map[tenant.ID]*group),
		spooled: make(chan struct{}, 1),
		ring:    make(chan event.Event, conf.Ring),
	}
	j.ready.L = &j.mu
	for range committers {
		j.committing.Go(func() { j.commit(ctx) })
	}
	j.draining.Go(func() { j.drain(ctx) })
	j.sink.Go(func() { j.gather(ctx) })
	return j, nil
}

// Close keeps what was emitted, waits for what was appended, and ends the
// journal. What the bus did not take by the end of ctx stays on disk.
func (j *Journal) Close(ctx context.Context) error {
	j.emit.Lock()
	if j.ended {
		j.emit.Unlock()
		return nil
	}
	j.ended = true
	close(j.ring)
	j.emit.Unlock()

	// From here on nobody waits for the bus longer than ctx: then the spool has it.
	defer context.AfterFunc(ctx, j.stop)()
	j.sink.Wait()
	j.mu.Lock()
	j.closed = true
	j.ready.Broadcast()
	j.mu.Unlock()
	j.committing.Wait()
	j.stop()
	j.draining.Wait()
	return j.spool.close()
}

// Append implements event.Journal.
func (j *Journal) Append(ctx context.Context, batch []event.Event) error {
	if err := j.known(batch); err != nil {
		return err
	}
	var first [4]*group
	waits := first[:0]
	var scratch *[]byte
	now := j.conf.Now()
	for rest := batch; len(rest) > 0; {
		body := rest[0].Tenant
		t, ok := j.conf.Tenants.Get(body)
		if !ok {
			return fmt.Errorf("keeping events of %q: the body went meanwhile", body) // a part may be kept
		}
		if scratch == nil {
			scratch = scratches.Get().(*[]byte) //nolint:errcheck // the pool holds nothing else
			defer scratches.Put(scratch)
		}
		// Rows of one body that stand together go together.
		rows, n := (*scratch)[:0], 0
		for n < len(rest) && n < maxEvents && rest[n].Tenant == body && len(rows) < maxData-maxRow {
			rows = appendRow(rows, &rest[n], now)
			n++
		}
		*scratch = rows
		rest = rest[n:]
		if err := j.room.Acquire(ctx, int64(len(rows))); err != nil {
			return fmt.Errorf("keeping events: %w", err)
		}
		g, err := j.add(t.Operator, body, rows, n)
		if err != nil {
			j.room.Release(int64(len(rows)))
			return err
		}
		if len(waits) == 0 || waits[len(waits)-1] != g {
			waits = append(waits, g)
		}
	}
	for _, g := range waits {
		select {
		case <-g.done:
			if g.err != nil {
				return g.err
			}
		case <-ctx.Done():
			return fmt.Errorf("keeping events: %w", ctx.Err())
		}
	}
	j.count.appended.Add(uint64(len(batch)))
	return nil
}

// known refuses a batch with a body that the directory does not have before any
// of it is kept: its reporter would send the others again and again.
func (j *Journal) known(batch []event.Event) error {
	for i := range batch {
		if i > 0 && batch[i].Tenant == batch[i-1].Tenant {
			continue
		}
		if _, ok := j.conf.Tenants.Get(batch[i].Tenant); !ok {
			return fmt.Errorf("keeping events of %q: %w", batch[i].Tenant, event.ErrNoBody)
		}
	}
	return nil
}

// scratches are buffers of rows on their way into a group.
//
//nolint:gochecknoglobals // a pool of buffers holds no state
var scratches = sync.Pool{New: func() any { return new([]byte) }}

// add puts rows into the body's open group, or begins one.
func (j *Journal) add(operator, body tenant.ID, rows []byte, n int) (*group, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return nil, ErrClosed
	}
	g := j.open[body]
	if g == nil || g.operator != operator || g.events+n > maxEvents || len(g.data)+len(rows) > maxData {
		g = &group{operator: operator, body: body, done: make(chan struct{}), data: make([]byte, 0, len(rows))}
		j.open[body] = g
		j.queue = append(j.queue, g)
		j.ready.Signal()
	}
	g.data = append(g.data, rows...)
	g.events += n
	return g, nil
}

// commit takes groups, oldest first, and makes them durable. While every
// committer is busy, groups grow: that is the group commit.
func (j *Journal) commit(ctx context.Context) {
	for {
		j.mu.Lock()
		for len(j.queue) == 0 && !j.closed {
			j.ready.Wait()
		}
		if len(j.queue) == 0 {
			j.mu.Unlock()
			return
		}
		g := j.queue[0]
		j.queue = j.queue[1:]
		if j.open[g.body] == g {
			delete(j.open, g.body)
		}
		j.mu.Unlock()

		g.err = j.keep(ctx, g)
		j.room.Release(int64(len(g.data)))
		g.data = nil
		close(g.done)
	}
}

// keep returns nil once the group is on the bus's disk or on ours.
func (j *Journal) keep(ctx context.Context, g *group) error {
	subject, id := bus.Subject(g.operator, g.body), event.NewID(j.conf.Now()).String()
	replayed := j.conf.Now().UnixNano() < j.repeats.Load()
	tried := replayed
	if !j.away.Load() && ctx.Err() == nil {
		limit, cancel := context.WithTimeout(ctx, patience)
		tried = true
		err := j.conf.Bus.Publish(limit, subject, id, replayed, g.data)
		cancel()
		if err == nil {
			j.count.published.Add(uint64(g.events)) //nolint:gosec // not negative
			return nil
		}
		if !j.away.Swap(true) {
			j.conf.Log.Warn("events go to disk until the bus takes them", "err", err)
		}
	}
	if err := j.spool.put(record{subject, id, tried, g.data}); err != nil {
		j.count.refused.Add(uint64(g.events)) //nolint:gosec // not negative
		j.repeats.Store(j.conf.Now().Add(repeatable).UnixNano())
		j.wake() // with nothing to drain, the next message asks the bus again
		return fmt.Errorf("keeping %d events of %s: %w", g.events, g.body, err)
	}
	j.count.spooled.Add(uint64(g.events)) //nolint:gosec // not negative
	j.wake()
	return nil
}

func (j *Journal) wake() {
	select {
	case j.spooled <- struct{}{}:
	default:
	}
}
