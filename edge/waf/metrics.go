package waf

import "github.com/prometheus/client_golang/prometheus"

// metrics count what judging costs and how it ends. [Engine] is their collector.
type metrics struct {
	judged  *prometheus.CounterVec
	seconds prometheus.Histogram
}

func newMetrics() metrics {
	return metrics{
		judged: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "sekikura_waf_judged_total", Help: "Requests by body and outcome; error is one without a verdict, whatever the policy made of it.",
		}, []string{"tenant", "outcome"}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "sekikura_waf_seconds", Help: "Time to judge a request, waiting for its turn included.",
			Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1, 3},
		}),
	}
}

// Describe implements prometheus.Collector.
func (e *Engine) Describe(to chan<- *prometheus.Desc) { prometheus.DescribeByCollect(e, to) }

// Collect implements prometheus.Collector.
func (e *Engine) Collect(to chan<- prometheus.Metric) {
	e.metrics.judged.Collect(to)
	e.metrics.seconds.Collect(to)
}

// count is called once for each call of Inspect.
func (e *Engine) count(i *Inspection) {
	outcome := i.outcome
	if i.failure != nil {
		outcome = "error"
	}
	e.metrics.judged.WithLabelValues(string(i.id), outcome).Inc()
	e.metrics.seconds.Observe(i.took.Seconds())
}
