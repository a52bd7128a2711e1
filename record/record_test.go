package record_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/record"
	"github.com/sekikura/sekikura/record/clock"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/store/postgrestest"
	"github.com/sekikura/sekikura/store/tenants"
	"github.com/sekikura/sekikura/tenant"
)

const (
	sakura  tenant.ID = "990001"
	wakaba  tenant.ID = "994413"
	hanami  tenant.ID = "992011"
	another tenant.ID = "x-other"
)

var (
	ken     = record.Person{Actor: store.Actor{Account: "ken", Tenant: sakura}, Roles: []string{record.RoleOperator, record.RoleSOC}}
	soc     = record.Person{Actor: store.Actor{Account: "soc1", Tenant: sakura}, Roles: []string{record.RoleSOC}, Only: []tenant.ID{wakaba}}
	mura    = record.Person{Actor: store.Actor{Account: "mura", Tenant: wakaba}, Roles: []string{record.RoleAdmin}}
	shi     = record.Person{Actor: store.Actor{Account: "shi", Tenant: hanami}, Roles: []string{record.RoleAdmin}}
	foreign = record.Person{Actor: store.Actor{Account: "other", Tenant: another}, Roles: []string{record.RoleOperator, record.RoleSOC, record.RoleAdmin}}
	service = record.Person{Actor: store.System("soc")}
)

var _ record.Blobs = (*objects.Store)(nil)

// house is the engine on a store of its own, with a clock that a test sets.
type house struct {
	*record.Records
	mu    sync.Mutex
	at    time.Time
	blobs *blobs
}

func (h *house) now() time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.at
}

func (h *house) set(at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.at = at
}

// blobs keeps evidence in memory.
type blobs struct {
	mu   sync.Mutex
	kept map[objects.Address][]byte
}

func (b *blobs) Put(_ context.Context, id tenant.ID, from io.Reader) (objects.Object, error) {
	text, err := io.ReadAll(from)
	if err != nil {
		return objects.Object{}, fmt.Errorf("reading: %w", err)
	}
	sum := sha256.Sum256(append([]byte(id), text...))
	b.mu.Lock()
	defer b.mu.Unlock()
	address := objects.Address(hex.EncodeToString(sum[:]))
	b.kept[address] = text
	return objects.Object{Address: address, Size: int64(len(text))}, nil
}

func (b *blobs) Get(_ context.Context, _ tenant.ID, address objects.Address) (io.ReadCloser, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	text, ok := b.kept[address]
	if !ok {
		return nil, objects.ErrNotFound
	}
	return io.NopCloser(bytes.NewReader(text)), nil
}

func jst(s string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", s, clock.JST)
	if err != nil {
		panic(err)
	}
	return at
}

func open(tb testing.TB, conf store.Config) *house {
	tb.Helper()
	h := &house{at: jst("2026-11-24 10:00"), blobs: &blobs{kept: map[objects.Address][]byte{}}}
	conf.Now, conf.Poll = h.now, time.Hour
	db, err := store.Open(tb.Context(), conf, record.Schema)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := db.Close(); err != nil {
			tb.Error(err)
		}
	})
	bodies := []tenant.Tenant{
		{ID: sakura, Operator: sakura, Name: "さくら県", Kind: tenant.Prefecture},
		{ID: wakaba, Operator: sakura, Name: "若葉村", Kind: tenant.Municipality},
		{ID: hanami, Operator: sakura, Name: "花見市", Kind: tenant.Municipality},
		{ID: another, Operator: another, Name: "別の県", Kind: tenant.Prefecture},
	}
	register := &tenants.Register{DB: db}
	for _, body := range bodies {
		if _, err := register.Put(tb.Context(), store.System("test"), body, 0, "初期登録"); err != nil {
			tb.Fatal(err)
		}
	}
	directory, err := tenant.NewDirectory(bodies...)
	if err != nil {
		tb.Fatal(err)
	}
	set, wrong := record.Compile(record.Calendars(), record.Builtin())
	if wrong != nil {
		tb.Fatal(wrong)
	}
	h.Records = &record.Records{DB: db, Kinds: set, Bodies: directory, Blobs: h.blobs, MaxBlob: 1 << 16}
	return h
}

