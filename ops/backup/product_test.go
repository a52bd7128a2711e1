package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/store/logs/logstest"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

func TestMain(m *testing.M) {
	logstest.Main()
	if arguments := os.Getenv(pullVariable); arguments != "" {
		if err := pullOnce(arguments); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if dir := os.Getenv(killVariable); dir != "" {
		if err := backUpForEver(dir); err != nil {
			slog.Error("the test's backups end", "error", err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

const operator tenant.ID = "990001" // さくら県

var (
	allTypes = []store.Column{
		{Name: "name", Type: store.Text},
		{Name: "number", Type: store.Int},
		{Name: "ready", Type: store.Bool},
		{Name: "made", Type: store.Time},
		{Name: "raw", Type: store.Bytes},
		{Name: "document", Type: store.JSON},
		{Name: "ratio", Type: store.Float},
		{Name: "remark", Type: store.Text, Null: true},
		{Name: "gone", Type: store.Time, Null: true},
	}
	// everything is a table with a column of every type, and one that came later.
	everything = store.Schema{Service: "backuptest", Migrations: []store.Migration{
		{Number: 1, Steps: []store.Step{store.CreateTable{Name: "things", Key: []string{"name"}, Columns: allTypes}}},
		{Number: 2, Steps: []store.Step{store.AddColumn{Table: "things", Column: store.Column{Name: "later", Type: store.Text, Default: "'新'"}}}},
	}}
	addThing = store.Insert{Table: "things", Columns: []string{"name", "number", "ready", "made", "raw", "document", "ratio", "remark", "gone", "later"}}
	addBody  = store.Insert{Table: store.Bodies, Columns: []string{"operator", "document", "version"}}
	getThing = store.Select{Table: "things", Columns: []string{"name", "number", "raw", "document", "remark", "later"}, Order: "name"}
	builder  = store.System("backuptest")
	bodies   = []tenant.Tenant{{ID: operator, Operator: operator}, {ID: village, Operator: operator}, {ID: city, Operator: operator}}
)

// product is a small one, with real parts: SQLite, the log engine in a process
// of its own, an object store, and a folder of settings.
type product struct {
	*plant
	db      *store.DB
	logs    *logs.Client
	objects *objects.Store
	kept    map[tenant.ID][]objects.Address
	conf    string
	now     time.Time
}

func newProduct(t *testing.T) *product {
	t.Helper()
	p := &product{plant: newPlant(t), now: time.Now().UTC(), kept: make(map[tenant.ID][]objects.Address), conf: t.TempDir()}
	var err error
	if p.db, err = store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "control.db")}, everything); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.db.Close(); err != nil {
			t.Error(err)
		}
	})
	p.logs = logstest.Start(t).Client
	folder, err := objects.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	p.objects = &objects.Store{Bucket: folder, Keys: []objects.OperatorKey{objects.NewOperatorKey()}, Now: time.Now}
	p.fill(t)
	p.Now = time.Now
	p.Sources = []Source{
		&Control{DB: p.db, Schemas: []store.Schema{everything}, Scratch: t.TempDir(), Now: time.Now},
		&Logs{Client: p.logs, Bodies: func() []tenant.Tenant { return bodies }, Retention: 30 * 24 * time.Hour, Now: time.Now},
		&Objects{Store: p.objects},
		&Settings{Paths: map[string]string{"config": filepath.Join(p.conf, "sekikura.toml"), "certificates": filepath.Join(p.conf, "certs"), "absent": filepath.Join(p.conf, "no")}, Key: p.objects.Keys[0]},
	}
	return p
}

