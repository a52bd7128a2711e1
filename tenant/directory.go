package tenant

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
)

// Directory answers whose something is. Its zero value knows nobody. Replace
// swaps all of it at once; readers never wait and never see half of a change.
type Directory struct {
	snap atomic.Pointer[snapshot]
}

type snapshot struct {
	all     []Tenant // by ID
	byID    map[ID]int
	hosts   map[string]int
	mail    map[string]int
	sources map[netip.Prefix]int
	// lengths are those of the prefixes in sources, longest first: of IPv4 and of
	// IPv6. There are few, so that a lookup does not grow with the ranges.
	lengths4, lengths6 []int
}

// NewDirectory returns a directory of the given bodies, or what is wrong with them.
func NewDirectory(bodies ...Tenant) (*Directory, error) {
	d := new(Directory)
	if err := d.Replace(bodies); err != nil {
		return nil, err
	}
	return d, nil
}

// Replace makes bodies the directory's whole content. When two bodies claim the
// same host, domain or source range, or an operator is missing, nothing changes
// and the error names both.
func (d *Directory) Replace(bodies []Tenant) error {
	s := &snapshot{
		all:   slices.Clone(bodies),
		byID:  make(map[ID]int, len(bodies)),
		hosts: make(map[string]int), mail: make(map[string]int), sources: make(map[netip.Prefix]int),
	}
	slices.SortFunc(s.all, func(a, b Tenant) int { return strings.Compare(string(a.ID), string(b.ID)) })
	for i, t := range s.all {
		if _, err := Parse(string(t.ID)); err != nil {
			return err
		}
		if _, twice := s.byID[t.ID]; twice {
			return fmt.Errorf("body %s stands twice in the directory", t.ID)
		}
		s.byID[t.ID] = i
	}
	for i, t := range s.all {
		if o, ok := s.byID[t.Operator]; !ok || s.all[o].Operator != t.Operator {
			return fmt.Errorf("body %s: its operator %q is not an operator of this installation", t.ID, t.Operator)
		}
		for _, h := range t.Hosts {
			h = canonicalHost(h)
			if h == "" {
				return fmt.Errorf("body %s: a host has no name", t.ID)
			}
			if err := claim(s, s.hosts, "host", h, i); err != nil {
				return err
			}
		}
		for _, m := range t.MailDomains {
			m = canonicalHost(m)
			if m == "" {
				return fmt.Errorf("body %s: a mail domain has no name", t.ID)
			}
			if err := claim(s, s.mail, "mail domain", m, i); err != nil {
				return err
			}
		}
		for _, p := range t.Sources {
			if !p.IsValid() {
				return fmt.Errorf("body %s: a source range is not an address range", t.ID)
			}
			p = canonicalPrefix(p)
			if err := claim(s, s.sources, "source range", p, i); err != nil {
				return err
			}
			lengths := &s.lengths6
			if p.Addr().Is4() {
				lengths = &s.lengths4
			}
			if !slices.Contains(*lengths, p.Bits()) {
				*lengths = append(*lengths, p.Bits())
			}
		}
	}
	for _, lengths := range [][]int{s.lengths4, s.lengths6} {
		slices.SortFunc(lengths, func(a, b int) int { return b - a })
	}
	d.snap.Store(s)
	return nil
}

func claim[K comparable](s *snapshot, owners map[K]int, what string, key K, owner int) error {
	if other, taken := owners[key]; taken && other != owner {
		return fmt.Errorf("%s %v is claimed by both %s and %s", what, key, s.all[other].ID, s.all[owner].ID)
	}
	owners[key] = owner
	return nil
}

// canonicalHost is h as the directory compares it.
func canonicalHost(h string) string { return strings.ToLower(strings.TrimSuffix(h, ".")) }

// canonicalPrefix is p as the directory compares it: without host bits, and an
// IPv4-mapped range (RFC 4291, 2.5.5.2) as the IPv4 one, since BySource unmaps
// addresses too.
func canonicalPrefix(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Get returns the body with this ID.
func (d *Directory) Get(id ID) (Tenant, bool) {
	s := d.snap.Load()
	if s == nil {
		return Tenant{}, false
	}
	return at(s, s.byID, id)
}

// ByHost returns the body that publishes host (a name without port; case and a
// final dot do not matter).
func (d *Directory) ByHost(host string) (Tenant, bool) {
	s := d.snap.Load()
	if s == nil {
		return Tenant{}, false
	}
	return at(s, s.hosts, canonicalHost(host))
}

// ByMailDomain returns the body that receives mail for domain.
func (d *Directory) ByMailDomain(domain string) (Tenant, bool) {
	s := d.snap.Load()
	if s == nil {
		return Tenant{}, false
	}
	return at(s, s.mail, canonicalHost(domain))
}

// BySource returns the body whose range holds addr; the longest prefix wins.
func (d *Directory) BySource(addr netip.Addr) (Tenant, bool) {
	s := d.snap.Load()
	if s == nil {
		return Tenant{}, false
	}
	addr = addr.Unmap()
	lengths := s.lengths6
	if addr.Is4() {
		lengths = s.lengths4
	}
	for _, bits := range lengths {
		p, err := addr.Prefix(bits)
		if err != nil || addr.Zone() != "" {
			break // the zero Addr, or one that means something on this machine only
		}
		if owner, ok := s.sources[p]; ok {
			return s.all[owner], true
		}
	}
	return Tenant{}, false
}

// All returns every body in the order of their codes. The caller must not change it.
func (d *Directory) All() []Tenant {
	if s := d.snap.Load(); s != nil {
		return s.all
	}
	return nil
}

// Under returns the bodies of one operator, itself included, in the order of
// their codes.
func (d *Directory) Under(operator ID) []Tenant {
	var under []Tenant
	for _, t := range d.All() {
		if t.Operator == operator {
			under = append(under, t)
		}
	}
	return under
}

func at[K comparable](s *snapshot, index map[K]int, key K) (Tenant, bool) {
	i, ok := index[key]
	if !ok {
		return Tenant{}, false
	}
	return s.all[i], true
}
