package clock

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// official are the days off of 2024 to 2027 as 内閣府 publishes them.
const official = `
2024-01-01 元日
2024-01-08 成人の日
2024-02-11 建国記念の日
2024-02-12 振替休日
2024-02-23 天皇誕生日
2024-03-20 春分の日
2024-04-29 昭和の日
2024-05-03 憲法記念日
2024-05-04 みどりの日
2024-05-05 こどもの日
2024-05-06 振替休日
2024-07-15 海の日
2024-08-11 山の日
2024-08-12 振替休日
2024-09-16 敬老の日
2024-09-22 秋分の日
2024-09-23 振替休日
2024-10-14 スポーツの日
2024-11-03 文化の日
2024-11-04 振替休日
2024-11-23 勤労感謝の日
2025-01-01 元日
2025-01-13 成人の日
2025-02-11 建国記念の日
2025-02-23 天皇誕生日
2025-02-24 振替休日
2025-03-20 春分の日
2025-04-29 昭和の日
2025-05-03 憲法記念日
2025-05-04 みどりの日
2025-05-05 こどもの日
2025-05-06 振替休日
2025-07-21 海の日
2025-08-11 山の日
2025-09-15 敬老の日
2025-09-23 秋分の日
2025-10-13 スポーツの日
2025-11-03 文化の日
2025-11-23 勤労感謝の日
2025-11-24 振替休日
2026-01-01 元日
2026-01-12 成人の日
2026-02-11 建国記念の日
2026-02-23 天皇誕生日
2026-03-20 春分の日
2026-04-29 昭和の日
2026-05-03 憲法記念日
2026-05-04 みどりの日
2026-05-05 こどもの日
2026-05-06 振替休日
2026-07-20 海の日
2026-08-11 山の日
2026-09-21 敬老の日
2026-09-22 国民の休日
2026-09-23 秋分の日
2026-10-12 スポーツの日
2026-11-03 文化の日
2026-11-23 勤労感謝の日
2027-01-01 元日
2027-01-11 成人の日
2027-02-11 建国記念の日
2027-02-23 天皇誕生日
2027-03-21 春分の日
2027-03-22 振替休日
2027-04-29 昭和の日
2027-05-03 憲法記念日
2027-05-04 みどりの日
2027-05-05 こどもの日
2027-07-19 海の日
2027-08-11 山の日
2027-09-20 敬老の日
2027-09-23 秋分の日
2027-10-11 スポーツの日
2027-11-03 文化の日
2027-11-23 勤労感謝の日
`

func officialDays() map[string]string {
	days := map[string]string{}
	for line := range strings.Lines(strings.TrimSpace(official)) {
		date, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		days[date] = name
	}
	return days
}

func TestHolidaysAreTheOnesThatWerePublished(t *testing.T) {
	days := officialDays()
	for d := (Date{2024, 1, 1}); d.Year < 2028; d = d.Add(1) {
		name, ok := Holiday(d)
		if want := days[d.String()]; name != want || ok != (want != "") {
			t.Errorf("Holiday(%s) = %q, %v, want %q", d, name, ok, want)
		}
	}
}

func TestHolidaysOfOtherYearsFollowTheLaw(t *testing.T) {
	for _, tt := range []struct{ date, want string }{
		{"2022-03-21", "春分の日"},
		{"2023-01-02", Substitute},
		{"2028-03-20", "春分の日"},
		{"2028-09-22", "秋分の日"},
		{"2030-05-06", Substitute},
		{"2032-09-21", Between},
		{"2037-09-22", Between},
		{"2044-03-21", Substitute},
		{"2099-09-23", "秋分の日"},
		{"2022-05-06", ""},
		{"2022-12-23", ""},
	} {
		at, err := time.Parse(time.DateOnly, tt.date)
		if err != nil {
			t.Fatal(err)
		}
		if name, _ := Holiday(Date{at.Year(), at.Month(), at.Day()}); name != tt.want {
			t.Errorf("Holiday(%s) = %q, want %q", tt.date, name, tt.want)
		}
	}
}

func TestEveryYearHasSixteenHolidaysAndTheirSubstitutes(t *testing.T) {
	for year := 2022; year <= 2099; year++ {
		named, sundays, inLieu := 0, 0, 0
		for d := (Date{year, 1, 1}); d.Year == year; d = d.Add(1) {
			switch name, ok := Holiday(d); {
			case !ok || name == Between:
			case name == Substitute:
				inLieu++
			default:
				named++
				if d.Weekday() == time.Sunday {
					sundays++
				}
			}
		}
		if named != 16 || inLieu != sundays {
			t.Errorf("%d has %d holidays, %d on Sundays and %d substitutes; want 16 and as many substitutes as Sundays", year, named, sundays, inLieu)
		}
	}
}

