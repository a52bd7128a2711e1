package backups

import (
	"net/http"
	"time"

	"github.com/sekikura/sekikura/portal/access"
	"github.com/sekikura/sekikura/portal/rest"
)

// List is every backup that is known, newest first.
type List struct {
	Items     []Backup `json:"items"`
	LastDrill *Drill   `json:"last_drill"`
}

// Backup is one backup. Size is in bytes.
type Backup struct {
	ID          string    `json:"id"`
	Time        time.Time `json:"time"`
	Size        int64     `json:"size"`
	Kind        string    `json:"kind"`
	Objects     int64     `json:"objects"`
	OK          bool      `json:"ok"`
	Destination string    `json:"destination"`
	LockedUntil time.Time `json:"locked_until,omitzero" doc:"Until then nobody can delete it"`
}

// Drill is the last restore that was tried: how long it took, and how old the
// newest row was that came back.
type Drill struct {
	Time    time.Time `json:"time"`
	OK      bool      `json:"ok"`
	RTOS    float64   `json:"rto_s"`
	RPOS    float64   `json:"rpo_s"`
	Checked int64     `json:"checked"`
}

// Started names a job that was begun.
type Started struct {
	Job string `json:"job"`
}

// Job is a piece of work in the background.
type Job struct {
	ID         string    `json:"id"`
	Kind       string    `json:"kind"`
	State      string    `json:"state" enum:"queued,running,done,failed"`
	Progress   float64   `json:"progress" doc:"0 to 1"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	Error      string    `json:"error,omitempty"`
}

type idInput struct {
	ID string `path:"id" maxLength:"64"`
}

// Register declares the operations on backups and jobs.
func (a *API) Register(r *rest.Router) {
	op := func(id, method, path, summary string, scope access.Scope) rest.Operation {
		return rest.Operation{ID: id, Method: method, Path: path, Summary: summary, Scope: scope, Of: rest.Own}
	}
	accepted := func(o rest.Operation) rest.Operation {
		o.Status = http.StatusAccepted
		return o
	}
	rest.Register(r, op("list-backups", http.MethodGet, "/backups", "Backups and the last restore drill", access.BackupRead), a.list)
	rest.Register(r, accepted(op("run-backup", http.MethodPost, "/backups", "Back up now", access.BackupRun)), a.run)
	rest.Register(r, accepted(op("run-drill", http.MethodPost, "/backups/drill", "Try a restore now, into a scratch place", access.BackupRun)), a.drill)
	rest.Register(r, op("get-job", http.MethodGet, "/jobs/{id}", "A job in the background", access.BackupRead), a.job)
}
