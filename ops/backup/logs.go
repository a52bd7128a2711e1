package backup

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
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// LogsName is the source of the stored events.
const LogsName = "logs"

// Logs is the log store as a source: one slice for each body and day of receipt,
// and for the present day one for each hour, so that what closed is written once.
// (The engine's partition snapshots are of all bodies together, in its own form:
// one body could not be restored from them.) Client, Bodies and Now must be set.
type Logs struct {
	Client *logs.Client
	Bodies func() []tenant.Tenant
	// Retention is how long the log store keeps rows; older slices leave the
	// backup with it. Zero is for ever.
	Retention time.Duration
	// Settled is how old a day must be before its rows are not counted again but
	// taken over from the last backup: seven days when zero.
	Settled time.Duration
	Now     func() time.Time

	operators map[tenant.ID]tenant.ID
}

// logsHeader is the first line of a slice of logs.
type logsHeader struct {
	Operator tenant.ID `json:"operator"`
}

// maxRowsAtOnce is how many rows are asked for at once, well below what the engine
// reads out within its time limit of half a minute.
const maxRowsAtOnce = 200_000

// Name implements [Source].
func (*Logs) Name() string { return LogsName }

// Close implements [Source].
func (*Logs) Close() error { return nil }

// Slices implements [Source]. A slice's version is its number of rows: rows come
// late, when the bus replays, but none changes. A body that left the directory is
// in earlier backups only.
func (l *Logs) Slices(ctx context.Context, last []Part) ([]Slice, error) {
	now := l.Now().UTC()
	today := now.Truncate(24 * time.Hour)
	settled := l.Settled
	if settled <= 0 {
		settled = 7 * 24 * time.Hour
	}
	recount := today.Add(-settled)
	var oldest time.Time
	if l.Retention > 0 {
		oldest = now.Add(-l.Retention).Truncate(24 * time.Hour)
	}
	if err := l.answers(ctx); err != nil {
		return nil, err
	}
	l.operators = make(map[tenant.ID]tenant.ID)
	taken := make(map[tenant.ID][]Slice)
	for _, p := range last {
		if from, _, err := sliceSpan(p.Slice.Name); err == nil && len(p.Slice.Name) == len(dayForm) && from.Before(recount) && !from.Before(oldest) {
			taken[p.Tenant] = append(taken[p.Tenant], p.Slice)
		}
	}
	bodies := l.Bodies()
	if len(bodies) == 0 {
		return nil, errors.New("the directory knows no body, so no logs would be backed up")
	}
	var all []Slice
	for _, body := range bodies {
		l.operators[body.ID] = body.Operator
		from := oldest
		if len(taken[body.ID]) > 0 {
			from = recount
		}
		counts, err := l.hours(ctx, body, logs.Range{From: from, To: now})
		if err != nil {
			return nil, fmt.Errorf("counting the rows of %s: %w", body.ID, err)
		}
		rows := make(map[string]uint64)
		for _, b := range counts {
			form := dayForm
			if !b.Time.Before(today) {
				form = hourForm
			}
			rows[b.Time.UTC().Format(form)] += b.Count
		}
		all = append(all, taken[body.ID]...)
		for name, n := range rows {
			all = append(all, Slice{Source: LogsName, Tenant: body.ID, Name: name, Version: strconv.FormatUint(n, 10)})
		}
	}
	slices.SortFunc(all, Slice.compare)
	return all, nil
}

// logsPatience is how long a backup waits for a log store that starts again.
const logsPatience = 10 * time.Second

// answers waits for the log store, but not for ever: connections to one that is
// away may be held open until it is back.
func (l *Logs) answers(ctx context.Context) error {
	bounded, cancel := context.WithTimeout(ctx, logsPatience)
	defer cancel()
	for {
		err := l.Client.Health(bounded)
		if err == nil {
			return nil
		}
		select {
		case <-bounded.Done():
			if errors.Is(err, context.DeadlineExceeded) {
				err = errors.New("it takes connections and says nothing")
			}
			return errors.Join(ctx.Err(), fmt.Errorf("the log store has not answered for %v: %w", logsPatience, err))
		case <-time.After(100 * time.Millisecond):
		}
	}
}

const (
	dayForm  = "2006-01-02"
	hourForm = "2006-01-02T15"
)

// sliceSpan is the period that a slice's name stands for.
func sliceSpan(name string) (from, to time.Time, err error) {
	if from, err = time.Parse(hourForm, name); err == nil {
		return from, from.Add(time.Hour), nil
	}
	if from, err = time.Parse(dayForm, name); err != nil {
		return from, to, fmt.Errorf("%q is neither a day nor an hour of logs", name)
	}
	return from, from.AddDate(0, 0, 1), nil
}

// hours counts a body's rows by hour.
func (l *Logs) hours(ctx context.Context, body tenant.Tenant, span logs.Range) ([]logs.Bucket, error) {
	scope := logs.Scope{Operator: body.Operator, Tenants: []tenant.ID{body.ID}}
	series, err := l.Client.Histogram(ctx, scope, "*", span, time.Hour)
	if err != nil {
		return nil, err
	}
	var all []logs.Bucket
	for _, s := range series {
		all = append(all, s.Buckets...)
	}
	return all, nil
}