// TestRecords runs every claim on both engines.
func TestRecords(t *testing.T) {
	parts := []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"numbers turn with the fiscal year in Japan", numbersTurnWithTheFiscalYearInJapan},
		{"numbers of people at once are unique and without gaps", numbersOfPeopleAtOnceAreUniqueAndWithoutGaps},
		{"a case goes from finding to closing and everything is noted", aCaseGoesFromFindingToClosingAndEverythingIsNoted},
		{"what may not be done is refused and changes nothing", whatMayNotBeDoneIsRefusedAndChangesNothing},
		{"what may not be written is refused", whatMayNotBeWrittenIsRefused},
		{"of two who move at once one is stale", ofTwoWhoMoveAtOnceOneIsStale},
		{"a foreign body finds nothing behind any door", aForeignBodyFindsNothingBehindAnyDoor},
		{"what is inside never reaches the body", whatIsInsideNeverReachesTheBody},
		{"a body edits its own drafts only", aBodyEditsItsOwnDraftsOnly},
		{"clocks end by owner and answer and pause with a reason", clocksEndByOwnerAndAnswerAndPauseWithAReason},
		{"another severity brings other limits", anotherSeverityBringsOtherLimits},
		{"an alarm rings once", anAlarmRingsOnce},
		{"a clock that was set back moves no time back", aClockThatWasSetBackMovesNoTimeBack},
		{"the same finding joins its open record", theSameFindingJoinsItsOpenRecord},
		{"a merged record leads to the other", aMergedRecordLeadsToTheOther},
		{"links stay within a body or under its operator", linksStayWithinABodyOrUnderItsOperator},
		{"tasks are added and finished", tasksAreAddedAndFinished},
		{"evidence has a hash and a custody log", evidenceHasAHashAndACustodyLog},
		{"templates fill a draft", templatesFillADraft},
		{"pages hold every record once in each order", pagesHoldEveryRecordOnceInEachOrder},
		{"a search knows no width and no case", aSearchKnowsNoWidthAndNoCase},
		{"the operator lists all its bodies", theOperatorListsAllItsBodies},
		{"a table comes back as it went", aTableComesBackAsItWent},
		{"an import with one wrong row imports nothing", anImportWithOneWrongRowImportsNothing},
		{"what is done after an entry happens with it or not at all", whatIsDoneAfterAnEntryHappensWithItOrNotAtAll},
	}
	t.Run("SQLite", func(t *testing.T) {
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) {
				part.run(t, open(t, store.Config{Path: filepath.Join(t.TempDir(), "control.db")}))
			})
		}
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		server := postgrestest.Start(t)
		for _, part := range parts {
			t.Run(part.name, func(t *testing.T) { part.run(t, open(t, store.Config{URL: server.New(t)})) })
		}
	})
}

func (h *house) make(tb testing.TB, p record.Person, id tenant.ID, d record.Draft) record.Record {
	tb.Helper()
	if d.Severity == "" {
		d.Severity = record.Caution
	}
	rec, _, err := h.Create(tb.Context(), p, id, d)
	if err != nil {
		tb.Fatal(err)
	}
	return rec
}

func (h *house) move(tb testing.TB, p record.Person, rec record.Record, s record.Step) record.Record {
	tb.Helper()
	moved, err := h.Move(tb.Context(), p, rec.Tenant, rec.ID, rec.Version, s)
	if err != nil {
		tb.Fatalf("moving %s: %v", s.Move, err)
	}
	return moved
}

func ptr[T any](v T) *T { return &v }

// codes are the places and codes of a refusal.
func codes(tb testing.TB, err error) []string {
	tb.Helper()
	var refused policy.Refusal
	if !errors.As(err, &refused) {
		tb.Errorf("the error is %v, want a refusal", err)
		return []string{""}
	}
	var all []string
	for _, p := range refused {
		all = append(all, p.Path+" "+p.Code)
	}
	return all
}

