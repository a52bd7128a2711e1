package logs

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// insertPath asks the engine to take our names for time and message, and to keep
// one stream for each service of a body.
const insertPath = "/insert/jsonline?_time_field=_time&_msg_field=_msg&_stream_fields=tenant,service"

// Insert adds rows, lines of JSON as event.AppendRow writes them, to what the
// operator's bodies have stored. It returns the store's boot value, which is
// empty where the store is not ours.
//
// Nil means that the store has the rows in memory, not that they are on disk.
// With ErrReadOnly none was taken. After any other error the rows may be stored,
// or a part of them.
func (c *Client) Insert(ctx context.Context, operator tenant.ID, rows []byte) (boot string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+insertPath, bytes.NewReader(rows))
	if err != nil {
		return "", fmt.Errorf("inserting rows of %s: %w", operator, err)
	}
	req.Header.Set("Content-Type", "application/stream+json")
	c.sign(req, operator)
	resp, err := c.client().Do(req)
	if err != nil {
		return "", fmt.Errorf("inserting rows of %s: %w", operator, unavailable(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	boot = resp.Header.Get(BootHeader)
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		return boot, fmt.Errorf("inserting rows of %s: %w", operator, ErrReadOnly)
	case resp.StatusCode >= 500 || err != nil:
		return boot, fmt.Errorf("inserting rows of %s: %w (%s)", operator, ErrUnavailable, resp.Status)
	case resp.StatusCode != http.StatusOK:
		return boot, fmt.Errorf("inserting rows of %s: %s: %s", operator, resp.Status, bytes.TrimSpace(text))
	}
	return boot, nil
}

// Flush makes all inserted rows visible to queries. It does not write them to disk.
func (c *Client) Flush(ctx context.Context) error {
	body, err := c.get(ctx, "/internal/force_flush")
	if err != nil {
		return fmt.Errorf("flushing the log store: %w", err)
	}
	return body.Close()
}

// Health returns nil when the store answers.
func (c *Client) Health(ctx context.Context) error {
	body, err := c.get(ctx, "/health")
	if err != nil {
		return err
	}
	return body.Close()
}

// State is what a store tells about its process.
type State struct {
	// Start changes whenever the store's process starts. Rows inserted before
	// and not yet on disk may then be gone.
	Start string
	// Inserts counts the insert requests of this process: where it went down,
	// the process was restarted even if Start looks the same.
	Inserts uint64
	// Dropped counts the rows the process took and threw away: too long, too old,
	// too many fields, not JSON.
	Dropped uint64
	// Inserting is how many insert requests it works on.
	Inserting int
	// ReadOnly says that it takes no rows.
	ReadOnly bool
}

// State asks the store about its process. The store's counters may be a second old.
func (c *Client) State(ctx context.Context) (State, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+"/metrics", nil)
	if err != nil {
		return State{}, err
	}
	c.sign(req, "")
	resp, err := c.client().Do(req)
	if err != nil {
		return State{}, fmt.Errorf("asking for the log store's state: %w", unavailable(err))
	}
	defer resp.Body.Close() //nolint:errcheck // read to its end
	if resp.StatusCode != http.StatusOK {
		return State{}, fmt.Errorf("asking for the log store's state: %w (%s)", ErrUnavailable, resp.Status)
	}
	state, err := readState(resp.Body)
	if err != nil {
		return State{}, fmt.Errorf("reading the log store's state: %w", unavailable(err))
	}
	state.Start += "/" + resp.Header.Get(BootHeader)
	return state, nil
}

