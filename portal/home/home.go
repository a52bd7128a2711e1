// Package home answers the first page's two questions, 「いま安全か」 and
// 「次に何をするか」, from what is known and how old that knowledge is.
//
// "safe" is said only when every part that is built answers and is fresh. A part
// that cannot be seen makes the answer "unknown", never "safe"; a part that does
// not exist yet is named as such.
package home

import (
	"context"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/rest"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/policies"
	"github.com/sekikura/sekikura/tenant"
)

// Logs is the log store; *logs.Client is one.
type Logs interface {
	Search(ctx context.Context, scope logs.Scope, q logs.Query) (logs.Page, error)
}

// Backup is the newest backup, as far as the control role knows.
type Backup struct {
	Time time.Time
	OK   bool
}

// API serves the operations. Every field but LastBackup and Room must be set.
type API struct {
	Directory *tenant.Directory
	Accounts  *account.Accounts
	Documents *policies.Documents
	Logs      Logs
	// Status reads what the supervisor knows; alive is false when it has ended.
	Status func() (s role.Status, alive bool, err error)
	// Groups names the roles of each group that this program has; those that the
	// supervisor does not run are shown as absent.
	Groups map[string][]string
	// LastBackup is nil where no backups are configured; it answers the zero
	// Backup when there is none yet.
	LastBackup func(context.Context) (Backup, error)
	// Room measures what fills up; nil shows nothing.
	Room    func(context.Context) ([]Capacity, error)
	Version string
	Log     *slog.Logger
	Now     func() time.Time

	began firsts
}

func (a *API) home(ctx context.Context, _ *rest.Nothing) (*rest.Body[Home], error) {
	if access.From(ctx).Wide() {
		return a.operator(ctx)
	}
	return a.body(ctx)
}

// body is the first page of the roles of one body.
func (a *API) body(ctx context.Context) (*rest.Body[Home], error) {
	who := access.From(ctx)
	t := who.Tenant
	now := a.Now().UTC()
	h := Home{View: "tenant", CheckedAt: now, Contact: t.Contact}
	if op, ok := a.Directory.Get(t.Operator); ok && !t.IsOperator() {
		h.Contact = op.Contact // whom to call is above
	}
	web := a.web(ctx, t, now)
	h.Services = []Service{
		{ID: "internet", State: "not_built", TextCode: "not_built"},
		{ID: "mail", State: "not_built", TextCode: "not_built"},
		web,
		{ID: "endpoint", State: "not_built", TextCode: "not_built"},
		a.backup(ctx, now),
	}
	h.Answer, h.ReasonCode, h.Args = answer(h.Services)
	h.Todo = a.todo(ctx, who, now)
	h.Numbers = a.numbers(ctx, logs.Scope{Operator: t.Operator, Tenants: []tenant.ID{t.ID}}, string(t.ID), now)
	return &rest.Body[Home]{Body: h}, nil
}

// answer is the one line: the worst of what is built.
func answer(services []Service) (word, reason string, args []any) {
	built := false
	for _, state := range []string{"act", "unknown"} {
		for _, s := range services {
			built = built || s.State != "not_built"
			if s.State == state {
				return state, s.TextCode, s.Args
			}
		}
	}
	if !built {
		return "unknown", "nothing_built", nil
	}
	for _, s := range services {
		if s.State == "watch" {
			return "safe", s.TextCode, s.Args
		}
	}
	return "safe", "all_ok", nil
}

// judged is how far back a site's health is looked at.
const judged = 15 * time.Minute

// web judges the body's published sites.
func (a *API) web(ctx context.Context, t tenant.Tenant, now time.Time) Service {
	s := Service{ID: "web", State: "ok", TextCode: "web_ok", CheckedAt: now}
	if len(t.Hosts) == 0 {
		s.State, s.TextCode = "not_built", "web_no_sites"
		return s
	}
	if state := a.group("edge"); state != "up" {
		s.State, s.TextCode = "unknown", "web_edge_"+state
		return s
	}
	scope := logs.Scope{Operator: t.Operator, Tenants: []tenant.ID{t.ID}}
	recent, err := a.tally(ctx, scope, logs.Range{From: now.Add(-judged), To: now}, "tenant")
	if err != nil {
		a.Log.Warn("asking the log store for the home page", "tenant", t.ID, "error", err)
		s.State, s.TextCode = "unknown", "logs_unavailable"
		return s
	}
	day, err := a.tally(ctx, scope, logs.Range{From: now.Add(-24 * time.Hour), To: now}, "tenant")
	if err != nil {
		s.State, s.TextCode = "unknown", "logs_unavailable"
		return s
	}
	mode, action := a.waf(ctx, t.ID)
	r := recent[string(t.ID)]
	switch {
	case r.failed > 0 && r.served == 0:
		s.State, s.TextCode, s.Args = "act", "web_origin_down", []any{r.failed}
	case mode == "":
		s.State, s.TextCode = "unknown", "web_policy_unknown"
	case mode == policy.Off:
		s.State, s.TextCode = "watch", "web_off"
	case mode == policy.Other:
		s.State, s.TextCode = "watch", "web_other"
	case action == "detect":
		s.State, s.TextCode = "watch", "web_detect_only"
	case r.failed > 0:
		s.State, s.TextCode, s.Args = "watch", "web_origin_shaky", []any{r.failed}
	default:
		s.Args = []any{day[string(t.ID)].blocked}
	}
	return s
}

