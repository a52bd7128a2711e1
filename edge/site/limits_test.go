package site

import (
	"net/netip"
	"testing"
)

func TestASubscriberOfIPv6HasOneShareForAllItsAddresses(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"2001:db8:1:2::1", "2001:db8:1:2:ffff::9", true},
		{"2001:db8:1:2::1", "2001:db8:1:3::1", false},
		{"192.0.2.1", "192.0.2.2", false},
		{"192.0.2.1", "::ffff:192.0.2.1", true},
		{"fe80::1%eth0", "fe80::2%eth1", true},
	} {
		a, b := sourceOf(netip.MustParseAddr(tt.a)), sourceOf(netip.MustParseAddr(tt.b))
		if (a == b) != tt.same {
			t.Errorf("%s counts as %s and %s as %s; want the same: %v", tt.a, a, tt.b, b, tt.same)
		}
	}
	if got := sourceOf(netip.Addr{}); got == "" {
		t.Errorf("an unknown address has no share of its own")
	}
}
