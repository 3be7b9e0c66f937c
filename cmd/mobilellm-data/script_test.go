package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"
	"github.com/rogpeppe/go-internal/testscript"

	"mobilellm/internal/cli/clitest"
	"mobilellm/internal/testlong"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mobilellm-data": main})
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			root, err := filepath.Abs("../..")
			if err != nil {
				return err
			}
			e.Setenv("MODEL", filepath.Join(root, "tokenizer", "huggingface", "testdata", "huggingface", "qwen"))
			e.Setenv("SGD", filepath.Join(root, "data", "sgd", "testdata", "sample"))
			var table, packed bytes.Buffer
			if err := parquet.Write(&table, []struct {
				Text string `parquet:"content"`
			}{{"a row of text"}, {"another row"}}); err != nil {
				return err
			}
			z := gzip.NewWriter(&packed)
			z.Write(bytes.Repeat([]byte("some text to pack "), 500))
			z.Close()
			for name, content := range map[string][]byte{
				"table.parquet": table.Bytes(), "cut.txt.gz": packed.Bytes()[:packed.Len()/2], "broken.txt": []byte("broken \xff text"),
				"spiece.model": gunzip(e, filepath.Join(root, "tokenizer", "sentencepiece", "testdata", "trained.model.gz")),
			} {
				if err := os.WriteFile(filepath.Join(e.WorkDir, name), content, 0o644); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: clitest.Commands(nil),
	})
}

func gunzip(_ *testscript.Env, path string) []byte {
	file, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(file))
	if err != nil {
		panic(err)
	}
	var out bytes.Buffer
	if _, err := out.ReadFrom(z); err != nil {
		panic(err)
	}
	return out.Bytes()
}

// The program, killed at random moments and started again, ends with the bytes
// of an undisturbed run.
func TestKilled(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: starts the program many times")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "mobilellm-data")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var lines strings.Builder
	r := rand.New(rand.NewPCG(1, 2))
	documents, tries := 20_000, 5
	if testlong.On() {
		documents, tries = 60_000, 20
	}
	for i := range documents {
		fmt.Fprintf(&lines, "{\"text\": \"document %d says %x %x %x and then nothing more\"}\n", i, r.Uint64(), r.Uint64(), r.IntN(9))
		if i%5000 == 77 {
			lines.WriteString("{broken\n")
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "in.jsonl"), []byte(lines.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	start := func(out string) *exec.Cmd {
		return exec.Command(program, "tokenize", "--tokenizer", "bytes", "--shard-tokens", "200000", "--dedup", "--near", "0", "--out", out, filepath.Join(dir, "in.jsonl"))
	}
	whole := filepath.Join(dir, "whole")
	begun := time.Now()
	if out, err := start(whole).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	took := time.Since(begun)
	broken := filepath.Join(dir, "broken")
	kills := 0
	for try := range tries + 5 {
		c := start(broken)
		var out bytes.Buffer
		c.Stdout, c.Stderr = &out, &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		if try < tries {
			time.Sleep(time.Duration(r.Int64N(int64(took))))
			c.Process.Signal(syscall.SIGKILL)
		}
		err := c.Wait()
		if err == nil {
			break
		}
		if s, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !s.Signaled() {
			t.Fatalf("%v\n%s", err, out.String())
		}
		kills++
	}
	if kills == 0 {
		t.Error("never killed in time")
	}
	entries, err := os.ReadDir(whole)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadDir(broken)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(entries) || len(entries) < 10 {
		t.Errorf("%d files, want %d", len(got), len(entries))
	}
	for _, e := range entries {
		a, err := os.ReadFile(filepath.Join(whole, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(broken, e.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs after %d kills: %v", e.Name(), kills, err)
		}
	}
	t.Logf("killed %d times", kills)
}

// A long text does not take memory: 64 MB are tokenized in a small part of it.
func TestMemory(t *testing.T) {
	testlong.Only(t) // tokenizes 64 MB
	dir := t.TempDir()
	program := filepath.Join(dir, "mobilellm-data")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	line := strings.Repeat("the quick brown fox jumps over the lazy dog ", 30) + "\n"
	if err := os.WriteFile(filepath.Join(dir, "in.txt"), []byte(strings.Repeat(line, 64<<20/len(line))), 0o644); err != nil {
		t.Fatal(err)
	}
	c := exec.Command(program, "tokenize", "--tokenizer", "../../tokenizer/huggingface/testdata/huggingface/qwen", "--out", filepath.Join(dir, "out"), filepath.Join(dir, "in.txt"))
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	usage, ok := c.ProcessState.SysUsage().(*syscall.Rusage)
	if !ok {
		t.Skip("the system does not tell a process's memory")
	}
	t.Logf("peak %d MB", usage.Maxrss>>10)
	if usage.Maxrss>>10 > 200 {
		t.Errorf("peak of %d MB for 64 MB of text", usage.Maxrss>>10)
	}
}

// What documents show of the command, it takes.
func TestDocumented(t *testing.T) { clitest.Documented(t, newCommand) }

// Mistakes on the command line, and what is said of them.
func TestMistakes(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/mistakes", Cmds: clitest.Commands(nil)})
}
