package restore

import (
	"bytes"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/sekikura/sekikura/test/harness"
)

func TestALostInstallationComesBackWithItsCertificates(t *testing.T) {
	dir := harness.Folder(t)
	i := harness.Install(t, harness.Plan{Dir: dir})
	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	safe := filepath.Join(t.TempDir(), "identity") // not on the product's machine
	text, err := os.ReadFile(i.File)
	if err != nil {
		t.Fatal(err)
	}
	text = regexp.MustCompile(`recipients = .*`).ReplaceAll(text, []byte(`recipients = ["`+identity.Recipient().String()+`"]`))
	for file, content := range map[string][]byte{safe: []byte(identity.String()), i.File: text} {
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	i.Start()
	i.FirstLogin()
	var begun struct{ Job string }
	i.Must(http.StatusAccepted, http.MethodPost, i.Token, "/backups", map[string]string{}, &begun)
	var job struct{ State, Error string }
	i.Await("the backup ends", func() bool {
		i.Must(http.StatusOK, http.MethodGet, i.Token, "/jobs/"+begun.Job, nil, &job)
		return job.State == "done" || job.State == "failed"
	})
	if job.State != "done" {
		t.Fatalf("the backup ends as %s: %s", job.State, job.Error)
	}
	i.Stop()

	files := []string{"portal.crt", "portal.key", filepath.Join("certs", harness.Host+".crt"), filepath.Join("certs", harness.Host+".key")}
	was := make(map[string][]byte)
	for _, name := range files {
		if was[name], err = os.ReadFile(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	lose(t, i.Dir, "keys")
	lose(t, dir, filepath.Base(i.Dir), "backup", filepath.Base(i.File), "ca.pem")
	if out, err := i.Run("restore", "--config", i.File, "--into", i.Dir); err == nil || !strings.Contains(out, "--identity") {
		t.Errorf("without the identity, restore says %v:\n%s", err, out)
	}
	out, err := i.Run("restore", "--config", i.File, "--identity", safe, "--into", i.Dir)
	if err != nil || !strings.Contains(out, "everything came back") {
		t.Fatalf("restore says %v:\n%s", err, out)
	}
	if err := os.Mkdir(filepath.Join(dir, "certs"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range files { // as the manual says: put them where the settings name them
		restored := filepath.Join(i.Dir, "settings", "machine", strings.Replace(name, "certs", "certificates", 1))
		content, err := os.ReadFile(restored)
		if err != nil || !bytes.Equal(content, was[name]) {
			t.Errorf("%s came back as %d bytes (%v), want the %d it had", name, len(content), err, len(was[name]))
		}
		if err := os.Rename(restored, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	i.Start()
	if status, err := i.Ask(i.Token, "/tenants", nil); err != nil || status != http.StatusOK {
		t.Errorf("after the restore the operator's token is answered %d, %v", status, err)
	}
}
