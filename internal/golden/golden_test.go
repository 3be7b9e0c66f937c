package golden

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const llama = "../../arch/testdata/llama"

func TestLoad(t *testing.T) {
	files, err := filepath.Glob(llama + "/*.bin")
	if err != nil || len(files) != len(Cases) {
		t.Errorf("%d cases in %s (%v), %d are named", len(files), llama, err, len(Cases))
	}
	for _, name := range Cases {
		t.Run(name, func(t *testing.T) {
			c, err := Load(llama, name)
			if err != nil {
				t.Fatal(err)
			}
			if c.Name != name || len(c.Batches) != len(c.Losses) || len(c.Losses) != len(c.GradNorms) || len(c.Losses) != 10 {
				t.Errorf("%s: %d batches, %d losses, %d norms", c.Name, len(c.Batches), len(c.Losses), len(c.GradNorms))
			}
			// Embedding, final norm, nine weights a layer and a head of its own.
			want := 2 + 9*c.Config.Layers
			if !c.Config.ShareEmbedding {
				want++
			}
			if c.Config.QKNorm {
				want += 2 * c.Config.Layers
			}
			if len(c.Names) != want || len(c.Params) != want || len(c.Grads) != want {
				t.Errorf("%d names, %d parameters, %d gradients, want %d", len(c.Names), len(c.Params), len(c.Grads), want)
			}
			for _, n := range c.Names {
				if k := size(c.Shapes[n]); len(c.Params[n]) != k || len(c.Grads[n]) != k {
					t.Errorf("%s is %v with %d elements and %d of gradient", n, c.Shapes[n], len(c.Params[n]), len(c.Grads[n]))
				}
			}
			for i, b := range c.Batches {
				if n := c.Batch * c.Seq; len(b.Tokens) != n || len(b.Targets) != n || b.Supervised() == 0 || b.Supervised() == n {
					t.Errorf("batch %d has %d tokens, %d targets, %d supervised", i, len(b.Tokens), len(b.Targets), b.Supervised())
				}
			}
			if loss := meanLoss(c); math.Abs(loss-c.Loss) > 1e-5 || c.Loss != c.Losses[0] {
				t.Errorf("loss %v, first training loss %v, by the logits %v", c.Loss, c.Losses[0], loss)
			}
			if norm := globalNorm(c); math.Abs(norm-c.GradNorms[0]) > 1e-4 {
				t.Errorf("gradient norm %v, by the gradients %v", c.GradNorms[0], norm)
			}
		})
	}
}

// meanLoss is the cross-entropy of the stored logits: it ties together the
// layout of logits, targets and unsupervised tokens.
func meanLoss(c *Case) float64 {
	var loss float64
	v := c.Config.VocabSize
	for n, target := range c.Batches[0].Targets {
		if target < 0 {
			continue
		}
		row := c.Logits[n*v : (n+1)*v]
		var sum float64
		for _, x := range row {
			sum += math.Exp(float64(x))
		}
		loss += math.Log(sum) - float64(row[target])
	}
	return loss / float64(c.Batches[0].Supervised())
}

func globalNorm(c *Case) float64 {
	var ss float64
	for _, g := range c.Grads {
		for _, x := range g {
			ss += float64(x) * float64(x)
		}
	}
	return math.Sqrt(ss)
}

func TestLoadErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("broken.json", "{")
	write("alone.json", "{}")
	write("odd.json", "{}")
	write("odd.bin", "abc")
	write("short.json", `{"tensors":[{"kind":"param","name":"w","shape":[2,3],"offset":1}]}`)
	write("short.bin", strings.Repeat("\x00", 24))
	write("kind.json", `{"tensors":[{"kind":"bias","name":"b","shape":[1],"offset":0}]}`)
	write("kind.bin", strings.Repeat("\x00", 4))
	for name, want := range map[string]string{
		"absent": "absent.json",
		"broken": "broken.json: unexpected end",
		"alone":  "alone.bin",
		"odd":    "odd.bin has 3 bytes",
		"short":  "short.bin: param w [2 3] at 1, file has 6 elements",
		"kind":   `kind.bin: b is of unknown kind "bias"`,
	} {
		if _, err := Load(dir, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", name, err, want)
		}
	}
}

func TestDifference(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		name      string
		got, want []float64
		diff      float64
	}{
		{"equal", []float64{1, -2}, []float64{1, -2}, 0},
		{"share of the largest", []float64{1, -4.5}, []float64{1.5, -5}, 0.1},
		{"zeros", []float64{0}, []float64{0}, 0},
		{"not a number", []float64{nan, 1}, []float64{0, 1}, math.Inf(1)},
		{"zero wanted", []float64{1e-9}, []float64{0}, math.Inf(1)},
		{"lengths", []float64{1}, []float64{1, 2}, math.Inf(1)},
	} {
		if d := Difference(c.got, c.want); d != c.diff {
			t.Errorf("%s: %v, want %v", c.name, d, c.diff)
		}
		err := Check("w", c.got, c.want, 0.05)
		if (err != nil) != (c.diff > 0.05) {
			t.Errorf("%s: check says %v", c.name, err)
		}
	}
}

func TestLoadOps(t *testing.T) {
	ops, err := LoadOps("../../engine/op/testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, o := range ops {
		name := o.Kind + "/" + o.Name
		if seen[name] {
			t.Errorf("%s occurs twice", name)
		}
		seen[name] = true
		if len(o.Upstream) != size(o.Output.Shape) {
			t.Errorf("%s: %d elements upstream, output is %v", name, len(o.Upstream), o.Output.Shape)
		}
		grads := 0
		for _, a := range o.Inputs {
			if a.Grad != nil && len(a.Grad) != len(a.Data) {
				t.Errorf("%s: gradient of %s has %d elements, want %d", name, a.Name, len(a.Grad), len(a.Data))
			}
			grads += len(a.Grad)
		}
		if grads == 0 {
			t.Errorf("%s has no gradient", name)
		}
		if o.Kind == "attention" && o.Int("heads")%o.Int("kv_heads") != 0 {
			t.Errorf("%s: %d heads, %d kv heads", name, o.Int("heads"), o.Int("kv_heads"))
		}
	}
	if len(ops) == 0 {
		t.Error("no operations")
	}
}

func TestLoadOpsErrors(t *testing.T) {
	dir := t.TempDir()
	for name, c := range map[string]struct{ text, want string }{
		"broken": {"[", "broken: unexpected end"},
		"short": {
			`[{"kind":"add","name":"odd","inputs":[{"name":"a","shape":[2,3],"data":[1]}],"output":{"shape":[]}}]`,
			"add odd: a has 1 elements, its shape is [2 3]",
		},
	} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadOps(path); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
	if _, err := LoadOps(filepath.Join(dir, "absent")); err == nil {
		t.Error("no error for an absent file")
	}
}
