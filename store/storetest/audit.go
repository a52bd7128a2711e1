package storetest

import (
	"bytes"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

// note makes a change of id that does nothing but note itself.
func note(tb testing.TB, db *store.DB, id tenant.ID, actor store.Actor, audits ...store.Audit) {
	tb.Helper()
	err := db.Change(tb.Context(), id, actor, func(tx *store.Tx) error {
		for _, a := range audits {
			tx.Audit(a)
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
}

func auditFields(t *testing.T, fresh func(testing.TB) Place) {
	db := open(t, fresh(t))
	note(t, db, village, clerk,
		store.Audit{Action: "policy.write", Object: "waf", Before: []byte(`{ "a":"\u0000<若葉>" }`), After: []byte("[1,\n2]"), Reason: "令8-0412"},
		store.Audit{Action: "bad\xffbytes\x00", Object: "", After: json.RawMessage(`"` + strings.Repeat("x", 300<<10) + `"`)},
	)
	note(t, db, city, ken, store.Audit{Action: "policy.write"})
	page, err := db.AuditLog(t.Context(), village, store.AuditFilter{})
	if err != nil || len(page.Records) != 2 || page.Next != 0 {
		t.Fatalf("the village's log is %+v, %v", page, err)
	}
	second, first := page.Records[0], page.Records[1]
	want := store.AuditRecord{
		Seq: 1, Time: clock.Truncate(time.Microsecond), Tenant: village, Actor: "mura01", ActorTenant: village, Address: "127.10.0.9",
		Action: "policy.write", Object: "waf", Before: []byte(`{"a":"\u0000<若葉>"}`), After: []byte(`[1,2]`), Reason: "令8-0412",
	}
	want.Hash = want.Sum()
	if fmt.Sprintf("%+v", first) != fmt.Sprintf("%+v", want) {
		t.Errorf("the record is\n%+v, want\n%+v", first, want)
	}
	if second.Prev != first.Hash || second.Seq != 2 || second.Action != "bad\uFFFDbytes\uFFFD" {
		t.Errorf("the second record is %+v", second)
	}
	if !bytes.HasPrefix(second.After, []byte(`{"sha256":"`)) || len(second.After) > 200 {
		t.Errorf("a large after is stored as %.100s", second.After)
	}
	for _, id := range []tenant.ID{village, city, stranger} {
		if report, err := db.VerifyAudit(t.Context(), id, nil); err != nil || report.Faults != nil {
			t.Errorf("the chain of %s is %+v, %v", id, report, err)
		}
	}
}

func auditPages(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	now := clock
	p.Config.Now = func() time.Time { now = now.Add(time.Minute); return now }
	db := open(t, p)
	for i := range 25 {
		action, actor := "policy.write", clerk
		if i%5 == 0 {
			action, actor = "policyX", ken
		}
		note(t, db, village, actor, store.Audit{Action: action, Object: fmt.Sprint("o", i%2)})
	}
	var seqs []int64
	f := store.AuditFilter{Limit: 10}
	for pages := 0; pages == 0 || f.Before != 0; pages++ {
		page, err := db.AuditLog(t.Context(), village, f)
		if err != nil || pages > 3 {
			t.Fatal(pages, err)
		}
		for _, r := range page.Records {
			seqs = append(seqs, r.Seq)
		}
		f.Before = page.Next
	}
	if len(seqs) != 25 || !slices.IsSortedFunc(seqs, func(a, b int64) int { return int(b - a) }) {
		t.Errorf("the pages together have %v, want 25 down to 1", seqs)
	}
	all, err := db.AuditLog(t.Context(), village, store.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	middle := all.Records[12].Time
	for _, tt := range []struct {
		f    store.AuditFilter
		want int
	}{
		{store.AuditFilter{Actor: "ken01"}, 5},
		{store.AuditFilter{Actor: "ken01' OR ''='"}, 0},
		{store.AuditFilter{Action: "policy."}, 20},
		{store.AuditFilter{Action: "policy"}, 0},
		{store.AuditFilter{Action: "%."}, 0},
		{store.AuditFilter{Action: "policyX"}, 5},
		{store.AuditFilter{Object: "o1", Action: "policy."}, 10},
		{store.AuditFilter{Since: middle}, 13},
		{store.AuditFilter{Until: middle}, 12},
	} {
		page, err := db.AuditLog(t.Context(), village, tt.f)
		if err != nil || len(page.Records) != tt.want {
			t.Errorf("%+v found %d records, %v, want %d", tt.f, len(page.Records), err, tt.want)
		}
	}
	for _, bad := range []store.AuditFilter{{Limit: -1}, {Limit: 1001}, {Before: -1}} {
		if _, err := db.AuditLog(t.Context(), village, bad); err == nil {
			t.Errorf("%+v was taken", bad)
		}
	}
}

var (
	signer = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // a key for tests
	public = signer.Public().(ed25519.PublicKey)
)

// chain makes a chain of five records and returns the place, the store and the
// chain's signed heads.
func chain(t *testing.T, fresh func(testing.TB) Place) (Place, *store.DB, []store.Head) {
	t.Helper()
	p := fresh(t)
	db := open(t, p)
	for i := range 5 {
		note(t, db, village, clerk, store.Audit{Action: "step", Object: fmt.Sprint(i + 1)})
	}
	note(t, db, city, clerk, store.Audit{Action: "step"})
	return p, db, signHeads(t, db)
}

func signHeads(t *testing.T, db *store.DB) []store.Head {
	t.Helper()
	var document bytes.Buffer
	if err := db.SignHeads(t.Context(), signer, &document); err != nil {
		t.Fatal(err)
	}
	heads, err := store.ReadHeads(&document, public)
	if err != nil || len(heads) != 2 {
		t.Fatalf("heads are %+v, %v", heads, err)
	}
	return heads
}

// unguarded removes what keeps the audit table from being changed, as whoever
// owns the database can.
var unguarded = map[bool][]string{
	false: {"DROP TRIGGER sekikura_audit_update", "DROP TRIGGER sekikura_audit_delete"},
	true:  {"DROP TRIGGER sekikura_audit_stands ON sekikura_audit"},
}

func auditTampering(t *testing.T, fresh func(testing.TB) Place) {
	const of = " WHERE tenant = '994413' AND seq "
	for _, tt := range []struct {
		what     string
		sql      []string
		signed   string // what is found with signed heads
		unsigned string // and without
	}{
		{what: "nothing"},
		{what: "a changed row", sql: []string{"UPDATE sekikura_audit SET actor = 'nobody'" + of + "= 3"}, signed: "3 changed", unsigned: "3 changed"},
		{what: "a changed time", sql: []string{"UPDATE sekikura_audit SET time = time + 1" + of + "= 5"}, signed: "5 changed 5 rewritten", unsigned: "5 changed"},
		{what: "a deleted row", sql: []string{"DELETE FROM sekikura_audit" + of + "= 3"}, signed: "3 missing", unsigned: "3 missing"},
		{what: "the first row deleted", sql: []string{"DELETE FROM sekikura_audit" + of + "= 1"}, signed: "1 missing", unsigned: "1 missing"},
		{what: "the last rows deleted", sql: []string{"DELETE FROM sekikura_audit" + of + "> 3"}, signed: "4 cut", unsigned: "4 cut"},
		{
			what: "the last rows deleted and the head set back",
			sql: []string{
				"DELETE FROM sekikura_audit" + of + "> 3",
				"UPDATE sekikura_audit_heads SET seq = 3, hash = (SELECT hash FROM sekikura_audit" + of + "= 3) WHERE tenant = '994413'",
			},
			signed: "4 cut", unsigned: "",
		},
		{
			what:   "all of it deleted",
			sql:    []string{"DELETE FROM sekikura_audit" + of + "> 0", "DELETE FROM sekikura_audit_heads WHERE tenant = '994413'"},
			signed: "1 cut", unsigned: "",
		},
		{
			what: "two rows swapped",
			sql: []string{
				"UPDATE sekikura_audit SET seq = 1003" + of + "= 3", "UPDATE sekikura_audit SET seq = 3" + of + "= 2", "UPDATE sekikura_audit SET seq = 2" + of + "= 1003",
			},
			signed: "2 unlinked 2 changed 3 unlinked 3 changed 4 unlinked", unsigned: "2 unlinked 2 changed 3 unlinked 3 changed 4 unlinked",
		},
		{
			what:   "a row moved to another body",
			sql:    []string{"DELETE FROM sekikura_audit WHERE tenant = '992011'", "UPDATE sekikura_audit SET tenant = '992011', seq = 1" + of + "= 5"},
			signed: "5 cut", unsigned: "5 cut",
		},
	} {
		t.Run(tt.what, func(t *testing.T) {
			p, db, heads := chain(t, fresh)
			statements := append(slices.Clone(unguarded[p.Config.URL != ""]), tt.sql...)
			if err := p.Raw(t.Context(), statements...); err != nil {
				t.Fatal(err)
			}
			for _, how := range []struct {
				heads []store.Head
				want  string
			}{{heads, tt.signed}, {nil, tt.unsigned}} {
				report, err := db.VerifyAudit(t.Context(), village, how.heads)
				if err != nil {
					t.Fatal(err)
				}
				if got := faults(report); got != how.want {
					t.Errorf("with %d signed heads found %q, want %q", len(how.heads), got, how.want)
				}
			}
		})
	}
}

func faults(r store.AuditReport) string {
	var all []string
	for _, f := range r.Faults {
		all = append(all, fmt.Sprint(f.Seq, " ", f.Code))
	}
	return strings.Join(all, " ")
}

// auditRewritten changes a record and hashes everything behind it anew, which
// leaves a chain that is intact in itself.
func auditRewritten(t *testing.T, fresh func(testing.TB) Place) {
	p, db, heads := chain(t, fresh)
	page, err := db.AuditLog(t.Context(), village, store.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	statements := slices.Clone(unguarded[p.Config.URL != ""])
	prev := ""
	for _, r := range slices.Backward(page.Records) {
		if r.Seq == 3 {
			r.Actor = "nobody"
		}
		r.Prev = prev
		r.Hash = r.Sum()
		prev = r.Hash
		statements = append(statements, fmt.Sprintf("UPDATE sekikura_audit SET actor = '%s', prev = '%s', hash = '%s' WHERE tenant = '994413' AND seq = %d", r.Actor, r.Prev, r.Hash, r.Seq))
	}
	statements = append(statements, "UPDATE sekikura_audit_heads SET hash = '"+prev+"' WHERE tenant = '994413'")
	if err := p.Raw(t.Context(), statements...); err != nil {
		t.Fatal(err)
	}
	if report, err := db.VerifyAudit(t.Context(), village, nil); err != nil || report.Faults != nil {
		t.Errorf("without a signed head found %+v, %v; a chain hashed anew looks intact in itself", report, err)
	}
	report, err := db.VerifyAudit(t.Context(), village, heads)
	if err != nil || faults(report) != "5 rewritten" || report.Signed != 0 {
		t.Errorf("with a signed head found %+v, %v, want record 5 rewritten", report, err)
	}
}

func auditExport(t *testing.T, fresh func(testing.TB) Place) {
	_, db, heads := chain(t, fresh)
	note(t, db, village, clerk, store.Audit{Action: "later", After: []byte(`{"b":"<&>"}`)})
	var export bytes.Buffer
	if err := db.ExportAudit(t.Context(), village, &export); err != nil {
		t.Fatal(err)
	}
	report, err := store.VerifyAuditExport(village, bytes.NewReader(export.Bytes()), heads)
	if err != nil || report.Faults != nil || report.Records != 6 || report.Signed != 5 {
		t.Errorf("the export is %+v, %v", report, err)
	}
	lines := strings.SplitAfter(export.String(), "\n")
	for what, text := range map[string]string{
		"3 changed": strings.Replace(export.String(), `"object":"3"`, `"object":"9"`, 1),
		"2 missing": lines[0] + strings.Join(lines[2:], ""),
		"5 cut":     strings.Join(lines[:4], ""),
	} {
		report, err := store.VerifyAuditExport(village, strings.NewReader(text), heads)
		if err != nil || faults(report) != what {
			t.Errorf("found %q, %v, want %s", faults(report), err, what)
		}
	}
	if report, err := store.VerifyAuditExport(city, bytes.NewReader(export.Bytes()), nil); err != nil || report.Faults == nil {
		t.Errorf("another body's export passes as the city's: %+v, %v", report, err)
	}
	if _, err := store.VerifyAuditExport(village, strings.NewReader("{}{}\n"), nil); err == nil {
		t.Error("an export that is no export was read")
	}

	var document bytes.Buffer
	if err := db.SignHeads(t.Context(), signer, &document); err != nil {
		t.Fatal(err)
	}
	forged := strings.Replace(document.String(), `"seq":6`, `"seq":5`, 1)
	other, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for what, try := range map[string]func() ([]store.Head, error){
		"a head that was changed":  func() ([]store.Head, error) { return store.ReadHeads(strings.NewReader(forged), public) },
		"a head of another key":    func() ([]store.Head, error) { return store.ReadHeads(bytes.NewReader(document.Bytes()), other) },
		"a head without signature": func() ([]store.Head, error) { return store.ReadHeads(strings.NewReader(`{"tenant":"994413"}`), public) },
		"a text":                   func() ([]store.Head, error) { return store.ReadHeads(strings.NewReader("heads\n"), public) },
	} {
		if heads, err := try(); err == nil {
			t.Errorf("%s was read: %+v", what, heads)
		}
	}
}

func auditStands(t *testing.T, fresh func(testing.TB) Place) {
	p, _, _ := chain(t, fresh)
	for _, statement := range []string{"UPDATE sekikura_audit SET actor = 'x'", "DELETE FROM sekikura_audit"} {
		if err := p.Raw(t.Context(), statement); err == nil {
			t.Errorf("%s was run", statement)
		}
	}
}

func auditConcurrent(t *testing.T, fresh func(testing.TB) Place) {
	p := fresh(t)
	first, second := open(t, p), open(t, p) // as two processes
	var all sync.WaitGroup
	for i := range 6 {
		db := []*store.DB{first, second}[i%2]
		all.Go(func() {
			for range 5 {
				note(t, db, village, clerk, store.Audit{Action: "a"}, store.Audit{Action: "b"})
			}
		})
	}
	all.Wait()
	if report, err := first.VerifyAudit(t.Context(), village, nil); err != nil || report.Records != 60 || report.Faults != nil {
		t.Errorf("the chain is %+v, %v, want 60 records without fault", report, err)
	}
}
