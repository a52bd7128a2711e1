package bus

import (
	"context"
	"errors"
	"fmt"

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
