package policies_test

import (
	"errors"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura  tenant.ID = "990001"
	wakaba  tenant.ID = "994413"
	hanami  tenant.ID = "992011"
	another tenant.ID = "x-other"
)

// guard is a policy with one field of each kind that merging knows.
type guard struct {
	Level  int      `json:"level"`
	Block  []string `json:"block"`
	Extra  []string `json:"extra" policy:"add"`
	Limits limits   `json:"limits"`
}

type limits struct {
	Size int `json:"size"`
	Rate int `json:"rate"`
}

var guardKind = &policy.Spec[guard, guard]{
	Name: "guard", Version: 1,
	Default: guard{Level: 1, Block: []string{}, Extra: []string{}, Limits: limits{Size: 10, Rate: 5}},
	Compile: func(g guard) (*guard, []policy.Problem) {
		if g.Level < 1 || g.Level > 4 {
			return nil, []policy.Problem{policy.At("level").Is("out_of_range", g.Level)}
		}
		if g.Limits.Rate > g.Limits.Size { // a rule across fields: layers that are good alone can break it together
			return nil, []policy.Problem{policy.At("limits", "rate").Is("above_size", g.Limits.Rate, g.Limits.Size)}
		}
		return &g, nil
	},
}

var (
	now      = time.Date(2026, 11, 22, 3, 4, 5, 0, time.UTC)
	operator = store.Actor{Account: "ken", Tenant: sakura}
	village  = store.Actor{Account: "mura", Tenant: wakaba, Address: "127.10.0.5"}
)

