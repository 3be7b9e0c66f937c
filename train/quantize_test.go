package train

import (
	"context"
	"io"
	"math"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// A model of few bits starts from a trained one, whose loss it is near at first; what its
// rows learn starts from their weights, moves, and is taken over by a run that goes on from
// it.
func TestQuantized(t *testing.T) {
	whole := tiny(t)
	out, before := train(t, whole, Options{})
	from := out

	c := whole
	c.Model.Quantize = arch.Quantize{Weights: 4, Activations: 8, Method: quant.LSQ}
	c.Optim.LR = 1e-3
	begun := c
	begun.Train.Steps = 1
	if _, r := train(t, begun, Options{Init: from}); math.Abs(r.Loss-before.Loss) > 0.3 {
		t.Errorf("the first loss in 4 bits is %g, the last one before %g", r.Loss, before.Loss)
	}
	tuned, _ := train(t, c, Options{Init: from})
	folder, err := checkpoint.Open(tuned)
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	if folder.Config.Quantize != c.Model.Resolved().Quantize {
		t.Errorf("the checkpoint says %+v", folder.Config.Quantize)
	}
	const weight = "model.layers.0.self_attn.q_proj.weight"
	matrix, clip, start := make([]float32, 32*32), make([]float32, 32), make([]float32, 32)
	for name, dst := range map[string][]float32{weight: matrix, "model.layers.0.self_attn.q_proj.weight_clip_val": clip} {
		shape := []int{32, 32}[:1+len(dst)/1024]
		if err := folder.LoadInto(name, dst, shape); err != nil {
			t.Fatal(err)
		}
	}
	c.Model.StartClip(start, matrix)
	if slices.Equal(clip, start) {
		t.Error("the steps did not move")
	}

	_, load, err := folder.Config.Rounded(folder.LoadInto)
	if err != nil {
		t.Fatal(err)
	}
	if err := load(weight, matrix, []int{32, 32}); err != nil {
		t.Fatal(err)
	}
	seen := map[float32]bool{}
	for _, x := range matrix[:32] {
		seen[x] = true
	}
	if len(seen) > 16 {
		t.Errorf("a row of 4 bits has %d values", len(seen))
	}

	// With the same bits the learned steps are taken over, with others they start anew.
	for bits, same := range map[quant.Bits]bool{4: true, 3: false} {
		next := c
		next.Model.Quantize.Weights, next.Train.Steps = bits, 1
		r, err := newRun(next, Options{Init: tuned, Progress: NewProgress(io.Discard, false)})
		if err != nil {
			t.Fatal(err)
		}
		r.text = &data.Set{}
		r.dev, err = device.Open("cpu", 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.weights, err = newWeights(r.dev, r.params, engine.WeightOptions{Gradients: true}); err != nil {
			t.Fatal(err)
		}
		if r.initial, err = checkpoint.Open(tuned); err != nil {
			t.Fatal(err)
		}
		if err := r.makeOptimizer(); err != nil {
			t.Fatal(err)
		}
		if err := r.loadInitial(); err != nil {
			t.Fatal(err)
		}
		got := r.weights.Value("model.layers.0.self_attn.q_proj.weight_clip_val").Float32s()
		if slices.Equal(got, clip) != same {
			t.Errorf("%v bits: the steps are %v, were %v", bits, got[:3], clip[:3])
		}
		r.initial.Close()
		r.weights.Close()
		r.dev.Close()
	}
	c.Model.Quantize.Weights = 1.58
	_, err = Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: filepath.Join(t.TempDir(), "run")})
	checkError(t, err, "model.quantize.weights (1.58): 1.58 bits have no method lsq")
}

// A run says what its model loses by quantisation after training.
func TestScoreQuantized(t *testing.T) {
	c := tiny(t)
	c.Eval.Quantize = []string{"w8a8", "w2a16", "w16a8:asymmetric"}
	out, result := train(t, c, Options{})
	r, err := ReadSummary(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Tasks) != 3 {
		t.Fatalf("%+v", r.Tasks)
	}
	whole := float64(result.Heldout.HeldoutLoss)
	for i, s := range r.Tasks {
		name, near := c.Eval.Quantize[i], []float64{0.02, 0.5, 0.02}[i]
		if d := math.Abs(float64(s.Value) - whole); s.Task != QuantizedLoss(name) || !s.Lower || d == 0 || d > near {
			t.Errorf("%s: %+v, the validation loss is %g", name, s, whole)
		}
	}
	plain, _ := train(t, tiny(t), Options{})
	if a, b := losses(t, out), losses(t, plain); !slices.Equal(a, b) {
		t.Errorf("measuring changes the run: %v, %v", a, b)
	}
	for text, want := range map[string]string{
		"w5a16": "eval.quantize: w5a16: model.quantize.weights (5): 5 bits have no method minmax",
		"int8":  `eval.quantize: "int8" is no quantisation: say bits of weights and activations, as w8a8 or w4a16`,
		"w8a8":  `eval.quantize (["w8a8"]) is for a model that is not quantised; model.quantize is w4a16, minmax`,
	} {
		bad := c
		bad.Eval.Quantize = []string{text}
		if text == "w8a8" {
			bad.Model.Quantize.Weights = 4
		}
		checkError(t, bad.Validate(), want)
	}
}

func losses(t *testing.T, out string) (list []float64) {
	for _, s := range steps(t, out) {
		list = append(list, s.Loss)
	}
	return list
}
