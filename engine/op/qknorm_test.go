package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func init() {
	h := QKHeads{Heads: 4, KVHeads: 2, HeadDim: 6}
	example(QKNormOp{exampleScope, h, 1e-5}, QKNormGradOp{exampleScope, h, 1e-5})
}

func TestQKNormGradient(t *testing.T) {
	for _, c := range []struct {
		name string
		n    int
		h    QKHeads
		eps  float64
	}{
		{"grouped", 5, QKHeads{4, 2, 6}, 1e-5},
		{"one token, one head", 1, QKHeads{1, 1, 4}, 1e-6},
		{"large eps", 3, QKHeads{2, 2, 5}, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := random(6)
			checkGradients(t, function{
				args: []argument{normal(r, "qkv", 1, c.n, c.h.columns()), normal(r, "q", 1, c.h.HeadDim), normal(r, "k", 1, c.h.HeadDim)},
				build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
					return QKNorm("0.attn.qknorm", in[0], in[1], in[2], c.h, c.eps)
				},
			})
		})
	}
}
