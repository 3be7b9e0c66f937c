//go:build linux

package emulator

import (
	"encoding/binary"
	"errors"
	"math"
	"runtime/debug"
	"strings"
	"testing"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/internal/bfloat16"
)

func start(t *testing.T) *Machine {
	t.Helper()
	m, err := Start()
	if errors.Is(err, ErrNoCompiler) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

func words(x ...uint32) (data []byte) {
	for _, v := range x {
		data = binary.LittleEndian.AppendUint32(data, v)
	}
	return data
}

func place(t *testing.T, m *Machine, data []byte) kernels.Pointer {
	t.Helper()
	p, err := m.Alloc(int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Write(p, data); err != nil {
		t.Fatal(err)
	}
	return p
}

func read(t *testing.T, m *Machine, p kernels.Pointer, n int) []uint32 {
	t.Helper()
	data := make([]byte, 4*n)
	if err := m.Read(data, p); err != nil {
		t.Fatal(err)
	}
	x := make([]uint32, n)
	for i := range x {
		x[i] = binary.LittleEndian.Uint32(data[4*i:])
	}
	return x
}

// oneBlock is a kernel of 32 threads.
func oneBlock(kernel string, shared int, args ...uint64) kernels.Launch {
	return kernels.Launch{Kernel: kernel, Grid: [3]int{1, 1, 1}, Block: [3]int{32, 1, 1}, Shared: shared, Args: args}
}

func TestMistakesEndTheMachine(t *testing.T) {
	for _, tt := range []struct {
		name   string
		launch func(out kernels.Pointer) kernels.Launch
		want   string
	}{
		{"barrier", func(out kernels.Pointer) kernels.Launch { return oneBlock("test_barrier", 0, uint64(out)) }, "all threads wait, 16 of 32 at a barrier, 16 ended"},
		{"shuffle", func(out kernels.Pointer) kernels.Launch { return oneBlock("test_shuffle", 0, uint64(out)) }, "all threads wait, 0 of 32 at a barrier, 16 ended"},
		{"beyond memory", func(out kernels.Pointer) kernels.Launch { return kernels.Fill(out, 1, 33)[0] }, "segmentation fault"},
		{"beyond shared memory", func(out kernels.Pointer) kernels.Launch { return oneBlock("test_race", 64, uint64(out), 1) }, "segmentation fault"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			m := start(t)
			out := place(t, m, make([]byte, 4*32))
			for range 2 { // the error stays
				if err := m.Launch(tt.launch(out)); err == nil || !strings.Contains(err.Error(), tt.want) {
					t.Errorf("got %v, want %s", err, tt.want)
				}
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	m := start(t)
	out := uint64(place(t, m, make([]byte, 4*32)))
	threads := oneBlock("test_race", 128, out, 1)
	threads.Block[0] = 33
	grid := oneBlock("test_race", 128, out, 1)
	grid.Grid[1] = 1 << 16
	for _, tt := range []struct {
		launch kernels.Launch
		want   string
	}{
		{oneBlock("nothing", 0), "nothing: emulator: no kernel nothing"},
		{oneBlock("test_race", 128, out), "test_race: emulator: test_race has 2 parameters, not 1"},
		{threads, "test_race: emulator: test_race: a block of 33 threads"},
		{grid, "test_race: emulator: test_race: a grid that no GPU takes"},
		{oneBlock("test_race", 164<<10, out, 1), "test_race: emulator: test_race: 167936 bytes of shared memory"},
	} {
		if err := m.Launch(tt.launch); err == nil || err.Error() != tt.want {
			t.Errorf("got %v, want %s", err, tt.want)
		}
	}
	if err := m.Launch(oneBlock("test_race", 128, out, 1)); err != nil {
		t.Errorf("after refusals: %v", err)
	}
}

func TestRaceDependsOnTheOrderOfThreads(t *testing.T) {
	m := start(t)
	for wait := range uint64(2) {
		right := 0
		for order := range uint64(4) {
			out := place(t, m, make([]byte, 4*32))
			m.Order = order
			if err := m.Launch(oneBlock("test_race", 4*32, uint64(out), wait)); err != nil {
				t.Fatal(err)
			}
			ok := true
			for i, x := range read(t, m, out, 32) {
				ok = ok && x == uint32(i+1)%32
			}
			if ok {
				right++
			}
		}
		if want := 4 * int(wait); right != want {
			t.Errorf("with barrier %v: right in %d of 4 orders, want %d", wait == 1, right, want)
		}
	}
}

func TestCopiesHappenWhenTheyAreWaitedFor(t *testing.T) {
	m := start(t)
	in := make([]uint32, 4*32)
	for i := range in {
		in[i] = uint32(i)
	}
	for wait := range uint64(2) {
		from, out := place(t, m, words(in...)), place(t, m, make([]byte, 4*len(in)))
		if err := m.Launch(oneBlock("test_copy", 4*len(in), uint64(out), uint64(from), wait)); err != nil {
			t.Fatal(err)
		}
		for i, got := range read(t, m, out, len(in)) {
			want := uint32(math.MaxUint32) // as shared memory begins
			switch {
			case wait == 1 && i/4%2 == 0:
				want = in[i]
			case wait == 1:
				want = 0
			}
			if got != want {
				t.Fatalf("waiting %v: word %d is %#x, want %#x", wait == 1, i, got, want)
			}
		}
	}
}

// bf16s are small integers, which are exact in bf16.
func bf16s(n, step int) (x []float32, data []byte) {
	for i := range n {
		v := float32(i*step%17 - 8)
		x = append(x, v)
		data = binary.LittleEndian.AppendUint16(data, bfloat16.Round(v))
	}
	return x, data
}

func TestTensorCores(t *testing.T) {
	m := start(t)
	a, pa := bf16s(256, 5)
	b, pb := bf16s(128, 7)
	for bt := range 2 {
		c := place(t, m, make([]byte, 4*128))
		if err := m.Launch(oneBlock("test_product", 1024, uint64(c), uint64(place(t, m, pa)), uint64(place(t, m, pb)), uint64(bt))); err != nil {
			t.Fatal(err)
		}
		checkProduct(t, read(t, m, c, 128), a, b, 16, 8, 16, bt == 1)
	}
}

func TestProduct(t *testing.T) {
	m := start(t)
	const rows, columns, depth = 5, 6, 7
	a, halves := bf16s(rows*depth, 5)
	b, _ := bf16s(depth*columns, 7)
	var full []uint32
	for _, v := range b {
		full = append(full, math.Float32bits(v))
	}
	for _, transposed := range []bool{false, true} {
		before := make([]uint32, rows*columns)
		for i := range before {
			before[i] = math.Float32bits(1)
		}
		c := place(t, m, words(before...))
		stride := columns
		if transposed {
			stride = depth
		}
		err := m.Product(rows, columns, depth, Matrix{At: place(t, m, halves), Stride: depth, DType: engine.BF16},
			Matrix{At: place(t, m, words(full...)), Stride: stride, Transposed: transposed}, Matrix{At: c, Stride: columns}, 2, 3)
		if err != nil {
			t.Fatal(err)
		}
		got := read(t, m, c, rows*columns)
		for i, x := range got {
			got[i] = math.Float32bits((math.Float32frombits(x) - 3) / 2)
		}
		checkProduct(t, got, a, b, rows, columns, depth, transposed)
	}
}

func checkProduct(t *testing.T, c []uint32, a, b []float32, rows, columns, depth int, transposed bool) {
	t.Helper()
	for i := range rows {
		for j := range columns {
			var want float32
			for k := range depth {
				at := k*columns + j
				if transposed {
					at = j*depth + k
				}
				want += a[i*depth+k] * b[at]
			}
			if got := math.Float32frombits(c[i*columns+j]); got != want {
				t.Fatalf("transposed %v: element %d, %d is %v, want %v", transposed, i, j, got, want)
			}
		}
	}
}

func TestMemoryIsOutOfReach(t *testing.T) {
	m := start(t)
	p := place(t, m, make([]byte, 100))
	if p%16 != 0 {
		t.Errorf("address %#x is no multiple of 16", uint64(p))
	}
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if recover() == nil {
			t.Error("the machine's memory can be read")
		}
	}()
	address := uintptr(p)
	t.Log(**(**byte)(unsafe.Pointer(&address)))
}

func TestFree(t *testing.T) {
	m := start(t)
	p := place(t, m, make([]byte, 100))
	if err := m.Free(p); err != nil {
		t.Error(err)
	}
	if err := m.Free(p); err == nil {
		t.Error("memory is freed twice")
	}
	if err := m.Write(p, []byte{1}); err == nil || !strings.Contains(err.Error(), "segmentation fault") {
		t.Errorf("freed memory is written: %v", err)
	}
}

func TestNoCompiler(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	t.Setenv("CXX", "")
	if _, err := Start(); !errors.Is(err, ErrNoCompiler) {
		t.Errorf("got %v", err)
	}
}
