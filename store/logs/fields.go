package logs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// textFields are the fields that usually hold text, by the names of
// docs/events.md; they are looked into even when the store does not list them yet.
var textFields = []string{
	"_msg", "event.action", "event.id", "event.reference", "service", "tenant",
	"client.ip", "destination.domain", "destination.ip", "dns.question.name", "email.from.address",
	"email.subject", "email.to.address", "file.hash.sha256", "file.name", "host.name",
	"http.request.method", "process.command_line", "rule.id", "rule.name", "source.ip", "url.domain",
	"url.full", "url.path", "url.query", "user.name", "user_agent.original",
}

const (
	// fieldAge is how long a list of field names is used.
	fieldAge = 5 * time.Second
	// maxFields bounds how many fields one phrase is looked for in.
	maxFields = 500
	// maxFieldLists bounds the lists that are remembered.
	maxFieldLists = 256
)

// fieldCache remembers which fields the rows of a scope have.
type fieldCache struct {
	mu    sync.Mutex // guards lists
	lists map[string]fieldList
}

type fieldList struct {
	names []string
	until time.Time
}

// expand returns text with its bare phrases spread over every field that the
// scope's rows have in the period.
func (c *Client) expand(ctx context.Context, scope Scope, text string, r Range) (string, error) {
	if strings.TrimSpace(text) == "" {
		return "*", nil
	}
	if expandPhrases(text, []string{"_msg"}) == text {
		return text, nil
	}
	names, err := c.fieldNames(ctx, scope, r)
	if err != nil {
		return "", err
	}
	return expandPhrases(text, names), nil
}

func (c *Client) fieldNames(ctx context.Context, scope Scope, r Range) ([]string, error) {
	key := fmt.Sprint(scope.Operator, scope.Tenants, r.From.Unix()/60, r.To.Unix()/60)
	now := time.Now()
	c.fields.mu.Lock()
	list, known := c.fields.lists[key]
	c.fields.mu.Unlock()
	if known && now.Before(list.until) {
		return list.names, nil
	}
	var answer struct {
		Values []struct {
			Value string `json:"value"`
		} `json:"values"`
	}
	if err := c.object(ctx, "/select/logsql/field_names", scope, "*", r, nil, &answer); err != nil {
		return nil, fmt.Errorf("listing the fields to search: %w", err)
	}
	names := slices.Clone(textFields)
	for _, v := range answer.Values {
		if len(names) >= maxFields {
			break
		}
		if v.Value != "" && (v.Value == "_msg" || !strings.HasPrefix(v.Value, "_")) {
			names = append(names, v.Value)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	c.fields.mu.Lock()
	defer c.fields.mu.Unlock()
	if c.fields.lists == nil || len(c.fields.lists) >= maxFieldLists {
		c.fields.lists = make(map[string]fieldList)
	}
	c.fields.lists[key] = fieldList{names, now.Add(fieldAge)}
	return names, nil
}
