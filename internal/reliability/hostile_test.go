//go:build unix

package reliability

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	"mobilellm/internal/testlong"
)

// hostile are expressions that take a backtracking matcher, or one that copies what is
// repeated, for ever or all memory.
var hostile = []string{
	`(a+)+b`, `(a|a)*b`, `(a|aa)+$`, `(.*a){30}b`, `(a?){200}a{200}`, `((a{1,100}){1,100}){1,100}`, `(?:(?:a*)*)*b`, `(\p{L}+)*\d`, `(a*)*(?=b)`, `(x+x+)+y|(a+a+)+b`,
}

// A tokenizer.json with a hostile expression is refused or applied, in seconds and a
// bounded memory.
func TestHostileExpressions(t *testing.T) {
	testlong.Only(t)
	const most, memory = 10 * time.Second, 1 << 30
	dir, good := folder(t), 0
	raw, err := os.ReadFile("../../tokenizer/huggingface/testdata/huggingface/qwen/tokenizer.json")
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "a.txt"), bytes.Repeat([]byte("a"), 100_000))
	var longest time.Duration
	var largest int64
	for n, expression := range hostile {
		var file map[string]any
		if err := json.Unmarshal(raw, &file); err != nil {
			t.Fatal(err)
		}
		file["pre_tokenizer"] = map[string]any{"type": "Split", "pattern": map[string]any{"Regex": expression}, "behavior": "Isolated", "invert": false}
		changed, err := json.Marshal(file)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, "tokenizer.json"), changed)
		begun := time.Now()
		out, code, used, err := limited(most, dir, "mobilellm-data", "tokenize", "--tokenizer", "tokenizer.json", "--out", fmt.Sprintf("out-%d", n), "a.txt")
		if took := time.Since(begun); took > longest {
			longest = took
		}
		largest = max(largest, used)
		if err != nil || code != 0 && code != 1 || used > memory {
			t.Errorf("%s: exit code %d, %d MB, %v\n%.300s", expression, code, used>>20, err, out)
			continue
		}
		good++
	}
	figure(t, "hostile expressions within limits", good, len(hostile), fmt.Sprintf("(longest %.1f s, largest %d MB)", longest.Seconds(), largest>>20))
}

// Files that unpack to a thousand times their size are refused, or take no more memory
// than the plan says.
func TestBombs(t *testing.T) {
	testlong.Only(t)
	dir, good, all := folder(t), 0, 0
	line := append(bytes.Repeat([]byte("a b c d "), 1<<17), '\n')
	size := func(n int) *bytes.Buffer {
		var out bytes.Buffer
		z := gzip.NewWriter(&out)
		for range n {
			if _, err := z.Write(line); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return &out
	}
	write(t, filepath.Join(dir, "large.txt.gz"), size(3000).Bytes())
	write(t, filepath.Join(dir, "small.txt.gz"), size(300).Bytes())
	var frame bytes.Buffer
	z, err := zstd.NewWriter(&frame)
	if err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if _, err := z.Write(line); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "large.txt.zst"), frame.Bytes())
	check := func(what string, ok bool, out string) {
		all++
		if ok {
			good++
		} else {
			t.Errorf("%s:\n%.500s", what, out)
		}
	}
	for _, name := range []string{"large.txt.gz", "large.txt.zst"} {
		out, code, used, err := limited(2*time.Minute, dir, "mobilellm-data", "tokenize", "--tokenizer", "bytes", "--split", "line", "--out", "out-"+name, name)
		check(fmt.Sprintf("tokenize %s: exit code %d, %d MB, %v", name, code, used>>20, err), err == nil && code == 1 && used < 1<<30 && strings.Contains(out, "times as many, the limit"), out)
		out, code, _, err = limited(2*time.Minute, dir, "mobilellm-train", "--config", "tiny.yaml", "--data", name, "--out", "run-"+name)
		check(fmt.Sprintf("train on %s: exit code %d, %v", name, code, err), err == nil && code == 1, out)
	}
	out, code, used, err := limited(2*time.Minute, dir, "mobilellm-train", "--config", "tiny.yaml", "--data", "small.txt.gz", "--out", "run", "--json")
	var result struct {
		Planned int64 `json:"memory_bytes"`
	}
	if at := strings.Index(out, "{\n"); err == nil && at >= 0 {
		err = json.Unmarshal([]byte(out[at:]), &result)
	}
	check(fmt.Sprintf("train on small.txt.gz: exit code %d, %d MB of %d planned, %v", code, used>>20, result.Planned>>20, err), err == nil && code == 0 && used <= result.Planned*11/10, out)
	for _, name := range []string{"/dev/zero", "pipe"} {
		_, code, _, err := limited(time.Minute, dir, "mobilellm-train", "--config", "tiny.yaml", "--data", special(t, dir, name), "--out", "run-special")
		check(fmt.Sprintf("train on %s: exit code %d, %v", name, code, err), err == nil && code == 1, "")
	}
	figure(t, "packed bombs and special files bounded", good, all, fmt.Sprintf("(%d MB of %d planned)", used>>20, result.Planned>>20))
}
