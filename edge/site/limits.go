package site

import "sync"

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
