package tenants_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura tenant.ID = "990001"
	wakaba tenant.ID = "994413"
	hanami tenant.ID = "992011"
)

var operator = store.Actor{Account: "ken01", Tenant: sakura, Address: "127.0.0.1"}

// TestBodies runs every claim on both engines.
func TestBodies(t *testing.T) {
	parts := []struct {
		name string
		run  func(*testing.T, *tenants.Register)
	}{
		{"a body is added changed and removed with audit", aBodyIsAddedChangedAndRemovedWithAudit},
		{"what two bodies would own is refused and names both", whatTwoBodiesWouldOwnIsRefusedAndNamesBoth},
		{"a body that is wrong is refused by field", aBodyThatIsWrongIsRefusedByField},
		{"an operator comes first and goes last", anOperatorComesFirstAndGoesLast},
		{"an entry from elsewhere may not claim what another has by now", anEntryFromElsewhereMayNotClaimWhatAnotherHasByNow},
		{"the directory follows the register", theDirectoryFollowsTheRegister},
		{"two who claim the same at once do not both get it", twoWhoClaimTheSameAtOnceDoNotBothGetIt},
	}
	t.Run("SQLite", func(t *testing.T) {
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) {
				part.run(t, open(t, store.Config{Path: filepath.Join(t.TempDir(), "control.db")}))
			})
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgrestest.Start(t)
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) { part.run(t, open(t, store.Config{URL: server.New(t)})) })
		}
	})
}

func open(t *testing.T, conf store.Config) *tenants.Register {
	t.Helper()
	conf.Poll = time.Hour
	db, err := store.Open(t.Context(), conf)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return &tenants.Register{DB: db}
}

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func body(id tenant.ID) tenant.Tenant {
	switch id {
	case sakura:
		return tenant.Tenant{ID: sakura, Operator: sakura, Name: "さくら県", Kind: tenant.Prefecture}
	case wakaba:
		return tenant.Tenant{
			ID: wakaba, Operator: sakura, Name: "若葉村", NameEN: "Wakaba", Kind: tenant.Municipality, Staff: 40,
			Sources: []netip.Prefix{prefix("127.10.0.0/16"), prefix("127.0.0.1/32"), prefix("2001:db8::/32")},
			Hosts:   []string{"www.vill.wakaba.example"}, MailDomains: []string{"vill.wakaba.example"},
			Contact: tenant.Contact{Section: "総務課 情報係", Phone: "0123-45-6789"},
		}
	}
	return tenant.Tenant{ID: hanami, Operator: sakura, Name: "花見市", Kind: tenant.Municipality, Hosts: []string{"www.city.hanami.example"}}
}

func put(t *testing.T, r *tenants.Register, b tenant.Tenant, expected int64) {
	t.Helper()
	got, err := r.Put(t.Context(), operator, b, expected, "令8-0001")
	if err != nil || got != expected+1 {
		t.Fatalf("writing %s: version %d, %v, want %d", b.ID, got, err, expected+1)
	}
}

func refusal(t *testing.T, err error) []string {
	t.Helper()
	var r policy.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got error %v, want a refusal", err)
	}
	var all []string
	for _, p := range r {
		all = append(all, p.Path+" "+p.Code)
	}
	return all
}

