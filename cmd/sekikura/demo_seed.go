package main

import (
	"crypto/rand"
	"net/netip"

	"github.com/sekikura/sekikura/tenant"
)

// demoOperator is さくら県, which does not exist.
const demoOperator tenant.ID = "990001"

// stoppedHost is a site of the union whose origin does not answer, for showing
// what an outage looks like.
const stoppedHost = "stopped.www.union.sakura.example"

// nobody is an address where nothing listens.
const nobody = "http://127.0.0.1:1"

// demoSeed is what a demonstration starts with; the control role writes it into
// an empty or an older control store.
type demoSeed struct {
	Nonce    string // differs at every start
	Origin   string // where the sample site listens
	Operator tenant.Tenant
	Admin    demoAccount
	Others   []demoAccount // one for each further role
	Bodies   []demoBody
}

// demoAccount is one person with a password and an API token, which the control
// role makes.
type demoAccount struct {
	Login, Name, Section, Role string
	Tenant                     tenant.ID
	Password, Token            string
}

// demoBody is one body with its administrator and a member of staff.
type demoBody struct {
	Tenant tenant.Tenant
	Admin  demoAccount
	Staff  demoAccount
}

func (s *demoSeed) others() []demoAccount {
	all := append([]demoAccount(nil), s.Others...)
	for _, b := range s.Bodies {
		all = append(all, b.Staff)
	}
	return all
}

// accounts are all accounts of the demonstration.
func (s *demoSeed) accounts() []demoAccount {
	all := append([]demoAccount{s.Admin}, s.others()...)
	for _, b := range s.Bodies {
		all = append(all, b.Admin)
	}
	return all
}

// tenants are all bodies, the prefecture first.
func (s *demoSeed) tenants() []tenant.Tenant {
	all := []tenant.Tenant{s.Operator}
	for _, b := range s.Bodies {
		all = append(all, b.Tenant)
	}
	return all
}

// newDemoSeed invents the prefecture, with fresh passwords and tokens.
func newDemoSeed() *demoSeed {
	account := func(login, name, section, role string, of tenant.ID) demoAccount {
		return demoAccount{Login: login, Name: name, Section: section, Role: role, Tenant: of, Password: secret()}
	}
	return &demoSeed{
		Nonce: rand.Text(), Origin: "127.0.0.1:0",
		Operator: tenant.Tenant{
			ID: demoOperator, Operator: demoOperator, Name: "さくら県", NameEN: "Sakura Prefecture", Kind: tenant.Prefecture, Staff: 4200,
			Contact: tenant.Contact{Section: "県セキュリティセンター", Phone: "0120-000-000", Mail: "center@pref.sakura.example"},
		},
		Admin: account("pref-admin", "高橋 直人", "情報政策課", "operator", demoOperator),
		Others: []demoAccount{
			account("soc", "森 恵子", "SOC", "soc", demoOperator),
			account("auditor", "監査 太郎", "監査委員事務局", "auditor", demoOperator),
		},
		Bodies: []demoBody{
			{
				Tenant: tenant.Tenant{
					ID: "994413", Operator: demoOperator, Name: "若葉村", NameEN: "Wakaba Village", Kind: tenant.Municipality, Staff: 40,
					Sources: prefixes("127.10.0.0/16", "127.0.0.1/32"), Hosts: []string{"www.vill.wakaba.example"}, MailDomains: []string{"vill.wakaba.example"},
					Contact: tenant.Contact{Section: "総務課 情報係", Phone: "0000-00-1234", Mail: "joho@vill.wakaba.example"},
				},
				Admin: account("wakaba-admin", "佐藤 みのり", "総務課", "tenant_admin", "994413"),
				Staff: account("wakaba-staff", "木村 陽子", "住民課", "tenant_staff", "994413"),
			},
			{
				Tenant: tenant.Tenant{
					ID: "992011", Operator: demoOperator, Name: "花見市", NameEN: "Hanami City", Kind: tenant.Municipality, Staff: 5000,
					Sources: prefixes("127.11.0.0/16"), Hosts: []string{"www.city.hanami.example"}, MailDomains: []string{"city.hanami.example"},
					Contact: tenant.Contact{Section: "情報政策課", Phone: "0000-00-5678", Mail: "joho@city.hanami.example"},
				},
				Admin: account("hanami-admin", "田中 学", "情報政策課", "tenant_admin", "992011"),
				Staff: account("hanami-staff", "加藤 明", "市民課", "tenant_staff", "992011"),
			},
			{
				Tenant: tenant.Tenant{
					ID: "998010", Operator: demoOperator, Name: "さくら広域連合", NameEN: "Sakura Regional Union", Kind: tenant.Union, Staff: 120,
					Sources: prefixes("127.12.0.0/16"), Hosts: []string{"www.union.sakura.example", stoppedHost}, MailDomains: []string{"union.sakura.example"},
					Contact: tenant.Contact{Section: "総務課", Phone: "0000-00-9012", Mail: "soumu@union.sakura.example"},
				},
				Admin: account("union-admin", "鈴木 一郎", "総務課", "tenant_admin", "998010"),
				Staff: account("union-staff", "山本 花", "事業課", "tenant_staff", "998010"),
			},
		},
	}
}

// demoHosts are the sites that need certificates.
func demoHosts() []string {
	var hosts []string
	for _, b := range newDemoSeed().Bodies {
		hosts = append(hosts, b.Tenant.Hosts...)
	}
	return hosts
}

func prefixes(texts ...string) []netip.Prefix {
	out := make([]netip.Prefix, len(texts))
	for i, text := range texts {
		out[i] = netip.MustParsePrefix(text)
	}
	return out
}

// secret is a password that survives being read aloud.
func secret() string {
	text := rand.Text()
	return text[:5] + "-" + text[5:10] + "-" + text[10:15] + "-" + text[15:20]
}
