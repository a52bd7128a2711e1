package record_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sekikura/sekikura/record"
	"github.com/sekikura/sekikura/store"
)

func theSameFindingJoinsItsOpenRecord(t *testing.T, h *house) {
	draft := record.Draft{Kind: "failure", Title: "応答なし", Severity: record.Important, Key: "probe/www"}
	var wait sync.WaitGroup
	var mu sync.Mutex
	made, joined := 0, 0
	ids := map[record.ID]bool{}
	for range 10 {
		wait.Go(func() {
			rec, again, err := h.Create(t.Context(), service, wakaba, draft)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			defer mu.Unlock()
			ids[rec.ID] = true
			if again {
				joined++
			} else {
				made++
			}
		})
	}
	wait.Wait()
	if made != 1 || joined != 9 || len(ids) != 1 {
		t.Fatalf("ten findings at once made %d records and joined %d, in %v", made, joined, ids)
	}
	drill := draft
	drill.Drill = true
	if _, again, err := h.Create(t.Context(), service, wakaba, drill); err != nil || again {
		t.Errorf("a drill joins what is real: %v, %v", again, err)
	}
	if _, again, err := h.Create(t.Context(), service, hanami, draft); err != nil || again {
		t.Errorf("another body's finding joins: %v, %v", again, err)
	}
	h.set(h.now().Add(time.Hour)) // the last moment of the window
	rec, again, err := h.Create(t.Context(), service, wakaba, draft)
	if err != nil || !again || rec.Repeats != 10 || !rec.LastSeen.Equal(h.now()) {
		t.Errorf("an hour later: %v, %+v, %v", again, rec, err)
	}
	h.set(h.now().Add(time.Hour + time.Microsecond))
	fresh, again, err := h.Create(t.Context(), service, wakaba, draft)
	if err != nil || again {
		t.Errorf("beyond the window it joins %s, %v", fresh.Number, err)
	}
	h.move(t, ken, fresh, record.Step{Move: "dismiss", Reason: "試験"})
	if rec, again, err := h.Create(t.Context(), service, wakaba, draft); err != nil || again {
		t.Errorf("with a closed record it joins %s, %v", rec.Number, err)
	}
}

func aMergedRecordLeadsToTheOther(t *testing.T, h *house) {
	a := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "a"})
	b := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "b"})
	c := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "c"})
	task := h.make(t, ken, wakaba, record.Draft{Kind: "task", Title: "t"})
	merged, err := h.Merge(t.Context(), ken, wakaba, a.ID, a.Version, b.ID, "同じ端末")
	if err != nil || merged.State != record.Merged || merged.Open || merged.MergedInto != b.ID || !merged.Due.IsZero() {
		t.Fatalf("merged is %+v, %v", merged, err)
	}
	if _, err := h.Merge(t.Context(), ken, wakaba, b.ID, b.Version, c.ID, ""); err != nil {
		t.Fatal(err)
	}
	if got, err := h.Follow(t.Context(), mura, wakaba, a.ID); err != nil || got.ID != c.ID {
		t.Errorf("from a one comes to %s, %v, want c", got.Title, err)
	}
	for _, tt := range []struct {
		from    record.ID
		version int64
		into    record.ID
		want    string
	}{
		{c.ID, 1, c.ID, "/into itself"},
		{c.ID, 1, a.ID, "/into merged"},
		{a.ID, 2, c.ID, "/state merged"},
		{c.ID, 1, task.ID, "/into other_kind"},
	} {
		_, err := h.Merge(t.Context(), ken, wakaba, tt.from, tt.version, tt.into, "")
		if got := codes(t, err)[0]; got != tt.want {
			t.Errorf("refused for %q, want %q", got, tt.want)
		}
	}
	if _, err := h.Merge(t.Context(), ken, wakaba, c.ID, 1, "none", ""); !errors.Is(err, store.ErrNone) {
		t.Errorf("merging into nothing ends with %v, want ErrNone", err)
	}
	if _, err := h.Move(t.Context(), ken, wakaba, a.ID, 2, record.Step{Move: "reopen", Reason: "x"}); codes(t, err)[0] != "/move not_now" {
		t.Errorf("opening what was merged is refused for %v", err)
	}
	line, err := h.Timeline(t.Context(), mura, wakaba, b.ID, 0, 10)
	if err != nil || len(line) != 3 || line[1].What != record.MergedIn || !strings.Contains(string(line[1].Data), a.Number) || line[2].What != record.MergedTo {
		t.Errorf("b's timeline is %+v, %v", line, err)
	}
}

