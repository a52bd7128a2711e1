package ship

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// part is the rows of one body in one batch.
type part struct {
	operator, body tenant.ID
	rows           []row
	check          bool // the store may have some of them
}

// place puts the rows of msgs into the store. Messages up to sure are there
// already; of those up to doubtful, and of replayed ones, the store may have a
// part. When it returns nil, everything up to the last message is in the store
// or in quarantine.
func (s *Shipper) place(ctx context.Context, js jetstream.JetStream, p *progress, msgs []jetstream.Msg, sure, doubtful uint64) error {
	var parts []part
	var last *jetstream.MsgMetadata
	replayed, rows := false, 0
	for _, m := range msgs {
		meta, err := m.Metadata()
		if err != nil {
			return fmt.Errorf("reading the bus: %w", err)
		}
		last = meta
		if meta.Sequence.Stream <= sure {
			continue
		}
		operator, body, err := subject(m.Subject())
		if err != nil {
			if err := s.quarantine(ctx, js, "unknown", "unknown", m.Data(), err); err != nil {
				return err
			}
			continue
		}
		next := part{operator: operator, body: body, check: meta.Sequence.Stream <= doubtful}
		if m.Headers().Get(bus.HeaderReplayed) != "" {
			next.check, replayed = true, true
		}
		if next.rows, err = s.read(ctx, js, operator, body, m.Data()); err != nil {
			return err
		}
		rows += len(next.rows)
		parts = append(parts, next)
	}
	if last == nil {
		return nil
	}
	if last.Sequence.Stream >= p.touched {
		p.touched, p.last = last.Sequence.Stream, msgs[len(msgs)-1].Headers().Get(jetstream.MsgIDHeader)
	}
	if replayed {
		if err := s.Store.Flush(ctx); err != nil {
			return err
		}
	}
	for operator, of := range byOperator(parts) {
		if err := s.fill(ctx, js, p, operator, of); err != nil {
			return err
		}
	}
	if s.first(parts) {
		if err := s.Store.Flush(ctx); err != nil {
			return err
		}
	}
	p.placed = max(p.placed, last.Sequence.Stream)
	s.count.note(last, rows, len(msgs), s.Now())
	return nil
}

// byOperator groups parts, in the order they came.
func byOperator(parts []part) map[tenant.ID][]part {
	groups := make(map[tenant.ID][]part)
	for _, p := range parts {
		groups[p.operator] = append(groups[p.operator], p)
	}
	return groups
}

