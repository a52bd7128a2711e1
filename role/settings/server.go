package settings

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"time"
)

// longPoll is how long a data plane's question may stay open.
const longPoll = 25 * time.Second

// Source is where the control role finds the settings.
type Source interface {
	// Snapshot returns the present set, which the caller must not change.
	Snapshot(ctx context.Context) (*Set, error)
	// Wait returns nil once the revision is another than have (an older one too:
	// a restored store starts lower), or ctx's error.
	Wait(ctx context.Context, have int64) error
}

// Server answers data planes. Serve it only on a socket whose file permissions
// say who may ask: the set holds every body's policies.
type Server struct {
	Source Source
	Log    *slog.Logger
}

// ServeHTTP answers GET /settings?have=N with the set once its revision is
// another than N, or with 204 after some 25 seconds without news.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.URL.Path != "/settings" {
		http.NotFound(w, r)
		return
	}
	have, err := strconv.ParseInt(r.URL.Query().Get("have"), 10, 64)
	if err != nil {
		http.Error(w, "have must be a revision", http.StatusBadRequest)
		return
	}
	wait, cancel := context.WithTimeout(r.Context(), longPoll)
	defer cancel()
	if err := s.Source.Wait(wait, have); err != nil {
		if wait.Err() == nil {
			s.Log.Warn("settings cannot be read", "err", err)
			http.Error(w, "the control store does not answer", http.StatusServiceUnavailable)
			return
		}
		w.WriteHeader(http.StatusNoContent)
		return
	}
	set, err := s.Source.Snapshot(r.Context())
	if err != nil {
		s.Log.Warn("settings cannot be read", "err", err)
		http.Error(w, "the control store does not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(set); err != nil {
		s.Log.Info("a data plane went away while its settings were sent", "err", err)
	}
}
