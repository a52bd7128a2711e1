package backup

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/store/objects"
	"github.com/sekikura/sekikura/tenant"
)

// Restore brings a backup back. From, Identities, Targets and Now must be set.
type Restore struct {
	From       objects.Bucket
	Identities []age.Identity
	// Targets take the parts. Whether they stand in a scratch place or in a
	// running product is theirs to know; parts of a source without a target are
	// checked and not unpacked.
	Targets []Target
	// Tenants are the bodies to restore; then nothing of the others and nothing
	// of the whole installation is touched. Empty is everything.
	Tenants  []tenant.ID
	Spool    string         // folder for parts on their way; "" is the system's own
	Progress func(Progress) // nil, or called after each part
	Now      func() time.Time
}

// Report is how a restore went.
type Report struct {
	Sequence int64     `json:"sequence"` // the backup that was restored; 0 when there was none
	Made     time.Time `json:"made"`     // when that backup began
	Time     time.Time `json:"time"`     // when the restore began
	OK       bool      `json:"ok"`       // nothing at all is wrong
	// RTO is how long it took until everything was back and re-read (目標復旧時間の実測).
	RTO time.Duration `json:"rto"`
	// RPO is how old the newest restored row was when the restore began: what
	// was made later would have been lost (目標復旧時点の実測). Zero when no row has a time.
	RPO      time.Duration            `json:"rpo"`
	Parts    int                      `json:"parts"`
	Bytes    int64                    `json:"bytes"`   // read from the backup
	Rows     int64                    `json:"rows"`    // unpacked
	Checked  int64                    `json:"checked"` // rows re-read where they came back
	Tenants  map[tenant.ID]TenantRows `json:"tenants"`
	Problems []Problem                `json:"problems,omitempty"`
}

// TenantRows is how many rows of one body came back, by source.
type TenantRows map[string]int64

// Problem is one thing that is wrong with a backup or its restore.
type Problem struct {
	What  string `json:"what"` // the slice or the source
	Error string `json:"error"`
}

// Run restores m and reports. Wrong parts do not stop it: they are problems of
// the report, and the sound ones are restored. The error is for what made it end
// before it came to all parts.
func (r *Restore) Run(ctx context.Context, m Manifest) (Report, error) {
	report := Report{Sequence: m.Sequence, Made: m.Started, Time: r.Now(), Tenants: make(map[tenant.ID]TenantRows)}
	parts, err := r.wanted(m)
	if err != nil {
		return report, err
	}
	file, err := spool(r.Spool)
	if err != nil {
		return report, err
	}
	defer func() { _ = file.Close() }()
	for _, t := range r.Targets {
		if t, ok := t.(interface{ begin(m Manifest) }); ok {
			t.begin(m)
		}
	}
	restored := make(map[string][]Part)
	for i, p := range parts {
		if err := ctx.Err(); err != nil {
			return report, err
		}
		err := fetchPart(ctx, r.From, p, file)
		if err == nil {
			report.Bytes += p.Size
			err = openPart(file, r.Identities, m.Installation, p, func(content io.Reader) error { return r.unpack(ctx, p, content) })
		}
		if ctx.Err() != nil {
			return report, ctx.Err()
		}
		if err != nil {
			report.Problems = append(report.Problems, Problem{p.String(), err.Error()})
		} else {
			restored[p.Source] = append(restored[p.Source], p)
			report.count(p)
		}
		if r.Progress != nil {
			r.Progress(Progress{Slice: p.String(), Done: i + 1, Of: len(parts), Bytes: report.Bytes})
		}
	}
	r.check(ctx, &report, restored)
	report.RTO = r.Now().Sub(report.Time)
	report.OK = len(report.Problems) == 0
	return report, ctx.Err()
}

// Readable tries the identities on the smallest sound part that Run would take,
// so that with a wrong one nothing is begun. It answers [ErrIdentity] then. That
// parts are damaged is not its affair: Run reports them.
func (r *Restore) Readable(ctx context.Context, m Manifest) error {
	parts, err := r.wanted(m)
	if err != nil {
		return err
	}
	file, err := spool(r.Spool)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	parts = slices.SortedFunc(slices.Values(parts), func(a, b Part) int { return cmp.Compare(a.Size, b.Size) })
	for _, p := range parts {
		if err := fetchPart(ctx, r.From, p, file); errors.Is(err, ErrDamaged) {
			continue
		} else if err != nil {
			return err
		}
		err := openPart(file, r.Identities, m.Installation, p, func(io.Reader) error { return nil })
		if errors.Is(err, ErrDamaged) {
			continue
		}
		return err
	}
	return nil
}

// wanted picks the parts, and refuses a restore that could not do what is asked.
func (r *Restore) wanted(m Manifest) ([]Part, error) {
	if len(r.Tenants) == 0 {
		return m.Parts, nil
	}
	var parts []Part
	for _, id := range r.Tenants {
		before := len(parts)
		for _, p := range m.Parts {
			if p.Tenant == id {
				parts = append(parts, p)
			}
		}
		if len(parts) == before {
			return nil, fmt.Errorf("backup %d holds nothing of body %s: %w", m.Sequence, id, ErrNone)
		}
	}
	return parts, nil
}

func (r *Restore) target(source string) Target {
	i := slices.IndexFunc(r.Targets, func(t Target) bool { return t.Name() == source })
	if i < 0 {
		return nil
	}
	return r.Targets[i]
}

func (r *Restore) unpack(ctx context.Context, p Part, content io.Reader) error {
	target := r.target(p.Source)
	if target == nil {
		return nil // openPart reads the rest and compares
	}
	rows, err := target.Restore(ctx, p.Slice, &contextReader{ctx, content})
	if err != nil {
		return err
	}
	if rows != p.Rows {
		return fmt.Errorf("%d rows came back, the manifest says %d", rows, p.Rows)
	}
	return nil
}

func (report *Report) count(p Part) {
	report.Parts++
	report.Rows += p.Rows
	if p.Tenant != "" {
		if report.Tenants[p.Tenant] == nil {
			report.Tenants[p.Tenant] = make(TenantRows)
		}
		report.Tenants[p.Tenant][p.Source] += p.Rows
	}
	if age := report.Time.Sub(p.Newest); !p.Newest.IsZero() && (report.RPO == 0 || age < report.RPO) {
		report.RPO = age
	}
}

func (r *Restore) check(ctx context.Context, report *Report, restored map[string][]Part) {
	for _, t := range r.Targets {
		checked, problems, err := t.Check(ctx, restored[t.Name()])
		report.Checked += checked
		for _, p := range problems {
			report.Problems = append(report.Problems, Problem{t.Name(), p})
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			report.Problems = append(report.Problems, Problem{t.Name(), "checking what came back: " + err.Error()})
		}
	}
}