func jst(s string) time.Time {
	at, err := time.ParseInLocation("2006-01-02 15:04", s, JST)
	if err != nil {
		panic(err)
	}
	return at
}

func TestOfficeHoursEndLimitsAtClosingTime(t *testing.T) {
	office := Office()
	for _, tt := range []struct {
		from  string
		limit time.Duration
		want  string
	}{
		{"2026-11-20 09:00", time.Hour, "2026-11-20 10:00"},
		{"2026-11-20 17:00", 15 * time.Minute, "2026-11-20 17:15"},
		{"2026-11-20 17:00", 16 * time.Minute, "2026-11-24 08:31"}, // Saturday, Sunday, 勤労感謝の日
		{"2026-12-28 17:14", 2 * time.Minute, "2027-01-04 08:31"},  // the year's end
		{"2026-11-21 03:00", time.Hour, "2026-11-24 09:30"},
		{"2026-04-28 08:30", 8*time.Hour + 46*time.Minute, "2026-04-30 08:31"},
		{"2026-11-20 23:00", 0, "2026-11-20 23:00"},
	} {
		if got := office.Add(jst(tt.from), tt.limit); !got.Equal(jst(tt.want)) {
			t.Errorf("Add(%s, %v) = %v, want %s", tt.from, tt.limit, got.In(JST), tt.want)
		}
	}
	for _, tt := range []struct{ at, want string }{
		{"2026-11-20 17:15", "2026-11-24 08:30"}, {"2026-11-20 12:00", "2026-11-20 12:00"}, {"2026-11-20 01:00", "2026-11-20 08:30"},
	} {
		if got := office.NextOpen(jst(tt.at)); !got.Equal(jst(tt.want)) {
			t.Errorf("NextOpen(%s) = %v, want %s", tt.at, got.In(JST), tt.want)
		}
	}
}

func TestTheFifthWorkingDayIsFound(t *testing.T) {
	if got, ok := Office().NthDay(2027, time.January, 5); !ok || got != (Date{2027, 1, 8}) {
		t.Errorf("the fifth working day of January 2027 is %v, %v, want 2027-01-08", got, ok)
	}
	for _, n := range []int{0, -1, 24} {
		if got, ok := Office().NthDay(2027, time.February, n); ok {
			t.Errorf("NthDay(%d) = %v, want none", n, got)
		}
	}
	if got := Office().NextDay(Date{2026, 12, 28}); got != (Date{2027, 1, 4}) {
		t.Errorf("the working day after 28 December 2026 is %v, want 2027-01-04", got)
	}
}

func TestACalendarWithoutTimeNeverReachesALimitAndIsRefused(t *testing.T) {
	for _, c := range []Calendar{{}, {Name: "x"}, {Name: "x", Open: 5, Close: 5}, {Name: "x", Open: -1, Close: 5}, {Name: "x", Close: 25 * time.Hour}, {Name: "x", Close: 5, Also: make([]Date, maxAlso+1)}} {
		if c.Check() == nil {
			t.Errorf("%.60v passes Check", c)
		}
	}
	if got := (Calendar{}).Add(jst("2026-01-01 00:00"), 1); !got.IsZero() {
		t.Errorf("a calendar without hours reaches a limit at %v", got)
	}
	for _, c := range []Calendar{Office(), Always()} {
		if err := c.Check(); err != nil {
			t.Error(err)
		}
	}
}

func TestFurtherDaysOffDoNotCount(t *testing.T) {
	always := Always()
	always.Also = []Date{{2026, 6, 1}}
	if got := always.Elapsed(jst("2026-05-31 12:00"), jst("2026-06-02 12:00")); got != day {
		t.Errorf("elapsed is %v, want 24h", got)
	}
}

// minutes is the dumber opinion: it looks at every minute, knows holidays from
// the published table, and Japan's clock as UTC plus nine hours.
func minutes(from, to time.Time, days map[string]string) time.Duration {
	var n time.Duration
	for ; from.Before(to); from = from.Add(time.Minute) {
		local := from.UTC().Add(9 * time.Hour)
		date := local.Format("2006-01-02")
		if days[date] != "" || local.Weekday()%6 == 0 || strings.Contains("12-29 12-30 12-31 01-01 01-02 01-03", date[5:]) {
			continue
		}
		if at := local.Hour()*60 + local.Minute(); at >= 510 && at < 1035 {
			n++
		}
	}
	return n * time.Minute
}

