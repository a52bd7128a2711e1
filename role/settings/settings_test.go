package settings

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// desk is a control role whose set the test changes.
type desk struct {
	mu      sync.Mutex
	set     *Set
	err     error
	changed chan struct{}
}

func newDesk(set *Set) *desk { return &desk{set: set, changed: make(chan struct{})} }

func (d *desk) put(set *Set, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.set, d.err = set, err
	close(d.changed)
	d.changed = make(chan struct{})
}

func (d *desk) Snapshot(context.Context) (*Set, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.set, d.err
}

func (d *desk) Wait(ctx context.Context, have int64) error {
	for {
		d.mu.Lock()
		revision, err, changed := d.set.Revision, d.err, d.changed
		d.mu.Unlock()
		if err != nil {
			return err
		}
		if revision != have {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-changed:
		}
	}
}

func serve(t *testing.T, source Source) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sk") // t.TempDir can be too long for a socket's name
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) //nolint:errcheck // best effort
	socket = filepath.Join(dir, "s")
	listener, err := new(net.ListenConfig).Listen(t.Context(), "unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &Server{Source: source, Log: slog.New(slog.DiscardHandler)}} //nolint:gosec // a test
	done := make(chan struct{})
	go func() { defer close(done); server.Serve(listener) }() //nolint:errcheck // ends with Close
	t.Cleanup(func() { server.Close(); <-done })              //nolint:errcheck // nothing to save
	return socket
}

var (
	village    = tenant.Tenant{ID: "994413", Operator: "990001", Name: "若葉村", Hosts: []string{"www.vill.wakaba.example"}}
	prefecture = tenant.Tenant{ID: "990001", Operator: "990001", Name: "さくら県"}
)

// word is a policy with one field, for a service "word".
type word struct {
	Say string `json:"say"`
}

func wordTable(t *testing.T) *policy.Table[word, word] {
	t.Helper()
	table, err := policy.NewTable(&policy.Spec[word, word]{
		Name: "word", Version: 1, Default: word{"default"},
		Compile: func(w word) (*word, []policy.Problem) {
			if w.Say == "bad" {
				return nil, []policy.Problem{policy.At("say").Is("bad_word")}
			}
			return &w, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func says(revision int64, what string) *Set {
	body, err := json.Marshal(word{what})
	if err != nil {
		panic(err)
	}
	return &Set{Revision: revision, Tenants: []tenant.Tenant{prefecture, village}, Policies: []Entry{
		{village.ID, policy.Override, policy.Document{Service: "word", Schema: 1, Version: revision, Body: body}},
	}}
}

// follow starts a client and returns its table, a channel of applied revisions,
// and a stop.
func follow(t *testing.T, socket, file string) (table *policy.Table[word, word], applied chan int64, client *Client, stop func()) {
	t.Helper()
	table, applied = wordTable(t), make(chan int64, 100)
	plane := &Plane{Directory: new(tenant.Directory), Services: map[string]Setter{"word": table}}
	client = &Client{Socket: socket, File: file, Log: slog.New(slog.DiscardHandler), Apply: func(s *Set) ([]Refusal, error) {
		refused, err := plane.Apply(s)
		applied <- s.Revision
		return refused, err
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	start := sync.OnceFunc(func() { go func() { defer close(done); client.Run(ctx) }() }) //nolint:errcheck // never fails
	if _, err := client.Load(); err != nil {
		t.Logf("loading: %v", err)
	}
	start()
	stop = sync.OnceFunc(func() { cancel(); <-done })
	t.Cleanup(stop)
	return table, applied, client, stop
}

func TestADataPlaneFollowsTheControlRole(t *testing.T) {
	d := newDesk(says(1, "one"))
	file := filepath.Join(t.TempDir(), "last.json")
	table, applied, client, stop := follow(t, serve(t, d), file)
	for _, step := range []struct {
		revision  int64
		say, want string
	}{
		{1, "one", "one"},
		{2, "two", "two"},
		{3, "bad", "two"},   // keeps what it had
		{4, "four", "four"}, // and goes on
		{2, "back", "back"}, // a restored control store starts lower
	} {
		if step.revision != 1 {
			d.put(says(step.revision, step.say), nil)
		}
		if got := <-applied; got != step.revision {
			t.Fatalf("applied revision %d, want %d", got, step.revision)
		}
		if got := table.For(village.ID).Compiled.Say; got != step.want {
			t.Errorf("after revision %d the village says %q, want %q", step.revision, got, step.want)
		}
	}
	if client.Alone() {
		t.Error("the client thinks it is alone while the control role answers")
	}
	stop()
}

func TestAColdStartWithoutTheControlRoleUsesWhatWasInForce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "last.json")
	d := newDesk(says(1, "kept"))
	_, applied, client, stop := follow(t, serve(t, d), file)
	<-applied
	d.put(says(2, "bad"), nil) // refused: the kept one must survive the restart
	<-applied
	for client.Revision() != 2 { //nolint:revive // a short spin: apply has returned, the store follows
	}
	stop()
	table, applied, _, _ := follow(t, filepath.Join(t.TempDir(), "nobody"), file)
	if got := <-applied; got != 2 {
		t.Fatalf("cold start applied revision %d, want 2", got)
	}
	if got := table.For(village.ID).Compiled.Say; got != "kept" {
		t.Errorf("after a cold start the village says %q, want %q", got, "kept")
	}
}

func TestSettingsThatCannotBeUsedAreNotInForce(t *testing.T) {
	thief := says(1, "one")
	thief.Tenants = append(thief.Tenants, tenant.Tenant{ID: "992011", Operator: "990001", Hosts: village.Hosts})
	d := newDesk(thief)
	_, applied, client, _ := follow(t, serve(t, d), filepath.Join(t.TempDir(), "last.json"))
	<-applied
	if got := client.Revision(); got != 0 {
		t.Errorf("revision %d is in force, want none: a data plane would call itself ready", got)
	}
	d.put(says(2, "two"), nil)
	if got := <-applied; got != 2 {
		t.Fatalf("applied revision %d, want 2", got)
	}
}

func TestASpoiledFileIsAnErrorAndChangesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "last.json")
	for _, text := range []string{"", "{", `{"revision":"x"}`, `{"revision":1,"tenants":[{"id":"123456"}]}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		client := &Client{File: file, Log: slog.New(slog.DiscardHandler), Apply: func(*Set) ([]Refusal, error) { return nil, errors.New("applied") }}
		if ok, err := client.Load(); err == nil || ok {
			t.Errorf("Load of %q = %v, %v, want an error", text, ok, err)
		}
	}
}

func TestAContradictingDirectoryChangesNothing(t *testing.T) {
	table := wordTable(t)
	plane := &Plane{Directory: new(tenant.Directory), Services: map[string]Setter{"word": table}}
	if _, err := plane.Apply(says(1, "one")); err != nil {
		t.Fatal(err)
	}
	thief := says(2, "two")
	other := tenant.Tenant{ID: "992011", Operator: "990001", Hosts: village.Hosts}
	thief.Tenants = append(thief.Tenants, other)
	if _, err := plane.Apply(thief); err == nil {
		t.Error("a set in which two bodies claim one host was applied")
	}
	if got := table.For(village.ID).Compiled.Say; got != "one" {
		t.Errorf("after a refused set the village says %q, want %q", got, "one")
	}
}
