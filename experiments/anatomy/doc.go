// Package anatomy looks into runs: what their weights and activations did while they
// learned, by the checkpoints that they kept. It is made for binary networks (the poster of
// the paper's authors; Liu et al., "How Do Adam and Training Strategies Help BNNs
// Optimization?", ICML 2021), and takes every other model too.
//
//	look, err := anatomy.Of(ctx, "runs/binary-adam", anatomy.Options{})
//	for _, p := range anatomy.Pictures([]*anatomy.Run{look}) { … }
//
// Of the latent weights of the blocks' linear layers, at each checkpoint: how they are
// spread, whose size is how sure a binary weight is of its sign; how many lie beyond 1,
// where a sign passes no gradient; how many have a gradient that vanishes on a batch of
// held-out text, and how many of these have one at the next checkpoint; how many signs
// changed between the two; how far weights moved, by the size of their gradients. Of
// activations: how many lie beyond 1. Of the last checkpoint: the loss over two random
// directions, each row of which is as long as the weights' (Li et al., "Visualizing the
// Loss Landscape of Neural Nets", 2018, section 4).
package anatomy
