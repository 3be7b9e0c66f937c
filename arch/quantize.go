package arch

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"gorgonia.org/gorgonia"

	"mobilellm/engine/op"
	"mobilellm/internal/choices"
	"mobilellm/internal/quant"
)

// Quantize is the `model.quantize` section: how the linear layers of the blocks round what
// they multiply, while the model learns and after. The embedding and the head stay as they
// are. It is part of the model: with other bits the same weights are another function.
type Quantize struct {
	Weights     quant.Bits   `yaml:"weights" json:"weights" help:"Bits of the linear layers' weights, rounded in training and after: 16, as they are, or 8, 4, 3, 2, 1.58 or 1, as the method has them."`
	Activations quant.Bits   `yaml:"activations" json:"activations" help:"Bits of what those weights are multiplied with, of each token for itself: 16, as it is, 8, or 1 with the method sign."`
	Method      quant.Method `yaml:"method" json:"method" help:"How weights are rounded: {choices}; minmax by their largest (LLM-QAT), lsq by a step and seq by a clip that each row learns (ParetoQ), sign to two values."`
	Scheme      quant.Scheme `yaml:"scheme" json:"scheme" help:"How activations of 8 bits are: {choices}."`
}

// Rounds reports whether anything is quantised.
func (q Quantize) Rounds() bool { return q.Weights.Rounds() || q.Activations.Rounds() }

func (q Quantize) String() string {
	if !q.Rounds() {
		return "none"
	}
	q = q.resolved()
	return fmt.Sprintf("w%sa%s, %s", q.Weights, q.Activations, q.Method)
}

// ParseQuantize reads how a trained model is quantised: w4a16 has weights of 4 bits and
// activations as they are, w8a8:asymmetric weights and activations of 8, these by that
// scheme. The method is the one that needs no training: of 1 bit [quant.Sign], else
// [quant.MinMax].
func ParseQuantize(text string) (Quantize, error) {
	bits, scheme, _ := strings.Cut(text, ":")
	w, a, ok := strings.Cut(strings.TrimPrefix(bits, "w"), "a")
	weights, err1 := strconv.ParseFloat(w, 64)
	activations, err2 := strconv.ParseFloat(a, 64)
	if !ok || bits[0] != 'w' || errors.Join(err1, err2) != nil {
		return Quantize{}, fmt.Errorf("%q is no quantisation: say bits of weights and activations, as w8a8 or w4a16, and a scheme for these, as w8a8:asymmetric", text)
	}
	q := Quantize{Weights: quant.Bits(weights), Activations: quant.Bits(activations), Scheme: quant.Scheme(scheme)}
	if weights == 1 || activations == 1 {
		q.Method = quant.Sign
	}
	q = q.resolved()
	if _, _, err := q.rules(); err != nil {
		return q, fmt.Errorf("%s: %w", text, err)
	}
	if !q.Rounds() {
		return q, fmt.Errorf("%q quantises nothing", text)
	}
	return q, nil
}

func (q Quantize) resolved() Quantize {
	if q.Weights == 0 {
		q.Weights = quant.Whole
	}
	if q.Activations == 0 {
		q.Activations = quant.Whole
	}
	if q.Method == "" {
		q.Method = quant.MinMax
	}
	if q.Scheme == "" {
		q.Scheme = quant.Symmetric
	}
	return q
}

// rules are those for weights and for activations, each nil where they stay as they are.
func (q Quantize) rules() (weights, activations *quant.Rule, err error) {
	q = q.resolved()
	if !slices.Contains(quant.Methods(), q.Method) {
		return nil, nil, fmt.Errorf("model.quantize.method (%s) must be %s", q.Method, q.Method.Choices())
	}
	if !slices.Contains(quant.Schemes(), q.Scheme) {
		return nil, nil, fmt.Errorf("model.quantize.scheme (%s) must be %s", q.Scheme, choices.Of(quant.Schemes()))
	}
	var errs [2]error
	if weights, errs[0] = quant.WeightRule(q.Method, q.Weights); errs[0] != nil {
		errs[0] = fmt.Errorf("model.quantize.weights (%s): %w", q.Weights, errs[0])
	}
	if activations, errs[1] = quant.ActivationRule(q.Method, q.Activations, q.Scheme); errs[1] != nil {
		errs[1] = fmt.Errorf("model.quantize.activations (%s): %w", q.Activations, errs[1])
	}
	return weights, activations, errors.Join(errs[:]...)
}

// learns reports whether each row of a weight has a number of its own that is trained.
func (q Quantize) learns() bool { return q.Weights.Rounds() && q.Method.Learned() }

// clipSuffix makes the name of the numbers α[out] of a weight's rows: ParetoQ's.
const clipSuffix = ".weight_clip_val"

func clipName(weight string) string { return strings.TrimSuffix(weight, ".weight") + clipSuffix }

// roundedWeight is a linear layer's weight as its matmul reads it.
func (b *builder) roundedWeight(at, name string, w *gorgonia.Node) (*gorgonia.Node, error) {
	switch {
	case b.weightRule == nil:
		return w, nil
	case b.weightRule.Method.Learned():
		return op.LearnedQuantize(at, w, b.param(clipName(name)), *b.weightRule)
	}
	return op.Quantize(at, w, *b.weightRule)
}

// rounded is what the matmul at a place reads, [N,C].
func (b *builder) rounded(at string, x *gorgonia.Node) *gorgonia.Node {
	if b.watch {
		b.graph.Read = append(b.graph.Read, x)
	}
	if b.activationRule == nil {
		return x
	}
	return b.add(op.Quantize(at, x, *b.activationRule))
}

// StartClip writes to dst[out] the numbers that the rows of a weight w[out,in] begin with.
func (c Config) StartClip(dst, w []float32) {
	rule, _, err := c.Quantize.rules()
	if err != nil || rule == nil {
		return // there are none
	}
	in := len(w) / len(dst)
	for o := range dst {
		dst[o] = rule.Start(w[o*in : (o+1)*in])
	}
}

// Load reads a parameter by its name as float32, row-major.
type Load func(name string, dst []float32, shape []int) error

// Rounded returns the model whose weights are what c's linear layers multiply by, rounded
// already, and what reads them, given what reads c's parameters; both unchanged where
// weights are used as they are. How activations are rounded stays in it.
func (c Config) Rounded(load Load) (Config, Load, error) {
	rule, _, err := c.Quantize.rules()
	if rule == nil || err != nil {
		return c, load, err
	}
	layered := map[string]bool{}
	for _, p := range c.Parameters() {
		layered[p.Name] = p.Layer >= 0 && len(p.Shape) == 2
	}
	learns := c.Quantize.learns()
	c.Quantize.Weights = quant.Whole
	return c, func(name string, dst []float32, shape []int) error {
		if err := load(name, dst, shape); err != nil || !layered[name] {
			return err
		}
		if err := quant.Finite(dst); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		alpha := make([]float32, shape[0])
		if learns {
			if err := load(clipName(name), alpha, []int{shape[0]}); err != nil {
				return err
			}
		}
		for o, a := range alpha {
			row := dst[o*shape[1] : (o+1)*shape[1]]
			quant.Round(*rule, row, row, a)
		}
		return nil
	}, nil
}
