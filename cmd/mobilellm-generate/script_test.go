package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/export/exporttest"
	"mobilellm/internal/cli/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-generate": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			padded := filepath.Join(e.WorkDir, "padded") // its tokenizer has an id more
			if err := exporttest.Folder(padded, "../../export/convert/testdata/cases/padded", 0); err != nil {
				return err
			}
			if err := exporttest.Bytes(filepath.Join(e.WorkDir, "talker"), 300); err != nil {
				return err
			}
			for _, name := range []string{"model", "cut", "other"} {
				if err := exporttest.Bytes(filepath.Join(e.WorkDir, name), 32); err != nil {
					return err
				}
			}
			return nil
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
