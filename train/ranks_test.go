package train

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"mobilellm/collective"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine/cpu"
	"mobilellm/optim"
)

// plainDevice is a processor without oneDNN, whose products know workers of a process apart,
// not those of two devices.
func plainDevice(workers int) device.Device {
	return cpu.New(cpu.Options{Workers: workers, Plain: true})
}

// trainRanks runs c on so many ranks; change is what one of them has otherwise.
func trainRanks(c RunConfig, n int, o Options, change func(rank int, c *RunConfig, o *Options) context.Context) ([]*Result, []error) {
	groups := collective.InProcess(n, collective.Network{})
	c.Collective.Timeout = min(c.Collective.Timeout, 20*time.Second) // where a rank of a test fails
	results, errs := make([]*Result, n), make([]error, n)
	var group sync.WaitGroup
	for rank := range n {
		group.Go(func() {
			c, o, ctx := c, o, context.Background()
			o.Group, o.PeakFLOPS, o.Device = groups[rank], 1e11, plainDevice(1)
			defer func() { o.Device.Close() }()
			if change != nil {
				ctx = change(rank, &c, &o)
			}
			results[rank], errs[rank] = Run(ctx, c, o)
		})
	}
	group.Wait()
	return results, errs
}

// mixed is a run of a mixture, in micro-batches of one.
func mixed(t *testing.T) RunConfig {
	c := tiny(t)
	c.Train.Steps, c.Train.MicroBatch, c.Eval.Every = 20, 1, 10
	other := filepath.Join(t.TempDir(), "other.txt")
	if err := os.WriteFile(other, []byte(strings.Repeat("a line of another text\n", 700)), 0o644); err != nil {
		t.Fatal(err)
	}
	c.Data.Train = append(data.Sources{{Path: other, Weight: 1}}, c.Data.Train...)
	c.Data.Train[1].Weight = 2
	return c
}

// Ranks train the run of one: the same samples, and losses that differ by the order of sums;
// as many ranks have the same bits twice. One writes, and nothing of the others is left.
func TestRanks(t *testing.T) {
	c := mixed(t)
	c.Train.Steps = 50
	alone := plainDevice(1)
	defer alone.Close()
	one, _ := train(t, c, Options{Device: alone})
	want, err := ReadMetrics(one)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{2, 4} {
		var before []string
		for again := range 2 {
			out := filepath.Join(t.TempDir(), "run")
			results, errs := trainRanks(c, n, Options{Out: out}, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			lines := records(t, out)
			if again == 1 && !slices.Equal(lines, before) {
				t.Errorf("%d ranks have other bits the second time", n)
			}
			before = lines
			got, err := ReadMetrics(out)
			if err != nil || len(got.Steps) != len(want.Steps) || len(got.Heldout) != len(want.Heldout) {
				t.Fatalf("%d ranks: %d steps, %d scorings, %v", n, len(got.Steps), len(got.Heldout), err)
			}
			for i, s := range got.Steps {
				w := want.Steps[i]
				if math.Abs(s.Loss-w.Loss) > 1e-5 || math.Abs(s.GradNorm-w.GradNorm) > 1e-5*w.GradNorm || s.Tokens != w.Tokens || s.LR != w.LR {
					t.Errorf("%d ranks, step %d: %+v, one rank %+v", n, s.Step, s, w)
				}
				for name, loss := range w.SourceLosses {
					if math.Abs(float64(s.SourceLosses[name]-loss)) > 1e-5 {
						t.Errorf("%d ranks, step %d: %v, one rank %v", n, s.Step, s.SourceLosses, w.SourceLosses)
					}
				}
			}
			for i, h := range got.Heldout {
				if w := want.Heldout[i]; math.Abs(float64(h.HeldoutLoss-w.HeldoutLoss)) > 1e-5 || h.Tokens != w.Tokens {
					t.Errorf("%d ranks: %+v, one rank %+v", n, h, w)
				}
			}
			for rank, r := range results[1:] {
				if _, err := os.Stat(r.Out); !errors.Is(err, os.ErrNotExist) || r.Step != 50 {
					t.Errorf("rank %d of %d: step %d, folder %s: %v", rank+1, n, r.Step, r.Out, err)
				}
			}
		}
	}
}

// A checkpoint knows no number of ranks: two ranks' is gone on from by one and by four, as
// the run of one goes on.
func TestRanksResume(t *testing.T) {
	c := mixed(t)
	alone := plainDevice(1)
	defer alone.Close()
	_, whole := train(t, c, Options{Device: alone})
	half := c
	half.Train.Steps = 20
	out := filepath.Join(t.TempDir(), "run")
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	results, errs := trainRanks(half, 2, Options{Out: out}, func(rank int, _ *RunConfig, o *Options) context.Context {
		if rank == 1 { // a signal of one rank stops both
			o.afterStep = func(step int64) {
				if step == 9 {
					stop()
				}
			}
			return ctx
		}
		return context.Background()
	})
	for rank, err := range errs {
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("rank %d: %v", rank, err)
		}
	}
	if results[0].Step != results[1].Step || results[0].Step < 9 || results[0].Step == 20 {
		t.Fatalf("stopped after steps %d and %d", results[0].Step, results[1].Step)
	}
	for _, n := range []int{1, 4} {
		results, errs := trainRanks(c, n, Options{Out: filepath.Join(t.TempDir(), "on"), Resume: results[0].Checkpoint}, nil)
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		if got := results[0]; math.Abs(got.Loss-whole.Loss) > 1e-5 || got.Tokens != whole.Tokens || math.Abs(float64(got.Heldout.HeldoutLoss-whole.Heldout.HeldoutLoss)) > 1e-5 {
			t.Errorf("%d ranks end at loss %v, %v held out; the run of one at %v, %v", n, got.Loss, got.Heldout, whole.Loss, whole.Heldout)
		}
	}
}

