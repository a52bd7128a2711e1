package sekikura

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/sekikura/sekikura"

// layers is the import order, lowest first: a folder imports only from rows
// above its own in this table. Where together is true, folders of the row may
// import each other; where it is false, not even a neighbour below the same
// top folder: services meet in cmd.
var layers = []struct {
	folders  string
	together bool
}{
	{"tenant policy event", true},                                 // the words everybody shares
	{"content intel", true},                                       // engines: nothing of ours but each other
	{"role store record", true},                                   // what every service stands on
	{"edge gateway mail monitor soc endpoint desktop ops", false}, // the services
	{"portal", true},
	{"cmd", true},
	{"test", true}, // the whole product against real peers
}

// engines are the rows that know no tenants: they import nothing of ours below them.
const engines = "content"

func TestImportsPointDownwards(t *testing.T) {
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name != "." && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata" || name == "tools" || name == "dist") {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(file, ".go") || !strings.Contains(file, "/") {
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			imported, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if inside, ours := strings.CutPrefix(imported, module+"/"); ours {
				if why := refused(path.Dir(filepath.ToSlash(file)), inside); why != "" {
					t.Errorf("%s imports %s: %s", file, inside, why)
				}
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// refused says why folder from must not import folder to, or "".
func refused(from, to string) string {
	fromRow, toRow := row(from), row(to)
	switch {
	case fromRow < 0:
		return "the folder " + from + " stands in no row of the import order"
	case toRow < 0:
		return "the folder " + to + " stands in no row of the import order"
	case top(from) == "cmd" && from == "cmd/sekikura-worker" && top(to) != engines:
		return "the worker parses hostile files and imports only " + engines
	case layers[fromRow].folders == "content intel" && toRow != fromRow:
		return "an engine knows no tenants, policies or events"
	case toRow > fromRow:
		return "it stands above"
	case toRow == fromRow && !layers[fromRow].together && service(from) != service(to):
		return "services do not import each other; they meet in cmd"
	}
	return ""
}

func top(folder string) string {
	first, _, _ := strings.Cut(folder, "/")
	return first
}

// service is the two folders that name one, such as edge/waf.
func service(folder string) string {
	parts := strings.SplitN(folder, "/", 3)
	return strings.Join(parts[:min(2, len(parts))], "/")
}

func row(folder string) int {
	for i, layer := range layers {
		for name := range strings.FieldsSeq(layer.folders) {
			if name == top(folder) {
				return i
			}
		}
	}
	return -1
}

func TestTheOrderRefusesWhatItShould(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		refused  bool
	}{
		{"edge/site", "policy", false},
		{"edge/site", "edge/waf", true},
		{"edge/site/internal/h1", "edge/site", false},
		{"content/archive", "content/filetype", false},
		{"content/archive", "tenant", true},
		{"store", "portal", true},
		{"cmd/sekikura-worker", "content/filetype", false},
		{"cmd/sekikura-worker", "event", true},
		{"utils", "event", true},
	} {
		if got := refused(tt.from, tt.to); (got != "") != tt.refused {
			t.Errorf("refused(%s, %s) = %q, want refused %v", tt.from, tt.to, got, tt.refused)
		}
	}
}
