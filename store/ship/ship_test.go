package ship_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/bus"
	"github.com/sekikura/sekikura/store/journal"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/logstest"
	"github.com/sekikura/sekikura/store/ship"
	"github.com/sekikura/sekikura/tenant"
)

const roleVariable = "SEKIKURA_TEST_SHIP_ROLE"

// role is what a child process of these tests is told to be.
type role struct {
	Name, Dir, Listen, Token string // of the bus
	URL, Secret              string // of the log store
	MaxBytes                 int64
}

func TestMain(m *testing.M) {
	logstest.Main()
	if text := os.Getenv(roleVariable); text != "" {
		os.Exit(child(text))
	}
	os.Exit(m.Run())
}

func child(text string) int {
	var r role
	if err := json.Unmarshal([]byte(text), &r); err != nil {
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() { // nobody outlives the test
		_, _ = os.Stdin.Read(make([]byte, 1))
		os.Exit(0)
	}()
	log := quiet()
	if os.Getenv("SEKIKURA_TEST_LOUD") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil)).With("child", r.Name)
	}
	var err error
	switch r.Name {
	case "bus":
		s := &bus.Server{Listen: r.Listen, Dir: r.Dir, Token: r.Token, MaxBytes: r.MaxBytes, Readers: []string{ship.Reader}, Log: log}
		err = s.Run(ctx)
	case "produce":
		err = produce(ctx, r, log)
	case "ship":
		var conn *nats.Conn
		if conn, err = bus.Connect(ctx, bus.Address{URL: "nats://" + r.Listen, Token: r.Token, Name: "ship"}, log); err == nil {
			defer conn.Close()
			s := &ship.Shipper{Conn: conn, Store: &logs.Client{URL: r.URL, Secret: r.Secret}, FlushInterval: time.Second, Log: log, Now: time.Now}
			err = s.Run(ctx)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, r.Name, "ends:", err)
		return 1
	}
	return 0
}

