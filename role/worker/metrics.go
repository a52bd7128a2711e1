package worker

import (
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Figures counts a pool's work. Set it as Pool.Figures and register it.
type Figures struct {
	mu    sync.Mutex // guards what follows
	files map[[2]string]float64
	spent map[string]float64
}

var (
	figureFiles = prometheus.NewDesc("sekikura_worker_files_total",
		"Files by engine and what became of them: done, canceled, or the kind of failure.", []string{"engine", "outcome"}, nil)
	figureSeconds = prometheus.NewDesc("sekikura_worker_seconds_total",
		"Wall time from the job to its end, by engine.", []string{"engine"}, nil)
)

// count notes one job. A nil f counts nothing.
func (f *Figures) count(engine string, took time.Duration, err error) {
	if f == nil {
		return
	}
	outcome := "done"
	var failure *Failure
	switch {
	case errors.As(err, &failure):
		outcome = string(failure.Kind)
	case err != nil:
		outcome = "canceled"
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files == nil {
		f.files, f.spent = make(map[[2]string]float64), make(map[string]float64)
	}
	f.files[[2]string{engine, outcome}]++
	f.spent[engine] += took.Seconds()
}

// Describe implements prometheus.Collector.
func (f *Figures) Describe(out chan<- *prometheus.Desc) {
	out <- figureFiles
	out <- figureSeconds
}

// Collect implements prometheus.Collector.
func (f *Figures) Collect(out chan<- prometheus.Metric) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, n := range f.files {
		out <- prometheus.MustNewConstMetric(figureFiles, prometheus.CounterValue, n, key[0], key[1])
	}
	for engine, seconds := range f.spent {
		out <- prometheus.MustNewConstMetric(figureSeconds, prometheus.CounterValue, seconds, engine)
	}
}
