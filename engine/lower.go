package engine

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"mobilellm/engine/op"
)

// Program is a graph's nodes that are to be computed.
type Program struct {
	Outputs   []*gorgonia.Node          // values to read after a run; a training program's first is the loss
	Gradients map[string]*gorgonia.Node // each parameter's gradient, by name; empty for scoring
	Weights   *Weights                  // input nodes of these names are parameters
	// Bound are input nodes whose values lie in others' memory, such as the output
	// of another program or a parameter of another model.
	Bound map[*gorgonia.Node]*Tensor
}

// value is a result of a step, or an input, in single assignment.
type value struct {
	name   string
	shape  tensor.Shape
	dtype  DType
	home   *Tensor // memory outside the arena: parameter, gradient or input
	into   *value  // lives in this value's memory, at an offset in bytes
	offset int64
	joined bool  // is no result itself: others lie in it end to end
	keep   bool  // read after the run
	def    *step // nil for parameters and inputs
	part   int
	t      *Tensor // final, once placed
}

// root is the value whose memory v lives in.
func (v *value) root() *value {
	root, _ := v.located()
	return root
}

// located is the value whose memory v lives in, and v's offset there in bytes.
func (v *value) located() (root *value, offset int64) {
	for v.into != nil {
		offset += v.offset
		v = v.into
	}
	return v, offset
}

// step is an instruction before its operands are placed.
type step struct {
	op       op.Op
	in       []*value
	out      []*value // nil where nobody reads the part
	store    []Store
	backward bool
	repeated bool
}

// plan is a program in the making.
type plan struct {
	program   Program
	precision Precision
	steps     []*step
	values    map[*gorgonia.Node]*value // of nodes with one result
	packed    map[*gorgonia.Node]*step
	inputs    map[*gorgonia.Node]*Tensor
}

// lower turns the program's nodes into steps. A node is created after its
// children, and gradients are created from the loss backwards, so that the
// order of creation is a good order of execution.
func lower(p Program, precision Precision) (*plan, error) {
	pl := &plan{
		program: p, precision: precision,
		values: map[*gorgonia.Node]*value{}, packed: map[*gorgonia.Node]*step{}, inputs: map[*gorgonia.Node]*Tensor{},
	}
	if len(p.Outputs) == 0 {
		return nil, errors.New("engine: program has no outputs")
	}
	nodes := reachable(p)
	loss := p.Outputs[0].ID()
	for _, n := range nodes {
		if err := pl.lowerNode(n, n.ID() > loss); err != nil {
			return nil, err
		}
	}
	for _, n := range p.Outputs {
		v := pl.values[n]
		if v == nil {
			return nil, fmt.Errorf("engine: output %s is not a single value", n.Name())
		}
		v.keep = true
	}
	if err := pl.gradients(); err != nil {
		return nil, err
	}
	pl.residualsInFloat32()
	pl.weightsInFloat32()
	pl.roundSums()
	return pl, nil
}

// reachable returns what the program needs in the order of creation.
func reachable(p Program) []*gorgonia.Node {
	seen := map[*gorgonia.Node]bool{}
	todo := slices.Clone(p.Outputs)
	for _, name := range slices.Sorted(maps.Keys(p.Gradients)) {
		todo = append(todo, p.Gradients[name])
	}
	var nodes []*gorgonia.Node
	for len(todo) > 0 {
		n := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[n] {
			continue
		}
		seen[n] = true
		nodes = append(nodes, n)
		todo = append(todo, op.Children(n)...)
	}
	slices.SortFunc(nodes, func(a, b *gorgonia.Node) int { return cmp.Compare(a.ID(), b.ID()) })
	return nodes
}

func (pl *plan) lowerNode(n *gorgonia.Node, backward bool) error {
	children := op.Children(n)
	if len(children) == 0 {
		return pl.lowerInput(n)
	}
	if i, ok := op.PartIndex(n); ok {
		s := pl.packed[children[0]]
		if s.out[i] == nil {
			s.out[i] = pl.result(s, i, s.op.Parts(op.Shapes(op.Children(children[0])))[i])
		}
		pl.values[n] = s.out[i]
		return nil
	}
	o, ok := n.Op().(op.Op)
	if op.IsAdd(n) {
		o, ok = op.Sum(fmt.Sprintf("sum%d", n.ID())), true
		if a, own := n.Op().(op.AddOp); own {
			o = a
		}
	}
	if !ok {
		return fmt.Errorf("engine: node %s: operation %v is not one of package op's", n.Name(), n.Op())
	}
	s := &step{op: o, backward: backward}
	for _, c := range children {
		v := pl.values[c]
		if v == nil {
			return fmt.Errorf("engine: %s %s: input %s is a packed value", o.Scope(), o.Kind(), c.Name())
		}
		s.in = append(s.in, v)
	}
	parts := o.Parts(op.Shapes(children))
	s.out = make([]*value, len(parts))
	s.store = make([]Store, len(parts))
	if len(parts) == 1 {
		s.out[0] = pl.result(s, 0, parts[0])
		pl.values[n] = s.out[0]
	}
	pl.packed[n] = s
	pl.steps = append(pl.steps, s)
	return nil
}

