package engine

import (
	"strings"
	"testing"
	"unsafe"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// hostMemory is a device's memory in Go's heap.
type hostMemory []uint64

func (m hostMemory) Pointer() unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(m)) }
func (hostMemory) Free() error               { return nil }

// memoryDevice has memory and no kernels.
type memoryDevice struct{ Device }

func (memoryDevice) Alloc(bytes int64) (Memory, error) { return make(hostMemory, bytes/8+1), nil }

// small is a graph of two tokens of width 3 with its parameters.
type small struct {
	t      *testing.T
	g      *gorgonia.ExprGraph
	params []Parameter
	nodes  gorgonia.Nodes
}

func (s *small) matrix(name string, rows, cols int) *gorgonia.Node {
	return gorgonia.NewMatrix(s.g, tensor.Float32, gorgonia.WithShape(rows, cols), gorgonia.WithName(name))
}

func (s *small) param(name string, rows, cols int) *gorgonia.Node {
	s.params = append(s.params, Parameter{Name: name, Shape: []int{rows, cols}})
	n := s.matrix(name, rows, cols)
	s.nodes = append(s.nodes, n)
	return n
}

func (s *small) must(n *gorgonia.Node, err error) *gorgonia.Node {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// program is a head's loss on x and the gradients of the parameters so far.
func (s *small) program(x *gorgonia.Node) Program {
	s.t.Helper()
	ids := gorgonia.NewVector(s.g, tensor.Int32, gorgonia.WithShape(x.Shape()[0]), gorgonia.WithName("targets"))
	scale := gorgonia.NewScalar(s.g, tensor.Float32, gorgonia.WithName("scale"))
	loss := s.must(op.HeadLoss("head", x, s.param("head", 5, x.Shape()[1]), ids, scale))
	grads, err := gorgonia.Grad(loss, s.nodes...)
	if err != nil {
		s.t.Fatal(err)
	}
	w, err := NewWeights(memoryDevice{}, s.params, WeightOptions{Gradients: true})
	if err != nil {
		s.t.Fatal(err)
	}
	p := Program{Outputs: []*gorgonia.Node{loss}, Gradients: map[string]*gorgonia.Node{}, Weights: w}
	for i, n := range s.nodes {
		p.Gradients[n.Name()] = grads[i]
	}
	return p
}

// A term of a parameter's gradient lies in the gradient's memory: one that is
// read otherwise is refused.
func TestGradientTerms(t *testing.T) {
	for _, test := range []struct {
		name    string
		program func(s *small) Program
		err     string
	}{
		{"terms of one reader each", func(s *small) Program {
			x, w := s.matrix("x", 2, 3), s.param("w", 3, 3)
			h := s.must(op.Linear("0.a", x, w))
			return s.program(s.must(op.Linear("1.a", h, w))) // two terms of one weight
		}, ""},
		{"one value for two parameters", func(s *small) Program {
			h := s.must(op.Add("0.add", s.param("a", 2, 3), s.param("b", 2, 3)))
			return s.program(s.must(op.Linear("0.a", h, s.param("w", 3, 3))))
		}, "gradients of a and b: 0.a.linear.dx.0 is a term of both\nhint: "},
		{"one value twice", func(s *small) Program {
			a := s.param("a", 2, 3)
			return s.program(s.must(op.Linear("0.a", s.must(op.Add("0.add", a, a)), s.param("w", 3, 3))))
		}, "gradients of a and a: 0.a.linear.dx.0 is a term of both\nhint: "},
		{"a term that an operation reads", func(s *small) Program {
			h := s.must(op.Add("0.add", s.param("a", 2, 3), s.must(op.Linear("0.b", s.matrix("x", 2, 3), s.param("b", 3, 3)))))
			return s.program(s.must(op.Linear("0.a", h, s.param("w", 3, 3))))
		}, "gradient of a: 0.a.linear.dx.0 is also read by 0.b linear.dw\nhint: "},
		{"a sum that an operation reads", func(s *small) Program {
			h := s.must(op.Add("0.add", s.param("a", 2, 3), s.must(op.Linear("0.b", s.matrix("x", 2, 3), s.param("b", 3, 3)))))
			first := s.must(op.Linear("0.c", h, s.param("w", 3, 3)))
			second := s.must(op.Linear("0.d", h, s.param("v", 3, 3)))
			return s.program(s.must(op.Add("0.both", first, second)))
		}, "is also read by 0.b linear.dw\nhint: "},
		{"an operation that cannot add", func(s *small) Program {
			h := s.must(op.ReLU("0.relu", s.param("a", 2, 3)))
			return s.program(s.must(op.Linear("0.a", h, s.param("w", 3, 3))))
		}, "gradient of a: 0.relu relu.grad cannot add to what is there, as a term of a gradient must\nhint: "},
		{"a term that is an output", func(s *small) Program {
			p := s.program(s.must(op.Linear("0.a", s.matrix("x", 2, 3), s.param("w", 3, 3))))
			p.Outputs = append(p.Outputs, p.Gradients["w"])
			return p
		}, "gradient of w: 0.a.linear.dw.0 is also an output of the program\nhint: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			pl, err := lower(test.program(&small{t: t, g: gorgonia.NewGraph()}), PrecisionF32)
			if test.err == "" {
				if err != nil {
					t.Fatal(err)
				}
				for _, s := range pl.steps {
					if isSum(s) {
						t.Errorf("%s is left", s.op.Scope())
					}
				}
				return
			}
			if err == nil || !strings.HasPrefix(err.Error(), "engine: ") || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error is %v, want %q", err, test.err)
			}
		})
	}
}
