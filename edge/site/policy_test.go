package site

import (
	"encoding/json"
	"net/netip"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

func TestProblemsNameTheEntryThatIsWrong(t *testing.T) {
	for _, tt := range []struct{ body, path, code string }{
		{`{"sites":[{"host":"","origin":"http://o.example"}]}`, "/sites/0/host", "not_a_host"},
		{`{"sites":[{"host":"192.0.2.1","origin":"http://o.example"}]}`, "/sites/0/host", "not_a_host"},
		{`{"sites":[{"host":"localhost","origin":"http://o.example"}]}`, "/sites/0/host", "not_a_host"},
		{`{"sites":[{"host":"a.example:443","origin":"http://o.example"}]}`, "/sites/0/host", "not_a_host"},
		{`{"sites":[{"host":"a..example","origin":"http://o.example"}]}`, "/sites/0/host", "not_a_host"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example"},{"host":"A.example","origin":"http://o.example"}]}`, "/sites/1/host", "twice"},
		{`{"sites":[{"host":"a.example","origin":"o.example"}]}`, "/sites/0/origin", "not_a_url"},
		{`{"sites":[{"host":"a.example","origin":"ftp://o.example"}]}`, "/sites/0/origin", "origin_scheme"},
		{`{"sites":[{"host":"a.example","origin":"http://u:p@o.example"}]}`, "/sites/0/origin", "origin_userinfo"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example/x"}]}`, "/sites/0/origin", "origin_path"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example:99999"}]}`, "/sites/0/origin", "not_a_url"},
		{`{"sites":[{"host":"a.example","origin":"http://A.example:8080"}]}`, "/sites/0/origin", "origin_loops"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example","max_body_mb":-1}]}`, "/sites/0/max_body_mb", "out_of_range"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example","origin_timeout_s":99999}]}`, "/sites/0/origin_timeout_s", "out_of_range"},
		{`{"sites":[{"host":"a.example","origin":"http://o.example","hsts_days":99999}]}`, "/sites/0/hsts_days", "out_of_range"},
		{`{"sites":[{"host":"a.example","origin":"https://o.example","origin_ca":"-----BEGIN"}]}`, "/sites/0/origin_ca", "not_a_certificate"},
		{`{"sites":[{"host":"a.example","origin":"https://o.example","min_tls":"1.0"}]}`, "/sites/0/min_tls", "unknown_choice"},
		{`{"max_concurrent":0}`, "/max_concurrent", "out_of_range"},
		{`{"sites":[{"hosts":"a.example"}]}`, "/sites/0/hosts", "unknown_field"},
	} {
		_, problems := Spec.Explain(nil, &policy.Document{Service: "site", Schema: 1, Body: json.RawMessage(tt.body)})
		found := false
		for _, p := range problems {
			found = found || p.Path == tt.path && p.Code == tt.code
		}
		if !found {
			t.Errorf("%s: problems %v, want %s: %s", tt.body, problems, tt.path, tt.code)
		}
	}
	good := Policy{Sites: []Site{{Host: "日本語.example", Origin: "https://o.example"}}, MaxConcurrent: 1, MaxConcurrentPerSource: 1}
	sites, problems := Compile(good)
	if problems != nil || sites.byHost["xn--wgv71a119e.example"] == nil {
		t.Errorf("an IDN compiles to %v, %v", sites, problems)
	}
	if got := sites.byHost["xn--wgv71a119e.example"].origin.Host; got != "o.example:443" {
		t.Errorf("its origin is %s", got)
	}
}

func TestHostsOfOthersAndOurOwnListenersAreNamed(t *testing.T) {
	p := Policy{Sites: []Site{{Host: "www.a.example", Origin: "http://127.0.0.1:8080"}, {Host: "www.b.example", Origin: "http://192.0.2.1:8080"}}}
	if got := Owned(p, tenant.Tenant{Hosts: []string{"WWW.a.example."}}); len(got) != 1 || got[0].Path != "/sites/1/host" || got[0].Code != "not_owned" {
		t.Errorf("Owned = %v", got)
	}
	for ours, want := range map[string]int{"0.0.0.0:8080": 1, "127.0.0.1:8080": 1, "[::]:8080": 1, "127.0.0.1:8081": 0, "192.0.2.1:8080": 1} {
		if got := Loops(p, []netip.AddrPort{netip.MustParseAddrPort(ours)}); len(got) != want {
			t.Errorf("with a listener on %s: %v, want %d problem", ours, got, want)
		}
	}
}

func FuzzPolicyTexts(f *testing.F) {
	f.Add("www.a.example", "http://o.example:80")
	f.Add("日本語.example", "https://[::1]/")
	f.Fuzz(func(t *testing.T, host, origin string) {
		name, ok := hostName(host)
		if again, fine := hostName(name); ok && (!fine || again != name) {
			t.Errorf("host %q is %q, and that is %q", host, name, again)
		}
		if u, problem := originURL(origin); problem == "" {
			if again, p := originURL(u.String()); p != "" || again.String() != u.String() {
				t.Errorf("origin %q is %s, and that is %v %s", origin, u, again, p)
			}
		}
	})
}
