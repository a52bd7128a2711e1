package record

import (
	"time"

	"github.com/sekikura/sekikura/record/clock"
)

// The roles that the built-in kinds name. A role is a plain string: what an
// account may do is for the portal to say.
const (
	RoleOperator = "operator"     // 県運用担当
	RoleSOC      = "soc"          // SOC
	RoleAdmin    = "tenant_admin" // 団体管理者
	RoleStaff    = "tenant_staff" // 団体職員
)

// Calendars returns the two calendars that the built-in kinds use.
func Calendars() []clock.Calendar { return []clock.Calendar{clock.Office(), clock.Always()} }

var (
	anybody  = []string{"*"}
	workers  = []string{RoleOperator, RoleSOC}
	operator = []string{RoleOperator}
	body     = []string{RoleAdmin, RoleStaff}
)

func stop(names ...string) []ClockAct   { return acts(clock.Stop, names) }
func pause(names ...string) []ClockAct  { return acts(clock.Pause, names) }
func resume(names ...string) []ClockAct { return acts(clock.Resume, names) }
func start(names ...string) []ClockAct  { return acts(clock.Start, names) }

func acts(act clock.Act, names []string) []ClockAct {
	var all []ClockAct
	for _, name := range names {
		all = append(all, ClockAct{name, act})
	}
	return all
}

func limits(critical, important, caution, info time.Duration) map[Severity]time.Duration {
	all := map[Severity]time.Duration{}
	for s, limit := range map[Severity]time.Duration{Critical: critical, Important: important, Caution: caution, Info: info} {
		if limit > 0 {
			all[s] = limit
		}
	}
	return all
}

// officeDay is how long an office is open a day: limits in office hours count in it.
const officeDay = 8*time.Hour + 45*time.Minute

// roundClock are the clocks of what cannot wait for the morning.
func roundClock(critical, important, caution, info time.Duration) []ClockRule {
	return []ClockRule{
		{Name: "own", Title: "引受", Calendar: "always", Limits: limits(15*time.Minute, 30*time.Minute, 4*time.Hour, 24*time.Hour), Ends: ByOwner},
		{Name: "first_answer", Title: "一次回答", Calendar: "always", Limits: limits(30*time.Minute, time.Hour, 8*time.Hour, 24*time.Hour), Ends: ByAnswer},
		{Name: "resolve", Title: "解決", Calendar: "always", Limits: limits(critical, important, caution, info)},
	}
}

// officeClocks are those of work that is done in office hours, in working days.
func officeClocks(resolve time.Duration) []ClockRule {
	return []ClockRule{
		{Name: "own", Title: "引受", Calendar: "office", Limits: limits(time.Hour, 2*time.Hour, 4*time.Hour, officeDay), Ends: ByOwner},
		{Name: "first_answer", Title: "一次回答", Calendar: "office", Limits: limits(2*time.Hour, 4*time.Hour, officeDay, 2*officeDay), Ends: ByAnswer},
		{Name: "resolve", Title: "解決", Calendar: "office", Limits: limits(resolve/4, resolve/2, resolve, 2*resolve)},
	}
}

// Builtin returns the kinds that every installation has. The limits are those
// to start from; an operator's own go into kinds of the same names.
func Builtin() []Kind {
	return []Kind{caseKind(), incidentKind(), failureKind(), requestKind(), ticketKind(), problemKind(), changeKind(), taskKind()}
}

