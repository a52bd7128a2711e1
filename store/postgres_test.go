package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/store/storetest"
)

func TestPostgreSQLPassesTheSuite(t *testing.T) {
	server := postgrestest.Start(t)
	storetest.Run(t, func(tb testing.TB) storetest.Place {
		url := server.New(tb)
		return storetest.Place{
			Config: store.Config{URL: url},
			Raw: func(ctx context.Context, statements ...string) error {
				return rawPostgres(ctx, server.SuperURL(url), statements...)
			},
		}
	})
}

func TestAPostgreSQLThatIsAwayIsToldFromWhatIsWrong(t *testing.T) {
	server := postgrestest.Start(t)
	db, err := store.Open(t.Context(), store.Config{URL: server.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	}()
	if err := db.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	server.Stop(t)
	for range 2 { // over the broken connection, and where none can be made
		if err := db.Ping(t.Context()); !errors.Is(err, store.ErrAway) {
			t.Errorf("with PostgreSQL away Ping says %v, want ErrAway", err)
		}
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := db.Ping(ended); err == nil || errors.Is(err, store.ErrAway) {
		t.Errorf("with a context that has ended Ping says %v, want its error and not ErrAway", err)
	}
	server.Resume(t)
	if err := db.Ping(t.Context()); err != nil {
		if err = db.Ping(t.Context()); err != nil { // the first may meet a connection of before
			t.Errorf("with PostgreSQL back Ping says %v", err)
		}
	}
}

func rawPostgres(ctx context.Context, url string, statements ...string) (err error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close(ctx)) }()
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
