package role

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Figures shows a supervisor's status file as metrics. Register it in the
// process that serves them: the supervisor itself listens nowhere.
type Figures struct {
	File string           // Supervisor.StatusFile
	Now  func() time.Time // for ages
}

var (
	figureReady    = prometheus.NewDesc("sekikura_role_ready", "1 while the role group is ready.", []string{"group"}, nil)
	figureState    = prometheus.NewDesc("sekikura_role_state_seconds", "How long the role group has been in its state.", []string{"group", "state"}, nil)
	figureRestarts = prometheus.NewDesc("sekikura_role_restarts_total", "Starts of the role group after its first.", []string{"group"}, nil)
)

// Describe implements prometheus.Collector.
func (f Figures) Describe(out chan<- *prometheus.Desc) {
	out <- figureReady
	out <- figureState
	out <- figureRestarts
}

// Collect implements prometheus.Collector. A status that cannot be read is an
// invalid metric, so that the scrape says so.
func (f Figures) Collect(out chan<- prometheus.Metric) {
	status, err := ReadStatus(f.File)
	if err != nil {
		out <- prometheus.NewInvalidMetric(figureReady, err)
		return
	}
	for _, g := range status.Groups {
		ready := 0.0
		if g.State == Ready {
			ready = 1
		}
		out <- prometheus.MustNewConstMetric(figureReady, prometheus.GaugeValue, ready, g.Name)
		out <- prometheus.MustNewConstMetric(figureState, prometheus.GaugeValue, f.Now().Sub(g.Since).Seconds(), g.Name, string(g.State))
		out <- prometheus.MustNewConstMetric(figureRestarts, prometheus.CounterValue, float64(g.Restarts), g.Name)
	}
}
