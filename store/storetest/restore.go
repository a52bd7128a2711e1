package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/sekikura/sekikura/store"
)

func restoreTenant(t *testing.T, fresh func(testing.TB) Place) {
	live, copied := open(t, fresh(t)), open(t, fresh(t))
	for _, db := range []*store.DB{live, copied} {
		change(t, db, village, func(tx *store.Tx) error {
			return tx.Insert(t.Context(), addThing, "both", 7, true, clock, []byte{}, `{"a":1}`, 0.5, "")
		})
	}
	add(t, copied, village, "lost")
	add(t, copied, city, "city's of then")
	add(t, live, village, "made by mistake")
	add(t, live, city, "city's of now")
	login := store.Insert{Table: "logins", Columns: []string{"login"}}
	change(t, copied, village, func(tx *store.Tx) error { return tx.Insert(t.Context(), login, "taro") })

	rows, err := live.RestoreTenant(t.Context(), copied, village, ken, "復元訓練", "settings")
	if err != nil || rows["things"] != 2 || rows["logins"] != 1 {
		t.Fatalf("restored %v, %v", rows, err)
	}
	if got := names(t, live, village); !slices.Equal(got, []string{"both", "lost"}) {
		t.Errorf("after the restoration the village has %q", got)
	}
	if got := names(t, live, city); !slices.Equal(got, []string{"city's of now"}) {
		t.Errorf("after the restoration of the village the city has %q", got)
	}
	got, err := store.One(t.Context(), live.Tenant(village), oneThing, scanThing, "both")
	if err != nil || *got.n != 7 || got.raw == nil || string(got.doc) != `{"a":1}` || !got.at.Equal(clock.Truncate(1000)) {
		t.Errorf("the restored row is %+v, %v", got, err)
	}
	if got, err = store.One(t.Context(), live.Tenant(village), oneThing, scanThing, "lost"); err != nil || got.n != nil || got.raw != nil || got.doc != nil {
		t.Errorf("the restored row of nulls is %+v, %v", got, err)
	}
	page, err := live.AuditLog(t.Context(), village, store.AuditFilter{})
	if err != nil || len(page.Records) != 1 || page.Records[0].Action != "tenant.restore" || page.Records[0].Reason != "復元訓練" {
		t.Errorf("the restoration is audited as %+v, %v", page, err)
	}
	if n, err := live.Revision(t.Context(), "settings"); err != nil || n != 1 {
		t.Errorf("the topic is at %d, %v, want 1", n, err)
	}

	// Another body has since taken the login: nothing may change.
	change(t, live, village, func(tx *store.Tx) error {
		_, err := tx.Delete(t.Context(), store.Delete{Table: "logins", Where: "TRUE"})
		return err
	})
	change(t, live, city, func(tx *store.Tx) error { return tx.Insert(t.Context(), login, "taro") })
	add(t, live, village, "later")
	if _, err := live.RestoreTenant(t.Context(), copied, village, ken, ""); !errors.Is(err, store.ErrExists) {
		t.Errorf("restoring a login that another body has ends with %v, want ErrExists", err)
	}
	if got := names(t, live, village); !slices.Equal(got, []string{"both", "later", "lost"}) {
		t.Errorf("after a restoration that failed the village has %q", got)
	}
}
