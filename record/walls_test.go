package record_test

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/record"
	"github.com/sekikura/sekikura/record/clock"
	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/tenant"
)

func aForeignBodyFindsNothingBehindAnyDoor(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "秘密", Tasks: []string{"a"}})
	other := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "もう一つ"})
	if _, err := h.AddEvidence(t.Context(), ken, wakaba, rec.ID, record.Evidence{Name: "a.log"}, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for _, p := range []record.Person{shi, foreign, {}, {Actor: store.Actor{Account: "soc2", Tenant: sakura}, Roles: ken.Roles, Only: []tenant.ID{hanami}}} {
		ctx := t.Context()
		doors := map[string]func() error{
			"Get":            func() error { _, err := h.Get(ctx, p, wakaba, rec.ID); return err },
			"ByNumber":       func() error { _, err := h.ByNumber(ctx, p, wakaba, rec.Number); return err },
			"Follow":         func() error { _, err := h.Follow(ctx, p, wakaba, rec.ID); return err },
			"List":           func() error { _, err := h.List(ctx, p, wakaba, record.Filter{}); return err },
			"Count":          func() error { _, err := h.Count(ctx, p, wakaba, record.Filter{}); return err },
			"Timeline":       func() error { _, err := h.Timeline(ctx, p, wakaba, rec.ID, 0, 10); return err },
			"Clocks":         func() error { _, err := h.Clocks(ctx, p, wakaba, rec.ID, h.now()); return err },
			"PauseClock":     func() error { _, err := h.PauseClock(ctx, p, wakaba, rec.ID, "own", "x", false); return err },
			"Tasks":          func() error { _, err := h.Tasks(ctx, p, wakaba, rec.ID); return err },
			"AddTask":        func() error { _, err := h.AddTask(ctx, p, wakaba, rec.ID, "x", "", ""); return err },
			"FinishTask":     func() error { _, err := h.FinishTask(ctx, p, wakaba, rec.ID, 1, true); return err },
			"Links":          func() error { _, err := h.Links(ctx, p, wakaba, rec.ID); return err },
			"Link":           func() error { return h.Link(ctx, p, wakaba, rec.ID, wakaba, other.ID, record.Related) },
			"Unlink":         func() error { return h.Unlink(ctx, p, wakaba, rec.ID, wakaba, other.ID, record.Related) },
			"EvidenceOf":     func() error { _, err := h.EvidenceOf(ctx, p, wakaba, rec.ID); return err },
			"CustodyOf":      func() error { _, err := h.CustodyOf(ctx, p, wakaba, rec.ID, 1); return err },
			"OpenEvidence":   func() error { _, _, err := h.OpenEvidence(ctx, p, wakaba, rec.ID, 1); return err },
			"VerifyEvidence": func() error { return h.VerifyEvidence(ctx, p, wakaba, rec.ID, 1) },
			"Handle":         func() error { return h.Handle(ctx, p, wakaba, rec.ID, 1, record.Handed, "x") },
			"AddEvidence": func() error {
				_, err := h.AddEvidence(ctx, p, wakaba, rec.ID, record.Evidence{Name: "b"}, strings.NewReader("x"))
				return err
			},
			"Comment":  func() error { _, err := h.Comment(ctx, p, wakaba, rec.ID, "x", false); return err },
			"Annotate": func() error { _, err := h.Annotate(ctx, p, wakaba, rec.ID, 1, "x"); return err },
			"Edit":     func() error { _, err := h.Edit(ctx, p, wakaba, rec.ID, 1, record.Edit{Title: ptr("x")}); return err },
			"Move": func() error {
				_, err := h.Move(ctx, p, wakaba, rec.ID, 1, record.Step{Move: "dismiss", Reason: "x"})
				return err
			},
			"Merge": func() error { _, err := h.Merge(ctx, p, wakaba, rec.ID, 1, other.ID, ""); return err },
			"Create": func() error {
				_, _, err := h.Create(ctx, p, wakaba, record.Draft{Kind: "ticket", Title: "x", Severity: record.Info})
				return err
			},
			"Import":     func() error { _, _, err := h.Import(ctx, p, wakaba, nil, false); return err },
			"Export":     func() error { return h.Export(ctx, p, wakaba, record.Filter{}, io.Discard) },
			"ExportJSON": func() error { return h.ExportJSON(ctx, p, wakaba, record.Filter{}, io.Discard) },
			"Templates":  func() error { _, err := h.Templates(ctx, p, wakaba); return err },
			"SetTemplate": func() error {
				return h.SetTemplate(ctx, p, wakaba, record.Template{Name: "x", Draft: record.Draft{Kind: "ticket", Title: "x", Severity: record.Info}})
			},
			"DropTemplate": func() error { return h.DropTemplate(ctx, p, wakaba, "x") },
		}
		for name, door := range doors {
			if err := door(); !errors.Is(err, store.ErrNone) {
				t.Errorf("%s by %q of %q ends with %v, want ErrNone", name, p.Account, p.Tenant, err)
			}
		}
		if got := h.Moves(p, rec); got != nil {
			t.Errorf("%q is offered the moves %v", p.Account, got)
		}
	}
	kept, err := h.Get(t.Context(), ken, wakaba, rec.ID)
	if err != nil || kept.Version != 1 || kept.Entries != 2 {
		t.Errorf("after all that the record is %+v, %v", kept, err)
	}
	// A body's record is not found under another body's name either.
	if _, err := h.Get(t.Context(), ken, hanami, rec.ID); !errors.Is(err, store.ErrNone) {
		t.Errorf("under another body the record is %v, want ErrNone", err)
	}
}

