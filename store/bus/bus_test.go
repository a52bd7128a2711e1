package bus_test

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sekikura/sekikura/store/bus"
)

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

// start runs a bus until stop is called or the test ends.
func start(t *testing.T, s *bus.Server) (conn *nats.Conn, stop func()) {
	t.Helper()
	ready := make(chan string, 1)
	s.Listen, s.Token, s.Log, s.Ready = "127.0.0.1:0", "secret", quiet(), func(url string) { ready <- url }
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v, want nil when its context ends", err)
		}
	})
	t.Cleanup(stop)
	select {
	case url := <-ready:
		conn, err := bus.Connect(t.Context(), bus.Address{URL: url, Token: "secret", Name: "test"}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		return conn, stop
	case <-time.After(30 * time.Second):
		t.Fatal("the bus is not ready after 30 s")
	}
	return nil, nil
}

func TestAMessageIsKeptOnceAndOverARestart(t *testing.T) {
	dir := t.TempDir()
	conn, stop := start(t, &bus.Server{Dir: dir, Readers: []string{"store"}})
	p, err := bus.NewProducer(conn)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := p.Publish(t.Context(), bus.Subject("990001", "994413"), "same", false, []byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	conn.Close()
	stop()
	conn, _ = start(t, &bus.Server{Dir: dir, Readers: []string{"store"}})
	if got := state(t, conn).Msgs; got != 1 {
		t.Errorf("%d messages are kept, want 1", got)
	}
}

func state(t *testing.T, conn *nats.Conn) jetstream.StreamState {
	t.Helper()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	stream, err := js.Stream(t.Context(), bus.Events)
	if err != nil {
		t.Fatal(err)
	}
	return stream.CachedInfo().State
}

func TestAFullBusRefusesTheNewAndKeepsTheOld(t *testing.T) {
	conn, _ := start(t, &bus.Server{Dir: t.TempDir(), MaxBytes: 1 << 20, Readers: []string{"store"}})
	p, err := bus.NewProducer(conn)
	if err != nil {
		t.Fatal(err)
	}
	kept, refused := uint64(0), 0
	for range 20 {
		if err := p.Publish(t.Context(), bus.Subject("990001", "994413"), rand.Text(), false, make([]byte, 100<<10)); err != nil {
			refused++
		} else {
			kept++
		}
	}
	if got := state(t, conn); got.Msgs != kept || got.FirstSeq != 1 || refused == 0 {
		t.Errorf("%d messages from %d on are kept of %d acknowledged, %d refused", got.Msgs, got.FirstSeq, kept, refused)
	}
}

func TestOnlyWhatEveryReaderHasReadIsRemoved(t *testing.T) {
	conn, _ := start(t, &bus.Server{Dir: t.TempDir(), Readers: []string{"store", "detect"}})
	p, err := bus.NewProducer(conn)
	if err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := p.Publish(t.Context(), bus.Subject("990001", "994413"), rand.Text(), false, []byte("x\n")); err != nil {
			t.Fatal(err)
		}
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string, n int) {
		t.Helper()
		consumer, err := js.CreateOrUpdateConsumer(t.Context(), bus.Events, jetstream.ConsumerConfig{Durable: name, AckPolicy: jetstream.AckAllPolicy})
		if err != nil {
			t.Fatal(err)
		}
		var last jetstream.Msg
		for range n {
			if last, err = consumer.Next(jetstream.FetchMaxWait(5 * time.Second)); err != nil {
				t.Fatal(err)
			}
		}
		if err := last.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now().Add(-time.Minute)
	if b, err := bus.BacklogOf(t.Context(), conn, "store"); err != nil || b.Messages != 5 || b.Oldest.Before(begin) {
		t.Errorf("BacklogOf a reader that never came = %+v, %v; want all 5", b, err)
	}
	read("store", 5)
	if b, err := bus.BacklogOf(t.Context(), conn, "store"); err != nil || b.Messages != 0 || !b.Oldest.IsZero() {
		t.Errorf("BacklogOf = %+v, %v; want none", b, err)
	}
	never := time.After(3 * time.Second) // longer than the bus takes to look
	for done := false; !done; {
		select {
		case <-never:
			done = true
		case <-time.After(200 * time.Millisecond):
			if got := state(t, conn).Msgs; got != 5 {
				t.Fatalf("%d messages are kept before the reader detect came, want 5", got)
			}
		}
	}
	read("detect", 3)
	if b, err := bus.BacklogOf(t.Context(), conn, "detect"); err != nil || b.Messages != 2 || b.Oldest.Before(begin) {
		t.Errorf("BacklogOf = %+v, %v; want 2", b, err)
	}
	for deadline := time.Now().Add(10 * time.Second); state(t, conn).Msgs != 2; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages are kept, want the 2 that detect has not read", state(t, conn).Msgs)
		}
	}
}

func TestTheBusLetsNobodyElseIn(t *testing.T) {
	conn, _ := start(t, &bus.Server{Dir: t.TempDir()})
	for _, token := range []string{"", "wrong"} {
		stranger, err := nats.Connect(conn.ConnectedUrl(), nats.Token(token))
		if !errors.Is(err, nats.ErrAuthorization) {
			t.Errorf("joining with token %q = %v, want it refused", token, err)
		}
		if stranger != nil {
			stranger.Close()
		}
	}
	for _, s := range []*bus.Server{
		{Listen: "127.0.0.1:0", Dir: t.TempDir(), Log: quiet()},
		{Listen: "nowhere", Dir: t.TempDir(), Token: "x", Log: quiet()},
	} {
		if err := s.Run(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("Run of %q with token %q = %v, want an error", s.Listen, s.Token, err)
		}
	}
}

func TestAProducerCanPublishEventsAndNothingElse(t *testing.T) {
	ready := make(chan string, 1)
	s := &bus.Server{Dir: t.TempDir(), Listen: "127.0.0.1:0", Token: "owner", ProducerToken: "producer", Log: quiet(), Ready: func(url string) { ready <- url }}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-ended })
	conn, err := bus.Connect(t.Context(), bus.Address{URL: <-ready, Token: "producer", Name: "edge"}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	producer, err := bus.NewProducer(conn)
	if err != nil {
		t.Fatal(err)
	}
	limit, stop := context.WithTimeout(t.Context(), 10*time.Second)
	defer stop()
	if err := producer.Publish(limit, bus.Subject("990001", "994413"), "id-1", false, []byte("{}\n")); err != nil {
		t.Errorf("a producer cannot publish an event: %v", err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	short, stopShort := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer stopShort()
	if _, err := js.Stream(short, bus.Events); err == nil {
		t.Error("a producer can look at the stream of events")
	}
	if err := js.DeleteStream(short, bus.Events); err == nil {
		t.Error("a producer can delete the stream of events")
	}
	if sub, err := conn.SubscribeSync("ev.>"); err == nil {
		defer sub.Unsubscribe()
		if err := producer.Publish(limit, bus.Subject("990001", "992011"), "id-2", false, []byte("{}\n")); err != nil {
			t.Error(err)
		}
		if m, err := sub.NextMsg(300 * time.Millisecond); err == nil {
			t.Errorf("a producer read %q from the bus", m.Data)
		}
	}
}
