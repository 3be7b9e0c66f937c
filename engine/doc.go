// Package engine runs gorgonia graphs made of package op's operations, fast.
//
// gorgonia builds and differentiates the graph; the engine takes it from there:
//
//	graph → lower → round weights → recompute → alias → join → Device.Compile → place → VM
//
// lower turns the nodes, in the order of their creation, into instructions on
// single-assignment values. recompute repeats cheap or chosen forward
// instructions before the backward pass needs them, so that their results need
// not be kept. alias lets sums accumulate in place: the residual stream, its
// gradient, and the gradients of weights that run several times or over several
// micro-batches. Weights that are computed are rounded as parameters are, and join
// lays those of one matmul end to end. What these steps must know of an operation
// it states itself: see the traits of package op. A Device compiles each
// instruction to a kernel, which says what scratch memory it needs, and place lays
// every value out by its lifetime, in one arena and, if the program may reuse it,
// in the memory of gradients that are not there yet.
//
// VM implements gorgonia.VM. In steady state a run allocates nothing.
//
//	dev := cpu.New(cpu.Options{})
//	w, err := engine.NewWeights(dev, params, engine.WeightOptions{Gradients: true})
//	vm, err := engine.Compile(engine.Program{
//		Outputs: []*gorgonia.Node{g.Loss}, Gradients: g.Gradients, Weights: w,
//	}, dev, engine.Options{})
//	err = engine.WriteIDs(vm.Input(g.Tokens), batch, vocab)
//	err = vm.RunAll()
//
// Precision is the engine's affair: graph nodes are float32. With BF16 the
// weights, their gradients, the residual stream and all reductions stay
// float32, while matmuls read and kept activations are bfloat16.
package engine
