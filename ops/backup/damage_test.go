package backup

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/sekikura/sekikura/tenant"
)

func TestADamagedPartIsNamedAndTheOthersComeBack(t *testing.T) {
	for name, damage := range map[string]func(t *testing.T, p *plant, m Manifest, bad Part){
		"altered": func(t *testing.T, p *plant, _ Manifest, bad Part) {
			data := read(t, p.bucket, bad.Name)
			data[len(data)/2] ^= 1
			write(t, p.bucket, bad.Name, data)
		},
		"truncated": func(t *testing.T, p *plant, _ Manifest, bad Part) {
			data := read(t, p.bucket, bad.Name)
			write(t, p.bucket, bad.Name, data[:len(data)-1])
		},
		"lengthened": func(t *testing.T, p *plant, _ Manifest, bad Part) {
			write(t, p.bucket, bad.Name, append(read(t, p.bucket, bad.Name), 0))
		},
		"empty": func(t *testing.T, p *plant, _ Manifest, bad Part) { write(t, p.bucket, bad.Name, nil) },
		"missing": func(t *testing.T, p *plant, _ Manifest, bad Part) {
			if err := p.bucket.Delete(t.Context(), bad.Name); err != nil {
				t.Fatal(err)
			}
		},
		"another body's": func(t *testing.T, p *plant, m Manifest, bad Part) {
			write(t, p.bucket, bad.Name, read(t, p.bucket, part(t, m, village, "b").Name))
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			m := p.run(t)
			bad := part(t, m, city, "a")
			damage(t, p, m, bad)
			report, into := p.restore(t, m)
			if report.OK || len(report.Problems) != 1 || report.Problems[0].What != bad.String() || !strings.Contains(report.Problems[0].Error, ErrDamaged.Error()) {
				t.Errorf("problems = %+v; want one, damaged, about %s", report.Problems, bad)
			}
			if _, there := into.kept[bad.Slice]; there {
				t.Error("the damaged part was handed to its target")
			}
			if len(into.kept) != 3 {
				t.Errorf("%d sound parts came back, want 3", len(into.kept))
			}
		})
	}
}

// forge lets the signing key's thief rewrite a manifest.
func forge(t *testing.T, p *plant, m Manifest, change func(*Manifest)) {
	t.Helper()
	change(&m)
	data, err := m.sign(p.Key)
	if err != nil {
		t.Fatal(err)
	}
	write(t, p.bucket, manifestName(m.Sequence), data)
}

func TestSwappedBodiesAreFoundEvenUnderAGoodSignature(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	forge(t, p, m, func(m *Manifest) {
		a, b := -1, -1
		for i, part := range m.Parts {
			if part.Slice.Name == "a" && part.Tenant == village {
				a = i
			}
			if part.Slice.Name == "a" && part.Tenant == city {
				b = i
			}
		}
		x, y := m.Parts[a], m.Parts[b]
		x.Slice, y.Slice = y.Slice, x.Slice
		m.Parts[a], m.Parts[b] = y, x
	})
	forged, err := Newest(t.Context(), p.bucket, p.public)
	if err != nil {
		t.Fatal(err)
	}
	report, into := p.restore(t, forged)
	if report.OK || len(report.Problems) != 2 {
		t.Errorf("problems = %+v; want both swapped parts", report.Problems)
	}
	for s, content := range into.kept {
		if s.Tenant == city && strings.Contains(content, "若葉村") {
			t.Error("花見市 was given 若葉村's rows")
		}
	}
}

func TestAWrongIdentityOpensNothing(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	other, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	p.identity = other
	report, into := p.restore(t, m)
	if report.OK || len(into.kept) != 0 || len(report.Problems) == 0 || !strings.Contains(report.Problems[0].Error, "identity") {
		t.Errorf("with another identity: %+v and %d slices; want problems that name the identity, and nothing", report.Problems, len(into.kept))
	}
}

