package site

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/sekikura/sekikura/content/redact"
	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// referencePrefix begins every number on a page of ours: Web.
const referencePrefix = "WB"

// maxField bounds what a visitor can make one field of an event weigh.
const maxField = 2048

func short(s string) string {
	if len(s) > maxField {
		return s[:maxField] + "…"
	}
	return s
}

// path is a path without the session that some servers put into it (;jsessionid=).
func path(p string) string {
	if strings.IndexByte(p, ';') < 0 {
		return p
	}
	return redact.Text(p)
}

// event is x as a fact named name, with what is known by now.
func (v *service) event(x *exchange, service, name, outcome string, status int) event.Event {
	r := x.request
	owner := v.Owner
	if x.known {
		owner = x.tenant.ID
	}
	scheme := "http"
	if x.secure {
		scheme = "https"
	}
	fields := make([]slog.Attr, 0, 32)
	fields = append(fields,
		slog.String("event.reference", x.id.Reference(referencePrefix)),
		slog.String("event.outcome", outcome),
		slog.String("event.category", "web"),
		slog.String("source.ip", x.client.Addr().String()),
		slog.String("source.port", port(x.client)),
		slog.String("url.domain", short(canonical(r.Host))),
		slog.String("url.path", short(path(r.URL.Path))),
		slog.String("url.scheme", scheme),
		slog.String("http.request.method", short(r.Method)),
		slog.Int("http.response.status_code", status),
		slog.Int64("http.request.body.bytes", x.in.n.Load()),
		slog.Int64("http.response.body.bytes", x.out.bytes),
		slog.Duration("event.duration", v.Now().Sub(x.start)),
		slog.String("http.version", httpVersion(r)),
		slog.Int64("policy.version", x.version),
	)
	if r.URL.RawQuery != "" {
		fields = append(fields, slog.String("url.query", short(redact.Query(r.URL.RawQuery))))
	}
	if ua := r.UserAgent(); ua != "" {
		fields = append(fields, slog.String("user_agent.original", short(ua)))
	}
	if x.conn != nil && x.conn.tls != nil {
		fields = append(fields, slog.String("tls.version", tlsVersion(x.conn.tls.Version)))
	}
	if x.site != nil {
		fields = append(fields, slog.String("origin.address", x.site.origin.Host))
	}
	if x.inspection != nil {
		fields = append(fields, x.inspection.Fields()...)
	}
	for _, err := range []error{x.originErr, x.clientErr} {
		if err != nil {
			fields = append(fields, slog.String("error.message", short(err.Error())))
		}
	}
	return event.Event{ID: x.id, Time: x.start, Tenant: owner, Service: service, Name: name, Fields: fields}
}

func httpVersion(r *http.Request) string {
	if r.ProtoMajor >= 2 {
		return "2"
	}
	return strings.TrimPrefix(r.Proto, "HTTP/")
}

func tlsVersion(version uint16) string {
	return strings.TrimPrefix(tls.VersionName(version), "TLS ")
}

// report records a refusal without an answer of ours.
func (v *service) report(x *exchange, name, outcome, reason string, status int) {
	if x.reported {
		return
	}
	x.reported = true
	e := v.event(x, "site", name, outcome, status)
	if reason != "" {
		e.Fields = append(e.Fields, slog.String("refused.reason", reason))
	}
	v.recorder.record(context.WithoutCancel(x.request.Context()), e)
}

// clientGone records that nobody waits for the answer. The status is nginx's.
func (v *service) clientGone(x *exchange) {
	v.report(x, "request_refused", "refused", "client_gone", 499)
	if x.conn != nil {
		x.conn.countGone()
	}
}

// refuse records why a request is not served and answers with a page.
func (v *service) refuse(x *exchange, status int, reason string) {
	v.report(x, "request_refused", "refused", reason, status)
	v.page(x, status, pageFor(reason), reason)
}

// refusePlain answers without the name of any body: nobody's site is meant.
func (v *service) refusePlain(x *exchange, status int, reason string) {
	v.report(x, "request_refused", "refused", reason, status)
	h := x.out.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	x.out.WriteHeader(status)
	_, _ = x.out.Write([]byte(http.StatusText(status) + "\n" + unknownText + "\n" + x.id.Reference(referencePrefix) + "\n"))
}

