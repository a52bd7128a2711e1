package sekikura

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// eventWords are the names that docs/events.md gives to events, fields, services,
// and reasons to refuse.
type eventWords struct{ names, fields, services, reasons map[string]bool }

var (
	serviceHeading = regexp.MustCompile("service `([a-z]+)`$")
	quoted         = regexp.MustCompile("`([^`]+)`")
)

func documentedEvents(t *testing.T) eventWords {
	w := eventWords{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	column := ""
	for _, line := range lines(t, "docs/events.md") {
		if title, ok := strings.CutPrefix(line, "## "); ok {
			if match := serviceHeading.FindStringSubmatch(title); match != nil {
				w.services[match[1]] = true
			}
		}
		if !strings.HasPrefix(line, "| ") {
			continue
		}
		first, _, _ := strings.Cut(line[2:], " |")
		words := quoted.FindAllStringSubmatch(first, -1)
		if words == nil {
			column = first // the head of a table
		}
		for _, word := range words {
			switch column {
			case "Field":
				w.fields[word[1]] = true
			case "Event":
				w.names[word[1]] = true
			case "Reason":
				w.reasons[word[1]] = true
			}
		}
	}
	return w
}

// foldersWithoutEvents hold no code of the product; nor do suites, such as storetest.
var foldersWithoutEvents = []string{"node_modules", "testdata", "data", "tools", ".git", "dist"}

func TestEventsAreDocumentedAndDocumentedEventsAreThere(t *testing.T) {
	documented := documentedEvents(t)
	if len(documented.names) == 0 || len(documented.fields) == 0 || len(documented.reasons) == 0 {
		t.Fatal("docs/events.md names no events, no fields or no reasons")
	}
	written := map[string]bool{} // every string in the code
	err := filepath.WalkDir(".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (strings.HasSuffix(entry.Name(), "test") || slices.Contains(foldersWithoutEvents, entry.Name())) {
			return fs.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || !strings.Contains(filepath.ToSlash(file), "/") {
			return nil
		}
		source, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		checkEvents(t, file, source, documented, written)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, words := range []map[string]bool{documented.names, documented.fields, documented.services, documented.reasons} {
		for _, word := range slices.Sorted(maps.Keys(words)) {
			if !isWritten(word, written) {
				t.Errorf("docs/events.md describes %s, which no code writes", word)
			}
		}
	}
}

// isWritten tells whether code has word as a string, or as two that it joins:
// kind + "_requested", or "busy_" + why.
func isWritten(word string, written map[string]bool) bool {
	if written[word] {
		return true
	}
	for i, c := range word {
		if c == '_' && (written[word[:i]] && written[word[i:]] || written[word[:i+1]] && written[word[i+1:]]) {
			return true
		}
	}
	return false
}

// checkEvents notes the strings of one file, and complains of events and fields
// that documented does not know: what stands in event.Event{Service: "…", Name: "…"},
// and slog attributes with a dotted name.
func checkEvents(t *testing.T, file string, source *ast.File, documented eventWords, written map[string]bool) {
	var fields []string
	measures := false // made-up events, with made-up fields
	ast.Inspect(source, func(node ast.Node) bool {
		switch n := node.(type) {
		case *ast.BasicLit:
			if text, ok := literal(n); ok {
				written[text] = true
			}
		case *ast.CompositeLit:
			if isIdent(n.Type, "refusal") {
				checkReasons(t, file, n.Elts, documented)
			}
			if !isSelector(n.Type, "event", "Event") {
				return true
			}
			for _, element := range n.Elts {
				pair, ok := element.(*ast.KeyValueExpr)
				if !ok {
					continue
				}
				key, _ := pair.Key.(*ast.Ident)
				text, constant := literal(pair.Value)
				measures = measures || constant && key != nil && key.Name == "Service" && text == "bench"
				switch {
				case key == nil || !constant:
				case key.Name == "Name" && !documented.names[text]:
					t.Errorf("%s reports the event %s, which docs/events.md does not describe", file, text)
				case key.Name == "Service" && !documented.services[text]:
					t.Errorf("%s reports as the service %s, which has no heading in docs/events.md", file, text)
				}
			}
		case *ast.CallExpr:
			if refuses(n.Fun) {
				checkReasons(t, file, n.Args, documented)
			}
			call, ok := n.Fun.(*ast.SelectorExpr)
			if !ok || len(n.Args) == 0 {
				return true
			}
			if call.Sel.Name == "Event" && len(n.Args) > 2 { // who.Event(now, body, "login_failed", …)
				if text, ok := literal(n.Args[2]); ok && !documented.names[text] {
					t.Errorf("%s reports the event %s, which docs/events.md does not describe", file, text)
				}
			}
			if !isIdent(call.X, "slog") {
				return true
			}
			if text, ok := literal(n.Args[0]); ok && strings.Contains(text, ".") && !strings.Contains(text, " ") {
				fields = append(fields, text)
			}
		}
		return true
	})
	for _, field := range fields {
		if !measures && !documented.fields[field] {
			t.Errorf("%s writes the field %s, which docs/events.md does not describe", file, field)
		}
	}
}

// refuses tells whether a call of fun refuses a request, with the reason last.
func refuses(fun ast.Expr) bool {
	name := fun
	if selector, ok := fun.(*ast.SelectorExpr); ok {
		name = selector.Sel
	}
	return slices.ContainsFunc([]string{"bad", "refuse", "refusePlain", "refusedByProtocol"}, func(s string) bool { return isIdent(name, s) })
}

// checkReasons complains of a reason that documented does not know.
func checkReasons(t *testing.T, file string, args []ast.Expr, documented eventWords) {
	if len(args) == 0 || !strings.HasPrefix(filepath.ToSlash(file), "edge/site/") {
		return
	}
	if text, ok := literal(args[len(args)-1]); ok && !documented.reasons[text] {
		t.Errorf("%s refuses a request for the reason %s, which docs/events.md does not describe", file, text)
	}
}

func literal(node ast.Expr) (string, bool) {
	basic, ok := node.(*ast.BasicLit)
	if !ok || basic.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(basic.Value)
	return text, err == nil
}

func isIdent(node ast.Expr, name string) bool {
	ident, ok := node.(*ast.Ident)
	return ok && ident.Name == name
}

func isSelector(node ast.Expr, pkg, name string) bool {
	selector, ok := node.(*ast.SelectorExpr)
	return ok && selector.Sel.Name == name && isIdent(selector.X, pkg)
}
