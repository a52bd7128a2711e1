package backup

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/sekikura/sekikura/store/logs"
	"github.com/sekikura/sekikura/tenant"
)

// LogsInto puts stored events into a log store: an empty one in a scratch place,
// or a running one, where rows that are there already (by event.id) are not put
// in again. Client must be set.
type LogsInto struct {
	Client *logs.Client

	operators map[tenant.ID]tenant.ID
}

// insertBatch is about how many bytes go into one insert.
const insertBatch = 4 << 20

// Name implements [Target].
func (*LogsInto) Name() string { return LogsName }

// Restore implements [Target].
func (l *LogsInto) Restore(ctx context.Context, s Slice, r io.Reader) (int64, error) {
	from, to, err := sliceSpan(s.Name)
	if err != nil {
		return 0, err
	}
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 256<<10), 2*logs.MaxRow)
	var header logsHeader
	if !lines.Scan() || json.Unmarshal(lines.Bytes(), &header) != nil || header.Operator == "" {
		return 0, errors.Join(errors.New("the logs do not say whose operator's they are"), lines.Err())
	}
	if l.operators == nil {
		l.operators = make(map[tenant.ID]tenant.ID)
	}
	l.operators[s.Tenant] = header.Operator
	there, err := l.there(ctx, s.Tenant, logs.Range{From: from, To: to})
	if err != nil {
		return 0, err
	}
	var batch bytes.Buffer
	rows := int64(0)
	flush := func() error {
		if batch.Len() == 0 {
			return nil
		}
		_, err := l.Client.Insert(ctx, header.Operator, batch.Bytes())
		batch.Reset()
		return err
	}
	for lines.Scan() {
		row := lines.Bytes()
		at, err := rowTime(row)
		if err != nil {
			return rows, err
		}
		if owner := rowValue(row, tenantKey); owner != string(s.Tenant) || at.Before(from) || !at.Before(to) {
			return rows, fmt.Errorf("row %d is of body %q and %s, not of %s", rows+1, owner, at.Format(time.RFC3339), s)
		}
		rows++
		if there[rowValue(row, idKey)] {
			continue
		}
		batch.Write(row)
		batch.WriteByte('\n')
		if batch.Len() >= insertBatch {
			if err := flush(); err != nil {
				return rows, err
			}
		}
	}
	return rows, errors.Join(lines.Err(), flush())
}

// there returns the events of a period that the store has, by event.id.
func (l *LogsInto) there(ctx context.Context, id tenant.ID, span logs.Range) (_ map[string]bool, err error) {
	if err := l.Client.Flush(ctx); err != nil {
		return nil, err
	}
	n, err := l.count(ctx, id, span)
	if err != nil || n == 0 {
		return nil, err
	}
	answer, err := query(ctx, l.Client, l.operators[id], id, "* | fields event.id", span)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, answer.Close()) }()
	all := make(map[string]bool, n)
	lines := bufio.NewScanner(answer)
	lines.Buffer(nil, logs.MaxRow)
	for lines.Scan() {
		if id := rowValue(lines.Bytes(), idKey); id != "" {
			all[id] = true
		}
	}
	return all, lines.Err()
}

func (l *LogsInto) count(ctx context.Context, id tenant.ID, span logs.Range) (uint64, error) {
	return l.Client.Count(ctx, logs.Scope{Operator: l.operators[id], Tenants: []tenant.ID{id}}, "*", span)
}

// Check implements [Target]: every slice has as many rows in the store as in the
// backup, or more where the store goes on taking rows.
func (l *LogsInto) Check(ctx context.Context, parts []Part) (checked int64, problems []string, err error) {
	if err := l.Client.Flush(ctx); err != nil {
		return 0, nil, err
	}
	for _, p := range parts {
		from, to, err := sliceSpan(p.Slice.Name)
		if err != nil {
			return checked, problems, err
		}
		n, err := l.count(ctx, p.Tenant, logs.Range{From: from, To: to})
		if err != nil {
			return checked, problems, err
		}
		checked += int64(n)    //nolint:gosec // rows of a day
		if int64(n) < p.Rows { //nolint:gosec // rows of a day
			problems = append(problems, fmt.Sprintf("%s: %d rows are in the log store, %d in the backup", p.Slice, n, p.Rows))
		}
	}
	return checked, problems, nil
}
