package arch

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// LoRA is the `lora:` section: low-rank adapters beside linear layers (Hu et al., "LoRA",
// ICLR 2022). A layer with weight W[out,in] computes W·x + scale·B·(A·dropout(x)), of which
// A[rank,in] and B[out,rank] are trained and W is not.
type LoRA struct {
	Rank    int      `yaml:"rank" help:"Rank of the adapters, 1 or more."`
	Alpha   float64  `yaml:"alpha" help:"The adapters are scaled by alpha/rank; 0 means twice the rank."`
	Dropout float64  `yaml:"dropout" help:"Share of the adapters' input that is dropped while training, less than 1."`
	Targets []string `yaml:"targets" help:"Linear layers that get an adapter, by the ends of their names, such as [q_proj, v_proj]; empty, or all-linear, for all of the blocks."`
	RSLoRA  bool     `yaml:"rslora" help:"Scale by alpha/sqrt(rank), which keeps learning at high ranks (Kalajdzievski, 2023)."`
}

// AllLinear is the target that stands for every linear layer of the blocks, as in PEFT.
const AllLinear = "all-linear"

// Adapter says which factor of an adapter a parameter is.
type Adapter string

// The factors.
const (
	NoAdapter Adapter = ""
	AdapterA  Adapter = "lora_A" // [rank, in]
	AdapterB  Adapter = "lora_B" // [out, rank]
)

// Resolved is l with what was left out filled in: alpha and the targets.
func (l LoRA) Resolved() LoRA {
	if l.Alpha == 0 {
		l.Alpha = 2 * float64(l.Rank)
	}
	if len(l.Targets) == 0 {
		l.Targets = []string{AllLinear}
	}
	return l
}

// Scale is what the adapters' product is multiplied with.
func (l LoRA) Scale() float64 {
	l = l.Resolved()
	if l.RSLoRA {
		return l.Alpha / math.Sqrt(float64(l.Rank))
	}
	return l.Alpha / float64(l.Rank)
}

// Validate reports what keeps l from being adapters of any model.
func (l LoRA) Validate() error {
	var errs []error
	fail := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if l.Rank < 1 || l.Rank > maxSize {
		fail("lora.rank (%d) must be from 1 to %d", l.Rank, maxSize)
	}
	if !(l.Alpha >= 0) || math.IsInf(l.Alpha, 0) {
		fail("lora.alpha (%g) must be a positive number, or 0 for twice the rank", l.Alpha)
	}
	if !(l.Dropout >= 0 && l.Dropout <= 0.99) {
		fail("lora.dropout (%g) must be from 0 to 0.99", l.Dropout)
	}
	for i, t := range l.Targets {
		if slices.Contains(l.Targets[:i], t) {
			fail("lora.targets: %q comes twice", t)
		}
	}
	return errors.Join(errs...)
}

