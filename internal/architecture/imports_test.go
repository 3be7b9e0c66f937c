package architecture

import (
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const (
	root   = "../.."
	module = "mobilellm/"
)

// row is a line of the table: a package with those below it in the tree.
type row struct {
	name    string
	imports []string // prefixes; nil for all above
}

var backticks = regexp.MustCompile("`([^`]+)`")

// readTable reads the rows in order.
func readTable(text string) ([]row, error) {
	_, table, ok := strings.Cut(text, "| package | does | imports of ours |\n|---|---|---|\n")
	if !ok {
		return nil, fmt.Errorf("there is no table of packages")
	}
	var rows []row
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 5 {
			break
		}
		name := backticks.FindStringSubmatch(cells[1])
		if name == nil {
			return nil, fmt.Errorf("row %s names no package", line)
		}
		r := row{name: strings.TrimSuffix(name[1], "/*")}
		switch imports := strings.TrimSpace(cells[3]); imports {
		case "all above", "":
		case "none", "its own parts":
			r.imports = []string{}
		default:
			for _, m := range backticks.FindAllStringSubmatch(imports, -1) {
				r.imports = append(r.imports, m[1])
			}
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// under says whether a package is another or below it in the tree.
func under(name, folder string) bool { return name == folder || strings.HasPrefix(name, folder+"/") }

// rowOf is the number of the row of the longest name, -1 for none.
func rowOf(rows []row, name string) int {
	best := -1
	for i, r := range rows {
		if under(name, r.name) && (best < 0 || len(r.name) > len(rows[best].name)) {
			best = i
		}
	}
	return best
}

// check says what is wrong with an import; used notes what a row names with reason.
func check(rows []row, from, to string, used map[string]bool) error {
	if under(to, "internal") {
		return nil
	}
	if under(from, "internal") {
		return fmt.Errorf("%s imports %s: packages in internal import nothing of ours", from, to)
	}
	i, j := rowOf(rows, from), rowOf(rows, to)
	switch {
	case i < 0:
		return fmt.Errorf("%s has no row", from)
	case j < 0:
		return fmt.Errorf("%s has no row", to)
	case i == j:
		return nil
	case j > i:
		return fmt.Errorf("%s imports %s, whose row %s is below its own, %s", from, to, rows[j].name, rows[i].name)
	case rows[i].imports == nil:
		return nil
	}
	named := ""
	for _, name := range rows[i].imports {
		if under(to, name) && len(name) > len(named) {
			named = name
		}
	}
	if named == "" {
		return fmt.Errorf("%s imports %s, which row %s does not name", from, to, rows[i].name)
	}
	used[rows[i].name+" "+named] = true
	return nil
}

// imports calls yield with what each package imports of ours, whatever the
// constraints of its files; tests may import what they like.
func imports(t *testing.T, yield func(from, to string)) {
	t.Helper()
	err := filepath.WalkDir(root, func(file string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && file != root && (entry.Name() == "testdata" || strings.HasPrefix(entry.Name(), ".")):
			return filepath.SkipDir
		case entry.IsDir() || filepath.Ext(file) != ".go" || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		folder, err := filepath.Rel(root, filepath.Dir(file))
		if err != nil {
			return err
		}
		for _, spec := range parsed.Imports {
			name, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			if to, ours := strings.CutPrefix(name, module); ours {
				yield(path.Clean(filepath.ToSlash(folder)), to)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImports(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, err := readTable(string(text))
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	reported := map[string]bool{}
	count := 0
	imports(t, func(from, to string) {
		count++
		if err := check(rows, from, to, used); err != nil && !reported[err.Error()] {
			reported[err.Error()] = true
			t.Error(err)
		}
	})
	if count < 100 {
		t.Errorf("only %d imports were found", count)
	}
	for _, r := range rows {
		if _, err := os.Stat(filepath.Join(root, r.name)); err != nil {
			t.Errorf("row %s: %v", r.name, err)
		}
		for _, name := range r.imports {
			if !used[r.name+" "+name] {
				t.Errorf("row %s names %s, which it does not import", r.name, name)
			}
		}
	}
}

func TestCheck(t *testing.T) {
	rows, err := readTable("text\n\n| package | does | imports of ours |\n|---|---|---|\n| `a` | | none |\n| `a/b` | | `a` |\n| `c` | | all above |\n| `cmd/*` | | |\n\nmore\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ from, to, want string }{
		{"a/b", "a", ""},
		{"a/b/x", "a/y", ""},
		{"a/y", "a", ""},
		{"a/y", "internal/z", ""},
		{"cmd/tool", "c", ""},
		{"a", "a/b", "whose row a/b is below"},
		{"a", "c", "whose row c is below"},
		{"internal/z", "a", "import nothing of ours"},
		{"d", "a", "d has no row"},
		{"c", "d", "d has no row"},
	} {
		err := check(rows, tt.from, tt.to, map[string]bool{})
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s imports %s: %v, want %q", tt.from, tt.to, err, tt.want)
		}
	}
	if _, err := readTable("no table"); err == nil {
		t.Error("a document without the table is taken")
	}
}
