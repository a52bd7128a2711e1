package portal

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	_ "modernc.org/sqlite" // to look at the store from outside

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/account"
	"github.com/sekikura/sekikura/portal/events"
	"github.com/sekikura/sekikura/portal/home"
	"github.com/sekikura/sekikura/role"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/logs/logstest"
	storepolicies "github.com/sekikura/sekikura/store/policies"
	storetenants "github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

// The bodies of the tests: a prefecture with a village and a city, and another
// prefecture that shares the installation.
const (
	sakura = tenant.ID("990001")
	wakaba = tenant.ID("994413")
	hanami = tenant.ID("992011")
	momiji = tenant.ID("x-momiji")
	kaede  = tenant.ID("x-kaede")
)

func bodies() []tenant.Tenant {
	return []tenant.Tenant{
		{ID: sakura, Operator: sakura, Name: "さくら県", Kind: tenant.Prefecture, Contact: tenant.Contact{Phone: "0000-00-0000"}},
		{ID: wakaba, Operator: sakura, Name: "若葉村", Kind: tenant.Municipality, Hosts: []string{"www.vill.wakaba.example"}},
		{ID: hanami, Operator: sakura, Name: "花見市", Kind: tenant.Municipality, Hosts: []string{"www.city.hanami.example"}},
		{ID: momiji, Operator: momiji, Name: "もみじ県", Kind: tenant.Prefecture},
		{ID: kaede, Operator: momiji, Name: "かえで町", Kind: tenant.Municipality},
	}
}

type wafPolicy struct {
	Action   string `json:"action"`
	Paranoia int    `json:"paranoia"`
}

func kinds() []policy.Kind {
	return []policy.Kind{&policy.Spec[wafPolicy, wafPolicy]{
		Name: "waf", Version: 1, Default: wafPolicy{Action: "block", Paranoia: 1},
		Compile: func(p wafPolicy) (*wafPolicy, []policy.Problem) {
			if p.Action != "block" && p.Action != "detect" {
				return nil, []policy.Problem{policy.At("action").Is("not_one_of", "block, detect")}
			}
			return &p, nil
		},
	}}
}