func caseKind() Kind {
	return Kind{
		Name: "case", Title: "事案", Number: "C-{R}-{n5}", Create: workers, Window: 24 * time.Hour,
		States: []State{
			{Name: "new", Title: "新規"},
			{Name: "working", Title: "対応中"},
			{Name: "waiting", Title: "回答待ち"},
			{Name: "resolved", Title: "対応済"},
			{Name: "closed", Title: "完了", Final: true},
			{Name: "false_alarm", Title: "誤検知", Final: true},
		},
		Clocks: roundClock(4*time.Hour, 24*time.Hour, 3*24*time.Hour, 7*24*time.Hour),
		Fields: []Field{
			{Name: "cause", Title: "原因", Type: Lines},
			{Name: "action", Title: "対応内容", Type: Lines},
			{Name: "source", Title: "検知元", Type: Line, Max: 200},
		},
		Moves: []Move{
			{Name: "take", Title: "引き受ける", From: []string{"new"}, To: "working", Roles: workers, Require: []string{"owner"}, Clocks: stop("own")},
			{Name: "ask", Title: "団体に確認する", From: []string{"working"}, To: "waiting", Roles: workers, Require: []string{"reason"}, Clocks: pause("resolve")},
			{Name: "answer", Title: "回答を受けた", From: []string{"waiting"}, To: "working", Roles: anybody, Clocks: resume("resolve")},
			{Name: "resolve", Title: "対応を終える", From: []string{"working"}, To: "resolved", Roles: workers, Require: []string{"side", "action"}, Clocks: stop("resolve", "first_answer")},
			{Name: "close", Title: "完了にする", From: []string{"resolved"}, To: "closed", Roles: workers},
			{Name: "dismiss", Title: "誤検知とする", From: []string{"new", "working", "waiting"}, To: "false_alarm", Roles: workers, Require: []string{"reason"}},
			{Name: "reopen", Title: "再開する", From: []string{"resolved", "closed", "false_alarm"}, To: "working", Roles: workers, Require: []string{"reason"}, Clocks: start("resolve")},
		},
	}
}

// incidentKind has the phases of インシデント対応: 受付・管理・分析・対処・報告.
func incidentKind() Kind {
	return Kind{
		Name: "incident", Title: "インシデント", Number: "{R}-{mmdd}-{n2}", Create: []string{RoleOperator, RoleSOC, RoleAdmin},
		States: []State{
			{Name: "received", Title: "受付"},
			{Name: "managed", Title: "管理"},
			{Name: "analysis", Title: "分析"},
			{Name: "response", Title: "対処"},
			{Name: "reporting", Title: "報告"},
			{Name: "closed", Title: "完了", Final: true},
			{Name: "dismissed", Title: "該当せず", Final: true},
		},
		Clocks: roundClock(24*time.Hour, 3*24*time.Hour, 7*24*time.Hour, 14*24*time.Hour),
		Fields: []Field{
			{Name: "damage", Title: "被害の範囲", Type: Lines},
			{Name: "personal_data", Title: "個人情報の漏えい等", Type: Choice, Choices: []string{"なし", "おそれあり", "あり"}},
			{Name: "cause", Title: "原因", Type: Lines},
			{Name: "action", Title: "対処内容", Type: Lines},
			{Name: "prevention", Title: "再発防止策", Type: Lines},
		},
		Moves: []Move{
			{Name: "take", Title: "引き受ける", From: []string{"received"}, To: "managed", Roles: workers, Require: []string{"owner"}, Clocks: stop("own")},
			{Name: "analyse", Title: "分析を始める", From: []string{"managed", "response"}, To: "analysis", Roles: workers},
			{Name: "respond", Title: "対処を始める", From: []string{"managed", "analysis"}, To: "response", Roles: workers},
			{Name: "report", Title: "報告に移る", From: []string{"response"}, To: "reporting", Roles: workers, Require: []string{"side", "cause", "action"}, Clocks: stop("resolve", "first_answer")},
			{Name: "close", Title: "完了にする", From: []string{"reporting"}, To: "closed", Roles: operator, Require: []string{"prevention"}},
			{Name: "dismiss", Title: "該当せずとする", From: []string{"received", "managed", "analysis"}, To: "dismissed", Roles: workers, Require: []string{"reason"}},
			{Name: "reopen", Title: "再開する", From: []string{"reporting", "closed", "dismissed"}, To: "analysis", Roles: operator, Require: []string{"reason"}, Clocks: start("resolve")},
		},
	}
}

