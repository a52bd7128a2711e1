package crs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

const body tenant.ID = "994413"

// marker is the header by which go-ftw finds the lines of one test. It is one
// that our events carry.
const marker = "User-Agent"

// product is the edge with every rule of level 4 on, recording and not blocking.
type product struct {
	port int
	log  *ftwLog
}

func start(t *testing.T, hosts []string) *product {
	t.Helper()
	origin := httptest.NewServer(http.HandlerFunc(reflect))
	t.Cleanup(origin.Close)
	rules, err := policy.NewTable(waf.Spec(time.Now))
	if err != nil {
		t.Fatal(err)
	}
	sites, err := policy.NewTable(&site.Spec)
	if err != nil {
		t.Fatal(err)
	}
	set := func(problems []policy.Problem) {
		if problems != nil {
			t.Fatal(problems)
		}
	}
	set(rules.Set(body, nil, &policy.Document{Service: "waf", Schema: 1, Version: 1, Body: json.RawMessage(
		`{"action":"detect","paranoia":4,"response_inspection":true}`)}))
	published := make([]string, len(hosts))
	for i, host := range hosts {
		published[i] = fmt.Sprintf(`{"host":%q,"origin":%q}`, host, origin.URL)
	}
	set(sites.Set(body, nil, &policy.Document{Service: "site", Schema: 1, Version: 1, Body: json.RawMessage(
		`{"sites":[` + strings.Join(published, ",") + `]}`)}))
	directory, err := tenant.NewDirectory(tenant.Tenant{ID: body, Operator: body, Name: "若葉村", Hosts: hosts})
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	engine, err := waf.New(waf.Config{Policies: rules, Log: quiet, Now: time.Now, Budget: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &product{port: l.Addr().(*net.TCPAddr).Port, log: newLog(t)}
	open := new(sync.WaitGroup)
	server := &site.Server{
		HTTP: []net.Listener{l}, Directory: orderly{directory, open, p.log}, Policies: sites, Inspector: inspector{engine, open},
		Journal: p.log, Sink: event.Discard, Log: quiet, Now: time.Now,
		Name: "sekikura-crs", Owner: body, MayDial: func(netip.AddrPort) bool { return true },
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	return p
}

// markerHost is the host of go-ftw's own requests between tests. Nobody
// publishes it: what counts is the event of its refusal.
const markerHost = "localhost"

// orderly holds a marker back until what was asked before it stands in the log: a
// client may have its answer a moment earlier. go-ftw repeats a marker until it
// finds it, so the last one need not wait for itself.
type orderly struct {
	site.Directory
	open *sync.WaitGroup
	log  *ftwLog
}

func (o orderly) ByHost(host string) (tenant.Tenant, bool) {
	if host == markerHost {
		o.open.Wait()
		o.log.marked()
	}
	return o.Directory.ByHost(host)
}

// inspector shows the WAF to the site as the product does, and counts what is open.
type inspector struct {
	*waf.Engine
	open *sync.WaitGroup
}

func (i inspector) Inspect(ctx context.Context, id tenant.ID, client netip.AddrPort, r *http.Request, head []byte, whole bool) site.Inspection {
	i.open.Add(1)
	return &inspection{i.Engine.Inspect(ctx, id, client, r, head, whole), i.open.Done}
}

type inspection struct {
	site.Inspection
	done func()
}

func (i *inspection) Close() {
	i.Inspection.Close()
	i.done()
}

// ftwLog is a journal that writes each event as lines that go-ftw can read.
type ftwLog struct {
	file string

	mu      sync.Mutex // guards the rest
	out     io.Writer
	lines   []string // of the present test
	asked   int      // markers
	written int
	wrote   *sync.Cond // written grew
}

func newLog(t *testing.T) *ftwLog {
	t.Helper()
	file := filepath.Join(t.TempDir(), "events.log")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	l := &ftwLog{file: file, out: out}
	l.wrote = sync.NewCond(&l.mu)
	return l
}

// marked waits for every marker before this one.
func (l *ftwLog) marked() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.written < l.asked {
		l.wrote.Wait()
	}
	l.asked++
}

// Append implements event.Journal.
func (l *ftwLog) Append(_ context.Context, batch []event.Event) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range batch {
		fields := map[string]string{}
		for _, f := range e.Fields {
			fields[f.Key] = f.Value.String()
		}
		if fields["url.domain"] == markerHost && fields["url.path"] == "/status/200" {
			if _, err := fmt.Fprintf(l.out, "%s: %s\n", marker, fields["user_agent.original"]); err != nil {
				return err
			}
			l.written++
			l.wrote.Broadcast()
			continue
		}
		var matches []waf.Match
		if text := fields["waf.matches"]; text != "" {
			if err := json.Unmarshal([]byte(text), &matches); err != nil {
				return err
			}
		}
		lines := []string{fmt.Sprintf("%s status=%s reason=%s error=%q waf=%q", e.Name, fields["http.response.status_code"], fields["refused.reason"], fields["error.message"], fields["waf.error"])}
		if fields["waf.matches_cut"] != "" {
			lines[0] += " matches_cut"
		}
		for _, m := range matches {
			lines = append(lines, fmt.Sprintf(`[id "%d"] [msg "%s"] [data "Matched Data: %s found within %s: %s"]`, m.ID, m.Message, m.Payload, m.Var, m.Payload))
		}
		for _, line := range lines {
			if _, err := fmt.Fprintln(l.out, strings.NewReplacer("\r", " ", "\n", " ").Replace(line)); err != nil {
				return err
			}
		}
		l.lines = append(l.lines, lines...)
	}
	return nil
}

// take returns the lines since the last take, without markers.
func (l *ftwLog) take() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.lines
	l.lines = nil
	return lines
}
