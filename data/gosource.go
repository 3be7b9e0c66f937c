package data

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"mobilellm/data/ingest"
)

// goHeldout are the packages of the Go tree that are held out, with all
// below them: varied, of middling size, and with no near copy elsewhere in
// the tree (as bytes is of strings, or types2 of go/types).
var goHeldout = []string{
	"archive", "bufio", "compress", "container", "database", "encoding/xml",
	"flag", "mime", "net/http/httputil", "text/tabwriter", "text/template",
}

// generated marks a file that no person wrote (https://go.dev/s/generatedcode).
var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

const goSourceHint = "hint: give a text of your own with --data PATH"

// GoSource reads the Go source tree of the installed toolchain: every .go
// file of $(go env GOROOT)/src that a person wrote, without testdata and
// vendor folders. Whole packages, about 5 % of the bytes, come back apart as
// held-out text. Documents are named go-source/PATH.
func GoSource(ctx context.Context) (train, heldout []Document, err error) {
	root, err := goRoot(ctx)
	if err != nil {
		return nil, nil, err
	}
	return readGoTree(ctx, filepath.Join(root, "src"))
}

// goRoot asks the go command, for a program built with -trimpath does not
// know, from a folder without go.mod, which might name another toolchain.
func goRoot(ctx context.Context) (string, error) {
	command := exec.CommandContext(ctx, "go", "env", "GOROOT")
	command.Dir = os.TempDir()
	command.Env = append(os.Environ(), "GOTOOLCHAIN=local", "GOWORK=off")
	var complaint bytes.Buffer
	command.Stderr = &complaint
	out, err := command.Output()
	if ctx.Err() != nil {
		return "", fmt.Errorf("%s: go env GOROOT: %w", GoSourceName, ctx.Err())
	}
	root := strings.TrimSpace(string(out))
	if err != nil {
		if root = os.Getenv("GOROOT"); root == "" {
			return "", fmt.Errorf("%s: go env GOROOT: %w %s\n%s", GoSourceName, err, bytes.TrimSpace(complaint.Bytes()), goSourceHint)
		}
	}
	return root, nil
}

func readGoTree(ctx context.Context, src string) (train, heldout []Document, err error) {
	real, err := filepath.EvalSymlinks(src) // some distributions link src elsewhere
	if err != nil {
		return nil, nil, fmt.Errorf("%s: the Go source tree is missing: %w\n%s", GoSourceName, err, goSourceHint)
	}
	err = filepath.WalkDir(real, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if name := entry.Name(); name == "testdata" || name == "vendor" {
				return fs.SkipDir
			}
			return ctx.Err()
		}
		if filepath.Ext(file) != ".go" || !entry.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		if len(text) == 0 || ingest.NotText(text) != "" || generated.Match(text[:min(len(text), 4096)]) {
			return nil
		}
		relative, err := filepath.Rel(real, file)
		if err != nil {
			return err
		}
		relative = filepath.ToSlash(relative)
		doc := Document{Name: path.Join(GoSourceName, relative), Text: text}
		if isGoHeldout(relative) {
			heldout = append(heldout, doc)
		} else {
			train = append(train, doc)
		}
		return nil
	})
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return nil, nil, fmt.Errorf("%s: %w", GoSourceName, err)
	case err != nil:
		return nil, nil, fmt.Errorf("%s: %w\n%s", GoSourceName, err, goSourceHint)
	case len(train) == 0 || len(heldout) == 0:
		return nil, nil, fmt.Errorf("%s: no Go source in %s\n%s", GoSourceName, src, goSourceHint)
	}
	return train, heldout, nil
}

func isGoHeldout(file string) bool {
	for _, folder := range goHeldout {
		if strings.HasPrefix(file, folder+"/") {
			return true
		}
	}
	return false
}