func failureKind() Kind {
	return Kind{
		Name: "failure", Title: "障害", Number: "F-{R}-{n4}", Create: []string{RoleOperator, RoleSOC, RoleAdmin}, Window: time.Hour,
		States: []State{
			{Name: "detected", Title: "検知"},
			{Name: "localising", Title: "切り分け中"},
			{Name: "repairing", Title: "復旧作業中"},
			{Name: "carrier", Title: "事業者対応待ち"},
			{Name: "restored", Title: "復旧"},
			{Name: "closed", Title: "完了", Final: true},
			{Name: "no_fault", Title: "障害なし", Final: true},
		},
		Clocks: roundClock(4*time.Hour, 8*time.Hour, 24*time.Hour, 5*24*time.Hour),
		Fields: []Field{
			{Name: "layer", Title: "発生箇所", Type: Line, Max: 100},
			{Name: "cause", Title: "原因", Type: Lines},
			{Name: "fix", Title: "復旧内容", Type: Lines},
		},
		Moves: []Move{
			{Name: "take", Title: "引き受ける", From: []string{"detected"}, To: "localising", Roles: workers, Require: []string{"owner"}, Clocks: stop("own")},
			{Name: "repair", Title: "復旧作業を始める", From: []string{"localising"}, To: "repairing", Roles: workers, Require: []string{"side"}},
			{Name: "hand_over", Title: "事業者に渡す", From: []string{"localising", "repairing"}, To: "carrier", Roles: workers, Require: []string{"side", "reason"}, Clocks: pause("resolve")},
			{Name: "take_back", Title: "事業者から受ける", From: []string{"carrier"}, To: "repairing", Roles: workers, Clocks: resume("resolve")},
			{Name: "restore", Title: "復旧とする", From: []string{"detected", "localising", "repairing", "carrier"}, To: "restored", Roles: workers, Require: []string{"side"}, Clocks: stop("resolve", "first_answer")},
			{Name: "close", Title: "完了にする", From: []string{"restored"}, To: "closed", Roles: workers, Require: []string{"cause", "fix"}},
			{Name: "dismiss", Title: "障害なしとする", From: []string{"detected", "localising"}, To: "no_fault", Roles: workers, Require: []string{"reason"}},
			{Name: "reopen", Title: "再発・再開", From: []string{"restored", "closed", "no_fault"}, To: "localising", Roles: workers, Require: []string{"reason"}, Clocks: start("resolve")},
		},
	}
}

func requestKind() Kind {
	return Kind{
		Name: "request", Title: "申請", Number: "S-{R}-{n4}", Create: anybody,
		States: []State{
			{Name: "draft", Title: "起案"},
			{Name: "submitted", Title: "承認待ち"},
			{Name: "returned", Title: "差戻し"},
			{Name: "approved", Title: "承認済"},
			{Name: "doing", Title: "実施中"},
			{Name: "done", Title: "実施済"},
			{Name: "confirmed", Title: "確認済", Final: true},
			{Name: "rejected", Title: "却下", Final: true},
			{Name: "withdrawn", Title: "取下げ", Final: true},
		},
		Clocks: []ClockRule{
			{Name: "approve", Title: "承認", Calendar: "office", Later: true, Limits: limits(time.Hour, 4*time.Hour, 2*officeDay, 3*officeDay)},
			{Name: "resolve", Title: "実施", Calendar: "office", Later: true, Limits: limits(2*time.Hour, officeDay, 3*officeDay, 5*officeDay)},
		},
		Fields: []Field{{Name: "purpose", Title: "理由・目的", Type: Lines}},
		Moves: []Move{
			{Name: "submit", Title: "申請する", From: []string{"draft", "returned"}, To: "submitted", Roles: anybody, Require: []string{"purpose"}, Clocks: start("approve")},
			{Name: "return", Title: "差し戻す", From: []string{"submitted"}, To: "returned", Roles: []string{RoleOperator, RoleAdmin}, Require: []string{"reason"}, Clocks: stop("approve")},
			{Name: "approve", Title: "承認する", From: []string{"submitted"}, To: "approved", Roles: []string{RoleOperator, RoleAdmin}, Clocks: append(stop("approve"), start("resolve")...)},
			{Name: "reject", Title: "却下する", From: []string{"submitted"}, To: "rejected", Roles: []string{RoleOperator, RoleAdmin}, Require: []string{"reason"}},
			{Name: "begin", Title: "実施を始める", From: []string{"approved"}, To: "doing", Roles: workers, Require: []string{"owner"}},
			{Name: "finish", Title: "実施した", From: []string{"approved", "doing"}, To: "done", Roles: workers, Clocks: stop("resolve")},
			{Name: "confirm", Title: "確認した", From: []string{"done"}, To: "confirmed", Roles: anybody},
			{Name: "redo", Title: "やり直しを求める", From: []string{"done"}, To: "doing", Roles: anybody, Require: []string{"reason"}, Clocks: start("resolve")},
			{Name: "withdraw", Title: "取り下げる", From: []string{"draft", "submitted", "returned", "approved"}, To: "withdrawn", Roles: anybody, Require: []string{"reason"}},
		},
	}
}

