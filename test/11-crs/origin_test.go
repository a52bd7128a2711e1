package crs_test

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// reflect is what the tests ask of their origin (the CRS project's own is called
// albedo): it answers 200 with nothing, and to /reflect with what the request's
// JSON says.
func reflect(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil || !strings.HasPrefix(r.URL.Path, "/reflect") {
		return
	}
	var answer struct {
		Status      int               `json:"status"`
		Headers     map[string]string `json:"headers"`
		Body        string            `json:"body"`
		EncodedBody string            `json:"encodedBody"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	for name, value := range answer.Headers {
		w.Header().Set(name, value)
	}
	if answer.Status > 0 {
		w.WriteHeader(answer.Status)
	}
	if answer.EncodedBody != "" {
		decoded, err := base64.StdEncoding.DecodeString(answer.EncodedBody)
		if err != nil {
			return
		}
		answer.Body = string(decoded)
	}
	_, _ = io.WriteString(w, answer.Body) // a client that has gone fails its own test
}
