package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"testing"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/storetest"
)

func TestSQLitePassesTheSuite(t *testing.T) {
	storetest.Run(t, func(tb testing.TB) storetest.Place {
		path := filepath.Join(tb.TempDir(), "control db?.sqlite") // a name that a URL would mistake
		return storetest.Place{
			Config: store.Config{Path: path},
			Raw:    func(ctx context.Context, statements ...string) error { return rawSQLite(ctx, path, statements...) },
		}
	})
}

func rawSQLite(ctx context.Context, path string, statements ...string) (err error) {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	for _, s := range statements {
		if _, err := db.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