func whatIsInsideNeverReachesTheBody(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
	if _, err := h.Comment(t.Context(), ken, wakaba, rec.ID, "庁内に協力者の疑い", true); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Annotate(t.Context(), ken, wakaba, rec.ID, 2, "疑いは職員番号4711"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.AddEvidence(t.Context(), ken, wakaba, rec.ID, record.Evidence{Name: "職員4711.log", Inside: true, Note: "協力者の疑い"}, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Comment(t.Context(), mura, wakaba, rec.ID, "こちらで確認します", false); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Comment(t.Context(), mura, wakaba, rec.ID, "x", true); codes(t, err)[0] != "/inside role_missing" {
		t.Errorf("a body's inside comment is refused for %v", err)
	}
	if _, err := h.Annotate(t.Context(), mura, wakaba, rec.ID, 2, "x"); !errors.Is(err, store.ErrNone) {
		t.Errorf("a body's remark on an inside comment ends with %v, want ErrNone", err)
	}
	for _, tt := range []struct {
		p                 record.Person
		entries, files    int
		finds             int64
		custody, timeline error
	}{{mura, 2, 0, 0, store.ErrNone, nil}, {ken, 5, 1, 1, nil, nil}, {soc, 5, 1, 1, nil, nil}} {
		line, err := h.Timeline(t.Context(), tt.p, wakaba, rec.ID, 0, 100)
		if err != nil || len(line) != tt.entries {
			t.Errorf("%s sees %d entries, %v, want %d", tt.p.Account, len(line), err, tt.entries)
		}
		files, err := h.EvidenceOf(t.Context(), tt.p, wakaba, rec.ID)
		if err != nil || len(files) != tt.files {
			t.Errorf("%s sees %d files, %v, want %d", tt.p.Account, len(files), err, tt.files)
		}
		if n, err := h.Count(t.Context(), tt.p, wakaba, record.Filter{Text: "協力者"}); err != nil || n != tt.finds {
			t.Errorf("%s finds %d records by an inside word, %v, want %d", tt.p.Account, n, err, tt.finds)
		}
		if n, err := h.Count(t.Context(), tt.p, wakaba, record.Filter{Text: "確認します"}); err != nil || n != 1 {
			t.Errorf("%s finds %d records by a comment, %v, want 1", tt.p.Account, n, err)
		}
		if _, err := h.CustodyOf(t.Context(), tt.p, wakaba, rec.ID, 1); !errors.Is(err, tt.custody) {
			t.Errorf("%s reads the custody log with %v, want %v", tt.p.Account, err, tt.custody)
		}
	}
	log, err := h.DB.AuditLog(t.Context(), wakaba, store.AuditFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range log.Records {
		if text := string(a.Before) + string(a.After) + a.Reason; strings.Contains(text, "4711") || strings.Contains(text, "協力者") {
			t.Errorf("the body's auditors read %s", text)
		}
	}
}

func aBodyEditsItsOwnDraftsOnly(t *testing.T, h *house) {
	rec := h.make(t, mura, wakaba, record.Draft{Kind: "request", Title: "例外申請"})
	rec, err := h.Edit(t.Context(), mura, wakaba, rec.ID, 1, record.Edit{Title: ptr("WAF例外申請"), Fields: map[string]string{"purpose": "業務のため"}})
	if err != nil || rec.Title != "WAF例外申請" || rec.Version != 2 {
		t.Fatalf("the edited draft is %+v, %v", rec, err)
	}
	if _, err := h.Edit(t.Context(), mura, wakaba, rec.ID, 2, record.Edit{Title: ptr("WAF例外申請")}); codes(t, err)[0] != " nothing_changed" {
		t.Errorf("an edit of nothing is refused for %v", err)
	}
	if _, err := h.Edit(t.Context(), mura, wakaba, rec.ID, 2, record.Edit{Severity: ptr(record.Critical)}); codes(t, err)[0] != "/state role_missing" {
		t.Errorf("a body setting the severity is refused for %v", err)
	}
	rec = h.move(t, mura, rec, record.Step{Move: "submit"})
	if _, err := h.Edit(t.Context(), mura, wakaba, rec.ID, rec.Version, record.Edit{Title: ptr("y")}); codes(t, err)[0] != "/state role_missing" {
		t.Errorf("an edit after submitting is refused for %v", err)
	}
	if _, err := h.Move(t.Context(), mura, wakaba, rec.ID, rec.Version, record.Step{Move: "approve", Edit: record.Edit{Body: ptr("y")}}); codes(t, err)[0] != "/edit role_missing" {
		t.Errorf("an approval that changes what was asked is refused for %v", err)
	}
	rec = h.move(t, ken, rec, record.Step{Move: "reject", Reason: "別手段あり"})
	if _, err := h.Edit(t.Context(), ken, wakaba, rec.ID, rec.Version, record.Edit{Title: ptr("y")}); codes(t, err)[0] != "/state closed" {
		t.Errorf("an edit of a closed record is refused for %v", err)
	}
}

func (h *house) clock(t *testing.T, rec record.Record, name string) record.Clock {
	t.Helper()
	all, err := h.Clocks(t.Context(), ken, rec.Tenant, rec.ID, h.now())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(c record.Clock) bool { return c.Name == name })
	if i < 0 {
		t.Fatalf("there is no clock %s in %+v", name, all)
	}
	return all[i]
}

func clocksEndByOwnerAndAnswerAndPauseWithAReason(t *testing.T, h *house) {
	rec := h.make(t, mura, wakaba, record.Draft{Kind: "ticket", Title: "メールが届かない"})
	h.set(jst("2026-11-24 10:30"))
	if _, err := h.Comment(t.Context(), mura, wakaba, rec.ID, "急ぎです", false); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Comment(t.Context(), ken, wakaba, rec.ID, "内部メモ", true); err != nil {
		t.Fatal(err)
	}
	if got := h.clock(t, rec, "first_answer").Reading.State; got != clock.Running {
		t.Errorf("after the body's own and an inside comment the first answer is %s, want running", got)
	}
	if _, err := h.Comment(t.Context(), ken, wakaba, rec.ID, "調べます", false); err != nil {
		t.Fatal(err)
	}
	if got := h.clock(t, rec, "first_answer").Reading; got.State != clock.Stopped || got.Elapsed != 30*time.Minute {
		t.Errorf("after the answer the clock reads %+v, want stopped after 30m", got)
	}
	rec, err := h.Edit(t.Context(), ken, wakaba, rec.ID, 1, record.Edit{Owner: ptr("ken")})
	if err != nil || h.clock(t, rec, "own").Reading.State != clock.Stopped {
		t.Errorf("with an owner the clock is %+v, %v", h.clock(t, rec, "own").Reading, err)
	}
	if _, err := h.PauseClock(t.Context(), ken, wakaba, rec.ID, "resolve", "", false); codes(t, err)[0] != "/reason required" {
		t.Errorf("a pause without a reason is refused for %v", err)
	}
	if _, err := h.PauseClock(t.Context(), ken, wakaba, rec.ID, "resolve", "", true); codes(t, err)[0] != "/clock not_now" {
		t.Errorf("resuming what runs is refused for %v", err)
	}
	if _, err := h.PauseClock(t.Context(), ken, wakaba, rec.ID, "none", "x", false); codes(t, err)[0] != "/clock no_such_clock" {
		t.Errorf("pausing no clock is refused for %v", err)
	}
	if _, err := h.PauseClock(t.Context(), mura, wakaba, rec.ID, "resolve", "x", false); !errors.Is(err, store.ErrNone) {
		t.Errorf("a body pausing a clock gets %v, want ErrNone", err)
	}
	rec, err = h.PauseClock(t.Context(), ken, wakaba, rec.ID, "resolve", "計画停電", false)
	if err != nil || !rec.Due.IsZero() {
		t.Errorf("after the pause the record is due %v, %v", rec.Due, err)
	}
	h.set(jst("2026-11-25 10:30"))
	rec, err = h.PauseClock(t.Context(), ken, wakaba, rec.ID, "resolve", "", true)
	got := h.clock(t, rec, "resolve")
	if err != nil || got.Reading.Elapsed != 30*time.Minute || len(got.Marks) != 3 || got.Marks[1].Reason != "計画停電" || !rec.Due.Equal(got.Reading.Due) || rec.Due.IsZero() {
		t.Errorf("after a day's pause the clock is %+v and the record due %v, %v", got, rec.Due, err)
	}
}

func anotherSeverityBringsOtherLimits(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "failure", Title: "回線断", Severity: record.Caution})
	if !rec.Due.Equal(jst("2026-11-24 14:00")) { // 引受 within four hours
		t.Errorf("the failure is due %v", rec.Due.In(clock.JST))
	}
	h.set(jst("2026-11-24 10:20"))
	rec, err := h.Edit(t.Context(), ken, wakaba, rec.ID, 1, record.Edit{Severity: ptr(record.Critical)})
	if err != nil || !rec.Due.Equal(jst("2026-11-24 10:15")) {
		t.Errorf("as 緊急 it is due %v, %v, want 10:15", rec.Due.In(clock.JST), err)
	}
	if got := h.clock(t, rec, "resolve"); got.Limit != 4*time.Hour || got.Reading.Elapsed != 20*time.Minute {
		t.Errorf("the limit is now %v with %v elapsed", got.Limit, got.Reading.Elapsed)
	}
}

