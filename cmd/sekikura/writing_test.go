package main

import (
	"encoding/json"
	"testing"

	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

func document(service, body string) *policy.Document {
	return &policy.Document{Service: service, Schema: 1, Body: json.RawMessage(body)}
}

func TestAPolicyIsCheckedAgainstTheBodyAndTheDayWhenItIsWritten(t *testing.T) {
	village := tenant.Tenant{ID: "994413", Hosts: []string{"www.vill.wakaba.example"}}
	ended := `{"exclusions":[{"path":"/f/","rules":[942100],"reason":"r","owner":"o","expires":"2026-01-31"}]}`
	for _, tt := range []struct {
		name     string
		doc, was *policy.Document
		code     string
	}{
		{"own site", document("site", `{"sites":[{"host":"www.vill.wakaba.example","origin":"http://192.0.2.1"}]}`), nil, ""},
		{"another body's site", document("site", `{"sites":[{"host":"www.city.hanami.example","origin":"http://192.0.2.1"}]}`), nil, "not_owned"},
		{"new exclusion that is over", document("waf", ended), nil, "in_the_past"},
		{"old exclusion that is over", document("waf", ended), document("waf", ended), ""},
		{"nothing to say", document("waf", `{"paranoia":2}`), nil, ""},
	} {
		got := writing(village, tt.doc, tt.was)
		if tt.code == "" && got != nil || tt.code != "" && (len(got) != 1 || got[0].Code != tt.code) {
			t.Errorf("%s: problems %v, want %q", tt.name, got, tt.code)
		}
	}
}
