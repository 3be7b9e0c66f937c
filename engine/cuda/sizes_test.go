package cuda_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"
	"unsafe"

	"gorgonia.org/gorgonia"

	"mobilellm/configs"
	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/train"
)

// ledger is a driver without memory: it gives out addresses and checks that what is
// enqueued is within a GPU's limits and the memory that is held.
type ledger struct {
	held               map[kernels.Pointer]int64
	next               kernels.Pointer
	launches, products int
}

func (*ledger) Name() string                                   { return "ledger" }
func (*ledger) BF16() bool                                     { return true }
func (*ledger) Memory() (free, total int64)                    { return 1 << 40, 1 << 40 }
func (*ledger) Mark(int) error                                 { return nil }
func (*ledger) Stream() unsafe.Pointer                         { return nil }
func (*ledger) Elapsed(int, int) (time.Duration, error)        { return time.Second, nil }
func (*ledger) Close() error                                   { return nil }
func (l *ledger) Clear(p kernels.Pointer, n int64) error       { return l.within(p, n) }
func (l *ledger) Upload(p kernels.Pointer, src []byte) error   { return l.within(p, int64(len(src))) }
func (l *ledger) Download(dst []byte, p kernels.Pointer) error { return l.within(p, int64(len(dst))) }
func (*ledger) Capture(func()) (engine.Recording, error)       { return nil, errors.New("no graphs") }
func (l *ledger) Copy(dst, src kernels.Pointer, n int64) error {
	return errors.Join(l.within(dst, n), l.within(src, n))
}

func (l *ledger) Alloc(bytes int64) (kernels.Pointer, error) {
	p := l.next
	l.next += kernels.Pointer(bytes+1<<20) &^ 255
	l.held[p] = bytes
	return p, nil
}

func (l *ledger) Free(p kernels.Pointer) error {
	delete(l.held, p)
	return nil
}

func (l *ledger) within(p kernels.Pointer, n int64) error {
	for base, bytes := range l.held {
		if p >= base && p < base+kernels.Pointer(bytes) {
			if int64(p-base)+n > bytes {
				return fmt.Errorf("%d bytes from %d of %d", n, p-base, bytes)
			}
			return nil
		}
	}
	return fmt.Errorf("%d bytes at %#x, which is not held", n, uint64(p))
}

// Launch takes a number of an address's size for an address.
func (l *ledger) Launch(k kernels.Launch) error {
	l.launches++
	if k.Grid[0] < 1 || k.Grid[0] > math.MaxInt32 || slices.Min(k.Grid[1:]) < 1 || slices.Max(k.Grid[1:]) > 65535 || k.Block[0] > 1024 || k.Shared > 99<<10 {
		return fmt.Errorf("%s: grid %v of blocks %v with %d bytes", k.Kernel, k.Grid, k.Block, k.Shared)
	}
	for i, x := range k.Args {
		if kernels.Pointer(x) < firstAddress {
			continue
		}
		if err := l.within(kernels.Pointer(x), 1); err != nil {
			return fmt.Errorf("%s, parameter %d: %w", k.Kernel, i, err)
		}
	}
	return nil
}

const firstAddress = kernels.Pointer(1 << 44)

// measured is a plan with the workspace that a large matmul may ask for.
type measured struct{ cuda.Product }

func (measured) Workspace() int64 { return 32 << 20 }

func (l *ledger) Plan(p cuda.Product) (cuda.Plan, error) { return measured{p}, nil }

func (l *ledger) Multiply(plan cuda.Plan, a, b, c, work kernels.Pointer, _ bool) error {
	l.products++
	p := plan.(measured).Product
	extent := func(rows, cols, stride int, transposed bool, t engine.DType) int64 {
		if transposed {
			rows, cols = cols, rows
		}
		return (int64(rows-1)*int64(stride) + int64(cols)) * t.Size()
	}
	for _, x := range []kernels.Pointer{a, b, c} {
		if int(x)%p.Align != 0 {
			return fmt.Errorf("%+v: an operand at %#x", p, uint64(x))
		}
	}
	err := errors.Join(
		l.within(a, extent(p.M, p.K, p.LDA, p.TransA, p.AB)), l.within(b, extent(p.K, p.N, p.LDB, p.TransB, p.AB)),
		l.within(c, extent(p.M, p.N, p.LDC, false, p.C)), l.within(work, plan.Workspace()))
	if err != nil {
		return fmt.Errorf("%+v: %w", p, err)
	}
	return nil
}

// What steps of the shipped models enqueue, at the sizes that are trained on a GPU,
// stays within its limits: nothing is computed here.
func TestFullSizes(t *testing.T) {
	for _, test := range []struct {
		config    string
		rows, seq int
		precision engine.Precision
		recompute engine.Recompute
	}{
		{"125m.yaml", 32, 2048, engine.PrecisionBF16, engine.RecomputeNone},
		{"125m.yaml", 8, 2048, engine.PrecisionF32, engine.RecomputeNone},
		{"350m.yaml", 32, 2048, engine.PrecisionBF16, engine.RecomputeNone},
		{"1.5b.yaml", 16, 2048, engine.PrecisionBF16, engine.RecomputeBlock},
	} {
		t.Run(fmt.Sprintf("%s %dx%d %v", test.config, test.rows, test.seq, test.precision), func(t *testing.T) {
			l := &ledger{held: map[kernels.Pointer]int64{}, next: firstAddress}
			dev, err := cuda.New(func() (cuda.Driver, error) { return l, nil }, cuda.Options{NoGraphs: true})
			if err != nil {
				t.Fatal(err)
			}
			defer dev.Close()
			c := train.DefaultRun()
			if _, err := configs.Load(&c, configs.Source{Name: test.config}); err != nil {
				t.Fatal(err)
			}
			model := c.Model.Resolved()
			var params []engine.Parameter
			var decays []bool
			for _, p := range model.Parameters() {
				params, decays = append(params, engine.Parameter{Name: p.Name, Shape: p.Shape}), append(decays, !p.Norm)
			}
			w, err := engine.NewWeights(dev, params, engine.WeightOptions{Gradients: true, BF16: test.precision == engine.PrecisionBF16})
			if err != nil {
				t.Fatal(err)
			}
			g, err := model.BuildTraining(test.rows, test.seq)
			if err != nil {
				t.Fatal(err)
			}
			vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w}, dev,
				engine.Options{Precision: test.precision, Recompute: test.recompute, ReuseGradients: true})
			if err != nil {
				t.Fatal(err)
			}
			update, err := dev.NewUpdate(c.Optim, w, decays, 1)
			if err != nil {
				t.Fatal(err)
			}
			if err := vm.RunAll(); err != nil {
				t.Fatal(err)
			}
			update.Collect(0, vm.Output(g.Loss))
			update.Step(1e-3)
			if _, _, err := update.Result(); err != nil {
				t.Fatal(err)
			}
			var held int64
			for _, n := range l.held {
				held += n
			}
			t.Logf("%d launches, %d products, %.1f GB", l.launches, l.products, float64(held)/1e9)
			if l.launches < 100 || l.products < 100 {
				t.Errorf("a step of %d launches and %d products", l.launches, l.products)
			}
		})
	}
}
