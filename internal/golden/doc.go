// Package golden reads reference numbers of PyTorch for tests.
//
// [Load] reads a whole two-layer LLaMA by transformers: config, parameters,
// batches, logits, gradients and ten training losses
// (arch/testdata/llama/golden.py writes them). [LoadOps] reads single
// operations: inputs, output and gradients (engine/op/testdata/golden.py).
//
//	c, err := golden.Load("../arch/testdata/llama", "tied_gqa")
//	w := c.Params["model.layers.0.self_attn.q_proj.weight"]
//	dw := c.Grads["model.layers.0.self_attn.q_proj.weight"]
//
// It imports no other package of the module, so that every package's tests can
// use it. [Difference] is the measure by which they compare.
package golden
