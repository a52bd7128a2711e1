package settings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// maxSet bounds what a data plane reads at once: 1,700 bodies with 100 kB each.
const maxSet = 256 << 20

// retry is the pause after the control role did not answer.
const retry = time.Second

// Client keeps one data plane's settings current. Every field must be set.
type Client struct {
	Socket string // the control role's unix socket
	File   string // where the last good set is kept, in a folder of the role's own
	Apply  func(*Set) ([]Refusal, error)
	Log    *slog.Logger

	have  atomic.Int64 // the last that came, whether it could be used or not
	force atomic.Int64 // the last that could
	alone atomic.Bool
	last  *Set // in force; only Load and Run's goroutine use it
}

// Revision is the revision in force, 0 before the first.
func (c *Client) Revision() int64 { return c.force.Load() }

// Alone tells whether the control role did not answer the last question, so
// that what is in force may be old.
func (c *Client) Alone() bool { return c.alone.Load() }

// Load puts the set on disk in force and tells whether there was one. A file
// that cannot be read is an error, and the client goes on without it.
func (c *Client) Load() (bool, error) {
	text, err := os.ReadFile(c.File)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	set := new(Set)
	if err := json.Unmarshal(text, set); err != nil {
		return false, fmt.Errorf("reading the last good settings in %s: %w", c.File, err)
	}
	if err := c.apply(set); err != nil {
		return false, fmt.Errorf("applying the last good settings in %s: %w", c.File, err)
	}
	return true, nil
}

// Run follows the control role until ctx ends. It never returns an error: a data
// plane without news goes on with what it has.
func (c *Client) Run(ctx context.Context) error {
	web := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", c.Socket)
		},
		ResponseHeaderTimeout: 2 * longPoll,
	}}
	defer web.CloseIdleConnections()
	for ctx.Err() == nil {
		set, err := c.ask(ctx, web)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			if !c.alone.Swap(true) {
				c.Log.Warn("the control role does not answer; the last good settings stay in force", "revision", c.Revision(), "err", err)
			}
			select {
			case <-ctx.Done():
			case <-time.After(retry):
			}
			continue
		}
		if c.alone.Swap(false) {
			c.Log.Info("the control role answers again")
		}
		if set == nil {
			continue
		}
		c.take(ctx, set)
	}
	return nil
}

// take applies a set and keeps it, unless it cannot be used.
func (c *Client) take(ctx context.Context, set *Set) {
	if err := c.apply(set); err != nil {
		c.Log.Error("new settings cannot be used; the old ones stay in force", "revision", set.Revision, "err", err)
		c.have.Store(set.Revision) // ask for the next, not for the same again
		return
	}
	if err := c.keep(c.last); err != nil {
		c.Log.ErrorContext(ctx, "the settings could not be kept on disk; a cold start without the control role would use older ones", "revision", set.Revision, "err", err)
	}
}

func (c *Client) apply(set *Set) error {
	refused, err := c.Apply(set)
	if err != nil {
		return err
	}
	for _, r := range refused {
		c.Log.Error("a policy cannot be used; the body keeps the one it had", "tenant", r.Tenant, "policy", r.Service, "problems", fmt.Sprint(r.Problems))
	}
	c.last = set.keeping(c.last, refused)
	c.have.Store(set.Revision)
	c.force.Store(set.Revision)
	return nil
}

// ask returns the next set, or nil when there is no news.
func (c *Client) ask(ctx context.Context, web *http.Client) (*Set, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://control/settings?have=%d", c.have.Load()), nil)
	if err != nil {
		return nil, err
	}
	answer, err := web.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close() //nolint:errcheck // read only
	switch answer.StatusCode {
	case http.StatusOK:
	case http.StatusNoContent:
		return nil, nil
	default:
		return nil, fmt.Errorf("the control role answered %s", answer.Status)
	}
	set := new(Set)
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxSet)).Decode(set); err != nil {
		return nil, fmt.Errorf("reading settings: %w", err)
	}
	return set, nil
}

// keep writes set beside File and renames it, so that a crash leaves the old or
// the new one, never half of it; once it has returned, the new one.
func (c *Client) keep(set *Set) error {
	text, err := json.Marshal(set)
	if err != nil {
		return err
	}
	next, err := os.CreateTemp(filepath.Dir(c.File), ".settings-*")
	if err != nil {
		return err
	}
	defer os.Remove(next.Name()) //nolint:errcheck // gone after the rename
	_, err = next.Write(text)
	if err == nil {
		err = next.Sync()
	}
	if err := errors.Join(err, next.Close()); err != nil {
		return err
	}
	if err := os.Rename(next.Name(), c.File); err != nil {
		return err
	}
	folder, err := os.Open(filepath.Dir(c.File))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
