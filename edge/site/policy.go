package site

import (
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/idna"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// Policy is what a body decides about its published sites (公開Webサイト).
type Policy struct {
	Sites []Site `json:"sites"`
	// MaxConcurrent and MaxConcurrentPerSource bound the requests that are
	// answered at one time for the body, and for one client address (IPv6: /64) of it.
	MaxConcurrent          int `json:"max_concurrent"`
	MaxConcurrentPerSource int `json:"max_concurrent_per_source"`
}

// Site is one published host name. A field that is left out has the value in
// its comment.
type Site struct {
	Host          string `json:"host"`   // lower case, no port
	Origin        string `json:"origin"` // http or https, host and port, no path
	RedirectHTTPS bool   `json:"redirect_https,omitempty"`
	HSTSDays      int    `json:"hsts_days,omitempty"` // 0: no Strict-Transport-Security
	MaxBodyMB     int    `json:"max_body_mb,omitempty"`
	// OriginTimeoutS is how long the origin may take until its response head: 60.
	OriginTimeoutS int `json:"origin_timeout_s,omitempty"`
	// OriginCA is PEM certificates that sign an https origin's certificate, which
	// must name Host; empty: the system's roots.
	OriginCA string `json:"origin_ca,omitempty"`
	// LegacyPaths lets paths pass that are not UTF-8 (old Shift_JIS file names).
	LegacyPaths bool `json:"legacy_paths,omitempty"`
	// MinTLS is the lowest TLS version for the visitor: "1.2" (default) or "1.3".
	MinTLS string `json:"min_tls,omitempty"`
}

// What a Site has where its policy says nothing, and the bounds.
const (
	defaultBodyMB    = 32
	maxBodyMB        = 4096
	defaultTimeout   = 60 * time.Second
	maxTimeoutS      = 3600
	maxSites         = 200
	maxConcurrent    = 100_000
	maxHSTSDays      = 730
	maxOriginCABytes = 64 << 10
)

// Spec is the service's policy: by default a body publishes nothing.
var Spec = policy.Spec[Policy, Sites]{
	Name: "site", Version: 1,
	Default: Policy{Sites: []Site{}, MaxConcurrent: 512, MaxConcurrentPerSource: 128},
	Compile: Compile,
}

// Sites is a compiled Policy: immutable.
type Sites struct {
	byHost    map[string]*published
	total     int
	perSource int
}

// Hosts returns how many sites there are.
func (s *Sites) Hosts() int { return len(s.byHost) }

type published struct {
	host        string
	origin      *url.URL
	redirect    bool
	hsts        string // header value, or empty
	maxBody     int64
	timeout     time.Duration
	roots       *x509.CertPool // nil: the system's
	caText      string
	legacyPaths bool
	minTLS      uint16
}

// Compile is the only way from a Policy to Sites. Whether the hosts belong to
// the body is not its business: see [Owned], and the directory at run time.
func Compile(p Policy) (*Sites, []policy.Problem) {
	out := &Sites{byHost: make(map[string]*published, len(p.Sites)), total: p.MaxConcurrent, perSource: p.MaxConcurrentPerSource}
	var wrong []policy.Problem
	bounds := func(at policy.Place, v, low, high int) {
		if v < low || v > high {
			wrong = append(wrong, at.Is("out_of_range", v, low, high))
		}
	}
	bounds(policy.At("max_concurrent"), p.MaxConcurrent, 1, maxConcurrent)
	bounds(policy.At("max_concurrent_per_source"), p.MaxConcurrentPerSource, 1, maxConcurrent)
	if len(p.Sites) > maxSites {
		wrong = append(wrong, policy.At("sites").Is("too_many", len(p.Sites), maxSites))
		return nil, wrong
	}
	names := make(map[string]bool, len(p.Sites))
	for _, s := range p.Sites {
		names[strings.ToLower(s.Host)] = true
	}
	for i, s := range p.Sites {
		at := func(field string) policy.Place { return policy.At("sites", i, field) }
		site := &published{redirect: s.RedirectHTTPS, maxBody: defaultBodyMB << 20, timeout: defaultTimeout, caText: s.OriginCA, legacyPaths: s.LegacyPaths}
		host, ok := hostName(s.Host)
		switch {
		case !ok:
			wrong = append(wrong, at("host").Is("not_a_host", s.Host))
		case out.byHost[host] != nil:
			wrong = append(wrong, at("host").Is("twice", s.Host))
		}
		site.host = host
		var problem string
		if site.origin, problem = originURL(s.Origin); problem != "" {
			wrong = append(wrong, at("origin").Is(problem, s.Origin))
		} else if names[strings.ToLower(site.origin.Hostname())] {
			// The name leads visitors to us, so an origin of that name would too.
			wrong = append(wrong, at("origin").Is("origin_loops", s.Origin))
		}
		bounds(at("max_body_mb"), s.MaxBodyMB, 0, maxBodyMB)
		if s.MaxBodyMB > 0 {
			site.maxBody = int64(s.MaxBodyMB) << 20
		}
		bounds(at("origin_timeout_s"), s.OriginTimeoutS, 0, maxTimeoutS)
		if s.OriginTimeoutS > 0 {
			site.timeout = time.Duration(s.OriginTimeoutS) * time.Second
		}
		bounds(at("hsts_days"), s.HSTSDays, 0, maxHSTSDays)
		if s.HSTSDays > 0 {
			site.hsts = "max-age=" + strconv.Itoa(s.HSTSDays*24*60*60)
		}
		if s.OriginCA != "" {
			if site.roots = roots(s.OriginCA); site.roots == nil {
				wrong = append(wrong, at("origin_ca").Is("not_a_certificate"))
			}
		}
		switch s.MinTLS {
		case "", "1.2":
		case "1.3":
			site.minTLS = 0x0304
		default:
			wrong = append(wrong, at("min_tls").Is("unknown_choice", s.MinTLS, "1.2", "1.3"))
		}
		if ok {
			out.byHost[host] = site
		}
	}
	if wrong != nil {
		return nil, wrong
	}
	return out, nil
}

// Owned says which hosts of p body t does not publish according to the
// directory. Such a site compiles but is never served.
func Owned(p Policy, t tenant.Tenant) []policy.Problem {
	own := make(map[string]bool, len(t.Hosts))
	for _, h := range t.Hosts {
		own[strings.ToLower(strings.TrimSuffix(h, "."))] = true
	}
	var wrong []policy.Problem
	for i, s := range p.Sites {
		if h, ok := hostName(s.Host); ok && !own[h] {
			wrong = append(wrong, policy.At("sites", i, "host").Is("not_owned", s.Host))
		}
	}
	return wrong
}

// Loops says which origins of p, given as addresses, are our own listeners.
func Loops(p Policy, ours []netip.AddrPort) []policy.Problem {
	var wrong []policy.Problem
	for i, s := range p.Sites {
		u, problem := originURL(s.Origin)
		if problem != "" {
			continue // Compile says so
		}
		addr, err := netip.ParseAddr(u.Hostname())
		port, perr := strconv.ParseUint(originPort(u), 10, 16)
		if err != nil || perr != nil {
			continue
		}
		if isOurs(netip.AddrPortFrom(addr, uint16(port)), ours) {
			wrong = append(wrong, policy.At("sites", i, "origin").Is("origin_loops", s.Origin))
		}
	}
	return wrong
}

// isOurs tells whether a listener in ours answers on target.
func isOurs(target netip.AddrPort, ours []netip.AddrPort) bool {
	for _, o := range ours {
		if o.Port() != target.Port() {
			continue
		}
		if o.Addr().Unmap() == target.Addr().Unmap() || o.Addr().IsUnspecified() && target.Addr().IsLoopback() {
			return true
		}
	}
	return false
}

// hostName is a DNS name as we compare it. An IDN may be given in its own
// letters; an address is no host name.
func hostName(s string) (string, bool) {
	s = strings.ToLower(s)
	if _, err := netip.ParseAddr(s); err == nil {
		return "", false
	}
	name, err := idna.Lookup.ToASCII(s)
	if err != nil || len(name) > 253 || !strings.Contains(name, ".") {
		return "", false
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return "", false
			}
		}
	}
	return name, true
}

// originURL returns s as an origin, or the code of what is wrong with it.
func originURL(s string) (*url.URL, string) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Hostname() == "":
		return nil, "not_a_url"
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, "origin_scheme"
	case u.User != nil:
		return nil, "origin_userinfo"
	case u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.Fragment != "":
		return nil, "origin_path"
	}
	if p := u.Port(); p != "" {
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, "not_a_url"
		}
	}
	return &url.URL{Scheme: u.Scheme, Host: net.JoinHostPort(u.Hostname(), originPort(u))}, ""
}

func originPort(u *url.URL) string {
	switch {
	case u.Port() != "":
		return u.Port()
	case u.Scheme == "https":
		return "443"
	}
	return "80"
}

// roots is the pool of all certificates in text, or nil when one is none.
func roots(text string) *x509.CertPool {
	if len(text) > maxOriginCABytes {
		return nil
	}
	pool, rest, n := x509.NewCertPool(), []byte(text), 0
	for len(strings.TrimSpace(string(rest))) > 0 {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil || block.Type != "CERTIFICATE" {
			return nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil
		}
		pool.AddCert(cert)
		n++
	}
	if n == 0 {
		return nil
	}
	return pool
}
