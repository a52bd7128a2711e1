package journal

import (
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// drainRetry is how long the drain waits before it tries the bus again.
const drainRetry = 500 * time.Millisecond

// drain brings the spool's records to the bus, in the order they were kept, as
// long as there are any.
func (j *Journal) drain(ctx context.Context) {
	for ctx.Err() == nil {
		next, any := j.spool.oldest()
		path := next.path
		if !any {
			// Nothing waits, so only a next message can tell whether the bus is there.
			j.away.Store(false)
			select {
			case <-ctx.Done():
			case <-j.spooled:
			}
			continue
		}
		damaged, err := j.drainSegment(ctx, next)
		if err == nil {
			if damaged {
				j.count.damaged.Add(1)
				j.conf.Log.Error("a segment of kept events is damaged; the rest of it is set aside", "file", path)
			}
			err = j.spool.done(path, damaged)
		}
		if err != nil && ctx.Err() == nil {
			j.conf.Log.Debug("the bus does not take kept events yet", "err", err)
			pause(ctx, drainRetry)
		}
	}
}

// drainSegment publishes every record of a segment. After an error it is read
// again from its beginning: the bus and the readers know the ids.
func (j *Journal) drainSegment(ctx context.Context, from segment) (damaged bool, err error) {
	content, err := os.ReadFile(from.path)
	if err != nil {
		return false, err
	}
	j.spool.begun()
	for {
		r, rest, err := readRecord(content)
		switch {
		case errors.Is(err, io.EOF):
			return false, nil
		case errors.Is(err, errTorn):
			j.count.torn.Add(1)
			return false, nil
		case err != nil:
			return true, nil //nolint:nilerr // damaged says it
		}
		limit, cancel := context.WithTimeout(ctx, publishTimeout)
		err = j.conf.Bus.Publish(limit, r.subject, r.id, r.tried || from.old, r.data)
		cancel()
		if err != nil {
			return false, err
		}
		if j.away.Swap(false) {
			j.conf.Log.Info("the bus takes events again")
		}
		content = rest
	}
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
