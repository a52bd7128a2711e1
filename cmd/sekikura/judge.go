package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/sekikura/sekikura/edge/waf"
	"github.com/sekikura/sekikura/policy"
	"github.com/sekikura/sekikura/store/logs"
)

// judge lets the portal ask the web application firewall what another policy
// would have done with a stored event.
type judge struct{}

// Under implements the portal's policies.Judge.
func (judge) Under(service string, e policy.Effective) (func(logs.Row) (blocked, complete bool, err error), error) {
	if service != "waf" {
		return nil, fmt.Errorf("nothing can be replayed for the service %s", service)
	}
	var p waf.Policy
	if err := json.Unmarshal(e.Body, &p); err != nil {
		return nil, fmt.Errorf("reading the policy to be tried: %w", err)
	}
	now := time.Now()
	rules, problems := waf.Compile(p, now)
	if problems != nil {
		return nil, fmt.Errorf("compiling the policy to be tried: %v", problems)
	}
	return func(row logs.Row) (blocked, complete bool, err error) {
		if e.Mode != policy.Ours {
			return false, true, nil
		}
		detected, err := strconv.Atoi(row["waf.paranoia"])
		if err != nil {
			return false, false, fmt.Errorf("event %s has no paranoia level: %w", row["event.id"], err)
		}
		decision, complete, err := waf.Preview(rules, row["url.path"], row["waf.matches"], detected, now)
		return decision.Block && p.Action == waf.ActionBlock, complete, err
	}, nil
}
