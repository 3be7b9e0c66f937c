package op

import (
	"testing"

	"gorgonia.org/gorgonia"
)

func init() { example(EmbeddingOp{exampleScope}, EmbeddingGradOp{exampleScope, 7}) }

func TestEmbeddingGradient(t *testing.T) {
	for name, ids := range map[string][]int32{
		"each once": {2, 0, 1, 3},
		"repeated":  {4, 1, 4, 4, 0, 1, 4},
		"one token": {3},
	} {
		t.Run(name, func(t *testing.T) {
			checkGradients(t, function{
				args:  []argument{normal(random(1), "w", 1, 5, 3), tokens("ids", ids...)},
				build: binary(func(w, ids *gorgonia.Node) (*gorgonia.Node, error) { return Embedding("embed", w, ids) }),
			})
		})
	}
}
