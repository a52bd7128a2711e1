package sekikura

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// requirementIDs are the rows of docs/requirements.md: each letter with its last number.
var requirementIDs = []struct {
	letter string
	last   int
}{
	{"R", 29},
	{"E", 43},
	{"C", 15},
	{"K", 12},
	{"T", 7},
	{"P", 1},
	{"M", 8},
	{"Z", 9},
	{"G", 6},
	{"L", 7},
	{"U", 17},
}

func TestEveryRequirementStandsOnceWithAStateThatCanBeSeen(t *testing.T) {
	known := map[string]bool{}
	for _, r := range requirementIDs {
		for n := 1; n <= r.last; n++ {
			known[fmt.Sprintf("%s%02d", r.letter, n)] = true
		}
	}
	seen := map[string]bool{}
	for _, row := range tableRows(t, "docs/requirements.md") {
		id := row[0]
		if id == "State" || strings.HasPrefix(id, "`") { // the legend
			continue
		}
		if len(row) != 5 {
			t.Errorf("%s: its line has %d columns, want 5", id, len(row))
			continue
		}
		if !known[id] {
			t.Errorf("%q is no row of the requirements", id)
		}
		if seen[id] {
			t.Errorf("%s stands twice", id)
		}
		seen[id] = true
		if problem := requirementProblem(row); problem != "" {
			t.Errorf("%s: %s", id, problem)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		if !seen[id] {
			t.Errorf("%s has no line", id)
		}
	}
}

// requirementProblem says what is wrong with one row of five columns, or "".
func requirementProblem(row []string) string {
	name, folders, state, how := row[1], row[2], row[3], row[4]
	switch {
	case name == "" || folders == "":
		return "it needs a name and a folder"
	case state == "not built" && how != "—":
		return "what is not built cannot be seen; its last column is —"
	case state == "not built":
		return ""
	case state != "works" && state != "partly":
		return "the state is works, partly or not built; got " + state
	case len(how) < 20:
		return "it says " + state + " but not how to see it"
	}
	for folder := range strings.SplitSeq(folders, ", ") {
		if !holdsCode(folder) {
			return "it says " + state + ", but there is no code in " + folder
		}
	}
	return ""
}

// holdsCode tells whether folder or one below it has a source file that is no test.
func holdsCode(folder string) bool {
	found := false
	_ = filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.Name() == "node_modules" {
			return fs.SkipDir
		}
		source := strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") || strings.HasSuffix(file, ".tsx")
		if !entry.IsDir() && source {
			found = true
			return fs.SkipAll
		}
		return nil
	})
	return found
}

func TestARequirementWithoutProofIsRefused(t *testing.T) {
	for _, tt := range []struct {
		row []string
		ok  bool
	}{
		{[]string{"R01", "監視", "monitor", "not built", "—"}, true},
		{[]string{"R01", "監視", "tenant, policy", "works", "`make run`, then open the portal"}, true},
		{[]string{"R01", "監視", "tenant", "done", "`make run`, then open the portal"}, false},
		{[]string{"R01", "監視", "tenant", "works", "—"}, false},
		{[]string{"R01", "監視", "tenant, no/such/folder", "partly", "`make run`, then open the portal"}, false},
		{[]string{"R01", "監視", "tenant", "not built", "`make run`"}, false},
		{[]string{"R01", "", "tenant", "not built", "—"}, false},
	} {
		if got := requirementProblem(tt.row); (got == "") != tt.ok {
			t.Errorf("requirementProblem(%q) = %q, want fine %v", tt.row, got, tt.ok)
		}
	}
}