func TestAManifestThatIsNotOursIsRefused(t *testing.T) {
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, tt := range map[string]struct {
		change func(data []byte, m Manifest) []byte
		want   error
	}{
		"altered": {func(data []byte, _ Manifest) []byte {
			return bytes.Replace(data, []byte(`"rows": 1`), []byte(`"rows": 2`), 1)
		}, ErrSignature},
		"signed by somebody else": {func(_ []byte, m Manifest) []byte {
			data, err := m.sign(stranger)
			if err != nil {
				t.Fatal(err)
			}
			return data
		}, ErrSignature},
		"of a newer format": {func(data []byte, _ Manifest) []byte {
			return bytes.Replace(data, []byte("sekikura-backup-1 "), []byte("sekikura-backup-2 "), 1)
		}, ErrFormat},
		"without a signature": {func(data []byte, _ Manifest) []byte {
			_, body, _ := bytes.Cut(data, []byte("\n"))
			return append([]byte("sekikura-backup-1 \n"), body...)
		}, ErrSignature},
		"truncated": {func(data []byte, _ Manifest) []byte { return data[:len(data)-10] }, ErrSignature},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPlant(t)
			m := p.run(t)
			write(t, p.bucket, manifestName(1), tt.change(read(t, p.bucket, manifestName(1)), m))
			if _, err := Newest(t.Context(), p.bucket, p.public); !errors.Is(err, tt.want) {
				t.Errorf("reading a manifest %s = %v, want %v", name, err, tt.want)
			}
			if report := p.drill(t); report.OK || len(report.Problems) == 0 {
				t.Errorf("the drill on a manifest %s says %+v, want a problem", name, report)
			}
			all, err := List(t.Context(), p.bucket, p.public, 10)
			if err != nil || len(all) != 1 || all[0].Problem == "" {
				t.Errorf("the list shows %+v, %v; want the problem", all, err)
			}
		})
	}
}

func TestAnOldManifestDoesNotPassForANewOne(t *testing.T) {
	p := newPlant(t)
	p.run(t)
	old := read(t, p.bucket, manifestName(1))
	p.run(t)
	t.Run("under the new one's number", func(t *testing.T) {
		write(t, p.bucket, manifestName(2), old)
		if _, err := Newest(t.Context(), p.bucket, p.public); !errors.Is(err, ErrSignature) {
			t.Errorf("Newest = %v, want ErrSignature", err)
		}
		if m := p.run(t); m.Sequence != 3 {
			t.Errorf("the next backup has number %d, want 3: a forgery does not stop backups", m.Sequence)
		}
	})
	t.Run("with the newer ones gone", func(t *testing.T) {
		for _, n := range []int64{2, 3} {
			if err := p.bucket.Delete(t.Context(), manifestName(n)); err != nil {
				t.Fatal(err)
			}
		}
		report := p.drill(t)
		if report.OK || !strings.Contains(fmt.Sprint(report.Problems), "newer ones are gone") {
			t.Errorf("the drill says %+v; want that newer backups are gone", report.Problems)
		}
		if m := p.run(t); m.Sequence != 4 {
			t.Errorf("the next backup has number %d, want 4: a number is used once", m.Sequence)
		}
	})
}

func TestADrillLeavesNothingAndFindsANeverMadeBackup(t *testing.T) {
	p := newPlant(t)
	if report := p.drill(t); report.OK || len(report.Problems) != 1 {
		t.Errorf("the drill without a backup says %+v, want one problem", report)
	}
	p.run(t)
	scratch := t.TempDir()
	var made string
	d := &Drill{
		From: p.bucket, Verify: p.public, Identities: []age.Identity{p.identity}, Scratch: scratch, Now: p.Now,
		Open: func(_ context.Context, dir string) ([]Target, func() error, error) {
			made = dir
			return []Target{newShelf(nil)}, func() error { return nil }, nil
		},
	}
	if report, err := d.Run(t.Context()); err != nil || !report.OK {
		t.Fatalf("drill = %+v, %v", report, err)
	}
	if !strings.HasPrefix(made, scratch) {
		t.Errorf("the drill worked in %q, want below %q", made, scratch)
	}
	if left := listDir(t, scratch); len(left) != 0 {
		t.Errorf("the drill left %q", left)
	}
}

