//go:build linux

package kernels_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/cuda/emulator"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
	"mobilellm/internal/bfloat16"
	"mobilellm/internal/testlong"
)

// start makes the one machine of all tests, started is it.
var (
	start = sync.OnceValues(func() (m *emulator.Machine, err error) {
		started, err = emulator.Start()
		return started, err
	})
	started *emulator.Machine
)

// launched are the kernels that ran.
var launched = map[string]bool{}

func TestMain(m *testing.M) {
	flag.Parse()
	code := m.Run()
	if started != nil {
		if code == 0 && flag.Lookup("test.run").Value.String() == "" {
			code = everyKernelRan(started)
		}
		if err := started.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

func everyKernelRan(m *emulator.Machine) int {
	names, err := m.Kernels()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	code := 0
	for _, name := range names {
		if !launched[name] {
			fmt.Fprintf(os.Stderr, "no test ran kernel %s\n", name)
			code = 1
		}
	}
	return code
}

// gpu is a test's part of the machine.
type gpu struct {
	*testing.T
	m       *emulator.Machine
	buffers []*buffer
}

func newGPU(t *testing.T) *gpu {
	t.Helper()
	m, err := start()
	if errors.Is(err, emulator.ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	g := &gpu{T: t, m: m}
	t.Cleanup(func() {
		for _, b := range g.buffers {
			if err := m.Free(b.at); err != nil {
				t.Error(err)
			}
		}
	})
	return g
}

// buffer is memory with what it held at first.
type buffer struct {
	at    kernels.Pointer
	first []byte
}

// margin is behind every buffer up to the next multiple of 16.
const margin = 0xa5

func (g *gpu) bytes(data []byte) kernels.Pointer {
	g.Helper()
	at, err := g.m.Alloc(int64(len(data)))
	if err != nil {
		g.Fatal(err)
	}
	b := &buffer{at, slices.Clone(data)}
	for len(b.first)%16 > 0 {
		b.first = append(b.first, margin)
	}
	g.buffers = append(g.buffers, b)
	return at
}

// empty is memory for results; it holds NaNs.
func (g *gpu) empty(n int64) kernels.Pointer {
	g.Helper()
	return g.bytes(bytes.Repeat([]byte{0xff}, int(n)))
}

// floats is memory with x, rounded to its type; x too is rounded.
func (g *gpu) floats(x []float32, t engine.DType) kernels.Pointer {
	g.Helper()
	var data []byte
	for i, v := range x {
		if t == engine.BF16 {
			h := bfloat16.Round(v)
			x[i] = bfloat16.Float32(h)
			data = binary.LittleEndian.AppendUint16(data, h)
			continue
		}
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return g.bytes(data)
}

func (g *gpu) ints(x []int32) kernels.Pointer {
	g.Helper()
	var data []byte
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, uint32(v))
	}
	return g.bytes(data)
}

// run runs the launches with the threads of a block in two orders, three in long tests, which must all leave the same bits everywhere.
func (g *gpu) run(launches []kernels.Launch) {
	g.Helper()
	var first [][]byte
	orders := uint64(2)
	if testlong.On() {
		orders = 3
	}
	for order := range orders {
		for _, b := range g.buffers {
			if err := g.m.Write(b.at, b.first); err != nil {
				g.Fatal(err)
			}
		}
		g.m.Order = order
		for _, l := range launches {
			launched[l.Kernel] = true
			if err := g.m.Launch(l); err != nil {
				g.Fatal(err)
			}
		}
		for i, b := range g.buffers {
			now := make([]byte, len(b.first))
			if err := g.m.Read(now, b.at); err != nil {
				g.Fatal(err)
			}
			if order == 0 {
				first = append(first, now)
			} else if !bytes.Equal(now, first[i]) {
				g.Fatalf("buffer %d depends on the order of threads", i)
			}
		}
	}
}

// read returns n elements.
func (g *gpu) read(p kernels.Pointer, n int, t engine.DType) []float32 {
	g.Helper()
	data := make([]byte, n*int(t.Size()))
	if err := g.m.Read(data, p); err != nil {
		g.Fatal(err)
	}
	x := make([]float32, n)
	for i := range x {
		if t == engine.BF16 {
			x[i] = bfloat16.Float32(binary.LittleEndian.Uint16(data[2*i:]))
			continue
		}
		x[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:]))
	}
	for _, b := range g.buffers {
		if b.at != p || n*int(t.Size()) == len(b.first) {
			continue
		}
		rest := make([]byte, len(b.first)-n*int(t.Size()))
		if err := g.m.Read(rest, p+kernels.Pointer(len(data))); err != nil {
			g.Fatal(err)
		}
		if len(rest) < 16 && !bytes.Equal(rest, b.first[len(data):]) {
			g.Fatalf("bytes behind a result of %d elements are written", n)
		}
	}
	return x
}

// agree compares a result with what it should be, plus what was there before. The
// tolerance is relative to the largest; in bf16 an element may also be rounded.
func (g *gpu) agree(name string, got []float32, want []float64, before float64, t engine.DType, tolerance float64) {
	g.Helper()
	if len(got) != len(want) {
		g.Fatalf("%s: %d elements, want %d", name, len(got), len(want))
	}
	var largest float64
	for _, w := range want {
		largest = max(largest, math.Abs(w))
	}
	for i, w := range want {
		allowed := tolerance * (largest + 1e-3)
		if t == engine.BF16 {
			allowed += math.Abs(w) / 256
		}
		if diff := math.Abs(float64(got[i]) - w - before); !(diff <= allowed) {
			g.Fatalf("%s: element %d is %v, want %v (largest %v, allowed %v)", name, i, got[i], w+before, largest, allowed)
		}
	}
}

// normal are n numbers from a generator that depends on n alone.
func normal(seed uint64, n int) []float32 {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(rng.NormFloat64())
	}
	return x
}

func tokens(seed uint64, n, vocab int) []int32 {
	rng := rand.New(rand.NewPCG(seed, uint64(n)))
	x := make([]int32, n)
	for i := range x {
		x[i] = int32(rng.IntN(vocab))
	}
	return x
}

// filled are n elements of the same number.
func filled(n int, x float32) []float32 {
	all := make([]float32, n)
	for i := range all {
		all[i] = x
	}
	return all
}

// plain runs an operation's plain version in float64 and returns its parts.
func plain(t *testing.T, o op.Op, in ...gorgonia.Value) [][]float64 {
	t.Helper()
	v, err := o.Do(in...)
	if err != nil {
		t.Fatal(err)
	}
	all, ok := v.Data().([]float64)
	if !ok {
		all = []float64{v.Data().(float64)}
	}
	shapes := make([]tensor.Shape, len(in))
	for i, v := range in {
		shapes[i] = v.Shape()
	}
	var parts [][]float64
	for _, s := range o.Parts(shapes) {
		n := max(s.TotalSize(), 1)
		parts = append(parts, all[:n])
		all = all[n:]
	}
	return parts
}

func matrix(x []float32, shape ...int) gorgonia.Value {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return tensor.New(tensor.WithShape(shape...), tensor.WithBacking(y))
}

func vector(x []int32) gorgonia.Value {
	return tensor.New(tensor.WithShape(len(x)), tensor.WithBacking(slices.Clone(x)))
}

// each runs a test for both element types.
func each(t *testing.T, name string, f func(g *gpu, t engine.DType)) {
	for _, d := range []engine.DType{engine.F32, engine.BF16} {
		t.Run(fmt.Sprintf("%s %v", name, d), func(t *testing.T) { f(newGPU(t), d) })
	}
}
