package op

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryIsComplete holds the list that the hash tests walk to the source.
func TestEveryIsComplete(t *testing.T) {
	listed := map[string]bool{}
	for _, o := range every() {
		listed[strings.TrimPrefix(fmt.Sprintf("%T", o), "op.")] = true
	}
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "Hashcode" || f.Recv == nil {
				continue
			}
			found++
			if receiver, ok := f.Recv.List[0].Type.(*ast.Ident); !ok || !listed[receiver.Name] {
				t.Errorf("%s: an operation that every() does not list: %v", name, f.Recv.List[0].Type)
			}
		}
	}
	if found != len(listed) {
		t.Errorf("the source has %d operations, every() lists %d", found, len(listed))
	}
}