func ticketKind() Kind {
	return Kind{
		Name: "ticket", Title: "問合せ", Number: "T-{R}-{n5}", Create: anybody,
		States: []State{
			{Name: "new", Title: "受付"},
			{Name: "working", Title: "対応中"},
			{Name: "waiting", Title: "回答待ち"},
			{Name: "answered", Title: "回答済"},
			{Name: "closed", Title: "完了", Final: true},
		},
		Clocks: officeClocks(3 * officeDay),
		Moves: []Move{
			{Name: "take", Title: "引き受ける", From: []string{"new"}, To: "working", Roles: workers, Require: []string{"owner"}, Clocks: stop("own")},
			{Name: "ask", Title: "聞き返す", From: []string{"working"}, To: "waiting", Roles: workers, Require: []string{"reason"}, Clocks: pause("resolve")},
			{Name: "reply", Title: "返事を受けた", From: []string{"waiting", "answered"}, To: "working", Roles: anybody, Clocks: append(resume("resolve"), start("resolve")...)},
			{Name: "answer", Title: "回答した", From: []string{"working"}, To: "answered", Roles: workers, Clocks: stop("resolve", "first_answer")},
			{Name: "close", Title: "完了にする", From: []string{"new", "working", "waiting", "answered"}, To: "closed", Roles: anybody},
			{Name: "reopen", Title: "再開する", From: []string{"closed"}, To: "working", Roles: anybody, Require: []string{"reason"}, Clocks: start("resolve")},
		},
	}
}

func problemKind() Kind {
	return Kind{
		Name: "problem", Title: "問題", Number: "P-{R}-{n4}", Create: workers,
		States: []State{
			{Name: "new", Title: "登録"},
			{Name: "investigating", Title: "調査中"},
			{Name: "known", Title: "既知の誤り"},
			{Name: "measures", Title: "対策中"},
			{Name: "checking", Title: "効果確認"},
			{Name: "closed", Title: "完了", Final: true},
			{Name: "dropped", Title: "対策せず", Final: true},
		},
		Clocks: []ClockRule{{Name: "resolve", Title: "解決", Calendar: "office", Limits: limits(10*officeDay, 20*officeDay, 60*officeDay, 120*officeDay)}},
		Fields: []Field{
			{Name: "cause", Title: "根本原因", Type: Lines},
			{Name: "workaround", Title: "回避策", Type: Lines},
			{Name: "measure", Title: "再発防止策", Type: Lines},
			{Name: "effect", Title: "効果の確認", Type: Lines},
		},
		Moves: []Move{
			{Name: "take", Title: "調査を始める", From: []string{"new"}, To: "investigating", Roles: workers, Require: []string{"owner"}},
			{Name: "know", Title: "原因が分かった", From: []string{"investigating"}, To: "known", Roles: workers, Require: []string{"cause"}},
			{Name: "decide", Title: "対策を始める", From: []string{"known"}, To: "measures", Roles: operator, Require: []string{"measure"}},
			{Name: "check", Title: "効果を確認する", From: []string{"measures"}, To: "checking", Roles: workers},
			{Name: "close", Title: "完了にする", From: []string{"checking"}, To: "closed", Roles: operator, Require: []string{"effect"}, Clocks: stop("resolve")},
			{Name: "drop", Title: "対策しない", From: []string{"new", "investigating", "known"}, To: "dropped", Roles: operator, Require: []string{"reason"}},
			{Name: "reopen", Title: "再開する", From: []string{"checking", "closed", "dropped"}, To: "investigating", Roles: workers, Require: []string{"reason"}, Clocks: start("resolve")},
		},
	}
}

