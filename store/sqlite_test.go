package store_test

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
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

func TestACopyIsWholeWhileWorkGoesOn(t *testing.T) {
	dir := t.TempDir()
	path, to := filepath.Join(dir, "control.db"), filepath.Join(dir, "copy.db")
	db, err := store.Open(t.Context(), store.Config{Path: path}, notes)
	if err != nil {
		t.Fatal(err)
	}
	stop, stopped := make(chan struct{}), make(chan int64)
	go func() {
		n := int64(0)
		defer func() { stopped <- n }()
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := addNotes(t.Context(), db, village, n+1); err != nil {
				t.Error(err)
				return
			}
			n++
		}
	}()
	if err := db.Copy(t.Context(), to); err != nil {
		t.Error(err)
	}
	if err := db.Copy(t.Context(), to); err == nil {
		t.Error("a copy overwrote a file that was there")
	}
	close(stop)
	most := <-stopped
	for _, file := range []string{path, path + "-wal", to} {
		if info, err := os.Stat(file); err != nil {
			t.Error(err)
		} else if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, want 0600", file, info.Mode().Perm())
		}
	}
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	copied, err := store.Open(t.Context(), store.Config{Path: to}, notes)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := store.All(t.Context(), copied.Tenant(village), allNotes, number)
	if err != nil || int64(len(rows)) > most {
		t.Errorf("the copy has %d rows of %d, %v", len(rows), most, err)
	}
	if report, err := copied.VerifyAudit(t.Context(), village, nil); err != nil || report.Faults != nil || report.Records != int64(len(rows)) {
		t.Errorf("for %d rows the copy's audit chain is %+v, %v", len(rows), report, err)
	}
	if err := copied.Close(); err != nil {
		t.Error(err)
	}
	full := filepath.Join(dir, "absent", "copy.db")
	if err := db.Copy(t.Context(), full); err == nil {
		t.Error("a copy into a folder that is not there was made")
	}
}
