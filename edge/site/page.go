package site

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

// pages writes what a visitor sees when a request is not passed on: static HTML
// without script or anything from elsewhere, or a problem document for programs.
type pages struct{ html *template.Template }

func newPages() *pages {
	return &pages{html: template.Must(template.New("page").Parse(pageSource))}
}

// pageData is what page.html shows.
type pageData struct {
	Lang, Body, Role                  string
	Title, What, Fault                string
	PageWord, Page                    string
	TimeWord, Time                    string
	NumberWord, Number                string
	DoWord                            string
	Do                                []string // a paragraph each
	ContactWord, Section, Phone, Mail string
	ContactSay, ContactNone           string
	OtherLang, OtherSay               string // the gist in the other language
	PhoneLink                         template.URL
	Calm                              bool // not about the visitor's input: a cloud, not a lock
}

// page answers x with the page of this kind. Reason stands in the problem
// document for programs; empty, the kind does.
func (v *service) page(x *exchange, status int, kind, reason string) {
	if x.out.status != 0 {
		return // the answer is under way
	}
	h := x.out.Header()
	for name := range h {
		switch name {
		case "Retry-After", "Strict-Transport-Security":
		default:
			delete(h, name) // the origin's, of an answer that is withheld
		}
	}
	if reason == "" {
		reason = kind
	}
	english := prefersEnglish(x.request.Header.Get("Accept-Language"))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Add("Vary", "Accept, Accept-Language")
	var body []byte
	if wantsJSON(x.request.Header.Get("Accept")) {
		h.Set("Content-Type", "application/problem+json")
		body = v.problem(x, status, kind, reason, english)
	} else {
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("Referrer-Policy", "no-referrer")
		body = v.html(x, kind, english)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if x.in.failed() != nil {
		h.Set("Connection", "close") // the rest of the request is not worth reading
	}
	x.out.WriteHeader(status)
	if x.request.Method != http.MethodHead {
		_, _ = x.out.Write(body) // a client that has gone needs no page
	}
}

func say(code string, english bool) string {
	if english {
		return texts[code].en
	}
	return texts[code].ja
}

// bodyName is what stands on top: the body's name, never the product's.
func (x *exchange) bodyName(english bool) string {
	if english && x.tenant.NameEN != "" {
		return x.tenant.NameEN
	}
	return x.tenant.Name
}

func (v *service) html(x *exchange, kind string, english bool) []byte {
	t := func(code string) string { return say(code, english) }
	d := pageData{
		Lang: "ja", Body: x.bodyName(english), Role: t("head.role"),
		Title: t(kind + ".title"), What: fmt.Sprintf(t(kind+".what"), x.bodyName(english)), Fault: t("fault"),
		PageWord: t("page"), Page: shown(x),
		TimeWord: t("time"), Time: date(x.start, english),
		NumberWord: t("number"), Number: x.id.Reference(referencePrefix),
		DoWord: t("do"), Do: strings.Split(t(kind+".do"), "\n"),
		ContactWord: t("contact"), Section: x.tenant.Contact.Section, Phone: x.tenant.Contact.Phone, Mail: x.tenant.Contact.Mail,
		ContactSay: t("contact.say"), ContactNone: t("contact.none"),
		OtherLang: say(kind+".title", !english) + say("stop", !english), OtherSay: fmt.Sprintf(say("other", !english), x.id.Reference(referencePrefix)),
		PhoneLink: phoneLink(x.tenant.Contact.Phone),
		Calm:      kind == pageOriginDown || kind == pageOriginSlow || kind == pageBusy,
	}
	if english {
		d.Lang = "en"
	}
	var out bytes.Buffer
	if err := v.pages.html.Execute(&out, d); err != nil {
		v.Log.Error("writing a page", "kind", kind, "error", err)
		return []byte(d.Title + "\n" + d.Number + "\n")
	}
	return out.Bytes()
}

// phoneLink is a tel: URL (RFC 3966) for a whole number; an extension (内線) has none.
func phoneLink(phone string) template.URL {
	digits := make([]byte, 0, len(phone))
	for _, c := range []byte(phone) {
		switch {
		case c >= '0' && c <= '9', c == '+' && len(digits) == 0:
			digits = append(digits, c)
		case c == '-' || c == ' ' || c == '(' || c == ')':
		default:
			return ""
		}
	}
	if len(digits) < 9 || len(digits) > 16 {
		return ""
	}
	return template.URL("tel:" + string(digits)) //nolint:gosec // digits only
}

// shown is the address as the visitor typed it, without the query, which may
// hold what was stopped.
func shown(x *exchange) string {
	scheme := "http://"
	if x.secure {
		scheme = "https://"
	}
	path := []rune(strings.ToValidUTF8(x.request.URL.Path, "\uFFFD"))
	if len(path) > 80 {
		path = append(path[:80], '…')
	}
	return scheme + x.host + string(path)
}

// date is 令和8年11月25日（水）9時14分, or the same in English.
func date(t time.Time, english bool) string {
	t = jst(t)
	if english {
		return t.Format("Monday, 2 January 2006, 15:04 JST")
	}
	days := [...]string{"日", "月", "火", "水", "木", "金", "土"}
	// 令和 began on 1 May 2019, before this product.
	year := strconv.Itoa(t.Year() - 2018)
	if year == "1" {
		year = "元"
	}
	return fmt.Sprintf("令和%s年%d月%d日（%s）%d時%d分", year, int(t.Month()), t.Day(), days[t.Weekday()], t.Hour(), t.Minute())
}

// problem is the same in the form of RFC 9457, for programs.
func (v *service) problem(x *exchange, status int, kind, reason string, english bool) []byte {
	body, err := json.Marshal(map[string]any{
		"type": "about:blank", "status": status, "code": reason,
		"title":     say(kind+".title", english),
		"detail":    fmt.Sprintf(say(kind+".what", english), x.bodyName(english)),
		"reference": x.id.Reference(referencePrefix),
	})
	if err != nil {
		v.Log.Error("writing a problem document", "error", err)
	}
	return append(body, '\n')
}

// wantsJSON tells whether a client asks for JSON and does not ask for HTML, as a
// browser's own requests always do.
func wantsJSON(accept string) bool {
	accept = strings.ToLower(accept)
	return !strings.Contains(accept, "text/html") && (strings.Contains(accept, "application/json") || strings.Contains(accept, "+json"))
}

// prefersEnglish tells whether English comes before Japanese in Accept-Language.
// Without either word it is Japanese: the sites are.
func prefersEnglish(accept string) bool {
	best, english := 0.0, false
	for part := range strings.SplitSeq(strings.ToLower(accept), ",") {
		tag, params, _ := strings.Cut(strings.TrimSpace(part), ";")
		quality := 1.0
		if q, ok := strings.CutPrefix(strings.TrimSpace(params), "q="); ok {
			parsed, err := strconv.ParseFloat(q, 64)
			if err != nil {
				continue
			}
			quality = parsed
		}
		primary, _, _ := strings.Cut(tag, "-")
		if (primary == "en" || primary == "ja") && quality > best {
			best, english = quality, primary == "en"
		}
	}
	return english
}
