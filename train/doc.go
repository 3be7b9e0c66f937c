// Package train runs the training of a model: configuration, memory plan, loop,
// metrics, checkpoints and resuming.
//
// [RunConfig] is the configuration of a run, composed of the sections that the
// packages arch, data and optim own and those of the loop. [Run] trains by it:
//
//	batch → forward and backward passes, a micro-batch at a time → finite? →
//	clip → update → metrics.jsonl → checkpoint → held-out score → mark the best
//
// [NewPlan] says beforehand what a run will take, without reading its text.
//
// The recipe is that of the paper (Liu et al., ICML 2024, section 3.1): Adam with
// weight decay 0.1, a cosine schedule and batches of whole sequences. The loss of
// a step is divided by the supervised tokens of its whole batch, so micro-batches
// change nothing but rounding. Held-out text is scored with the attention of
// training: where data.document_mask keeps that within documents, so does scoring.
//
// With [Distil] a run learns from a teacher's distribution besides the text (section
// 3.5): one that runs on every micro-batch, or what [Teach] stored of it.
//
// A checkpoint is copied between two steps and written beside the next; what cannot be
// written is tried again for a while.
//
// Two promises hold. A loss or gradient that is not finite stops the run before
// the update ([NonFiniteError]), as a spike may ([SpikeGuard]), so no checkpoint is
// ever spoilt by one. And a run resumed from a checkpoint has the same losses, to the
// bit, as the unbroken one:
// weights are saved in float32 and moments in the type that they are kept in, the
// order of samples is a pure function of the step, and what `auto` chose is
// recorded and used again.
//
// A run's folder:
//
//	runs/NAME/
//	  run.yaml       the resolved configuration and what it came to; loads again
//	  metrics.jsonl  a line for each step and each held-out score; a [Sink] gets the same
//	  checkpoints/   see package checkpoint
//	  crash-step-N/  what led to a stop by loss or gradient ([Crash]), which [Replay] runs again
//	  result.json    what came out, once the run is finished ([Summary])
//
// For example:
//
//	c := train.DefaultRun()
//	_, err := configs.Load(&c, configs.Source{Name: "quickstart.yaml"})
//	...
//	result, err := train.Run(ctx, c, train.Options{Out: "runs/first", Progress: train.NewProgress(os.Stderr, false)})
package train
