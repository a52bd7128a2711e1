package backup

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sekikura/sekikura/store"
	"github.com/sekikura/sekikura/store/objects"
)

func TestARestoreGoesOverNothingThatIsThere(t *testing.T) {
	dir := t.TempDir()
	live := filepath.Join(dir, "control.db")
	if err := os.WriteFile(live, []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	control := &ControlScratch{Dir: dir, Schemas: []store.Schema{everything}}
	if _, err := control.Restore(t.Context(), Slice{Source: ControlName, Name: databaseSlice}, strings.NewReader("dead")); !errors.Is(err, os.ErrExist) {
		t.Errorf("restoring over a control store = %v, want ErrExist", err)
	}
	if got, err := os.ReadFile(live); err != nil || string(got) != "alive" {
		t.Errorf("the live control store reads %q, %v", got, err)
	}

	slice := Slice{Source: SettingsName, Name: "config"}
	if err := os.MkdirAll(filepath.Join(dir, "config"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config", "a"), []byte("alive"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := (&SettingsInto{Dir: dir}).Restore(t.Context(), slice, packed(t, "a")); !errors.Is(err, os.ErrExist) {
		t.Errorf("restoring over a setting = %v, want ErrExist", err)
	}

	folder, err := objects.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = folder.Close() })
	key := objects.NewOperatorKey()
	here := &objects.Store{Bucket: folder, Keys: []objects.OperatorKey{key}, Now: time.Now}
	if _, err := here.Put(t.Context(), village, strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	other, err := objects.OpenFolder(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = other.Close() })
	there := &objects.Store{Bucket: other, Keys: []objects.OperatorKey{key}, Now: time.Now}
	if _, err := there.Put(t.Context(), village, strings.NewReader("y")); err != nil {
		t.Fatal(err)
	}
	record, err := there.RawKey(t.Context(), village)
	if err != nil {
		t.Fatal(err)
	}
	into := &ObjectsInto{Store: here}
	if _, err := into.Restore(t.Context(), Slice{ObjectsName, village, keySlice, ""}, bytes.NewReader(record)); !errors.Is(err, objects.ErrExists) {
		t.Errorf("restoring another key over a body's key = %v, want ErrExists", err)
	}
}

// packed is an archive of files with these names.
func packed(t *testing.T, names ...string) *bytes.Reader {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, name := range names {
		if err := w.WriteHeader(&tar.Header{Name: name, Size: 4, Mode: 0o600}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte("evil")); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes.NewReader(out.Bytes())
}

func TestNoNameInABackupLeadsOutOfItsFolder(t *testing.T) {
	for _, name := range []string{"../out", "/tmp/out", "a/../../out", "..", "."} {
		dir := t.TempDir()
		into := &SettingsInto{Dir: filepath.Join(dir, "inner")}
		if _, err := into.Restore(t.Context(), Slice{Source: SettingsName, Name: "config"}, packed(t, name)); err == nil {
			t.Errorf("a file of settings named %q was written", name)
		}
		if _, err := os.Stat(filepath.Join(dir, "out")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("a file of settings named %q left its folder", name)
		}
	}
	dir := t.TempDir()
	into := &SettingsInto{Dir: filepath.Join(dir, "inner")}
	if _, err := into.Restore(t.Context(), Slice{Source: SettingsName, Name: "../../out"}, packed(t, "a")); err != nil {
		t.Fatal(err)
	}
	if got := listDir(t, dir); len(got) != 1 || got[0] != "inner" {
		t.Errorf("a slice of settings left its folder: %q", got)
	}
}

func TestATargetRefusesWhatIsNotItsOwn(t *testing.T) {
	control := &ControlBody{Schemas: []store.Schema{everything}, Actor: builder}
	scratch := &ControlScratch{Dir: t.TempDir(), Schemas: []store.Schema{everything}}
	for name, try := range map[string]func() (int64, error){
		"the whole database into a running store": func() (int64, error) {
			return control.Restore(t.Context(), Slice{Source: ControlName, Name: databaseSlice}, strings.NewReader(""))
		},
		"an unknown slice of control": func() (int64, error) {
			return scratch.Restore(t.Context(), Slice{Source: ControlName, Tenant: village, Name: "x"}, strings.NewReader(""))
		},
		"a row of a table of the next release": func() (int64, error) {
			return scratch.Restore(t.Context(), Slice{Source: ControlName, Tenant: village, Name: rowsSlice}, strings.NewReader(`{"table":"next","row":{}}`+"\n"))
		},
		"a column of the next release": func() (int64, error) {
			return scratch.Restore(t.Context(), Slice{Source: ControlName, Tenant: village, Name: rowsSlice}, strings.NewReader(`{"table":"things","row":{"name":"a","next":1}}`+"\n"))
		},
		"a broken audit chain": func() (int64, error) {
			return scratch.Restore(t.Context(), Slice{Source: ControlName, Tenant: village, Name: auditSlice}, strings.NewReader(`{"seq":1,"tenant":"994413","hash":"00"}`+"\n"))
		},
		"logs without their operator": func() (int64, error) {
			return (&LogsInto{}).Restore(t.Context(), Slice{LogsName, village, "2026-11-22", ""}, strings.NewReader("{}\n"))
		},
		"logs of no day": func() (int64, error) {
			return (&LogsInto{}).Restore(t.Context(), Slice{LogsName, village, "2026-13-22", ""}, strings.NewReader(""))
		},
		"objects with a name that is no address": func() (int64, error) {
			return (&ObjectsInto{}).Restore(t.Context(), Slice{ObjectsName, village, "2026-11-22", ""}, packed(t, "../x"))
		},
	} {
		if n, err := try(); err == nil {
			t.Errorf("%s was restored (%d rows), want an error", name, n)
		}
	}
}

func TestLogsOfAnotherBodyAreNotRestored(t *testing.T) {
	p := newProduct(t)
	day := time.Now().UTC().Format(dayForm)
	row := `{"_time":"` + day + `T00:00:00Z","tenant":"` + string(city) + `","service":"waf","event.id":"1"}`
	into := &LogsInto{Client: p.logs}
	before := countLogs(t, p.logs, city)
	_, err := into.Restore(t.Context(), Slice{LogsName, village, day, ""}, strings.NewReader(`{"operator":"990001"}`+"\n"+row+"\n"))
	if err == nil || !strings.Contains(err.Error(), string(city)) {
		t.Errorf("restoring 花見市's row among 若葉村's = %v, want an error that names it", err)
	}
	if got := countLogs(t, p.logs, city); got != before {
		t.Errorf("花見市 has %d events after it, want %d", got, before)
	}
}
