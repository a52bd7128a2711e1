package main

import (
	"encoding/json"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/edge/site"
	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/tenant"
)

// writing says what is wrong with a policy at the moment an official writes it: a
// site that is another body's, an exclusion that begins when it is over.
func writing(t tenant.Tenant, doc, was *policy.Document) []policy.Problem {
	switch doc.Service {
	case site.Spec.Name:
		var p site.Policy
		if json.Unmarshal(doc.Body, &p) != nil {
			return nil // it has compiled, so this cannot be
		}
		return site.Owned(p, t)
	case "waf":
		return freshExclusions(doc, was)
	}
	return nil
}

// freshExclusions refuses exclusions that have ended and were not there before:
// old ones stay readable in the document and do nothing.
func freshExclusions(doc, was *policy.Document) []policy.Problem {
	var p waf.Policy
	if json.Unmarshal(doc.Body, &p) != nil {
		return nil // it has compiled, so this cannot be
	}
	old := make(map[string]bool)
	if was != nil {
		for _, e := range exclusions(was) {
			old[string(e)] = true
		}
	}
	now := exclusions(doc)
	var wrong []policy.Problem
	for _, problem := range waf.Ended(p, time.Now()) {
		parts := strings.Split(problem.Path, "/") // /exclusions/3/expires
		i, err := strconv.Atoi(parts[2])
		if err != nil || i >= len(now) || !old[string(now[i])] {
			wrong = append(wrong, problem)
		}
	}
	return wrong
}

// exclusions are the exclusions of a stored document, as their JSON, which the
// store keeps in one order of names.
func exclusions(doc *policy.Document) []json.RawMessage {
	var p struct {
		Exclusions []json.RawMessage `json:"exclusions"`
	}
	if json.Unmarshal(doc.Body, &p) != nil {
		return nil
	}
	return p.Exclusions
}
