package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/arch"
	"mobilellm/export/exporttest"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"mobilellm-export": main}) }

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Setup: saveModels,
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"exits": exits, "quick": quick, "truncate": truncate, "replace": replace,
		},
	})
}

// saveModels writes a plain model, one with shared layers and one of ReLU.
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
		if err := exporttest.Model(c, 1).SaveFolder(filepath.Join(e.WorkDir, name), "F32"); err != nil {
			return err
		}
	}
	return nil
}

// exits CODE COMMAND… runs a command that must end with that code.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	err := ts.Exec(args[1], args[2:]...)
	code := 0
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		code = failed.ExitCode()
	} else {
		ts.Check(err)
	}
	if strconv.Itoa(code) != args[0] {
		ts.Fatalf("exit code %d, want %s", code, args[0])
	}
}

// quick COMMAND… is exits 1 COMMAND… that must end within a second.
func quick(ts *testscript.TestScript, neg bool, args []string) {
	began := time.Now()
	exits(ts, neg, append([]string{"1"}, args...))
	if d := time.Since(began); d > time.Second {
		ts.Fatalf("took %v", d)
	}
}

// truncate FILE BYTES cuts that many bytes off a file's end.
func truncate(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: truncate FILE BYTES")
	}
	path := ts.MkAbs(args[0])
	cut, err := strconv.ParseInt(args[1], 10, 64)
	ts.Check(err)
	info, err := os.Stat(path)
	ts.Check(err)
	ts.Check(os.Truncate(path, info.Size()-cut))
}

// replace FILE OLD NEW replaces bytes, which must be there.
func replace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 || len(args[1]) == 0 {
		ts.Fatalf("usage: replace FILE OLD NEW")
	}
	path := ts.MkAbs(args[0])
	raw, err := os.ReadFile(path)
	ts.Check(err)
	changed := bytes.ReplaceAll(raw, []byte(args[1]), []byte(args[2]))
	if bytes.Equal(changed, raw) {
		ts.Fatalf("%s does not hold %q", args[0], args[1])
	}
	ts.Check(os.WriteFile(path, changed, 0o644))
}
