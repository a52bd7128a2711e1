package backup

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"os"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/store/objects"
)

// Drill restores the newest backup into a scratch place and tells whether
// everything came back (復元訓練). Every field but State and Progress must be set.
type Drill struct {
	From       objects.Bucket
	Verify     ed25519.PublicKey
	Identities []age.Identity
	// Scratch is where a folder is made for the drill, and removed after it. It
	// needs as much room as the product's own data.
	Scratch string
	// Open prepares targets below an empty folder that is the drill's own. close
	// is called before the folder is removed.
	Open func(ctx context.Context, dir string) (targets []Target, close func() error, err error)
	// State is the folder of the [Backup] that writes From, when it is on this
	// machine: the drill then notices when newer backups have vanished.
	State    string
	Progress func(Progress)
	Now      func() time.Time
}

// Run restores the newest backup and removes it again. The report says whether
// the backup is good; the error is for a drill that could not be held.
func (d *Drill) Run(ctx context.Context) (_ Report, err error) {
	began := d.Now()
	m, err := Newest(ctx, d.From, d.Verify)
	if errors.Is(err, ErrNone) || errors.Is(err, ErrSignature) || errors.Is(err, ErrFormat) {
		return Report{Time: began, Problems: []Problem{{"manifest", err.Error()}}}, nil
	}
	if err != nil {
		return Report{Time: began}, err
	}
	problems, err := d.replayed(m)
	if err != nil {
		return Report{Time: began}, err
	}
	dir, err := os.MkdirTemp(d.Scratch, "drill-")
	if err != nil {
		return Report{Time: began}, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	targets, closeTargets, err := d.Open(ctx, dir)
	if err != nil {
		return Report{Time: began}, fmt.Errorf("preparing the scratch place: %w", err)
	}
	defer func() { err = errors.Join(err, closeTargets()) }()
	restore := &Restore{From: d.From, Identities: d.Identities, Targets: targets, Spool: dir, Progress: d.Progress, Now: d.Now}
	report, err := restore.Run(ctx, m)
	report.RTO = d.Now().Sub(began)
	report.Time = began
	report.Problems = append(problems, report.Problems...)
	report.OK = err == nil && len(report.Problems) == 0
	return report, err
}

// replayed notices an older backup that is shown as the newest.
func (d *Drill) replayed(m Manifest) ([]Problem, error) {
	if d.State == "" {
		return nil, nil
	}
	last, err := readLast(d.State)
	if err != nil {
		return nil, err
	}
	if last.Sequence > m.Sequence {
		return []Problem{{"manifest", fmt.Sprintf("the newest backup at the destination is %d, but %d was written: newer ones are gone", m.Sequence, last.Sequence)}}, nil
	}
	if last.Sequence == m.Sequence && last.Digest != m.digest {
		return []Problem{{"manifest", fmt.Sprintf("backup %d at the destination is another one than was written", m.Sequence)}}, nil
	}
	return nil, nil
}
