// Package ship brings events from the bus to the log store, each exactly once.
//
// The store keeps what it is given in memory for some seconds and does not notice
// doubles. So the shipper acknowledges a message to the bus only when it was
// inserted several flush intervals ago into a store that has not been restarted
// since. Whenever it cannot know what the store has — its own start, a restart of
// store or bus, an answer that did not come — it goes back to what the bus still
// counts as unread, asks the store which of these events it has, and inserts the
// others.
package ship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// Reader is the name of the shipper's durable consumer on the bus.
const Reader = "store"

// Store is what the shipper needs of a log store; *logs.Client does it.
type Store interface {
	Insert(ctx context.Context, operator tenant.ID, rows []byte) (boot string, err error)
	Flush(ctx context.Context) error
	State(ctx context.Context) (logs.State, error)
	Held(ctx context.Context, operator tenant.ID, bodies []tenant.ID, ids []event.ID, span logs.Range) (logs.Held, error)
}

// Shipper is the one reader that fills the log store. Only one may run on a bus.
// Conn, Store, Log and Now must be set before Run.
type Shipper struct {
	// Conn is the bus; the caller closes it.
	Conn  *nats.Conn
	Store Store
	// FlushInterval is how long the store keeps rows in memory only: 2 s when zero.
	FlushInterval time.Duration
	// Retention is the store's: an older event goes to quarantine, because the
	// store would throw it away. 365 days when zero.
	Retention time.Duration
	Log       *slog.Logger
	Now       func() time.Time

	count counters
	body  []byte // of one request to the store, used again
	met   map[stream]bool
}

// Errors that end a session and start the next one from what is unread.
var (
	errRestarted = errors.New("the log store was restarted")
	errDropping  = errors.New("the log store threw rows away")
)

// settled is how old an insert is when its rows are surely on the store's disk.
// The engine's writer comes by every flush interval and skips parts that are just
// being merged in memory, so twice the interval is not always enough.
func (s *Shipper) settled() time.Duration { return 4*s.flush() + time.Second }

func (s *Shipper) flush() time.Duration {
	if s.FlushInterval <= 0 {
		return 2 * time.Second
	}
	return s.FlushInterval
}

// progress is what the shipper remembers between sessions.
type progress struct {
	stream  time.Time // when the bus's stream was made: another one counts anew
	store   logs.State
	boot    string
	touched uint64 // the highest sequence that the store may have something of
	last    string // the id of the message that had it, "" when not known
	placed  uint64 // everything up to here is in the store as it runs now
	sure    bool   // placed still holds: nothing happened but that the bus was away
	verify  bool   // rows that the store does not keep must be found
}

