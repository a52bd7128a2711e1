package logs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bucket is how many events fell into the step that begins at Time.
type Bucket struct {
	Time  time.Time
	Count uint64
}

// Series is the histogram of the events that share the values of Fields; the
// rest beyond the largest series has none.
type Series struct {
	Fields  map[string]string
	Total   uint64
	Buckets []Bucket
}

// Histogram counts what the query finds in steps of at least a second, split by
// the values of fields, for the ten largest combinations. Steps are aligned to
// UTC; empty ones are left out.
func (c *Client) Histogram(ctx context.Context, scope Scope, text string, r Range, step time.Duration, fields ...string) ([]Series, error) {
	if step < time.Second {
		return nil, fmt.Errorf("counting logs: a step of %v is below one second", step)
	}
	text, err := c.expand(ctx, scope, text, r)
	if err != nil {
		return nil, err
	}
	args := url.Values{"step": {strconv.FormatInt(step.Milliseconds(), 10) + "ms"}, "fields_limit": {"10"}, "field": fields}
	var answer struct {
		Hits []struct {
			Fields     map[string]string `json:"fields"`
			Timestamps []time.Time       `json:"timestamps"`
			Values     []uint64          `json:"values"`
			Total      uint64            `json:"total"`
		} `json:"hits"`
	}
	if err := c.object(ctx, "/select/logsql/hits", scope, text, r, args, &answer); err != nil {
		return nil, fmt.Errorf("counting logs: %w", err)
	}
	var series []Series
	for _, h := range answer.Hits {
		if len(h.Timestamps) != len(h.Values) {
			return nil, fmt.Errorf("counting logs: %w: the answer's columns differ in length", ErrUnavailable)
		}
		s := Series{Fields: h.Fields, Total: h.Total}
		for i, at := range h.Timestamps {
			s.Buckets = append(s.Buckets, Bucket{at.UTC(), h.Values[i]})
		}
		slices.SortFunc(s.Buckets, func(a, b Bucket) int { return a.Time.Compare(b.Time) })
		series = append(series, s)
	}
	slices.SortStableFunc(series, func(a, b Series) int { return int(min(b.Total, 1<<62)) - int(min(a.Total, 1<<62)) }) //nolint:gosec // bounded
	return series, nil
}

// Value is one value of a field and in how many rows it stands.
type Value struct {
	Value string
	Count uint64
}

// Facet is a field and its most frequent values.
type Facet struct {
	Field  string
	Values []Value
}

// Facets returns the most frequent values, at most limit each, of the fields
// that have few enough of them to choose from.
func (c *Client) Facets(ctx context.Context, scope Scope, text string, r Range, limit int) ([]Facet, error) {
	text, err := c.expand(ctx, scope, text, r)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Facets []struct {
			Field  string `json:"field_name"`
			Values []struct {
				Value string `json:"field_value"`
				Hits  uint64 `json:"hits"`
			} `json:"values"`
		} `json:"facets"`
	}
	args := url.Values{"limit": {strconv.Itoa(max(1, limit))}, "max_values_per_field": {"1000"}, "keep_const_fields": {"1"}}
	if err := c.object(ctx, "/select/logsql/facets", scope, text, r, args, &answer); err != nil {
		return nil, fmt.Errorf("counting values: %w", err)
	}
	var facets []Facet
	for _, f := range answer.Facets {
		if strings.HasPrefix(f.Field, "_") {
			continue
		}
		facet := Facet{Field: f.Field}
		for _, v := range f.Values {
			facet.Values = append(facet.Values, Value{v.Value, v.Hits})
		}
		facets = append(facets, facet)
	}
	slices.SortFunc(facets, func(a, b Facet) int { return strings.Compare(a.Field, b.Field) })
	return facets, nil
}

// Count returns how many events the filter finds. Text must have no pipes.
func (c *Client) Count(ctx context.Context, scope Scope, text string, r Range) (uint64, error) {
	series, err := c.Histogram(ctx, scope, text, r, 24*time.Hour)
	if err != nil {
		return 0, err
	}
	var n uint64
	for _, s := range series {
		n += s.Total
	}
	return n, nil
}

// object asks for an answer of one JSON object.
func (c *Client) object(ctx context.Context, path string, scope Scope, text string, r Range, args url.Values, into any) error {
	body, err := c.ask(ctx, path, scope, text, r, args)
	if err != nil {
		return err
	}
	defer body.Close() //nolint:errcheck // only read
	if err := json.NewDecoder(io.LimitReader(body, 64<<20)).Decode(into); err != nil {
		if errors.Is(err, context.Canceled) {
			return err
		}
		return fmt.Errorf("reading the log store's answer: %w", unavailable(err))
	}
	return nil
}