// TestPolicies runs every claim on both engines.
func TestPolicies(t *testing.T) {
	parts := []struct {
		name string
		run  func(*testing.T, *policies.Documents)
	}{
		{"a written policy is read back and explained", aWrittenPolicyIsReadBackAndExplained},
		{"a write with another version is stale", aWriteWithAnotherVersionIsStale},
		{"what may not be written is refused and changes nothing", whatMayNotBeWrittenIsRefusedAndChangesNothing},
		{"a locked mode is refused", aLockedModeIsRefused},
		{"a baseline that breaks an override is refused and names the body", aBaselineThatBreaksAnOverrideIsRefusedAndNamesTheBody},
		{"an emergency waits for its approval", anEmergencyWaitsForItsApproval},
		{"the operator can make the reference mandatory", theOperatorCanMakeTheReferenceMandatory},
		{"history shows what each version changed and rollback is a new version", historyShowsWhatEachVersionChangedAndRollbackIsANewVersion},
		{"snapshots have everything and revisions rise", snapshotsHaveEverythingAndRevisionsRise},
		{"of writers with the same version one wins", ofWritersWithTheSameVersionOneWins},
		{"bodies that write at once do not hinder each other", bodiesThatWriteAtOnceDoNotHinderEachOther},
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

func open(t testing.TB, conf store.Config) *policies.Documents {
	t.Helper()
	conf.Now, conf.Poll = func() time.Time { return now }, time.Hour
	db, err := store.Open(t.Context(), conf, policies.Schema)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	register := &tenants.Register{DB: db}
	for _, body := range []tenant.Tenant{
		{ID: sakura, Operator: sakura, Name: "さくら県", Kind: tenant.Prefecture},
		{ID: wakaba, Operator: sakura, Name: "若葉村", Kind: tenant.Municipality, Sources: []netip.Prefix{netip.MustParsePrefix("127.10.0.0/16")}},
		{ID: hanami, Operator: sakura, Name: "花見市", Kind: tenant.Municipality},
		{ID: another, Operator: another, Name: "別の県", Kind: tenant.Prefecture},
	} {
		if _, err := register.Put(t.Context(), store.System("test"), body, 0, "初期登録"); err != nil {
			t.Fatal(err)
		}
	}
	return &policies.Documents{DB: db, Kinds: []policy.Kind{guardKind}}
}

func doc(body string, locks ...string) policy.Document {
	return policy.Document{Service: "guard", Body: []byte(body), Locks: locks, Change: policy.Change{Reference: "令8-0412"}}
}

// refusal returns "path code" of each problem, or fails the test.
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

func put(t testing.TB, d *policies.Documents, who store.Actor, id tenant.ID, layer policy.Layer, doc policy.Document, expected int64) policy.Document {
	t.Helper()
	out, err := d.Put(t.Context(), who, id, layer, doc, expected)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func aWrittenPolicyIsReadBackAndExplained(t *testing.T, d *policies.Documents) {
	put(t, d, operator, sakura, policy.Baseline, doc(`{"level":2,"extra":["a"]}`), 0)
	got := put(t, d, village, wakaba, policy.Override, doc(`{"level":3, "extra":["b"], "level":4}`), 0)
	if got.Version != 1 || got.Schema != 1 || got.Change.By != "mura" || !got.Change.At.Equal(now) {
		t.Errorf("stored document is %+v", got)
	}
	if want := `{"extra":["b"],"level":4}`; string(got.Body) != want {
		t.Errorf("body is %s, want %s: each name once", got.Body, want)
	}
	effective, problems, err := d.Explain(t.Context(), wakaba, "guard")
	if err != nil || problems != nil {
		t.Fatal(err, problems)
	}
	if want := `{"block":[],"extra":["a","b"],"level":4,"limits":{"rate":5,"size":10}}`; string(effective.Body) != want {
		t.Errorf("effective policy is %s, want %s", effective.Body, want)
	}
	if effective.Origins["/level"] != policy.Override || effective.Origins["/extra/0"] != policy.Baseline {
		t.Errorf("origins are %v", effective.Origins)
	}
	if other, _, err := d.Explain(t.Context(), another, "guard"); err != nil || strings.Contains(string(other.Body), `"a"`) {
		t.Errorf("another operator's body gets %s, %v", other.Body, err)
	}
}

func aWriteWithAnotherVersionIsStale(t *testing.T, d *policies.Documents) {
	put(t, d, village, wakaba, policy.Override, doc(`{"level":2}`), 0)
	for _, expected := range []int64{0, 2, -1} {
		if _, err := d.Put(t.Context(), village, wakaba, policy.Override, doc(`{"level":3}`), expected); !errors.Is(err, policies.ErrStale) {
			t.Errorf("a write that expects version %d of 1 ends with %v, want ErrStale", expected, err)
		}
	}
	if now, err := d.Get(t.Context(), wakaba, policy.Override, "guard"); err != nil || now.Version != 1 {
		t.Errorf("after refused writes the document is %+v, %v", now, err)
	}
}

func whatMayNotBeWrittenIsRefusedAndChangesNothing(t *testing.T, d *policies.Documents) {
	put(t, d, operator, sakura, policy.Baseline, doc(`{"level":2}`, "/level", "/limits"), 0)
	before, err := d.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	with := func(change policy.Change) policy.Document {
		d := doc(`{"block":["x"]}`)
		d.Change = change
		return d
	}
	for _, tt := range []struct {
		name  string
		id    tenant.ID
		layer policy.Layer
		doc   policy.Document
		want  string
	}{
		{"null", wakaba, policy.Override, doc(`{"block":null}`), "/block null"},
		{"null body", wakaba, policy.Override, doc(`null`), " null"},
		{"unknown field", wakaba, policy.Override, doc(`{"limits":{"sise":1}}`), "/limits/sise unknown_field"},
		{"wrong type", wakaba, policy.Override, doc(`{"block":["a",2]}`), "/block/1 wrong_type"},
		{"no JSON", wakaba, policy.Override, doc(`{"block":`), " not_json"},
		{"two documents", wakaba, policy.Override, doc(`{} {}`), " not_json"},
		{"a list", wakaba, policy.Override, doc(`[]`), " not_json"},
		{"too large", wakaba, policy.Override, doc(`{"block":["` + strings.Repeat("a", policies.MaxBody) + `"]}`), " too_large"},
		{"locked", wakaba, policy.Override, doc(`{"level":3}`), "/level locked"},
		{"locked below", wakaba, policy.Override, doc(`{"limits":{"rate":1}}`), "/limits locked"},
		{"does not compile", sakura, policy.Baseline, doc(`{"level":9}`), "/level out_of_range"},
		{"lock of nothing", sakura, policy.Baseline, doc(`{}`, "/levek"), "/locks/0 no_such_field"},
		{"lock of everything", sakura, policy.Baseline, doc(`{}`, ""), "/locks/0 no_such_field"},
		{"too many locks", sakura, policy.Baseline, doc(`{}`, make([]string, 501)...), "/locks too_many"},
		{"body writes a baseline", wakaba, policy.Baseline, doc(`{}`), "/layer not_an_operator"},
		{"body locks", wakaba, policy.Override, doc(`{}`, "/level"), "/locks not_an_operator"},
		{"default layer", wakaba, policy.Default, doc(`{}`), "/layer unknown_layer"},
		{"no such body", "131016", policy.Override, doc(`{}`), "/tenant no_such_body"},
		{"no reference", wakaba, policy.Override, with(policy.Change{Note: "x"}), "/change/reference reference_or_emergency"},
		{"blank reference", wakaba, policy.Override, with(policy.Change{Reference: "  "}), "/change/reference reference_or_emergency"},
		{"long reference", wakaba, policy.Override, with(policy.Change{Reference: strings.Repeat("番", 65)}), "/change/reference not_a_text"},
		{"reference of two lines", wakaba, policy.Override, with(policy.Change{Reference: "a\nb"}), "/change/reference not_a_text"},
	} {
		expected := int64(0)
		if tt.layer == policy.Baseline && tt.id == sakura {
			expected = 1
		}
		_, err := d.Put(t.Context(), store.System("test"), tt.id, tt.layer, tt.doc, expected)
		if got := refusal(t, err); !slices.Contains(got, tt.want) {
			t.Errorf("%s: refused for %q, want %q", tt.name, got, tt.want)
		}
	}
	after, err := d.Snapshot(t.Context())
	if err != nil || after.Revision != before.Revision || len(after.Documents) != len(before.Documents) {
		t.Errorf("refused writes moved the snapshot from %+v to %+v, %v", before, after, err)
	}
	bad := doc(`{}`)
	bad.Schema = 2
	_, err = d.Put(t.Context(), village, wakaba, policy.Override, bad, 0)
	if got := refusal(t, err); got[0] != "/schema unknown_schema" {
		t.Errorf("a newer schema is refused for %q", got)
	}
	bad = doc(`{}`)
	bad.Mode = "sometimes"
	_, err = d.Put(t.Context(), village, wakaba, policy.Override, bad, 0)
	if got := refusal(t, err); got[0] != "/mode unknown_mode" {
		t.Errorf("an unknown mode is refused for %q", got)
	}
	bad = doc(`{}`)
	bad.Service = "nothing"
	if _, err = d.Put(t.Context(), village, wakaba, policy.Override, bad, 0); !errors.Is(err, policies.ErrNoService) {
		t.Errorf("an unknown service ends with %v", err)
	}
}

func aLockedModeIsRefused(t *testing.T, d *policies.Documents) {
	put(t, d, operator, sakura, policy.Baseline, doc(`{}`, "/mode"), 0)
	off := doc(`{}`)
	off.Mode = policy.Off
	_, err := d.Put(t.Context(), village, wakaba, policy.Override, off, 0)
	if got := refusal(t, err); !slices.Equal(got, []string{"/mode locked"}) {
		t.Errorf("switching a locked mode off is refused for %q", got)
	}
}

func aBaselineThatBreaksAnOverrideIsRefusedAndNamesTheBody(t *testing.T, d *policies.Documents) {
	put(t, d, village, wakaba, policy.Override, doc(`{"limits":{"rate":9}}`), 0)
	_, err := d.Put(t.Context(), operator, sakura, policy.Baseline, doc(`{"limits":{"size":7}}`), 0)
	if got := refusal(t, err); !slices.Equal(got, []string{"/limits/rate breaks_override"}) {
		t.Errorf("refused for %q", got)
	}
	if !strings.Contains(err.Error(), string(wakaba)) || !strings.Contains(err.Error(), "若葉村") {
		t.Errorf("the refusal %q does not name the body", err)
	}
	// Another operator's bodies do not matter.
	put(t, d, store.System("test"), another, policy.Baseline, doc(`{"limits":{"size":7}}`), 0)
}

func anEmergencyWaitsForItsApproval(t *testing.T, d *policies.Documents) {
	urgent := doc(`{"level":4}`)
	urgent.Change = policy.Change{Emergency: true, Note: "攻撃を受けている", ApproveBy: now.Add(1000 * time.Hour)}
	got := put(t, d, village, wakaba, policy.Override, urgent, 0)
	if want := now.Add(24 * time.Hour); !got.Change.ApproveBy.Equal(want) {
		t.Errorf("approval is due %v, want %v: the writer does not choose it", got.Change.ApproveBy, want)
	}
	pending, err := d.UnapprovedUnder(t.Context(), sakura, operator)
	if err != nil || len(pending) != 1 || pending[0].Tenant != wakaba || pending[0].Document.Version != 1 {
		t.Fatalf("pending approvals are %+v, %v", pending, err)
	}
	if _, err := d.UnapprovedUnder(t.Context(), sakura, village); !errors.Is(err, store.ErrForeign) {
		t.Errorf("a village asking for all bodies' approvals gets %v, want ErrForeign", err)
	}
	seen, err := d.DB.AcrossLog(t.Context(), wakaba, store.AuditFilter{})
	if err != nil || len(seen.Records) != 1 || seen.Records[0].Actor != "ken" {
		t.Errorf("the body sees these reads of its data: %+v, %v", seen, err)
	}
	if got := refusal(t, d.Approve(t.Context(), village, wakaba, policy.Override, "guard", 1, "令8-1")); got[0] != "/by own_change" {
		t.Errorf("approving one's own change is refused for %q", got)
	}
	if err := d.Approve(t.Context(), operator, wakaba, policy.Override, "guard", 1, "令8-0500"); err != nil {
		t.Fatal(err)
	}
	if err := d.Approve(t.Context(), operator, wakaba, policy.Override, "guard", 1, "令8-0501"); !errors.Is(err, store.ErrNone) {
		t.Errorf("a second approval ends with %v, want ErrNone", err)
	}
	if pending, err := d.Unapproved(t.Context(), wakaba); err != nil || len(pending) != 0 {
		t.Errorf("after the approval pending are %+v, %v", pending, err)
	}
	versions, err := d.History(t.Context(), wakaba, policy.Override, "guard", 0, 10)
	if err != nil || versions[0].Approval == nil || versions[0].Approval.Reference != "令8-0500" {
		t.Errorf("history is %+v, %v", versions, err)
	}
}

func theOperatorCanMakeTheReferenceMandatory(t *testing.T, d *policies.Documents) {
	urgent := doc(`{"level":4}`)
	urgent.Change = policy.Change{Emergency: true}
	if got := refusal(t, d.SetReferenceMandatory(t.Context(), village, wakaba, true, "")); got[0] != "/tenant not_an_operator" {
		t.Errorf("a village making it mandatory is refused for %q", got)
	}
	if err := d.SetReferenceMandatory(t.Context(), operator, sakura, true, "規程第5条"); err != nil {
		t.Fatal(err)
	}
	if on, err := d.ReferenceMandatory(t.Context(), sakura); err != nil || !on {
		t.Errorf("mandatory is %v, %v", on, err)
	}
	_, err := d.Put(t.Context(), village, wakaba, policy.Override, urgent, 0)
	if got := refusal(t, err); got[0] != "/change/reference reference_mandatory" {
		t.Errorf("refused for %q", got)
	}
	put(t, d, store.System("test"), another, policy.Override, urgent, 0) // another operator's rule is another
	if err := d.SetReferenceMandatory(t.Context(), operator, sakura, false, "解除"); err != nil {
		t.Fatal(err)
	}
	put(t, d, village, wakaba, policy.Override, urgent, 0)
	log, err := d.DB.AuditLog(t.Context(), sakura, store.AuditFilter{Action: "policy."})
	if err != nil || len(log.Records) != 2 || string(log.Records[0].Before) != "true" || log.Records[1].Reason != "規程第5条" {
		t.Errorf("audit of the switch is %+v, %v", log.Records, err)
	}
}

// BenchmarkExplain reads both layers of a body, merges and compiles them.
func BenchmarkExplain(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { explain(b, store.Config{Path: filepath.Join(b.TempDir(), "control.db")}) })
	b.Run("PostgreSQL", func(b *testing.B) { explain(b, store.Config{URL: postgrestest.Start(b).New(b)}) })
}

func explain(b *testing.B, conf store.Config) {
	d := open(b, conf)
	put(b, d, operator, sakura, policy.Baseline, doc(`{"level":2,"extra":["a"]}`), 0)
	put(b, d, village, wakaba, policy.Override, doc(`{"level":3,"extra":["b"]}`), 0)
	b.ReportAllocs()
	for b.Loop() {
		if _, problems, err := d.Explain(b.Context(), wakaba, "guard"); err != nil || problems != nil {
			b.Fatal(err, problems)
		}
	}
}

// BenchmarkPut writes one version, with its checks, history and audit record.
func BenchmarkPut(b *testing.B) {
	b.Run("SQLite", func(b *testing.B) { write(b, store.Config{Path: filepath.Join(b.TempDir(), "control.db")}) })
	b.Run("PostgreSQL", func(b *testing.B) { write(b, store.Config{URL: postgrestest.Start(b).New(b)}) })
}

func write(b *testing.B, conf store.Config) {
	d := open(b, conf)
	version := int64(0)
	for b.Loop() {
		put(b, d, village, wakaba, policy.Override, doc(`{"level":3,"extra":["b"]}`), version)
		version++
	}
}
