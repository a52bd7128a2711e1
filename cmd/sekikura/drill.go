package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/sekikura/sekikura/tenant"
)

// drillTimeout bounds one case.
const drillTimeout = 2 * time.Minute

// jst is the clock of every text that people read.
var jst = time.FixedZone("JST", 9*60*60)

// drillCase is one real case of the acceptance test (検査調書). Without Run it
// is not built, and the table says so.
type drillCase struct {
	Row  string // the row of the requirement that it shows
	Name string
	Run  func(context.Context, *drillWorld) (drillResult, error)
}

// drillResult is what a case saw.
type drillResult struct {
	Sent    string        `json:"sent"`     // what was sent
	Stopped string        `json:"stopped"`  // what stopped or detected it
	After   time.Duration `json:"after_ns"` // from sending to being visible
	Event   string        `json:"event"`    // the event's number
	Record  string        `json:"record,omitempty"`
}

// drillWorld is what the cases act on.
type drillWorld struct {
	api     string // URL
	edge    string // host:port of the published sites over TLS
	roots   *x509.CertPool
	token   string      // the operator's
	sites   []drillSite // of different bodies
	stopped *drillSite  // a site whose origin is away; nil outside a demonstration
	real    bool        // an installation in use: everything is marked as 訓練
}

// drillSite is one published site. Token is its body's, or "" where only the
// operator's is at hand.
type drillSite struct {
	Tenant tenant.ID
	Name   string
	Host   string
	Token  string
}

// demoWorld is the demonstration.
func demoWorld(d *demoFile) (*drillWorld, error) {
	roots, err := readRoots(d.CA)
	if err != nil {
		return nil, err
	}
	w := &drillWorld{api: d.API, edge: d.EdgeHTTPS, roots: roots, token: d.Admin.Token}
	for _, t := range d.Tenants {
		s := drillSite{Tenant: t.ID, Name: t.Name, Host: t.SiteHost, Token: t.Token}
		w.sites = append(w.sites, s)
		s.Host = stoppedHost
		w.stopped = &s // the last body's
	}
	return w, nil
}

// errNotHere says that a case cannot be tried on this installation.
var errNotHere = errors.New("not here")

// drillCases are the 13 effect rows of the ministry's survey (K11), in the order
// of their number of cases, and the lessons of real outages (L01–L04).
func drillCases() []drillCase {
	return []drillCase{
		{Row: "K11-01", Name: "添付ファイルの振る舞い検知"},
		{Row: "K11-02", Name: "DDoS攻撃の防御"},
		{Row: "K11-03", Name: "攻撃アクセスの遮断", Run: drillPathTraversal},
		{Row: "K11-04", Name: "不審サイトの遮断"},
		{Row: "K11-05", Name: "SOCの検知から連絡、遮断"},
		{Row: "K11-06", Name: "SQLインジェクション等の遮断", Run: drillSQLInjection},
		{Row: "K11-07", Name: "Web・IPSでのマルウェア遮断"},
		{Row: "K11-08", Name: "不正な通信の遮断"},
		{Row: "K11-09", Name: "メールの無害化"},
		{Row: "K11-10", Name: "脆弱性情報の共有"},
		{Row: "K11-11", Name: "災害時のCDN"},
		{Row: "K11-12", Name: "訓練"},
		{Row: "K11-13", Name: "脆弱なソフトの確認・設定の見直し"},
		{Row: "L01", Name: "基盤の停止中の通報"},
		{Row: "L02", Name: "第三者中継の防止"},
		{Row: "L03", Name: "大量送信の停止"},
		{Row: "L04", Name: "1団体のサイト障害が他へ及ばない", Run: drillOneSiteDown},
	}
}

// drillLine is one line of the saved table.
type drillLine struct {
	Row   string `json:"row"`
	Name  string `json:"name"`
	State string `json:"state"` // ok, failed, not run (not here), not built
	drillResult
	Error string `json:"error,omitempty"`
}

// drillReport is the saved table.
type drillReport struct {
	Version string      `json:"version"`
	Drill   bool        `json:"drill"` // 訓練 on an installation in use
	Begun   time.Time   `json:"begun"`
	Lines   []drillLine `json:"lines"`
}

// drill runs every built case, shows its progress and the table on out, saves
// the table as JSON in folder, and returns errSaid when a built case failed.
func drill(ctx context.Context, world *drillWorld, folder string, out io.Writer) error {
	report := drillReport{Version: version, Drill: world.real, Begun: time.Now()}
	failed := 0
	for _, c := range drillCases() {
		line := drillLine{Row: c.Row, Name: c.Name, State: "not built"}
		if c.Run != nil {
			fmt.Fprintf(out, "%s %s …\n", c.Row, c.Name)
			bounded, cancel := context.WithTimeout(ctx, drillTimeout)
			result, err := c.Run(bounded, world)
			cancel()
			line.drillResult, line.State = result, "ok"
			switch {
			case errors.Is(err, errNotHere):
				line.State, line.Error = "not run", err.Error()
			case err != nil:
				line.State, line.Error = "failed", err.Error()
				failed++
			}
		}
		report.Lines = append(report.Lines, line)
	}
	report.print(out)
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(folder, "drill-"+report.Begun.In(jst).Format("20060102-150405")+".json")
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("saving the table: %w", err)
	}
	fmt.Fprintln(out, "\nsaved:", file)
	if failed > 0 {
		fmt.Fprintf(out, "%d of the built cases failed\n", failed)
		return errSaid
	}
	return nil
}

func (r *drillReport) print(out io.Writer) {
	fmt.Fprintf(out, "\nSekikura %s, %s JST\n", r.Version, r.Begun.In(jst).Format("2006-01-02 15:04:05"))
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "row\tstate\tafter\tevent\tstopped by\tsent\tcase")
	for _, l := range r.Lines {
		after := "-"
		if l.After > 0 {
			after = l.After.Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", l.Row, l.State, after, dash(l.Event), dash(l.Stopped), dash(l.Sent), l.Name)
	}
	table.Flush() //nolint:errcheck // nowhere else to say it
	for _, l := range r.Lines {
		if l.Error != "" {
			fmt.Fprintf(out, "%s %s: %s\n", l.Row, l.State, strings.ReplaceAll(l.Error, "\n", " "))
		}
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