// Run ships until ctx ends and returns nil then.
func (s *Shipper) Run(ctx context.Context) error {
	var p progress
	wait := 100 * time.Millisecond
	for ctx.Err() == nil {
		before := s.count.stored.Load()
		err := s.session(ctx, &p)
		if ctx.Err() != nil {
			break
		}
		s.count.sessions.Add(1)
		s.count.failing.Store(true)
		s.Log.Warn("shipping events to the log store begins again", "err", err)
		if s.count.stored.Load() != before || errors.Is(err, errRestarted) || errors.Is(err, errDropping) {
			wait = 100 * time.Millisecond
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		wait = min(2*wait, 3*time.Second)
	}
	return nil //nolint:nilerr // a session's error is logged and answered by the next session
}

// mark is one message that was inserted and not yet acknowledged.
type mark struct {
	msg jetstream.Msg
	at  time.Time
}

// session ships until something is not as it should be.
func (s *Shipper) session(ctx context.Context, p *progress) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	s.met = make(map[stream]bool)
	js, err := jetstream.New(s.Conn)
	if err != nil {
		return fmt.Errorf("reading the bus: %w", err)
	}
	joined := s.Conn.Stats().Reconnects
	broken := func() bool { return s.Conn.Stats().Reconnects != joined }
	state, err := s.Store.State(ctx)
	if err != nil {
		return err
	}
	consumer, stream, first, err := s.begin(ctx, js)
	if err != nil {
		return err
	}
	known := false
	if p.stream.Equal(stream.Created) {
		if known, err = s.same(ctx, js, p); err != nil {
			return err
		}
	}
	switch {
	case !known:
		// A shipper before this one may have inserted anything up to here.
		*p = progress{stream: stream.Created, touched: stream.State.LastSeq, verify: p.verify}
	case !p.sure || state.Start != p.store.Start:
		p.placed = 0
	}
	p.sure = false
	sure, doubtful := p.placed, p.touched
	if doubtful > sure && doubtful >= first {
		if state, err = s.quiet(ctx); err != nil {
			return err
		}
	}
	p.store, p.boot = state, ""
	s.count.failing.Store(false)

	batches, failed := make(chan []jetstream.Msg, 1), make(chan error, 1)
	go func() { failed <- fetch(ctx, consumer, broken, batches) }()
	defer func() { // the fetcher ends before the next session reads the same consumer
		end()
		for range batches { //nolint:revive // drained so that fetch can end
		}
	}()
	var marks []mark
	tick := time.NewTicker(s.flush() / 2)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case err := <-failed:
			p.sure = true
			return err
		case msgs := <-batches:
			if len(msgs) == 0 {
				continue
			}
			err := s.place(ctx, js, p, msgs, sure, doubtful)
			if err != nil {
				return err
			}
			now := s.Now()
			for _, m := range msgs {
				marks = append(marks, mark{m, now})
			}
			s.count.failing.Store(false)
		case <-tick.C:
		}
		if p.verify && p.placed >= doubtful {
			p.verify = false
		}
		if len(marks) > 0 && s.Now().Sub(marks[0].at) >= s.settled() && s.Now().Sub(s.count.acked()) >= s.flush()/2 {
			if marks, err = s.acknowledge(ctx, p, marks); err != nil {
				return err
			}
		}
	}
}

// same tells whether the bus still has the message that we saw last under its
// number. A bus that dies may have handed out messages that it had not synced nor
// acknowledged: they are gone, and their numbers are given out again.
func (s *Shipper) same(ctx context.Context, js jetstream.JetStream, p *progress) (bool, error) {
	if p.touched == 0 || p.last == "" {
		return false, nil
	}
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	stream, err := js.Stream(limit, bus.Events)
	if err != nil {
		return false, fmt.Errorf("reading the bus: %w", err)
	}
	msg, err := stream.GetMsg(limit, p.touched)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil // removed since, or gone
	case err != nil:
		return false, fmt.Errorf("reading the bus: %w", err)
	}
	return msg.Header.Get(jetstream.MsgIDHeader) == p.last, nil
}

// quiet waits until the store works on no insert any more, and makes what it has
// visible. A request that we gave up, or that died with the shipper before us, may
// still be read by the store: asking earlier would miss its rows.
func (s *Shipper) quiet(ctx context.Context) (logs.State, error) {
	var before logs.State
	for round := 0; ; round++ {
		state, err := s.Store.State(ctx)
		if err != nil {
			return state, err
		}
		still := state.Inserting == 0 && state.Start == before.Start && state.Inserts == before.Inserts
		if !still && round == 20 {
			s.Log.Warn("others insert into the log store; an event may be stored twice after a failure")
			still = true
		}
		if still {
			return state, s.Store.Flush(ctx)
		}
		before = state
		select {
		case <-ctx.Done():
			return state, ctx.Err()
		case <-time.After(quietFor):
		}
	}
}

// quietFor is longer than the store's counters may be old, which is a second.
const quietFor = 1200 * time.Millisecond

// begin makes the durable consumer anew, right behind what was acknowledged, so
// that everything unread is delivered again and in order; next is where it begins. While it is missing
// for a moment the bus removes nothing.
func (s *Shipper) begin(ctx context.Context, js jetstream.JetStream) (consumer jetstream.Consumer, info *jetstream.StreamInfo, next uint64, err error) {
	limit, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	stream, err := js.Stream(limit, bus.Events)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading the bus: %w", err)
	}
	next = 1
	old, err := stream.Consumer(limit, Reader)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
	case err != nil:
		return nil, nil, 0, fmt.Errorf("reading the bus: %w", err)
	default:
		next = old.CachedInfo().AckFloor.Stream + 1
		if err := stream.DeleteConsumer(limit, Reader); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil, nil, 0, fmt.Errorf("reading the bus again from message %d: %w", next, err)
		}
	}
	consumer, err = stream.CreateConsumer(limit, jetstream.ConsumerConfig{
		Durable: Reader, Description: "events to the log store",
		FilterSubject: bus.EventSubjects,
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: next,
		AckPolicy: jetstream.AckAllPolicy, AckWait: time.Hour, MaxAckPending: -1, MaxDeliver: -1,
	})
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading the bus from message %d: %w", next, err)
	}
	// The stream's end is asked for last: what was inserted before is below it.
	info, err = stream.Info(limit)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("reading the bus: %w", err)
	}
	return consumer, info, next, nil
}