func aBodyIsAddedChangedAndRemovedWithAudit(t *testing.T, r *tenants.Register) {
	put(t, r, body(sakura), 0)
	put(t, r, body(wakaba), 0)
	changed := body(wakaba)
	changed.Hosts = []string{"WWW.Vill.Wakaba.Example.", "kouhou.vill.wakaba.example"}
	changed.Sources = []netip.Prefix{prefix("::ffff:127.10.0.0/112")}
	put(t, r, changed, 1)
	got, err := r.Get(t.Context(), wakaba)
	if err != nil || got.Version != 2 || got.Tenant.Hosts[0] != "www.vill.wakaba.example" || got.Tenant.Sources[0] != prefix("127.10.0.0/16") || got.Tenant.Contact.Section != "総務課 情報係" {
		t.Errorf("the entry is %+v, %v", got, err)
	}
	for _, expected := range []int64{0, 1, 3} {
		if _, err := r.Put(t.Context(), operator, changed, expected, ""); !errors.Is(err, tenants.ErrStale) {
			t.Errorf("a write that expects version %d of 2 ends with %v, want ErrStale", expected, err)
		}
	}
	if _, err := r.Put(t.Context(), operator, body(hanami), 1, ""); !errors.Is(err, tenants.ErrStale) {
		t.Errorf("a change of a body that is not there ends with %v, want ErrStale", err)
	}
	if err := r.Remove(t.Context(), operator, wakaba, 1, "廃置分合"); !errors.Is(err, tenants.ErrStale) {
		t.Errorf("removing with an old version ends with %v, want ErrStale", err)
	}
	if err := r.Remove(t.Context(), operator, wakaba, 2, "廃置分合"); err != nil {
		t.Fatal(err)
	}
	if err := r.Remove(t.Context(), operator, wakaba, 2, ""); !errors.Is(err, store.ErrNone) {
		t.Errorf("removing twice ends with %v, want ErrNone", err)
	}
	log, err := r.DB.AuditLog(t.Context(), wakaba, store.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, record := range log.Records {
		actions = append(actions, record.Action)
		if record.Actor != "ken01" || record.ActorTenant != sakura || record.Address != "127.0.0.1" {
			t.Errorf("the audit record is %+v", record)
		}
	}
	if !slices.Equal(actions, []string{"tenant.remove", "tenant.change", "tenant.add"}) {
		t.Errorf("audited are %q", actions)
	}
	if !strings.Contains(string(log.Records[1].Before), "127.0.0.1/32") || strings.Contains(string(log.Records[1].After), "127.0.0.1/32") {
		t.Errorf("before and after of the change are %s and %s", log.Records[1].Before, log.Records[1].After)
	}
}

func whatTwoBodiesWouldOwnIsRefusedAndNamesBoth(t *testing.T, r *tenants.Register) {
	put(t, r, body(sakura), 0)
	put(t, r, body(wakaba), 0)
	thief := body(hanami)
	thief.Hosts = []string{"www.city.hanami.example", "WWW.vill.wakaba.example."}
	thief.MailDomains = []string{"Vill.Wakaba.Example"}
	thief.Sources = []netip.Prefix{prefix("127.10.1.0/24"), prefix("::ffff:127.10.0.0/112")}
	_, err := r.Put(t.Context(), operator, thief, 0, "")
	if got, want := refusal(t, err), []string{"/hosts/1 taken", "/mail_domains/0 taken", "/sources/1 taken"}; !slices.Equal(got, want) {
		t.Errorf("refused for %q, want %q", got, want)
	}
	if !strings.Contains(err.Error(), string(hanami)) || !strings.Contains(err.Error(), string(wakaba)) {
		t.Errorf("%q does not name both", err)
	}
	if _, err := r.Get(t.Context(), hanami); !errors.Is(err, store.ErrNone) {
		t.Errorf("the refused body is there: %v", err)
	}
}

func aBodyThatIsWrongIsRefusedByField(t *testing.T, r *tenants.Register) {
	put(t, r, body(sakura), 0)
	for _, tt := range []struct {
		want   string
		change func(*tenant.Tenant)
	}{
		{"/id not_a_code", func(b *tenant.Tenant) { b.ID = "994414" }},
		{"/operator not_a_code", func(b *tenant.Tenant) { b.Operator = "" }},
		{"/operator no_such_operator", func(b *tenant.Tenant) { b.Operator = "131016" }},
		{"/name empty", func(b *tenant.Tenant) { b.Name = " " }},
		{"/name not_a_text", func(b *tenant.Tenant) { b.Name = "a\nb" }},
		{"/name not_a_text", func(b *tenant.Tenant) { b.Name = strings.Repeat("村", 101) }},
		{"/contact/phone not_a_text", func(b *tenant.Tenant) { b.Contact.Phone = "\xff" }},
		{"/kind unknown_kind", func(b *tenant.Tenant) { b.Kind = "village" }},
		{"/staff negative", func(b *tenant.Tenant) { b.Staff = -1 }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{""} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"127.0.0.1"} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"a.example:443"} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"*.example.jp"} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"若葉.example"} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"-a.example"} }},
		{"/hosts/0 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{strings.Repeat("a.", 127) + "jp"} }},
		{"/hosts/1 not_a_host", func(b *tenant.Tenant) { b.Hosts = []string{"a.example", "A.example."} }},
		{"/hosts too_many", func(b *tenant.Tenant) { b.Hosts = make([]string, 10001) }},
		{"/mail_domains/0 not_a_domain", func(b *tenant.Tenant) { b.MailDomains = []string{"a@b.example"} }},
		{"/sources/0 not_a_range", func(b *tenant.Tenant) { b.Sources = []netip.Prefix{{}} }},
		{"/sources/0 not_a_range", func(b *tenant.Tenant) { b.Sources = []netip.Prefix{prefix("0.0.0.0/0")} }},
		{"/sources/0 not_a_network", func(b *tenant.Tenant) { b.Sources = []netip.Prefix{prefix("127.10.0.1/16")} }},
		{"/sources/1 twice", func(b *tenant.Tenant) { b.Sources = []netip.Prefix{prefix("127.10.0.0/16"), prefix("127.10.0.0/16")} }},
	} {
		b := body(wakaba)
		tt.change(&b)
		_, err := r.Put(t.Context(), operator, b, 0, "")
		if got := refusal(t, err); !slices.Contains(got, tt.want) {
			t.Errorf("%+v: refused for %q, want %q", b, got, tt.want)
		}
	}
}