// Divided among ranks, moments give the bits that they give whole, saved and gone on from as
// others are, and buckets of any size likewise.
func TestRanksShard(t *testing.T) {
	for name, change := range map[string]func(c *RunConfig){
		"adamw":      func(*RunConfig) {},
		"muon":       func(c *RunConfig) { c.Optim.Name = optim.NameMuon },
		"moments":    func(c *RunConfig) { c.Optim.Moments = optim.MomentsBF16 },
		"compressed": func(c *RunConfig) { c.Collective.Compress = CompressBF16 },
	} {
		t.Run(name, func(t *testing.T) {
			c := mixed(t)
			change(&c)
			c.Optim.Clip, c.Checkpoint.Every = 0.5, 10
			whole := filepath.Join(t.TempDir(), "whole")
			if _, errs := trainRanks(c, 2, Options{Out: whole}, nil); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			sharded := c
			sharded.Optim.Shard, sharded.Collective.BucketMB = true, 0.02
			out := filepath.Join(t.TempDir(), "sharded")
			if _, errs := trainRanks(sharded, 2, Options{Out: out}, nil); errors.Join(errs...) != nil {
				t.Fatal(errs)
			}
			if !slices.Equal(records(t, out), records(t, whole)) {
				t.Error("losses differ")
			}
			sameFiles(t, filepath.Join(out, CheckpointsDir, "step-00000020"), filepath.Join(whole, CheckpointsDir, "step-00000020"), "model.safetensors", "optimizer.safetensors")
			// On four ranks, of which some own what another did, then on one.
			on := filepath.Join(t.TempDir(), "on")
			results, errs := trainRanks(sharded, 4, Options{Out: on, Resume: filepath.Join(out, CheckpointsDir, "step-00000010")}, nil)
			if err := errors.Join(errs...); err != nil {
				t.Fatal(err)
			}
			want := mustRead(t, whole)
			if last := want.Steps[19].Loss; math.Abs(results[0].Loss-last) > 2e-3 {
				t.Errorf("four ranks end at loss %v, two at %v", results[0].Loss, last)
			}
		})
	}
}

