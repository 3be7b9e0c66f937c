package clitest

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Documented tests that every use of a program in the documents of the repository, which
// lies two folders up, parses: in blocks of code wholly, in `spans` its command and flags.
// Values in capitals stand for the reader's own.
func Documented(t *testing.T, newProgram func() *cobra.Command) {
	t.Helper()
	program, found := newProgram().Name(), 0
	documents(t, func(name, text string) {
		for _, use := range uses(text) {
			for _, words := range sentences(use.text) {
				if filepath.Base(words[0]) != program {
					continue
				}
				found++
				if err := parse(newProgram(), words[1:], use.block); err != nil {
					t.Errorf("%s shows %q: %v", name, strings.Join(words, " "), err)
				}
			}
		}
	})
	if found == 0 {
		t.Errorf("no document shows %s", program)
	}
}

// documents calls f with every document's name and text.
func documents(t *testing.T, f func(name, text string)) {
	t.Helper()
	const root = "../.."
	list, err := filepath.Glob(root + "/*.md")
	if err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(root+"/docs", func(path string, e fs.DirEntry, err error) error {
		if err == nil && filepath.Ext(path) == ".md" {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range list {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		f(strings.TrimPrefix(path, root+"/"), string(raw))
	}
}

// use is code in a document.
type use struct {
	text  string
	block bool // of its own lines, not within a sentence
}

var span = regexp.MustCompile("`([^`\n]+)`")

// uses are the lines of blocks, fenced or indented, and the spans.
func uses(text string) (list []use) {
	fenced := false
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		switch {
		case strings.HasPrefix(line, "```"):
			fenced = !fenced
		case fenced || strings.HasPrefix(line, "    "):
			list = append(list, use{strings.TrimSpace(line), true})
		default:
			for _, s := range span.FindAllStringSubmatch(line, -1) {
				list = append(list, use{s[1], false})
			}
		}
	}
	return list
}

// sentences are a line's commands as words, as a shell parts them: quotes are taken off,
// comments and assignments before a command left out.
func sentences(line string) (list [][]string) {
	var words []string
	var word strings.Builder
	begun, quote := false, rune(0)
	endWord := func() {
		if begun && (len(words) > 0 || !assignment.MatchString(word.String())) {
			words = append(words, word.String())
		}
		word.Reset()
		begun = false
	}
	end := func() {
		endWord()
		if len(words) > 0 {
			list = append(list, words)
		}
		words = nil
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, begun = r, true
		case r == '#' && !begun:
			end()
			return list
		case r == ' ' || r == '\t':
			endWord()
		case strings.ContainsRune("|;&<>()", r):
			end()
		default:
			word.WriteRune(r)
			begun = true
		}
	}
	end()
	return list
}

var (
	assignment  = regexp.MustCompile(`^[A-Z_]+=`)
	placeholder = regexp.MustCompile(`^[A-Z_./…]+$`)
)

// parse looks at a program's arguments without running it.
func parse(program *cobra.Command, args []string, whole bool) error {
	c := program
	for len(args) > 0 { // to the command below
		below, _, err := c.Find(args[:1])
		if err != nil || below == c {
			break
		}
		c, args = below, args[1:]
	}
	c.Root().Version = "x" // as all have one
	c.InitDefaultHelpFlag()
	c.InitDefaultVersionFlag()
	var rest []string
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		if arg == "…" {
			continue
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			rest = append(rest, arg)
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(arg, "-"), "=")
		flag := lookup(c, name, strings.HasPrefix(arg, "--"))
		if flag == nil {
			return fmt.Errorf("%s has no flag %s", c.CommandPath(), arg)
		}
		if flag.Name == "help" || flag.Name == "version" {
			return nil
		}
		switch {
		case !given && flag.NoOptDefVal != "":
			value, given = flag.NoOptDefVal, true
		case !given && len(args) > 0:
			value, given, args = args[0], true, args[1:]
		}
		if given && !placeholder.MatchString(value) {
			if err := flag.Value.Set(value); err != nil {
				return fmt.Errorf("--%s: %w", flag.Name, err)
			}
		} else if !given && whole {
			return fmt.Errorf("--%s has no value", flag.Name)
		}
	}
	if !whole {
		return nil
	}
	return c.ValidateArgs(rest)
}

func lookup(c *cobra.Command, name string, long bool) *pflag.Flag {
	for _, set := range []*pflag.FlagSet{c.Flags(), c.PersistentFlags(), c.InheritedFlags()} {
		flag := set.Lookup(name)
		if !long && len(name) == 1 {
			flag = set.ShorthandLookup(name)
		}
		if flag != nil {
			return flag
		}
	}
	return nil
}
