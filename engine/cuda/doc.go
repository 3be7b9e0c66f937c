// Package cuda is the engine's device on an NVIDIA GPU.
//
// The package is the host's side of it in plain Go: which kernels of package
// kernels an instruction becomes, its matmuls, scratch memory, the graph of a
// step, the optimizer. What it needs of CUDA is the interface [Driver]. Package
// driver has the one that talks to a GPU, with the build tag gpu; package shadow
// has one that runs on the processor and forbids the host every access to the
// device's memory, with which a whole training run is tested where there is no
// GPU.
//
//	dev, err := cuda.New(driver.Open, cuda.Options{})
//	w, err := engine.NewWeights(dev, params, engine.WeightOptions{Gradients: true, BF16: true})
//	vm, err := engine.Compile(program, dev, engine.Options{Precision: engine.PrecisionBF16})
//	update, err := dev.NewUpdate(config, w, decays, microBatches)
//	for i := range microBatches {
//		vm.Accumulate(i > 0)
//		err = engine.WriteIDs(vm.Input(g.Tokens), batch, vocab)
//		err = vm.RunAll()
//		update.Collect(i, vm.Output(g.Loss))
//	}
//	update.Step(lr)
//	losses, norm, err := update.Result()
//
// One OS thread owns the GPU's context; work is enqueued on one stream, in the
// engine's order, and nothing waits but Result, Download and Elapsed. From the
// third run of a program on it is one launch of a captured graph.
//
// Matmuls accumulate in float32. float32 matmuls are float32
// indeed, unless MOBILELLM_CUDA_TF32 is 1: then factors are rounded to the 10 bits of the
// tensor cores' TF32, and the device's name says so.
package cuda
