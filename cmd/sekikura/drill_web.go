package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"time"
)

// reference finds the number on a block page.
var reference = regexp.MustCompile(`WB-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}`)

// visitor is a browser on the Internet: it reaches the edge's HTTPS address and
// asks for any host. The caller closes its idle connections.
func (w *drillWorld) visitor() *http.Client {
	return &http.Client{
		Timeout: 30 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: w.roots, MinVersion: tls.VersionTLS12},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", w.edge)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// as is the API as the holder of a token, the operator for "".
func (w *drillWorld) as(token string) *apiClient {
	if token == "" {
		token = w.token
	}
	return apiClientWith(w.api, token, w.roots)
}

// drillAgent marks what the drill sends, for whoever reads the sites' own logs.
const drillAgent = "sekikura-drill (kunren)"

// fetch asks for a page of a body's site and returns status and body.
func fetch(ctx context.Context, web *http.Client, host, path string) (int, string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+host+path, nil)
	if err != nil {
		return 0, "", err
	}
	request.Header.Set("User-Agent", drillAgent)
	answer, err := web.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return answer.StatusCode, string(text), err
}

func drillSQLInjection(ctx context.Context, w *drillWorld) (drillResult, error) {
	return w.attack(ctx, "/search?q="+url.QueryEscape("1' OR '1'='1' UNION SELECT password FROM users -- "), "sqli")
}

func drillPathTraversal(ctx context.Context, w *drillWorld) (drillResult, error) {
	return w.attack(ctx, "/search?q="+url.QueryEscape("../../../../etc/passwd"), "lfi")
}

// attack sends path to the first body's site and follows it: a clean request
// passes, the attack is stopped with a number, the number finds the event for
// that body and for the prefecture, and for nobody else.
func (w *drillWorld) attack(ctx context.Context, path, category string) (drillResult, error) {
	if len(w.sites) == 0 {
		return drillResult{}, fmt.Errorf("%w: no body publishes a site", errNotHere)
	}
	victim := w.sites[0]
	if w.real {
		path += "&kunren=1"
	}
	result := drillResult{Sent: "GET https://" + victim.Host + path}
	web := w.visitor()
	defer web.CloseIdleConnections()
	honest := "/search?q=" + url.QueryEscape("住民票の写し")
	if status, _, err := fetch(ctx, web, victim.Host, honest); err != nil || status == http.StatusForbidden || status >= 500 {
		return result, fmt.Errorf("an honest search on %s: status %d, %w", victim.Host, status, orNone(err))
	}
	begun := time.Now()
	status, text, err := fetch(ctx, web, victim.Host, path)
	if err != nil {
		return result, err
	}
	number := reference.FindString(text)
	if status != http.StatusForbidden || number == "" {
		return result, fmt.Errorf("the attack was answered with status %d and number %q, want 403 and a number", status, number)
	}
	event, err := w.await(ctx, victim.Token, number)
	if err != nil {
		return result, err
	}
	result.After = time.Since(begun)
	result.Event = number
	result.Stopped = fmt.Sprintf("WAF rule %v", event["rule.id"])
	if got := event["tenant"]; got != string(victim.Tenant) {
		return result, fmt.Errorf("the event belongs to %v, want %s", got, victim.Tenant)
	}
	if got := event["rule.category"]; got != category {
		return result, fmt.Errorf("the event's category is %v, want %s", got, category)
	}
	if _, err := w.await(ctx, "", number); err != nil {
		return result, fmt.Errorf("the prefecture does not see the event: %w", err)
	}
	for _, stranger := range w.sites[1:] {
		if stranger.Token == "" || stranger.Tenant == victim.Tenant {
			continue
		}
		if err := w.as(stranger.Token).get(ctx, "/events/by-reference/"+number, new(map[string]any)); !notFound(err) {
			return result, fmt.Errorf("%s asked for the event of %s and got %w, want 404", stranger.Name, victim.Name, orNone(err))
		}
	}
	return result, nil
}

// await asks the API for an event by its number until it is there.
func (w *drillWorld) await(ctx context.Context, token, number string) (map[string]any, error) {
	api := w.as(token)
	defer api.web.CloseIdleConnections()
	bounded, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		var event map[string]any
		err := api.get(bounded, "/events/by-reference/"+number, &event)
		if err == nil {
			return event, nil
		}
		if !notFound(err) {
			return nil, err
		}
		select {
		case <-bounded.Done():
			return nil, fmt.Errorf("event %s is not in the log store 20 s after the attack", number)
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// anyNumber finds the number on any page that we answer ourselves.
var anyNumber = regexp.MustCompile(`[A-Z]{2}-[2-9A-HJ-NP-Z]{4}-[2-9A-HJ-NP-Z]{4}`)

// drillOneSiteDown asks for a site whose origin is away, as in the outage of
// 2021-02-03, and looks whether the other bodies' sites go on.
func drillOneSiteDown(ctx context.Context, w *drillWorld) (drillResult, error) {
	if w.stopped == nil {
		return drillResult{}, fmt.Errorf("%w: it would stop a site that is in use", errNotHere)
	}
	result := drillResult{Sent: "GET https://" + w.stopped.Host + "/, whose origin is stopped"}
	web := w.visitor()
	defer web.CloseIdleConnections()
	begun := time.Now()
	status, text, err := fetch(ctx, web, w.stopped.Host, "/")
	if err != nil {
		return result, err
	}
	number := anyNumber.FindString(text)
	if status != http.StatusBadGateway && status != http.StatusServiceUnavailable || number == "" {
		return result, fmt.Errorf("the stopped site was answered with status %d and number %q", status, number)
	}
	for _, other := range w.sites {
		if status, _, err := fetch(ctx, web, other.Host, "/"); err != nil || status != http.StatusOK {
			return result, fmt.Errorf("%s: status %d, %w", other.Host, status, orNone(err))
		}
	}
	if _, err := w.await(ctx, w.stopped.Token, number); err != nil {
		return result, err
	}
	result.After, result.Event, result.Stopped = time.Since(begun), number, "the others' sites go on"
	return result, nil
}

// errNone stands where an error was expected and none came.
var errNone = errors.New("no error")

func orNone(err error) error {
	if err == nil {
		return errNone
	}
	return err
}
