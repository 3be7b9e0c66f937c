package train

import (
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/collective"
	"mobilellm/engine"
	"mobilellm/optim"
)

// A gradient that a run tells of is whole: nothing is added to it any more, neither where
// layers and embedding are shared nor where the memory of gradients is used for values.
func TestGradientsAreWhole(t *testing.T) {
	c := tiny(t)
	c.Model.Layers, c.Model.LayerSharing = 3, arch.LayerSharing{Strategy: arch.RepeatAllOver, Repeat: 2}
	dev := plainDevice(2)
	defer dev.Close()
	params, err := c.parameters()
	if err != nil {
		t.Fatal(err)
	}
	w, err := params.newWeights(dev, engine.WeightOptions{Gradients: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := initialise(w, params.all(), 0.05, 1, dev); err != nil {
		t.Fatal(err)
	}
	p, err := compileTraining(&c, c.Train.Batch, w, dev, engine.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	ids := p.vm.Input(p.graph.Tokens).Ids()
	for i := range ids {
		ids[i] = int32(i * i % 200)
	}
	copy(p.vm.Input(p.graph.Targets).Ids(), ids[1:])
	p.vm.Input(p.graph.Scale).Float32s()[0] = 1
	var told []string
	then := map[string][]float32{}
	p.vm.OnGradient(func(name string) {
		told = append(told, name)
		then[name] = slices.Clone(w.Gradient(name).Float32s())
	})
	if err := p.vm.RunAll(); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(told, p.vm.GradientOrder()) || len(told) != len(params.all()) {
		t.Errorf("told of %q, of %d parameters", told, len(params.all()))
	}
	if last := told[len(told)-1]; last != arch.EmbeddingName {
		t.Errorf("the last is %s: the embedding's first term is the head's", last)
	}
	for name, x := range then {
		if !slices.Equal(x, w.Gradient(name).Float32s()) {
			t.Errorf("the gradient of %s was not whole", name)
		}
	}
}

// Buckets hold each number once, whatever their size, and a parameter's owner gets its part.
func TestBuckets(t *testing.T) {
	var params []optim.Param
	var order []string
	owner := map[string]int{"a": 1, "b": 0, "c": 1, "d": 2}
	for _, p := range []struct {
		name string
		n    int
	}{{"a", 10}, {"b", 3}, {"c", 25}, {"d", 1}} {
		x := make([]float32, p.n)
		params, order = append(params, optim.Param{Name: p.name, Value: x, Grad: x}), append(order, p.name)
	}
	for _, owner := range []map[string]int{nil, owner} {
		for _, elements := range []int{1, 4, 13, 1000} {
			d := newReducer(collective.InProcess(3, collective.Network{})[0], collective.Float32, elements, order, params, owner)
			told := 0
			for i, b := range d.buckets {
				n := b.grad.Len()
				if n > elements || i < len(d.buckets)-1 && n < elements || b.ends[2] != n || b.after < told {
					t.Errorf("%d elements, bucket %d: %d, ends %v, after %d of the gradients", elements, i, n, b.ends, b.after)
				}
				told = b.after
				for j, x := range b.grad {
					for k := range x {
						x[k]++
						if owner != nil {
							at := len(slices.Concat(b.grad[:j]...)) + k
							rank := slices.IndexFunc(b.ends, func(end int) bool { return at < end })
							b.value[j][k] += 100 * float32(rank) // the values are the gradients here
						}
					}
				}
			}
			for _, p := range params {
				for i, v := range p.Grad {
					if want := 1 + 100*float32(owner[p.Name]); v != want {
						t.Errorf("%d elements: %s[%d] is %v, want %v", elements, p.Name, i, v, want)
					}
					p.Grad[i] = 0
				}
			}
		}
	}
}
