package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Producer publishes messages of rows.
type Producer struct{ js jetstream.JetStream }

// NewProducer returns a producer on conn, which the caller closes.
func NewProducer(conn *nats.Conn) (*Producer, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, fmt.Errorf("preparing to publish: %w", err)
	}
	return &Producer{js}, nil
}

// Publish returns nil when the bus has the message on disk. After an error it may
// have it or not: the same id may then be sent again, and is kept once within two
// minutes; later than that, replayed tells the readers to look for doubles.
func (p *Producer) Publish(ctx context.Context, subject, id string, replayed bool, data []byte) error {
	msg := &nats.Msg{Subject: subject, Header: nats.Header{jetstream.MsgIDHeader: {id}}, Data: data}
	if replayed {
		msg.Header.Set(HeaderReplayed, "1")
	}
	ack, err := p.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	if err != nil {
		return fmt.Errorf("publishing %s: %w", subject, err)
	}
	if ack.Stream != Events {
		return errors.New("publishing " + subject + ": stream " + ack.Stream + " took it")
	}
	return nil
}

// Backlog is what a reader has not read yet.
type Backlog struct {
	Messages uint64
	// Oldest is when the first of them came to the bus; zero when there is none.
	Oldest time.Time
}

// BacklogOf asks the bus how far behind a reader is, such as ship.Reader. A
// reader that never came is behind by everything.
func BacklogOf(ctx context.Context, conn *nats.Conn, reader string) (Backlog, error) {
	js, err := jetstream.New(conn)
	if err != nil {
		return Backlog{}, fmt.Errorf("asking for the backlog of %s: %w", reader, err)
	}
	stream, err := js.Stream(ctx, Events)
	if err != nil {
		return Backlog{}, fmt.Errorf("asking for the backlog of %s: %w", reader, err)
	}
	b, next := Backlog{Messages: stream.CachedInfo().State.Msgs}, stream.CachedInfo().State.FirstSeq
	switch consumer, err := stream.Consumer(ctx, reader); {
	case err == nil:
		b.Messages, next = consumer.CachedInfo().NumPending, consumer.CachedInfo().Delivered.Stream+1
	case !errors.Is(err, jetstream.ErrConsumerNotFound):
		return Backlog{}, fmt.Errorf("asking for the backlog of %s: %w", reader, err)
	}
	if b.Messages == 0 {
		return Backlog{}, nil
	}
	msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(EventSubjects))
	switch {
	case err == nil:
		b.Oldest = msg.Time
	case errors.Is(err, jetstream.ErrMsgNotFound): // read meanwhile
	default:
		return Backlog{}, fmt.Errorf("asking for the backlog of %s: %w", reader, err)
	}
	return b, nil
}
