package policies_test

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

func historyShowsWhatEachVersionChangedAndRollbackIsANewVersion(t *testing.T, d *policies.Documents) {
	put(t, d, village, wakaba, policy.Override, doc(`{"level":2,"block":["a"]}`), 0)
	second := doc(`{"level":2,"block":["a","b"],"limits":{"rate":3}}`)
	second.Mode = policy.Other
	put(t, d, village, wakaba, policy.Override, second, 1)
	got, err := d.Rollback(t.Context(), village, wakaba, policy.Override, "guard", 1, policy.Change{Reference: "令8-9"}, 2)
	if err != nil || got.Version != 3 || string(got.Body) != `{"block":["a"],"level":2}` || got.Mode != "" || got.Change.Reference != "令8-9" {
		t.Fatalf("rolled back to %+v, %v", got, err)
	}
	versions, err := d.History(t.Context(), wakaba, policy.Override, "guard", 0, 2)
	if err != nil || len(versions) != 2 || versions[0].Document.Version != 3 {
		t.Fatalf("history is %+v, %v", versions, err)
	}
	var changed []string
	for _, leaf := range versions[1].Changed {
		changed = append(changed, leaf.Path+" "+string(leaf.Before)+" "+string(leaf.After))
	}
	if want := []string{`/block ["a"] ["a","b"]`, `/limits/rate  3`, `/mode  "other"`}; !slices.Equal(changed, want) {
		t.Errorf("version 2 changed %q, want %q", changed, want)
	}
	rest, err := d.History(t.Context(), wakaba, policy.Override, "guard", 2, 10)
	if err != nil || len(rest) != 1 || len(rest[0].Changed) != 2 {
		t.Errorf("the rest of the history is %+v, %v", rest, err)
	}
	if _, err := d.Rollback(t.Context(), village, wakaba, policy.Override, "guard", 7, policy.Change{Reference: "x"}, 3); !errors.Is(err, store.ErrNone) {
		t.Errorf("rolling back to a version that never was ends with %v", err)
	}
	// The baseline has since locked the field: the old body may not come back.
	put(t, d, operator, sakura, policy.Baseline, doc(`{"level":3}`, "/level"), 0)
	_, err = d.Rollback(t.Context(), village, wakaba, policy.Override, "guard", 1, policy.Change{Reference: "x"}, 3)
	if got := refusal(t, err); got[0] != "/level locked" {
		t.Errorf("rolling back behind a lock is refused for %q", got)
	}
}

func snapshotsHaveEverythingAndRevisionsRise(t *testing.T, d *policies.Documents) {
	first, err := d.Snapshot(t.Context())
	if err != nil || len(first.Tenants) != 4 || len(first.Documents) != 0 || first.Revision != 4 {
		t.Fatalf("first snapshot is %+v, %v", first, err)
	}
	type answer struct {
		revision int64
		err      error
	}
	woken := make(chan answer, 1)
	go func() {
		n, err := d.Wait(t.Context(), first.Revision)
		woken <- answer{n, err}
	}()
	put(t, d, operator, sakura, policy.Baseline, doc(`{"level":2}`), 0)
	if got := <-woken; got.err != nil || got.revision != 5 { // Poll is an hour: only the change can have woken it
		t.Errorf("Wait returned %+v, want revision 5", got)
	}
	put(t, d, village, wakaba, policy.Override, doc(`{"level":3}`), 0)
	put(t, d, village, wakaba, policy.Override, doc(`{"level":4}`), 1)
	second, err := d.Snapshot(t.Context())
	if err != nil || second.Revision != 7 || len(second.Documents) != 2 {
		t.Fatalf("second snapshot is %+v, %v", second, err)
	}
	if e := second.Documents[1]; e.Tenant != wakaba || e.Layer != policy.Override || e.Document.Version != 2 {
		t.Errorf("the village's entry is %+v", e)
	}
	if n, err := d.Wait(t.Context(), 3); err != nil || n != 7 {
		t.Errorf("Wait for a past revision returned %d, %v", n, err)
	}
	// A body that left is gone from the snapshot together with its policies.
	if err := (&tenants.Register{DB: d.DB}).Remove(t.Context(), operator, wakaba, 1, "廃置分合"); err != nil {
		t.Fatal(err)
	}
	third, err := d.Snapshot(t.Context())
	if err != nil || len(third.Tenants) != 3 || len(third.Documents) != 1 || third.Revision != 8 {
		t.Errorf("third snapshot is %+v, %v", third, err)
	}
}

func ofWritersWithTheSameVersionOneWins(t *testing.T, d *policies.Documents) {
	const writers = 8
	results := make(chan error, writers)
	for range writers {
		go func() {
			_, err := d.Put(t.Context(), village, wakaba, policy.Override, doc(`{"level":2}`), 0)
			results <- err
		}()
	}
	won := 0
	for range writers {
		if err := <-results; err == nil {
			won++
		} else if !errors.Is(err, policies.ErrStale) {
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d writers won, want 1", won)
	}
}

func bodiesThatWriteAtOnceDoNotHinderEachOther(t *testing.T, d *policies.Documents) {
	const bodies, each = 12, 3
	register := &tenants.Register{DB: d.DB}
	for i := range bodies {
		body := tenant.Tenant{ID: tenant.ID(fmt.Sprint("x-body", i)), Operator: sakura, Name: "団体", Kind: tenant.Council}
		if _, err := register.Put(t.Context(), store.System("test"), body, 0, "初期登録"); err != nil {
			t.Fatal(err)
		}
	}
	before, err := d.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range bodies {
		all.Go(func() {
			for n := range int64(each) {
				if _, err := d.Put(t.Context(), operator, tenant.ID(fmt.Sprint("x-body", i)), policy.Override, doc(`{"level":2}`), n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	after, err := d.Snapshot(t.Context())
	if err != nil || len(after.Documents) != bodies || after.Revision != before.Revision+bodies*each {
		t.Errorf("after %d writes there are %d documents at revision %d, %v, want revision %d", bodies*each, len(after.Documents), after.Revision, err, before.Revision+bodies*each)
	}
}
