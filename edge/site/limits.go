package site

import (
	"net/netip"
	"sync"
)

// sourceOf is whose share of a limit a client's address uses. One subscriber of
// IPv6 has a whole /64 (RFC 6177), and could come from a new address each time.
func sourceOf(client netip.Addr) string {
	client = client.Unmap()
	if client.Is6() {
		if p, err := client.WithZone("").Prefix(64); err == nil {
			return p.String()
		}
	}
	return client.String()
}

// counters bounds how many things go on at one time, in all and by key.
type counters struct {
	mu    sync.Mutex // guards the rest; never held while calling out
	total int
	byKey map[string]int
}

func newCounters() *counters { return &counters{byKey: make(map[string]int)} }

// enter counts one more of key, or says which bound stands against it. Who
// entered must leave.
func (c *counters) enter(key string, perKey, total int) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case total > 0 && c.total >= total:
		return "total"
	case c.byKey[key] >= perKey:
		return "source"
	}
	c.total++
	c.byKey[key]++
	return ""
}

func (c *counters) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.total--
	if c.byKey[key]--; c.byKey[key] <= 0 {
		delete(c.byKey, key)
	}
}
