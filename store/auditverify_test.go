package store

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"strings"
	"testing"
)

// fuzzChain is an exported chain of four records and its signed heads, as bytes.
func fuzzChain(tb testing.TB) (export, heads []byte, public ed25519.PublicKey) {
	tb.Helper()
	db := openFuzz(tb)
	for _, action := range []string{"one", "two", "three", "four"} {
		err := db.Change(tb.Context(), fuzzMine, System("fuzz"), func(tx *Tx) error {
			tx.Audit(Audit{Action: action, Object: "o", After: []byte(`{"a":[1,"<"]}`), Reason: "令8-1"})
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
	}
	key := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))
	var lines, signed bytes.Buffer
	if err := db.ExportAudit(tb.Context(), fuzzMine, &lines); err != nil {
		tb.Fatal(err)
	}
	if err := db.SignHeads(tb.Context(), key, &signed); err != nil {
		tb.Fatal(err)
	}
	return lines.Bytes(), signed.Bytes(), key.Public().(ed25519.PublicKey)
}

// FuzzVerifyAuditExport: an export that passes against a signed head holds
// exactly the records that were signed.
func FuzzVerifyAuditExport(f *testing.F) {
	export, document, public := fuzzChain(f)
	heads, err := ReadHeads(bytes.NewReader(document), public)
	if err != nil || len(heads) != 1 {
		f.Fatal(heads, err)
	}
	lines := strings.SplitAfter(string(export), "\n")
	f.Add(export)
	f.Add([]byte(lines[0] + lines[2] + lines[1] + lines[3]))
	f.Add([]byte(strings.Replace(string(export), "two", "too", 1)))
	f.Add([]byte(strings.Join(lines[:3], "")))
	f.Add([]byte(strings.ReplaceAll(string(export), `"seq"`, `"SEQ"`)))
	f.Add([]byte("{}\n\n{"))
	f.Fuzz(func(t *testing.T, text []byte) {
		report, err := VerifyAuditExport(fuzzMine, bytes.NewReader(text), heads)
		if err != nil || report.Faults != nil {
			return
		}
		if report.Signed != 4 || report.Records < 4 {
			t.Fatalf("%+v passed, and the signed head is at record 4", report)
		}
		got, want := json.NewDecoder(bytes.NewReader(text)), json.NewDecoder(bytes.NewReader(export))
		for range 4 {
			var a, b AuditRecord
			if err := got.Decode(&a); err != nil {
				t.Fatal(err)
			}
			if err := want.Decode(&b); err != nil {
				t.Fatal(err)
			}
			if a.Sum() != b.Sum() || a.Action != b.Action || a.Actor != b.Actor || string(a.After) != string(b.After) {
				t.Errorf("%+v passed for %+v", a, b)
			}
		}
	})
}

// FuzzReadHeads: whatever is read was signed.
func FuzzReadHeads(f *testing.F) {
	_, document, public := fuzzChain(f)
	f.Add(document)
	f.Add(bytes.ReplaceAll(document, []byte(`"seq":4`), []byte(`"seq":3`)))
	f.Add(append(document, document...))
	f.Add([]byte(`{"tenant":"994413","seq":1,"hash":"","time":"2026-11-22T00:00:00Z","key":"","signature":""}`))
	genuine, err := ReadHeads(bytes.NewReader(document), public)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		heads, err := ReadHeads(bytes.NewReader(text), public)
		if err != nil {
			return
		}
		for _, h := range heads {
			if h.Tenant != genuine[0].Tenant || h.Seq != genuine[0].Seq || h.Hash != genuine[0].Hash || !h.Time.Equal(genuine[0].Time) {
				t.Errorf("%+v was read, and only %+v was signed", h, genuine[0])
			}
		}
	})
}
