//go:build unix

package cuda_test

import (
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
	"mobilellm/internal/testlong"
	"mobilellm/optim"
	"mobilellm/train"
	"mobilellm/train/benchmark"
)

// open makes a device on a shadow and closes it at the end of the test, by when
// it must hold no memory.
func open(t *testing.T, so shadow.Options, o cuda.Options) (*cuda.Device, *shadow.Driver) {
	t.Helper()
	driver := shadow.New(so)
	o.PeakEdge = 8
	dev, err := cuda.New(func() (cuda.Driver, error) { return driver, nil }, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		dev.Close()
		if err := dev.Err(); err != nil {
			t.Error(err)
		}
	})
	return dev, driver
}

// text writes some sentences to a file and returns its path.
func text(t *testing.T) string {
	t.Helper()
	words := strings.Fields("the a small deep thin model layer head learns reads writes shares keeps token weight of in with and its every")
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	for range 300 {
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

// small is a run of twenty steps: shared layers, grouped queries, a tied head,
// two micro-batches a step.
func small(path string) train.RunConfig {
	c := train.DefaultRun()
	c.Model = arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 48, Context: 32, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.05, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}
	c.Data.Train = data.Sources{{Path: path, Weight: 1}}
	c.Data.Tokenizer, c.Data.Seq, c.Data.HeldoutTokens = data.TokenizerBytes, 32, 256
	c.Optim.LR, c.Optim.WarmupSteps = 3e-3, 2
	c.Train = train.Loop{Steps: 20, Batch: 4, MicroBatch: 2, Precision: train.Precision{Value: engine.PrecisionF32}, Seed: 5}
	c.Eval.Every, c.Checkpoint = 10, train.Saving{Every: 10}
	return c
}

// losses runs c and returns the loss of every step, then the norms, then the
// validation losses.
func losses(t *testing.T, c train.RunConfig, o train.Options) (out string, step, norm, heldout []float64) {
	t.Helper()
	if o.Out == "" {
		o.Out = filepath.Join(t.TempDir(), "run")
	}
	o.Workers, o.PeakFLOPS = 2, 1e11
	if o.Device == nil {
		c.Device = "cpu"
	}
	if _, err := train.Run(context.Background(), c, o); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(o.Out, train.MetricsFile))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		var r struct {
			Loss, Heldout *float64
			Norm          float64  `json:"grad_norm"`
			HeldoutLoss   *float64 `json:"heldout_loss"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.HeldoutLoss != nil {
			heldout = append(heldout, *r.HeldoutLoss)
			continue
		}
		if r.Loss != nil { // and not that the run was resumed
			step, norm = append(step, *r.Loss), append(norm, r.Norm)
		}
	}
	return o.Out, step, norm, heldout
}

// compares skips a test whose precision this build and processor have not.
func compares(t *testing.T, p engine.Precision) {
	t.Helper()
	if p != engine.PrecisionBF16 {
		return
	}
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	if !dev.BF16() {
		t.Skip("no bf16 matmuls on this processor to compare with")
	}
}

func agree(t *testing.T, what string, got, want []float64, tolerance float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d values of %s, want %d", len(got), what, len(want))
	}
	for i, x := range got {
		if !(math.Abs(x-want[i]) <= tolerance*math.Abs(want[i])) {
			t.Errorf("%s %d is %.6f, on the processor %.6f", what, i+1, x, want[i])
		}
	}
}

// Twenty steps through the whole host side of the device, on memory that the
// host cannot touch, give the processor's losses.
func TestTrainingAgreesWithProcessor(t *testing.T) {
	path := text(t)
	bf16 := train.Precision{Value: engine.PrecisionBF16}
	for _, test := range []struct {
		name   string
		change func(*train.RunConfig)
		device cuda.Options
		long   bool // left out, but for make test-long and make test-gpu
	}{
		{"shared layers, two micro-batches", func(*train.RunConfig) {}, cuda.Options{}, false},
		{"one micro-batch, in the gradients' memory", func(c *train.RunConfig) { c.Train.MicroBatch = 4 }, cuda.Options{}, false},
		{"without graphs", func(*train.RunConfig) {}, cuda.Options{NoGraphs: true}, true},
		{"bf16", func(c *train.RunConfig) { c.Train.Precision = bf16 }, cuda.Options{}, true},
		{"bf16, blocks again", func(c *train.RunConfig) {
			c.Train.Precision, c.Train.Recompute = bf16, train.Recompute(engine.RecomputeBlock)
		}, cuda.Options{}, false},
		{"attention again", func(c *train.RunConfig) { c.Train.Recompute = train.Recompute(engine.RecomputeAttention) }, cuda.Options{}, true},
		{"own head, ReLU", func(c *train.RunConfig) {
			c.Model.ShareEmbedding, c.Model.FFN, c.Model.LayerSharing.Strategy = false, arch.ReLU, arch.NoSharing
		}, cuda.Options{}, false},
		{"documents", func(c *train.RunConfig) { c.Data.DocumentMask = true }, cuda.Options{}, false},
		{"adam, bf16 moments", func(c *train.RunConfig) { c.Optim.Name, c.Optim.Moments = optim.NameAdam, optim.MomentsBF16 }, cuda.Options{}, true},
		{"norms of queries and keys", func(c *train.RunConfig) { c.Model.QKNorm = true }, cuda.Options{}, false},
		{"bf16, norms of queries and keys", func(c *train.RunConfig) { c.Model.QKNorm, c.Train.Precision = true, bf16 }, cuda.Options{}, true},
		{"z-loss", func(c *train.RunConfig) { c.Train.ZLoss = 0.1 }, cuda.Options{}, true},
		{"sgd", func(c *train.RunConfig) { c.Optim.Name, c.Optim.LR = optim.NameSGD, 0.1 }, cuda.Options{}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.long {
				testlong.Only(t)
			}
			c := small(path)
			test.change(&c)
			compares(t, c.Train.Precision.Value)
			_, want, wantNorm, wantHeldout := losses(t, c, train.Options{})
			dev, driver := open(t, shadow.Options{}, test.device)
			_, got, norm, heldout := losses(t, c, train.Options{Device: dev})
			loss := 1e-4
			if c.Train.Precision == bf16 {
				loss = 1e-3
			}
			agree(t, "loss", got, want, loss)
			agree(t, "gradient norm", norm, wantNorm, 30*loss)
			agree(t, "validation loss", heldout, wantHeldout, loss)
			if test.device.NoGraphs != (driver.Replays == 0) {
				t.Errorf("%d graphs were launched", driver.Replays)
			}
		})
	}
}

// A run with a teacher likewise; the teacher is a checkpoint made before.
func TestDistillationAgreesWithProcessor(t *testing.T) {
	c := small(text(t))
	teacher, _, _, _ := losses(t, c, train.Options{})
	c.Distil.Teacher = filepath.Join(teacher, train.CheckpointsDir, "step-00000020")
	c.Distil.Alpha, c.Distil.Temperature, c.Train.Steps, c.Train.Seed = 0.3, 2, 8, 7
	_, want, wantNorm, _ := losses(t, c, train.Options{})
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	_, got, norm, _ := losses(t, c, train.Options{Device: dev})
	agree(t, "loss", got, want, 2e-3) // the teacher runs in bf16 where the device has it
	agree(t, "gradient norm", norm, wantNorm, 2e-2)
}

// The host reads once a step, and in the steady state launches a graph for each
// micro-batch.
func TestHostReadsOnceAStep(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: 25 more steps")
	}
	path := text(t)
	downloads, replays := map[int]int{}, map[int]int{}
	for _, steps := range []int{10, 15} {
		c := small(path)
		c.Train.Steps, c.Eval.Every, c.Checkpoint.Every = steps, 0, 0
		dev, driver := open(t, shadow.Options{}, cuda.Options{})
		losses(t, c, train.Options{Device: dev})
		downloads[steps], replays[steps] = driver.Downloads, driver.Replays
	}
	if n := downloads[15] - downloads[10]; n != 5 {
		t.Errorf("5 steps read %d times from the device", n)
	}
	if n := replays[15] - replays[10]; n != 2*5 {
		t.Errorf("5 steps of two micro-batches launched %d graphs", n)
	}
}

// A run that is saved on the device and resumed there, or on the processor, goes
// on as the unbroken one.
func TestResume(t *testing.T) {
	c := small(text(t))
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	out, want, _, _ := losses(t, c, train.Options{Device: dev})
	for name, device := range map[string]device.Device{"device": dev, "processor": nil} {
		branch := filepath.Join(t.TempDir(), "branch")
		_, got, _, _ := losses(t, c, train.Options{Device: device, Out: branch, Resume: filepath.Join(out, train.CheckpointsDir, "step-00000010")})
		tolerance := 0.0
		if device == nil {
			tolerance = 1e-4
		}
		agree(t, "loss on the "+name, got[len(got)-10:], want[10:], tolerance)
	}
}

// A guard on the device sees loss and norm before the update: what it lets pass is the run
// without, and what it does not leaves weights and the optimizer's count as they were.
func TestSpikeGuard(t *testing.T) {
	c := small(text(t))
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	_, want, _, _ := losses(t, c, train.Options{Device: dev})
	c.Train.SpikeGuard = train.SpikeGuard{Action: train.SpikeSkip, Of: "either", ZScore: 1e9, Window: 3, Most: 100}
	_, got, _, _ := losses(t, c, train.Options{Device: dev})
	agree(t, "guarded loss", got, want, 0)
	c.Train.SpikeGuard.ZScore = 0.5
	out, _, _, _ := losses(t, c, train.Options{Device: dev})
	m, err := train.ReadMetrics(out)
	if err != nil {
		t.Fatal(err)
	}
	steps, skipped := m.Steps, 0
	for _, s := range steps {
		if s.Spike != nil {
			skipped++
		}
	}
	latest, err := train.LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	state, err := checkpoint.ReadState(latest)
	if err != nil || skipped == 0 || state.OptimizerSteps != len(steps)-skipped {
		t.Errorf("%d of %d steps skipped, the optimizer made %d (%v)", skipped, len(steps), state.OptimizerSteps, err)
	}
}

// A gradient that is not finite stops the run before the weights change, and the
// first operation is named.
func TestNonFinite(t *testing.T) {
	c := small(text(t))
	c.Optim.LR, c.Optim.Clip, c.Optim.WarmupSteps = 1e30, 0, 0
	c.Optim.WeightDecay = 0
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	_, err := train.Run(context.Background(), c, train.Options{Out: filepath.Join(t.TempDir(), "run"), Device: dev, PeakFLOPS: 1e11})
	if err == nil || !strings.Contains(err.Error(), "first in ") {
		t.Errorf("the error is %v", err)
	}
}

// The profile's times come from the device's marks, for every kind of operation.
func TestProfile(t *testing.T) {
	c := small(text(t))
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	result, err := train.Run(context.Background(), c, train.Options{Out: filepath.Join(t.TempDir(), "run"), Device: dev, PeakFLOPS: 1e11, Profile: true})
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, row := range result.Profile.Rows() {
		kinds[row.Kind] = row.Calls
		if row.Time <= 0 {
			t.Errorf("%s took %v", row.Kind, row.Time)
		}
	}
	if kinds["headloss"] != 2*20 || kinds["attention"] != 4*2*20 {
		t.Errorf("the profile counts %v", kinds)
	}
}

// A benchmark's step is a training step; the measured ones are without marks.
func TestBenchmark(t *testing.T) {
	c := small(text(t))
	dev, driver := open(t, shadow.Options{}, cuda.Options{})
	r, err := benchmark.Run(context.Background(), dev, benchmark.Machine{Peak: 1}, benchmark.Config{
		Model: c.Model.Resolved(), Optim: c.Optim, Batch: 2, Seq: 16, Steps: 2, WarmUp: 2,
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := math.Log(257); math.Abs(r.LastLoss-want) > 1 || driver.Replays != 3 || len(r.Profile) < 10 {
		t.Errorf("loss %v of about %v, %d graphs launched, %d rows of profile", r.LastLoss, want, driver.Replays, len(r.Profile))
	}
}

// What a device's memory has no room for is an error that tells how much there
// is.
func TestOutOfMemory(t *testing.T) {
	dev, _ := open(t, shadow.Options{Bytes: 1 << 20}, cuda.Options{})
	_, err := dev.Alloc(2 << 20)
	if err == nil || !strings.Contains(err.Error(), "cannot take 2 MB of GPU memory (1 MB free of 1 MB)") {
		t.Errorf("the error is %v", err)
	}
}

// Following an address of the device faults: the tests above would end there.
func TestHostAccessFaults(t *testing.T) {
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	mem, err := dev.Alloc(4)
	if err != nil {
		t.Fatal(err)
	}
	defer mem.Free()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("the host has read the device's memory")
		}
	}()
	t.Log(*(*byte)(mem.Pointer()))
}
