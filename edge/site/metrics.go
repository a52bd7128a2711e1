package site

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/sekikura/sekikura/event"
)

// Metrics count what the sites do, for the operator's administrative address. It
// is a prometheus.Collector; its zero value is not usable, nil counts nothing.
type Metrics struct {
	events  *prometheus.CounterVec
	waiting prometheus.Gauge
	late    prometheus.Counter
	lost    prometheus.Counter
}

// NewMetrics returns metrics that are all zero.
func NewMetrics() *Metrics {
	return &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sekikura_site_requests_total", Help: "Requests by body and what became of them, the name of their event.",
		}, []string{"tenant", "event"}),
		waiting: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "sekikura_site_events_waiting", Help: "Events that wait for the journal.",
		}),
		late: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sekikura_site_block_pages_before_event_total", Help: "Block pages that went out before their event was durable.",
		}),
		lost: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "sekikura_site_events_to_sink_total", Help: "Events that did not fit the queue for the journal and went to the sink.",
		}),
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(m, to) }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	for _, c := range []prometheus.Collector{m.events, m.waiting, m.late, m.lost} {
		c.Collect(to)
	}
}

// saw counts an event; kept tells whether it waits for the journal now.
func (m *Metrics) saw(e event.Event, kept bool, waiting int) {
	if m == nil {
		return
	}
	m.events.WithLabelValues(string(e.Tenant), e.Name).Inc()
	m.waiting.Set(float64(waiting))
	if !kept {
		m.lost.Inc()
	}
}

func (m *Metrics) pageBeforeEvent() {
	if m != nil {
		m.late.Inc()
	}
}
