// Package bus runs the event bus: a NATS server with JetStream in this process.
//
// What a producer was told is stored is on disk: every write is synced before it
// is acknowledged, several at once where they arrive together. When the disk's
// share is used up the bus refuses new messages and never drops old ones. Readers
// have a durable consumer each; what all of them have acknowledged is removed.
package bus

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sekikura/sekikura/tenant"
)

// Names on the bus.
const (
	Events         = "EVENTS"     // the stream of all events
	Quarantine     = "QUARANTINE" // rows that the log store refuses
	subjects       = "ev."
	EventSubjects  = "ev.*.*" // what a reader of events filters for
	quarantined    = "quarantine."
	MaxMessage     = 1 << 20 // bytes of one message, headers included
	MaxBatch       = 1024    // events in one message
	quarantineSize = 256 << 20
)

// HeaderReplayed marks a message that a producer kept on disk and that the bus
// may hold already: who stores it looks first.
const HeaderReplayed = "Sekikura-Replayed"

// Subject is where the events of one body are published.
func Subject(operator, body tenant.ID) string {
	return subjects + string(operator) + "." + string(body)
}

// QuarantineSubject is where rows of one body go that the log store refuses.
func QuarantineSubject(operator, body tenant.ID) string {
	return quarantined + string(operator) + "." + string(body)
}

// Server is the bus of one machine. Listen, Dir, Token and Log must be set before Run.
type Server struct {
	// Listen is the address, on loopback; port 0 takes a free one, see Ready.
	Listen string
	// Dir holds the messages.
	Dir string
	// Token lets a client do everything: readers and the bus itself. Empty is refused.
	Token string
	// ProducerToken lets a client publish events and nothing else, so that a role
	// that is taken over can neither read nor remove what others reported. Empty
	// lets in nobody.
	ProducerToken string
	// MaxBytes bounds what the messages take on disk: 4 GiB when zero. The
	// quarantine and the readers' state come on top.
	MaxBytes int64
	// Readers are the durable consumers that every message is kept for, such as
	// "store"; a message is removed when each of them has acknowledged it.
	Readers []string
	// Ready is called once with the URL, when clients may connect. It may be nil.
	Ready func(url string)
	Log   *slog.Logger
}

// trimEvery is how often acknowledged messages are removed.
const trimEvery = 2 * time.Second

// Run serves until ctx ends and returns nil then.
func (s *Server) Run(ctx context.Context) error {
	opts, err := s.options()
	if err != nil {
		return err
	}
	srv, err := server.NewServer(opts)
	if err != nil {
		return fmt.Errorf("preparing the bus: %w", err)
	}
	trouble := make(chan struct{}, 1)
	srv.SetLoggerV2(&bridge{s.Log, trouble}, false, false, false)
	go srv.Start()
	defer srv.WaitForShutdown()
	defer srv.Shutdown()
	if !srv.ReadyForConnections(30 * time.Second) {
		return errors.New("starting the bus: it takes no connections after 30 s")
	}
	// Shutdown by itself means a fatal error, such as a store that cannot be read.
	if !srv.JetStreamEnabled() {
		return fmt.Errorf("starting the bus: its store in %s cannot be opened", s.Dir)
	}
	at := "nats://" + srv.Addr().String()
	conn, err := Connect(ctx, Address{URL: at, Token: s.Token, Name: "bus"}, s.Log)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return fmt.Errorf("preparing the bus: %w", err)
	}
	if err := s.streams(ctx, js); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	s.Log.Info("event bus is open", "dir", s.Dir, "addr", srv.Addr().String())
	if s.Ready != nil {
		s.Ready(at)
	}
	tick := time.NewTicker(trimEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-trouble:
			// A stream whose disk was full or failed once takes nothing until the
			// next start, which finds what was acknowledged.
			if err := probe(ctx, js); err != nil && ctx.Err() == nil {
				return fmt.Errorf("the bus cannot store in %s any more: %w", s.Dir, err)
			}
		case <-tick.C:
			if err := trim(ctx, js, s.Readers); err != nil && ctx.Err() == nil {
				s.Log.Warn("removing read messages from the bus", "err", err)
			}
		}
	}
}

