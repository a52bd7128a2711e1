package backup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/sekikura/sekikura/store/objects"
)

// Keep says which backups stay: every one of the last Days, of the Weeks before
// that the newest of each week, of the Months before that the newest of each
// month, and always the newest of all.
type Keep struct {
	Days   int `json:"days"`
	Weeks  int `json:"weeks"`
	Months int `json:"months"`
}

// stays tells which of the backups, made at these times and in this order of
// age (oldest first), stay at now.
func (k Keep) stays(made []time.Time, now time.Time) []bool {
	stay := make([]bool, len(made))
	seen := make(map[string]bool)
	for i := len(made) - 1; i >= 0; i-- { // newest first
		age := now.Sub(made[i])
		year, week := made[i].UTC().ISOWeek()
		days, weeks := time.Duration(k.Days)*24*time.Hour, time.Duration(k.Weeks)*7*24*time.Hour
		period := ""
		switch {
		case i == len(made)-1 || age <= days:
			stay[i] = true
			continue
		case age <= days+weeks:
			period = fmt.Sprintf("%d-w%d", year, week)
		case made[i].After(now.Add(-days-weeks).AddDate(0, -k.Months, 0)):
			period = made[i].UTC().Format("2006-01")
		}
		stay[i] = period != "" && !seen[period]
		seen[period] = true
	}
	return stay
}

// orphanAge is how old a part that no manifest names must be before it goes: a
// backup that is being written names its parts only at its end.
const orphanAge = 48 * time.Hour

// Prune removes the backups that need not be kept, and the parts that no backup
// names any more. Every field must be set.
type Prune struct {
	Bucket objects.Bucket
	Verify ed25519.PublicKey
	Keep   Keep
	State  string // that of the [Backup] or the [Pull] that writes the bucket
	Log    *slog.Logger
	Now    func() time.Time
}

// Pruned is what a pruning did.
type Pruned struct {
	Backups int   `json:"backups"`
	Parts   int   `json:"parts"`
	Bytes   int64 `json:"bytes"`
	Locked  int   `json:"locked"` // entries that are still locked, and stay
}

// Run prunes once. When a manifest cannot be read nothing is removed: the parts
// it names are unknown.
func (p *Prune) Run(ctx context.Context) (Pruned, error) {
	var done Pruned
	unlock, err := lockState(p.State)
	if err != nil {
		return done, err
	}
	defer unlock()
	named, drop, err := p.sort(ctx)
	if err != nil {
		return done, err
	}
	for _, sequence := range drop {
		gone, err := p.remove(ctx, manifestName(sequence))
		if err != nil {
			return done, err
		}
		if gone {
			done.Backups++
			continue
		}
		done.Locked++
		// It stays, and so must what it names.
		m, err := Read(ctx, p.Bucket, p.Verify, sequence)
		if err != nil {
			return done, err
		}
		for _, part := range m.Parts {
			named[part.Name] = true
		}
	}
	var orphans []objects.Entry
	for e, err := range p.Bucket.List(ctx, "parts/") {
		if err != nil {
			return done, err
		}
		if !named[e.Name] && p.Now().Sub(e.Time) > orphanAge {
			orphans = append(orphans, e)
		}
	}
	for _, e := range orphans {
		gone, err := p.remove(ctx, e.Name)
		if err != nil {
			return done, err
		}
		if !gone {
			done.Locked++
			continue
		}
		done.Parts++
		done.Bytes += e.Size
	}
	return done, nil
}

// sort reads all manifests and returns the names of the parts that stay and the
// backups that go.
func (p *Prune) sort(ctx context.Context) (named map[string]bool, drop []int64, err error) {
	sequences, err := Sequences(ctx, p.Bucket)
	if err != nil {
		return nil, nil, err
	}
	named = make(map[string]bool)
	manifests := make([]Manifest, len(sequences))
	made := make([]time.Time, len(sequences))
	for i, sequence := range sequences {
		if manifests[i], err = Read(ctx, p.Bucket, p.Verify, sequence); err != nil {
			return nil, nil, fmt.Errorf("pruning needs every manifest: %w", err)
		}
		made[i] = manifests[i].Started
	}
	for i, stays := range p.Keep.stays(made, p.Now()) {
		if !stays {
			drop = append(drop, sequences[i])
			continue
		}
		for _, part := range manifests[i].Parts {
			named[part.Name] = true
		}
	}
	unfinished, err := openJournal(filepath.Join(p.State, "unfinished.jsonl"))
	if err != nil {
		return nil, nil, err
	}
	defer unfinished.close()
	for _, part := range unfinished.parts {
		named[part.Name] = true
	}
	return named, drop, nil
}

// remove deletes an entry; gone is false when a lock keeps it.
func (p *Prune) remove(ctx context.Context, name string) (gone bool, err error) {
	if locker, ok := p.Bucket.(objects.Locker); ok {
		until, err := locker.LockedUntil(ctx, name)
		if err != nil && !errors.Is(err, objects.ErrNotFound) {
			return false, err
		}
		if until.After(p.Now()) {
			return false, nil
		}
	}
	err = p.Bucket.Delete(ctx, name)
	if errors.Is(err, ErrRetained) || errors.Is(err, objects.ErrLocked) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("pruning: %w", err)
	}
	p.Log.Info("removed from the backups", "entry", name)
	return true, nil
}
