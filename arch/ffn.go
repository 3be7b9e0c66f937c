package arch

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// FFN is the kind of a block's feed-forward network.
type FFN string

const (
	// SwiGLU is down(silu(gate(x)) · up(x)), three products (Shazeer, 2020).
	SwiGLU FFN = "swiglu"
	// ReLU is down(relu(up(x))), two products: the paper's baseline.
	ReLU FFN = "relu"
)

// widthMultiple is what SwiGLU widths are rounded up to, as in LLaMA's code.
const widthMultiple = 256

// ParseFFN returns the kind of that name, or an error that lists the choices.
func ParseFFN(name string) (FFN, error) {
	switch f := FFN(name); f {
	case SwiGLU, ReLU:
		return f, nil
	}
	return "", fmt.Errorf("unknown ffn %q: choose %s or %s", name, SwiGLU, ReLU)
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
		return fmt.Errorf("ffn must be a name: choose %s or %s", SwiGLU, ReLU)
	}
	return f.UnmarshalText([]byte(node.Value))
}

// Width is the FFN width of a model of width dim whose config names none: 4·dim
// for ReLU and, for SwiGLU, 8/3·dim rounded up to a multiple of 256, which gives
// its three matrices about the size of ReLU's two. The parameter counts of the
// paper's Tables 9–13 follow from this rule.
func (f FFN) Width(dim int) int {
	if f == ReLU {
		return 4 * dim
	}
	width := (8*dim + 2) / 3
	return (width + widthMultiple - 1) / widthMultiple * widthMultiple
}
