package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/store"
)

// signed returns the heads of all chains as they are now.
func (p *product) signed(t *testing.T) []store.Head {
	t.Helper()
	var text bytes.Buffer
	if err := p.db.SignHeads(t.Context(), p.Key, &text); err != nil {
		t.Fatal(err)
	}
	heads, err := store.ReadHeads(&text, p.Key.Public().(ed25519.PublicKey))
	if err != nil {
		t.Fatal(err)
	}
	return heads
}

func (p *product) drillWith(t *testing.T, heads []store.Head) Report {
	t.Helper()
	d := &Drill{
		From: p.bucket, Verify: p.public, Identities: []age.Identity{p.identity}, Scratch: t.TempDir(), State: p.State, Now: time.Now,
		Open: func(_ context.Context, dir string) ([]Target, func() error, error) {
			c := &ControlScratch{Dir: dir, Schemas: []store.Schema{everything}, Heads: heads}
			return []Target{c}, c.Close, nil
		},
	}
	report, err := d.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestHeadsSignedAfterABackupAreNoFaultOfIt(t *testing.T) {
	p := newProduct(t)
	early := p.signed(t)
	m := p.run(t)
	p.change(t, village, func(_ context.Context, tx *store.Tx) error {
		tx.Audit(store.Audit{Action: "thing.add", Object: "later", Reason: "令8-0413"})
		return nil
	})
	late := p.signed(t)
	if !late[0].Time.After(m.Started) {
		t.Fatalf("the heads are of %v, the backup of %v; the test shows nothing", late[0].Time, m.Started)
	}
	if report := p.drillWith(t, append(early, late...)); !report.OK {
		t.Errorf("with later heads the drill finds %+v", report.Problems)
	}
	for i := range early { // somebody cut or rewrote the chain before the backup
		early[i].Seq += 5
	}
	if report := p.drillWith(t, early); report.OK {
		t.Error("a chain that is shorter than heads of before the backup passes the drill")
	}
}

func TestAWrongIdentityIsToldBeforeAnythingIsBegun(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	r := &Restore{From: p.bucket, Identities: []age.Identity{other}, Now: time.Now}
	if err := r.Readable(t.Context(), m); !errors.Is(err, ErrIdentity) {
		t.Errorf("with a wrong identity: %v, want ErrIdentity", err)
	}
	r.Identities = p.identities()
	if err := r.Readable(t.Context(), m); err != nil {
		t.Errorf("with the right identity: %v", err)
	}
	r.Tenants = append(r.Tenants, "992020")
	if err := r.Readable(t.Context(), m); !errors.Is(err, ErrNone) {
		t.Errorf("for a body that is not in the backup: %v, want ErrNone", err)
	}
}