// fetchMessages bounds a batch: messages have up to half a megabyte each.
const fetchMessages = 16

// errGap says that the bus skipped a message: it was lost on its way to us.
var errGap = errors.New("a message of the bus did not arrive")

// errBroken says that the connection to the bus broke meanwhile.
var errBroken = errors.New("the bus was away")

// fetch hands over the consumer's messages in order until ctx ends or something
// is wrong with them, and closes batches. A connection that broke is an error even
// if the client has mended it: the bus behind it may be another process.
func fetch(ctx context.Context, consumer jetstream.Consumer, broken func() bool, batches chan<- []jetstream.Msg) error {
	defer close(batches)
	delivered := uint64(0)
	for ctx.Err() == nil {
		some, err := consumer.FetchNoWait(fetchMessages)
		if err != nil {
			return fmt.Errorf("reading the bus: %w", err)
		}
		msgs, err := collect(some, &delivered)
		if err != nil {
			return err
		}
		if len(msgs) == 0 {
			one, err := consumer.Fetch(1, jetstream.FetchMaxWait(5*time.Second), jetstream.FetchHeartbeat(2*time.Second))
			if err != nil {
				return fmt.Errorf("reading the bus: %w", err)
			}
			if msgs, err = collect(one, &delivered); err != nil {
				return err
			}
			if len(msgs) == 0 {
				// Nothing came: is there nothing, or was it lost on its way?
				info, err := consumer.Info(ctx)
				if err != nil {
					return fmt.Errorf("reading the bus: %w", err)
				}
				if info.Delivered.Consumer != delivered {
					return errGap
				}
				if broken() {
					return errBroken
				}
				continue
			}
		}
		if broken() {
			return errBroken
		}
		select {
		case batches <- msgs:
		case <-ctx.Done():
		}
	}
	return nil
}

// collect takes a fetched batch and checks that no delivery is missing.
func collect(some jetstream.MessageBatch, delivered *uint64) ([]jetstream.Msg, error) {
	var msgs []jetstream.Msg
	for m := range some.Messages() {
		meta, err := m.Metadata()
		if err != nil {
			return nil, fmt.Errorf("reading the bus: %w", err)
		}
		if meta.NumDelivered > 1 {
			return nil, errGap // an hour without an acknowledgement: begin again
		}
		if meta.Sequence.Consumer != *delivered+1 {
			return nil, errGap
		}
		*delivered = meta.Sequence.Consumer
		msgs = append(msgs, m)
	}
	if err := some.Error(); err != nil && !errors.Is(err, nats.ErrTimeout) && !errors.Is(err, jetstream.ErrNoMessages) {
		return nil, fmt.Errorf("reading the bus: %w", err)
	}
	return msgs, nil
}

// acknowledge tells the bus about the messages that are settled, after a look
// whether the store is still the one that took them and kept every row.
func (s *Shipper) acknowledge(ctx context.Context, p *progress, marks []mark) ([]mark, error) {
	now := s.Now()
	settled := 0
	for settled < len(marks) && now.Sub(marks[settled].at) >= s.settled() {
		settled++
	}
	state, err := s.Store.State(ctx)
	switch {
	case err != nil:
		return marks, err
	case state.Start != p.store.Start || state.Inserts < p.store.Inserts:
		return marks, errRestarted
	case state.Dropped != p.store.Dropped:
		p.verify = true
		return marks, errDropping
	}
	p.store.Inserts = state.Inserts
	if err := marks[settled-1].msg.Ack(); err != nil {
		p.sure = true
		return marks, fmt.Errorf("acknowledging to the bus: %w", err)
	}
	s.count.lastAck.Store(now.UnixNano())
	return marks[settled:], nil
}
