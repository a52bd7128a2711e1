package site

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// exchange is one request and its answer.
type exchange struct {
	id      event.ID
	start   time.Time
	conn    *conn
	client  netip.AddrPort
	request *http.Request
	host    string // canonical, without port
	tenant  tenant.Tenant
	known   bool // tenant is set
	site    *published
	version int64 // of the site's policy
	secure  bool

	inspection Inspection
	rest       io.Closer // of the inspection, or nil
	in         *bodyReader
	out        *answerWriter
	originErr  error
	clientErr  error // why the client did not get the whole answer
	reported   bool
}

// brokeOff notes whose side it was on that an answer ended in its middle.
func (x *exchange) brokeOff() {
	switch {
	case x.out.failure != nil:
		x.clientErr = fmt.Errorf("the client did not take the whole answer: %w", x.out.failure)
	case x.request.Context().Err() != nil:
		x.clientErr = errors.New("the client went away during the answer")
	default:
		x.originErr = errors.New("the origin ended its answer early")
	}
}

// ServeHTTP answers one request, whatever it is.
func (v *service) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := v.Now()
	c := connOf(r.Context())
	x := &exchange{id: event.NewID(now), start: now, conn: c, request: r}
	if c != nil {
		c.answering.Store(true)
		c.requests.Add(1)
		x.client, x.secure = c.client, c.tls != nil
	}
	x.out = &answerWriter{ResponseWriter: w, control: http.NewResponseController(w), stall: v.Limits.Stall}
	x.in = &bodyReader{ReadCloser: r.Body, control: x.out.control, stall: v.Limits.Stall, rate: v.Limits.MinRate}
	r.Body = x.in
	defer func() {
		defer func() {
			if x.rest != nil {
				_ = x.rest.Close() // of a reader
			}
			if x.inspection != nil {
				x.inspection.Close()
			}
		}()
		if p := recover(); p != nil {
			// net/http's word for "give this connection up", used by the proxy when
			// an origin ends in the middle of its answer.
			if p != http.ErrAbortHandler { //nolint:errorlint // a recovered value
				v.Log.Error("answering a request ended in a panic", "tenant", x.tenant.ID, "host", x.host, "panic", p)
				x.originErr = errors.New("internal error")
			} else {
				x.brokeOff()
			}
			v.finish(x)
			panic(http.ErrAbortHandler)
		}
		v.finish(x)
	}()
	v.answer(x)
}

// answer walks a request through everything that may refuse it, and to the origin.
func (v *service) answer(x *exchange) {
	r := x.request
	if !v.locate(x) {
		return
	}
	if reason := malformed(r, x.site.legacyPaths); reason != "" {
		v.refuse(x, http.StatusBadRequest, reason)
		return
	}
	source := string(x.tenant.ID) + " " + sourceOf(x.client.Addr())
	if why := v.enter(x, source); why != "" {
		x.out.Header().Set("Retry-After", "10")
		v.refuse(x, http.StatusServiceUnavailable, "busy_"+why)
		return
	}
	defer v.leave(x, source)
	if looped(r, v.Name) {
		v.refuse(x, http.StatusLoopDetected, "loop")
		return
	}
	if x.site.redirect && !x.secure {
		v.redirect(x)
		return
	}
	if r.Method == http.MethodTrace {
		v.refuse(x, http.StatusMethodNotAllowed, "trace")
		return
	}
	if r.ContentLength > x.site.maxBody {
		v.refuse(x, http.StatusRequestEntityTooLarge, "body_too_large")
		return
	}
	x.in.left = x.site.maxBody
	if !v.inspect(x) {
		return
	}
	v.pass(x)
}

// locate finds whose request this is; without an owner it is refused, and
// nothing of anybody's site is shown.
func (v *service) locate(x *exchange) bool {
	r := x.request
	x.host = canonical(r.Host)
	t, ok := v.Directory.ByHost(x.host)
	if ok {
		x.tenant, x.known = t, true
	}
	if x.conn != nil && x.conn.tls != nil {
		// RFC 9110, 7.4: a request may come over a connection that was opened for
		// another name, but never over one for another body's.
		if sni := x.conn.tls.ServerName; sni != "" && canonical(sni) != x.host {
			if other, known := v.Directory.ByHost(sni); !known || !ok || other.ID != t.ID {
				x.tenant, x.known = other, known // whose name was dialled
				v.refusePlain(x, http.StatusMisdirectedRequest, "sni_mismatch")
				return false
			}
		}
	}
	status := http.StatusNotFound
	if x.secure {
		status = http.StatusMisdirectedRequest
	}
	if !ok {
		v.refusePlain(x, status, "unknown_host")
		return false
	}
	active := v.Policies.For(t.ID)
	x.version = active.Version
	if active.Mode == policy.Ours {
		x.site = active.Compiled.byHost[x.host]
	}
	if x.site == nil {
		v.refusePlain(x, status, "host_not_published")
		return false
	}
	if x.secure && x.site.minTLS != 0 && x.conn.tls.Version < x.site.minTLS {
		v.refuse(x, http.StatusUpgradeRequired, "tls_version")
		return false
	}
	return true
}

