package clitest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

func TestSentences(t *testing.T) {
	for line, want := range map[string]string{
		`p run "a b" --set 'x=[1, 2]'  # and why`: `[["p" "run" "a b" "--set" "x=[1, 2]"]]`,
		`A=1 p x | q y > z && r`:                  `[["p" "x"] ["q" "y"] ["z"] ["r"]]`,
		`p a#b ""`:                                `[["p" "a#b" ""]]`,
		`# only a comment`:                        `[]`,
	} {
		if got := fmt.Sprintf("%q", sentences(line)); got != want {
			t.Errorf("%s: %s, want %s", line, got, want)
		}
	}
}

func TestParse(t *testing.T) {
	program := &cobra.Command{Use: "p"}
	below := &cobra.Command{Use: "run FILE", Args: cobra.ExactArgs(1), Run: func(*cobra.Command, []string) {}}
	below.Flags().Int("jobs", 1, "")
	below.Flags().BoolP("quick", "q", false, "")
	program.AddCommand(below)
	for args, want := range map[string]string{
		"run x --jobs 2 -q": "", "run --jobs N x": "", "run --quick x": "", "run --help": "",
		"run x --jobz 2":   "p run has no flag --jobz",
		"run x --jobs two": "--jobs: ",
		"run x --jobs":     "--jobs has no value",
		"run":              "accepts 1 arg(s)",
	} {
		if err := parse(program, strings.Fields(args), true); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", args, err, want)
		}
	}
	if err := parse(program, []string{"run"}, false); err != nil {
		t.Errorf("in a sentence: %v", err)
	}
}

func TestUses(t *testing.T) {
	got := fmt.Sprint(uses("Say `p x`.\n\n```sh\np a \\\n  b\n```\n\n    p c\n"))
	if want := "[{p x false} {p a    b true} {p c true}]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
