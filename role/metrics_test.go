package role

import (
	"maps"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

func TestTheStatusIsShownAsFigures(t *testing.T) {
	now := time.Date(2026, 4, 1, 9, 0, 0, 0, time.UTC)
	file := filepath.Join(t.TempDir(), "status.json")
	status := Status{Groups: []GroupStatus{
		{Name: "edge", State: Ready, Since: now.Add(-time.Minute), Restarts: 2},
		{Name: "logs", State: Waiting, Since: now.Add(-time.Second)},
	}}
	if err := status.write(file); err != nil {
		t.Fatal(err)
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(Figures{file, func() time.Time { return now }})
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := make(map[string]float64)
	for _, family := range families {
		for _, m := range family.GetMetric() {
			name := family.GetName()
			for _, label := range m.GetLabel() {
				name += " " + label.GetValue()
			}
			got[name] = m.GetGauge().GetValue() + m.GetCounter().GetValue()
		}
	}
	want := map[string]float64{
		"sekikura_role_ready edge": 1, "sekikura_role_ready logs": 0,
		"sekikura_role_restarts_total edge": 2, "sekikura_role_restarts_total logs": 0,
		"sekikura_role_state_seconds edge ready": 60, "sekikura_role_state_seconds logs waiting": 1,
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	broken := prometheus.NewRegistry()
	broken.MustRegister(Figures{file + ".absent", time.Now})
	if _, err := broken.Gather(); err == nil {
		t.Error("a status that cannot be read is no error")
	}
}
