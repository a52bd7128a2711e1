package tenant_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura tenant.ID = "990001"
	wakaba tenant.ID = "994413"
	hanami tenant.ID = "992011"
)

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func bodies() []tenant.Tenant {
	return []tenant.Tenant{
		{ID: wakaba, Operator: sakura, Name: "若葉村", Sources: []netip.Prefix{prefix("127.10.0.0/16"), prefix("127.0.0.1/32"), prefix("2001:db8:a::/48")}, Hosts: []string{"www.vill.wakaba.example"}, MailDomains: []string{"vill.wakaba.example"}},
		{ID: sakura, Operator: sakura, Name: "さくら県", Sources: []netip.Prefix{prefix("127.0.0.0/8"), prefix("2001:db8::/32")}},
		{ID: hanami, Operator: sakura, Name: "花見市", Sources: []netip.Prefix{prefix("127.10.9.0/24"), prefix("::ffff:127.11.0.0/112")}, Hosts: []string{"WWW.City.Hanami.Example."}, MailDomains: []string{"City.Hanami.Example"}},
	}
}

func directory(t *testing.T) *tenant.Directory {
	t.Helper()
	d, err := tenant.NewDirectory(bodies()...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestTheLongestRangeOwnsAnAddress(t *testing.T) {
	d := directory(t)
	for _, tt := range []struct {
		addr string
		want tenant.ID
	}{
		{"127.10.0.5", wakaba},
		{"127.10.9.5", hanami},
		{"127.10.10.0", wakaba},
		{"127.0.0.1", wakaba},
		{"127.0.0.2", sakura},
		{"127.255.255.255", sakura},
		{"127.11.3.4", hanami}, // its range was written as IPv4-mapped
		{"::ffff:127.10.9.5", hanami},
		{"::ffff:127.0.0.2", sakura},
		{"2001:db8:a::1", wakaba},
		{"2001:db8:b::1", sakura},
		{"128.0.0.1", ""},
		{"::1", ""},
		{"2001:db9::1", ""},
		{"::127.10.0.5", ""},
	} {
		got, ok := d.BySource(netip.MustParseAddr(tt.addr))
		if got.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("BySource(%s) = %q, %v, want %q", tt.addr, got.ID, ok, tt.want)
		}
	}
	if got, ok := d.BySource(netip.Addr{}); ok {
		t.Errorf("no address is %s's", got.ID)
	}
	if got, ok := d.BySource(netip.MustParseAddr("fe80::1%eth0")); ok {
		t.Errorf("an address with a zone is %s's", got.ID)
	}
}

func TestNamesAreFoundWhateverTheirCase(t *testing.T) {
	d := directory(t)
	for _, tt := range []struct {
		host string
		want tenant.ID
	}{
		{"www.vill.wakaba.example", wakaba},
		{"WWW.VILL.wakaba.example.", wakaba},
		{"www.city.hanami.example", hanami},
		{"vill.wakaba.example", ""},
		{"a.www.vill.wakaba.example", ""},
		{"", ""},
		{".", ""},
		{"www.vill.wakaba.example..", ""},
	} {
		if got, ok := d.ByHost(tt.host); got.ID != tt.want || ok != (tt.want != "") {
			t.Errorf("ByHost(%q) = %q, %v, want %q", tt.host, got.ID, ok, tt.want)
		}
	}
	if got, ok := d.ByMailDomain("city.HANAMI.example"); !ok || got.ID != hanami {
		t.Errorf("the mail domain is %q's", got.ID)
	}
	if got, ok := d.ByMailDomain("www.vill.wakaba.example"); ok {
		t.Errorf("a host is %q's mail domain", got.ID)
	}
}

func TestADirectoryThatDoesNotHoldChangesNothing(t *testing.T) {
	change := func(i int, fn func(*tenant.Tenant)) []tenant.Tenant {
		b := bodies()
		fn(&b[i])
		return b
	}
	for _, tt := range []struct {
		what   string
		bodies []tenant.Tenant
		names  []string // what the error must name
	}{
		{"a host of two", change(2, func(b *tenant.Tenant) { b.Hosts = []string{"Www.Vill.Wakaba.example."} }), []string{string(wakaba), string(hanami), "www.vill.wakaba.example"}},
		{"a mail domain of two", change(2, func(b *tenant.Tenant) { b.MailDomains = []string{"VILL.wakaba.example"} }), []string{string(wakaba), string(hanami)}},
		{"a range of two", change(2, func(b *tenant.Tenant) { b.Sources = []netip.Prefix{prefix("127.10.77.0/16")} }), []string{string(wakaba), string(hanami), "127.10.0.0/16"}},
		{"a range of two, once IPv4-mapped", change(2, func(b *tenant.Tenant) { b.Sources = []netip.Prefix{prefix("::ffff:127.10.0.0/112")} }), []string{string(wakaba), string(hanami)}},
		{"no operator", bodies()[:1], []string{string(wakaba), string(sakura)}},
		{"an operator that is none", change(2, func(b *tenant.Tenant) { b.Operator = wakaba }), []string{string(hanami), string(wakaba)}},
		{"a body twice", append(bodies(), bodies()[0]), []string{string(wakaba)}},
		{"a wrong code", change(0, func(b *tenant.Tenant) { b.ID = "994414" }), []string{"994414"}},
		{"no range", change(0, func(b *tenant.Tenant) { b.Sources = []netip.Prefix{{}} }), []string{string(wakaba)}},
		{"an empty host", change(0, func(b *tenant.Tenant) { b.Hosts = []string{"."} }), []string{string(wakaba)}},
		{"an empty mail domain", change(0, func(b *tenant.Tenant) { b.MailDomains = []string{""} }), []string{string(wakaba)}},
	} {
		d := directory(t)
		err := d.Replace(tt.bodies)
		if err == nil {
			t.Errorf("a directory with %s was taken", tt.what)
			continue
		}
		for _, name := range tt.names {
			if !strings.Contains(err.Error(), name) {
				t.Errorf("%s: the error %q does not name %s", tt.what, err, name)
			}
		}
		if got, ok := d.ByHost("www.city.hanami.example"); !ok || got.ID != hanami || len(d.All()) != 3 {
			t.Errorf("%s: the directory is no longer what it was", tt.what)
		}
	}
}

func TestAnOperatorKnowsItsBodies(t *testing.T) {
	d := directory(t)
	var got []string
	for _, b := range d.Under(sakura) {
		got = append(got, string(b.ID))
	}
	if fmt.Sprint(got) != "[990001 992011 994413]" {
		t.Errorf("under the operator are %v", got)
	}
	if under := d.Under(wakaba); len(under) != 0 {
		t.Errorf("under a village are %v", under)
	}
	if b, ok := d.Get(sakura); !ok || !b.IsOperator() {
		t.Errorf("Get found %+v, %v", b, ok)
	}
	if _, ok := d.Get("131016"); ok {
		t.Error("Get found a body that is not there")
	}
}

func TestTheZeroDirectoryKnowsNobody(t *testing.T) {
	var d tenant.Directory
	if _, ok := d.Get(sakura); ok {
		t.Error("it knows a body")
	}
	if _, ok := d.ByHost("a"); ok {
		t.Error("it knows a host")
	}
	if _, ok := d.ByMailDomain("a"); ok {
		t.Error("it knows a mail domain")
	}
	if _, ok := d.BySource(netip.MustParseAddr("127.0.0.1")); ok {
		t.Error("it knows an address")
	}
	if d.All() != nil || d.Under(sakura) != nil {
		t.Error("it lists bodies")
	}
}

func TestReadersNeverSeeHalfOfAChange(t *testing.T) {
	d := directory(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if n := len(d.All()); n != 3 && n != 1 {
					t.Errorf("a reader saw %d bodies, want 3 or 1", n)
					return
				}
				if b, ok := d.BySource(netip.MustParseAddr("127.0.0.2")); !ok || b.ID != sakura {
					t.Errorf("a reader saw %q", b.ID)
					return
				}
			}
		})
	}
	for i := range 500 {
		next := bodies()
		if i%2 == 0 {
			next = next[1:2]
		}
		if err := d.Replace(next); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	readers.Wait()
}

func BenchmarkBySource(b *testing.B) {
	var all []tenant.Tenant
	all = append(all, tenant.Tenant{ID: sakura, Operator: sakura})
	for i := range 200 {
		all = append(all, tenant.Tenant{ID: tenant.ID(fmt.Sprintf("x-body%d", i)), Operator: sakura, Sources: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i), 0, 0}), 16)}})
	}
	d, err := tenant.NewDirectory(all...)
	if err != nil {
		b.Fatal(err)
	}
	addr := netip.MustParseAddr("10.199.3.4")
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := d.BySource(addr); !ok {
			b.Fatal("nobody's")
		}
	}
}
