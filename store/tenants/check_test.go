package tenants

import (
	"net/netip"
	"regexp"
	"strings"
	"testing"
)

// FuzzValidHost compares with a dumber reading of RFC 1123, 2.1.
func FuzzValidHost(f *testing.F) {
	for _, seed := range []string{"www.vill.wakaba.example", "xn--wgv71a.jp", "127.0.0.1", "a", "a..b", "-a.b", "a-.b", "*.b", "a.b.", "A.b", "1.2", "a_b.c", "::1", "1.2.3.4.5"} {
		f.Add(seed)
	}
	label := regexp.MustCompile(`\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\z`)
	f.Fuzz(func(t *testing.T, host string) {
		want := len(host) <= 253 && strings.Contains(host, ".")
		for l := range strings.SplitSeq(host, ".") {
			want = want && label.MatchString(l)
		}
		if _, err := netip.ParseAddr(host); err == nil {
			want = false
		}
		if got := validHost(host); got != want {
			t.Errorf("validHost(%q) = %v, want %v", host, got, want)
		}
	})
}
