package backup

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
)

func TestAPostgreSQLControlStoreComesBack(t *testing.T) {
	server := postgrestest.Start(t)
	from := server.New(t)
	db, err := store.Open(t.Context(), store.Config{URL: from}, everything)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	for i, body := range bodies {
		err := db.Change(t.Context(), body.ID, builder, func(tx *store.Tx) error {
			for n := range 3 + i {
				if err := tx.Insert(t.Context(), addThing, strings.Repeat("x", n+1), int64(n), true, time.Now(), []byte{0}, json.RawMessage(`{"a":1}`), 0.25, nil, nil, "後"); err != nil {
					return err
				}
			}
			tx.Audit(store.Audit{Action: "thing.add", Object: "things"})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	schemas := []store.Schema{everything}
	p := newPlant(t)
	p.Now = time.Now
	p.Sources = []Source{&Control{DB: db, Schemas: schemas, Scratch: t.TempDir(), Dump: PGDump(server.SuperURL(from)), Now: time.Now}}
	m := p.run(t)

	into := &ControlScratch{Dir: t.TempDir(), Schemas: schemas, Load: PGLoad(server.New(t), schemas)}
	report := restoreInto(t, p, m, into)
	if !report.OK || report.Checked != 3+4+5+3 {
		t.Errorf("restoring the dump: %d rows checked, problems %+v; want 15 and none", report.Checked, report.Problems)
	}
	if err := into.Close(); err != nil {
		t.Error(err)
	}

	// A store that never rests while it is dumped is backed up all the same.
	n := int64(100)
	p.Sources = []Source{&Control{DB: db, Schemas: schemas, Scratch: t.TempDir(), Now: time.Now, Dump: func(ctx context.Context, w io.Writer) error {
		err := PGDump(server.SuperURL(from))(ctx, w)
		n++
		return errors.Join(err, db.Change(ctx, village, builder, func(tx *store.Tx) error {
			return tx.Insert(ctx, addThing, fmt.Sprint("moving", n), n, true, time.Now(), []byte{0}, json.RawMessage(`1`), 0.25, nil, nil, "後")
		}))
	}}}
	m = p.run(t)
	if !strings.HasSuffix(part(t, m, village, "rows").Version, moving) || strings.HasSuffix(part(t, m, city, "rows").Version, moving) {
		t.Error("not exactly the body that changed during the dump is marked")
	}
	into = &ControlScratch{Dir: t.TempDir(), Schemas: schemas, Load: PGLoad(server.New(t), schemas)}
	if report := restoreInto(t, p, m, into); !report.OK {
		t.Errorf("restoring the dump of a busy store: %+v", report.Problems)
	}
	if err := into.Close(); err != nil {
		t.Error(err)
	}

	p.Sources = []Source{&Control{DB: db, Schemas: schemas, Scratch: t.TempDir(), Dump: PGDump(from), Now: time.Now}}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "row-level security") {
		t.Errorf("dumping with the product's own role = %v, want a refusal: it does not see all rows", err)
	}
}

func restoreInto(t *testing.T, p *plant, m Manifest, into Target) Report {
	t.Helper()
	r := &Restore{From: p.bucket, Identities: p.identities(), Targets: []Target{into}, Now: time.Now}
	report, err := r.Run(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestADatabaseURLStaysOffTheCommandLine(t *testing.T) {
	got, err := pgService("postgres://u:p%20w@db.example:5433/control?sslmode=verify-full&sslrootcert=/etc/ca")
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"host=db.example", "port=5433", "dbname=control", "user=u", "password=p w", "sslmode=verify-full", "sslrootcert=/etc/ca"} {
		if !strings.Contains(got, line+"\n") {
			t.Errorf("the service file lacks %q:\n%s", line, got)
		}
	}
	for _, bad := range []string{"host=db user=u", "postgres://u:a%0Ab@db/x", "mysql://x"} {
		if got, err := pgService(bad); err == nil {
			t.Errorf("pgService(%q) = %q, want an error", bad, got)
		}
	}
	if err := PGDump("host=db")(context.Background(), io.Discard); err == nil {
		t.Error("dumping from what is no URL is no error")
	}
}
