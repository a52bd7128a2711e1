package event_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/event"
)

var noon = time.Date(2026, 11, 22, 3, 0, 0, 987654321, time.UTC)

func TestIDsMadeLaterSortLater(t *testing.T) {
	var ids []string
	for i := range 200 {
		ids = append(ids, event.NewID(noon.Add(time.Duration(i)*time.Millisecond)).String())
	}
	if !slices.IsSorted(ids) {
		t.Error("ids of rising milliseconds are not in order")
	}
}

func TestAnIDIsAUUIDVersion7ThatCarriesItsTime(t *testing.T) {
	seen := make(map[event.ID]bool)
	for range 1000 {
		id := event.NewID(noon)
		text := id.String()
		if len(text) != 36 || text[14] != '7' || !strings.ContainsRune("89ab", rune(text[19])) {
			t.Fatalf("%s is no UUID version 7", text)
		}
		if got := id.Time(); !got.Equal(noon.Truncate(time.Millisecond)) {
			t.Fatalf("%s carries %v, want %v", text, got, noon)
		}
		if seen[id] {
			t.Fatalf("%s was made twice", text)
		}
		seen[id] = true
		back, err := event.ParseID(text)
		if err != nil || back != id {
			t.Fatalf("ParseID(%s) = %v, %v", text, back, err)
		}
	}
	if !(event.ID{}).IsZero() || event.NewID(noon).IsZero() {
		t.Error("IsZero does not tell the zero ID from another")
	}
}

func TestATextThatIsNoIDIsRefused(t *testing.T) {
	good := event.NewID(noon).String()
	for _, bad := range []string{"", good[:35], good + "0", strings.ReplaceAll(good, "-", ""), strings.Replace(good, "-", "+", 1), "g" + good[1:], good[:35] + "-", "-" + good[1:], "{" + good[:34] + "}"} {
		if id, err := event.ParseID(bad); err == nil || !id.IsZero() {
			t.Errorf("ParseID(%q) = %v, %v", bad, id, err)
		}
	}
}

func FuzzParseID(f *testing.F) {
	f.Add(event.NewID(noon).String())
	f.Add("01234567-89ab-7cde-8f01-23456789ABCD")
	f.Fuzz(func(t *testing.T, s string) {
		if id, err := event.ParseID(s); err == nil && id.String() != strings.ToLower(s) {
			t.Errorf("ParseID(%q) is %s", s, id)
		}
	})
}

func TestAReferenceSurvivesTheTelephone(t *testing.T) {
	const clear = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
	if strings.ContainsAny(clear, "01IO") || len(clear) != 32 {
		t.Fatal("the test's own alphabet is wrong")
	}
	seen := make(map[string]bool)
	letters := make(map[rune]bool)
	for range 2000 {
		ref := event.NewID(noon).Reference("WB")
		if len(ref) != len("WB-7K2M-94QX") || !strings.HasPrefix(ref, "WB-") || ref[7] != '-' {
			t.Fatalf("reference %q is not of the form WB-7K2M-94QX", ref)
		}
		for _, c := range ref[3:7] + ref[8:] {
			if !strings.ContainsRune(clear, c) {
				t.Fatalf("reference %q has %q", ref, c)
			}
			letters[c] = true
		}
		if seen[ref] {
			t.Errorf("reference %s was given twice among 2000 of 2^40", ref)
		}
		seen[ref] = true
	}
	if len(letters) != 32 {
		t.Errorf("references use %d of 32 letters", len(letters))
	}
	id, err := event.ParseID("01234567-89ab-7cde-8f01-230000000000")
	if err != nil || id.Reference("ML") != "ML-2222-2222" {
		t.Errorf("the reference of no random bits is %s, %v", id.Reference("ML"), err)
	}
	id, err = event.ParseID("01234567-89ab-7cde-8f01-23ffffffffff")
	if err != nil || id.Reference("ML") != "ML-ZZZZ-ZZZZ" {
		t.Errorf("the reference of all random bits is %s, %v", id.Reference("ML"), err)
	}
}