func (s *Server) options() (*server.Options, error) {
	host, portText, err := net.SplitHostPort(s.Listen)
	if err != nil {
		return nil, fmt.Errorf("the bus's address: %w", err)
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("the bus's port: %w", err)
	}
	if s.Token == "" {
		return nil, errors.New("starting the bus: its token is empty")
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return &server.Options{
		ServerName: "sekikura", Host: host, Port: port, NoSigs: true, NoLog: true,
		CustomClientAuthentication: doors{all: s.Token, producer: s.ProducerToken},
		JetStream:                  true,
		StoreDir:                   s.Dir,
		SyncAlways:                 true,
		JetStreamMaxMemory:         16 << 20,
		JetStreamMaxStore:          s.maxBytes() + quarantineSize + 256<<20,
		MaxPayload:                 MaxMessage,
		MaxPending:                 64 << 20,
		DisableShortFirstPing:      true,
	}, nil
}

// doors lets clients in by their token.
type doors struct{ all, producer string }

// Check implements server.Authentication.
func (d doors) Check(client server.ClientAuthentication) bool {
	token := client.GetOpts().Token
	switch {
	case same(token, d.all):
		return true
	case d.producer != "" && same(token, d.producer):
		client.RegisterUser(&server.User{Username: "producer", Permissions: &server.Permissions{
			Publish:   &server.SubjectPermission{Allow: []string{EventSubjects}},
			Subscribe: &server.SubjectPermission{Allow: []string{nats.InboxPrefix + ">"}}, // for the answer
		}})
		return true
	}
	return false
}

func same(got, want string) bool { return subtle.ConstantTimeCompare([]byte(got), []byte(want)) == 1 }

func (s *Server) maxBytes() int64 {
	if s.MaxBytes > 0 {
		return s.MaxBytes
	}
	return 4 << 30
}

// streams makes the streams as this release wants them.
func (s *Server) streams(ctx context.Context, js jetstream.JetStream) error {
	for _, conf := range []jetstream.StreamConfig{
		{
			Name: Events, Subjects: []string{subjects + ">"},
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
			// Full means that producers keep their events and try again.
			Discard: jetstream.DiscardNew, MaxBytes: s.maxBytes(), MaxMsgSize: MaxMessage,
			Duplicates: 2 * time.Minute, AllowDirect: true,
		},
		{
			Name: Quarantine, Subjects: []string{quarantined + ">"},
			Storage: jetstream.FileStorage, Retention: jetstream.LimitsPolicy,
			Discard: jetstream.DiscardOld, MaxBytes: quarantineSize,
		},
	} {
		if _, err := js.CreateOrUpdateStream(ctx, conf); err != nil {
			return fmt.Errorf("making the bus's stream %s: %w", conf.Name, err)
		}
	}
	return nil
}

// probe stores a message that no reader gets. A bus that is full is not broken.
func probe(ctx context.Context, js jetstream.JetStream) error {
	limit, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := js.Publish(limit, subjects+"probe", nil, jetstream.WithRetryAttempts(0))
	var answer *jetstream.APIError
	if errors.As(err, &answer) && (answer.ErrorCode == streamFull || answer.Description == "maximum bytes exceeded") {
		return nil
	}
	return err
}

// streamFull is the server's code for a message that is refused for want of room.
const streamFull = 10077

// trim removes what every reader has acknowledged. A reader that never came
// keeps everything: messages are never removed unread.
func trim(ctx context.Context, js jetstream.JetStream, readers []string) error {
	stream, err := js.Stream(ctx, Events)
	if err != nil {
		return err
	}
	if len(readers) == 0 {
		return nil
	}
	floor := stream.CachedInfo().State.LastSeq
	for _, name := range readers {
		consumer, err := stream.Consumer(ctx, name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		floor = min(floor, consumer.CachedInfo().AckFloor.Stream)
	}
	if floor < stream.CachedInfo().State.FirstSeq {
		return nil
	}
	return stream.Purge(ctx, jetstream.WithPurgeSequence(floor+1))
}

// Address is where the bus is and how to be let in.
type Address struct {
	URL   string
	Token string
	Name  string // of the client, for the bus's list of connections
}

// Connect joins the bus, and joins it again for ever when the connection breaks.
// It returns at once even when the bus is away; the caller closes the connection.
func Connect(_ context.Context, at Address, log *slog.Logger) (*nats.Conn, error) {
	where, err := url.Parse(at.URL)
	if err != nil {
		return nil, fmt.Errorf("the bus's address: %w", err)
	}
	conn, err := nats.Connect(where.String(),
		nats.Token(at.Token), nats.Name(at.Name),
		nats.RetryOnFailedConnect(true), nats.MaxReconnects(-1),
		nats.ReconnectWait(200*time.Millisecond), nats.ReconnectJitter(100*time.Millisecond, 100*time.Millisecond),
		nats.ReconnectBufSize(-1), // a message that cannot be sent now is the journal's to keep
		nats.PingInterval(20*time.Second), nats.MaxPingsOutstanding(2),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) {
			if err != nil {
				log.Warn("the bus is away", "client", at.Name, "err", err)
			}
		}),
		nats.ReconnectHandler(func(*nats.Conn) { log.Info("the bus is back", "client", at.Name) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
			log.Warn("the bus complains", "client", at.Name, "err", err)
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("joining the bus: %w", err)
	}
	return conn, nil
}

// bridge writes the server's log into ours.
type bridge struct {
	log     *slog.Logger
	trouble chan<- struct{} // told of errors
}

func (b *bridge) Noticef(format string, v ...any) {
	b.log.Debug("bus server", "says", fmt.Sprintf(format, v...))
}

func (b *bridge) Warnf(format string, v ...any) {
	b.log.Warn("bus server", "says", fmt.Sprintf(format, v...))
}

func (b *bridge) Debugf(format string, v ...any) {
	b.log.Debug("bus server", "says", fmt.Sprintf(format, v...))
}

func (b *bridge) Tracef(format string, v ...any) {
	b.log.Debug("bus server", "says", fmt.Sprintf(format, v...))
}
func (b *bridge) Fatalf(format string, v ...any) { b.Errorf(format, v...) }

func (b *bridge) Errorf(format string, v ...any) {
	b.log.Error("bus server", "says", fmt.Sprintf(format, v...))
	select {
	case b.trouble <- struct{}{}:
	default:
	}
}