// fill gives every body something everywhere, differing in number.
func (p *product) fill(t *testing.T) {
	t.Helper()
	for i, body := range bodies {
		p.change(t, body.ID, func(ctx context.Context, tx *store.Tx) error {
			if err := tx.Insert(ctx, addBody, string(body.Operator), json.RawMessage(`{"name":"団体"}`), int64(1)); err != nil {
				return err
			}
			for n := range 3 + i {
				err := tx.Insert(ctx, addThing, fmt.Sprintf("thing-%d", n), int64(n), n%2 == 0, p.now.Truncate(time.Microsecond),
					[]byte{0, 255, byte(n)}, json.RawMessage(`{"語":[1,null]}`), 0.5, nil, nil, "後")
				if err != nil {
					return err
				}
			}
			tx.Audit(store.Audit{Action: "thing.add", Object: "things", Reason: "令8-0412"})
			return nil
		})
		for day := range 4 {
			p.log(t, body.ID, p.now.AddDate(0, 0, -day), 100*(i+1)+day)
		}
		for n := range 1 + i {
			o, err := p.objects.Put(t.Context(), body.ID, strings.NewReader(strings.Repeat(fmt.Sprintf("%s %d ", body.ID, n), 20_000)))
			if err != nil {
				t.Fatal(err)
			}
			p.kept[body.ID] = append(p.kept[body.ID], o.Address)
		}
	}
	for name, content := range map[string]string{"sekikura.toml": "data = \"/var/lib\"\n", "certs/www.crt": "public", "certs/www.key": "PRIVATE PART"} {
		file := filepath.Join(p.conf, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(content), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *product) change(t *testing.T, id tenant.ID, fn func(context.Context, *store.Tx) error) {
	t.Helper()
	if err := p.db.Change(t.Context(), id, builder, func(tx *store.Tx) error { return fn(t.Context(), tx) }); err != nil {
		t.Fatal(err)
	}
}

// log stores n events of a body within the second before at.
func (p *product) log(t testing.TB, id tenant.ID, at time.Time, n int) {
	t.Helper()
	var rows []byte
	for i := range n {
		e := event.Event{ID: event.NewID(at), Time: at.Add(-time.Duration(i) * time.Microsecond), Tenant: id, Service: "waf", Name: "request_blocked", Fields: []slog.Attr{
			slog.String("url.path", fmt.Sprintf("/検索/%d?q=\"_time\":\"x\"", i)), slog.String("source.ip", "192.0.2.7"), slog.Int("http.response.status_code", 403),
		}}
		rows = e.AppendRow(rows)
	}
	if _, err := p.logs.Insert(t.Context(), operator, rows); err != nil {
		t.Fatal(err)
	}
	if err := p.logs.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func countLogs(t *testing.T, c *logs.Client, id tenant.ID) int {
	t.Helper()
	if err := c.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	n, err := c.Count(t.Context(), logs.Scope{Operator: operator, Tenants: []tenant.ID{id}}, "*", logs.Range{})
	if err != nil {
		t.Fatal(err)
	}
	return int(n) //nolint:gosec // a test's rows
}

// scratch prepares real targets below a folder.
func (p *product) scratch(t *testing.T, key bool) func(context.Context, string) ([]Target, func() error, error) {
	return func(_ context.Context, dir string) ([]Target, func() error, error) {
		folder, err := objects.OpenFolder(filepath.Join(dir, "objects"))
		if err != nil {
			return nil, nil, err
		}
		into := &objects.Store{Bucket: folder, Now: time.Now}
		settings := &SettingsInto{Dir: filepath.Join(dir, "settings")}
		if key {
			into.Keys, settings.Key = p.objects.Keys, &p.objects.Keys[0]
		}
		control := &ControlScratch{Dir: dir, Schemas: []store.Schema{everything}}
		engine := logstest.StartIn(t, filepath.Join(dir, "logs"), false)
		return []Target{control, &LogsInto{Client: engine.Client}, &ObjectsInto{Store: into}, settings}, func() error {
			engine.Kill(t)
			return errors.Join(control.Close(), folder.Close())
		}, nil
	}
}

func TestALostMachineComesBack(t *testing.T) {
	p := newProduct(t)
	m := p.run(t)
	for _, key := range []bool{true, false} {
		d := &Drill{
			From: p.bucket, Verify: p.public, Identities: []age.Identity{p.identity}, Scratch: t.TempDir(), State: p.State, Now: time.Now,
			Open: p.scratch(t, key),
		}
		report, err := d.Run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if !report.OK {
			t.Fatalf("the drill (operator's key %v) finds %+v", key, report.Problems)
		}
		if report.RPO <= 0 || report.RPO > time.Minute || report.RTO <= 0 || report.Parts != len(m.Parts) {
			t.Errorf("report = RPO %v, RTO %v, %d parts; want a young RPO, an RTO, and all %d parts", report.RPO, report.RTO, report.Parts, len(m.Parts))
		}
		for i, body := range bodies {
			want := TenantRows{"control": int64(1+3+i) + 1, "logs": int64(4*100*(i+1) + 6), "objects": int64(2 + i)}
			for source, n := range want {
				if got := report.Tenants[body.ID][source]; got != n {
					t.Errorf("%s of %s: %d rows came back, want %d", source, body.ID, got, n)
				}
			}
		}
		t.Logf("operator's key %v: %d rows, %d bytes, RTO %v, RPO %v, %d checked", key, report.Rows, report.Bytes, report.RTO, report.RPO, report.Checked)
	}
}

func TestNoSecretIsReadableWithTheBackupIdentityAlone(t *testing.T) {
	p := newProduct(t)
	m := p.run(t)
	dir := t.TempDir()
	r := &Restore{From: p.bucket, Identities: []age.Identity{p.identity}, Targets: []Target{&SettingsInto{Dir: dir}}, Now: time.Now}
	if report, err := r.Run(t.Context(), m); err != nil || !report.OK {
		t.Fatalf("restoring the settings: %+v, %v", report.Problems, err)
	}
	sealed, err := os.ReadFile(filepath.Join(dir, "certificates", "www.key.sealed"))
	if err != nil || bytes.Contains(sealed, []byte("PRIVATE")) {
		t.Errorf("without the operator's key the private part is %q, %v; want it sealed", sealed, err)
	}
	if plain, err := os.ReadFile(filepath.Join(dir, "config", "sekikura.toml")); err != nil || string(plain) != "data = \"/var/lib\"\n" {
		t.Errorf("the configuration reads %q, %v", plain, err)
	}
	open := t.TempDir()
	wrong := objects.NewOperatorKey()
	for key, want := range map[*objects.OperatorKey]bool{&p.objects.Keys[0]: true, &wrong: false} {
		r.Targets = []Target{&SettingsInto{Dir: filepath.Join(open, key.ID()), Key: key}}
		if report, err := r.Run(t.Context(), m); err != nil || report.OK != want {
			t.Errorf("with an operator's key (the right one: %v): %+v, %v", want, report.Problems, err)
		}
	}
}

func TestTheOperatorsKeyIsInNoBackup(t *testing.T) {
	p := newProduct(t)
	file := filepath.Join(p.conf, "certs", "operator")
	if _, err := objects.CreateKeyFile(file); err != nil {
		t.Fatal(err)
	}
	p.Sources = []Source{&Settings{Paths: map[string]string{"certificates": filepath.Join(p.conf, "certs")}, Key: p.objects.Keys[0], Never: []string{file}}}
	if _, err := p.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "must not be in any backup") {
		t.Errorf("backing up the operator's key = %v, want a refusal", err)
	}
}

func TestOneBodyIsPutBackIntoARunningProduct(t *testing.T) {
	p := newProduct(t)
	m := p.run(t)

	// Afterwards 若葉村 loses everything, while 花見市 goes on working.
	p.change(t, village, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Delete(ctx, store.Delete{Table: "things", Where: "number >= 0"})
		return err
	})
	p.change(t, city, func(ctx context.Context, tx *store.Tx) error {
		return tx.Insert(ctx, addThing, "after", int64(9), true, time.Now(), []byte{1}, json.RawMessage(`{}`), 1.0, "new", nil, "x")
	})
	for _, address := range p.kept[village] {
		if err := p.objects.Delete(t.Context(), village, address); err != nil {
			t.Fatal(err)
		}
	}
	running := logstest.Start(t).Client // the log store lost 若葉村's rows, but for some
	all := p.logs
	p.logs = running
	p.log(t, city, time.Now(), 77)
	copySome(t, all, running, village, 40)

	r := &Restore{
		From: p.bucket, Identities: []age.Identity{p.identity}, Tenants: []tenant.ID{village}, Now: time.Now,
		Targets: []Target{
			&ControlBody{DB: p.db, Schemas: []store.Schema{everything}, Actor: builder, Reason: "令8-0500", Topics: []string{"things"}},
			&LogsInto{Client: running}, &ObjectsInto{Store: p.objects},
		},
	}
	control := r.Targets[0].(*ControlBody)
	control.Standing = func(context.Context, *store.Tx) error { return errors.New("its host is another body's now") }
	if report, err := r.Run(t.Context(), m); err != nil || report.OK || len(things(t, p.db, village)) != 0 {
		t.Fatalf("rows that contradict another body's: OK %v, %v, and the rows are %q; want a problem and nothing replaced", report.OK, err, things(t, p.db, village))
	}
	control.Standing = nil
	for round := range 2 { // a second time changes nothing
		report, err := r.Run(t.Context(), m)
		if err != nil || !report.OK {
			t.Fatalf("round %d: %+v, %v", round, report.Problems, err)
		}
		if len(report.Tenants) != 1 {
			t.Errorf("round %d touched %v, want 若葉村 alone", round, report.Tenants)
		}
		if got := things(t, p.db, village); len(got) != 4 || got[3] != "thing-3 3 [0 255 3] {\"語\":[1,null]} <nil> 後" {
			t.Errorf("round %d: 若葉村's rows are %q", round, got)
		}
		if got := things(t, p.db, city); len(got) != 6 || !strings.HasPrefix(got[0], "after 9") {
			t.Errorf("round %d: 花見市's rows are %q; want its five and the later one", round, got)
		}
		if got, want := countLogs(t, running, village), countLogs(t, all, village); got != want {
			t.Errorf("round %d: 若葉村 has %d events, want %d, none twice", round, got, want)
		}
		if got := countLogs(t, running, city); got != 77 {
			t.Errorf("round %d: 花見市 has %d events, want its 77", round, got)
		}
		for _, address := range p.kept[village] {
			if _, err := p.objects.Verify(t.Context(), village, address); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
		}
	}
	if n, err := p.db.Revision(t.Context(), "things"); err != nil || n != 2 {
		t.Errorf("those who read the rows were told %d times, %v; want 2", n, err)
	}
	for _, id := range []tenant.ID{village, city} {
		if report, err := p.db.VerifyAudit(t.Context(), id, nil); err != nil || len(report.Faults) != 0 {
			t.Errorf("the audit chain of %s: %+v, %v", id, report.Faults, err)
		}
	}
	trail, err := p.db.AuditLog(t.Context(), village, store.AuditFilter{})
	if err != nil || !slices.ContainsFunc(trail.Records, func(a store.AuditRecord) bool { return a.Action == "backup.restore" && a.Reason == "令8-0500" }) {
		t.Errorf("the audit log does not tell of the restore: %+v, %v", trail, err)
	}
}

// copySome copies n rows of a body from one log store to another.
func copySome(t *testing.T, from, to *logs.Client, id tenant.ID, n int) {
	t.Helper()
	var rows bytes.Buffer
	err := from.Each(t.Context(), logs.Scope{Operator: operator, Tenants: []tenant.ID{id}}, logs.Query{Text: "*"}, n, func(row logs.Row) error {
		return json.NewEncoder(&rows).Encode(row)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := to.Insert(t.Context(), operator, rows.Bytes()); err != nil {
		t.Fatal(err)
	}
}

func things(t *testing.T, db *store.DB, id tenant.ID) []string {
	t.Helper()
	all, err := store.All(t.Context(), db.Tenant(id), getThing, func(row store.Row) (string, error) {
		var name, later string
		var number int64
		var raw []byte
		var document string
		var remark *string
		err := row.Scan(&name, &number, &raw, &document, &remark, &later)
		said := "<nil>"
		if remark != nil {
			said = *remark
		}
		return fmt.Sprintf("%s %d %v %s %s %s", name, number, raw, document, said, later), err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestLogsAreWrittenOnceAndAgainWhenRowsComeLate(t *testing.T) {
	p := newProduct(t)
	first := p.run(t)
	second := p.run(t)
	if got, want := logParts(second), logParts(first); !slices.Equal(got, want) {
		t.Errorf("without a new row the log parts are\n%q, want\n%q", got, want)
	}
	yesterday := p.now.AddDate(0, 0, -1)
	p.log(t, village, yesterday.Add(-time.Millisecond), 1) // the bus replays a row
	third := p.run(t)
	day := yesterday.Format(dayForm)
	old, fresh := part(t, second, village, day), part(t, third, village, day)
	if fresh.Rows != old.Rows+1 || fresh.Name == old.Name {
		t.Errorf("after a late row the day has %d rows in %s; want %d in a new part", fresh.Rows, fresh.Name, old.Rows+1)
	}
	if same := part(t, third, city, day); same.Name != part(t, second, city, day).Name {
		t.Error("花見市's day was written again because of 若葉村's late row")
	}
}

func logParts(m Manifest) []string {
	var all []string
	for _, p := range m.Parts {
		if p.Source == LogsName {
			all = append(all, p.String()+" "+p.Name)
		}
	}
	return all
}

func TestSettledDaysAreTakenOverAndExpiredOnesLeave(t *testing.T) {
	p := newProduct(t)
	l := &Logs{Client: p.logs, Bodies: func() []tenant.Tenant { return bodies }, Retention: 30 * 24 * time.Hour, Now: time.Now}
	old := func(days int) Part {
		return Part{Slice: Slice{LogsName, village, p.now.AddDate(0, 0, -days).Format(dayForm), "5"}, Rows: 5}
	}
	got, err := l.Slices(t.Context(), []Part{old(40), old(20)})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(got, old(20).Slice) {
		t.Error("a settled day of the last backup was dropped")
	}
	if slices.Contains(got, old(40).Slice) {
		t.Error("a day beyond the log store's retention stays in the backup")
	}
}

// notes is a journal in memory.
type notes struct{ events []event.Event }

func (n *notes) Append(_ context.Context, batch []event.Event) error {
	n.events = append(n.events, slices.Clone(batch)...)
	return nil
}

func TestDailyBackupAndWeeklyDrillTell(t *testing.T) {
	p := newPlant(t)
	told := &notes{}
	daily := &DailyBackup{Backup: p.Backup, Keep: Keep{Days: 7}, Operator: operator, Events: told}
	if _, err := daily.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	into := newShelf(nil)
	weekly := &WeeklyDrill{Operator: operator, Events: told, Reports: t.TempDir(), Drill: &Drill{
		From: p.bucket, Verify: p.public, Identities: []age.Identity{p.identity}, Scratch: t.TempDir(), Now: p.Now,
		Open: func(context.Context, string) ([]Target, func() error, error) {
			return []Target{into}, func() error { return nil }, nil
		},
	}}
	if _, err := LastDrill(weekly.Reports); !errors.Is(err, ErrNone) {
		t.Errorf("LastDrill before the first = %v, want ErrNone", err)
	}
	if _, err := weekly.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.shelf.fail = func(Slice) error { return errors.New("the disk is gone") }
	if _, err := daily.Run(t.Context()); err == nil {
		t.Error("a backup that failed is no error")
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	weekly.Drill.Verify = stranger.Public().(ed25519.PublicKey)
	if report, err := weekly.Run(t.Context()); err != nil || report.OK {
		t.Errorf("a drill on somebody else's backups = %+v, %v; want a report that is not OK", report, err)
	}
	var names []string
	for _, e := range told.events {
		names = append(names, e.Name)
		if e.Tenant != operator || e.ID.IsZero() || e.Time.IsZero() {
			t.Errorf("event %+v lacks its operator, ID or time", e)
		}
	}
	if want := []string{"backup_finished", "drill_passed", "backup_failed", "drill_failed"}; !slices.Equal(names, want) {
		t.Errorf("events = %q, want %q", names, want)
	}
	last, err := LastDrill(weekly.Reports)
	if err != nil || last.OK || len(last.Problems) != 1 {
		t.Errorf("LastDrill = %+v, %v; want the failed one", last, err)
	}
}
