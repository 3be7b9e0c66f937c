package train

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/engine"
)

func TestZScore(t *testing.T) {
	for _, test := range []struct {
		window  []float64
		x, want float64
	}{
		{[]float64{1, 2, 3}, 4, 2 / math.Sqrt(2.0/3)},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 9, 2}, // mean 5, deviation 2
		{[]float64{5, 5, 5, 5}, 5.1, 2},           // 1 % of the mean
		{[]float64{3, 5}, 1, -3},
	} {
		if got := zScore(test.window, test.x); math.Abs(got-test.want) > 1e-9 {
			t.Errorf("%v is %v above %v, want %v", test.x, got, test.window, test.want)
		}
	}
}

// watched is a run that takes ordinary noise for spikes.
func watched(t *testing.T) RunConfig {
	t.Helper()
	c := tiny(t)
	c.Train.SpikeGuard = SpikeGuard{Action: SpikeSkip, Of: spikeEither, ZScore: 0.5, Window: 3, Most: 10}
	return c
}

// The update of a spike is not made: the next step begins with the same weights, and the
// step's line lists its samples.
func TestSpikeSkipped(t *testing.T) {
	c := watched(t)
	c.Checkpoint.Every = 1
	out, result := train(t, c, Options{})
	weights := func(step int64) string {
		return file(t, out, CheckpointsDir, strings.Replace(filepath.Base(result.Checkpoint), "12", two(step), 1), "model.safetensors")
	}
	skipped := 0
	for i, s := range steps(t, out) {
		if i == 0 {
			continue
		}
		if same := weights(s.Step) == weights(s.Step-1); same != (s.Spike != nil) {
			t.Errorf("step %d: spike %+v, weights as before: %v", s.Step, s.Spike, same)
		}
		if s.Spike == nil {
			continue
		}
		skipped++
		if s.Spike.ZScore <= 0.5 || len(s.Spike.Samples) != 4 || s.Spike.Samples[1].Number != (s.Step-1)*4+1 || s.Spike.Samples[3].MicroBatch != 2 || len(s.Spike.Samples[0].Text) != 32 {
			t.Errorf("step %d: %+v", s.Step, s.Spike)
		}
		if i < 3 {
			t.Errorf("step %d is a spike before the window is full", s.Step)
		}
	}
	state, err := checkpoint.ReadState(result.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	if skipped == 0 || state.OptimizerSteps != 12-skipped || state.Guard == nil || state.Guard.Skipped != int64(skipped) || len(state.Guard.Losses) != 3 {
		t.Errorf("%d skipped, the optimizer made %d, the guard is %+v", skipped, state.OptimizerSteps, state.Guard)
	}
}

func two(step int64) string { return string([]byte{'0' + byte(step/10), '0' + byte(step%10)}) }

// One that is to stop the run does, with what came before saved, and its batch gives the
// same loss again.
func TestSpikeStops(t *testing.T) {
	for name, change := range map[string]func(*RunConfig){
		"at once": func(c *RunConfig) { c.Train.SpikeGuard.Action = SpikeStop },
		"two in a row": func(c *RunConfig) { // a rate that makes the loss rise
			c.Train.SpikeGuard.Most, c.Train.SpikeGuard.ZScore, c.Optim.LR = 2, 0.01, 1
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := watched(t)
			change(&c)
			out := filepath.Join(t.TempDir(), "run")
			_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Workers: 2})
			var spike *SpikeError
			if !errors.As(err, &spike) {
				t.Fatalf("the error is %v", err)
			}
			checkError(t, err, "standard deviations above the steps before", "\nhint: "+spike.Folder+" has the batch", "--replay "+spike.Folder)
			latest, err := LatestCheckpoint(out)
			if err != nil {
				t.Fatal(err)
			}
			state, err := checkpoint.ReadState(latest)
			if err != nil || state.Step != spike.Step-1 {
				t.Errorf("the latest checkpoint is of step %d (%v), the spike is %d", state.Step, err, spike.Step)
			}
			replayed := replay(t, spike.Folder)
			crash, err := ReadCrash(spike.Folder)
			if err != nil {
				t.Fatal(err)
			}
			if replayed.Loss != crash.Loss || !replayed.Finite() || len(crash.Samples) != 4 {
				t.Errorf("run again the loss is %v, it was %v", replayed.Loss, crash.Loss)
			}
			for i, p := range replayed.Parameters {
				if p != crash.Parameters[i] {
					t.Errorf("run again %+v, it was %+v", p, crash.Parameters[i])
				}
			}
		})
	}
}