func changeKind() Kind {
	return Kind{
		Name: "change", Title: "変更", Number: "{令}-{n4}", Create: []string{RoleOperator, RoleSOC, RoleAdmin},
		States: []State{
			{Name: "draft", Title: "起案"},
			{Name: "assessed", Title: "評価済"},
			{Name: "approved", Title: "承認済"},
			{Name: "working", Title: "実施中"},
			{Name: "checking", Title: "事後確認"},
			{Name: "closed", Title: "完了", Final: true},
			{Name: "backed_out", Title: "切戻し", Final: true},
			{Name: "rejected", Title: "却下", Final: true},
			{Name: "cancelled", Title: "中止", Final: true},
		},
		Fields: []Field{
			{Name: "risk", Title: "影響度", Type: Choice, Choices: []string{"低", "中", "高"}},
			{Name: "begin", Title: "開始予定", Type: Moment},
			{Name: "end", Title: "終了予定", Type: Moment},
			{Name: "plan", Title: "作業手順", Type: Lines},
			{Name: "back_out", Title: "切戻し手順", Type: Lines},
			{Name: "emergency", Title: "緊急変更", Type: YesNo},
			{Name: "result", Title: "結果", Type: Lines},
		},
		Moves: []Move{
			{Name: "assess", Title: "評価する", From: []string{"draft"}, To: "assessed", Roles: workers, Require: []string{"risk", "plan", "back_out", "begin", "end"}},
			{Name: "approve", Title: "承認する", From: []string{"assessed"}, To: "approved", Roles: operator},
			{Name: "begin", Title: "実施を始める", From: []string{"approved"}, To: "working", Roles: workers, Require: []string{"owner"}},
			{Name: "hurry", Title: "緊急で実施する", From: []string{"draft", "assessed"}, To: "working", Roles: workers, Require: []string{"owner", "emergency", "reason"}},
			{Name: "check", Title: "事後確認に移る", From: []string{"working"}, To: "checking", Roles: workers},
			{Name: "close", Title: "完了にする", From: []string{"checking"}, To: "closed", Roles: workers, Require: []string{"result"}},
			{Name: "back_out", Title: "切り戻す", From: []string{"working", "checking"}, To: "backed_out", Roles: workers, Require: []string{"reason"}},
			{Name: "reject", Title: "却下する", From: []string{"assessed"}, To: "rejected", Roles: operator, Require: []string{"reason"}},
			{Name: "cancel", Title: "中止する", From: []string{"draft", "assessed", "approved"}, To: "cancelled", Roles: workers, Require: []string{"reason"}},
		},
	}
}

func taskKind() Kind {
	return Kind{
		Name: "task", Title: "作業", Number: "K-{R}-{n5}", Create: []string{RoleOperator, RoleSOC, RoleAdmin, RoleStaff},
		States: []State{
			{Name: "todo", Title: "未着手"},
			{Name: "doing", Title: "作業中"},
			{Name: "done", Title: "完了", Final: true},
			{Name: "dropped", Title: "取りやめ", Final: true},
		},
		Fields: []Field{{Name: "due", Title: "期日", Type: Day}},
		Moves: []Move{
			{Name: "take", Title: "始める", From: []string{"todo"}, To: "doing", Roles: append(body[:len(body):len(body)], workers...), Require: []string{"owner"}},
			{Name: "finish", Title: "終えた", From: []string{"todo", "doing"}, To: "done", Roles: append(body[:len(body):len(body)], workers...)},
			{Name: "drop", Title: "取りやめる", From: []string{"todo", "doing"}, To: "dropped", Roles: append(body[:len(body):len(body)], workers...), Require: []string{"reason"}},
			{Name: "reopen", Title: "再開する", From: []string{"done", "dropped"}, To: "doing", Roles: append(body[:len(body):len(body)], workers...), Require: []string{"reason"}},
		},
	}
}