func numbersTurnWithTheFiscalYearInJapan(t *testing.T, h *house) {
	for _, tt := range []struct {
		at   time.Time
		kind string
		want string
	}{
		{jst("2026-12-31 23:59"), "change", "令8-0001"},
		{jst("2027-01-01 00:00"), "change", "令8-0002"},
		{jst("2027-03-31 23:59").Add(59*time.Second + 999*time.Millisecond), "change", "令8-0003"},
		{time.Date(2027, 3, 31, 15, 0, 0, 0, time.UTC), "change", "令9-0001"},
		{jst("2027-04-01 00:01"), "change", "令9-0002"},
		{jst("2027-04-01 00:01"), "case", "C-R9-00001"},
		{jst("2027-04-01 00:01"), "incident", "R9-0401-01"},
		{jst("2027-04-01 23:59"), "incident", "R9-0401-02"},
		{jst("2027-04-02 00:00"), "incident", "R9-0402-01"},
	} {
		h.set(tt.at)
		if got := h.make(t, ken, wakaba, record.Draft{Kind: tt.kind, Title: "x"}).Number; got != tt.want {
			t.Errorf("the %s made at %v has number %s, want %s", tt.kind, tt.at, got, tt.want)
		}
	}
	if got := h.make(t, ken, hanami, record.Draft{Kind: "change", Title: "x"}).Number; got != "令9-0001" {
		t.Errorf("the first of another body is %s, want 令9-0001", got)
	}
	rec, err := h.ByNumber(t.Context(), mura, wakaba, " ｒ９−０４０１－２ ")
	if err != nil || rec.Number != "R9-0401-02" {
		t.Errorf("by a number in full width I find %s, %v", rec.Number, err)
	}
}

func numbersOfPeopleAtOnceAreUniqueAndWithoutGaps(t *testing.T, h *house) {
	const people, each = 8, 6
	broken := errors.New("it breaks")
	h.After = func(_ context.Context, _ *store.Tx, rec record.Record, _ record.Entry) error {
		if strings.HasPrefix(rec.Title, "breaks") {
			return broken
		}
		return nil
	}
	var wait sync.WaitGroup
	numbers := make(chan string, people*each)
	for i := range people {
		wait.Go(func() {
			for n := range each {
				title := "holds"
				if (i+n)%3 == 0 {
					title = "breaks"
				}
				rec, _, err := h.Create(t.Context(), ken, wakaba, record.Draft{Kind: "change", Title: title, Severity: record.Info})
				if title == "breaks" && !errors.Is(err, broken) || title == "holds" && err != nil {
					t.Errorf("making %s: %v", title, err)
				}
				if err == nil {
					numbers <- rec.Number
				}
			}
		})
	}
	wait.Wait()
	close(numbers)
	var got []string
	for n := range numbers {
		got = append(got, n)
	}
	slices.Sort(got)
	for i, n := range got {
		if want := fmt.Sprintf("令8-%04d", i+1); n != want {
			t.Fatalf("number %d is %s, want %s: all are %v", i+1, n, want, got)
		}
	}
	if len(got) != people*each*2/3 {
		t.Errorf("%d records were made, want %d", len(got), people*each*2/3)
	}
}