func anAlarmRingsOnce(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "failure", Title: "回線断", Severity: record.Critical})
	h.make(t, ken, hanami, record.Draft{Kind: "ticket", Title: "質問"})
	if got, err := h.Alarms(t.Context(), h.now()); err != nil || len(got) != 0 {
		t.Errorf("alarms at once are %v, %v", got, err)
	}
	early := record.Alarm{Tenant: wakaba, Record: rec.ID, Clock: "own"}
	if _, err := h.Ring(t.Context(), early); !errors.Is(err, store.ErrNone) {
		t.Errorf("an alarm before its time rings with %v, want ErrNone", err)
	}
	h.set(jst("2026-11-24 10:31"))
	got, err := h.Alarms(t.Context(), h.now())
	if err != nil || len(got) != 2 || got[0].Clock != "own" || !got[0].Due.Equal(jst("2026-11-24 10:15")) || got[1].Clock != "first_answer" {
		t.Fatalf("alarms are %+v, %v", got, err)
	}
	rings := make(chan error, 4)
	for range 4 {
		go func() { _, err := h.Ring(t.Context(), got[0]); rings <- err }()
	}
	rang := 0
	for range 4 {
		if err := <-rings; err == nil {
			rang++
		} else if !errors.Is(err, store.ErrNone) {
			t.Errorf("a second ring ends with %v, want ErrNone", err)
		}
	}
	if _, err := h.Comment(t.Context(), ken, wakaba, rec.ID, "対応中です", false); err != nil { // the first answer
		t.Fatal(err)
	}
	if _, err := h.Ring(t.Context(), got[1]); !errors.Is(err, store.ErrNone) {
		t.Errorf("an alarm whose clock was stopped rings with %v, want ErrNone", err)
	}
	line, err := h.Timeline(t.Context(), mura, wakaba, rec.ID, 0, 10)
	if err != nil || rang != 1 || len(line) != 3 || line[1].What != record.Overdue {
		t.Errorf("it rang %d times, and the timeline is %+v, %v", rang, line, err)
	}
	if left, err := h.Alarms(t.Context(), h.now()); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}

func aClockThatWasSetBackMovesNoTimeBack(t *testing.T, h *house) {
	rec := h.make(t, ken, wakaba, record.Draft{Kind: "case", Title: "x"})
	h.set(jst("2026-11-24 09:00"))
	rec = h.move(t, ken, rec, record.Step{Move: "take", Edit: record.Edit{Owner: ptr("ken")}})
	line, err := h.Timeline(t.Context(), ken, wakaba, rec.ID, 0, 10)
	if err != nil || line[1].At.Before(line[0].At) || rec.Updated.Before(rec.Created) {
		t.Errorf("the timeline goes back: %+v, %v", line, err)
	}
	if got := h.clock(t, rec, "own"); got.Reading.State == clock.Running || got.Marks[1].At.Before(got.Marks[0].At) {
		t.Errorf("the clock is %+v", got)
	}
}