// world is a whole portal over a real store, with a log store in memory.
type world struct {
	t      *testing.T
	db     *store.DB
	file   string // of db
	server *Server
	http   *httptest.Server
	logs   *fakeLogs
	events *recorder
	jobs   *fakeJobs

	mu  sync.Mutex // guards now
	now time.Time
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) pass(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

// cheap keeps the tests' passwords from taking the machine's time.
var cheap = account.Cost{Time: 1, Memory: 64}

var setUp = store.Actor{Account: "system:test"}

func TestMain(m *testing.M) {
	logstest.Main() // this binary as a log store, when a test starts it as one
	os.Exit(m.Run())
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return newWorldOn(t, nil)
}

// newWorldOn makes a world that searches in a log store, the one in memory when
// it is nil.
func newWorldOn(t *testing.T, found events.Logs) *world {
	t.Helper()
	file := filepath.Join(t.TempDir(), "control.db")
	if err := os.WriteFile(file, template(t), 0o600); err != nil {
		t.Fatal(err)
	}
	return newWorldIn(t, store.Config{Path: file}, found)
}

// newWorldIn makes a world over a store that has the bodies.
func newWorldIn(t *testing.T, conf store.Config, found events.Logs) *world {
	t.Helper()
	w := &world{t: t, now: time.Now().UTC().Truncate(time.Second), logs: new(fakeLogs), events: new(recorder), jobs: new(fakeJobs)}
	conf.Now = w.clock
	w.file = conf.Path
	db := open(t, conf)
	w.db = db
	if found == nil {
		found = w.logs
	}
	directory := new(tenant.Directory)
	if _, err := (&storetenants.Register{DB: db}).Load(context.Background(), directory); err != nil {
		t.Fatal(err)
	}
	keys, err := account.NewSealer(bytes.Repeat([]byte{7}, 32))
	if err != nil {
		t.Fatal(err)
	}
	w.server = &Server{
		DB: db, Directory: directory, Keys: keys,
		Accounts:  &account.Accounts{DB: db, Directory: directory, Keys: keys, Now: w.clock, Cost: cheap},
		Documents: &storepolicies.Documents{DB: db, Kinds: kinds()},
		Logs:      found, Events: w.events, Log: slog.New(slog.DiscardHandler), Now: w.clock, Version: "test",
		Status: func() (role.Status, bool, error) {
			return role.Status{Groups: []role.GroupStatus{{Name: "edge", State: role.Ready, Since: w.clock()}}}, true, nil
		},
		Groups: map[string][]string{"edge": {"site"}, "logs": {"logs"}},
		Web:    fstest.MapFS{"index.html": {Data: []byte("<!doctype html>portal")}, "assets/app-1.js": {Data: []byte(strings.Repeat("go();", 200))}},
		Jobs:   w.jobs,
		LastBackup: func(context.Context) (home.Backup, error) {
			return home.Backup{Time: w.clock().Add(-time.Hour), OK: true}, nil
		},
	}
	w.http = httptest.NewTLSServer(w.server.Handler())
	t.Cleanup(w.http.Close)
	return w
}

func open(t *testing.T, conf store.Config) *store.DB {
	t.Helper()
	db, err := store.Open(context.Background(), conf, append(Schemas(), storepolicies.Schema)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

// register writes the bodies into a store.
func register(t *testing.T, db *store.DB) {
	t.Helper()
	for _, b := range bodies() {
		if _, err := (&storetenants.Register{DB: db}).Put(context.Background(), setUp, b, 0, "test"); err != nil {
			t.Fatal(err)
		}
	}
}

var prepared struct {
	once sync.Once
	file []byte
}

// template is a store with the bodies in it, made once: its migrations are most
// of the time that a world takes.
func template(t *testing.T) []byte {
	t.Helper()
	prepared.once.Do(func() {
		file := filepath.Join(t.TempDir(), "control.db")
		db, err := store.Open(context.Background(), store.Config{Path: file}, append(Schemas(), storepolicies.Schema)...)
		if err != nil {
			t.Fatal(err)
		}
		register(t, db)
		if err := db.Close(); err != nil { // folds the write-ahead log into the file
			t.Fatal(err)
		}
		if prepared.file, err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	})
	if prepared.file == nil {
		t.Fatal("the prepared store could not be made")
	}
	return prepared.file
}

// account adds an account with the password "password of LOGIN" that need not
// be changed.
func (w *world) account(id tenant.ID, login string, r access.Role) account.Account {
	w.t.Helper()
	ctx := context.Background()
	a := account.Account{Tenant: id, Login: login, Name: login, Role: r}
	if r == access.Vendor {
		a.Expires = w.clock().Add(24 * time.Hour)
	}
	if _, err := w.server.Accounts.Create(ctx, setUp, a); err != nil {
		w.t.Fatal(err)
	}
	if err := w.server.Accounts.SetPassword(ctx, setUp, id, login, passwordOf(login)); err != nil {
		w.t.Fatal(err)
	}
	a, err := w.server.Accounts.Get(ctx, id, login)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func passwordOf(login string) string { return "password of " + login }

// token adds an account and returns a token with all of its role's rights.
func (w *world) token(id tenant.ID, r access.Role) string {
	w.t.Helper()
	login := fmt.Sprintf("%s.%s", strings.ReplaceAll(string(r), "_", "-"), id)
	if _, err := w.server.Accounts.Get(context.Background(), id, login); err != nil {
		w.account(id, login, r)
	}
	_, text, err := w.server.Accounts.CreateToken(context.Background(), setUp, account.Token{
		Tenant: id, Login: login, Name: "test", Scopes: access.Scopes(r), Expires: w.clock().Add(time.Hour),
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return text
}

// call is one request to the API; "" of token sends none.
type call struct {
	method, path, token string
	body                string
	header              map[string]string
}

// answer is what came back.
type answer struct {
	status int
	body   string
	header http.Header
}

func (w *world) do(c call) answer {
	w.t.Helper()
	var body io.Reader
	if c.body != "" {
		body = strings.NewReader(c.body)
	}
	r, err := http.NewRequestWithContext(context.Background(), c.method, w.http.URL+"/api/v1"+c.path, body)
	if err != nil {
		w.t.Fatal(err)
	}
	if c.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	if c.token != "" {
		r.Header.Set("Authorization", "Bearer "+c.token)
	}
	for name, value := range c.header {
		r.Header.Set(name, value)
	}
	return w.send(w.http.Client(), r)
}

func (w *world) send(client *http.Client, r *http.Request) answer {
	w.t.Helper()
	got, err := client.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer got.Body.Close() //nolint:errcheck // only read
	text, err := io.ReadAll(got.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer{got.StatusCode, string(text), got.Header}
}

// problem is the code of an answer that is a problem, or "".
func (a answer) problem() string {
	var p struct {
		Code      string `json:"code"`
		Reference string `json:"reference"`
	}
	if json.Unmarshal([]byte(a.body), &p) != nil || p.Reference == "" {
		return ""
	}
	return p.Code
}

// entries are the paths and codes of a problem's errors, such as "/name required".
func (a answer) entries() []string {
	var p struct {
		Errors []struct{ Path, Code string } `json:"errors"`
	}
	if json.Unmarshal([]byte(a.body), &p) != nil {
		return nil
	}
	var all []string
	for _, e := range p.Errors {
		all = append(all, e.Path+" "+e.Code)
	}
	slices.Sort(all)
	return all
}

func into[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%v in the answer %d %s", err, a.status, a.body)
	}
	return v
}

// dump is everything that the store holds, table by table. What belongs to the
// job engine is left out: it keeps its own time.
func (w *world) dump() map[string]string {
	w.t.Helper()
	db, err := sql.Open("sqlite", "file:"+w.file+"?mode=ro")
	if err != nil {
		w.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	out := map[string]string{}
	for _, table := range column(w.t, db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'river%' AND name NOT LIKE 'sqlite_%'") {
		lines := tableOf(w.t, db, table)
		slices.Sort(lines)
		out[table] = strings.Join(lines, "\n")
	}
	if len(out) < 8 {
		w.t.Fatalf("a dump has only the tables %v", slices.Collect(maps.Keys(out)))
	}
	return out
}

func tableOf(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	names, err := rows.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fmt.Sprintf("%q", values))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return lines
}

func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	var all []string
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			t.Fatal(err)
		}
		all = append(all, s)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return all
}
