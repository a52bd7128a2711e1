// Package settings carries the tenant directory and all policies from the
// control store to the data planes.
//
// The control role serves one numbered [Set] over a unix socket; a data plane's
// [Client] waits there for a newer one, applies it, and keeps it on disk. When
// the control store is away a data plane goes on with the set it has, and a cold
// start begins from the one on disk.
package settings

import (
	"slices"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// Set is everything officials have decided, at one revision. It is immutable
// once made.
type Set struct {
	Revision int64           `json:"revision"` // grows with every change
	Tenants  []tenant.Tenant `json:"tenants"`
	Policies []Entry         `json:"policies,omitempty"`
}

// Entry is one layer of one body's policy for one service. A baseline stands
// under its operator.
type Entry struct {
	Tenant   tenant.ID       `json:"tenant"`
	Layer    policy.Layer    `json:"layer"`
	Document policy.Document `json:"document"`
}

// Layers returns the baseline and the override that hold for body t and service,
// nil where there is none.
func (s *Set) Layers(t tenant.Tenant, service string) (baseline, override *policy.Document) {
	for i := range s.Policies {
		e := &s.Policies[i]
		if e.Document.Service != service {
			continue
		}
		switch {
		case e.Layer == policy.Baseline && e.Tenant == t.Operator:
			baseline = &e.Document
		case e.Layer == policy.Override && e.Tenant == t.ID:
			override = &e.Document
		}
	}
	return baseline, override
}

// keeping returns s with the overrides that were refused replaced by those of
// the set before (nil for none), so that a cold start uses what is in force.
func (s *Set) keeping(before *Set, refused []Refusal) *Set {
	if len(refused) == 0 {
		return s
	}
	bad := make(map[tenant.ID]map[string]bool)
	for _, r := range refused {
		if bad[r.Tenant] == nil {
			bad[r.Tenant] = make(map[string]bool)
		}
		bad[r.Tenant][r.Service] = true
	}
	isBad := func(e Entry) bool { return e.Layer == policy.Override && bad[e.Tenant][e.Document.Service] }
	kept := &Set{Revision: s.Revision, Tenants: s.Tenants}
	kept.Policies = slices.DeleteFunc(slices.Clone(s.Policies), isBad)
	if before != nil {
		for _, e := range before.Policies {
			if isBad(e) {
				kept.Policies = append(kept.Policies, e)
			}
		}
	}
	return kept
}

// Refusal is one body whose policy for a service could not be used; the body
// keeps what it had.
type Refusal struct {
	Tenant   tenant.ID
	Service  string
	Problems []policy.Problem
}

// A Setter takes the layers of one body's policy. *policy.Table is one.
type Setter interface {
	Set(id tenant.ID, baseline, override *policy.Document) []policy.Problem
	Forget(keep func(tenant.ID) bool)
}

// Plane is what a data plane reads from a set: whose things are, and the
// policies of its services.
type Plane struct {
	Directory *tenant.Directory
	Services  map[string]Setter
}

// Apply makes set active. A directory that contradicts itself changes nothing
// and is an error; a body's unusable policy is a refusal, and the others go on.
func (p *Plane) Apply(set *Set) ([]Refusal, error) {
	if err := p.Directory.Replace(set.Tenants); err != nil {
		return nil, err
	}
	var refused []Refusal
	for name, setter := range p.Services {
		for _, t := range p.Directory.All() {
			baseline, override := set.Layers(t, name)
			if problems := setter.Set(t.ID, baseline, override); problems != nil {
				refused = append(refused, Refusal{t.ID, name, problems})
			}
		}
		setter.Forget(func(id tenant.ID) bool {
			_, known := p.Directory.Get(id)
			return known
		})
	}
	return refused, nil
}
