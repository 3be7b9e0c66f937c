package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/tokenizer"
)

// conversations are the lines of a file of sums as OpenAI's messages.
func conversations(t *testing.T, n int) data.Sources {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `{"messages": [{"role": "user", "content": "%d+1"}, {"role": "assistant", "content": "%d"}]}`+"\n", i, i+1)
	}
	path := filepath.Join(t.TempDir(), "chat.jsonl")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return data.Sources{{Path: path, Weight: 1, Kind: "chat"}}
}

// tuning is a tiny run on conversations, two or three a row.
func tuning(t *testing.T) RunConfig {
	t.Helper()
	c := tiny(t)
	c.Data.Train, c.Data.ChatTemplate, c.Data.DocumentMask = conversations(t, 60), "alpaca", true
	c.Model.Context, c.Data.Seq = 128, 128
	return c
}

func TestTuning(t *testing.T) {
	c := tuning(t)
	c.Train.Steps = 40
	c.Optim.LR = 1e-2
	out, result := train(t, c, Options{})
	if result.Loss > 2.2 || float64(result.Heldout.HeldoutLoss) > 2.5 {
		t.Errorf("the loss is %g, held out %g, from %g", result.Loss, result.Heldout.HeldoutLoss, math.Log(257))
	}
	m, err := ReadMetrics(out)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.Steps {
		if s.Supervised < 4 || s.Supervised > 4*5*4 {
			t.Errorf("step %d: %d tokens supervised", s.Step, s.Supervised)
		}
	}
	tok, err := tokenizer.Load(result.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if template, _ := tok.ChatTemplate(); !strings.Contains(template, "### Response:") {
		t.Errorf("the checkpoint's template is %q", template)
	}
}

// Two micro-batches with different numbers of supervised tokens give the step of one.
func TestTuningMicroBatches(t *testing.T) {
	c := tuning(t)
	c.Train.Steps = 3
	whole := c
	whole.Train.MicroBatch = 4
	_, parts := train(t, c, Options{})
	_, one := train(t, whole, Options{})
	if math.Abs(parts.Loss-one.Loss) > 1e-5 {
		t.Errorf("the loss is %g in parts and %g at once", parts.Loss, one.Loss)
	}
}

func TestEpochs(t *testing.T) {
	c := tuning(t)
	c.Train.Epochs, c.Train.Batch, c.Train.MicroBatch = 2, 2, 2
	c.Train.Steps = 1
	out, result := train(t, c, Options{})
	set, err := data.Load(context.Background(), c.Data, data.LoadOptions{Vocab: 257})
	if err != nil {
		t.Fatal(err)
	}
	if want := set.Chat.Rows - 1; result.Step < 10 || math.Abs(float64(result.Step-want)) > 1 { // a row or two are held out
		t.Errorf("%d steps of two rows, there are %d rows", result.Step, set.Chat.Rows)
	}
	again, err := parseRun(file(t, out, RunFile))
	if err != nil || again.Train.Steps != int(result.Step) || again.Train.Epochs != 2 {
		t.Errorf("the run's configuration has %d steps, %v", again.Train.Steps, err)
	}
	for _, n := range []struct {
		epochs  float64
		samples int64
		want    int
	}{{1, 8, 2}, {1, 9, 3}, {0.1, 10, 1}, {3, 4, 3}, {0.001, 4, 1}} {
		if got := epochSteps(n.epochs, n.samples, 4); got != n.want {
			t.Errorf("%g passes over %d samples: %d steps, want %d", n.epochs, n.samples, got, n.want)
		}
	}
}

// A run ends when its validation loss has not fallen so often, keeps the lowest, and says
// so when it is resumed; one that is interrupted on the way ends where the unbroken one does.
func TestPatience(t *testing.T) {
	c := tuning(t)
	c.Optim.LR, c.Train.Steps = 0.1, 60
	c.Eval.Every, c.Train.Patience, c.Checkpoint = 2, 2, Saving{Keep: 1}
	out, result := train(t, c, Options{})
	m, err := ReadMetrics(out)
	if err != nil {
		t.Fatal(err)
	}
	scored := m.Heldout
	lowest := slices.MinFunc(scored, func(a, b HeldoutRecord) int { return int(math.Copysign(1, float64(a.HeldoutLoss-b.HeldoutLoss))) })
	if result.Step >= 60 || result.Step != lowest.Step+4 || scored[len(scored)-1].Step != result.Step {
		t.Fatalf("the run ended at step %d, the lowest loss is of step %d", result.Step, lowest.Step)
	}
	best, err := checkpoint.Best(filepath.Join(out, CheckpointsDir))
	if err != nil || best.Step != lowest.Step {
		t.Errorf("the best checkpoint is of step %d, %v; the lowest loss of %d", best.Step, err, lowest.Step)
	}
	latest, err := LatestCheckpoint(out)
	if err != nil || filepath.Base(latest) != fmt.Sprintf("step-%08d", result.Step) {
		t.Errorf("the latest is %s, %v", latest, err)
	}
	again, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Resume: latest})
	if err != nil {
		t.Fatal(err)
	}
	if again.Step != result.Step {
		t.Errorf("resumed, it goes on to step %d", again.Step)
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	broken := filepath.Join(t.TempDir(), "run")
	_, err = Run(ctx, c, Options{PeakFLOPS: 1e11, Out: broken, Workers: 2, afterStep: func(step int64) {
		if step == lowest.Step+3 {
			cancel()
		}
	}})
	if !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if latest, err = LatestCheckpoint(broken); err != nil {
		t.Fatal(err)
	}
	if _, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: broken, Resume: latest}); err != nil {
		t.Fatal(err)
	}
	if got, want := records(t, broken), records(t, out); !slices.Equal(got, want) {
		t.Errorf("interrupted and resumed, the run has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A base model gets rows for added tokens, as the mean of the others, and its checkpoints
// say that the new end of a turn ends texts.
func TestGrownVocabulary(t *testing.T) {
	base := tiny(t)
	base.Train.Steps = 2
	_, made := train(t, base, Options{})
	for name, shared := range map[string]bool{"shared": true, "untied": false} {
		t.Run(name, func(t *testing.T) {
			base, made := base, made
			base.Model.ShareEmbedding = shared
			if !shared {
				_, made = train(t, base, Options{})
			}
			c := tuning(t)
			c.Model.Context, c.Data.Seq = base.Model.Context, base.Data.Seq
			c.Model.ShareEmbedding = shared
			c.Data.ChatTemplate, c.Data.AddTokens = "chatml", []string{"<|im_start|>", "<|im_end|>"}
			c.Train.Steps, c.Optim.LR, c.Optim.WeightDecay = 1, 1e-30, 0 // no weight changes
			adapted := c
			adapted.LoRA = &arch.LoRA{Rank: 2}
			_, err := Run(context.Background(), adapted, Options{PeakFLOPS: 1e11, Out: filepath.Join(t.TempDir(), "run"), Init: made.Checkpoint})
			checkError(t, err, "lora: 2 tokens have no row in")
			_, result := train(t, c, Options{Init: made.Checkpoint})
			before, after := embedding(t, made.Checkpoint), embedding(t, result.Checkpoint)
			if len(after) != len(before)+2*32 || !slices.Equal(after[:len(before)], before) {
				t.Fatalf("%d values became %d", len(before), len(after))
			}
			for row := range 2 {
				for i, v := range after[len(before)+32*row:][:32] {
					var mean float64
					for id := range 257 {
						mean += float64(before[32*id+i]) / 257
					}
					if math.Abs(mean-float64(v)) > 1e-7 {
						t.Fatalf("row %d begins %g, want the mean %g", row, v, mean)
					}
				}
			}
			m, err := checkpoint.Open(result.Checkpoint)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			tok, err := m.Tokenizer()
			if err != nil || !slices.Equal(tok.Special().EOS, []int32{256, 258}) || m.Config.VocabSize != 259 {
				t.Errorf("%v, EOS %v of %d", err, tok.Special().EOS, m.Config.VocabSize)
			}
			c.Model.VocabSize, c.Train.Steps = 259, 2
			if _, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: RunFolder(result.Checkpoint), Resume: result.Checkpoint}); err != nil {
				t.Error(err)
			}
		})
	}
}

func embedding(t *testing.T, path string) []float32 {
	t.Helper()
	m, err := checkpoint.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	shape := []int{m.Config.VocabSize, m.Config.Dim}
	values := make([]float32, shape[0]*shape[1])
	if err := m.LoadInto("model.embed_tokens.weight", values, shape); err != nil {
		t.Fatal(err)
	}
	return values
}

func TestTuningMistakes(t *testing.T) {
	c := tuning(t)
	c.Train.Patience, c.Eval.Every, c.Train.Epochs = 2, 0, -1
	checkError(t, c.Validate(), "train.patience (2) needs scorings on the way: eval.every is 0", "train.epochs (-1) must be a number of 0 or more")
	c = tuning(t)
	out, result := train(t, c, Options{})
	c.Train.Steps = 14
	c.Data.Train[0].Kind = "prompt_completion"
	_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Resume: result.Checkpoint})
	checkError(t, err, "data.train and data.heldout (kinds) is [chat] in checkpoint", "a resumed run cannot change it")
}
