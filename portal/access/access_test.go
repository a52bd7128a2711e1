package access

import (
	"slices"
	"testing"

	"github.com/sekikura/sekikura/tenant"
)

func TestEveryScopeIsGivenAndNoRoleHasOneTwice(t *testing.T) {
	given := map[Scope]bool{}
	for _, r := range Roles() {
		scopes := Scopes(r)
		if !slices.Contains(scopes, SessionOwn) || !slices.Contains(scopes, HomeRead) {
			t.Errorf("%s cannot log in and see its first page: %v", r, scopes)
		}
		for i, s := range scopes {
			given[s] = true
			if slices.Contains(scopes[:i], s) {
				t.Errorf("%s has %s twice", r, s)
			}
		}
	}
	for _, s := range Scopes(Operator) {
		delete(given, s)
	}
	if len(given) > 0 {
		t.Errorf("others may do what the operator may not: %v", given)
	}
	if Scopes("root") != nil || Role("root").Valid() {
		t.Error("a role that does not exist has rights")
	}
}

func TestAuditorsAndVendorsWriteNothing(t *testing.T) {
	for _, r := range []Role{Auditor, Vendor, TenantStaff} {
		for _, s := range []Scope{TenantWrite, UserWrite, PolicyWrite, PolicyBaseline, BackupRun} {
			if slices.Contains(Scopes(r), s) {
				t.Errorf("%s has %s", r, s)
			}
		}
	}
}

func TestReachEndsAtTheBodyOrAtTheOperator(t *testing.T) {
	sakura, wakaba := tenant.Tenant{ID: "990001", Operator: "990001"}, tenant.Tenant{ID: "994413", Operator: "990001"}
	hanami, momiji := tenant.Tenant{ID: "992011", Operator: "990001"}, tenant.Tenant{ID: "x-momiji", Operator: "x-momiji"}
	for _, tt := range []struct {
		role Role
		of   tenant.Tenant
		to   []tenant.Tenant
	}{
		{Operator, sakura, []tenant.Tenant{sakura, wakaba, hanami}},
		{SOC, sakura, []tenant.Tenant{sakura, wakaba, hanami}},
		{Auditor, sakura, []tenant.Tenant{sakura, wakaba, hanami}},
		{Vendor, sakura, []tenant.Tenant{sakura, wakaba, hanami}},
		{TenantAdmin, sakura, []tenant.Tenant{sakura}},
		{TenantStaff, sakura, []tenant.Tenant{sakura}},
		{TenantAdmin, wakaba, []tenant.Tenant{wakaba}},
		{Auditor, wakaba, []tenant.Tenant{wakaba}},
		{Operator, wakaba, []tenant.Tenant{wakaba}}, // cannot be made, and would gain nothing
	} {
		who := Identity{Role: tt.role, Tenant: tt.of}
		for _, t2 := range []tenant.Tenant{sakura, wakaba, hanami, momiji} {
			want := slices.ContainsFunc(tt.to, func(x tenant.Tenant) bool { return x.ID == t2.ID })
			if got := who.Reaches(t2); got != want {
				t.Errorf("%s of %s reaches %s: %v, want %v", tt.role, tt.of.ID, t2.ID, got, want)
			}
		}
	}
}

func TestABodysAdministratorSeesSixRoomsAtMost(t *testing.T) {
	for _, r := range Roles() {
		if rooms := Rooms(r, false); !r.ForOperator() && len(rooms) > 6 || rooms[0] != "home" {
			t.Errorf("%s sees %v", r, rooms)
		}
	}
}
