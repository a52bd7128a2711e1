package policy_test

import (
	"strings"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

type compiled struct{ level int }

var spec = &policy.Spec[all, compiled]{
	Name: "all", Version: 2, Default: def(),
	Compile: func(a all) (*compiled, []policy.Problem) {
		if a.Level > 4 {
			return nil, []policy.Problem{policy.At("level").Is("out_of_range", a.Level, 4)}
		}
		return &compiled{a.Level}, nil
	},
}

const (
	village tenant.ID = "994413"
	city    tenant.ID = "992011"
)

func table(tb testing.TB) *policy.Table[all, compiled] {
	tb.Helper()
	t, err := policy.NewTable(spec)
	if err != nil {
		tb.Fatal(err)
	}
	return t
}

func TestABodyWithoutDocumentsHasTheDefault(t *testing.T) {
	if got := table(t).For(village); got.Compiled.level != 1 || got.Mode != policy.Ours || got.Version != 0 {
		t.Errorf("the default is %+v", got)
	}
}

func TestWhatIsSetIsActiveForThatBodyAlone(t *testing.T) {
	tab := table(t)
	base, over := doc(`{"level":2}`), doc(`{"level":3}`)
	base.Version, over.Version, over.Mode = 7, 9, policy.Off
	if problems := tab.Set(village, base, over); problems != nil {
		t.Fatal(problems)
	}
	if got := tab.For(village); got.Compiled.level != 3 || got.Version != 9 || got.Mode != policy.Off {
		t.Errorf("the village has %+v", got)
	}
	if got := tab.For(city); got.Compiled.level != 1 {
		t.Errorf("the city has %+v", got)
	}
	if problems := tab.Set(village, base, nil); problems != nil || tab.For(village).Version != 7 || tab.For(village).Compiled.level != 2 {
		t.Errorf("with the baseline alone the village has %+v, %v", tab.For(village), problems)
	}
}

func TestADocumentWithProblemsChangesNothing(t *testing.T) {
	tab := table(t)
	if problems := tab.Set(village, nil, doc(`{"level":3}`)); problems != nil {
		t.Fatal(problems)
	}
	other, newer, old := doc(`{}`), doc(`{}`), doc(`{}`)
	other.Service, newer.Schema, old.Schema = "dns", 3, 0
	for _, tt := range []struct {
		doc  *policy.Document
		want string
	}{
		{doc(`{"level":5}`), "/level: out_of_range 5 4"},
		{doc(`{"level":"x"}`), "/level: wrong_type \"int\""},
		{other, `/service: other_service "dns" "all"`},
		{newer, "/schema: unknown_schema 3 2"},
		{old, "/schema: unknown_schema 0 2"},
	} {
		problems := tab.Set(village, nil, tt.doc)
		if len(problems) != 1 || problems[0].String() != tt.want {
			t.Errorf("problems are %v, want %s", problems, tt.want)
		}
		if got := tab.For(village); got.Compiled.level != 3 {
			t.Errorf("after them the village has %+v", got)
		}
	}
}

func TestAForgottenBodyFallsBackToTheDefault(t *testing.T) {
	tab := table(t)
	for _, id := range []tenant.ID{village, city} {
		if problems := tab.Set(id, nil, doc(`{"level":3}`)); problems != nil {
			t.Fatal(problems)
		}
	}
	tab.Forget(func(id tenant.ID) bool { return id == city })
	if got := tab.For(village).Compiled.level; got != 1 {
		t.Errorf("the forgotten village has level %d", got)
	}
	if got := tab.For(city).Compiled.level; got != 3 {
		t.Errorf("the kept city has level %d", got)
	}
}

func TestADefaultThatDoesNotCompileIsNoTable(t *testing.T) {
	broken := *spec
	broken.Default.Level = 9
	if _, err := policy.NewTable(&broken); err == nil || !strings.Contains(err.Error(), "out_of_range") {
		t.Errorf("NewTable ends with %v", err)
	}
}

func TestReadersAndWritersDoNotMeet(t *testing.T) {
	tab := table(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if level := tab.For(village).Compiled.level; level < 1 || level > 4 {
					t.Errorf("a reader saw level %d", level)
					return
				}
			}
		})
	}
	var writers sync.WaitGroup
	for _, id := range []tenant.ID{village, city} {
		writers.Go(func() {
			for range 100 {
				tab.Set(id, nil, doc(`{"level":4}`))
				tab.Forget(func(other tenant.ID) bool { return other != id })
			}
		})
	}
	writers.Wait()
	close(stop)
	readers.Wait()
}

func TestForAllocatesNothing(t *testing.T) {
	tab := table(t)
	if problems := tab.Set(village, nil, doc(`{"level":3}`)); problems != nil {
		t.Fatal(problems)
	}
	if n := testing.AllocsPerRun(1000, func() {
		tab.For(village)
		tab.For(city)
	}); n != 0 {
		t.Errorf("For allocates %v times, want 0", n)
	}
}

func BenchmarkFor(b *testing.B) {
	tab := table(b)
	for _, id := range []tenant.ID{village, city, "998010", "990001"} {
		if problems := tab.Set(id, nil, doc(`{"level":3}`)); problems != nil {
			b.Fatal(problems)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if tab.For(village).Compiled.level != 3 {
			b.Fatal("another level")
		}
	}
}

func TestPlacesAreJSONPointers(t *testing.T) {
	for _, tt := range []struct {
		got  policy.Place
		want string
	}{
		{policy.At(), ""},
		{policy.At("sites", 2, "host"), "/sites/2/host"},
		{policy.At("a/b", "c~d", ""), "/a~1b/c~0d/"},
	} {
		if string(tt.got) != tt.want {
			t.Errorf("got %s, want %s", tt.got, tt.want)
		}
	}
	if got := (policy.Refusal{policy.At("a").Is("b"), policy.At("c").Is("d", func() {})}).Error(); got != "refused: /a: b; /c: d ?" {
		t.Errorf("a refusal reads %q", got)
	}
}