func linksStayWithinABodyOrUnderItsOperator(t *testing.T, h *house) {
	found := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "a"})
	incident := h.make(t, ken, wakaba, record.Draft{Kind: "incident", Title: "b"})
	citys := h.make(t, ken, hanami, record.Draft{Kind: "case", Title: "c"})
	above := h.make(t, ken, sakura, record.Draft{Kind: "incident", Title: "広域"})
	ctx := t.Context()
	if err := h.Link(ctx, mura, wakaba, found.ID, wakaba, incident.ID, record.RaisedAs); err != nil {
		t.Fatal(err)
	}
	if err := h.Link(ctx, ken, wakaba, found.ID, wakaba, incident.ID, record.RaisedAs); !errors.Is(err, store.ErrExists) {
		t.Errorf("the same link again ends with %v, want ErrExists", err)
	}
	back, err := h.Links(ctx, mura, wakaba, incident.ID)
	if err != nil || len(back) != 1 || back[0].Record != found.ID || back[0].Relation != record.RaisedFrom {
		t.Errorf("the other side leads to %+v, %v", back, err)
	}
	for _, rec := range []record.Record{found, citys} {
		if err := h.Link(ctx, ken, sakura, above.ID, rec.Tenant, rec.ID, record.Holds); err != nil {
			t.Fatal(err)
		}
	}
	if links, err := h.Links(ctx, ken, sakura, above.ID); err != nil || len(links) != 2 {
		t.Errorf("the operator's record leads to %+v, %v", links, err)
	}
	if links, err := h.Links(ctx, mura, wakaba, found.ID); err != nil || len(links) != 1 {
		t.Errorf("the body learns of the operator's links: %+v, %v", links, err)
	}
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"from body to body", h.Link(ctx, ken, wakaba, found.ID, hanami, citys.ID, record.Related), "/to other_body"},
		{"to itself", h.Link(ctx, ken, wakaba, found.ID, wakaba, found.ID, record.Related), "/to itself"},
		{"as a friend", h.Link(ctx, ken, wakaba, found.ID, wakaba, incident.ID, "friend"), "/relation no_such_choice"},
	} {
		if got := codes(t, tt.err)[0]; got != tt.want {
			t.Errorf("a link %s is refused for %q, want %q", tt.name, got, tt.want)
		}
	}
	for name, err := range map[string]error{
		"to nothing":                    h.Link(ctx, ken, wakaba, found.ID, wakaba, "none", record.Related),
		"to a record of another body":   h.Link(ctx, ken, sakura, above.ID, wakaba, citys.ID, record.Holds),
		"of a body to another's record": h.Link(ctx, mura, wakaba, found.ID, hanami, citys.ID, record.Related),
		"to another operator's body":    h.Link(ctx, ken, sakura, above.ID, another, citys.ID, record.Holds),
	} {
		if !errors.Is(err, store.ErrNone) {
			t.Errorf("a link %s ends with %v, want ErrNone", name, err)
		}
	}
	if err := h.Unlink(ctx, mura, wakaba, incident.ID, wakaba, found.ID, record.RaisedFrom); err != nil {
		t.Fatal(err)
	}
	if links, err := h.Links(ctx, ken, wakaba, found.ID); err != nil || len(links) != 0 {
		t.Errorf("after removing one side the other is %+v, %v", links, err)
	}
	if err := h.Unlink(ctx, ken, wakaba, found.ID, wakaba, incident.ID, record.RaisedAs); !errors.Is(err, store.ErrNone) {
		t.Errorf("removing it again ends with %v, want ErrNone", err)
	}
}

