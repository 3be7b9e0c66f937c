// Package experiments runs a table of models, each a training run of its own, and
// says what their differences are worth.
//
// The way of an experiment: [Load] reads its [File] (base configuration, members or
// axes, seeds, a budget of tokens, and the paper's numbers beside each member),
// [File.Resolve] makes the [Sweep] of one scale of it, every [Member] with its whole
// configuration and an id that is the hash of that, [Sweep.Plan] finds out before
// anything starts whether each can run, [Run] trains them, several at once, and
// [Report] compares what came out, seed by seed, with the tests that tell a
// difference from noise.
//
// A sweep is a folder:
//
//	runs/NAME/
//	  sweep.json   the members: id, configuration, the paper's numbers
//	  ID/          an ordinary run of package train
//	  claims/      who trains what
//	  failures/    why a member failed
//	  logs/        what a member's process printed
//	  corpus/      the text of all members, as tokens
//	  report/
//
// Everything is known from that folder, so any number of processes on any number of
// machines that share it may work on one sweep. A member belongs to the process that
// holds its newest claim, see [Claim]. What was finished is never trained again, and
// what broke off goes on from its checkpoint with the losses of the unbroken run.
//
// The experiments of the paper (Liu et al., ICML 2024) lie beside this file, a file
// for each table: table1.yaml (embedding sharing), table2.yaml (strategies of layer
// sharing), table10.yaml (Figure 3, the roadmap), table11.yaml (Figure 4, depth and
// width), table12.yaml (the same by TriviaQA and RACE), table13.yaml (Figure 5, heads), table14.yaml
// (repetitions), table15.yaml (8 bits after training) and table16.yaml (distillation).
//
//	file, err := experiments.Load("experiments/table1.yaml")
//	sweep, err := file.Resolve("desk", experiments.Overrides{})
//	err = experiments.Run(ctx, sweep, experiments.RunOptions{Dir: "runs/table1-desk", Jobs: 2})
package experiments
