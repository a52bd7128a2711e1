package logs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/tenant"
)

// Held is what the store has of some events.
type Held struct {
	// Stored tells how often an ID is stored.
	Stored map[event.ID]int
	// Found holds the IDs that a search in their body's scope finds. One that is
	// stored and not found has lost its entry in the index of streams in a crash;
	// any new row of the same body, service and day brings it back.
	Found map[event.ID]bool
}

// Held asks which of ids the operator's bodies have stored with a time of receipt
// in span. It sees rows that were inserted before the last Flush. It is for the
// shipper alone: it crosses bodies.
func (c *Client) Held(ctx context.Context, operator tenant.ID, bodies []tenant.ID, ids []event.ID, span Range) (Held, error) {
	held := Held{Stored: make(map[event.ID]int, len(ids)), Found: make(map[event.ID]bool, len(ids))}
	scope, err := Scope{operator, bodies}.filter()
	if err != nil {
		return held, err
	}
	for part := range slices.Chunk(ids, 4096) {
		var filter strings.Builder
		filter.WriteString(`"event.id":in(`)
		for i, id := range part {
			if i > 0 {
				filter.WriteByte(',')
			}
			filter.WriteString(id.String())
		}
		filter.WriteByte(')')
		for _, forced := range []string{"", scope} {
			err := c.heldPart(ctx, operator, filter.String(), forced, span, func(id event.ID) {
				if forced == "" {
					held.Stored[id]++
				} else {
					held.Found[id] = true
				}
			})
			if err != nil {
				return held, fmt.Errorf("asking the log store what it has of %s: %w", operator, err)
			}
		}
	}
	return held, nil
}

func (c *Client) heldPart(ctx context.Context, operator tenant.ID, filter, forced string, span Range, each func(event.ID)) error {
	args := url.Values{
		"query": {filter + " | fields event.id"}, "start": {stamp(span.From)}, "end": {stamp(span.To.Add(time.Nanosecond))},
		"timeout": {strconv.Itoa(int(time.Minute/time.Second)) + "s"}, "allow_partial_response": {"0"},
	}
	if forced != "" {
		args.Set("extra_stream_filters", forced)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/select/logsql/query", strings.NewReader(args.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.sign(req, operator)
	body, err := c.send(req)
	if err != nil {
		return err
	}
	defer func() {
		_, _ = io.Copy(io.Discard, body) // for the connection's next use
		_ = body.Close()
	}()
	return lines(body, func(row struct {
		ID string `json:"event.id"`
	},
	) error {
		id, err := event.ParseID(row.ID)
		if err != nil {
			return fmt.Errorf("reading the ID of a stored event: %w", err)
		}
		each(id)
		return nil
	})
}
