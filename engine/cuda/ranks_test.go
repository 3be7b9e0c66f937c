//go:build unix

package cuda_test

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"

	"mobilellm/collective"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/cuda/shadow"
	"mobilellm/train"
)

// throughHost sums what a driver has in its memory over an in-process group, in NCCL's place.
type throughHost struct {
	driver *shadow.Driver
	group  collective.Group
	gone   chan struct{} // closed by Abort
	hangs  bool          // it never answers
}

func (r *throughHost) AllReduce(address uintptr, n int, _ unsafe.Pointer) error {
	if r.hangs {
		<-r.gone
		return nil
	}
	x := make([]float32, n)
	bytes := unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), 4*n)
	return errors.Join(
		r.driver.Download(bytes, kernels.Pointer(address)),
		r.group.AllReduce(collective.Vector{x}, collective.Float32),
		r.driver.Upload(kernels.Pointer(address), bytes))
}

func (r *throughHost) Err() error   { return nil }
func (r *throughHost) Close() error { r.hangs = false; return nil }
func (r *throughHost) Abort() error { close(r.gone); return nil }

// trainRanks runs c on so many devices.
func trainRanks(t *testing.T, c train.RunConfig, n int, out string, hangs bool) []error {
	t.Helper()
	groups, errs := collective.InProcess(n, collective.Network{}), make([]error, n)
	var ranks sync.WaitGroup
	for rank, g := range groups {
		joined := &throughHost{group: g, gone: make(chan struct{}), hangs: hangs}
		dev, driver := open(t, shadow.Options{}, cuda.Options{Join: func(collective.Group) (cuda.Ranks, error) { return joined, nil }})
		joined.driver = driver
		ranks.Go(func() {
			_, errs[rank] = train.Run(context.Background(), c, train.Options{Out: out, Device: dev, Group: g, PeakFLOPS: 1e11})
		})
	}
	ranks.Wait()
	return errs
}

// Ranks on GPUs train the run of one.
func TestRanks(t *testing.T) {
	c := small(text(t))
	c.Train.MicroBatch = 1
	dev, _ := open(t, shadow.Options{}, cuda.Options{})
	_, step, norm, heldout := losses(t, c, train.Options{Device: dev})
	for _, guard := range []string{train.SpikeNone, train.SpikeSkip} {
		c.Train.SpikeGuard = train.DefaultRun().Train.SpikeGuard
		c.Train.SpikeGuard.Action = guard
		out := filepath.Join(t.TempDir(), "run")
		if err := errors.Join(trainRanks(t, c, 2, out, false)...); err != nil {
			t.Fatal(err)
		}
		m, err := train.ReadMetrics(out)
		if err != nil || len(m.Steps) != len(step) || len(m.Heldout) != len(heldout) {
			t.Fatalf("%d steps, %d scorings, %v", len(m.Steps), len(m.Heldout), err)
		}
		for i, s := range m.Steps {
			if math.Abs(s.Loss-step[i]) > 1e-5 || math.Abs(s.GradNorm-norm[i]) > 1e-4*norm[i] {
				t.Errorf("guard %s, step %d: loss %v, norm %v, of one rank %v, %v", guard, s.Step, s.Loss, s.GradNorm, step[i], norm[i])
			}
		}
		for i, h := range m.Heldout {
			if math.Abs(float64(h.HeldoutLoss)-heldout[i]) > 1e-5 {
				t.Errorf("guard %s: validation loss %v, of one rank %v", guard, h.HeldoutLoss, heldout[i])
			}
		}
	}
}

// What accelerators cannot is refused, and a wait that is too long ends.
func TestRanksRefuse(t *testing.T) {
	for want, change := range map[string]func(c *train.RunConfig){
		"optim.shard is for processors":                func(c *train.RunConfig) { c.Optim.Shard = true },
		"collective.compress (bf16) is for processors": func(c *train.RunConfig) { c.Collective.Compress = train.CompressBF16 },
	} {
		c := small(text(t))
		c.Train.MicroBatch = 1
		change(&c)
		for rank, err := range trainRanks(t, c, 2, filepath.Join(t.TempDir(), "run"), false) {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("rank %d: %v, want %q", rank, err, want)
			}
		}
	}
	// As collective.OpenNCCL does without the library: the device must close all the same.
	dev, _ := open(t, shadow.Options{}, cuda.Options{Join: func(collective.Group) (cuda.Ranks, error) { return (*throughHost)(nil), errors.New("no library") }})
	if err := dev.JoinRanks(collective.Single(), 0); err == nil || err.Error() != "no library" {
		t.Errorf("joined without a library: %v", err)
	}
	c := small(text(t))
	c.Train.MicroBatch, c.Collective.Timeout = 1, 200*time.Millisecond
	errs := trainRanks(t, c, 2, filepath.Join(t.TempDir(), "run"), true)
	if !slices.ContainsFunc(errs, func(err error) bool {
		return err != nil && strings.Contains(err.Error(), "other ranks' GPUs did not answer within 200ms")
	}) {
		t.Errorf("%v", errs)
	}
}
