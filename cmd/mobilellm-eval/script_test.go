package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/export/exporttest"
	"mobilellm/internal/cli/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-eval": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			many := strings.Repeat(`{"query": "One and one are", "choices": ["three", "two"], "gold": 1}`+"\n", 2000)
			if err := os.WriteFile(filepath.Join(e.WorkDir, "many.jsonl"), []byte(many), 0o644); err != nil {
				return err
			}
			if err := exporttest.Bytes(filepath.Join(e.WorkDir, "talker"), 400); err != nil {
				return err
			}
			return exporttest.Bytes(filepath.Join(e.WorkDir, "model"), 200)
		},
		Cmds: clitest.Commands(nil),
	})
}

// What documents show of the command, it takes.
func TestDocumented(t *testing.T) { clitest.Documented(t, newCommand) }

// Mistakes on the command line, and what is said of them.
func TestMistakes(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/mistakes", Cmds: clitest.Commands(nil)})
}
