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
	"sync"
	"testing"

	"mobilellm/collective"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine/cpu"
)

// meeting is where the ranks of a test, goroutines, exchange what they have.
type meeting struct {
	mu      sync.Mutex
	all     *sync.Cond
	slots   [][]byte
	arrived int
	taken   int
	round   int
}

func newMeeting(n int) *meeting {
	m := &meeting{slots: make([][]byte, n)}
	m.all = sync.NewCond(&m.mu)
	return m
}

func (m *meeting) exchange(rank int, own []byte) [][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	for m.taken > 0 { // the round before is not over
		m.all.Wait()
	}
	round := m.round
	m.slots[rank] = slices.Clone(own)
	if m.arrived++; m.arrived == len(m.slots) {
		m.round, m.arrived, m.taken = round+1, 0, len(m.slots)
		m.all.Broadcast()
	}
	for m.round == round {
		m.all.Wait()
	}
	got := slices.Clone(m.slots)
	if m.taken--; m.taken == 0 {
		m.all.Broadcast()
	}
	return got
}

// member is a rank of a meeting. Its sums are in the order of the ranks.
type member struct {
	*meeting
	rank int
}

func (m member) Rank() int  { return m.rank }
func (m member) Size() int  { return len(m.slots) }
func (m member) Local() int { return m.rank }

func (m member) Exchange(own []byte) ([][]byte, error) { return m.exchange(m.rank, own), nil }
func (m member) Barrier() error                        { m.exchange(m.rank, nil); return nil }
func (m member) Close() error                          { return nil }

func (m member) AllReduce(x []float32, _ collective.Type) error {
	own := make([]byte, 0, 4*len(x))
	for _, v := range x {
		b := math.Float32bits(v)
		own = append(own, byte(b), byte(b>>8), byte(b>>16), byte(b>>24))
	}
	for rank, raw := range m.exchange(m.rank, own) {
		for i := range x {
			v := math.Float32frombits(uint32(raw[4*i]) | uint32(raw[4*i+1])<<8 | uint32(raw[4*i+2])<<16 | uint32(raw[4*i+3])<<24)
			if rank == 0 {
				x[i] = v
			} else {
				x[i] += v
			}
		}
	}
	return nil
}

func (m member) ReduceScatter([]float32, []int, collective.Type) error { panic("not called") }
func (m member) AllGather([]float32, []int, collective.Type) error     { panic("not called") }
func (m member) Broadcast([]byte, int) error                           { panic("not called") }

// plainDevice is a processor without oneDNN, whose products know workers of a process apart,
// not those of two devices.
func plainDevice(workers int) device.Device {
	return cpu.New(cpu.Options{Workers: workers, Plain: true})
}

// trainRanks runs c on so many ranks; change is what one of them has otherwise.
func trainRanks(c RunConfig, n int, o Options, change func(rank int, c *RunConfig, o *Options) context.Context) ([]*Result, []error) {
	m := newMeeting(n)
	results, errs := make([]*Result, n), make([]error, n)
	var group sync.WaitGroup
	for rank := range n {
		group.Go(func() {
			c, o, ctx := c, o, context.Background()
			o.Group, o.PeakFLOPS, o.Device = member{m, rank}, 1e11, plainDevice(1)
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
				if _, err := os.Stat(r.Out); !errors.Is(err, os.ErrNotExist) || r.Step != 20 {
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
		"guard": {func(c *RunConfig) {
			c.Train.SpikeGuard = DefaultRun().Train.SpikeGuard
			c.Train.SpikeGuard.Action = SpikeSkip
		}, same, "train.spike_guard is for one rank, not for 2"},
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
	m := newMeeting(3)
	var group sync.WaitGroup
	errs := make([]error, 3)
	for rank := range 3 {
		group.Go(func() {
			k := &ranks{Group: member{m, rank}}
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
