package onnx

import (
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
	"mobilellm/internal/quant"
)

// A product in the graph is that of internal/quant's integers, to float32's rounding.
func TestProducts(t *testing.T) {
	const n, in, out = 5, 64, 48
	r := rand.New(rand.NewPCG(3, 4))
	x, w := make([]float32, n*in), make([]float32, out*in)
	for i := range x {
		x[i] = float32(r.NormFloat64() * math.Exp(float64(i/in))) // rows of other sizes
	}
	for i := range w {
		w[i] = float32(r.NormFloat64())
	}
	for _, typ := range []Type{Int8, Int4} {
		d := &decoder{
			typ: typ, model: &export.Model{Weights: map[string][]float32{"w": w}}, stored: map[string]dataType{}, shapes: map[string][]int{},
			tokens: map[string][2]string{}, builder: builder{constants: map[string]bool{}},
		}
		d.store(arch.Parameter{Name: "w", Shape: []int{out, in}})
		d.input("input_x", float32Type, fixed(n), fixed(in))
		result := d.linear("input_x", "w")
		d.opTo([]string{"logits"}, "Reshape", []string{result, d.ints(n, out)})
		path := filepath.Join(t.TempDir(), "product.onnx")
		if err := d.save(path, maxInline); err != nil {
			t.Fatal(err)
		}
		g, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		got, err := g.run(map[string]tensor{"input_x": {shape: []int{n, in}, floats: x}})
		if err != nil {
			t.Fatal(err)
		}
		weight, q := typ.Rounded(w, in), make([]uint8, in)
		for row := range n {
			values := slices.Clone(x[row*in:][:in])
			if typ == Int8 {
				scale := quant.Symmetric.Activations(q, values)
				for i, v := range q {
					values[i] = scale.Value(v)
				}
			}
			for o := range out {
				var sum, size float64
				for i, v := range values {
					term := float64(v) * float64(weight[o*in+i])
					sum, size = sum+term, size+math.Abs(term)
				}
				if d := math.Abs(float64(got[row*out+o]) - sum); !(d <= 1e-6*size) {
					t.Fatalf("%s: product %d,%d is %v, want %v", typ, row, o, got[row*out+o], sum)
				}
			}
		}
	}
}

// Graphs of integers compute what the model does with rounded weights, and the weights
// that they hold are those.
func TestQuantised(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	ids := []int32{1, 7, 260, 261, 44, 9, 299, 0, 12, 3}
	c := exporttest.Config()
	c.LayerSharing = arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2}
	m := exporttest.Model(c, 1)
	for typ, most := range map[Type]float64{Int8: 0.05, Int4: 1e-5} {
		path := filepath.Join(t.TempDir(), "model.onnx")
		if err := Write(path, m, typ); err != nil {
			t.Fatal(err)
		}
		g, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		rounded := &export.Model{Config: m.Config, Weights: map[string][]float32{}}
		for _, p := range m.Config.Parameters() {
			x, ok := g.Weight(p.Name)
			if !ok {
				t.Fatalf("%s: %s is missing", typ, p.Name)
			}
			if p.Layer >= 0 && !p.Norm && !slices.Equal(x, typ.Rounded(m.Weights[p.Name], p.Shape[1])) {
				t.Errorf("%s: %s is another", typ, p.Name)
			}
			rounded.Weights[p.Name] = x
		}
		want, err := rounded.Logits(dev, ids)
		if err != nil {
			t.Fatal(err)
		}
		largest := 0.0
		for _, v := range want {
			largest = max(largest, math.Abs(float64(v)))
		}
		if d := difference(logits(t, path, m.Config, ids), want); !(d <= most*largest) {
			t.Errorf("%s: logits of up to %g differ by %g", typ, largest, d)
		}
		if g.QuantisesActivations() != (typ == Int8) {
			t.Errorf("%s: activations are integers: %v", typ, g.QuantisesActivations())
		}
	}
}

func TestQuantisedRefused(t *testing.T) {
	name := arch.LayerParameterName("mlp.down_proj", 1)
	c := exporttest.Config()
	c.FFNDim = 72
	if err := Write(filepath.Join(t.TempDir(), "x"), exporttest.Model(c, 1), Int4); err == nil || !strings.Contains(err.Error(), "mlp.down_proj.weight: rows of 72 are no multiple of the 32") {
		t.Errorf("rows of 72: %v", err)
	}
	for _, typ := range []Type{Int8, Int4} {
		m := exporttest.Model(exporttest.Config(), 1)
		m.Weights[name][3] = float32(math.Inf(1))
		if err := Write(filepath.Join(t.TempDir(), "x"), m, typ); err == nil || !strings.Contains(err.Error(), "tensor "+name+": element 3 is +Inf") {
			t.Errorf("%s: %v", typ, err)
		}
		m.Weights[name] = make([]float32, len(m.Weights[name])) // rows of zeros are no mistake
		path := filepath.Join(t.TempDir(), "x")
		if err := Write(path, m, typ); err != nil {
			t.Error(err)
		}
		if got := logits(t, path, m.Config, []int32{1, 2}); slices.ContainsFunc(got, func(v float32) bool { return v != v }) {
			t.Errorf("%s: zeros give no numbers", typ)
		}
	}
	if err := Write(filepath.Join(t.TempDir(), "x"), exporttest.Model(exporttest.Config(), 1), "int3"); err == nil || !strings.Contains(err.Error(), `stored as "int3"`) {
		t.Errorf("int3: %v", err)
	}
}