func tasksAreAddedAndFinished(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x", Tasks: []string{"隔離"}})
	added, err := h.AddTask(t.Context(), mura, wakaba, rec.ID, "職員に周知", "総務課", "2026-11-30")
	if err != nil || added.Seq != 2 {
		t.Fatalf("added is %+v, %v", added, err)
	}
	if got, err := h.FinishTask(t.Context(), mura, wakaba, rec.ID, 1, true); err != nil || got.DoneBy != "mura" || got.Done.IsZero() {
		t.Errorf("finished is %+v, %v", got, err)
	}
	for _, err := range []error{
		func() error { _, err := h.FinishTask(t.Context(), mura, wakaba, rec.ID, 1, true); return err }(),
		func() error { _, err := h.FinishTask(t.Context(), mura, wakaba, rec.ID, 2, false); return err }(),
	} {
		if codes(t, err)[0] != "/done not_now" {
			t.Errorf("refused for %v", err)
		}
	}
	if _, err := h.FinishTask(t.Context(), mura, wakaba, rec.ID, 3, true); !errors.Is(err, store.ErrNone) {
		t.Errorf("no task ends with %v, want ErrNone", err)
	}
	for _, bad := range [][3]string{{"", "", ""}, {"x", "", "11/30"}, {"x", "", "2026-02-30"}, {"a\nb", "", ""}} {
		if _, err := h.AddTask(t.Context(), ken, wakaba, rec.ID, bad[0], bad[1], bad[2]); codes(t, err)[0] == "" {
			t.Errorf("%q was taken", bad)
		}
	}
	tasks, err := h.Tasks(t.Context(), ken, wakaba, rec.ID)
	if err != nil || len(tasks) != 2 || tasks[0].Done.IsZero() || tasks[1].Due != "2026-11-30" || tasks[1].Owner != "総務課" {
		t.Errorf("tasks are %+v, %v", tasks, err)
	}
	h.move(t, ken, rec, record.Step{Move: "dismiss", Reason: "x"})
	if _, err := h.AddTask(t.Context(), ken, wakaba, rec.ID, "x", "", ""); codes(t, err)[0] != "/state closed" {
		t.Errorf("a task of a closed record is refused for %v", err)
	}
}

func evidenceHasAHashAndACustodyLog(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "incident", Title: "x"})
	e, err := h.AddEvidence(t.Context(), ken, wakaba, rec.ID, record.Evidence{Name: "access.log", Media: "text/plain", Note: "プロキシから取得"}, strings.NewReader("abc"))
	const sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" // FIPS 180-2, B.1
	if err != nil || e.SHA256 != sum || e.Size != 3 || e.Seq != 1 {
		t.Fatalf("the evidence is %+v, %v", e, err)
	}
	from, _, err := h.OpenEvidence(t.Context(), mura, wakaba, rec.ID, 1)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := io.ReadAll(from); err != nil || string(text) != "abc" || from.Close() != nil {
		t.Errorf("read back: %q, %v", text, err)
	}
	if err := h.Handle(t.Context(), ken, wakaba, rec.ID, 1, record.Handed, "県警サイバー対策課へ"); err != nil {
		t.Fatal(err)
	}
	if err := h.VerifyEvidence(t.Context(), ken, wakaba, rec.ID, 1); err != nil {
		t.Fatal(err)
	}
	for address := range h.blobs.kept {
		h.blobs.kept[address] = []byte("abd")
	}
	if err := h.VerifyEvidence(t.Context(), ken, wakaba, rec.ID, 1); !errors.Is(err, record.ErrAltered) {
		t.Errorf("altered bytes verify with %v, want ErrAltered", err)
	}
	if from, _, err := h.OpenEvidence(t.Context(), ken, wakaba, rec.ID, 1); err != nil {
		t.Error(err)
	} else if _, err := io.ReadAll(from); !errors.Is(err, record.ErrAltered) {
		t.Errorf("altered bytes are read with %v, want ErrAltered", err)
	}
	clear(h.blobs.kept)
	if err := h.VerifyEvidence(t.Context(), ken, wakaba, rec.ID, 1); err == nil || errors.Is(err, record.ErrAltered) {
		t.Errorf("bytes that are gone verify with %v, want another error", err)
	}
	log, err := h.CustodyOf(t.Context(), mura, wakaba, rec.ID, 1)
	var acts []record.Handling
	for _, c := range log {
		acts = append(acts, c.Act)
	}
	want := []record.Handling{record.Secured, record.Opened, record.Handed, record.Verified, record.Altered, record.Opened}
	if err != nil || !slices.Equal(acts, want) || log[1].By != "mura" {
		t.Errorf("the custody log is %+v, %v, want %v", log, err, want)
	}
	held, err := h.Held(t.Context(), wakaba)
	kept, _ := h.blobs.Put(t.Context(), wakaba, strings.NewReader("abc"))
	loose, _ := h.blobs.Put(t.Context(), wakaba, strings.NewReader("zzz"))
	if err != nil || !held(kept.Address) || held(loose.Address) {
		t.Errorf("held: %v %v, %v", held(kept.Address), held(loose.Address), err)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"", "x", "/name not_a_file_name"},
		{"../etc/passwd", "x", "/name not_a_file_name"},
		{"a\x00", "x", "/name not_a_text"},
		{"big", strings.Repeat("x", 1<<16+1), "/file too_large"},
	} {
		_, err := h.AddEvidence(t.Context(), ken, wakaba, rec.ID, record.Evidence{Name: tt.name}, strings.NewReader(tt.text))
		if got := codes(t, err)[0]; got != tt.want {
			t.Errorf("evidence %q is refused for %q, want %q", tt.name, got, tt.want)
		}
	}
	if err := h.Handle(t.Context(), ken, wakaba, rec.ID, 1, record.Verified, "x"); codes(t, err)[0] != "/act no_such_choice" {
		t.Errorf("a verification by hand is refused for %v", err)
	}
}

