package ship

import (
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
)

type counters struct {
	stored      atomic.Uint64 // rows inserted
	skipped     atomic.Uint64 // rows the store had already
	quarantined atomic.Uint64 // rows set aside
	restored    atomic.Uint64 // streams whose index entry was brought back
	sessions    atomic.Uint64 // beginnings after a failure
	failing     atomic.Bool
	lastAck     atomic.Int64

	messages, rows atomic.Uint64 // seen, for the mean
	pending        atomic.Uint64 // messages on the bus behind the last one
	oldest         atomic.Int64  // when the last one was published
	seen           atomic.Int64  // when it was placed
}

func (c *counters) acked() time.Time { return time.Unix(0, c.lastAck.Load()) }

// note remembers how far behind the last placed message is.
func (c *counters) note(last *jetstream.MsgMetadata, rows, messages int, now time.Time) {
	c.messages.Add(uint64(messages)) //nolint:gosec // not negative
	c.rows.Add(uint64(rows))         //nolint:gosec // not negative
	c.pending.Store(last.NumPending)
	c.oldest.Store(last.Timestamp.UnixNano())
	c.seen.Store(now.UnixNano())
}

// Stats tell how shipping goes. Counts begin with the process.
type Stats struct {
	Stored, Skipped, Quarantined, Restored uint64
	// Restarts counts how often shipping had to begin again.
	Restarts uint64
	// Failing says that the last attempt failed: the store or the bus is away.
	Failing bool
	// PendingMessages are on the bus and not in the store, as of the last message
	// that was placed; PendingEvents is the same by the mean of events a message.
	PendingMessages, PendingEvents uint64
	// Lag is how old the last placed event was when it was placed, and grows while
	// nothing can be placed.
	Lag time.Duration
}

// Stats returns the counts.
func (s *Shipper) Stats() Stats {
	c := &s.count
	st := Stats{
		Stored: c.stored.Load(), Skipped: c.skipped.Load(), Quarantined: c.quarantined.Load(), Restored: c.restored.Load(),
		Restarts: c.sessions.Load(), Failing: c.failing.Load(), PendingMessages: c.pending.Load(),
	}
	if n := c.messages.Load(); n > 0 {
		st.PendingEvents = st.PendingMessages * c.rows.Load() / n
	}
	if seen, oldest := c.seen.Load(), c.oldest.Load(); seen > 0 {
		if st.Failing || st.PendingMessages > 0 {
			seen = s.Now().UnixNano()
		}
		st.Lag = max(0, time.Duration(seen-oldest))
	}
	return st
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(Stats) float64
}

func metricsOf() []metric {
	of := func(name, help string, kind prometheus.ValueType, value func(Stats) float64) metric {
		return metric{prometheus.NewDesc("sekikura_ship_"+name, help, nil, nil), kind, value}
	}
	return []metric{
		of("events_stored_total", "Events inserted into the log store.", prometheus.CounterValue, func(s Stats) float64 { return float64(s.Stored) }),
		of("events_skipped_total", "Events not inserted because the log store had them.", prometheus.CounterValue, func(s Stats) float64 { return float64(s.Skipped) }),
		of("events_quarantined_total", "Events set aside because the log store does not take them.", prometheus.CounterValue, func(s Stats) float64 { return float64(s.Quarantined) }),
		of("restarts_total", "How often shipping began again after a failure.", prometheus.CounterValue, func(s Stats) float64 { return float64(s.Restarts) }),
		of("pending_events", "Events on the bus that are not in the log store, by the mean of events a message.", prometheus.GaugeValue, func(s Stats) float64 { return float64(s.PendingEvents) }),
		of("lag_seconds", "Age of the last event that reached the log store, when it did.", prometheus.GaugeValue, func(s Stats) float64 { return s.Lag.Seconds() }),
		of("failing", "1 while the log store or the bus is away.", prometheus.GaugeValue, func(s Stats) float64 {
			if s.Failing {
				return 1
			}
			return 0
		}),
	}
}

// Describe implements prometheus.Collector.
func (s *Shipper) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metricsOf() {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (s *Shipper) Collect(ch chan<- prometheus.Metric) {
	stats := s.Stats()
	for _, m := range metricsOf() {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(stats))
	}
}