// linearParts are the linear layers of a block, by matmul, in Hugging Face's names.
var linearParts = [][]string{
	{"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
	{"self_attn.o_proj"},
	{"mlp.gate_proj", "mlp.up_proj"},
	{"mlp.down_proj"},
}

// AdapterName is the name of a factor of the adapter of a weight, as PEFT's files have it
// after their prefix: "model.layers.0.self_attn.q_proj.lora_A.weight".
func AdapterName(weight string, a Adapter) string {
	return strings.TrimSuffix(weight, ".weight") + "." + string(a) + ".weight"
}

// targets reports whether a layer of that name, without ".weight", has an adapter.
func (l LoRA) targets(module string) bool {
	return slices.ContainsFunc(l.Targets, func(t string) bool {
		return t == AllLinear || module == t || strings.HasSuffix(module, "."+t)
	})
}

// Parameters are the adapters of a model: of each matmul all A, which are one matrix to it,
// then all B. A layer that runs more than once has one. A target that is no linear layer of the
// blocks is an error, which lists those.
func (l LoRA) Parameters(c Config) ([]Parameter, error) {
	l, c = l.Resolved(), c.Resolved()
	shapes, modules := map[string]Parameter{}, []string(nil)
	for _, p := range c.Parameters() {
		if p.Layer >= 0 && len(p.Shape) == 2 {
			shapes[p.Name] = p
			modules = append(modules, strings.TrimSuffix(p.Name, ".weight"))
		}
	}
	for i, t := range l.Targets {
		if !slices.ContainsFunc(modules, LoRA{Targets: []string{t}}.targets) {
			return nil, fmt.Errorf("lora.targets[%d] (%q) matches no linear layer of the blocks\nhint: those are %s, or %s for all; a whole name, such as %s, is that of one layer",
				i, t, strings.Join(c.linearNames(), ", "), AllLinear, modules[0])
		}
	}
	var list []Parameter
	for layer := range c.Layers {
		for _, matmul := range linearParts {
			for _, factor := range []Adapter{AdapterA, AdapterB} {
				for _, part := range matmul {
					w, ok := shapes[LayerParameterName(part, layer)]
					if !ok || !l.targets(strings.TrimSuffix(w.Name, ".weight")) {
						continue
					}
					p := Parameter{Name: AdapterName(w.Name, factor), Shape: []int{l.Rank, w.Shape[1]}, Layer: layer, Adapter: factor}
					if factor == AdapterB {
						p.Shape = []int{w.Shape[0], l.Rank}
					}
					list = append(list, p)
				}
			}
		}
	}
	return list, nil
}

// linearNames are the ends of the linear layers' names.
func (c Config) linearNames() (names []string) {
	for _, matmul := range linearParts {
		for _, part := range matmul {
			if part != "mlp.gate_proj" || c.FFN.kind().gated {
				names = append(names, part[strings.Index(part, ".")+1:])
			}
		}
	}
	return names
}

// Adapt gives the model adapters; their inputs are dropped where the graph is built for
// training, by the key that is an input then. The weights are frozen with [Freeze].
func Adapt(l LoRA) Option {
	return func(b *builder) {
		l = l.Resolved()
		params, err := l.Parameters(b.Config)
		if b.err == nil {
			b.err = err
		}
		if b.Quantize.Rounds() && b.err == nil {
			b.err = fmt.Errorf("a model that rounds its weights or activations (model.quantize: %s) has no adapters", b.Quantize)
		}
		for _, p := range params {
			b.addParameter(p)
		}
		b.lora = &l
		if b.training && l.Dropout > 0 {
			b.graph.DropoutKey = gorgonia.NewVector(b.graph.ExprGraph, tensor.Int32, gorgonia.WithShape(op.DropoutKeys), gorgonia.WithName("dropout.key"))
		}
	}
}

// adapted is y[N,O] of a matmul of x by some parts of a layer, with their adapters; y may be
// the residual stream that the matmul was added to.
func (b *builder) adapted(at string, x, y *gorgonia.Node, layer int, parts ...string) *gorgonia.Node {
	if b.lora == nil || b.err != nil {
		return y
	}
	var down, up []*gorgonia.Node
	var columns []int
	column := 0
	for _, part := range parts {
		name := LayerParameterName(part, layer)
		if a := b.param(AdapterName(name, AdapterA)); a != nil {
			down, up, columns = append(down, a), append(up, b.param(AdapterName(name, AdapterB))), append(columns, column)
		}
		column += b.param(name).Shape()[0]
	}
	if len(down) == 0 {
		return y
	}
	at += ".lora"
	if b.graph.DropoutKey != nil {
		x = b.add(op.Dropout(at, x, b.graph.DropoutKey, b.lora.Dropout))
	}
	u := b.add(op.Linear(at, x, down...)) // [N,R]
	return b.add(op.LoRA(at, y, u, b.lora.Scale(), columns, up...))
}

// Freeze leaves parameters out of the gradients, and out of the graph what only those need.
func Freeze(frozen func(name string) bool) Option { return func(b *builder) { b.frozen = frozen } }
