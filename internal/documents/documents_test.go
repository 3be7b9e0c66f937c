package documents

import (
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

const root = "../.."

// read reads every document that is not a test's, by its path from the root on.
func read(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	err := filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, root+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case e.IsDir() && (strings.HasPrefix(e.Name(), ".") && path != root || e.Name() == "testdata" || name == "runs" || name == "bin" || name == "shared"):
			return filepath.SkipDir
		case e.IsDir() || filepath.Ext(path) != ".md":
			return nil
		}
		raw, err := os.ReadFile(path)
		texts[name] = string(raw)
		return err
	})
	if err != nil || len(texts) < 10 {
		t.Fatalf("%d documents, %v", len(texts), err)
	}
	return texts
}

var (
	link    = regexp.MustCompile(`\]\(([^()\s]+)\)`)
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	heading = regexp.MustCompile(`(?m)^#+ (.*)$`)
	span    = regexp.MustCompile("`([^`\n]+)`")
	path    = regexp.MustCompile(`^[a-z0-9_]+(/[a-z0-9_.-]+)+/?$`)
	target  = regexp.MustCompile(`\bmake ([a-z][a-z-]*)`)
	program = regexp.MustCompile(`\bmobilellm-([a-z]+)\b`)
)

// anchors are the headings of a text as GitHub links to them.
func anchors(text string) (list []string) {
	for _, h := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, h[1]))
	}
	return list
}

func TestLinks(t *testing.T) {
	texts := read(t)
	for name, text := range texts {
		for _, found := range link.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
			to, err := url.Parse(found[1])
			if err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if to.Scheme != "" {
				continue
			}
			file := name
			if to.Path != "" {
				file = filepath.ToSlash(filepath.Join(filepath.Dir(name), to.Path))
			}
			if _, err := os.Stat(filepath.Join(root, file)); err != nil {
				t.Errorf("%s links to %s, which is not there", name, found[1])
			} else if other, ok := texts[file]; to.Fragment != "" && (!ok || !slices.Contains(anchors(other), to.Fragment)) {
				t.Errorf("%s links to %s, and no heading of %s is called so", name, found[1], file)
			}
		}
	}
}

// Every document of docs is in its index, but for the reports that the index of results has.
func TestIndex(t *testing.T) {
	texts := read(t)
	for name := range texts {
		in, file := "docs/README.md", strings.TrimPrefix(name, "docs/")
		if report, ok := strings.CutPrefix(name, "docs/results/"); ok && strings.Contains(report, "/") {
			in, file = "docs/results/README.md", report
		}
		if strings.HasPrefix(name, "docs/") && name != "docs/README.md" && !strings.Contains(texts[in], "]("+file+")") {
			t.Errorf("%s has no link to %s", in, name)
		}
	}
}

// Files, targets of the Makefile and programs that documents name exist.
func TestNames(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	targets := map[string]bool{}
	for _, line := range regexp.MustCompile(`(?m)^([a-z-]+):`).FindAllStringSubmatch(string(makefile), -1) {
		targets[line[1]] = true
	}
	for name, text := range read(t) {
		for _, s := range span.FindAllStringSubmatch(text, -1) {
			first, _, _ := strings.Cut(s[1], "/")
			if _, err := os.Stat(filepath.Join(root, first)); err != nil || first == "runs" || first == "bin" || !path.MatchString(s[1]) {
				continue
			}
			if _, err := os.Stat(filepath.Join(root, s[1])); err != nil {
				t.Errorf("%s names `%s`, which is not there", name, s[1])
			}
		}
		code := strings.Join(append(fence.FindAllString(text, -1), span.FindAllString(text, -1)...), "\n")
		for _, m := range target.FindAllStringSubmatch(code, -1) {
			if !targets[m[1]] {
				t.Errorf("%s names make %s, of which there are %s", name, m[1], strings.Join(slices.Sorted(maps.Keys(targets)), ", "))
			}
		}
		for _, m := range program.FindAllStringSubmatch(code, -1) {
			if _, err := os.Stat(filepath.Join(root, "cmd", m[0])); err != nil && !strings.Contains(text, "-t "+m[0]) {
				t.Errorf("%s names %s, which is no command", name, m[0])
			}
		}
	}
}