func anOperatorComesFirstAndGoesLast(t *testing.T, r *tenants.Register) {
	_, err := r.Put(t.Context(), operator, body(wakaba), 0, "")
	if got := refusal(t, err); !slices.Equal(got, []string{"/operator no_such_operator"}) {
		t.Errorf("a body before its operator is refused for %q", got)
	}
	put(t, r, body(sakura), 0)
	put(t, r, body(wakaba), 0)
	if got := refusal(t, r.Remove(t.Context(), operator, sakura, 1, "")); !slices.Equal(got, []string{"/operator has_bodies"}) {
		t.Errorf("removing an operator with bodies is refused for %q", got)
	}
	below := body(hanami)
	below.Operator = wakaba
	_, err = r.Put(t.Context(), operator, below, 0, "")
	if got := refusal(t, err); !slices.Equal(got, []string{"/operator no_such_operator"}) {
		t.Errorf("a body below a village is refused for %q", got)
	}
	other := body(hanami)
	other.Operator = hanami
	put(t, r, other, 0)
	lowered := body(sakura)
	lowered.Operator = hanami
	_, err = r.Put(t.Context(), operator, lowered, 1, "")
	if got := refusal(t, err); !slices.Equal(got, []string{"/operator has_bodies"}) {
		t.Errorf("an operator with bodies put below another is refused for %q", got)
	}
	if err := r.Remove(t.Context(), operator, wakaba, 1, ""); err != nil {
		t.Error(err)
	}
	if err := r.Remove(t.Context(), operator, sakura, 1, ""); err != nil {
		t.Errorf("removing the operator last: %v", err)
	}
}

func theDirectoryFollowsTheRegister(t *testing.T, r *tenants.Register) {
	put(t, r, body(sakura), 0)
	var dir tenant.Directory
	if _, err := r.Load(t.Context(), &dir); err != nil || len(dir.All()) != 1 {
		t.Fatalf("loaded %d bodies, %v, want 1", len(dir.All()), err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.Follow(ctx, &dir) }()
	put(t, r, body(wakaba), 0)
	for {
		if b, ok := dir.BySource(netip.MustParseAddr("127.10.3.4")); ok {
			if b.ID != wakaba {
				t.Errorf("the address is %s's, want the village's", b.ID)
			}
			break
		}
		// The follower loads after the change was committed; the test's own
		// deadline bounds the wait.
		if _, err := r.DB.Wait(t.Context(), tenants.Topic, 1); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Follow ended with %v, want nil", err)
	}
}

func twoWhoClaimTheSameAtOnceDoNotBothGetIt(t *testing.T, r *tenants.Register) {
	put(t, r, body(sakura), 0)
	results := make(chan error, 2)
	for _, id := range []tenant.ID{wakaba, hanami} {
		go func() {
			b := body(id)
			b.Hosts = []string{"www.example.jp"}
			_, err := r.Put(t.Context(), operator, b, 0, "")
			results <- err
		}()
	}
	first, second := <-results, <-results
	if (first == nil) == (second == nil) {
		t.Errorf("two claims of one host end with %v and %v, want one refusal", first, second)
	}
}

func anEntryFromElsewhereMayNotClaimWhatAnotherHasByNow(t *testing.T, r *tenants.Register) {
	for _, id := range []tenant.ID{sakura, wakaba, hanami} {
		if _, err := r.Put(t.Context(), operator, body(id), 0, "令8-0001"); err != nil {
			t.Fatal(err)
		}
	}
	restore := func(entry tenant.Tenant) error { // as a backup's rows come back
		document, err := json.Marshal(entry)
		if err != nil {
			t.Fatal(err)
		}
		return r.DB.Change(t.Context(), wakaba, store.System("restore"), func(tx *store.Tx) error {
			if _, err := tx.Update(t.Context(), store.Update{Table: store.Bodies, Set: []string{"document"}, Where: "TRUE"}, document); err != nil {
				return err
			}
			return tenants.Standing(t.Context(), tx)
		})
	}
	old := body(wakaba)
	old.Hosts = body(hanami).Hosts // 花見市 took them over since
	var refused policy.Refusal
	if err := restore(old); !errors.As(err, &refused) || refused[0].Code != "taken" {
		t.Errorf("an entry that claims another's host: %v, want it taken", err)
	}
	old = body(wakaba)
	old.Name = "旧若葉村"
	if err := restore(old); err != nil {
		t.Errorf("an entry that claims nothing of another's: %v", err)
	}
	directory := new(tenant.Directory)
	if _, err := r.Load(t.Context(), directory); err != nil {
		t.Fatalf("the directory cannot be loaded any more: %v", err)
	}
	if got, _ := directory.Get(wakaba); got.Name != "旧若葉村" || !slices.Equal(got.Hosts, body(wakaba).Hosts) {
		t.Errorf("the body is %+v", got)
	}
}