func TestEveryDependencyHasItsLine(t *testing.T) {
	described := map[string]bool{}
	for _, row := range tableRows(t, "docs/dependencies.md") {
		if row[0] == "Module" || row[0] == "Package" {
			continue
		}
		if described[row[0]] {
			t.Errorf("%s stands twice in docs/dependencies.md", row[0])
		}
		described[row[0]] = true
		for i, cell := range row {
			if cell == "" || len(row) != 5 {
				t.Errorf("%s: column %d of %d is empty or missing", row[0], i+1, len(row))
			}
		}
	}
	used := map[string]string{} // name to where it is asked for
	for _, module := range directModules(t, "go.mod") {
		used[module] = "go.mod"
	}
	for _, module := range toolModules(t, "tools/go.mod") {
		used[module] = "tools/go.mod"
	}
	for _, name := range npmPackages(t, "portal/web/package.json") {
		used[name] = "portal/web/package.json"
	}
	for _, name := range debianPackages(t, "tools/packages") {
		used[name] = "tools/packages"
	}
	for _, name := range peerModules(t, "tools/peers") {
		used[name] = "tools/peers"
	}
	for _, name := range slices.Sorted(maps.Keys(used)) {
		if !described[name] {
			t.Errorf("%s asks for %s, which has no line in docs/dependencies.md", used[name], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(described)) {
		if used[name] == "" {
			t.Errorf("docs/dependencies.md describes %s, which nothing asks for", name)
		}
	}
}

// directModules are the modules that file requires without "// indirect".
func directModules(t *testing.T, file string) []string {
	var direct []string
	for _, line := range lines(t, file) {
		fields := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(fields) == 2 && strings.HasPrefix(fields[1], "v") && strings.Contains(fields[0], ".") {
			direct = append(direct, fields[0])
		}
	}
	if len(direct) == 0 {
		t.Fatalf("%s requires nothing", file)
	}
	return direct
}

// toolModules are the modules whose commands file lists as tools.
func toolModules(t *testing.T, file string) []string {
	commands, required := map[string]bool{}, []string{}
	inTools := false
	for _, line := range lines(t, file) {
		fields := strings.Fields(line)
		switch {
		case line == "tool (":
			inTools = true
		case line == ")":
			inTools = false
		case inTools:
			commands[fields[0]] = true
		case len(fields) >= 2 && strings.HasPrefix(fields[1], "v"):
			required = append(required, fields[0])
		}
	}
	var owners []string
	for command := range commands {
		owner := ""
		for _, module := range required {
			if strings.HasPrefix(command, module+"/") && len(module) > len(owner) {
				owner = module
			}
		}
		if owner == "" {
			t.Errorf("%s: no required module holds %s", file, command)
		}
		owners = append(owners, owner)
	}
	return owners
}

// peerModules are the second words of the script's list: program, module, package,
// version, purpose.
func peerModules(t *testing.T, file string) []string {
	var modules []string
	for _, line := range lines(t, file) {
		fields := strings.Fields(line)
		if len(fields) > 4 && strings.HasPrefix(fields[3], "v") && strings.HasPrefix(fields[1], "github.com/") {
			modules = append(modules, fields[1])
		}
	}
	if len(modules) == 0 {
		t.Fatalf("%s builds nothing", file)
	}
	return modules
}

func npmPackages(t *testing.T, file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var asked struct{ Dependencies, DevDependencies map[string]string }
	if err := json.Unmarshal(text, &asked); err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
	for _, group := range []map[string]string{asked.Dependencies, asked.DevDependencies} {
		for name, version := range group {
			if strings.ContainsAny(version, "^~*x<>| ") {
				t.Errorf("%s asks for %s %s: name one exact version", file, name, version)
			}
		}
	}
	return slices.Concat(slices.Collect(maps.Keys(asked.Dependencies)), slices.Collect(maps.Keys(asked.DevDependencies)))
}

// debianPackages are the second words of the list in file.
func debianPackages(t *testing.T, file string) []string {
	var names []string
	for _, line := range lines(t, file) {
		if fields := strings.Fields(line); len(fields) > 3 && (fields[0] == "run" || fields[0] == "test") {
			names = append(names, fields[1])
		}
	}
	if len(names) == 0 {
		t.Fatalf("%s lists no packages", file)
	}
	return names
}

var (
	markdownLink = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	codeBlock    = regexp.MustCompile("(?s)```.*?```")
)

func TestLinksBetweenDocumentsLeadSomewhere(t *testing.T) {
	checked := 0
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range markdownLink.FindAllSubmatch(codeBlock.ReplaceAll(text, nil), -1) {
			link, err := url.Parse(string(match[1]))
			if err != nil {
				t.Errorf("%s: link %s: %v", file, match[1], err)
				continue
			}
			if link.IsAbs() || link.Path == "" {
				continue
			}
			checked++
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), link.Path)); err != nil {
				t.Errorf("%s links to %s, which is not there", file, match[1])
			}
		}
	}
	if checked == 0 {
		t.Error("no link was found, so none was checked")
	}
}

// documents are the Markdown files of the repository.
func documents(t *testing.T) []string {
	var files []string
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && (name == "node_modules" || name == "data" || name == "testdata" || name == ".git") {
			return fs.SkipDir
		}
		if strings.HasSuffix(file, ".md") {
			files = append(files, file)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestBothReadmesSayTheSame(t *testing.T) {
	shape := func(file string) (blocks []string, headings, links int) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range codeBlock.FindAll(text, -1) {
			blocks = append(blocks, string(block))
		}
		prose := codeBlock.ReplaceAll(text, nil)
		return blocks, bytes.Count(prose, []byte("\n## ")), len(markdownLink.FindAll(prose, -1))
	}
	enBlocks, enHeadings, enLinks := shape("README.md")
	jaBlocks, jaHeadings, jaLinks := shape("README.ja.md")
	if len(enBlocks) == 0 || !slices.Equal(enBlocks[:1], jaBlocks[:min(1, len(jaBlocks))]) {
		t.Errorf("the commands differ: README.md has %q, README.ja.md has %q", enBlocks, jaBlocks)
	}
	if enHeadings != jaHeadings || enLinks != jaLinks {
		t.Errorf("README.md has %d headings and %d links, README.ja.md has %d and %d; they are to be equal", enHeadings, enLinks, jaHeadings, jaLinks)
	}
}

// tableRows are the rows of all Markdown tables in file, each as its trimmed
// cells, without the lines that separate headings.
func tableRows(t *testing.T, file string) [][]string {
	var rows [][]string
	for _, line := range lines(t, file) {
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "|---") || strings.HasPrefix(line, "| ID |") {
			continue
		}
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		rows = append(rows, cells)
	}
	if len(rows) == 0 {
		t.Fatalf("%s has no table", file)
	}
	return rows
}

func lines(t *testing.T, file string) []string {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for scanner := bufio.NewScanner(bytes.NewReader(text)); scanner.Scan(); {
		all = append(all, scanner.Text())
	}
	return all
}
