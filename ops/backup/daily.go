package backup

import (
	"context"
	"crypto/ed25519"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/event"
	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// Service is the name in this package's events.
const Service = "backup"

// DailyBackup is the scheduled backup: it backs up, prunes, and says so as an
// event of the operator. Every field must be set.
type DailyBackup struct {
	Backup   *Backup
	Keep     Keep
	Operator tenant.ID
	Events   event.Journal
}

// Run makes one backup. Its error is the backup's, or the event's; a pruning
// that failed is logged and tried again with the next backup.
func (d *DailyBackup) Run(ctx context.Context) (Manifest, error) {
	b := d.Backup
	began := b.Now()
	m, err := b.Run(ctx)
	if errors.Is(err, ErrRunning) {
		return m, err // that other one tells
	}
	if err == nil {
		public := b.Key.Public().(ed25519.PublicKey) //nolint:forcetypeassert // the documented type
		prune := &Prune{Bucket: b.Destination, Verify: public, Keep: d.Keep, State: b.State, Log: b.Log, Now: b.Now}
		if _, err := prune.Run(ctx); err != nil {
			b.Log.Error("pruning the backups", "error", err)
		}
	}
	e := event.Event{ID: event.NewID(b.Now()), Time: b.Now(), Tenant: d.Operator, Service: Service}
	e.Fields = []slog.Attr{slog.Duration("event.duration", b.Now().Sub(began))}
	if err != nil {
		e.Name = "backup_failed"
		e.Fields = append(e.Fields, slog.String("event.outcome", "failed"), slog.String("error.message", err.Error()))
	} else {
		e.Name = "backup_finished"
		e.Fields = append(e.Fields, slog.String("event.outcome", "passed"),
			slog.Int64("backup.sequence", m.Sequence), slog.Int("backup.parts", len(m.Parts)),
			slog.Int64("backup.bytes", m.Size()), slog.Int64("backup.rows", m.Rows()))
		if !m.LockedUntil.IsZero() {
			e.Fields = append(e.Fields, slog.Time("backup.locked_until", m.LockedUntil))
		}
	}
	// The event of a backup that was cancelled is still to be kept.
	return m, errors.Join(err, d.Events.Append(context.WithoutCancel(ctx), []event.Event{e}))
}

// WeeklyDrill is the scheduled drill: it restores the newest backup, keeps the
// report for the portal, and says so as an event of the operator. Every field
// must be set.
type WeeklyDrill struct {
	Drill    *Drill
	Operator tenant.ID
	Events   event.Journal
	Reports  string // folder in which the last report is kept; see [LastDrill]
}

// Run holds one drill. A backup that does not come back is a report that is not
// OK; an error means that the drill could not be held.
func (w *WeeklyDrill) Run(ctx context.Context) (Report, error) {
	report, err := w.Drill.Run(ctx)
	if err != nil {
		report.Problems = append(report.Problems, Problem{"drill", err.Error()})
		report.OK = false
	}
	text, jsonErr := json.MarshalIndent(report, "", " ")
	if jsonErr == nil {
		jsonErr = errors.Join(os.MkdirAll(w.Reports, 0o700), writeFile(filepath.Join(w.Reports, drillFile), text))
	}
	now := w.Drill.Now()
	e := event.Event{ID: event.NewID(now), Time: now, Tenant: w.Operator, Service: Service, Name: "drill_passed", Fields: []slog.Attr{
		slog.Int64("backup.sequence", report.Sequence), slog.Int64("backup.rows", report.Rows), slog.Int64("drill.checked", report.Checked),
		slog.Duration("drill.rto", report.RTO), slog.Duration("drill.rpo", report.RPO), slog.Int("drill.problems", len(report.Problems)),
	}}
	outcome := "passed"
	if !report.OK {
		e.Name, outcome = "drill_failed", "failed"
		if len(report.Problems) > 0 {
			e.Fields = append(e.Fields, slog.String("error.message", report.Problems[0].What+": "+report.Problems[0].Error))
		}
	}
	e.Fields = append(e.Fields, slog.String("event.outcome", outcome))
	return report, errors.Join(err, jsonErr, w.Events.Append(context.WithoutCancel(ctx), []event.Event{e}))
}

const drillFile = "drill.json"

// LastDrill returns the last report that a [WeeklyDrill] kept in the folder, or
// [ErrNone].
func LastDrill(reports string) (Report, error) {
	var r Report
	text, err := os.ReadFile(filepath.Join(reports, drillFile)) //nolint:gosec // below the folder given
	if errors.Is(err, fs.ErrNotExist) {
		return r, fmt.Errorf("no drill was held yet: %w", ErrNone)
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err
}

// Summary is one backup in a list. Problem says why it cannot be used, as far as
// its manifest shows; a drill shows the rest.
type Summary struct {
	Sequence    int64     `json:"sequence"`
	Time        time.Time `json:"time"`
	Size        int64     `json:"size"` // parts that are shared count for each backup
	Rows        int64     `json:"rows"`
	Parts       int       `json:"parts"`
	LockedUntil time.Time `json:"locked_until,omitzero"`
	Problem     string    `json:"problem,omitempty"`
}

// List describes the backups at a destination, newest first, at most limit.
func List(ctx context.Context, b objects.Bucket, key ed25519.PublicKey, limit int) ([]Summary, error) {
	sequences, err := Sequences(ctx, b)
	if err != nil {
		return nil, err
	}
	var all []Summary
	for i := len(sequences) - 1; i >= 0 && len(all) < limit; i-- {
		m, err := Read(ctx, b, key, sequences[i])
		s := Summary{Sequence: sequences[i], Time: m.Started, Size: m.Size(), Rows: m.Rows(), Parts: len(m.Parts), LockedUntil: m.LockedUntil}
		switch {
		case errors.Is(err, ErrSignature) || errors.Is(err, ErrFormat):
			s.Problem = err.Error()
		case err != nil:
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}
