// Package benchmark measures the speed and memory of training steps beside the
// peaks of the machine they run on.
//
// A step is what a training loop does with a batch that is already in memory:
// forward, backward, global norm, clipping, AdamW and, in bf16, the new copy of
// the weights. Shares of peak use the design's definition of a model's FLOPs
// (arch.Config.TrainingFLOPs; recomputation does not count) and of the peak: the
// best of five one-second runs of a 2048³ matmul in the step's precision, all
// workers at once, through the same library.
package benchmark
