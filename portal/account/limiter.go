package account

import (
	"net/netip"
	"sync"
	"time"
)

// limits on wrong passwords and codes within window. One pair of login name and
// address is held back early; a login name, or an address behind which a whole
// town hall may sit, later, so that nobody can lock somebody else out cheaply.
const (
	window     = 15 * time.Minute
	maxPair    = 5
	maxLogin   = 50
	maxAddress = 100
	maxKeys    = 50_000 // of memory; the oldest are forgotten first
)

// limiter counts failures in memory. A restart forgets them.
type limiter struct {
	mu   sync.Mutex // guards all below
	seen map[string]*failures
}

type failures struct {
	count int
	since time.Time
}

func limiterKeys(login, address string) map[string]int {
	if a, err := netip.ParseAddr(address); err == nil && a.Unmap().Is6() {
		// One subscriber has a whole /64 (RFC 6177).
		if p, err := a.Prefix(64); err == nil {
			address = p.String()
		}
	}
	return map[string]int{"p " + login + " " + address: maxPair, "l " + login: maxLogin, "a " + address: maxAddress}
}

// wait says how long a login has to wait, zero for none.
func (l *limiter) wait(login, address string, now time.Time) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	var longest time.Duration
	for key, most := range limiterKeys(login, address) {
		f := l.seen[key]
		if f == nil || f.count < most {
			continue
		}
		longest = max(longest, f.since.Add(window).Sub(now))
	}
	return longest
}

// failed notes a failure.
func (l *limiter) failed(login, address string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.seen == nil {
		l.seen = map[string]*failures{}
	}
	for key := range limiterKeys(login, address) {
		f := l.seen[key]
		if f == nil || now.Sub(f.since) >= window {
			if len(l.seen) >= maxKeys {
				l.forget(now)
			}
			f = &failures{since: now}
			l.seen[key] = f
		}
		f.count++
	}
}

// succeeded clears the pair: whoever knows the password made typing mistakes.
func (l *limiter) succeeded(login, address string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, most := range limiterKeys(login, address) {
		if most == maxPair {
			delete(l.seen, key)
		}
	}
}

// forget makes room: first what is over, then whatever comes.
func (l *limiter) forget(now time.Time) {
	for key, f := range l.seen {
		if now.Sub(f.since) >= window {
			delete(l.seen, key)
		}
	}
	for key := range l.seen {
		if len(l.seen) < maxKeys*9/10 {
			return
		}
		delete(l.seen, key)
	}
}
