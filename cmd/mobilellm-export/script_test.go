package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/arch"
	"mobilellm/export"
	"mobilellm/export/exporttest"
	"mobilellm/internal/cli/clitest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-export": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: saveModels,
		Cmds:  clitest.Commands(nil),
	})
}

// saveModels writes a plain model, one with shared layers, one of ReLU, and one whose
// tokenizer has an id more.
func saveModels(e *testscript.Env) error {
	pickles, err := filepath.Abs("../../checkpoint/torchfile/testdata")
	if err != nil {
		return err
	}
	e.Setenv("DATA", pickles)
	for name, change := range map[string]func(*arch.Config){
		"model":  func(*arch.Config) {},
		"shared": func(c *arch.Config) { c.LayerSharing = arch.LayerSharing{Strategy: arch.Reverse, Repeat: 2} },
		"relu":   func(c *arch.Config) { c.FFN = arch.ReLU },
	} {
		c := exporttest.Config()
		change(&c)
		if _, err := exporttest.Model(c, 1).SaveFolder(filepath.Join(e.WorkDir, name), export.FolderOptions{DType: "F32"}); err != nil {
			return err
		}
	}
	return exporttest.Folder(filepath.Join(e.WorkDir, "padded"), "../../export/convert/testdata/cases/padded", 0)
}

// What documents show of the command, it takes.
func TestDocumented(t *testing.T) { clitest.Documented(t, newCommand) }

// Mistakes on the command line, and what is said of them.
func TestMistakes(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/mistakes", Cmds: clitest.Commands(nil)})
}
