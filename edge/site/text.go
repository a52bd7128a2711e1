package site

// text is one sentence in both languages of the pages.
type text struct{ ja, en string }

// texts are the words of the pages that visitors see, by code. They follow
// やさしい日本語: what happened, that it is not the visitor's fault, what to do.
var texts = map[string]text{
	"head.role": {"情報セキュリティ", "Information security"},

	"blocked.title": {"この操作は、いま受け付けられません", "This request was not accepted"},
	"blocked.what": {
		"送られた内容の一部が、ホームページへの攻撃に使われる書き方と似ていました。そのため、%sのホームページに届く前に止めました。",
		"Part of what was sent looks like text that is used to attack web sites, so it was stopped before it reached the web site of %s.",
	},
	"blocked.do": {
		"前の画面に戻り、記号（< > ' \" ; など）を減らして、もう一度送ってください。\nリンクから開いたときは、ホームページのトップから、もう一度たどってください。",
		"Go back, use fewer symbols (such as < > ' \" ;), and send it again.\nIf you followed a link, please start again from the top page.",
	},
	"unchecked.title": {"いま、内容を確かめられません", "Your request cannot be checked right now"},
	"unchecked.what": {
		"送られた内容が安全かどうかを確かめる仕組みが、一時的に動いていません。安全のため、%sのホームページに届く前に止めました。",
		"The check of what was sent is not working for the moment. To be safe, it was stopped before it reached the web site of %s.",
	},
	"unchecked.do": {"数分待ってから、もう一度送ってください。", "Please wait a few minutes and try again."},

	"origin_down.title": {"ホームページを表示できません", "The web site cannot be shown"},
	"origin_down.what": {
		"%sのホームページのサーバーから、返事がありません。このことは、受付番号と一緒に記録しました。",
		"The server of %s does not answer. This has been recorded under the reference number.",
	},
	"origin_down.do": {"しばらく待ってから、もう一度開いてください。", "Please wait a while and open the page again."},
	"origin_slow.title": {
		"ホームページの返事が遅れています", "The web site is slow to answer",
	},
	"origin_slow.what": {
		"%sのホームページのサーバーが、時間内に返事をしませんでした。",
		"The server of %s did not answer in time.",
	},
	"origin_slow.do": {
		"送信の途中だったときは、受け付けられているかもしれません。もう一度送る前に、下の窓口に確かめてください。",
		"If you were sending a form, it may have been accepted. Please ask the office below before you send it again.",
	},

	"too_large.title": {"送るものが大きすぎます", "What you sent is too large"},
	"too_large.what": {
		"送られた内容が、%sのホームページで受け付けられる大きさを超えています。",
		"What was sent is larger than the web site of %s accepts.",
	},
	"too_large.do": {"ファイルを小さくするか、分けて送ってください。", "Please make the file smaller, or send it in parts."},
	"busy.title":   {"アクセスが混み合っています", "The web site is busy"},
	"busy.what": {
		"%sのホームページに、多くのアクセスが集まっています。",
		"The web site of %s is receiving many requests.",
	},
	"busy.do": {"10秒ほど待ってから、もう一度開いてください。", "Please wait about ten seconds and try again."},
	"slow.title": {
		"送信に時間がかかりすぎました", "Sending took too long",
	},
	"slow.what": {
		"%sのホームページに送る途中で、通信が止まりました。",
		"The connection stopped while sending to the web site of %s.",
	},
	"slow.do": {"電波のよい場所で、もう一度送ってください。", "Please try again with a better connection."},
	"refused.title": {
		"この形では受け付けられません", "This request cannot be accepted in this form",
	},
	"refused.what": {
		"通信の形が決まりに合わないため、%sのホームページに届く前に止めました。",
		"The request is not in the form that the web site of %s accepts, so it was stopped.",
	},
	"refused.do": {
		"ホームページのトップから、もう一度たどってください。古いブラウザーは新しくしてください。",
		"Please start again from the top page. If your browser is old, please update it.",
	},

	"fault":        {"あなたの操作が悪かったわけではありません。", "You did nothing wrong."},
	"page":         {"ページ", "Page"},
	"time":         {"日時", "Time"},
	"number":       {"受付番号", "Reference number"},
	"do":           {"次にできること", "What you can do"},
	"contact":      {"分からないとき、急ぐとき", "If you need help"},
	"contact.say":  {"受付番号をお知らせください。", "Please tell them the reference number."},
	"contact.none": {"役場の代表電話に、受付番号をお知らせください。", "Please call the main office and tell them the reference number."},
	"stop":         {"。", "."},
	"other": {
		"あなたの操作が悪かったわけではありません。分からないときは、上の窓口に受付番号 %s をお知らせください。",
		"You did nothing wrong. If you need help, please tell the office above the reference number %s.",
	},
}

// unknownText and refusedText are for answers without a page: to a host that
// nobody publishes, and to what is not HTTP.
const (
	unknownText = "このホームページは、ここにはありません。/ There is no such web site here."
	refusedText = "通信の形が正しくないため、受け付けられません。/ The request is malformed and was not accepted."
)

// The kinds of page; each has title, what and do in texts.
const (
	pageBlocked    = "blocked"
	pageUnchecked  = "unchecked"
	pageOriginDown = "origin_down"
	pageOriginSlow = "origin_slow"
	pageTooLarge   = "too_large"
	pageBusy       = "busy"
	pageSlow       = "slow"
	pageRefused    = "refused"
)

// pageFor is the page for a reason to refuse.
func pageFor(reason string) string {
	switch reason {
	case "body_too_large":
		return pageTooLarge
	case "busy_body", "busy_source":
		return pageBusy
	case "slow_body":
		return pageSlow
	}
	return pageRefused
}