// Write implements [Source].
func (l *Logs) Write(ctx context.Context, s Slice, w io.Writer) (Wrote, error) {
	from, to, err := sliceSpan(s.Name)
	if err != nil {
		return Wrote{}, err
	}
	body := tenant.Tenant{ID: s.Tenant, Operator: l.operators[s.Tenant]}
	header, err := json.Marshal(logsHeader{body.Operator})
	if err != nil {
		return Wrote{}, err
	}
	if _, err := w.Write(append(header, '\n')); err != nil {
		return Wrote{}, err
	}
	counts, err := l.hours(ctx, body, logs.Range{From: from, To: to})
	if err != nil {
		return Wrote{}, err
	}
	slices.SortFunc(counts, func(a, b logs.Bucket) int { return a.Time.Compare(b.Time) })
	var wrote Wrote
	for _, hour := range counts {
		start, end := hour.Time, hour.Time.Add(time.Hour)
		windows := time.Duration(hour.Count/maxRowsAtOnce + 1) //nolint:gosec // rows of one hour
		step := (end.Sub(start) + windows - 1) / windows
		before := wrote.Rows
		for ; start.Before(end); start = start.Add(step) {
			stop := start.Add(step)
			if stop.After(end) {
				stop = end
			}
			if err := l.export(ctx, body, logs.Range{From: start, To: stop}, w, &wrote); err != nil {
				return wrote, err
			}
		}
		if got := wrote.Rows - before; got < int64(hour.Count) { //nolint:gosec // rows of one hour
			return wrote, fmt.Errorf("the log store counts %d rows in the hour from %s and gave %d", hour.Count, hour.Time.Format(time.RFC3339), got)
		}
	}
	return wrote, nil
}

// export streams the rows of one period as they are stored. It asks the engine
// itself, since [logs.Client] sorts and pages for screens.
func (l *Logs) export(ctx context.Context, body tenant.Tenant, span logs.Range, w io.Writer, wrote *Wrote) (err error) {
	answer, err := query(ctx, l.Client, body.Operator, body.ID, "* | delete _stream, _stream_id", span)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	lines := bufio.NewScanner(answer)
	lines.Buffer(make([]byte, 0, 256<<10), 2*logs.MaxRow)
	for lines.Scan() {
		line := lines.Bytes()
		at, err := rowTime(line)
		if err != nil {
			return err
		}
		if at.After(wrote.Newest) {
			wrote.Newest = at
		}
		wrote.Rows++
		if _, err := w.Write(append(line, '\n')); err != nil {
			return err
		}
	}
	return lines.Err()
}

// The fields that are read from every row, as they stand in it.
const (
	timeKey   = `"_time":"`
	tenantKey = `"tenant":"`
	idKey     = `"event.id":"`
)

// rowValue reads the value of one key from a flat row without decoding the row,
// which would take most of a backup's time. The key cannot stand within another
// field's value, where its quotation marks would be escaped. Values with escapes
// come back as they stand; the values asked for have none.
func rowValue(row []byte, key string) string {
	_, rest, _ := bytes.Cut(row, []byte(key))
	value, _, closed := bytes.Cut(rest, []byte{'"'})
	if !closed {
		return ""
	}
	return string(value)
}

// rowTime reads the time of a row, and refuses what is none.
func rowTime(row []byte) (time.Time, error) {
	if len(row) < 2 || row[0] != '{' || row[len(row)-1] != '}' {
		return time.Time{}, fmt.Errorf("this is no row of logs: %.80q", row)
	}
	at, err := time.Parse(time.RFC3339Nano, rowValue(row, timeKey))
	if err != nil {
		return at, fmt.Errorf("a row of logs has no time: %w", err)
	}
	return at, nil
}

// query asks for rows of one body; the caller closes the answer.
func query(ctx context.Context, c *logs.Client, operator, id tenant.ID, text string, span logs.Range) (io.ReadCloser, error) {
	for _, who := range []tenant.ID{operator, id} {
		if _, err := tenant.Parse(string(who)); err != nil {
			return nil, err
		}
	}
	const stamp = "2006-01-02T15:04:05.000000000Z"
	form := url.Values{
		"query": {text}, "extra_stream_filters": {"{tenant in (" + strconv.Quote(string(id)) + ")}"},
		"allow_partial_response": {"0"}, "timeout": {"30s"},
		"start": {span.From.UTC().Format(stamp)}, "end": {span.To.UTC().Format(stamp)},
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/select/logsql/query", strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("AccountID", strconv.FormatUint(uint64(logs.Account(operator)), 10))
	req.Header.Set("ProjectID", "0")
	if c.Secret != "" {
		req.Header.Set("Authorization", "Bearer "+c.Secret)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("reading the log store: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		why, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return nil, errors.Join(fmt.Errorf("reading the log store: it answers %s: %s", resp.Status, bytes.TrimSpace(why)), resp.Body.Close())
	}
	return resp.Body, nil
}