func templatesFillADraft(t *testing.T, h *house) {
	template := record.Template{Name: "回線断", Draft: record.Draft{
		Kind: "failure", Title: "{{where}}の回線断", Severity: record.Important, Body: "{{when}}から不通", Fields: map[string]string{"layer": "{{where}}"}, Tasks: []string{"{{where}}に電話"},
	}}
	if err := h.SetTemplate(t.Context(), ken, wakaba, template); err != nil {
		t.Fatal(err)
	}
	all, err := h.Templates(t.Context(), mura, wakaba)
	if err != nil || len(all) != 1 {
		t.Fatalf("templates are %+v, %v", all, err)
	}
	d := all[0].Fill(map[string]string{"where": "本庁{{when}}"})
	if d.Title != "本庁{{when}}の回線断" || d.Body != "{{when}}から不通" || d.Tasks[0] != "本庁{{when}}に電話" || d.Fields["layer"] != "本庁{{when}}" {
		t.Errorf("the filled draft is %+v", d)
	}
	h.make(t, ken, wakaba, d)
	bad := template
	bad.Draft.Kind = "none"
	if err := h.SetTemplate(t.Context(), ken, wakaba, bad); codes(t, err)[0] != "/draft/kind no_such_kind" {
		t.Errorf("refused for %v", err)
	}
	if err := h.DropTemplate(t.Context(), ken, wakaba, "回線断"); err != nil {
		t.Error(err)
	}
	if err := h.DropTemplate(t.Context(), ken, wakaba, "回線断"); !errors.Is(err, store.ErrNone) {
		t.Errorf("removing it again ends with %v, want ErrNone", err)
	}
}

// all reads every page and returns the titles.
func (h *house) all(t *testing.T, p record.Person, f record.Filter) []string {
	t.Helper()
	var titles []string
	for range 100 {
		page, err := h.List(t.Context(), p, wakaba, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			titles = append(titles, rec.Title)
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			return titles
		}
	}
	t.Fatal("the pages do not end")
	return nil
}