// read cuts a message into rows. What is not a row of the body, or out of the
// store's time, goes to quarantine.
func (s *Shipper) read(ctx context.Context, js jetstream.JetStream, operator, body tenant.ID, data []byte) ([]row, error) {
	rows := make([]row, 0, bytes.Count(data, []byte{'\n'}))
	retention := s.Retention
	if retention <= 0 {
		retention = 365 * 24 * time.Hour
	}
	now := s.Now()
	for line := range bytes.Lines(data) {
		r, err := readRow(line, body)
		if err == nil && (now.Sub(r.at) > retention-24*time.Hour || r.at.Sub(now) > 24*time.Hour) {
			err = errors.New("the row's time is outside the log store's retention")
		}
		if err != nil {
			if err := s.quarantine(ctx, js, operator, body, line, err); err != nil {
				return nil, err
			}
			continue
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// fill inserts the rows of one operator, without those that the store has.
func (s *Shipper) fill(ctx context.Context, js jetstream.JetStream, p *progress, operator tenant.ID, parts []part) error {
	checked := slices.ContainsFunc(parts, func(p part) bool { return p.check })
	if checked {
		var err error
		if parts, err = s.missing(ctx, operator, parts); err != nil {
			return err
		}
	}
	if err := s.insert(ctx, p, operator, parts); err != nil {
		var refused *refusedError
		if !errors.As(err, &refused) {
			return err
		}
		s.Log.Warn("the log store refuses a batch; its rows are tried one by one", "err", err)
		if err := s.oneByOne(ctx, js, p, operator, parts); err != nil {
			return err
		}
	}
	if checked && p.verify {
		return s.verified(ctx, js, p, operator, parts)
	}
	return nil
}

// stream is what the store keeps an index entry of.
type stream struct {
	body    tenant.ID
	service string
	day     int64
}

func streamOf(p part, r row) stream { return stream{p.body, string(r.service), r.at.Unix() / 86400} }

// first tells whether parts begin a stream that this shipper has not met. The
// store makes a new stream's entry visible only after five seconds or a flush, and
// until then a search forced to one body does not find the stream's rows.
func (s *Shipper) first(parts []part) bool {
	news := false
	for _, p := range parts {
		for i := range p.rows {
			if i > 0 && bytes.Equal(p.rows[i].service, p.rows[i-1].service) && p.rows[i].at.Unix()/86400 == p.rows[i-1].at.Unix()/86400 {
				continue // nearly always
			}
			if st := streamOf(p, p.rows[i]); !s.met[st] {
				if len(s.met) >= maxMet {
					clear(s.met)
				}
				s.met[st] = true
				news = true
			}
		}
	}
	return news
}

// maxMet bounds what is remembered of streams: forgetting costs a flush.
const maxMet = 100_000

// missing leaves out the rows that the store has.
func (s *Shipper) missing(ctx context.Context, operator tenant.ID, parts []part) ([]part, error) {
	held, err := s.held(ctx, operator, parts)
	if err != nil {
		return nil, err
	}
	lost := make(map[stream]time.Time) // streams whose index entry is gone
	var left []part
	seen := make(map[event.ID]bool)
	for _, p := range parts {
		kept := p
		kept.rows = nil
		for _, r := range p.rows {
			switch {
			case p.check && held.Stored[r.id] > 0:
				s.count.skipped.Add(1)
				if !held.Found[r.id] {
					lost[streamOf(p, r)] = r.at
				}
			case seen[r.id]: // the same event twice in one batch, one of them replayed
				s.count.skipped.Add(1)
			default:
				seen[r.id] = true
				kept.rows = append(kept.rows, r)
			}
		}
		left = append(left, kept)
	}
	for _, p := range left {
		for _, r := range p.rows {
			delete(lost, streamOf(p, r)) // inserting a row brings its stream back
		}
	}
	for st, at := range lost {
		e := event.Event{
			ID: event.NewID(s.Now()), Time: at, Tenant: st.body, Service: st.service, Name: "log_stream_restored",
		}
		s.count.restored.Add(1)
		left = append(left, part{operator: operator, body: st.body, rows: []row{{id: e.ID, at: at, service: []byte(st.service), line: e.AppendRow(nil)}}})
	}
	return left, nil
}

// held asks the store about all rows of parts that must be checked.
func (s *Shipper) held(ctx context.Context, operator tenant.ID, parts []part) (logs.Held, error) {
	var ids []event.ID
	var bodies []tenant.ID
	var span logs.Range
	for _, p := range parts {
		if !p.check {
			continue
		}
		bodies = append(bodies, p.body)
		for _, r := range p.rows {
			ids = append(ids, r.id)
			if span.From.IsZero() || r.at.Before(span.From) {
				span.From = r.at
			}
			if r.at.After(span.To) {
				span.To = r.at
			}
		}
	}
	if len(ids) == 0 {
		return logs.Held{}, nil
	}
	slices.Sort(bodies)
	return s.Store.Held(ctx, operator, slices.Compact(bodies), ids, span)
}

// refusedError is an answer of the store that says: these rows, never.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// maxInsert is how many bytes one request to the store has.
const maxInsert = 2 << 20

// insert sends the rows of parts, in as few requests as fit.
func (s *Shipper) insert(ctx context.Context, p *progress, operator tenant.ID, parts []part) error {
	body, n := s.body[:0], 0
	defer func() { s.body = body }()
	send := func() error {
		if n == 0 {
			return nil
		}
		limit, cancel := context.WithTimeout(ctx, time.Minute)
		boot, err := s.Store.Insert(limit, operator, body)
		cancel()
		switch {
		case err == nil:
		case errors.Is(err, logs.ErrReadOnly), errors.Is(err, logs.ErrUnavailable), errors.Is(err, logs.ErrTooLong), ctx.Err() != nil:
			return err
		default:
			return &refusedError{err}
		}
		if p.boot != "" && boot != p.boot {
			return errRestarted
		}
		p.boot = boot
		s.count.stored.Add(uint64(n)) //nolint:gosec // not negative
		body, n = body[:0], 0
		return nil
	}
	for _, part := range parts {
		for _, r := range part.rows {
			if len(body)+len(r.line) > maxInsert {
				if err := send(); err != nil {
					return err
				}
			}
			body = append(body, r.line...)
			n++
		}
	}
	return send()
}

// oneByOne inserts rows that were refused together; what is refused alone goes to
// quarantine.
func (s *Shipper) oneByOne(ctx context.Context, js jetstream.JetStream, p *progress, operator tenant.ID, parts []part) error {
	if err := s.Store.Flush(ctx); err != nil {
		return err
	}
	for i := range parts {
		parts[i].check = true // a part of them may have been taken
	}
	left, err := s.missing(ctx, operator, parts)
	if err != nil {
		return err
	}
	for _, of := range left {
		for _, r := range of.rows {
			one := []part{{operator: operator, body: of.body, rows: []row{r}}}
			err := s.insert(ctx, p, operator, one)
			var refused *refusedError
			if errors.As(err, &refused) {
				err = s.quarantine(ctx, js, operator, of.body, r.line, refused)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// verified looks whether the store has kept what it took; what it threw away
// goes to quarantine.
func (s *Shipper) verified(ctx context.Context, js jetstream.JetStream, p *progress, operator tenant.ID, parts []part) error {
	if err := s.Store.Flush(ctx); err != nil {
		return err
	}
	for i := range parts {
		parts[i].check = true
	}
	held, err := s.held(ctx, operator, parts)
	if err != nil {
		return err
	}
	for _, of := range parts {
		for _, r := range of.rows {
			if held.Stored[r.id] > 0 {
				continue
			}
			if err := s.quarantine(ctx, js, operator, of.body, r.line, errDropping); err != nil {
				return err
			}
		}
	}
	// The rows in quarantine were counted as dropped once more.
	select {
	case <-ctx.Done():
	case <-time.After(quietFor):
	}
	state, err := s.Store.State(ctx)
	if err != nil {
		return err
	}
	if state.Start == p.store.Start {
		p.store.Dropped = state.Dropped
	}
	return nil
}

// quarantine keeps a row that the store does not take, with the reason, and counts it.
func (s *Shipper) quarantine(ctx context.Context, js jetstream.JetStream, operator, body tenant.ID, line []byte, why error) error {
	msg := &nats.Msg{
		Subject: bus.QuarantineSubject(operator, body), Data: line,
		Header: nats.Header{"Sekikura-Reason": {why.Error()}},
	}
	sum := sha256.Sum256(line) // set aside once, however often it is tried
	msg.Header.Set(jetstream.MsgIDHeader, hex.EncodeToString(sum[:]))
	limit, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if _, err := js.PublishMsg(limit, msg); err != nil {
		return fmt.Errorf("setting aside a row of %s: %w", body, err)
	}
	s.count.quarantined.Add(1)
	s.Log.Warn("a row is set aside because the log store does not take it", "tenant", body, "why", why)
	return nil
}
