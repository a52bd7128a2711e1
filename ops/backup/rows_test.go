package backup

import (
	"encoding/json"
	"strings"
	"testing"
)

// The second, slower opinion on a row is the JSON decoder's.
func FuzzRow(f *testing.F) {
	f.Add(`{"_time":"2026-11-22T00:00:00Z","tenant":"994413","event.id":"x"}`)
	f.Add(`{"a":"\"tenant\":\"992011","tenant":"994413"}`)
	f.Add(`{"x.tenant":"992011","tenant":"994413"}`)
	f.Fuzz(func(t *testing.T, text string) {
		var row map[string]string // flat, as the log store writes it
		if json.Unmarshal([]byte(text), &row) != nil {
			return
		}
		flat, err := json.Marshal(row) // without blanks and double keys
		if err != nil {
			t.Fatal(err)
		}
		for field, key := range map[string]string{"_time": timeKey, "tenant": tenantKey, "event.id": idKey} {
			want, there := row[field]
			if strings.ContainsAny(want, "\"\\<>&\u2028\u2029") || strings.ContainsFunc(want, func(r rune) bool { return r < 0x20 || r == 0xFFFD }) {
				continue // written with escapes
			}
			if got := rowValue(flat, key); got != want {
				t.Errorf("rowValue(%s, %s) = %q, want %q (there: %v)", flat, key, got, want, there)
			}
		}
	})
}