// produce appends without end and writes the ID of every acknowledged event to stdout.
func produce(ctx context.Context, r role, log *slog.Logger) error {
	conn, err := bus.Connect(ctx, bus.Address{URL: "nats://" + r.Listen, Token: r.Token, Name: "produce"}, log)
	if err != nil {
		return err
	}
	defer conn.Close()
	producer, err := bus.NewProducer(conn)
	if err != nil {
		return err
	}
	bodies, err := tenant.NewDirectory(tenant.Tenant{ID: operator, Operator: operator}, tenant.Tenant{ID: village, Operator: operator}, tenant.Tenant{ID: city, Operator: operator})
	if err != nil {
		return err
	}
	j, err := journal.Open(journal.Config{Bus: producer, Tenants: bodies, Dir: r.Dir, Log: log, Now: time.Now})
	if err != nil {
		return err
	}
	for ctx.Err() == nil {
		events := batch(10)
		if err := j.Append(ctx, events); err != nil {
			continue
		}
		for _, e := range events {
			fmt.Println(e.ID)
		}
		time.Sleep(30 * time.Millisecond)
	}
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// process is a child that can be killed and started again as it was.
type process struct {
	role  role
	out   io.Writer // stdout, or nil
	cmd   *exec.Cmd
	stdin io.Closer
}

func spawn(tb testing.TB, r role) *process {
	tb.Helper()
	p := &process{role: r}
	p.start(tb)
	tb.Cleanup(func() { p.kill() })
	return p
}

func (p *process) start(tb testing.TB) {
	tb.Helper()
	exe, err := os.Executable()
	if err != nil {
		tb.Fatal(err)
	}
	text, err := json.Marshal(p.role)
	if err != nil {
		tb.Fatal(err)
	}
	p.cmd = exec.Command(exe)
	p.cmd.Env = append(os.Environ(), roleVariable+"="+string(text))
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	if p.out != nil {
		p.cmd.Stdout = p.out
	}
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.stdin = stdin
	if err := p.cmd.Start(); err != nil {
		tb.Fatal(err)
	}
}

func (p *process) kill() {
	if p.cmd != nil {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_ = p.stdin.Close()
		p.cmd = nil
	}
}

// ended waits until the process has ended by itself.
func (p *process) ended(tb testing.TB) {
	tb.Helper()
	over := make(chan struct{})
	go func() {
		_ = p.cmd.Wait()
		close(over)
	}()
	select {
	case <-over:
		_ = p.stdin.Close()
		p.cmd = nil
	case <-time.After(15 * time.Second):
		tb.Fatalf("the process %s does not end", p.role.Name)
	}
}

func (p *process) restart(tb testing.TB) {
	tb.Helper()
	p.kill()
	p.start(tb)
}

const (
	operator = tenant.ID("990001")
	village  = tenant.ID("994413")
	city     = tenant.ID("992011")
)

// path is a whole event path of processes, with the journal in this one.
type path struct {
	logs      *logstest.Process
	bus, ship *process
	dir       string
	journal   *journal.Journal
	conn      *nats.Conn
}

func directory(tb testing.TB) *tenant.Directory {
	tb.Helper()
	d, err := tenant.NewDirectory(
		tenant.Tenant{ID: operator, Operator: operator, Kind: tenant.Prefecture},
		tenant.Tenant{ID: village, Operator: operator}, tenant.Tenant{ID: city, Operator: operator},
	)
	if err != nil {
		tb.Fatal(err)
	}
	return d
}

func newPath(tb testing.TB, busDir string, maxBytes int64) *path {
	tb.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	at := listener.Addr().String()
	_ = listener.Close()
	p := &path{logs: logstest.Start(tb), dir: tb.TempDir()}
	r := role{Dir: busDir, Listen: at, Token: rand.Text(), URL: p.logs.Client.URL, Secret: p.logs.Client.Secret, MaxBytes: maxBytes}
	r.Name = "bus"
	p.bus = spawn(tb, r)
	r.Name = "ship"
	p.ship = spawn(tb, r)
	p.conn, err = bus.Connect(tb.Context(), bus.Address{URL: "nats://" + at, Token: r.Token, Name: "test"}, quiet())
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.conn.Close)
	p.journal = p.open(tb, p.dir, 0)
	return p
}

func (p *path) open(tb testing.TB, dir string, limit int64) *journal.Journal {
	tb.Helper()
	producer, err := bus.NewProducer(p.conn)
	if err != nil {
		tb.Fatal(err)
	}
	j, err := journal.Open(journal.Config{Bus: producer, Tenants: directory(tb), Dir: dir, MaxSpool: limit, Log: quiet(), Now: time.Now})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = j.Close(ctx)
	})
	return j
}

// publisher returns a producer once the bus takes messages.
func (p *path) publisher(t *testing.T) *bus.Producer {
	t.Helper()
	js, err := jetstream.New(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if _, err = js.Stream(t.Context(), bus.Quarantine); err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the bus is not there: %v", err)
		}
	}
	producer, err := bus.NewProducer(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	return producer
}