func FuzzElapsedAndAddAgreeWithCountingMinutes(f *testing.F) {
	for _, seed := range []struct{ from, length uint32 }{{0, 0}, {5 * 1440, 10000}, {1439, 2}, {525600 * 3 / 4, 60000}, {2103000, 30000}} {
		f.Add(seed.from, seed.length)
	}
	days := officialDays()
	begin, office := jst("2024-01-01 00:00"), Office()
	f.Fuzz(func(t *testing.T, offset, length uint32) {
		from := begin.Add(time.Duration(offset%(3*525600)) * time.Minute)
		to := from.Add(time.Duration(length%60000) * time.Minute)
		want := minutes(from, to, days)
		if got := office.Elapsed(from.UTC(), to); got != want {
			t.Fatalf("Elapsed(%v, %v) = %v, want %v", from, to, got, want)
		}
		due := office.Add(from, want)
		if due.After(to) || minutes(from, due, days) != want {
			t.Errorf("Add(%v, %v) = %v, beyond %v or with another count", from, want, due, to)
		}
		if want > 0 && minutes(from, due.Add(-time.Minute), days) != want-time.Minute {
			t.Errorf("Add(%v, %v) = %v is not the first such moment", from, want, due)
		}
	})
}

func TestAPausedTimerStandsStill(t *testing.T) {
	timer, err := Marked(Office(), 4*time.Hour, []Mark{
		{At: jst("2026-11-20 09:00"), Act: Start},
		{At: jst("2026-11-20 10:00"), Act: Pause, Reason: "団体の回答待ち"},
		{At: jst("2026-11-24 13:00"), Act: Resume},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		at   string
		want Reading
	}{
		{"2026-11-20 08:00", Reading{State: Idle, Remaining: 4 * time.Hour}},
		{"2026-11-20 09:30", Reading{State: Running, Elapsed: 30 * time.Minute, Remaining: 210 * time.Minute, Due: jst("2026-11-20 13:00")}},
		{"2026-11-22 09:30", Reading{State: Paused, Elapsed: time.Hour, Remaining: 3 * time.Hour}},
		{"2026-11-24 14:00", Reading{State: Running, Elapsed: 2 * time.Hour, Remaining: 2 * time.Hour, Due: jst("2026-11-24 16:00")}},
		{"2026-11-24 16:00", Reading{State: Running, Elapsed: 4 * time.Hour, Due: jst("2026-11-24 16:00")}},
		{"2026-11-25 08:00", Reading{State: Running, Elapsed: 5*time.Hour + 15*time.Minute, Remaining: -75 * time.Minute, Due: jst("2026-11-24 16:00"), Overdue: true}},
	} {
		if got := timer.At(jst(tt.at)); got != tt.want {
			t.Errorf("at %s the timer reads\n%+v, want\n%+v", tt.at, got, tt.want)
		}
	}
}

func TestATimerOnceOverdueStaysSo(t *testing.T) {
	timer, err := Marked(Always(), time.Hour, []Mark{
		{At: jst("2026-11-20 09:00"), Act: Start},
		{At: jst("2026-11-20 11:00"), Act: Stop},
		{At: jst("2026-11-20 12:00"), Act: Start},
		{At: jst("2026-11-20 12:05"), Act: Stop},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := timer.At(jst("2027-01-01 00:00"))
	want := Reading{State: Stopped, Elapsed: 125 * time.Minute, Remaining: -65 * time.Minute, Due: jst("2026-11-20 10:00"), Overdue: true}
	if got != want {
		t.Errorf("the timer reads %+v, want %+v", got, want)
	}
}

func TestMarksThatWouldChangeThePastAreRefused(t *testing.T) {
	begun, err := Marked(Office(), time.Hour, []Mark{{At: jst("2026-11-20 09:00"), Act: Start}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		mark Mark
		want error
	}{
		{Mark{At: jst("2026-11-20 08:59"), Act: Pause, Reason: "x"}, ErrEarlier},
		{Mark{At: jst("2026-11-20 09:59"), Act: Pause}, ErrReason},
		{Mark{At: jst("2026-11-20 09:59"), Act: Start}, ErrAct},
		{Mark{At: jst("2026-11-20 09:59"), Act: Resume}, ErrAct},
		{Mark{At: jst("2026-11-20 09:59"), Act: "edit"}, ErrAct},
	} {
		if _, err := begun.Append(tt.mark); !errors.Is(err, tt.want) {
			t.Errorf("Append(%+v) = %v, want %v", tt.mark, err, tt.want)
		}
	}
	// Two timers that grow from one do not share marks, and Marks is a copy.
	a, _ := begun.Append(Mark{At: jst("2026-11-20 10:00"), Act: Stop})
	b, _ := begun.Append(Mark{At: jst("2026-11-20 11:00"), Act: Pause, Reason: "x"})
	a.Marks()[1].At = jst("2020-01-01 00:00")
	if a.Marks()[1].Act != Stop || b.Marks()[1].Act != Pause || a.Marks()[1].At.Year() != 2026 || len(begun.Marks()) != 1 {
		t.Errorf("timers share their marks: %v %v", a.Marks(), b.Marks())
	}
}

// FuzzTimer: whatever happens to a timer, its reading equals a walk over the
// minutes, and no reading changes afterwards.
func FuzzTimer(f *testing.F) {
	f.Add([]byte{0, 60, 1, 200, 2, 10, 3, 255, 0, 7}, uint16(100))
	days := officialDays()
	acts := []Act{Start, Pause, Resume, Stop}
	f.Fuzz(func(t *testing.T, script []byte, limit uint16) {
		timer := Timer{Calendar: Office(), Limit: time.Duration(limit%5000) * time.Minute}
		now := jst("2026-09-18 08:00")
		var want time.Duration
		running := false
		var overdue bool
		for i := 0; i+1 < len(script) && i < 60; i += 2 {
			was := timer.At(now)
			moment := now
			step := now.Add(time.Duration(script[i+1]) * 7 * time.Minute)
			if running {
				want += minutes(now, step, days)
			}
			now = step
			next, err := timer.Append(Mark{At: now, Act: acts[script[i]%4], Reason: "x"})
			if err == nil {
				timer, running = next, script[i]%4 == 0 || script[i]%4 == 2
			}
			got := timer.At(now)
			if got.Elapsed != want || got.Remaining != timer.Limit-want {
				t.Fatalf("after %d marks %v has elapsed, want %v", len(timer.marks), got.Elapsed, want)
			}
			if overdue && !got.Overdue {
				t.Fatal("the timer is no longer overdue")
			}
			if want > timer.Limit && !got.Overdue {
				t.Fatalf("%v of %v has elapsed and it is not overdue", want, timer.Limit)
			}
			overdue = got.Overdue
			if again := timer.At(moment); now.After(moment) && again != was {
				t.Fatalf("the reading at %v was %+v and is now %+v", moment, was, again)
			}
		}
	})
}

func TestFiscalYearsTurnOnTheFirstOfAprilInJapan(t *testing.T) {
	for _, tt := range []struct {
		at   time.Time
		want string
	}{
		{jst("2026-03-31 23:59"), "令7"},
		{jst("2026-04-01 00:00"), "令8"},
		{time.Date(2026, 3, 31, 14, 59, 59, 999, time.UTC), "令7"},
		{time.Date(2026, 3, 31, 15, 0, 0, 0, time.UTC), "令8"},
		{jst("2027-01-01 00:00"), "令8"},
		{jst("2019-04-01 00:00"), "令元"},
		{jst("2019-03-31 23:00"), "平30"},
	} {
		if got := YearOf(tt.at).Short(); got != tt.want {
			t.Errorf("YearOf(%v) = %s, want %s", tt.at, got, tt.want)
		}
	}
	y := FiscalYear(2026)
	if y.String() != "令和8年度" || y.Letter() != "R8" || FiscalYear(2019).String() != "令和元年度" || !y.End().Equal(jst("2027-04-01 00:00")) || !y.Start().Equal(jst("2026-04-01 00:00")) {
		t.Errorf("the year is written %s, %s, %s and runs %v to %v", y, y.Letter(), FiscalYear(2019), y.Start(), y.End())
	}
}

func FuzzParseYear(f *testing.F) {
	for _, s := range []string{"令8", "令元", "R8", "令和8", "令和8年度", "2026", "H30", "平30", "R0", "R08", "令", "R-1", "99999", "令和令8", "S元年度", "9999"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		y, err := ParseYear(s)
		if err != nil {
			return
		}
		if y < firstYear || y > lastYear {
			t.Fatalf("ParseYear(%q) = %d", s, y)
		}
		for _, form := range []string{y.Short(), y.Letter(), y.String()} {
			if again, err := ParseYear(form); err != nil || again != y {
				t.Errorf("ParseYear(%q) = %d, %v, want %d", form, again, err, y)
			}
		}
	})
}

func TestTextThatIsNoYearIsRefused(t *testing.T) {
	for _, s := range []string{"", "令", "R0", "R08", "R-1", "令和令8", "99999", "9999", "8", "X8", "令8.5", "年度", "R8000000"} {
		if y, err := ParseYear(s); err == nil {
			t.Errorf("ParseYear(%q) = %d, want an error", s, y)
		}
	}
	for s, want := range map[string]FiscalYear{"令8": 2026, "令元": 2019, "R8": 2026, "令和8年度": 2026, "2026": 2026, "H30": 2018} {
		if y, err := ParseYear(s); err != nil || y != want {
			t.Errorf("ParseYear(%q) = %d, %v, want %d", s, y, err, want)
		}
	}
}

func BenchmarkElapsedOverAYear(b *testing.B) {
	office, from := Office(), jst("2026-04-01 00:00")
	for b.Loop() {
		office.Elapsed(from, from.Add(365*day))
	}
}
