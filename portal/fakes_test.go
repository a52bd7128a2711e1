package portal

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/portal/backups"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// recorder keeps the events that the portal emits.
type recorder struct {
	mu  sync.Mutex // guards all
	all []event.Event
}

func (r *recorder) Emit(_ context.Context, e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, e)
}

func (r *recorder) names(id tenant.ID) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var names []string
	for _, e := range r.all {
		if e.Tenant == id {
			names = append(names, e.Name)
		}
	}
	return names
}

// fakeLogs keeps events in memory. It knows scopes and periods, and of queries
// only what the tests ask; the engine itself is tested in store/logs.
type fakeLogs struct {
	mu     sync.Mutex // guards all below
	rows   []logs.Row
	asked  []logs.Query
	scopes []logs.Scope
	err    error
}

func (f *fakeLogs) add(id tenant.ID, at time.Time, action string, fields map[string]string) event.ID {
	f.mu.Lock()
	defer f.mu.Unlock()
	eid := event.NewID(at)
	row := logs.Row{"_time": at.UTC().Format(time.RFC3339Nano), "event.id": eid.String(), "tenant": string(id), "service": "waf", "event.action": action}
	maps.Copy(row, fields)
	f.rows = append(f.rows, row)
	return eid
}

func (f *fakeLogs) in(scope logs.Scope, r logs.Range) []logs.Row {
	var found []logs.Row
	for _, row := range f.rows {
		at, err := time.Parse(time.RFC3339Nano, row["_time"])
		if err != nil {
			panic(err)
		}
		if slices.Contains(scope.Tenants, tenant.ID(row["tenant"])) && !at.Before(r.From) && (r.To.IsZero() || at.Before(r.To)) {
			found = append(found, maps.Clone(row))
		}
	}
	slices.Reverse(found)
	return found
}

func (f *fakeLogs) Search(_ context.Context, scope logs.Scope, q logs.Query) (logs.Page, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked, f.scopes = append(f.asked, q), append(f.scopes, scope)
	if f.err != nil {
		return logs.Page{}, f.err
	}
	found := f.in(scope, q.Range)
	switch {
	case strings.Contains(q.Text, `"event.reference":=`):
		found = slices.DeleteFunc(found, func(r logs.Row) bool { return !strings.HasSuffix(q.Text, `"`+r["event.reference"]+`"`) })
	case strings.Contains(q.Text, "stats min(_time)"):
		if len(found) == 0 {
			return logs.Page{}, nil
		}
		return logs.Page{Rows: []logs.Row{{"first": found[len(found)-1]["_time"]}}}, nil
	case strings.Contains(q.Text, "| stats by ("):
		return logs.Page{Rows: grouped(found, q.Text)}, nil
	case strings.Contains(q.Text, "| stats count() hits"):
		return logs.Page{Rows: []logs.Row{{"hits": fmt.Sprint(len(found))}}}, nil
	}
	from := 0
	if q.Cursor != "" {
		if _, err := fmt.Sscanf(q.Cursor, "at%d", &from); err != nil {
			return logs.Page{}, logs.ErrCursor
		}
	}
	page := logs.Page{Rows: found[min(from, len(found)):]}
	if len(page.Rows) > q.Limit {
		page.Rows, page.Next = page.Rows[:q.Limit], fmt.Sprintf("at%d", from+q.Limit)
	}
	return page, nil
}

// grouped answers "| stats by ("a", "b") count() hits".
func grouped(rows []logs.Row, text string) []logs.Row {
	_, list, _ := strings.Cut(text, "stats by (")
	list, _, _ = strings.Cut(list, ")")
	var fields []string
	for name := range strings.SplitSeq(list, ",") {
		fields = append(fields, strings.Trim(name, ` "`))
	}
	counts, sample := map[string]int{}, map[string]logs.Row{}
	for _, row := range rows {
		key, out := "", logs.Row{"newest": row["_time"]}
		for _, name := range fields {
			key += "\x00" + row[name]
			out[name] = row[name]
		}
		counts[key]++
		if sample[key] == nil {
			sample[key] = out
		}
	}
	var all []logs.Row
	for _, key := range slices.Sorted(maps.Keys(counts)) {
		sample[key]["hits"] = fmt.Sprint(counts[key])
		all = append(all, sample[key])
	}
	return all
}

func (f *fakeLogs) Histogram(_ context.Context, scope logs.Scope, _ string, r logs.Range, step time.Duration, _ ...string) ([]logs.Series, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.scopes = append(f.scopes, scope)
	if f.err != nil {
		return nil, f.err
	}
	var all []logs.Series
	for _, row := range f.in(scope, r) {
		at, err := time.Parse(time.RFC3339Nano, row["_time"])
		if err != nil {
			return nil, err
		}
		s := int64(step / time.Second)
		all = append(all, logs.Series{
			Fields: map[string]string{"event.outcome": row["event.outcome"]}, Total: 1,
			Buckets: []logs.Bucket{{Time: time.Unix(at.Unix()-at.Unix()%s, 0), Count: 1}},
		})
	}
	return all, nil
}

func (f *fakeLogs) ByID(_ context.Context, scope logs.Scope, id event.ID) (logs.Row, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	for _, row := range f.in(scope, logs.Range{}) {
		if row["event.id"] == id.String() {
			return row, nil
		}
	}
	return nil, logs.ErrNone
}

// fakeJobs knows one job.
type fakeJobs struct {
	mu      sync.Mutex // guards started
	started []string
}

func (f *fakeJobs) List(context.Context) ([]backups.Backup, *backups.Drill, error) {
	return []backups.Backup{{ID: "b1", OK: true}}, nil, nil
}

func (f *fakeJobs) Start(_ context.Context, _ *store.Tx, kind string) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started = append(f.started, kind)
	return "job1", nil
}

func (f *fakeJobs) Job(_ context.Context, id string) (backups.Job, error) {
	if id != "job1" {
		return backups.Job{}, backups.ErrNone
	}
	return backups.Job{ID: id, State: "done", Progress: 1}, nil
}
