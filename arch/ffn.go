package arch

import (
	"fmt"

	"go.yaml.in/yaml/v3"
	"gorgonia.org/gorgonia"

	"mobilellm/engine/op"
	"mobilellm/internal/choices"
)

// FFN is the kind of a block's feed-forward network.
type FFN string

const (
	// SwiGLU is down(silu(gate(x)) · up(x)), three matmuls (Shazeer, 2020).
	SwiGLU FFN = "swiglu"
	// ReLU is down(relu(up(x))), two matmuls: the paper's baseline.
	ReLU FFN = "relu"
)

// ffnKind is everything that the kind of a feed-forward network decides.
type ffnKind struct {
	name  FFN
	gated bool // a gate stands beside up, and one matmul makes both
	// width is that of a model of width dim whose config names none.
	width func(dim int) int
	// kept are the values for each unit of its width that the backward pass reads.
	kept int
	// activation is what a matmul makes to what the last one reads, [N,F].
	activation func(at string, x *gorgonia.Node) (*gorgonia.Node, error)
	hidden     string // Hugging Face's name for the activation
}

// ffnKinds are the kinds in the order in which errors list them.
var ffnKinds = []ffnKind{
	{name: SwiGLU, gated: true, width: swigluWidth, kept: 3, activation: op.SwiGLU, hidden: "silu"},
	{name: ReLU, width: func(dim int) int { return 4 * dim }, kept: 2, activation: op.ReLU, hidden: "relu"},
}

// widthMultiple is what SwiGLU widths are rounded up to, as in LLaMA's code.
const widthMultiple = 256

// swigluWidth is 8/3·dim rounded up to a multiple of 256, which gives SwiGLU's
// three matrices about the size of ReLU's two.
func swigluWidth(dim int) int {
	width := (8*dim + 2) / 3
	return (width + widthMultiple - 1) / widthMultiple * widthMultiple
}

// FFNs are the kinds that there are.
func FFNs() []FFN {
	names := make([]FFN, len(ffnKinds))
	for i, k := range ffnKinds {
		names[i] = k.name
	}
	return names
}

// Choices lists them for the help of a key.
func (FFN) Choices() string { return choices.Of(FFNs()) }

// lookup finds what f decides.
func (f FFN) lookup() (ffnKind, error) {
	for _, k := range ffnKinds {
		if k.name == f {
			return k, nil
		}
	}
	return ffnKind{}, fmt.Errorf("unknown ffn %q: choose %s", string(f), f.Choices())
}

// kind is what f, which must be one of [FFNs], decides; another panics.
func (f FFN) kind() ffnKind {
	k, err := f.lookup()
	if err != nil {
		panic("arch: " + err.Error())
	}
	return k
}

// ParseFFN returns the kind of that name, or an error that lists the choices.
func ParseFFN(name string) (FFN, error) {
	k, err := FFN(name).lookup()
	return k.name, err
}

// UnmarshalText accepts the names that [ParseFFN] does.
func (f *FFN) UnmarshalText(text []byte) error {
	parsed, err := ParseFFN(string(text))
	if err != nil {
		return err
	}
	*f = parsed
	return nil
}

// UnmarshalYAML accepts the names that [ParseFFN] does.
func (f *FFN) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("ffn must be a name: choose %s", f.Choices())
	}
	return f.UnmarshalText([]byte(node.Value))
}

// Width is the FFN width of a model of width dim whose config names none: 4·dim
// for ReLU and, for SwiGLU, 8/3·dim rounded up to a multiple of 256. The parameter
// counts of the paper's Tables 9–13 follow from this rule. An unknown kind, which
// [Config.Validate] reports, has none: 0.
func (f FFN) Width(dim int) int {
	k, err := f.lookup()
	if err != nil {
		return 0
	}
	return k.width(dim)
}

// HiddenAct is Hugging Face's name for the activation of f, one of [FFNs].
func (f FFN) HiddenAct() string { return f.kind().hidden }