func pagesHoldEveryRecordOnceInEachOrder(t *testing.T, h *house) {
	severities := []record.Severity{record.Info, record.Critical, record.Caution}
	begin := h.now()
	for i := range 24 {
		h.set(begin.Add(time.Duration(i/4) * time.Minute)) // four at the same moment
		kind := []string{"case", "change"}[i%2]
		rec := h.make(t, ken, wakaba, record.Draft{Kind: kind, Title: fmt.Sprintf("%02d", i), Severity: severities[i%3], Owner: []string{"", "ken"}[i%2], System: "sys"})
		if i%5 == 0 && kind == "case" {
			h.move(t, ken, rec, record.Step{Move: "dismiss", Reason: "x"})
		}
	}
	for order, column := range map[record.Order]func(record.Record) int64{
		record.ByCreated: func(r record.Record) int64 { return -r.Created.UnixMicro() },
		record.ByUpdated: func(r record.Record) int64 { return -r.Updated.UnixMicro() },
		record.BySeverity: func(r record.Record) int64 {
			return int64(slices.Index([]record.Severity{record.Critical, record.Important, record.Caution, record.Info}, r.Severity))
		},
		record.ByDue: func(r record.Record) int64 {
			if r.Due.IsZero() {
				return 1 << 62
			}
			return r.Due.UnixMicro()
		},
	} {
		got := h.all(t, mura, record.Filter{Order: order, Limit: 7})
		slices.Sort(got)
		if len(slices.Compact(got)) != 24 {
			t.Errorf("ordered by %q the pages hold %v", order, got)
		}
		page, err := h.List(t.Context(), mura, wakaba, record.Filter{Order: order})
		if err != nil || !slices.IsSortedFunc(page.Records, func(a, b record.Record) int { return int(min(1, max(-1, column(a)-column(b)))) }) {
			t.Errorf("the list is not ordered by %q: %v", order, err)
		}
	}
	for _, tt := range []struct {
		f    record.Filter
		want int
	}{
		{record.Filter{Kinds: []string{"case"}}, 12},
		{record.Filter{Kinds: []string{"case", "change"}, Severity: []record.Severity{record.Critical, record.Info}}, 16},
		{record.Filter{Open: ptr(true)}, 21},
		{record.Filter{States: []string{"false_alarm"}}, 3},
		{record.Filter{Owner: ptr("ken")}, 12},
		{record.Filter{Owner: ptr("' OR 1=1 --")}, 0},
		{record.Filter{System: ptr("sys"), Side: ptr(record.Unknown), Drill: ptr(false)}, 24},
		{record.Filter{Since: begin.Add(time.Minute), Until: begin.Add(2 * time.Minute)}, 4},
		{record.Filter{DueBy: begin.Add(20 * time.Minute)}, 3}, // of four urgent cases one is closed,
	} {
		if n, err := h.Count(t.Context(), mura, wakaba, tt.f); err != nil || n != int64(tt.want) || len(h.all(t, mura, tt.f)) != tt.want {
			t.Errorf("%+v finds %d, %v, want %d", tt.f, n, err, tt.want)
		}
	}
	for _, bad := range []record.Filter{{Limit: -1}, {Limit: 501}, {Order: "number; DROP"}, {Cursor: "!"}, {Cursor: "e30"}, {Severity: []record.Severity{"x"}}, {Text: "a\x00"}, {Text: strings.Repeat("a ", 9)}, {Kinds: make([]string, 101)}, {Kinds: []string{"\xff"}}} {
		if _, err := h.List(t.Context(), mura, wakaba, bad); codes(t, err)[0] == "" {
			t.Errorf("%+v was taken", bad)
		}
	}
}

func aSearchKnowsNoWidthAndNoCase(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "ﾏﾙｳｪｱ検知 ＰＣ－０１", Body: "EMOTET　の疑い 100%_確か", System: "文書管理", Fields: map[string]string{"source": "ＥＤＲ"}})
	h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "別件"})
	if _, err := h.Comment(t.Context(), mura, wakaba, rec.ID, "ＬＧＷＡＮ端末でした", false); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Edit(t.Context(), ken, wakaba, rec.ID, 1, record.Edit{System: ptr("財務会計")}); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]int64{
		"マルウェア": 1, "マルウエア": 0, "pc-01": 1, "ＰＣ−01": 1, "emotet 疑い": 1, "emotet 別件": 0, "edr": 1, "lgwan端末": 1, "財務会計": 1, "文書管理": 0,
		"c-r8-00001": 1, "100%_": 1, "1%": 0, "": 2, "100\\": 0, "\u3000": 2, "件": 1,
	} {
		if n, err := h.Count(t.Context(), mura, wakaba, record.Filter{Text: text}); err != nil || n != want {
			t.Errorf("%q finds %d, %v, want %d", text, n, err, want)
		}
	}
}