func aCaseGoesFromFindingToClosingAndEverythingIsNoted(t *testing.T, h *house) {
	rec := h.make(t, service, wakaba, record.Draft{Kind: "case", Title: "不審な通信", Severity: record.Important, System: "庁内LAN", Tasks: []string{"端末を隔離", "職員に電話"}})
	if rec.State != "new" || !rec.Open || rec.Version != 1 || rec.Due.IsZero() {
		t.Fatalf("a fresh case is %+v", rec)
	}
	rec = h.move(t, ken, rec, record.Step{Move: "take", Edit: record.Edit{Owner: ptr("ken")}})
	h.set(jst("2026-11-24 11:00"))
	rec = h.move(t, soc, rec, record.Step{Move: "ask", Reason: "端末の利用者を確認中"})
	h.set(jst("2026-11-25 11:00"))
	rec = h.move(t, mura, rec, record.Step{Move: "answer"})
	h.set(jst("2026-11-25 12:00"))
	rec = h.move(t, ken, rec, record.Step{Move: "resolve", Edit: record.Edit{Side: ptr(record.Body), Fields: map[string]string{"action": "端末を初期化\r\n再配布"}}})
	rec = h.move(t, ken, rec, record.Step{Move: "close"})
	if rec.Open || !rec.Closed.Equal(jst("2026-11-25 12:00")) || !rec.Due.IsZero() || rec.Side != record.Body || rec.Fields["action"] != "端末を初期化\n再配布" {
		t.Errorf("the closed case is %+v", rec)
	}
	clocks, err := h.Clocks(t.Context(), mura, wakaba, rec.ID, h.now())
	if err != nil || len(clocks) != 3 {
		t.Fatalf("clocks are %+v, %v", clocks, err)
	}
	for _, c := range clocks {
		want := map[string]time.Duration{"own": 0, "first_answer": 26 * time.Hour, "resolve": 2 * time.Hour}[c.Name]
		if c.Reading.Elapsed != want || c.Reading.State != clock.Stopped || c.Reading.Overdue != (c.Name == "first_answer") {
			t.Errorf("clock %s reads %+v, want %v stopped", c.Name, c.Reading, want)
		}
	}
	kept, err := h.Get(t.Context(), ken, wakaba, rec.ID)
	if err != nil || fmt.Sprintf("%+v", kept) != fmt.Sprintf("%+v", rec) {
		t.Errorf("kept is\n%+v, %v, want\n%+v", kept, err, rec)
	}
	line, err := h.Timeline(t.Context(), ken, wakaba, rec.ID, 0, 100)
	if err != nil || len(line) != 6 || line[0].What != record.Created || line[2].Text != "端末の利用者を確認中" || line[3].By != "mura" || line[5].Seq != 6 {
		t.Errorf("the timeline is %+v, %v", line, err)
	}
	log, err := h.DB.AuditLog(t.Context(), wakaba, store.AuditFilter{Action: "record.", Object: rec.Number})
	if err != nil || len(log.Records) != 6 || log.Records[5].Action != "record.create" || log.Records[3].Reason != "端末の利用者を確認中" || !strings.Contains(string(log.Records[0].After), `"closed"`) {
		t.Errorf("the audit log is %+v, %v", log.Records, err)
	}
	if report, err := h.DB.VerifyAudit(t.Context(), wakaba, nil); err != nil || report.Faults != nil {
		t.Errorf("the chain is %+v, %v", report, err)
	}
}

func whatMayNotBeDoneIsRefusedAndChangesNothing(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
	for _, tt := range []struct {
		p    record.Person
		step record.Step
		want string
	}{
		{ken, record.Step{Move: "fly"}, "/move no_such_move"},
		{ken, record.Step{Move: "close"}, "/move not_now"},
		{mura, record.Step{Move: "take"}, "/move role_missing"},
		{ken, record.Step{Move: "take"}, "/owner required"},
		{ken, record.Step{Move: "dismiss"}, "/reason required"},
		{ken, record.Step{Move: "dismiss", Reason: strings.Repeat("あ", record.MaxReason+1)}, "/reason too_long"},
		{ken, record.Step{Move: "dismiss", Reason: "\xff"}, "/reason not_utf8"},
		{ken, record.Step{Move: "take", Edit: record.Edit{Owner: ptr("a\x00")}}, "/owner not_a_text"},
		{ken, record.Step{Move: "take", Edit: record.Edit{Owner: ptr("a"), Severity: ptr(record.Severity("bad"))}}, "/severity no_such_choice"},
		{ken, record.Step{Move: "take", Edit: record.Edit{Owner: ptr("a"), Fields: map[string]string{"created": "2020-01-01"}}}, "/fields/created no_such_field"},
	} {
		_, err := h.Move(t.Context(), tt.p, wakaba, rec.ID, rec.Version, tt.step)
		if got := codes(t, err)[0]; got != tt.want {
			t.Errorf("%s by %s is refused for %q, want %q", tt.step.Move, tt.p.Account, got, tt.want)
		}
	}
	for _, version := range []int64{0, 2} {
		if _, err := h.Move(t.Context(), ken, wakaba, rec.ID, version, record.Step{Move: "dismiss", Reason: "x"}); !errors.Is(err, record.ErrStale) {
			t.Errorf("a move on version %d ends with %v, want ErrStale", version, err)
		}
	}
	if _, err := h.Move(t.Context(), ken, wakaba, "no-such", 1, record.Step{Move: "dismiss"}); !errors.Is(err, store.ErrNone) {
		t.Errorf("a move of nothing ends with %v, want ErrNone", err)
	}
	kept, err := h.Get(t.Context(), ken, wakaba, rec.ID)
	if err != nil || fmt.Sprintf("%+v", kept) != fmt.Sprintf("%+v", rec) {
		t.Errorf("the refusals changed the record to %+v, %v", kept, err)
	}
	log, err := h.DB.AuditLog(t.Context(), wakaba, store.AuditFilter{Action: "record."})
	if err != nil || len(log.Records) != 1 {
		t.Errorf("the audit log has %d records, %v, want the creation alone", len(log.Records), err)
	}
}

