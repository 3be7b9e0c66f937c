package train

import (
	"math"
	"strconv"
	"strings"

	"mobilellm/arch"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/jsonfloat"
	"mobilellm/optim"
)

// layerWatch measures the layers at every multiple of metrics.layers_every. It reads what
// the step computes, so that the run has the bits of one without. Of nil nothing is done.
type layerWatch struct {
	every   int64
	vm      *engine.VM
	last    *engine.Tensor // the loss, where the forward pass ends
	par     optim.Parallel
	names   []string        // of layers
	params  [][]optim.Param // of each
	before  [][]float32     // the weights before the update, of each parameter in turn
	forward bool            // the forward pass is not over

	record *LayersRecord // of a step that is measured
}

// watchesLayers says whether the layers of a run on a device are measured.
func watchesLayers(c *RunConfig, dev device.Device) bool {
	_, elsewhere := dev.(device.Accelerator)
	return c.Metrics.LayersEvery > 0 && !elsewhere
}

// layerBytes is the copy of the weights that tells what an update adds.
func layerBytes(c *RunConfig, dev device.Device) int64 {
	if !watchesLayers(c, dev) {
		return 0
	}
	return 4 * c.Model.ParameterCount()
}

func (r *run) watchLayers() {
	switch {
	case r.c.Metrics.LayersEvery == 0:
		return
	case !watchesLayers(&r.c, r.dev):
		r.o.Progress.Note("metrics.layers_every: the layers are measured on processors only")
		return
	}
	w := &layerWatch{every: int64(r.c.Metrics.LayersEvery), vm: r.training.vm, last: r.training.loss(), par: r.dev}
	layer := map[string]int{}
	for _, p := range r.params {
		layer[p.Name] = p.Layer
	}
	for _, p := range r.trained {
		name := layerName(p.Name, layer[p.Name])
		if n := len(w.names); n == 0 || w.names[n-1] != name {
			w.names, w.params = append(w.names, name), append(w.params, nil)
		}
		n := len(w.names) - 1
		w.params[n] = append(w.params[n], p)
		w.before = append(w.before, make([]float32, len(p.Value)))
	}
	r.layers = w
}

func layerName(parameter string, layer int) string {
	switch {
	case layer >= 0:
		return strconv.Itoa(layer)
	case parameter == arch.EmbeddingName:
		return "embedding"
	case parameter == arch.HeadName:
		return "head"
	}
	return "norm"
}

// begin opens the record of a step that is to be measured.
func (w *layerWatch) begin(step int64) {
	if w != nil && step%w.every == 0 {
		w.record = &LayersRecord{Step: step, Layers: make([]LayerNorms, len(w.names))}
	}
}

// look watches the forward pass of the step's first micro-batch until what it returns is
// called.
func (w *layerWatch) look(first bool) (end func()) {
	if w == nil || w.record == nil || !first {
		return func() {}
	}
	w.forward = true
	w.vm.Look(w.see)
	return func() { w.vm.Look(nil) }
}

// see takes the largest values of a result.
func (w *layerWatch) see(in *engine.Instr) {
	if !w.forward {
		return
	}
	if in.Out[0] != nil && in.Out[0].Pointer() == w.last.Pointer() {
		w.forward = false
		return
	}
	scope, part, _ := strings.Cut(in.Op.Scope(), ".")
	position, err := strconv.Atoi(scope)
	if err != nil || in.Out[0] == nil {
		return // outside the layers
	}
	for len(w.record.Positions) <= position {
		w.record.Positions = append(w.record.Positions, PositionPeak{AttentionLSE: jsonfloat.Float(math.Inf(-1))})
	}
	p := &w.record.Positions[position]
	p.Activation = jsonfloat.Float(math.Max(float64(p.Activation), largest(in.Out[0]))) // NaN stays
	if part == "attn" && len(in.Out) > 1 && in.Out[1] != nil {
		for _, x := range in.Out[1].Float32s() {
			p.AttentionLSE = max(p.AttentionLSE, jsonfloat.Float(x))
		}
	}
}

// largest is the largest magnitude of a tensor, NaN if one is in it. Without the sign,
// floats have the order of their bits.
func largest(t *engine.Tensor) float64 {
	var most uint32
	switch t.DType {
	case engine.F32:
		for _, x := range t.Float32s() {
			most = max(most, math.Float32bits(x)&^(1<<31))
		}
	case engine.BF16:
		for _, x := range t.BFloat16s() {
			most = max(most, uint32(x)<<16&^(1<<31))
		}
	}
	return float64(math.Float32frombits(most))
}

// beforeUpdate measures weights and gradients.
func (w *layerWatch) beforeUpdate() {
	if w == nil || w.record == nil {
		return
	}
	k := 0
	for i, params := range w.params {
		w.record.Layers[i] = LayerNorms{Name: w.names[i], Gradient: jsonfloat.Float(optim.GradNorm(params, w.par))}
		for _, p := range params {
			copy(w.before[k], p.Value)
			k++
		}
		w.record.Layers[i].Weight = w.norm(k-len(params), len(params))
	}
}

// afterUpdate measures what was added.
func (w *layerWatch) afterUpdate() {
	if w == nil || w.record == nil {
		return
	}
	k := 0
	for i, params := range w.params {
		for _, p := range params {
			was := w.before[k]
			for j, x := range p.Value {
				was[j] = x - was[j]
			}
			k++
		}
		l := &w.record.Layers[i]
		l.Update = w.norm(k-len(params), len(params))
		l.Ratio = l.Update / l.Weight
	}
}

// norm is that of n parameters' values in before.
func (w *layerWatch) norm(from, n int) jsonfloat.Float {
	params := make([]optim.Param, n)
	for i := range params {
		params[i].Value, params[i].Grad = w.before[from+i], w.before[from+i]
	}
	return jsonfloat.Float(optim.GradNorm(params, w.par))
}

// write writes the record of the step, if it has one.
func (w *layerWatch) write(m *metrics) error {
	if w == nil || w.record == nil {
		return nil
	}
	record := *w.record
	w.record = nil
	return m.write(record)
}
