//go:build unix

package reliability

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mobilellm/internal/testlong"
)

// damages are what happens to a file.
var damages = []struct {
	name string
	do   func(t *testing.T, r *rand.Rand, path string)
}{
	{"flipped bit", func(t *testing.T, r *rand.Rand, path string) {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		raw[r.IntN(len(raw))] ^= 1 << r.IntN(8)
		write(t, path, raw)
	}},
	{"truncated", func(t *testing.T, r *rand.Rand, path string) {
		info, err := os.Stat(path)
		if err == nil {
			err = os.Truncate(path, r.Int64N(info.Size()))
		}
		if err != nil {
			t.Fatal(err)
		}
	}},
	{"deleted", func(t *testing.T, _ *rand.Rand, path string) {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}},
}

// A checkpoint with a damaged file is accepted by nobody in silence: resuming names it
// and goes on from the one before, and generation and export end with an error.
func TestDamages(t *testing.T) {
	testlong.Only(t)
	dir, r := folder(t), source(2)
	must(t, dir, "mobilellm-train", "--config", "tiny.yaml", "--out", "run")
	names := slices.Sorted(maps.Keys(contents(t, filepath.Join(dir, "run", "checkpoints", "step-00000004"))))
	counts, good := map[string]int{}, 0
	const all = 200
	for n := range all {
		copied := filepath.Join(dir, "damaged")
		if err := os.RemoveAll(copied); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(dir, "run"))); err != nil {
			t.Fatal(err)
		}
		newest := filepath.Join("damaged", "checkpoints", "step-00000004")
		name, damage := names[r.IntN(len(names))], damages[r.IntN(len(damages))]
		resume := n%2 == 0 || strings.HasSuffix(name, "optimizer.safetensors") // which a model does without
		if !resume && name == "/state.json" && damage.name == "deleted" {
			resume = true // without it a folder is a model without checksums
		}
		damage.do(t, r, filepath.Join(dir, newest, name))
		var out string
		var code int
		var err error
		var ok bool
		switch {
		case resume:
			out, code, _, err = limited(time.Minute, dir, "mobilellm-train", "--resume", "--out", "damaged", "--steps", "5")
			ok = code == 0 && strings.Contains(out, "kept aside as damaged/checkpoints/damaged-step-00000004") && strings.Contains(out, "resuming damaged/checkpoints/step-00000002 after step 2")
		case n%4 == 1:
			out, code, _, err = limited(time.Minute, dir, "mobilellm-generate", "--model", newest, "--prompt", "a")
			ok = code == 1
		default:
			out, code, _, err = limited(time.Minute, dir, "mobilellm-export", "--model", newest, "--format", "gguf", "--out", "out.gguf")
			_, exported := os.Stat(filepath.Join(dir, "out.gguf"))
			ok = code == 1 && exported != nil
		}
		if err != nil || !ok {
			t.Errorf("damage %d, %s %s: exit code %d, %v\n%s", n, name, damage.name, code, err, out)
			continue
		}
		counts[damage.name]++
		good++
	}
	var kinds []string
	for _, d := range damages {
		kinds = append(kinds, fmt.Sprintf("%d %s", counts[d.name], d.name))
	}
	figure(t, "damaged checkpoints noticed", good, all, "("+strings.Join(kinds, ", ")+")")
}