func theOperatorListsAllItsBodies(t *testing.T, h *house) {
	h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "w"})
	h.make(t, ken, hanami, record.Draft{Kind: "case", Title: "h"})
	h.make(t, ken, sakura, record.Draft{Kind: "case", Title: "s"})
	h.make(t, foreign, another, record.Draft{Kind: "case", Title: "o"})
	var titles []string
	f := record.Filter{Limit: 2}
	for range 5 {
		page, err := h.ListUnder(t.Context(), ken, sakura, f)
		if err != nil {
			t.Fatal(err)
		}
		for _, rec := range page.Records {
			titles = append(titles, rec.Title+string(rec.Tenant))
		}
		if f.Cursor = page.Next; f.Cursor == "" {
			break
		}
	}
	slices.Sort(titles)
	if want := []string{"h992011", "s990001", "w994413"}; !slices.Equal(titles, want) {
		t.Errorf("the operator sees %v, want %v", titles, want)
	}
	if page, err := h.ListUnder(t.Context(), soc, sakura, record.Filter{}); err != nil || len(page.Records) != 1 || page.Records[0].Title != "w" {
		t.Errorf("somebody limited to one body sees %+v, %v", page.Records, err)
	}
	for _, p := range []record.Person{mura, foreign} {
		if _, err := h.ListUnder(t.Context(), p, sakura, record.Filter{}); !errors.Is(err, store.ErrNone) {
			t.Errorf("%s listing all bodies gets %v, want ErrNone", p.Account, err)
		}
	}
	if _, err := h.ListUnder(t.Context(), mura, wakaba, record.Filter{}); !errors.Is(err, store.ErrNone) {
		t.Errorf("a body as its own operator gets %v, want ErrNone", err)
	}
	seen, err := h.DB.AcrossLog(t.Context(), wakaba, store.AuditFilter{})
	if err != nil || len(seen.Records) != 3 {
		t.Errorf("the body sees %d reads across bodies, %v, want 3", len(seen.Records), err)
	}
}

func aTableComesBackAsItWent(t *testing.T, h *house) {
	drafts := []record.Draft{
		{Kind: "change", Title: "=HYPERLINK(\"x\")", Body: "一行目\n\"二\",行目\n", Severity: record.Info, Side: record.Ours, Owner: "ken", System: "'=x", Key: "-1", Fields: map[string]string{"risk": "高", "plan": "@手順\n2"}},
		{Kind: "task", Title: "髙﨑𠮷", Severity: record.Critical, Drill: true, Fields: map[string]string{"due": "2026-12-01"}},
	}
	made, wrong, err := h.Import(t.Context(), ken, wakaba, drafts, false)
	if err != nil || wrong != nil || len(made) != 2 || made[0].Number != "令8-0001" {
		t.Fatalf("made %+v, %+v, %v", made, wrong, err)
	}
	var out bytes.Buffer
	if err := h.Export(t.Context(), mura, wakaba, record.Filter{}, &out); err != nil {
		t.Fatal(err)
	}
	if text := out.String(); !strings.HasPrefix(text, "\xEF\xBB\xBFnumber,kind,title") || strings.Contains(strings.ReplaceAll(text, "\r\n", ""), "\n") || strings.Contains(text, ",=") || strings.Contains(text, "\"=") {
		t.Errorf("the CSV is %q", text)
	}
	back, wrong, err := record.ParseCSV(&out)
	if err != nil || wrong != nil || len(back) != 2 {
		t.Fatalf("read back %+v, %+v, %v", back, wrong, err)
	}
	slices.SortFunc(back, func(a, b record.Draft) int { return strings.Compare(a.Kind, b.Kind) })
	for i := range back {
		want := drafts[i]
		if i == 1 && back[i].Key != "" {
			t.Errorf("key %q came from nowhere", back[i].Key)
		}
		if fmt.Sprintf("%+v", back[i]) != fmt.Sprintf("%+v", want) {
			t.Errorf("came back as\n%+v, want\n%+v", back[i], want)
		}
	}
	out.Reset()
	if err := h.ExportJSON(t.Context(), mura, wakaba, record.Filter{}, &out); err != nil {
		t.Fatal(err)
	}
	var records []record.Record
	if err := json.Unmarshal(out.Bytes(), &records); err != nil || len(records) != 2 {
		t.Errorf("the JSON is %s, %v", out.String(), err)
	}
	out.Reset()
	if err := h.ExportJSON(t.Context(), mura, wakaba, record.Filter{Kinds: []string{"case"}}, &out); err != nil || out.String() != "[]\n" {
		t.Errorf("nothing is exported as %q, %v", out.String(), err)
	}
	log, err := h.DB.AuditLog(t.Context(), wakaba, store.AuditFilter{Action: "record.export"})
	if err != nil || len(log.Records) != 3 {
		t.Errorf("exports in the audit log: %d, %v, want 3", len(log.Records), err)
	}
}