// waf is what a body decided about its web application firewall; both are ""
// where that cannot be read, or does not compile any more and the edge goes on
// with what it had.
func (a *API) waf(ctx context.Context, id tenant.ID) (policy.Mode, string) {
	effective, problems, err := a.Documents.Explain(ctx, id, "waf")
	if err != nil || problems != nil {
		a.Log.Warn("reading a policy for the home page", "tenant", id, "problems", problems, "error", err)
		return "", ""
	}
	var body struct {
		Action string `json:"action"`
	}
	if err := json.Unmarshal(effective.Body, &body); err != nil {
		return "", ""
	}
	return effective.Mode, body.Action
}

// A backup of a day is late when the next should have come.
const backupDue = 26 * time.Hour

func (a *API) backup(ctx context.Context, now time.Time) Service {
	s := Service{ID: "backup", State: "ok", TextCode: "backup_ok", CheckedAt: now}
	if a.LastBackup == nil {
		return Service{ID: "backup", State: "not_built", TextCode: "not_built"}
	}
	last, err := a.LastBackup(ctx)
	age := int64(now.Sub(last.Time) / time.Hour)
	switch {
	case err != nil:
		a.Log.Warn("asking for the newest backup", "error", err)
		s.State, s.TextCode = "unknown", "backup_unknown"
	case last.Time.IsZero():
		s.State, s.TextCode = "watch", "backup_none"
	case !last.OK:
		s.State, s.TextCode, s.Args = "watch", "backup_failed", []any{age}
	case now.Sub(last.Time) > backupDue:
		s.State, s.TextCode, s.Args = "watch", "backup_late", []any{age}
	default:
		s.Args = []any{age}
	}
	return s
}

// maxTodo is how many things the page names.
const maxTodo = 3

// todo is what the account has to do next, most urgent first.
func (a *API) todo(ctx context.Context, who *access.Identity, now time.Time) []Todo {
	list := []Todo{}
	if who.May(access.PolicyWrite) {
		pending, err := a.Documents.Unapproved(ctx, who.Tenant.ID)
		if err != nil {
			a.Log.Warn("asking for changes that wait for approval", "tenant", who.Tenant.ID, "error", err)
		}
		for _, p := range pending {
			if p.Document.Change.By == who.Login {
				continue // nobody approves their own; the prefecture's page has it
			}
			list = append(list, Todo{
				ID: "approve-" + p.Document.Service, Code: "approve_emergency", Args: []any{p.Document.Service, p.Document.Change.By},
				Minutes: 5, Due: p.Document.Change.ApproveBy, Href: "/bodies/" + string(who.Tenant.ID) + "/policies/" + p.Document.Service, VerbCode: "look",
			})
		}
	}
	if acc, err := a.Accounts.Get(ctx, who.Tenant.ID, who.Login); err == nil && !acc.TOTP {
		list = append(list, Todo{ID: "totp", Code: "set_up_totp", Minutes: 3, Href: "/account", VerbCode: "set_up"})
	}
	if who.May(access.UserWrite) {
		soon := now.Add(3 * 24 * time.Hour)
		all, err := a.Accounts.List(ctx, who.Tenant.ID, "", 1000)
		if err != nil {
			a.Log.Warn("asking for accounts that end soon", "tenant", who.Tenant.ID, "error", err)
		}
		for _, acc := range all {
			if !acc.Disabled && !acc.Expires.IsZero() && acc.Expires.After(now) && acc.Expires.Before(soon) {
				list = append(list, Todo{
					ID: "expiring-" + acc.Login, Code: "account_ends", Args: []any{acc.Name}, Minutes: 2, Due: acc.Expires,
					Href: "/bodies/" + string(who.Tenant.ID) + "/users/" + acc.Login, VerbCode: "look",
				})
			}
		}
	}
	slices.SortStableFunc(list, func(x, y Todo) int {
		switch {
		case x.Due.IsZero() == y.Due.IsZero():
			return x.Due.Compare(y.Due)
		case x.Due.IsZero():
			return 1
		}
		return -1
	})
	return list[:min(maxTodo, len(list))]
}