func TestARowThatDoesNotComeBackIsAProblem(t *testing.T) {
	p := newPlant(t)
	m := p.run(t)
	loser := &losingTarget{newShelf(nil)}
	r := &Restore{From: p.bucket, Identities: []age.Identity{p.identity}, Targets: []Target{loser}, Now: p.Now}
	report, err := r.Run(t.Context(), m)
	if err != nil || report.OK || len(report.Problems) != 4 {
		t.Errorf("a target that loses rows: %+v, %v; want four problems", report.Problems, err)
	}
}

// losingTarget takes one row less than it was given.
type losingTarget struct{ *shelf }

func (l *losingTarget) Restore(ctx context.Context, s Slice, r io.Reader) (int64, error) {
	n, err := l.shelf.Restore(ctx, s, r)
	return n - 1, err
}

func FuzzManifest(f *testing.F) {
	private := ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)) // the same in every process
	public := private.Public().(ed25519.PublicKey)
	m := Manifest{
		Format: 1, Installation: "990001", Sequence: 1, Started: noon, Finished: noon,
		Parts: []Part{{Slice: Slice{"shelf", village, "a", "1"}, SHA256: strings.Repeat("a", 64), Name: partName(strings.Repeat("a", 64)), Size: 1}},
	}
	data, err := m.sign(private)
	if err != nil {
		f.Fatal(err)
	}
	_, body, _ := bytes.Cut(data, []byte("\n"))
	f.Add(data, body)
	f.Add([]byte("sekikura-backup-1 \n{}"), []byte(`{"format":1,"parts":[{"name":"../../etc/passwd"}]}`))
	f.Fuzz(func(t *testing.T, raw, body []byte) {
		if _, err := parseManifest(raw, public); err == nil && !bytes.Equal(raw, data) {
			t.Errorf("an unsigned manifest was believed: %q", raw)
		}
		// And what a thief of the key could sign.
		line := "sekikura-backup-1 " + base64.StdEncoding.EncodeToString(ed25519.Sign(private, signed(body))) + "\n"
		m, err := parseManifest(append([]byte(line), body...), public)
		if err != nil {
			return
		}
		seen := make(map[string]bool)
		for _, p := range m.Parts {
			if !strings.HasPrefix(p.Name, "parts/") || strings.Contains(p.Name, "..") || p.Size < 0 {
				t.Errorf("a part with the name %q and %d bytes was believed", p.Name, p.Size)
			}
			key := p.Source + "\x00" + string(p.Tenant) + "\x00" + p.Slice.Name
			if seen[key] {
				t.Errorf("%s stands twice", p.Slice)
			}
			seen[key] = true
			if _, err := tenant.Parse(string(p.Tenant)); p.Tenant != "" && err != nil {
				t.Error(err)
			}
		}
		if text, err := json.Marshal(m); err != nil || len(text) == 0 {
			t.Errorf("a manifest that was read cannot be written: %v", err)
		}
	})
}

func FuzzPart(f *testing.F) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		f.Fatal(err)
	}
	var good bytes.Buffer
	slice := Slice{"shelf", village, "a", "1"}
	p, err := writePart(&good, []age.Recipient{identity.Recipient()}, "990001", slice, func(w io.Writer) (Wrote, error) {
		_, err := io.WriteString(w, "one row\n")
		return Wrote{Rows: 1}, err
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good.Bytes())
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got []byte
		err := openPart(bytes.NewReader(data), []age.Identity{identity}, "990001", p, func(r io.Reader) (err error) {
			got, err = io.ReadAll(r)
			return err
		})
		if err == nil && string(got) != "one row\n" {
			t.Errorf("openPart of other bytes gave %q without an error", got)
		}
	})
}

func TestAPartOfANewerFormatSaysSo(t *testing.T) {
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	line, err := json.Marshal(partHeader{Format: 2, Installation: "990001"})
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	writeRaw(t, &out, identity.Recipient(), append(line, '\n'))
	if err := openPart(&out, []age.Identity{identity}, "990001", Part{}, nil); !errors.Is(err, ErrFormat) {
		t.Errorf("openPart = %v, want ErrFormat", err)
	}
}
