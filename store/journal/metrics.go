package journal

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// counters count events unless they say otherwise.
type counters struct {
	appended  atomic.Uint64 // acknowledged to a caller
	published atomic.Uint64 // on the bus at once
	spooled   atomic.Uint64 // on our disk first
	refused   atomic.Uint64 // neither: the caller was told
	dropped   atomic.Uint64 // emitted and gone
	torn      atomic.Uint64 // segments whose last record was not whole
	damaged   atomic.Uint64 // segments set aside
}

// Stats are a journal's counts since it was opened, in events.
type Stats struct {
	Appended, Published, Spooled, Refused, Dropped uint64
	// Waiting is how many bytes wait on disk for the bus.
	Waiting int64
	// Away says that the bus did not take the last message.
	Away bool
}

// Stats returns the counts.
func (j *Journal) Stats() Stats {
	return Stats{
		Appended: j.count.appended.Load(), Published: j.count.published.Load(), Spooled: j.count.spooled.Load(),
		Refused: j.count.refused.Load(), Dropped: j.count.dropped.Load(),
		Waiting: j.spool.bytes(), Away: j.away.Load(),
	}
}

type metric struct {
	desc  *prometheus.Desc
	kind  prometheus.ValueType
	value func(*Journal) float64
}

func metricsOf() []metric {
	counter := func(name, help string, of func(*Journal) *atomic.Uint64) metric {
		return metric{
			prometheus.NewDesc("sekikura_journal_"+name, help, nil, nil), prometheus.CounterValue,
			func(j *Journal) float64 { return float64(of(j).Load()) },
		}
	}
	return []metric{
		counter("events_appended_total", "Events acknowledged to their reporter.", func(j *Journal) *atomic.Uint64 { return &j.count.appended }),
		counter("events_published_total", "Events that went to the bus at once.", func(j *Journal) *atomic.Uint64 { return &j.count.published }),
		counter("events_spooled_total", "Events kept on disk because the bus was away.", func(j *Journal) *atomic.Uint64 { return &j.count.spooled }),
		counter("events_refused_total", "Events refused to their reporter because neither bus nor disk took them.", func(j *Journal) *atomic.Uint64 { return &j.count.refused }),
		counter("events_dropped_total", "Emitted events that were lost.", func(j *Journal) *atomic.Uint64 { return &j.count.dropped }),
		counter("segments_damaged_total", "Segments of kept events set aside as damaged.", func(j *Journal) *atomic.Uint64 { return &j.count.damaged }),
		{
			prometheus.NewDesc("sekikura_journal_waiting_bytes", "Bytes of events on disk that wait for the bus.", nil, nil),
			prometheus.GaugeValue, func(j *Journal) float64 { return float64(j.spool.bytes()) },
		},
	}
}

// Describe implements prometheus.Collector.
func (j *Journal) Describe(ch chan<- *prometheus.Desc) {
	for _, m := range metricsOf() {
		ch <- m.desc
	}
}

// Collect implements prometheus.Collector.
func (j *Journal) Collect(ch chan<- prometheus.Metric) {
	for _, m := range metricsOf() {
		ch <- prometheus.MustNewConstMetric(m.desc, m.kind, m.value(j))
	}
}
