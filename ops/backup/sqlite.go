package backup

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"

	_ "modernc.org/sqlite" // the driver of the control store
)

// SQLiteCopy copies the SQLite store in file, for [Control]: with VACUUM INTO on
// a connection of its own, at one moment, while work goes on.
func SQLiteCopy(file string) func(ctx context.Context, path string) error {
	return func(ctx context.Context, path string) (err error) {
		source := url.URL{Scheme: "file", Opaque: url.PathEscape(file), RawQuery: "mode=rw&_pragma=busy_timeout(30000)"}
		db, err := sql.Open("sqlite", source.String())
		if err != nil {
			return fmt.Errorf("copying %s: %w", file, err)
		}
		defer func() { err = errors.Join(err, db.Close()) }()
		if _, err := db.ExecContext(ctx, "VACUUM INTO ?", path); err != nil {
			return fmt.Errorf("copying %s: %w", file, err)
		}
		return errors.Join(os.Chmod(path, 0o600), flushed(path))
	}
}

// flushed brings a file that was just written to the disk.
func flushed(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0) //nolint:gosec // what we wrote
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
