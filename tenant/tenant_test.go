package tenant_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/sekikura/sekikura/tenant"
)

func TestRealCodesAreIDsAndTheirNeighboursAreNot(t *testing.T) {
	for _, code := range []string{
		"131016",                               // 千代田区
		"131041",                               // 新宿区
		"130001",                               // 東京都
		"010006",                               // 北海道
		"011002",                               // 札幌市
		"271004",                               // 大阪市
		"141003",                               // 横浜市
		"401307",                               // 福岡市
		"472018",                               // 那覇市
		"470007",                               // 沖縄県
		"232203",                               // 稲沢市
		"994413", "992011", "998010", "990001", // the demonstration's
	} {
		if id, err := tenant.Parse(code); err != nil || string(id) != code {
			t.Errorf("Parse(%s) = %q, %v", code, id, err)
		}
		for digit := byte('0'); digit <= '9'; digit++ {
			wrong := code[:5] + string(digit)
			if _, err := tenant.Parse(wrong); wrong != code && err == nil {
				t.Errorf("Parse(%s) is no error, but the check digit is %c", wrong, code[5])
			}
		}
	}
}

func TestSlugsAreIDs(t *testing.T) {
	for _, tt := range []struct {
		text string
		ok   bool
	}{
		{"x-a", true},
		{"x-sakura-kyougikai", true},
		{"x-" + strings.Repeat("a", 32), true},
		{"x-1", true},
		{"x-a--b", true},
		{"x-", false},
		{"x-" + strings.Repeat("a", 33), false},
		{"x--a", false},
		{"x-a-", false},
		{"x-A", false},
		{"x-a_b", false},
		{"x-若葉", false},
		{"X-a", false},
		{"x-a ", false},
		{"", false},
		{"13101", false},
		{"1310166", false},
		{"13101６", false},
		{"-31016", false},
		{" 131016", false},
		{"131016\n", false},
		{"13101a", false},
		{"*", false},
	} {
		if _, err := tenant.Parse(tt.text); (err == nil) != tt.ok {
			t.Errorf("Parse(%q): %v, want ok %v", tt.text, err, tt.ok)
		}
	}
}

func TestJSONCarriesOnlyValidIDs(t *testing.T) {
	var v struct {
		ID  tenant.ID
		Map map[tenant.ID]int
	}
	if err := json.Unmarshal([]byte(`{"ID":"131016","Map":{"x-a":1}}`), &v); err != nil || v.ID != "131016" || v.Map["x-a"] != 1 {
		t.Errorf("got %+v, %v", v, err)
	}
	if err := json.Unmarshal([]byte(`{"ID":""}`), &v); err != nil || v.ID != "" {
		t.Errorf("an absent ID became %q, %v", v.ID, err)
	}
	for _, bad := range []string{`{"ID":"131017"}`, `{"ID":131016}`, `{"Map":{"nobody":1}}`} {
		if err := json.Unmarshal([]byte(bad), &v); err == nil {
			t.Errorf("%s was read as %+v", bad, v)
		}
	}
}

// FuzzParse compares with a dumber reading of the rule.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{"131016", "131017", "x-a", "x--", "", "000000", "000019"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := tenant.Parse(s)
		want := dumb(s)
		if (err == nil) != want {
			t.Errorf("Parse(%q) is %v, the rule says %v", s, err, want)
		}
		if err == nil && string(id) != s {
			t.Errorf("Parse(%q) = %q", s, id)
		}
	})
}

func dumb(s string) bool {
	if len(s) > 2 && s[:2] == "x-" {
		slug := s[2:]
		return len(slug) <= 32 && strings.Trim(slug, "-") == slug && strings.Trim(slug, "abcdefghijklmnopqrstuvwxyz0123456789-") == "" &&
			!strings.ContainsFunc(slug, func(r rune) bool { return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", r) })
	}
	if len(s) != 6 {
		return false
	}
	var n [6]int
	for i := range 6 {
		n[i] = int(s[i]) - '0'
		if n[i] < 0 || n[i] > 9 {
			return false
		}
	}
	// 「(第1桁×6)+(第2桁×5)+(第3桁×4)+(第4桁×3)+(第5桁×2)」を11で除した剰余を
	// 11から差し引いた数の下1桁。積の和が11より小さいときは、11から積の和を引いた数の下1桁。
	sum := n[0]*6 + n[1]*5 + n[2]*4 + n[3]*3 + n[4]*2
	rest := sum
	if sum >= 11 {
		rest = sum % 11
	}
	text := []byte{byte('0' + (11-rest)%10)}
	return s[5] == text[0]
}
