package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"
)

// apiTimeout bounds one call of the API.
const apiTimeout = time.Minute

// apiClient calls the API as the holder of one token.
type apiClient struct {
	base  string // such as https://localhost:7443/api/v1
	token string
	web   *http.Client
}

// newAPIClient trusts the certificates in the file ca ("" for the system's).
func newAPIClient(base, token, ca string) (*apiClient, error) {
	if ca == "" {
		return apiClientWith(base, token, nil), nil
	}
	roots, err := readRoots(ca)
	return apiClientWith(base, token, roots), err
}

// apiClientWith trusts roots, nil for the system's.
func apiClientWith(base, token string, roots *x509.CertPool) *apiClient {
	return &apiClient{
		base: strings.TrimSuffix(base, "/"), token: token,
		web: &http.Client{Timeout: apiTimeout, Transport: &http.Transport{
			TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots}, ForceAttemptHTTP2: true,
		}},
	}
}

func readRoots(ca string) (*x509.CertPool, error) {
	text, err := os.ReadFile(ca) //nolint:gosec // the operator's own file
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", ca)
	}
	return roots, nil
}

// apiProblem is an answer of the API that says what went wrong (RFC 9457).
type apiProblem struct {
	Status    int    `json:"status"`
	Title     string `json:"title"`
	Detail    string `json:"detail"`
	Code      string `json:"code"`
	Reference string `json:"reference"`
	Errors    []struct {
		Path string `json:"path"`
		Code string `json:"code"`
		Args []any  `json:"args"`
	} `json:"errors"`
}

func (p *apiProblem) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the API answered %d %s", p.Status, p.Title)
	if p.Detail != "" {
		b.WriteString(": " + p.Detail)
	}
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "\n  %s: %s", e.Path, e.Code)
		for _, a := range e.Args {
			fmt.Fprintf(&b, " %v", a)
		}
	}
	if p.Status == http.StatusUnauthorized {
		b.WriteString("\n  the API does not take this token: it ended, was revoked, or its account has a new password")
	}
	if p.Reference != "" {
		b.WriteString("\n  reference " + p.Reference)
	}
	return b.String()
}

// notFound tells whether err is the API's 404.
func notFound(err error) bool {
	var p *apiProblem
	return errors.As(err, &p) && p.Status == http.StatusNotFound
}

// call sends in (nil for none) as JSON and reads the answer into out (nil to
// drop it). header adds header lines.
func (c *apiClient) call(ctx context.Context, method, path string, header http.Header, in, out any) (http.Header, error) {
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		request.Header[name] = values
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	if in != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	answer, err := c.web.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	if answer.StatusCode >= 300 {
		p := &apiProblem{Status: answer.StatusCode, Title: http.StatusText(answer.StatusCode)}
		json.NewDecoder(io.LimitReader(answer.Body, 1<<20)).Decode(p) //nolint:errcheck // the status says enough
		return answer.Header, p
	}
	if out == nil {
		return answer.Header, nil
	}
	if w, ok := out.(io.Writer); ok {
		_, err := io.Copy(w, answer.Body)
		return answer.Header, err
	}
	if err := json.NewDecoder(answer.Body).Decode(out); err != nil {
		return answer.Header, fmt.Errorf("reading the answer of %s %s: %w", method, path, err)
	}
	return answer.Header, nil
}

func (c *apiClient) get(ctx context.Context, path string, out any) error {
	_, err := c.call(ctx, http.MethodGet, path, nil, nil, out)
	return err
}
