package tenants

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// normal is t as it is stored: names in lower case without a final dot, IPv4
// ranges as IPv4, and no empty lists.
func normal(t tenant.Tenant) tenant.Tenant {
	lower := func(names []string) []string {
		var out []string
		for _, n := range names {
			out = append(out, strings.ToLower(strings.TrimSuffix(n, ".")))
		}
		return out
	}
	t.Hosts, t.MailDomains = lower(t.Hosts), lower(t.MailDomains)
	var sources []netip.Prefix
	for _, p := range t.Sources {
		sources = append(sources, unmap(p))
	}
	t.Sources = sources
	return t
}

// unmap turns an IPv4-mapped range (RFC 4291, 2.5.5.2) into the IPv4 one.
func unmap(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

const (
	maxName = 100   // characters of a body's name
	maxList = 10000 // entries of a list
)

// check finds what is wrong with t by itself.
func check(t tenant.Tenant) []policy.Problem {
	var wrong []policy.Problem
	say := func(p policy.Problem) { wrong = append(wrong, p) }
	if _, err := tenant.Parse(string(t.ID)); err != nil {
		say(policy.At("id").Is("not_a_code", string(t.ID)))
	}
	if _, err := tenant.Parse(string(t.Operator)); err != nil {
		say(policy.At("operator").Is("not_a_code", string(t.Operator)))
	}
	if strings.TrimSpace(t.Name) == "" {
		say(policy.At("name").Is("empty"))
	}
	for field, text := range map[string]string{
		"name": t.Name, "name_en": t.NameEN, "contact/section": t.Contact.Section, "contact/phone": t.Contact.Phone, "contact/mail": t.Contact.Mail,
	} {
		if utf8.RuneCountInString(text) > maxName || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
			say(policy.Place("/"+field).Is("not_a_text", maxName))
		}
	}
	switch t.Kind {
	case tenant.Prefecture, tenant.Municipality, tenant.Union, tenant.Board, tenant.Council, tenant.Private:
	default:
		say(policy.At("kind").Is("unknown_kind", string(t.Kind)))
	}
	if t.Staff < 0 {
		say(policy.At("staff").Is("negative", t.Staff))
	}
	if len(t.Hosts) > maxList || len(t.MailDomains) > maxList || len(t.Sources) > maxList {
		return append(wrong, policy.At("hosts").Is("too_many", maxList))
	}
	for i, h := range t.Hosts {
		if !validHost(h) || slices.Contains(t.Hosts[:i], h) {
			say(policy.At("hosts", i).Is("not_a_host", h))
		}
	}
	for i, m := range t.MailDomains {
		if !validHost(m) || slices.Contains(t.MailDomains[:i], m) {
			say(policy.At("mail_domains", i).Is("not_a_domain", m))
		}
	}
	for i, p := range t.Sources {
		switch {
		case !p.IsValid() || p.Bits() == 0:
			say(policy.At("sources", i).Is("not_a_range", p.String()))
		case p.Masked() != p:
			say(policy.At("sources", i).Is("not_a_network", p.String(), p.Masked().String()))
		case slices.Contains(t.Sources[:i], p):
			say(policy.At("sources", i).Is("twice", p.String()))
		}
	}
	slices.SortStableFunc(wrong, func(a, b policy.Problem) int { return strings.Compare(a.Path, b.Path) })
	return wrong
}

// validHost takes names of RFC 1123, 2.1, in ASCII (日本語.jp as xn--…), with at
// least two labels.
func validHost(h string) bool {
	if len(h) > 253 {
		return false
	}
	labels := strings.Split(h, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' {
			return false
		}
		for _, c := range []byte(l) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	_, err := netip.ParseAddr(h)
	return len(labels) >= 2 && err != nil
}

// conflicts lists what t claims and other owns; each problem names both.
func conflicts(t, other tenant.Tenant) []policy.Problem {
	var wrong []policy.Problem
	for i, h := range t.Hosts {
		if slices.Contains(other.Hosts, h) {
			wrong = append(wrong, policy.At("hosts", i).Is("taken", h, string(t.ID), string(other.ID)))
		}
	}
	for i, m := range t.MailDomains {
		if slices.Contains(other.MailDomains, m) {
			wrong = append(wrong, policy.At("mail_domains", i).Is("taken", m, string(t.ID), string(other.ID)))
		}
	}
	for i, p := range t.Sources {
		if slices.Contains(other.Sources, p) {
			wrong = append(wrong, policy.At("sources", i).Is("taken", p.String(), string(t.ID), string(other.ID)))
		}
	}
	return wrong
}
