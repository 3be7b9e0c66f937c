// Package optim updates a model's weights from their gradients.
//
// It holds the optimizers of the project, AdamW (decoupled decay, the paper's),
// Adam (coupled L2), SGD with momentum and Muon, the learning-rate schedules that
// drive them, and the clipping of the gradient's global norm.
// Semantics and numbers are those of torch.optim; testdata/golden.py made the
// numbers that the tests hold.
//
// The main types:
//
//   - [Config] is the section `optim:` of a run's YAML; [Default] fills it,
//     [Config.Validate] checks it.
//   - [Schedule] gives the learning rate of a step; [NewSchedule] builds the
//     one that a Config names for a run of a given length.
//   - [Param] is a weight with its gradient, and whether it decays: the
//     official MobileLLM code decays every weight but the norms.
//   - [Optimizer] applies one update; [New] builds the one that a Config names.
//   - [Parallel] is the worker pool that an update runs on, [Multiplier] one that
//     multiplies matrices fast, which Muon needs.
//
// The setting of the paper (Liu et al., ICML 2024, section 3.1) is Adam with
// weight decay 0.1, an initial rate of 2e-3 and a cosine schedule, which
// Default is.
//
// Config.Moments chooses the type of Adam's two moments. bf16 halves them, from
// 8 bytes a weight to 4, for models whose state would not fit; the update still
// works in float32.
//
// Muon makes the update of each matrix of a layer orthogonal (Jordan et al., 2024),
// by matmuls of 5·(4·s²·l + 2·s³) FLOPs for one with sides s ≤ l at each step, however
// many tokens the step has, and leaves all else to AdamW. With adjust_lr_fn
// match_rms_adamw (Liu et al., Muon is Scalable for LLM Training, 2025) one rate does
// for both.
//
// Any other update is one pass over memory: for each weight it reads value, gradient
// and moments once and writes value and moments once, in chunks of fixed size
// that workers take from a queue. No chunk depends on another, so the result
// is the same to the bit for any number of workers, and the SIMD and the plain
// kernels round alike, so it is also the same on any machine.
//
//	cfg := optim.Default()
//	schedule, _, err := optim.NewSchedule(cfg, steps)
//	...
//	opt, err := optim.New(cfg, params, optim.Serial())
//	...
//	for step := range steps {
//		// forward and backward passes fill the gradients
//		norm := optim.GradNorm(params, par)
//		opt.Step(schedule.LR(step), optim.ClipScale(norm, cfg.Clip))
//	}
package optim
