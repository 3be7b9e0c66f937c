// Package engine runs gorgonia graphs made of package op's operations, fast.
//
// gorgonia builds and differentiates the graph; the engine takes it from there:
//
//	graph → lower → recompute → alias → place → Device.Compile → VM
//
// lower turns the nodes, in the order of their creation, into instructions on
// single-assignment values. recompute repeats cheap or chosen forward
// instructions before the backward pass needs them, so that their results need
// not be kept. alias lets sums accumulate in place: the residual stream, its
// gradient, and the gradients of weights that run several times or over several
// micro-batches. place lays every value out in one arena by its lifetime. A
// Device then compiles each instruction to a kernel bound to its operands.
//
// VM implements gorgonia.VM. In steady state a run allocates nothing.
//
//	dev := cpu.New(cpu.Options{})
//	w, _ := engine.NewWeights(dev, params, true)
//	vm, _ := engine.Compile(engine.Program{Loss: loss, Gradients: grads, Weights: w}, dev, engine.Options{})
//	copy(vm.Ids(tokens), batch)
//	err := vm.RunAll()
//
// Precision is the engine's affair: graph nodes are float32. With BF16 the
// weights, their gradients, the residual stream and all reductions stay
// float32, while products read and kept activations are bfloat16.
package engine
