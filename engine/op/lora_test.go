package op

import (
	"fmt"
	"strings"
	"testing"

	"gorgonia.org/gorgonia"
)

func init() {
	l := LoRAOp{exampleScope, 2, []int{0, 6}}
	example(l, LoRAGradInputOp(l), LoRAGradWeightOp{exampleScope, 2, []int{0, 6}, []int{4, 2}})
}

func TestLoRAGradient(t *testing.T) {
	for _, c := range []struct {
		name       string
		n, o, rank int
		columns    []int
		rows       []int
	}{
		{"one weight", 3, 5, 2, []int{0}, []int{5}},
		{"q and v of q k v", 4, 8, 3, []int{0, 6}, []int{4, 2}},
		{"all of gate and up", 2, 6, 1, []int{0, 3}, []int{3, 3}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := random(5)
			args := []argument{normal(r, "y", 1, c.n, c.o), normal(r, "u", 1, c.n, c.rank*len(c.rows))}
			for i, o := range c.rows {
				args = append(args, normal(r, fmt.Sprintf("b%d", i), 1, o, c.rank))
			}
			checkGradients(t, function{args: args, build: func(in gorgonia.Nodes) (*gorgonia.Node, error) {
				return LoRA("0.attn.qkv.lora", in[0], in[1], 1.5, c.columns, in[2:]...)
			}})
		})
	}
}

func TestLoRARefuses(t *testing.T) {
	for _, c := range []struct {
		y, u, b [2]int
		columns []int
		want    string
	}{
		{[2]int{3, 5}, [2]int{3, 2}, [2]int{5, 2}, []int{1}, "from column 1 on"},
		{[2]int{3, 5}, [2]int{3, 3}, [2]int{5, 2}, []int{0}, "rank in all 2"},
		{[2]int{3, 5}, [2]int{4, 2}, [2]int{5, 2}, []int{0}, "u (4, 2)"},
		{[2]int{3, 5}, [2]int{3, 2}, [2]int{5, 2}, []int{0, 1}, "2 columns for 1 adapters"},
	} {
		g := gorgonia.NewGraph()
		node := func(name string, s [2]int) *gorgonia.Node {
			return gorgonia.NewMatrix(g, gorgonia.Float64, gorgonia.WithShape(s[:]...), gorgonia.WithName(name))
		}
		_, err := LoRA("0.lora", node("y", c.y), node("u", c.u), 1, c.columns, node("b", c.b))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("y %v, u %v, b %v: %v, want %q", c.y, c.u, c.b, err, c.want)
		}
	}
}
