package infer

import (
	"fmt"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/engine"
	"mobilellm/internal/quant"
)

// Quantization is what is quantised after training. W8A8 multiplies integers: the linear
// layers' weights in 8 bits, a scale for each output, and what they are multiplied with in
// 8 bits too, a scale for each token (the paper's section 3.4). Nothing is calibrated. The
// zero value quantises nothing.
type Quantization struct {
	Activations quant.Scheme
	Head        bool // the embedding and the head too, which are one table if they are shared
	// Rounded are other bits of the linear layers: weights and activations are rounded to
	// what they stand for, and multiplied as floats.
	Rounded arch.Quantize
	// Stored quantises what the file holds in 8 bits, and nothing else: as compressed-tensors
	// computes with it. Nothing of a file without such.
	Stored bool
}

// Layers reports whether linear layers multiply integers.
func (q Quantization) Layers() bool { return q.Activations != "" }

// Rounds reports whether anything is quantised.
func (q Quantization) Rounds() bool { return q.Layers() || q.Rounded.Rounds() }

const w8a8 = "w8a8"

// ParseQuantization reads w8a8 or w8a8-head, and, with a colon between, a scheme for the
// activations: symmetric, asymmetric or compressed-tensors; and other bits as
// [arch.ParseQuantize] does, such as w4a16. Empty is as the file has it, none is floating
// point.
func ParseQuantization(text string) (q Quantization, err error) {
	switch text {
	case "":
		return Quantization{Stored: true}, nil
	case "none":
		return q, nil
	}
	what, scheme, _ := strings.Cut(text, ":")
	rest, ok := strings.CutPrefix(what, w8a8)
	if !ok || rest != "" && rest != "-head" {
		if q.Rounded, err = arch.ParseQuantize(text); err != nil {
			return q, fmt.Errorf("unknown quantisation %q: choose none, w8a8 or w8a8-head, of the activations w8a8:%s, or other bits, such as w4a16\n%w", text, strings.Join(schemes(), ", w8a8:"), err)
		}
		return q, nil
	}
	q.Head = rest != ""
	q.Activations, err = quant.ParseScheme(scheme)
	return q, err
}

func schemes() (names []string) {
	for _, s := range quant.Schemes() {
		names = append(names, string(s))
	}
	return names
}

func (q Quantization) String() string {
	if r := q.Rounded; r.Rounds() {
		text := fmt.Sprintf("w%sa%s", r.Weights, r.Activations)
		if r.Scheme != quant.Symmetric {
			text += ":" + string(r.Scheme)
		}
		return text
	}
	if !q.Layers() {
		return "none"
	}
	text := w8a8
	if q.Head {
		text += "-head"
	}
	if q.Activations != quant.Symmetric {
		text += ":" + string(q.Activations)
	}
	return text
}

// rounded makes the model one whose weights are rounded already, as it learned with them.
// What it learned to multiply in 8 bits is multiplied so, where the device can.
func (m *Model) rounded(o *LoadOptions, from *source) (arch.Config, error) {
	if o.Quantize.Rounded.Rounds() {
		if m.Config.Quantize.Rounds() {
			return m.Config, fmt.Errorf("the model has learned in %s: it cannot be quantised in %s", m.Config.Quantize, o.Quantize)
		}
		m.Config.Quantize = o.Quantize.Rounded
	}
	q := m.Config.Quantize
	if !q.Rounds() {
		return m.Config, nil
	}
	if _, packs := m.dev.(engine.Packer); packs && q.Weights == 8 && q.Method == quant.MinMax && q.Activations == 8 && o.Quantize.Stored {
		o.Quantize = Quantization{Activations: q.Scheme}
	}
	config, load, err := m.Config.Rounded(from.whole)
	if err != nil {
		return m.Config, err
	}
	if q.Weights.Rounds() {
		*from = source{whole: load} // a row is rounded as a whole
	}
	if o.Quantize.Layers() {
		config.Quantize.Activations = quant.Whole
	}
	m.Config = config
	return config, nil
}

// of is what q, which may be as stored, means for a file.
func (q Quantization) of(folder *checkpoint.Model) Quantization {
	if !q.Stored {
		return q
	}
	q = Quantization{Stored: true}
	for _, p := range folder.Config.Parameters() {
		if folder.StoresInt8(p.Name) {
			q.Activations = quant.Compressed
			q.Head = q.Head || p.Layer < 0
		}
	}
	return q
}

// typed is the type in which each matrix is packed. Integers of 8 bits are packed as they
// are stored.
func (o LoadOptions) typed(c arch.Config, from source) func(engine.Parameter) engine.PackedType {
	layer := map[string]bool{}
	for _, p := range c.Parameters() {
		layer[p.Name] = p.Layer >= 0
	}
	return func(p engine.Parameter) engine.PackedType {
		stored := from.stored(p.Name)
		switch {
		case o.Quantize.Layers() && (stored != nil || !o.Quantize.Stored && (layer[p.Name] || o.Quantize.Head)):
			return engine.PackedType{DType: engine.I8, Activations: o.Quantize.Activations, Stored: stored}
		case o.Precision == engine.PrecisionBF16:
			return engine.PackedType{DType: engine.BF16}
		}
		return engine.PackedType{DType: engine.F32}
	}
}