func anImportWithOneWrongRowImportsNothing(t *testing.T, h *house) {
	var drafts []record.Draft
	for i := range 5 {
		drafts = append(drafts, record.Draft{Kind: "task", Title: fmt.Sprint("t", i), Severity: record.Info})
	}
	drafts[1].Title, drafts[3].Severity = "", "極大"
	made, wrong, err := h.Import(t.Context(), ken, wakaba, drafts, false)
	if err != nil || made != nil || len(wrong) != 2 || wrong[0].Row != 2 || wrong[1].Row != 4 || wrong[1].Problem.Code != "no_such_choice" {
		t.Errorf("made %d, problems %+v, %v", len(made), wrong, err)
	}
	drafts[1].Title, drafts[3].Severity = "x", record.Info
	if made, wrong, err := h.Import(t.Context(), ken, wakaba, drafts, true); err != nil || made != nil || wrong != nil {
		t.Errorf("a dry import made %d, %+v, %v", len(made), wrong, err)
	}
	broken := errors.New("it breaks at the fourth")
	h.After = func(_ context.Context, _ *store.Tx, rec record.Record, _ record.Entry) error {
		if rec.Title == "t4" {
			return broken
		}
		return nil
	}
	if _, _, err := h.Import(t.Context(), ken, wakaba, drafts, false); !errors.Is(err, broken) {
		t.Errorf("the import ends with %v", err)
	}
	if n, err := h.Count(t.Context(), ken, wakaba, record.Filter{}); err != nil || n != 0 {
		t.Errorf("there are %d records, %v, want none", n, err)
	}
	h.After = nil
	if made, _, err := h.Import(t.Context(), ken, wakaba, drafts, false); err != nil || made[4].Number != "K-R8-00005" {
		t.Errorf("at last made %+v, %v", made, err)
	}
	if _, wrong, err := h.Import(t.Context(), ken, wakaba, make([]record.Draft, record.MaxRows+1), false); err != nil || wrong[0].Problem.Code != "too_many" {
		t.Errorf("too many rows: %+v, %v", wrong, err)
	}
}

func whatIsDoneAfterAnEntryHappensWithItOrNotAtAll(t *testing.T, h *house) {
	var told []record.What
	broken := errors.New("the notice cannot be queued")
	h.After = func(_ context.Context, tx *store.Tx, rec record.Record, e record.Entry) error {
		if e.Text == "bad" {
			return broken
		}
		if tx.Tenant() != wakaba || rec.Number == "" {
			return fmt.Errorf("told of %+v", rec)
		}
		told = append(told, e.What)
		return nil
	}
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
	if _, err := h.Comment(t.Context(), ken, wakaba, rec.ID, "bad", false); !errors.Is(err, broken) {
		t.Errorf("the comment ends with %v", err)
	}
	if got := h.clock(t, rec, "first_answer"); len(got.Marks) != 1 {
		t.Errorf("a comment that did not happen stopped the clock: %+v", got)
	}
	kept, err := h.Get(t.Context(), ken, wakaba, rec.ID)
	if err != nil || kept.Entries != 1 || !slices.Equal(told, []record.What{record.Created}) {
		t.Errorf("the record has %d entries, %v, and told are %v", kept.Entries, err, told)
	}
}