func (pl *plan) result(s *step, part int, shape tensor.Shape) *value {
	return &value{
		name:  fmt.Sprintf("%s.%s.%d", s.op.Scope(), s.op.Kind(), part),
		shape: shape, dtype: pl.precision.storage(s.op, part), def: s, part: part,
	}
}

func (pl *plan) lowerInput(n *gorgonia.Node) error {
	t := pl.program.Weights.Value(n.Name())
	if bound := pl.program.Bound[n]; bound != nil {
		t = bound
	}
	switch {
	case t != nil && !t.Shape.Eq(n.Shape()):
		return fmt.Errorf("engine: input %s is %v in the graph, %v in memory", n.Name(), n.Shape(), t.Shape)
	case t == nil && n.Value() != nil && !n.IsVar():
		return nil // a constant, such as the gradient of the loss: no operation of package op reads one
	case t == nil:
		t = &Tensor{Name: n.Name(), Shape: n.Shape().Clone()}
		if n.Dtype() == tensor.Int32 {
			t.DType = I32
		}
		pl.inputs[n] = t
	}
	pl.values[n] = &value{name: t.Name, shape: t.Shape, dtype: t.DType, home: t}
	return nil
}

// residualsInFloat32 keeps what is added to the residual stream in float32:
// the matmul then accumulates into the stream without rounding.
func (pl *plan) residualsInFloat32() {
	for _, s := range pl.steps {
		if !isSum(s) {
			continue
		}
		for _, v := range s.in {
			v.dtype = F32
		}
	}
	for _, n := range pl.program.Outputs {
		pl.values[n].dtype = F32
	}
	for _, s := range pl.steps {
		if i, ok := op.InPlace(s.op); ok {
			pl.sameType(s.in[i], s.out[0])
		}
	}
}

// sameType gives an input and the result that may take its place one type: float32 where
// either is, as on the residual stream.
func (pl *plan) sameType(in, out *value) {
	if in.dtype == F32 || out.dtype == F32 {
		in.dtype, out.dtype = F32, F32
	}
}

// roundSums rounds sums of what is kept rounded, such as the two terms of a gradient where
// a layer has an adapter: the terms are added in float32, and the sum is rounded for what
// reads it, as each would have been. Matmuls that make the terms read rounded operands.
func (pl *plan) roundSums() {
	if pl.precision != PrecisionBF16 {
		return
	}
	rounds, copies := map[*value]bool{}, map[*value]*value{}
	var roundsAs func(v *value) bool
	roundsAs = func(v *value) bool {
		if v.def == nil || isSum(v.def) {
			return rounds[v]
		}
		if i, ok := op.InPlace(v.def.op); ok {
			return roundsAs(v.def.in[i])
		}
		return op.Rounds(v.def.op, v.part)
	}
	terms := map[*value]bool{}
	for _, s := range pl.steps {
		if isSum(s) && roundsAs(s.in[0]) && roundsAs(s.in[1]) {
			rounds[s.out[0]], terms[s.in[0]], terms[s.in[1]] = true, true, true
		}
	}
	var steps []*step
	read := func(s *step, i int) {
		v := s.in[i]
		if copies[v] == nil {
			r := &step{op: op.Round(v.def.op.Scope(), op.WithBlock), in: []*value{v}, store: make([]Store, 1), backward: v.def.backward}
			r.out = []*value{pl.result(r, 0, v.shape)}
			copies[v] = r.out[0]
			steps = append(steps, r)
		}
		s.in[i] = copies[v]
	}
	for _, s := range pl.steps {
		matmul := len(op.Weights(s.op, len(s.in))) > 0 && terms[s.out[0]]
		for i, v := range s.in {
			switch {
			case rounds[v] && !isSum(s):
				read(s, i)
			case matmul && v.def != nil && v.dtype == F32 && !weighs(s, i):
				read(s, i)
			}
		}
		steps = append(steps, s)
	}
	pl.steps = steps
}

// weighs reports whether input i of a step is a weight of its matmul.
func weighs(s *step, i int) bool {
	return slices.ContainsFunc(op.Weights(s.op, len(s.in)), func(group []int) bool { return slices.Contains(group, i) })
}

// order numbers the steps.
func (pl *plan) order() map[*step]int {
	o := make(map[*step]int, len(pl.steps))
	for i, s := range pl.steps {
		o[s] = i
	}
	return o
}

// uses lists the steps that read each value, in order.
func (pl *plan) uses() map[*value][]int {
	u := map[*value][]int{}
	for i, s := range pl.steps {
		for _, v := range s.in {
			u[v] = append(u[v], i)
		}
	}
	return u
}
