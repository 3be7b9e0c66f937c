package train

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
)

func TestMain(m *testing.M) {
	waitAlways = time.Minute // however slow the disk, tests find the checkpoints that they ask for
	goleak.VerifyTestMain(m)
}

// text writes some sentences to a file and returns its path.
func text(t *testing.T, sentences int) string {
	t.Helper()
	words := strings.Fields("the a small deep thin model layer head learns reads writes shares keeps token weight of in with and its every")
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range sentences {
		for range 4 + r.IntN(6) {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		b.WriteString("\n")
	}
	path := filepath.Join(t.TempDir(), "text.txt")
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// tiny is a run of twelve steps that takes part of a second.
func tiny(t *testing.T) RunConfig {
	t.Helper()
	c := DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 32, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}
	c.Data.Train = data.Sources{{Path: text(t, 300), Weight: 1}}
	c.Data.Tokenizer, c.Data.Seq = data.TokenizerBytes, 32
	c.Optim.LR, c.Optim.WarmupSteps = 3e-3, 2
	c.Train = Loop{Steps: 12, Batch: 4, MicroBatch: 2, Precision: Precision{Value: engine.PrecisionF32}, Seed: 5}
	c.Eval.Every = 4
	c.Checkpoint = Saving{Every: 4}
	return c
}

// train runs c in a folder of its own unless o names one, and returns it.
func train(t *testing.T, c RunConfig, o Options) (string, *Result) {
	t.Helper()
	if o.Out == "" {
		o.Out = filepath.Join(t.TempDir(), "run")
	}
	o.Workers, o.PeakFLOPS = 2, 1e11
	result, err := Run(context.Background(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	return o.Out, result
}

// records reads a run's metrics without what depends on the clock and the process.
func records(t *testing.T, out string) []string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(out, MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for line := range strings.Lines(string(raw)) {
		var record map[string]any
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record["resumed"] != nil {
			continue
		}
		for _, key := range []string{"tokens_per_second", "mfu", "data_wait", "memory_bytes", "wire_seconds", "wire_wait_seconds"} {
			delete(record, key)
		}
		list = append(list, fmt.Sprint(record))
	}
	return list
}

func file(t *testing.T, parts ...string) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func checkError(t *testing.T, err error, want ...string) {
	t.Helper()
	for _, part := range want {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("the error is\n%v\nwant %q in it", err, part)
		}
	}
}

// skipWithoutBF16 leaves out what needs bf16 matmuls in hardware.
func skipWithoutBF16(t *testing.T) {
	t.Helper()
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	if !dev.BF16() {
		t.Skip("this processor, or this build, has no bf16 matmuls")
	}
}
