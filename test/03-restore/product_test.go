// Package restore loses the product, or parts of it, and brings them back from a
// backup, through the binary and the API alone.
package restore

import (
	"bytes"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	_ "modernc.org/sqlite" // reads the control store past the product

	"github.com/sekikura/sekikura/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

const (
	village = "994413" // 若葉村
	city    = "992011" // 花見市
)

// product is a demonstration and its command line.
type product struct {
	*harness.Product
	t *testing.T
}

func start(t *testing.T, dir string) *product {
	t.Helper()
	return &product{harness.StartDemo(t, dir), t}
}

// file is a path in the demonstration's folder.
func (p *product) file(parts ...string) string {
	return filepath.Join(append([]string{p.Dir}, parts...)...)
}

// try runs one command and returns all that it said.
func (p *product) try(stdin string, args ...string) (string, error) {
	p.t.Helper()
	command := exec.CommandContext(p.t.Context(), harness.Binary(p.t), args...) //nolint:gosec // our own program
	command.Stdin = strings.NewReader(stdin)
	out, err := command.CombinedOutput()
	return string(out), err
}

// do is try for what has to succeed.
func (p *product) do(args ...string) string {
	p.t.Helper()
	out, err := p.try("", args...)
	if err != nil {
		p.t.Fatalf("sekikura %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// ask runs a command against the running demonstration.
func (p *product) ask(args ...string) string {
	p.t.Helper()
	return p.do(append(args, "--demo", p.file("demo.json"))...)
}

// refused runs a command that has to fail and say each of the words.
func (p *product) refused(words []string, args ...string) {
	p.t.Helper()
	out, err := p.try("", args...)
	if err == nil {
		p.t.Errorf("sekikura %s succeeds:\n%s", strings.Join(args, " "), out)
	}
	for _, word := range words {
		if !strings.Contains(out, word) {
			p.t.Errorf("sekikura %s does not say %q:\n%s", strings.Join(args, " "), word, out)
		}
	}
}

// setWAF writes a body's policy for the firewall.
func (p *product) setWAF(body, change string, flags ...string) {
	p.t.Helper()
	args := []string{"policy", "set", body, "waf", "-", "--change", change, "--demo", p.file("demo.json")}
	if out, err := p.try(`{"paranoia":2}`, append(args, flags...)...); err != nil {
		p.t.Fatalf("policy set: %v\n%s", err, out)
	}
}

func (p *product) waf(body string) string {
	p.t.Helper()
	var state struct{ Document json.RawMessage }
	p.Must(http.StatusOK, http.MethodGet, p.Demo.Admin.Token, "/tenants/"+body+"/policies/waf", nil, &state)
	return string(state.Document)
}

// addUser gives a body one more member of staff.
func (p *product) addUser(body, login string) {
	p.t.Helper()
	p.Must(http.StatusCreated, http.MethodPost, p.Demo.Admin.Token, "/tenants/"+body+"/users",
		map[string]string{"login": login, "name": "試験 太郎", "role": "tenant_staff"}, nil)
}

// users lists a body's accounts, without when they were last used.
func (p *product) users(body string) []string {
	p.t.Helper()
	var list struct {
		Items []struct{ Login, Name, Section, Role string }
	}
	p.Must(http.StatusOK, http.MethodGet, p.Demo.Admin.Token, "/tenants/"+body+"/users", nil, &list)
	var all []string
	for _, u := range list.Items {
		all = append(all, fmt.Sprint(u))
	}
	slices.Sort(all)
	return all
}

// events reads every event of a body up to a moment, and reports those that are
// there twice.
func (p *product) events(body string, to time.Time) map[string]string {
	p.t.Helper()
	query := url.Values{"format": {"json"}, "tenant": {body}, "from": {to.Add(-time.Hour).Format(time.RFC3339Nano)}, "to": {to.Format(time.RFC3339Nano)}, "limit": {"100000"}}
	var rows []map[string]string
	p.Must(http.StatusOK, http.MethodGet, p.Demo.Admin.Token, "/events/export?"+query.Encode(), nil, &rows)
	all := make(map[string]string, len(rows))
	for _, row := range rows {
		id := row["event.id"]
		if all[id] != "" {
			p.t.Errorf("event %s of %s is there twice", id, body)
		}
		text, err := json.Marshal(row)
		if err != nil {
			p.t.Fatal(err)
		}
		all[id] = string(text)
	}
	return all
}

// everybody's events up to a moment.
func (p *product) everything(to time.Time) map[string]map[string]string {
	p.t.Helper()
	all := make(map[string]map[string]string)
	for _, body := range p.Tenants {
		all[body.ID] = p.events(body.ID, to)
	}
	return all
}

// attacked has a body's site attacked until enough were stopped, and returns the
// numbers that the attackers saw.
func (p *product) attacked(body harness.Tenant) []string {
	p.t.Helper()
	var seen []string
	for range 25 {
		status, page, err := p.Visit(body.SiteHost, harness.Injection)
		if err != nil || status != http.StatusForbidden {
			p.t.Fatalf("an attack on %s is answered %d, %v, want 403", body.SiteHost, status, err)
		}
		seen = append(seen, harness.Number.FindString(page))
	}
	p.ExactlyOnce(body.Token, seen)
	return seen
}

// part is one part of the newest backup.
type part struct {
	Source, Tenant, Slice, Name string
}

// newest reads the newest backup's manifest as it lies in the folder.
func (p *product) newest() (file string, parts []part) {
	p.t.Helper()
	files, err := filepath.Glob(p.file("backup", "manifests", "*"))
	if err != nil || len(files) == 0 {
		p.t.Fatalf("no manifest in the folder of backups: %v", err)
	}
	file = slices.Max(files)
	text, err := os.ReadFile(file)
	if err != nil {
		p.t.Fatal(err)
	}
	_, signed, _ := bytes.Cut(text, []byte("\n")) // the first line is the signature
	var manifest struct{ Parts []part }
	if err := json.Unmarshal(signed, &manifest); err != nil || len(manifest.Parts) == 0 {
		p.t.Fatalf("the manifest names no parts (%v):\n%s", err, text)
	}
	return file, manifest.Parts
}

// flip changes one byte in the middle of a file, and changes it back.
func flip(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text[len(text)/2] ^= 1
	f, err := os.OpenFile(file, os.O_WRONLY|os.O_TRUNC, 0) // its owner stays
	if err != nil {
		t.Fatal(err)
	}
	_, err = f.Write(text)
	if err := errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
}

// rows reads every row of the control store that is a body's, by body.
func (p *product) rows() map[string][]string {
	p.t.Helper()
	db, err := sql.Open("sqlite", "file:"+p.file("control", "control.db")+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		p.t.Fatal(err)
	}
	defer db.Close() //nolint:errcheck // only read
	all := make(map[string][]string)
	for _, table := range p.column(db, `SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE '%tenant%'`) {
		p.table(db, table, all)
	}
	for id := range maps.Keys(all) {
		slices.Sort(all[id])
	}
	return all
}

// table adds a table's rows to those of their bodies.
func (p *product) table(db *sql.DB, table string, all map[string][]string) {
	p.t.Helper()
	rows, err := db.QueryContext(p.t.Context(), `SELECT * FROM "`+table+`"`)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	names, err := rows.Columns()
	if err != nil {
		p.t.Fatal(err)
	}
	owner := slices.Index(names, "tenant")
	for rows.Next() && owner >= 0 {
		values := make([]any, len(names))
		into := make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		if err := rows.Scan(into...); err != nil {
			p.t.Fatal(err)
		}
		id := fmt.Sprint(values[owner])
		all[id] = append(all[id], fmt.Sprintf("%s %v", table, values))
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
}

func (p *product) column(db *sql.DB, query string) []string {
	p.t.Helper()
	rows, err := db.QueryContext(p.t.Context(), query)
	if err != nil {
		p.t.Fatal(err)
	}
	defer rows.Close() //nolint:errcheck // only read
	var all []string
	for rows.Next() {
		var one string
		if err := rows.Scan(&one); err != nil {
			p.t.Fatal(err)
		}
		all = append(all, one)
	}
	if err := rows.Err(); err != nil {
		p.t.Fatal(err)
	}
	return all
}
