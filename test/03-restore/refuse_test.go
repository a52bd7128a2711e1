package restore

import (
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/sekikura/sekikura/test/harness"
)

func TestARestoreThatCannotBeSaysSoAndTouchesNothing(t *testing.T) {
	p := start(t, harness.Folder(t))
	p.setWAF(village, "令8-0301")
	p.ask("backup", "run")
	p.setWAF(village, "令8-0302", "--mode", "off")

	identity, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	wrong := filepath.Join(t.TempDir(), "identity")
	if err := os.WriteFile(wrong, []byte(identity.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := p.rows()
	unchanged := func(what string) {
		t.Helper()
		for id, now := range p.rows() {
			if !slices.Equal(now, rows[id]) {
				t.Errorf("%s changed the rows of %s to\n%q, want\n%q", what, id, now, rows[id])
			}
		}
	}
	whole := func(into string, more ...string) []string {
		return append([]string{"restore", "--data", p.Dir, "--into", into}, more...)
	}
	body := append([]string{"restore", "--data", p.Dir, "--tenant"}, village, "--change", "令8-0303")

	empty := t.TempDir()
	p.refused([]string{"identity", wrong}, whole(empty, "--identity", wrong)...)
	p.refused([]string{"identity", wrong}, append(body, "--identity", wrong)...)
	p.refused([]string{"no such file"}, whole(empty, "--identity", wrong+"-not-there")...)
	p.refused([]string{"backup"}, whole(empty, "--number", "99")...)
	p.refused([]string{"--change is needed"}, body[:5]...)
	p.refused([]string{"992020"}, "restore", "--data", p.Dir, "--tenant", "992020", "--change", "令8-0303")
	if left, err := os.ReadDir(empty); err != nil || len(left) > 0 {
		t.Errorf("a refused restore left %v in an empty folder (%v)", left, err)
	}
	groups := p.Groups()
	p.refused([]string{p.Dir, "already"}, whole(p.Dir)...)
	if now := p.Groups(); len(now) != len(groups) || now[0].PID != groups[0].PID {
		t.Errorf("a refused restore into a folder in use changed the product from %v to %v", groups, now)
	}
	unchanged("a refused restore")

	manifest, parts := p.newest()
	i := slices.IndexFunc(parts, func(x part) bool { return x.Source == "control" && x.Tenant == village && x.Slice == "rows" })
	if i < 0 {
		t.Fatalf("the backup has no rows of %s: %v", village, parts)
	}
	damaged := p.file("backup", filepath.FromSlash(parts[i].Name))
	flip(t, damaged)
	p.refused([]string{"control of " + village + " rows", "its checksum does not fit", "Not everything came back"}, body...)
	p.refused([]string{"control of " + village + " rows", "its checksum does not fit", "Not everything came back"}, whole(filepath.Join(empty, "damaged"))...)
	flip(t, damaged)
	flip(t, manifest)
	p.refused([]string{"backup"}, body...)
	p.refused([]string{"backup"}, whole(empty)...)
	flip(t, manifest)
	unchanged("a restore from a damaged backup")
	if status, _, err := p.Visit(p.Tenants[0].SiteHost, harness.Injection); err != nil || status == http.StatusForbidden {
		t.Errorf("after all refused restores the policy of %s is another (%d, %v)", village, status, err)
	}
	if out := p.do(body...); !strings.Contains(out, "everything came back") {
		t.Errorf("with the backup as it was, restore says:\n%s", out)
	}
}

func TestABackupWithoutTheLogStoreFailsAndTheNextOneWorks(t *testing.T) {
	p := start(t, harness.Folder(t))
	ended := make(chan struct{})
	down := make(chan struct{})
	go func() { // whenever the supervisor brings it back
		defer close(down)
		killed := 0
		for {
			select {
			case <-ended:
				return
			default:
			}
			if pid := p.logStore(); pid != 0 && pid != killed {
				if err := syscall.Kill(pid, syscall.SIGKILL); err == nil {
					killed = pid
				}
			}
			time.Sleep(5 * time.Millisecond)
		}
	}()
	p.Await("the log store is down", func() bool { pid := p.logStore(); return pid == 0 || !harness.Runs(pid) })
	var begun struct{ Job string }
	p.Must(http.StatusAccepted, http.MethodPost, p.Demo.Admin.Token, "/backups", map[string]string{}, &begun)
	var job struct{ State, Error string }
	p.Await("the backup ends", func() bool {
		p.Must(http.StatusOK, http.MethodGet, p.Demo.Admin.Token, "/jobs/"+begun.Job, nil, &job)
		return job.State == "done" || job.State == "failed"
	})
	close(ended)
	<-down
	if job.State != "failed" || !strings.Contains(job.Error, "log") {
		t.Errorf("a backup without the log store ends as %s: %q", job.State, job.Error)
	}
	t.Logf("the job says: %s", job.Error)
	if list := p.ask("backup", "list"); strings.Contains(list, "ok=") {
		t.Errorf("the failed backup is listed:\n%s", list)
	}
	p.AwaitReady("logs")
	p.ask("backup", "run")
	if list := p.ask("backup", "list"); !strings.Contains(list, "ok=true") {
		t.Errorf("after the log store came back the backups are:\n%s", list)
	}
	p.Await("the failure and the success stand in the events", func() bool {
		for _, action := range []string{"backup_failed", "backup_finished"} {
			var found struct{ Events []map[string]string }
			status, err := p.Ask(p.Demo.Admin.Token, "/events?since=1h&service=backup&action="+action, &found)
			if err != nil || status != http.StatusOK || len(found.Events) != 1 {
				return false
			}
		}
		return true
	})
}

// logStore is the process of the log store; 0 while there is none.
func (p *product) logStore() int {
	text, err := os.ReadFile(p.file("run", "status.json"))
	if err != nil {
		return 0
	}
	var status struct{ Groups []harness.Group }
	if err := json.Unmarshal(text, &status); err != nil {
		return 0
	}
	for _, g := range status.Groups {
		if g.Name == "logs" {
			return g.PID
		}
	}
	return 0
}

func TestASecondAccountPullsWithoutAnySecretAndNobodyElseDeletes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("being two accounts needs root")
	}
	p := start(t, harness.Folder(t))
	p.setWAF(village, "令8-0401")
	p.ask("backup", "run")
	var folder syscall.Stat_t
	if err := syscall.Stat(p.file("backup"), &folder); err != nil {
		t.Fatal(err)
	}
	if folder.Uid == 0 {
		t.Fatal("the product writes its backups as root")
	}
	const second = 63990
	own := harness.Folder(t)
	copies := filepath.Join(own, "copies")
	if err := os.Mkdir(copies, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(copies, second, second); err != nil {
		t.Fatal(err)
	}
	as := func(uid uint32, groups []uint32, name string, args ...string) (string, error) {
		command := exec.CommandContext(t.Context(), name, args...) //nolint:gosec // named below
		command.Dir = own
		command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid, Groups: groups}}
		out, err := command.CombinedOutput()
		return string(out), err
	}
	key := strings.TrimSpace(lastLine(p.do("backup", "key", "--data", p.Dir)))
	pull := []string{"backup", "pull", "--from", p.file("backup"), "--into", copies, "--key", key, "--installation", "990001"}
	pulls := func(want ...string) {
		t.Helper()
		out, err := as(second, []uint32{folder.Gid}, harness.Binary(t), pull...)
		bad := strings.Contains(want[0], "look at this")
		if (err != nil) != bad {
			t.Errorf("the pull ends with %v:\n%s", err, out)
		}
		for _, word := range want {
			if !strings.Contains(out, word) {
				t.Errorf("the pull does not say %q:\n%s", word, out)
			}
		}
	}
	pulls("copied 1 backups", "the newest here is number 1")
	pulls("copied 0 backups", "the newest here is number 1")
	for _, secret := range []string{"keys/keys.json", "backup-identity.txt", "control/control.db"} {
		if out, err := as(second, []uint32{folder.Gid}, "/bin/cat", p.file(secret)); err == nil {
			t.Errorf("the second account reads %s: %.40q", secret, out)
		}
	}
	if out, err := as(second, nil, harness.Binary(t), pull...); err == nil || !strings.Contains(out, "permission denied") {
		t.Errorf("an account outside the group pulls: %v\n%s", err, out)
	}
	if out, err := as(folder.Uid, []uint32{folder.Gid}, "/bin/rm", "-rf", copies); err == nil {
		t.Errorf("the product's account removes the copies: %s", out)
	}

	manifest, _ := p.newest()
	flip(t, manifest) // somebody alters backup 1 at its source
	pulls("look at this: backup 1: its manifest was changed at the source")
	flip(t, manifest)
	p.setWAF(village, "令8-0402")
	_, known := p.newest()
	p.ask("backup", "run")
	_, parts := p.newest()
	i := slices.IndexFunc(parts, func(x part) bool { return !slices.ContainsFunc(known, func(y part) bool { return x.Name == y.Name }) })
	if i < 0 {
		t.Fatal("the second backup wrote no part of its own")
	}
	altered := p.file("backup", filepath.FromSlash(parts[i].Name))
	flip(t, altered) // and a part of backup 2 before it was copied
	pulls("look at this: backup 2", "its checksum does not fit", "the newest here is number 1")
	flip(t, altered)
	pulls("copied 1 backups", "the newest here is number 2")
	if err := os.RemoveAll(p.file("backup", "manifests")); err != nil { // all backups are lost at the source
		t.Fatal(err)
	}
	pulls("look at this: backup 2: it was removed at the source before its time")

	// The copies bring the machine back.
	p.Stop()
	lose(t, p.Dir, "keys", "backup-identity.txt")
	if out, err := exec.CommandContext(t.Context(), "/bin/cp", "-a", filepath.Join(copies, "backups"), p.file("backup")).CombinedOutput(); err != nil {
		t.Fatalf("copying the copies back: %v\n%s", err, out)
	}
	if out := p.do("restore", "--data", p.Dir, "--into", p.Dir); !strings.Contains(out, "everything came back") {
		t.Errorf("restoring from the second account's copies says:\n%s", out)
	}
	compareChains(t, p.do("audit", "verify", "--data", p.Dir), p.do("audit", "verify", "--data", p.Dir))
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}
