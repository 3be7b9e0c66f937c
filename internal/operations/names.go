// Package operations lists the operations of package engine/op from its source, so
// that tests can demand something of each: a hash of every field, a case for every
// kernel.
package operations

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
)

// Names are the types in the folder's Go files that have a method Hashcode, as
// gorgonia's operations do, sorted.
func Names(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name != "Hashcode" || f.Recv == nil {
				continue
			}
			receiver, ok := f.Recv.List[0].Type.(*ast.Ident)
			if !ok {
				return nil, fmt.Errorf("%s: Hashcode is a method of %v, want a type's name", name, f.Recv.List[0].Type)
			}
			names = append(names, receiver.Name)
		}
	}
	slices.Sort(names)
	return names, nil
}
