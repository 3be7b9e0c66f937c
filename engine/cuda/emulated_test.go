//go:build linux

package cuda_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/emulator"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/kerneltest"
	"mobilellm/internal/testlong"
	"mobilellm/train"
)

// emulated is a driver on the emulator: the kernels are the real ones.
type emulated struct {
	*emulator.Machine
	capturing *[]func() error
	held      int64
	sizes     map[kernels.Pointer]int64
}

func (*emulated) Name() string                            { return "emulated GPU" }
func (*emulated) BF16() bool                              { return true }
func (d *emulated) Memory() (int64, int64)                { return 4<<30 - d.held, 4 << 30 }
func (*emulated) Stream() unsafe.Pointer                  { return nil }
func (*emulated) Mark(int) error                          { return nil }
func (*emulated) Elapsed(int, int) (time.Duration, error) { return time.Microsecond, nil }

func (d *emulated) Close() error {
	if len(d.sizes) > 0 {
		return errors.New("memory is not freed")
	}
	return d.Machine.Close()
}

// Alloc gives memory of NaNs, as a GPU may.
func (d *emulated) Alloc(bytes int64) (kernels.Pointer, error) {
	p, err := d.Machine.Alloc(bytes)
	if err != nil {
		return 0, err
	}
	d.held += bytes
	d.sizes[p] = bytes
	return p, d.Write(p, slices.Repeat([]byte{0xff}, int(bytes)))
}

func (d *emulated) Free(p kernels.Pointer) error {
	d.held -= d.sizes[p]
	delete(d.sizes, p)
	return d.Machine.Free(p)
}

func (d *emulated) Clear(p kernels.Pointer, bytes int64) error {
	return d.Write(p, make([]byte, bytes))
}

func (d *emulated) Copy(dst, src kernels.Pointer, bytes int64) error {
	b := make([]byte, bytes)
	return errors.Join(d.Read(b, src), d.Write(dst, b))
}

func (d *emulated) Upload(dst kernels.Pointer, src []byte) error   { return d.Write(dst, src) }
func (d *emulated) Download(dst []byte, src kernels.Pointer) error { return d.Read(dst, src) }

func (d *emulated) do(f func() error) error {
	if d.capturing != nil {
		*d.capturing = append(*d.capturing, f)
		return nil
	}
	return f()
}

func (d *emulated) Launch(l kernels.Launch) error {
	return d.do(func() error {
		d.Order++ // another order of the threads every time
		return d.Machine.Launch(l)
	})
}

type emulatedPlan struct{ cuda.Product }

func (emulatedPlan) Workspace() int64 { return 0 }

func (d *emulated) Plan(p cuda.Product) (cuda.Plan, error) { return emulatedPlan{p}, nil }

func (d *emulated) Multiply(pl cuda.Plan, a, b, c, _ kernels.Pointer, accumulate bool) error {
	p := pl.(emulatedPlan).Product
	beta := float32(0)
	if accumulate {
		beta = 1
	}
	return d.do(func() error {
		return d.Product(p.M, p.N, p.K, emulator.Matrix{At: a, Stride: p.LDA, Transposed: p.TransA, DType: p.AB},
			emulator.Matrix{At: b, Stride: p.LDB, Transposed: p.TransB, DType: p.AB}, emulator.Matrix{At: c, Stride: p.LDC, DType: p.C}, 1, beta)
	})
}

func (d *emulated) Capture(f func()) (engine.Recording, error) {
	g := &emulatedGraph{}
	d.capturing = &g.work
	f()
	d.capturing = nil
	return g, nil
}

type emulatedGraph struct{ work []func() error }

func (g *emulatedGraph) Replay() error {
	for _, f := range g.work {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

func (g *emulatedGraph) Free() error { return nil }

// Twenty steps with the GPU's own kernels, on the emulator, give the processor's
// losses: the whole device but for CUDA itself and cublasLt.
func TestTrainingOnEmulator(t *testing.T) {
	path := text(t)
	for _, test := range []struct {
		name      string
		precision engine.Precision
		recompute engine.Recompute
		tolerance float64
		long      bool
	}{
		{"float32", engine.PrecisionF32, engine.RecomputeNone, 1e-4, true},
		{"bf16 on tensor cores", engine.PrecisionBF16, engine.RecomputeBlock, 1e-3, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if testing.Short() && test.long {
				t.Skip("-short leaves out: 20 more steps")
			}
			compares(t, test.precision)
			machine, err := emulator.Start()
			if errors.Is(err, emulator.ErrNoCompiler) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
			dev, err := cuda.New(func() (cuda.Driver, error) {
				return &emulated{Machine: machine, sizes: map[kernels.Pointer]int64{}}, nil
			}, cuda.Options{PeakEdge: 8})
			if err != nil {
				t.Fatal(err)
			}
			defer dev.Close()
			c := small(path)
			c.Model.Layers, c.Model.LayerSharing.Strategy = 1, arch.Immediate
			c.Train.Precision, c.Train.Recompute = train.Precision{Value: test.precision}, train.Recompute(test.recompute)
			c.Train.Batch, c.Data.HeldoutTokens = 2, 64
			c.Train.MicroBatch = 1
			_, want, wantNorm, wantHeldout := losses(t, c, train.Options{})
			_, got, norm, heldout := losses(t, c, train.Options{Device: dev})
			agree(t, "loss", got, want, test.tolerance)
			agree(t, "gradient norm", norm, wantNorm, 30*test.tolerance)
			agree(t, "validation loss", heldout, wantHeldout, test.tolerance)
		})
	}
}

// What is stored of a teacher has kernels that the shadow knows nothing of.
func TestStoredTeachersOnEmulator(t *testing.T) {
	machine, err := emulator.Start()
	if errors.Is(err, emulator.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	dev, err := cuda.New(func() (cuda.Driver, error) {
		return &emulated{Machine: machine, sizes: map[kernels.Pointer]int64{}}, nil
	}, cuda.Options{PeakEdge: 8, HeadBytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dev.Close() })
	for _, c := range kerneltest.Cases(chunk) {
		stored := strings.HasPrefix(c.Name, "distiltoploss") || strings.HasPrefix(c.Name, "toplogprobs")
		inChunks := strings.Contains(c.Name, "in chunks") || strings.HasSuffix(c.Name, " 582")
		large := inChunks || strings.Contains(c.Name, " 300x")
		// Of the shape in chunks one distillation that has both terms and a temperature, in
		// one precision; the smaller ones have the others.
		one := inChunks && (strings.HasPrefix(c.Name, "toplogprobs") || strings.Contains(c.Name, "Alpha:0.5 Temperature:2"))
		if !stored || large && testing.Short() || large && !one && !testlong.On() {
			continue
		}
		for _, precision := range []engine.Precision{engine.PrecisionF32, engine.PrecisionBF16} {
			if inChunks && precision == engine.PrecisionF32 && !testlong.On() {
				continue
			}
			t.Run(precision.String()+"/"+c.Name, func(t *testing.T) { c.Run(t, dev, precision) })
		}
	}
}
