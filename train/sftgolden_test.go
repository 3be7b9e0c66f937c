package train

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"mobilellm/checkpoint/safetensors"
	"mobilellm/data"
	"mobilellm/optim"
)

// Five steps on conversations have the losses and gradients of PyTorch, which saw the
// conversations one at a time: packed in rows, in micro-batches and of all rows at once.
// testdata/sft/golden.py wrote them.
func TestTuningGolden(t *testing.T) {
	var golden struct {
		Losses     []float64
		GradNorms  []float64 `json:"grad_norms"`
		Supervised int
		Tokens     int64
	}
	raw, err := os.ReadFile("testdata/sft/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	gradients, err := safetensors.Open("testdata/sft/golden.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	defer gradients.Close()
	held := filepath.Join(t.TempDir(), "held.jsonl")
	if err := os.WriteFile(held, []byte(`{"prompt": "x", "completion": "y"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		rows, micro int
		mask        bool
	}{"packed": {3, 3, true}, "micro-batches": {3, 1, true}, "one a row": {6, 2, false}} {
		t.Run(name, func(t *testing.T) {
			config := DefaultRun()
			if err := config.StartFrom("testdata/sft/base"); err != nil {
				t.Fatal(err)
			}
			config.Data.Train, config.Data.Heldout, config.Data.Kind = data.Texts("testdata/sft/chat.jsonl"), data.Texts(held), "chat"
			config.Data.ChatTemplate, config.Data.AddTokens = "chatml", []string{"<|im_start|>", "<|im_end|>"}
			config.Data.Tokenizer, config.Data.Seq, config.Data.DocumentMask = data.TokenizerBytes, 150, c.mask
			adamw := &config.Optim
			adamw.Name, adamw.LR, adamw.Schedule = optim.NameAdamW, 1e-2, optim.ScheduleConstant
			adamw.Betas, adamw.Eps, adamw.WeightDecay, adamw.Clip, adamw.WarmupSteps = [2]float64{0.9, 0.95}, 1e-8, 0.01, 1, 0
			config.Train = Loop{Steps: 5, Batch: c.rows, MicroBatch: MicroBatch(c.micro), Seed: 1}
			config.Model = config.Model.Resolved()
			o := Options{Init: "testdata/sft/base", Out: filepath.Join(t.TempDir(), "run"), Workers: 1, PeakFLOPS: 1e11, Progress: NewProgress(io.Discard, false)}
			r, err := newRun(config, o)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := r.close(); err != nil {
					t.Error(err)
				}
			}()
			ctx := context.Background()
			if err := r.prepare(ctx); err != nil {
				t.Fatal(err)
			}
			if rows := r.text.Chat.Rows; rows != int64(c.rows)+1 || r.text.Train.Len() != golden.Tokens {
				t.Fatalf("%d rows with the held-out one, %d tokens, want %d and %d", rows, r.text.Train.Len(), c.rows+1, golden.Tokens)
			}
			for step := range 5 {
				b, err := r.batch(ctx)
				if err != nil {
					t.Fatal(err)
				}
				if b.Tokens != golden.Supervised {
					t.Fatalf("%d tokens supervised, want %d", b.Tokens, golden.Supervised)
				}
				loss, _, norm, _, err := r.update(ctx, b, r.schedule.LR(step))
				r.release(b)
				if err != nil {
					t.Fatal(err)
				}
				if math.Abs(loss-golden.Losses[step]) > 1e-4 || math.Abs(norm-golden.GradNorms[step]) > 1e-4*norm {
					t.Errorf("step %d: loss %g, gradient norm %g, want %g and %g", step+1, loss, norm, golden.Losses[step], golden.GradNorms[step])
				}
				for _, p := range r.trained {
					compareGradient(t, step, p, gradients)
				}
			}
		})
	}
}

// compareGradient compares a parameter's gradient with PyTorch's, as a whole and value by
// value.
func compareGradient(t *testing.T, step int, p optim.Param, golden *safetensors.File) {
	t.Helper()
	want := make([]float32, len(p.Grad))
	if err := golden.ReadFloat32(fmt.Sprintf("%d.%s", step, p.Name), want); err != nil {
		t.Fatal(err)
	}
	var largest, worst float64
	for i, w := range want {
		largest = max(largest, math.Abs(float64(w)))
		worst = max(worst, math.Abs(float64(w-p.Grad[i])))
	}
	if largest == 0 || worst > 1e-4*max(largest, 1e-2) {
		t.Errorf("step %d: the gradient of %s differs by %g, its largest value is %g", step+1, p.Name, worst, largest)
	}
}