// operator is the first page of those who see every body.
func (a *API) operator(ctx context.Context) (*rest.Body[Home], error) {
	who := access.From(ctx)
	now := a.Now().UTC()
	h := Home{View: "operator", CheckedAt: now, Bodies: []BodyState{}, Clocks: []Clock{}, Contact: who.Tenant.Contact}
	scope := logs.Scope{Operator: who.Tenant.ID}
	under := slices.DeleteFunc(a.Directory.Under(who.Tenant.ID), func(t tenant.Tenant) bool { return !who.Reaches(t) })
	for _, t := range under {
		scope.Tenants = append(scope.Tenants, t.ID)
	}
	day, dayErr := a.tally(ctx, scope, logs.Range{From: now.Add(-24 * time.Hour), To: now}, "tenant")
	recent, err := a.tally(ctx, scope, logs.Range{From: now.Add(-judged), To: now}, "tenant")
	if dayErr != nil {
		err = dayErr
	}
	if err != nil {
		a.Log.Warn("asking the log store for the home page", "error", err)
	}
	edge := a.group("edge")
	for _, t := range under {
		b := BodyState{Tenant: t.ID, Name: t.Name, State: "ok", ReasonCode: "all_ok"}
		d, r := day[string(t.ID)], recent[string(t.ID)]
		b.Numbers = BodyNumbers{Requests: d.requests, Blocked: d.blocked}
		mode, action := a.waf(ctx, t.ID)
		switch {
		case len(t.Hosts) == 0:
			b.ReasonCode = "web_no_sites"
		case edge != "up":
			b.State, b.ReasonCode = "unknown", "web_edge_"+edge
		case err != nil:
			b.State, b.ReasonCode = "unknown", "logs_unavailable"
		case r.failed > 0 && r.served == 0:
			b.State, b.ReasonCode, b.Args = "act", "web_origin_down", []any{r.failed}
		case mode == "":
			b.State, b.ReasonCode = "unknown", "web_policy_unknown"
		case mode == policy.Off:
			b.State, b.ReasonCode = "watch", "web_off"
		case mode == policy.Other:
			b.State, b.ReasonCode = "watch", "web_other"
		case r.failed > 0:
			b.State, b.ReasonCode, b.Args = "watch", "web_origin_shaky", []any{r.failed}
		case action == "detect":
			b.State, b.ReasonCode = "watch", "web_detect_only"
		}
		h.Bodies = append(h.Bodies, b)
		h.Clocks = append(h.Clocks, a.clocks(ctx, t)...)
	}
	slices.SortFunc(h.Clocks, func(x, y Clock) int { return x.Due.Compare(y.Due) })
	h.Answer, h.ReasonCode, h.Args = worst(h.Bodies)
	h.Numbers = a.numbers(ctx, scope, "operator "+string(who.Tenant.ID), now)
	h.Parts = a.parts()
	if a.Room != nil {
		if h.Capacity, err = a.Room(ctx); err != nil {
			a.Log.Warn("measuring what fills up", "error", err)
		}
	}
	return &rest.Body[Home]{Body: h}, nil
}

// worst is the one line over all bodies, with how many are in that state.
func worst(bodies []BodyState) (word, reason string, args []any) {
	for _, state := range []string{"act", "unknown"} {
		n := 0
		for _, b := range bodies {
			if b.State == state {
				n++
			}
		}
		if n > 0 {
			return state, "bodies_" + state, []any{n}
		}
	}
	return "safe", "all_ok", nil
}

func (a *API) clocks(ctx context.Context, t tenant.Tenant) []Clock {
	pending, err := a.Documents.Unapproved(ctx, t.ID)
	if err != nil {
		a.Log.Warn("asking for changes that wait for approval", "tenant", t.ID, "error", err)
	}
	var clocks []Clock
	for _, p := range pending {
		clocks = append(clocks, Clock{
			ID: "approve-" + string(t.ID) + "-" + string(p.Layer) + "-" + p.Document.Service, Tenant: t.ID, Code: "approve_emergency",
			Due: p.Document.Change.ApproveBy, Href: "/bodies/" + string(t.ID) + "/policies/" + p.Document.Service,
		})
	}
	return clocks
}

func (a *API) status(context.Context, *rest.Nothing) (*rest.Body[Status], error) {
	s, _, err := a.Status()
	if err != nil {
		a.Log.Warn("reading the supervisor's status", "error", err)
	}
	out := Status{Parts: a.parts(), Absent: s.Absent(), Version: a.Version}
	return &rest.Body[Status]{Body: out}, nil
}

// parts are the role groups, those that do not run included.
func (a *API) parts() []Part {
	s, alive, err := a.Status()
	parts := []Part{}
	for _, g := range s.Groups {
		p := Part{Group: g.Name, Roles: a.Groups[g.Name], State: stateOf(g.State), Since: g.Since, Restarts: g.Restarts}
		switch {
		case err == nil && !alive:
			p.State, p.Reason = "down", "the supervisor has ended"
		case p.State == "down" || p.State == "starting":
			p.Reason = firstLine(g.LastExit)
		}
		if p.Roles == nil {
			p.Roles = []string{}
		}
		parts = append(parts, p)
	}
	for name, roles := range a.Groups {
		if _, runs := s.Group(name); !runs {
			parts = append(parts, Part{Group: name, Roles: roles, State: "absent"})
		}
	}
	slices.SortFunc(parts, func(x, y Part) int { return strings.Compare(x.Group, y.Group) })
	return parts
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// group is the state of one role group.
func (a *API) group(name string) string {
	for _, p := range a.parts() {
		if p.Group == name {
			return p.State
		}
	}
	return "absent"
}

func stateOf(s role.State) string {
	switch s {
	case role.Ready:
		return "up"
	case role.Waiting, role.Starting:
		return "starting"
	}
	return "down"
}
