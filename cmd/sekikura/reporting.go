package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"log/slog"
	"time"

	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/store/journal"
	"github.com/sekikura/sekikura/tenant"
)

// busAccess is where the event bus is and how to be let in.
type busAccess struct{ URL, Token string }

// busAccess lets a role report events, and do nothing else on the bus.
func (m *machine) busAccess() busAccess {
	mac := hmac.New(sha256.New, m.keys.Bus)
	mac.Write([]byte("producer"))
	return busAccess{URL: "nats://" + m.conf.Bus.Listen, Token: hexKey(mac.Sum(nil))}
}

// busOwner lets the bus's own process do everything there.
func (m *machine) busOwner() busAccess {
	return busAccess{URL: "nats://" + m.conf.Bus.Listen, Token: hexKey(m.keys.Bus)}
}

// openJournal is how a role group reports its events: to the bus, and to the
// spool in dir while that is away. The caller calls end last of all.
func openJournal(ctx context.Context, at busAccess, name, dir string, tenants *tenant.Directory, log *slog.Logger) (j *journal.Journal, end func() error, err error) {
	conn, err := bus.Connect(ctx, bus.Address{URL: at.URL, Token: at.Token, Name: name}, log)
	if err != nil {
		return nil, nil, err
	}
	producer, err := bus.NewProducer(conn)
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	j, err = journal.Open(journal.Config{Bus: producer, Tenants: tenants, Dir: dir, Log: log, Now: time.Now})
	if err != nil {
		conn.Close()
		return nil, nil, err
	}
	return j, func() error {
		bounded, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		err := j.Close(bounded)
		conn.Close()
		if errors.Is(err, context.DeadlineExceeded) {
			err = nil // what is left waits on disk for the next start
		}
		return err
	}, nil
}