func mustRead(t *testing.T, run string) *Metrics {
	t.Helper()
	m, err := ReadMetrics(run)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// sameFiles compares files of two folders.
func sameFiles(t *testing.T, a, b string, names ...string) {
	t.Helper()
	for _, name := range names {
		x, err := os.ReadFile(filepath.Join(a, name))
		y, err2 := os.ReadFile(filepath.Join(b, name))
		if err := errors.Join(err, err2); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(x, y) {
			t.Errorf("%s differs", name)
		}
	}
}

// A rank that hangs is noticed by the others, who end with its number and save nothing.
func TestRanksHang(t *testing.T) {
	c := tiny(t)
	c.Train.MicroBatch, c.Collective.Timeout = 1, 300*time.Millisecond
	out := filepath.Join(t.TempDir(), "run")
	_, errs := trainRanks(c, 2, Options{Out: out}, func(rank int, _ *RunConfig, o *Options) context.Context {
		o.afterStep = func(step int64) {
			if step == 3 && rank == 1 {
				time.Sleep(2 * time.Second)
			}
		}
		return context.Background()
	})
	var late *collective.TimeoutError
	if !errors.As(errs[0], &late) || !slices.Equal(late.Ranks, []int{1}) {
		t.Errorf("%v", errs)
	}
	if folders, _ := filepath.Glob(filepath.Join(out, CheckpointsDir, "*")); len(folders) > 0 {
		t.Errorf("saved %q", folders)
	}
}

// What cannot be shared is refused, on all ranks, by the name of the one that differs.
func TestRanksRefuse(t *testing.T) {
	same := func(int, *RunConfig, *Options) context.Context { return context.Background() }
	for name, test := range map[string]struct {
		change func(*RunConfig)
		one    func(rank int, c *RunConfig, o *Options) context.Context
		want   string
	}{
		"batch":       {func(c *RunConfig) { c.Train.Batch = 5; c.Train.MicroBatch = 1 }, same, "train.batch (5) does not divide among 2 ranks"},
		"micro-batch": {func(c *RunConfig) { c.Train.MicroBatch = 4 }, same, "train.micro_batch (4) does not divide the 2 sequences of a rank"},
		"layers":      {func(c *RunConfig) { c.Optim.Shard, c.Metrics.LayersEvery = true, 5 }, same, "metrics.layers_every (5) wants all gradients in one place"},
		"configuration": {func(*RunConfig) {}, func(rank int, c *RunConfig, _ *Options) context.Context {
			c.Optim.LR *= float64(1 + rank)
			return context.Background()
		}, "rank 1 differs from rank 0 in its configuration"},
		"workers": {func(*RunConfig) {}, func(rank int, _ *RunConfig, o *Options) context.Context {
			if rank == 1 {
				o.Device.Close()
				o.Device = plainDevice(2)
			}
			return context.Background()
		}, "rank 1 differs from rank 0 in its workers: 2, not 1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			test.change(&c)
			_, errs := trainRanks(c, 2, Options{Out: filepath.Join(t.TempDir(), "run")}, test.one)
			for rank, err := range errs {
				if err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("rank %d: %v, want %q", rank, err, test.want)
				}
			}
		})
	}
}

// A loss that is not finite stops all ranks at its step, without a crash folder.
func TestRanksNonFinite(t *testing.T) {
	c := tiny(t)
	c.Train.MicroBatch, c.Optim.LR, c.Optim.Clip, c.Optim.WarmupSteps = 1, 1e18, 0, 0
	out := filepath.Join(t.TempDir(), "run")
	_, errs := trainRanks(c, 2, Options{Out: out}, nil)
	var steps []int64
	for rank, err := range errs {
		var nonFinite *NonFiniteError
		if !errors.As(err, &nonFinite) {
			t.Fatalf("rank %d: %v", rank, err)
		}
		steps = append(steps, nonFinite.Step)
	}
	if folders, _ := filepath.Glob(filepath.Join(out, "crash-*")); steps[0] != steps[1] || len(folders) > 0 {
		t.Errorf("stopped before steps %v, folders %v", steps, folders)
	}
}

// An error of one rank is all ranks', with its name.
func TestRanksFail(t *testing.T) {
	groups := collective.InProcess(3, collective.Network{})
	var group sync.WaitGroup
	errs := make([]error, 3)
	for rank := range 3 {
		group.Go(func() {
			k := &ranks{Group: groups[rank]}
			var err error
			if rank == 1 {
				err = fmt.Errorf("no room")
			}
			_, errs[rank] = k.share(context.Background(), err, 1)
		})
	}
	group.Wait()
	for rank, err := range errs {
		if want := []string{"rank 1: no room", "no room", "rank 1: no room"}[rank]; err == nil || err.Error() != want {
			t.Errorf("rank %d: %v, want %s", rank, err, want)
		}
	}
}