// block answers for the inspector. The event is durable before the page with
// its number goes out, or follows: a journal in trouble does not hold visitors.
func (v *service) block(x *exchange, status int) {
	outcome, kind := "blocked", pageBlocked
	if x.inspection.Outcome() == FailedClosed {
		outcome, kind = "failed", pageUnchecked
	}
	x.reported = true
	e := v.event(x, "waf", "request_blocked", outcome, status)
	ctx := context.WithoutCancel(x.request.Context())
	if !v.recorder.durable(ctx, e, v.Limits.BlockJournal) {
		v.Metrics.pageBeforeEvent()
		v.Log.Warn("a block page went out before its event was durable", "event", e.ID.String(), "tenant", e.Tenant)
	}
	if x.out.status == 0 {
		v.page(x, status, kind, "")
	}
}

// originDown answers while the body's own server does not.
func (v *service) originDown(x *exchange, status int, why string) {
	x.reported = true
	e := v.event(x, "site", "origin_failed", "failed", status)
	v.recorder.record(context.WithoutCancel(x.request.Context()), e)
	x.out.Header().Set("Retry-After", "60")
	kind := pageOriginDown
	if why == "origin_slow" {
		kind = pageOriginSlow
	}
	v.page(x, status, kind, why)
}

// finished records a request that was served, or whose origin broke off.
func (v *service) finished(ctx context.Context, x *exchange) {
	service, name, outcome, status := "site", "request_served", "passed", x.out.status
	switch {
	case x.originErr != nil:
		name, outcome = "origin_failed", "failed"
	case x.inspection == nil:
	case x.inspection.Outcome() == Detected:
		service, name, outcome = "waf", "request_detected", "detected"
	case x.inspection.Outcome() == Blocked, x.inspection.Outcome() == FailedClosed:
		// The origin had begun to answer before the rest of an upload was judged;
		// it never got the end of it.
		service, name, outcome = "waf", "request_blocked", "blocked"
	}
	v.recorder.record(ctx, v.event(x, service, name, outcome, status))
}

// refusedByProtocol records a refusal below HTTP, and returns its number. Status
// is 0 when the connection ends without an answer.
func (v *service) refusedByProtocol(c *conn, status int, reason string) string {
	now := v.Now()
	x := &exchange{id: event.NewID(now), start: now, conn: c, client: c.client, secure: c.tls != nil, in: new(bodyReader), out: new(answerWriter)}
	x.request = &http.Request{Method: "-", Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, URL: new(url.URL)}
	if c.h2 {
		x.request.Proto, x.request.ProtoMajor = "HTTP/2.0", 2
	}
	if c.tls != nil {
		x.request.Host = c.tls.ServerName
	}
	if c.gate != nil {
		head := &c.gate.head
		if head.host != "" {
			x.request.Host = head.host
		}
		if head.method != "" {
			x.request.Method = head.method
		}
		path, query, _ := strings.Cut(head.target, "?")
		x.request.URL.Path, x.request.URL.RawQuery = path, query
	}
	x.tenant, x.known = v.owner(x.request.Host)
	x.start = now
	e := v.event(x, "site", "request_refused", "refused", status)
	e.Fields = append(e.Fields, slog.String("refused.reason", reason))
	v.recorder.record(context.Background(), e)
	return x.id.Reference(referencePrefix)
}

func (v *service) owner(host string) (tenant.Tenant, bool) {
	if host == "" {
		return tenant.Tenant{}, false
	}
	return v.Directory.ByHost(canonical(host))
}

// handshakeFailed records a TLS handshake that did not come about. A client that
// goes away without a word is no refusal.
func (v *service) handshakeFailed(c *conn, sni string, err error) {
	now := v.Now()
	t, known := v.owner(sni)
	id := v.Owner
	if known {
		id = t.ID
	}
	eid := event.NewID(now)
	v.recorder.record(context.Background(), event.Event{
		ID: eid, Time: now, Tenant: id, Service: "site", Name: "request_refused",
		Fields: []slog.Attr{
			slog.String("event.reference", eid.Reference(referencePrefix)),
			slog.String("event.outcome", "refused"),
			slog.String("event.category", "web"),
			slog.String("source.ip", c.client.Addr().String()),
			slog.String("source.port", port(c.client)),
			slog.String("url.domain", short(sni)),
			slog.String("url.scheme", "https"),
			slog.String("refused.reason", "tls_handshake"),
			slog.String("error.message", short(err.Error())),
		},
	})
}

// jst is Japan's time, which has no daylight saving: pages need no zone files.
func jst(t time.Time) time.Time { return t.In(time.FixedZone("JST", 9*60*60)) }
