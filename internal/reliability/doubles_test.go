//go:build unix

package reliability

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/internal/testlong"
)

// Two processes that tokenize into one folder leave what one alone does.
func TestDoubleTokenize(t *testing.T) {
	testlong.Only(t)
	const all = 24
	dir, good := folder(t), 0
	write(t, filepath.Join(dir, "in.txt"), []byte(strings.Repeat("two processes read this line at once\n", 100_000)))
	args := []string{"tokenize", "--tokenizer", "bytes", "--split", "line", "--shard-tokens", "300000", "in.txt", "--out"}
	must(t, dir, "mobilellm-data", append(args, "alone")...)
	want := contents(t, filepath.Join(dir, "alone"))
	for n := range all {
		out := fmt.Sprintf("out-%d", n)
		codes, outs := twice(t, dir, "mobilellm-data", append(args, out)...)
		switch {
		case !oneDone(codes, outs, "writes it"):
			t.Errorf("pair %d: exit codes %v\n%s\n%s", n, codes, outs[0], outs[1])
		case !maps.Equal(contents(t, filepath.Join(dir, out)), want):
			t.Errorf("pair %d leaves another folder", n)
		default:
			must(t, dir, "mobilellm-data", "verify", out)
			good++
		}
		if err := os.RemoveAll(filepath.Join(dir, out)); err != nil {
			t.Fatal(err)
		}
	}
	figure(t, "double tokenizes sound", good, all, "")
}

// Two processes that export to one path leave what one alone does, and nothing else.
func TestDoubleExport(t *testing.T) {
	testlong.Only(t)
	const each = 6
	dir, good, all := folder(t), 0, 0
	must(t, dir, "mobilellm-train", "--config", "tiny.yaml", "--out", "run")
	for _, format := range []string{"hf", "gguf", "onnx"} {
		alone := filepath.Join(dir, "alone-"+format)
		if err := os.Mkdir(alone, 0o755); err != nil {
			t.Fatal(err)
		}
		args := []string{"--model", "run", "--format", format, "--out"}
		must(t, dir, "mobilellm-export", append(args, filepath.Join(alone, "out"))...)
		want := contents(t, alone)
		for n := range each {
			all++
			to := filepath.Join(dir, fmt.Sprintf("%s-%d", format, n))
			if err := os.Mkdir(to, 0o755); err != nil {
				t.Fatal(err)
			}
			codes, outs := twice(t, dir, "mobilellm-export", append(args, filepath.Join(to, "out"))...)
			left := leftovers(t, to)
			switch {
			case !oneDone(codes, outs, "writes it", "exists already"):
				t.Errorf("%s, pair %d: exit codes %v\n%s\n%s", format, n, codes, outs[0], outs[1])
			case codes == [2]int{} || len(left) > 0 || !maps.Equal(contents(t, to), want):
				t.Errorf("%s, pair %d: exit codes %v, left over %q, or another output", format, n, codes, left)
			default:
				good++
			}
		}
	}
	figure(t, "double exports sound", good, all, "")
}