func readState(r io.Reader) (State, error) {
	var s State
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		name, value, ok := cutLast(lines.Text(), " ")
		if !ok {
			continue
		}
		number, err := strconv.ParseFloat(value, 64)
		if err != nil || number < 0 {
			continue
		}
		switch {
		case name == "vm_app_start_timestamp":
			s.Start = value
		case name == `vl_http_requests_total{path="/insert/jsonline"}`:
			s.Inserts = uint64(number)
		case name == `vl_http_errors_total{path="/insert/jsonline"}`, name == "vl_too_long_lines_skipped_total",
			strings.HasPrefix(name, "vl_rows_dropped_total{"):
			s.Dropped += uint64(number)
		case name == "vl_insert_processors_count":
			s.Inserting = int(number)
		case strings.HasPrefix(name, "vl_storage_is_read_only"):
			s.ReadOnly = number == 1
		}
	}
	if err := lines.Err(); err != nil {
		return s, err
	}
	if s.Start == "" {
		return s, errors.New("it does not name its start time")
	}
	return s, nil
}

// get asks for one page; the caller closes the body.
func (c *Client) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(c.URL, "/")+path, nil)
	if err != nil {
		return nil, err
	}
	c.sign(req, "")
	return c.send(req)
}

// ask sends a query of scope; the caller closes the body.
func (c *Client) ask(ctx context.Context, path string, scope Scope, text string, r Range, args url.Values) (io.ReadCloser, error) {
	forced, err := scope.filter()
	if err != nil {
		return nil, err
	}
	if args == nil {
		args = url.Values{}
	}
	args.Set("query", text)
	args.Set("extra_stream_filters", forced)
	args.Set("allow_partial_response", "0")
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = 30 * time.Second
	}
	args.Set("timeout", timeout.String())
	if !r.From.IsZero() {
		args.Set("start", stamp(r.From))
	}
	if !r.To.IsZero() {
		args.Set("end", stamp(r.To))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+path, strings.NewReader(args.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	c.sign(req, scope.Operator)
	return c.send(req)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000000Z") }

func (c *Client) send(req *http.Request) (io.ReadCloser, error) {
	resp, err := c.client().Do(req)
	if err != nil {
		return nil, unavailable(err)
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	defer resp.Body.Close() //nolint:errcheck // an answer we do not keep
	raw, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	text := string(bytes.TrimSpace(raw))
	switch {
	case resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(text, "cannot parse query ["):
		return nil, badQuery(text)
	case resp.StatusCode == http.StatusBadRequest && strings.HasPrefix(text, "cannot execute query ["):
		if req.Context().Err() != nil {
			return nil, req.Context().Err()
		}
		// "cannot execute query [QUERY]: REASON"
		_, reason, _ := cutLast(text, "]: ")
		if strings.Contains(reason, "deadline exceeded") {
			return nil, ErrTooLong
		}
		return nil, &BadQueryError{Detail: reason}
	case resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(text, "seconds"):
		return nil, ErrTooLong
	case resp.StatusCode >= 500:
		return nil, fmt.Errorf("%w (%s)", ErrUnavailable, resp.Status)
	case resp.StatusCode == http.StatusBadRequest:
		return nil, &BadQueryError{Detail: text}
	}
	return nil, fmt.Errorf("the log store answers %s: %s", resp.Status, text)
}

// lines decodes an answer of one JSON object a line. An answer that breaks off
// is an error, never a short answer.
func lines[T any](body io.Reader, each func(T) error) error {
	decoder := json.NewDecoder(body)
	for {
		var row T
		switch err := decoder.Decode(&row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("reading the log store's answer: %w", unavailable(err))
		}
		if err := each(row); err != nil {
			return err
		}
	}
}

func (c *Client) sign(req *http.Request, operator tenant.ID) {
	if c.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+c.Secret)
	}
	if operator != "" {
		req.Header.Set("AccountID", strconv.FormatUint(uint64(Account(operator)), 10))
		req.Header.Set("ProjectID", "0")
	}
}

func (c *Client) client() *http.Client {
	if c.HTTP != nil {
		return c.HTTP
	}
	return http.DefaultClient
}

// unavailable marks err as the store's absence, unless the asker gave up.
func unavailable(err error) error {
	if errors.Is(err, context.Canceled) {
		return err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return errors.Join(ErrTooLong, err)
	}
	return errors.Join(ErrUnavailable, err)
}
