package clock

import "time"

// Names of days off that the law does not name itself.
const (
	Substitute = "振替休日"  // 国民の祝日に関する法律 第3条第2項
	Between    = "国民の休日" // 第3条第3項
)

// Holiday tells whether d is a day off by 国民の祝日に関する法律, and its name:
// a holiday (第2条), a day in lieu of one that fell on a Sunday, or a day between
// two holidays.
//
// It holds for 2022 to 2099. Earlier years are computed by today's law, which
// is not what applied then (2019 to 2021 had dates of their own); from 2100 the
// equinoxes follow another formula. The equinoxes of the next year but one are
// official only when 官報 announces them in February; the formula has agreed
// with every announcement so far.
func Holiday(d Date) (name string, ok bool) {
	if name = celebrated(d); name != "" {
		return name, true
	}
	// Third article, second paragraph: the nearest day after a holiday on a Sunday
	// that is no holiday itself. So one looks back over an unbroken row of holidays.
	for past := d.Add(-1); celebrated(past) != ""; past = past.Add(-1) {
		if past.Weekday() == time.Sunday {
			return Substitute, true
		}
	}
	if celebrated(d.Add(-1)) != "" && celebrated(d.Add(1)) != "" {
		return Between, true
	}
	return "", false
}

// celebrated names the holiday (国民の祝日, 第2条) on d, or "".
func celebrated(d Date) string {
	switch d.Month {
	case time.January:
		if d.Day == 1 {
			return "元日"
		}
		if d.isMonday(2) {
			return "成人の日"
		}
	case time.February:
		switch d.Day {
		case 11:
			return "建国記念の日"
		case 23:
			return "天皇誕生日"
		}
	case time.March:
		if d.Day == equinox(20_843_100, d.Year) {
			return "春分の日"
		}
	case time.April:
		if d.Day == 29 {
			return "昭和の日"
		}
	case time.May:
		switch d.Day {
		case 3:
			return "憲法記念日"
		case 4:
			return "みどりの日"
		case 5:
			return "こどもの日"
		}
	case time.July:
		if d.isMonday(3) {
			return "海の日"
		}
	case time.August:
		if d.Day == 11 {
			return "山の日"
		}
	case time.September:
		if d.isMonday(3) {
			return "敬老の日"
		}
		if d.Day == equinox(23_248_800, d.Year) {
			return "秋分の日"
		}
	case time.October:
		if d.isMonday(2) {
			return "スポーツの日"
		}
	case time.November:
		switch d.Day {
		case 3:
			return "文化の日"
		case 23:
			return "勤労感謝の日"
		}
	}
	return ""
}

// isMonday tells whether d is the nth Monday of its month.
func (d Date) isMonday(nth int) bool { return (d.Day-1)/7 == nth-1 && d.Weekday() == time.Monday }

// equinox returns the day of the month on which an equinox falls, where base is
// its moment in 1980 in millionths of a day (海上保安庁水路部 暦計算研究会編
// 新こよみ便利帳; valid 1980 to 2099).
func equinox(base, year int) int {
	since := year - 1980
	return (base+242_194*since)/1_000_000 - since/4
}

// YearEnd tells whether d is one of the days 29 December to 3 January on which
// offices are closed (地方自治法第4条の2第2項第3号).
func YearEnd(d Date) bool {
	return d.Month == time.December && d.Day >= 29 || d.Month == time.January && d.Day <= 3
}