func whatMayNotBeWrittenIsRefused(t *testing.T, h *house) {
	good := record.Draft{Kind: "change", Title: "x", Severity: record.Info}
	for _, tt := range []struct {
		name string
		edit func(*record.Draft)
		want string
	}{
		{"no kind", func(d *record.Draft) { d.Kind = "nothing" }, "/kind no_such_kind"},
		{"no title", func(d *record.Draft) { d.Title = " \t" }, "/title required"},
		{"a long title", func(d *record.Draft) { d.Title = strings.Repeat("漢", record.MaxTitle+1) }, "/title too_long"},
		{"two lines of title", func(d *record.Draft) { d.Title = "a\nb" }, "/title not_a_text"},
		{"a title that turns its direction", func(d *record.Draft) { d.Title = "a\u202Etxt.exe" }, "/title not_a_text"},
		{"no UTF-8", func(d *record.Draft) { d.Body = "\x83\x65" }, "/body not_utf8"},
		{"NUL", func(d *record.Draft) { d.Body = "a\x00b" }, "/body not_a_text"},
		{"a long text", func(d *record.Draft) { d.Body = strings.Repeat("x", record.MaxBody+1) }, "/body too_long"},
		{"no severity", func(d *record.Draft) { d.Severity = "" }, "/severity no_such_choice"},
		{"a strange side", func(d *record.Draft) { d.Side = "left" }, "/side no_such_choice"},
		{"a strange field", func(d *record.Draft) { d.Fields = map[string]string{"x": "y"} }, "/fields/x no_such_field"},
		{"a choice that is none", func(d *record.Draft) { d.Fields = map[string]string{"risk": "超高"} }, "/fields/risk no_such_choice"},
		{"a time that is none", func(d *record.Draft) { d.Fields = map[string]string{"begin": "明日"} }, "/fields/begin not_a_time"},
		{"a truth that is none", func(d *record.Draft) { d.Fields = map[string]string{"emergency": "maybe"} }, "/fields/emergency not_yes_or_no"},
		{"an empty task", func(d *record.Draft) { d.Tasks = []string{"a", ""} }, "/tasks/1 required"},
		{"many tasks", func(d *record.Draft) { d.Tasks = make([]string, record.MaxTasks+1) }, "/tasks too_many"},
	} {
		d := good
		tt.edit(&d)
		_, _, err := h.Create(t.Context(), ken, wakaba, d)
		if got := codes(t, err)[0]; got != tt.want {
			t.Errorf("%s is refused for %q, want %q", tt.name, got, tt.want)
		}
	}
	if _, _, err := h.Create(t.Context(), mura, wakaba, record.Draft{Kind: "case", Title: "x", Severity: record.Info}); codes(t, err)[0] != "/kind role_missing" {
		t.Errorf("a body making a case is refused for %v", err)
	}
}

func ofTwoWhoMoveAtOnceOneIsStale(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
	var wait sync.WaitGroup
	results := make([]error, 8)
	for i := range results {
		wait.Go(func() {
			_, results[i] = h.Move(t.Context(), ken, wakaba, rec.ID, 1, record.Step{Move: "take", Edit: record.Edit{Owner: ptr(fmt.Sprint("p", i))}})
		})
	}
	wait.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, record.ErrStale) {
			t.Errorf("a loser gets %v, want ErrStale", err)
		}
	}
	if kept, err := h.Get(t.Context(), ken, wakaba, rec.ID); won != 1 || err != nil || kept.Version != 2 || kept.Entries != 2 {
		t.Errorf("%d won, and the record is %+v, %v", won, kept, err)
	}
}