// batch makes n events of the two bodies, such as a web front reports them.
func batch(n int) []event.Event {
	events := make([]event.Event, n)
	now := time.Now()
	for i := range events {
		body := village
		if i >= n/2 {
			body = city
		}
		events[i] = event.Event{
			ID: event.NewID(now), Time: now, Tenant: body, Service: "waf", Name: "request_blocked",
			Fields: []slog.Attr{
				slog.String("client.ip", fmt.Sprintf("203.0.113.%d", i%250)), slog.String("url.full", fmt.Sprintf("https://www.vill.wakaba.example/news/%d?q=1", i)),
				slog.String("http.request.method", "GET"), slog.Int("http.response.status_code", 403), slog.String("rule.id", "942100"),
				slog.String("user_agent.original", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36"), slog.Duration("event.duration", 1234567),
			},
		}
	}
	return events
}

// load appends batches until stop is closed, and returns the IDs that were acknowledged.
func load(j *journal.Journal, stop <-chan struct{}, every time.Duration, size int) (acked map[event.ID]bool, refused int) {
	acked = make(map[event.ID]bool)
	for {
		select {
		case <-stop:
			return acked, refused
		case <-time.After(every):
		}
		events := batch(size)
		if err := j.Append(context.Background(), events); err != nil {
			refused += size
			continue
		}
		for _, e := range events {
			acked[e.ID] = true
		}
	}
}

// stored returns how often every ID is in the store.
func (p *path) stored(tb testing.TB) map[string]int {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := p.logs.Client.Flush(ctx); err != nil {
		tb.Fatal(err)
	}
	ids := make(map[string]int)
	// Asked by the day, so that every stored copy is seen: no paging, no limit.
	page, err := p.logs.Client.Search(ctx, logs.Scope{Operator: operator, Tenants: []tenant.ID{village, city}},
		logs.Query{Text: `service:waf | stats by (event.id) count() n`, Limit: logs.MaxLimit, Range: logs.Range{}})
	if err != nil {
		tb.Fatal(err)
	}
	if len(page.Rows) >= logs.MaxLimit {
		tb.Fatalf("more events than a page of %d: the test cannot tell them", logs.MaxLimit)
	}
	for _, r := range page.Rows {
		n := 0
		if _, err := fmt.Sscan(r["n"], &n); err != nil {
			tb.Fatal(err)
		}
		ids[r["event.id"]] = n
	}
	return ids
}

// same waits until the store has everything that was acknowledged, and checks
// that it has nothing twice.
func (p *path) same(t *testing.T, acked map[event.ID]bool) {
	t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		ids := p.stored(t)
		lost, twice := 0, 0
		for id := range acked {
			if ids[id.String()] == 0 {
				lost++
			}
		}
		for _, n := range ids {
			if n > 1 {
				twice++
			}
		}
		if twice > 0 {
			t.Fatalf("%d of %d events are stored more than once", twice, len(ids))
		}
		if lost == 0 {
			t.Logf("%d acknowledged, %d stored, none twice", len(acked), len(ids))
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d of %d acknowledged events are not in the store", lost, len(acked))
		}
		time.Sleep(300 * time.Millisecond)
	}
}

// during runs what while events are appended, and returns what was acknowledged.
func (p *path) during(size int, what func()) map[event.ID]bool {
	stop := make(chan struct{})
	result := make(chan map[event.ID]bool)
	go func() {
		acked, _ := load(p.journal, stop, 40*time.Millisecond, size)
		result <- acked
	}()
	what()
	close(stop)
	return <-result
}