func replay(t *testing.T, folder string) *Replayed {
	t.Helper()
	c, err := CrashConfig(folder)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Replay(context.Background(), *c, folder, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// A run that is stopped by what is not finite leaves what led to it, and the batch run
// again fails at the same operation: with document masks and teachers too.
func TestCrash(t *testing.T) {
	for name, make := range map[string]func(t *testing.T) RunConfig{
		"plain": tiny,
		"document mask": func(t *testing.T) RunConfig {
			c := tiny(t)
			c.Data.Train, c.Data.DocumentMask, c.Data.Packing = documents(t), true, data.PackDocuments
			return c
		},
		"teacher": func(t *testing.T) RunConfig {
			c := tiny(t)
			c.Distil.Teacher = tinyTeacher(t, c, nil)
			return c
		},
		"stored teacher": func(t *testing.T) RunConfig {
			c, _, _ := taught(t, 8)
			return c
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := make(t)
			c.Optim.LR, c.Optim.WarmupSteps = 1e30, 0
			out := filepath.Join(t.TempDir(), "run")
			_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Workers: 2})
			var bad *NonFiniteError
			if !errors.As(err, &bad) || bad.Folder != filepath.Join(out, "crash-step-00000002") {
				t.Fatalf("the error is %v", err)
			}
			checkError(t, err, "--replay "+bad.Folder+" runs it again")
			crash, err := ReadCrash(bad.Folder)
			if err != nil {
				t.Fatal(err)
			}
			if crash.Step != 2 || crash.Operation != bad.Cause.Error() || len(crash.Samples) != 4 || crash.Samples[0].Number != 4 || crash.Samples[0].Text == "" {
				t.Errorf("it says %+v", crash)
			}
			gradients := 0
			for _, p := range crash.Parameters {
				gradients += p.NonFinite
			}
			if len(crash.Parameters) != len(c.Model.Resolved().Parameters()) || gradients == 0 {
				t.Errorf("%d gradients are not finite: %+v", gradients, crash.Parameters)
			}
			again := replay(t, bad.Folder)
			if again.Finite() || !strings.HasSuffix(again.Operation, crash.Operation) {
				t.Errorf("run again the loss is %v, %q; it was %q", again.Loss, again.Operation, crash.Operation)
			}
			model, err := checkpoint.Open(filepath.Join(bad.Folder, CrashModel))
			if err != nil {
				t.Fatal(err)
			}
			if err := model.Close(); err != nil {
				t.Error(err)
			}
		})
	}
}

// A crash folder that is damaged is an error that names file and key.
func TestCrashDamaged(t *testing.T) {
	c := watched(t)
	c.Train.SpikeGuard.Action = SpikeStop
	out := filepath.Join(t.TempDir(), "run")
	_, err := Run(context.Background(), c, Options{PeakFLOPS: 1e11, Out: out, Workers: 2})
	var spike *SpikeError
	if !errors.As(err, &spike) {
		t.Fatal(err)
	}
	path := filepath.Join(spike.Folder, BatchFile)
	raw := file(t, path)
	for _, test := range []struct{ batch, want string }{
		{strings.Replace(raw, `"rows": 4`, `"rows": 3`, 1), BatchFile + ": rows (3) should be 4"},
		{strings.Replace(raw, `"inputs": [`, `"inputs": [1,`, 1), BatchFile + ": inputs (129) should be 128"},
		{raw[:len(raw)/2], BatchFile + ": "},
	} {
		if err := os.WriteFile(path, []byte(test.batch), 0o644); err != nil {
			t.Fatal(err)
		}
		config, err := CrashConfig(spike.Folder)
		if err != nil {
			t.Fatal(err)
		}
		_, err = Replay(context.Background(), *config, spike.Folder, Options{})
		checkError(t, err, "replay: ", test.want)
	}
	adapted, err := CrashConfig(spike.Folder)
	if err != nil {
		t.Fatal(err)
	}
	adapted.LoRA = &arch.LoRA{Rank: 2}
	_, err = Replay(context.Background(), *adapted, spike.Folder, Options{})
	checkError(t, err, "replay: ", "a run with adapters (lora)")
}

// The guard's mistakes are named.
func TestSpikeGuardErrors(t *testing.T) {
	c := tiny(t)
	c.Train.SpikeGuard = SpikeGuard{Action: "leap", Of: "weights", ZScore: -1, Window: 1}
	checkError(t, c.Validate(), `train.spike_guard.action ("leap") must be none, skip or stop`, `train.spike_guard.of ("weights") must be loss, grad_norm or either`,
		"train.spike_guard.z_score (-1) must be positive", "train.spike_guard.window (1) must be at least 2", "train.spike_guard.most (0) must be at least 1")
	c.Train.SpikeGuard, c.Train.MaxHours, c.Train.Precision = SpikeGuard{Action: SpikeNone}, math.Inf(1), Precision{Value: engine.PrecisionF32}
	checkError(t, c.Validate(), "train.max_hours (+Inf) must not be negative")
}
