package engine

import (
	"strings"
	"testing"

	"gorgonia.org/gorgonia"

	"mobilellm/engine/op"
)

// Weights of one matmul lie end to end where that is possible, and are refused
// where it is not.
func TestJoin(t *testing.T) {
	computed := func(s *small, at string, rows int) *gorgonia.Node {
		return s.must(op.ReLU(at, s.param("of "+at, rows, 3)))
	}
	for _, test := range []struct {
		name    string
		program func(s *small) Program
		err     string
	}{
		{"computed weights", func(s *small) Program {
			x, a, b := s.matrix("x", 2, 3), computed(s, "0.a", 4), computed(s, "0.b", 3)
			return Program{Outputs: gorgonia.Nodes{s.must(op.Linear("0.y", x, a, b)), s.must(op.Linear("0.z", x, a, b))}}
		}, ""},
		{"a parameter among them", func(s *small) Program {
			return Program{Outputs: gorgonia.Nodes{s.must(op.Linear("0.y", s.matrix("x", 2, 3), computed(s, "0.a", 4), s.param("b", 3, 3)))}}
		}, "engine: 0.y linear: weights 0.a.relu.0, b are partly parameters' and partly computed: they cannot lie end to end\nhint: "},
		{"another order", func(s *small) Program {
			x, a, b := s.matrix("x", 2, 3), computed(s, "0.a", 4), computed(s, "0.b", 3)
			y := s.must(op.Linear("0.y", x, a, b))
			return Program{Outputs: gorgonia.Nodes{s.must(op.Linear("0.z", x, b, a)), y}}
		}, "engine: 0.z linear: weights 0.b.relu.0, 0.a.relu.0 lie end to end with others already"},
		{"one weight twice", func(s *small) Program {
			a := computed(s, "0.a", 4)
			return Program{Outputs: gorgonia.Nodes{s.must(op.Linear("0.y", s.matrix("x", 2, 3), a, a))}}
		}, "engine: 0.y linear: weights 0.a.relu.0, 0.a.relu.0 lie end to end with others already"},
		{"a parameter that another product has too", func(s *small) Program {
			x, w, v := s.matrix("x", 2, 3), s.param("w", 3, 3), s.param("v", 3, 3)
			first := s.must(op.Linear("0.y", x, w, v))
			both := s.must(op.SwiGLU("0.act", first)) // [N,3]
			return s.program(s.must(op.Linear("1.y", both, w)))
		}, "engine: 0.y linear.dw: gradients of its weights are partly added to others and partly not"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := &small{t: t, g: gorgonia.NewGraph()}
			p := test.program(s)
			if p.Weights == nil {
				var err error
				if p.Weights, err = NewWeights(memoryDevice{}, s.params, WeightOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			pl, err := lower(p, PrecisionF32)
			if err != nil {
				t.Fatal(err)
			}
			pl.recompute(RecomputeNone)
			pl.alias()
			err = pl.join()
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("error is %v, want %s", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, step := range pl.steps {
				in := step.instr()
				if _, ok := step.op.(op.LinearOp); !ok {
					continue
				}
				if err := EndToEnd(in.In[1:]...); err != nil {
					t.Errorf("%s: %v", in.Name(), err)
				}
				if err := EndToEnd(in.In[2], in.In[1]); err == nil {
					t.Errorf("%s: the other order is taken for end to end", in.Name())
				}
			}
		})
	}
}

// In bf16, matmuls read a rounded copy of a weight that is computed, one for all
// of them, which is made again where the weight is.
func TestRoundedWeights(t *testing.T) {
	s := &small{t: t, g: gorgonia.NewGraph()}
	x, w := s.matrix("x", 2, 3), s.must(op.ReLU("0.w", s.param("w", 3, 3)))
	p := Program{Outputs: gorgonia.Nodes{s.must(op.Linear("0.y", x, w)), s.must(op.Linear("0.z", x, w))}}
	var err error
	if p.Weights, err = NewWeights(memoryDevice{}, s.params, WeightOptions{}); err != nil {
		t.Fatal(err)
	}
	pl, err := lower(p, PrecisionBF16)
	if err != nil {
		t.Fatal(err)
	}
	pl.roundWeights()
	kinds := ""
	for _, step := range pl.steps {
		kinds += step.op.Kind() + " "
		switch o := step.op.(type) {
		case op.ReLUOp:
			if got := step.out[0].dtype; got != F32 {
				t.Errorf("the computed weight is %v", got)
			}
		case op.RoundOp:
			if step.out[0].dtype != BF16 || o.Recompute() != op.Always {
				t.Errorf("its copy is %v, made again %v", step.out[0].dtype, o.Recompute())
			}
		case op.LinearOp:
			if step.in[1].dtype != BF16 {
				t.Errorf("%s reads %v", step.op.Scope(), step.in[1].dtype)
			}
		}
	}
	if kinds != "relu round linear linear " {
		t.Errorf("the steps are %s", kinds)
	}
}
