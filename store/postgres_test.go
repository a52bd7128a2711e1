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