func TestWhatIsAppendedIsStoredOnceAndFoundWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	events := batch(10)
	if err := p.journal.Append(t.Context(), events); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	for {
		row, err := p.logs.Client.ByID(t.Context(), logs.Scope{Operator: operator, Tenants: []tenant.ID{village}}, events[0].ID)
		if err == nil {
			if row["url.full"] != "https://www.vill.wakaba.example/news/0?q=1" {
				t.Errorf("the stored row is %v", row)
			}
			break
		}
		if time.Since(begin) > 5*time.Second {
			t.Fatalf("the event is not found after 5 s: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Logf("found after %v", time.Since(begin))
	acked := make(map[event.ID]bool)
	for _, e := range events {
		acked[e.ID] = true
	}
	p.same(t, acked)
}

func TestTheBusForgetsWhatIsSettledAndNothingElse(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	p.publisher(t)
	acked := p.during(10, func() { time.Sleep(time.Second) })
	js, err := jetstream.New(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	kept := func() uint64 {
		stream, err := js.Stream(t.Context(), bus.Events)
		if err != nil {
			t.Fatal(err)
		}
		return stream.CachedInfo().State.Msgs
	}
	p.same(t, acked)
	if kept() == 0 {
		t.Error("the bus forgot events that the store may still have in memory only")
	}
	for deadline := time.Now().Add(30 * time.Second); kept() > 0; time.Sleep(100 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("the bus still keeps %d messages", kept())
		}
	}
	// What it forgot is on the store's disk.
	p.logs.Restart(t)
	p.same(t, acked)
}

func TestNothingIsLostOrDoubledWhenAProcessIsKilled(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills processes for a minute")
	}
	for _, tt := range []struct {
		name string
		kill func(*path, testing.TB)
	}{
		{"the log store", func(p *path, tb testing.TB) { p.logs.Restart(tb) }},
		{"the bus", func(p *path, tb testing.TB) { p.bus.restart(tb) }},
		{"the shipper", func(p *path, tb testing.TB) { p.ship.restart(tb) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := newPath(t, t.TempDir(), 0)
			acked := p.during(20, func() {
				for range 4 {
					time.Sleep(1700 * time.Millisecond)
					tt.kill(p, t)
				}
				time.Sleep(time.Second)
			})
			if len(acked) == 0 {
				t.Fatal("nothing was acknowledged")
			}
			p.same(t, acked)
		})
	}
}

func TestNothingIsLostOrDoubledWhenEverythingIsKilledInTurn(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("kills processes for a minute")
	}
	p := newPath(t, t.TempDir(), 0)
	acked := p.during(12, func() {
		for range 3 {
			for _, kill := range []func(){func() { p.logs.Restart(t) }, func() { p.ship.restart(t) }, func() { p.bus.restart(t) }} {
				kill()
				time.Sleep(time.Duration(300+7*int(rand.Text()[0])) * time.Millisecond)
			}
			time.Sleep(3 * time.Second)
		}
	})
	p.same(t, acked)
}

func TestAKilledProducerLosesNothingThatItAcknowledged(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	p.publisher(t)
	var said bytes.Buffer
	child := &process{role: p.bus.role, out: &said}
	child.role.Name, child.role.Dir = "produce", t.TempDir()
	child.start(t)
	t.Cleanup(child.kill)
	for range 3 {
		time.Sleep(500 * time.Millisecond)
		p.bus.kill()
		time.Sleep(700 * time.Millisecond) // the spool is in use
		child.restart(t)
		time.Sleep(500 * time.Millisecond)
		p.bus.start(t)
		time.Sleep(700 * time.Millisecond) // the spool is being drained
		child.restart(t)
	}
	time.Sleep(time.Second)
	child.kill()
	child.start(t) // what the last one left on disk is brought to the bus
	acked := make(map[event.ID]bool)
	defer child.kill()
	// The buffer is written by a goroutine of each command, which ended with it.
	time.Sleep(time.Second)
	child.kill()
	for line := range strings.Lines(said.String()) {
		if id, err := event.ParseID(strings.TrimSpace(line)); err == nil { // the last line may be torn
			acked[id] = true
		}
	}
	if len(acked) < 100 {
		t.Fatalf("only %d events were acknowledged", len(acked))
	}
	left, err := filepath.Glob(filepath.Join(child.role.Dir, "*.bad"))
	if err != nil || len(left) > 0 {
		t.Errorf("segments %v are damaged, %v", left, err)
	}
	p.journal = p.open(t, child.role.Dir, 0) // and once more, should the bus have been slow
	p.same(t, acked)
}

func TestTheJournalKeepsEventsWhileTheBusIsAway(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	first := p.during(10, func() { time.Sleep(300 * time.Millisecond) })
	p.bus.kill()
	away := p.during(10, func() { time.Sleep(time.Second) })
	if len(away) < 30 {
		t.Fatalf("while the bus was away only %d events were acknowledged", len(away))
	}
	if stats := p.journal.Stats(); stats.Spooled == 0 || !stats.Away {
		t.Errorf("Stats = %+v, want events spooled and the bus away", stats)
	}
	// The process ends meanwhile, and another takes up the spool.
	closing, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := p.journal.Close(closing); err != nil {
		t.Fatal(err)
	}
	p.journal = p.open(t, p.dir, 0)
	p.bus.start(t)
	for id := range first {
		away[id] = true
	}
	p.same(t, away)
}

