package backup

import (
	"errors"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
)

func listDir(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// writeRaw writes bytes as they would stand within a part.
func writeRaw(t *testing.T, w io.Writer, to age.Recipient, content []byte) {
	t.Helper()
	sealed, err := age.Encrypt(w, to)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := zstd.NewWriter(sealed)
	if err != nil {
		t.Fatal(err)
	}
	_, err = packed.Write(content)
	if err := errors.Join(err, packed.Close(), sealed.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestKeepLeavesWhatItSays(t *testing.T) {
	ago := func(days ...int) []time.Time {
		var all []time.Time
		for _, d := range days {
			all = append(all, noon.AddDate(0, 0, -d))
		}
		return all
	}
	for _, tt := range []struct {
		name string
		keep Keep
		made []time.Time // oldest first
		want []int       // days ago
	}{
		{"the newest stays even when it is old", Keep{Days: 1}, ago(400, 300), []int{300}},
		{"all of the last days", Keep{Days: 7}, ago(9, 8, 7, 6, 0), []int{7, 6, 0}},
		// 22 November 2026 is a Sunday: the weeks before were 7 to 13, 14 to 20 and
		// 21 to 27 days ago.
		{"the newest of each week", Keep{Days: 7, Weeks: 2}, ago(22, 21, 20, 15, 14, 13, 8, 0), []int{21, 14, 8, 0}},
		{"the newest of each month", Keep{Months: 3}, ago(130, 70, 60, 30, 25, 0), []int{60, 25, 0}},
		{"none but the newest without a rule", Keep{}, ago(3, 2, 1), []int{1}},
	} {
		var got []int
		for i, stays := range tt.keep.stays(tt.made, noon) {
			if stays {
				got = append(got, int(noon.Sub(tt.made[i])/(24*time.Hour)))
			}
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s: the ones of %v days ago stay, want %v", tt.name, got, tt.want)
		}
	}
}

func TestPruningKeepsWhatOtherBackupsName(t *testing.T) {
	p := newPlant(t) // whose folder carries the real time
	p.Now = func() time.Time { return time.Now().AddDate(0, 0, -3) }
	first := p.run(t)
	p.shelf.kept[Slice{"shelf", city, "a", "2"}] = "花見市 a, changed\n"
	delete(p.shelf.kept, Slice{"shelf", city, "a", "1"})
	p.Now = time.Now
	second := p.run(t)
	prune := &Prune{Bucket: p.bucket, Verify: p.public, Keep: Keep{Days: 1}, State: p.State, Log: p.Log, Now: p.Now}
	done, err := prune.Run(t.Context())
	if err != nil || done.Backups != 1 {
		t.Fatalf("Prune = %+v, %v; want one backup gone", done, err)
	}
	if done.Parts != 0 {
		t.Errorf("parts younger than two days were removed: %+v", done)
	}
	prune.Now = func() time.Time { return time.Now().Add(72 * time.Hour) }
	if done, err = prune.Run(t.Context()); err != nil || done.Parts != 2 || done.Bytes == 0 {
		t.Errorf("Prune three days later = %+v, %v; want the two parts that only the first backup named", done, err)
	}
	if _, err := Read(t.Context(), p.bucket, p.public, first.Sequence); !errors.Is(err, ErrNone) {
		t.Errorf("the pruned backup: %v, want ErrNone", err)
	}
	if report, _ := p.restore(t, second); !report.OK {
		t.Errorf("the backup that stays: %+v", report.Problems)
	}
}

func TestPruningStopsAtAManifestItCannotRead(t *testing.T) {
	p := newPlant(t)
	p.run(t)
	p.run(t)
	write(t, p.bucket, manifestName(1), []byte("sekikura-backup-9 x\n{}"))
	prune := &Prune{Bucket: p.bucket, Verify: p.public, State: p.State, Log: p.Log, Now: func() time.Time { return time.Now().AddDate(1, 0, 0) }}
	if done, err := prune.Run(t.Context()); !errors.Is(err, ErrFormat) || done.Parts != 0 || done.Backups != 0 {
		t.Errorf("Prune = %+v, %v; want ErrFormat and nothing removed", done, err)
	}
}