// canonical is a Host field as the directory and policies compare it.
func canonical(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// malformed names what no honest client sends, in either HTTP version.
func malformed(r *http.Request, legacyPaths bool) string {
	if strings.IndexByte(r.URL.Path, 0) >= 0 {
		return "nul_in_path"
	}
	if !legacyPaths && !utf8.ValidString(r.URL.Path) {
		return "path_not_utf8"
	}
	for i := range len(r.URL.RawQuery) {
		if c := r.URL.RawQuery[i]; c <= ' ' || c == 0x7f {
			return "control_character"
		} else if c >= utf8.RuneSelf {
			return "target_not_ascii"
		}
	}
	for _, values := range r.Header {
		for _, value := range values {
			if !utf8.ValidString(value) {
				return "field_not_utf8"
			}
		}
	}
	return ""
}

// looped tells whether the request has been through this installation already.
func looped(r *http.Request, name string) bool {
	for _, via := range r.Header["Via"] {
		for hop := range strings.SplitSeq(via, ",") {
			if f := strings.Fields(hop); len(f) >= 2 && f[1] == name {
				return true
			}
		}
	}
	return false
}

func (v *service) enter(x *exchange, source string) string {
	limits := v.Policies.For(x.tenant.ID).Compiled
	if why := v.inFlight.enter(string(x.tenant.ID), limits.total, 0); why != "" {
		return "body"
	}
	if why := v.inFlight.enter(source, limits.perSource, 0); why != "" {
		v.inFlight.leave(string(x.tenant.ID))
		return why
	}
	return ""
}

func (v *service) leave(x *exchange, source string) {
	v.inFlight.leave(source)
	v.inFlight.leave(string(x.tenant.ID))
}

func (v *service) redirect(x *exchange) {
	r := x.request
	target := url.URL{Scheme: "https", Host: x.host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if port := v.securePort(); port != "443" && port != "" {
		target.Host = net.JoinHostPort(x.host, port)
	}
	status := http.StatusMovedPermanently
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		status = http.StatusPermanentRedirect // keeps method and body
	}
	http.Redirect(x.out, r, target.String(), status)
}

// securePort is where the browser finds https: the first HTTPS listener's port.
func (v *service) securePort() string {
	for _, l := range v.HTTPS {
		if _, port, err := net.SplitHostPort(l.Addr().String()); err == nil {
			return port
		}
	}
	return ""
}

// inspect shows the request to the inspector; false means that it was answered.
func (v *service) inspect(x *exchange) bool {
	if v.Inspector == nil {
		return true
	}
	limit := v.Inspector.Limit(x.tenant.ID)
	if limit < 0 {
		return true
	}
	r := x.request
	var head []byte
	whole := true
	if limit > 0 && r.ContentLength != 0 {
		var err error
		if head, whole, err = peek(x.in, limit); err != nil {
			v.bodyFailed(x, err)
			return false
		}
	}
	x.inspection = v.Inspector.Inspect(r.Context(), x.tenant.ID, x.client, r, head, whole)
	x.in.ahead = head
	if r.Context().Err() != nil {
		v.clientGone(x) // whatever the verdict, nobody sees it
		return false
	}
	switch x.inspection.Outcome() {
	case Blocked:
		v.block(x, http.StatusForbidden)
		return false
	case FailedClosed:
		v.block(x, http.StatusServiceUnavailable)
		return false
	}
	if !whole {
		if rest := x.inspection.Rest(r.Context(), x.tenant.ID, x.client, r, x.in); rest != nil {
			r.Body, x.rest = rest, rest
		}
	}
	return true
}

// bodyFailed answers when the client's body cannot be read.
func (v *service) bodyFailed(x *exchange, err error) {
	switch {
	case errors.Is(err, errBodyTooLarge):
		v.refuse(x, http.StatusRequestEntityTooLarge, "body_too_large")
	case errors.Is(err, errSlow):
		v.refuse(x, http.StatusRequestTimeout, "slow_body")
	case errors.Is(err, errRefused), x.gateRefused() != "":
		x.reported = true // the gate did
		v.page(x, http.StatusBadRequest, pageRefused, "")
	case x.request.Context().Err() != nil:
		v.clientGone(x)
	default:
		v.refuse(x, http.StatusBadRequest, "body_cut")
	}
}

func (x *exchange) gateRefused() string {
	if x.conn == nil || x.conn.gate == nil {
		return ""
	}
	if reason := x.conn.gate.refused.Load(); reason != nil {
		return *reason
	}
	return ""
}

// port is p's port as the event shows it.
func port(p netip.AddrPort) string { return strconv.Itoa(int(p.Port())) }

// finish reports an exchange that nobody refused.
func (v *service) finish(x *exchange) {
	x.out.disarm()
	if x.reported {
		return
	}
	ctx := context.WithoutCancel(x.request.Context())
	v.finished(ctx, x)
}