func TestAMessageThatTheBusHasAlreadyIsStoredOnce(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	producer := p.publisher(t)
	events := batch(8)[:4] // of one body
	var rows []byte
	acked := make(map[event.ID]bool)
	for _, e := range events {
		rows = e.AppendRow(rows)
		acked[e.ID] = true
	}
	for i := range 3 { // other ids, as after the bus forgot the first one
		if err := producer.Publish(t.Context(), bus.Subject(operator, village), rand.Text(), i > 0, rows); err != nil {
			t.Fatal(err)
		}
	}
	p.same(t, acked)
	time.Sleep(500 * time.Millisecond)
	p.same(t, acked)
}

func TestAPoisonedRowDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	producer := p.publisher(t)
	good := p.during(6, func() { time.Sleep(200 * time.Millisecond) })
	row := func(body tenant.ID, fields ...slog.Attr) []byte {
		e := event.Event{ID: event.NewID(time.Now()), Time: time.Now(), Tenant: body, Service: "waf", Name: "poison", Fields: fields}
		return e.AppendRow(nil)
	}
	many := make([]slog.Attr, 1500)
	for i := range many {
		many[i] = slog.Int(fmt.Sprint("f", i), i)
	}
	torn := row(village)
	old := event.Event{ID: event.NewID(time.Now()), Time: time.Now().AddDate(-2, 0, 0), Tenant: village, Service: "waf", Name: "poison"}
	poison := [][]byte{
		[]byte("\xff\xfe not json at all\n"), torn[:len(torn)-5], row(city), // a row of another body under this one's subject
		[]byte(strings.Replace(string(row(village)), `"_msg"`, `"_ms`, 1)), // looks right at the front, is no JSON
		old.AppendRow(nil), row(village, many...), // the store would throw these two away and say nothing
	}
	for _, data := range poison {
		data = append(data, row(village, slog.String("after", "poison"))...)
		if err := producer.Publish(t.Context(), bus.Subject(operator, village), rand.Text(), false, data); err != nil {
			t.Fatal(err)
		}
	}
	more := p.during(6, func() { time.Sleep(200 * time.Millisecond) })
	for id := range more {
		good[id] = true
	}
	p.same(t, good)
	js, err := jetstream.New(p.conn)
	if err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(40 * time.Second)
	for {
		stream, err := js.Stream(t.Context(), bus.Quarantine)
		if err != nil {
			t.Fatal(err)
		}
		n, err := p.logs.Client.Count(t.Context(), logs.Scope{Operator: operator, Tenants: []tenant.ID{village}}, `after:poison`, logs.Range{})
		if err != nil {
			t.Fatal(err)
		}
		// The torn row swallows the good one behind it: they are one line.
		if got := stream.CachedInfo().State.Msgs; got >= 6 && n == 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d rows in quarantine and %d good neighbours stored, want 6 and 5", stream.CachedInfo().State.Msgs, n)
		}
		time.Sleep(200 * time.Millisecond)
	}
	p.same(t, good)
}

func TestASlowStoreDelaysAndLosesNothing(t *testing.T) {
	t.Parallel()
	p := newPath(t, t.TempDir(), 0)
	acked := p.during(20, func() {
		for range 3 {
			time.Sleep(500 * time.Millisecond)
			p.logs.Signal(t, syscall.SIGSTOP)
			time.Sleep(1500 * time.Millisecond)
			p.logs.Signal(t, syscall.SIGCONT)
		}
	})
	p.same(t, acked)
}
