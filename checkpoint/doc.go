// Package checkpoint reads and writes models and the state of training runs.
//
// A model is a Hugging Face folder: config.json, model.safetensors (or shards
// with an index) and the tokenizer's files. Parameters have the names of
// Hugging Face's LLaMA, so a model without shared layers and with a SwiGLU FFN
// is a llama folder that other tools open as it is. Any other says
// "model_type": "mobilellm", with `ffn`, `layer_sharing` and `quantize` beside LLaMA's
// fields, so that tools which would ignore those refuse it instead of running
// another function (paper, section 2.3, on layer sharing).
//
// A run's checkpoint is such a folder with two files more, optimizer.safetensors
// and state.json:
//
//	runs/NAME/checkpoints/
//	  step-00000900/
//	  step-00001000/
//	    config.json           the model's shape
//	    model.safetensors     weights
//	    tokenizer.json …      whatever the tokenizer writes
//	    optimizer.safetensors exp_avg.NAME, exp_avg_sq.NAME or momentum_buffer.NAME
//	    state.json            step, position in the data, resolved configuration,
//	                          and size and CRC-32C of every other file
//	  best -> step-00000900
//
// [Save] builds a checkpoint beside its final name, syncs every file, renames the
// folder and syncs its parent. So a folder named step-… is always whole, and a
// crash or a full disk costs at most the checkpoint being written; what it left
// behind is ignored by all readers and removed by the next Save. [OpenCheckpoint] compares
// every file with the size and the checksum that state.json gives. A damaged checkpoint is an error that names the file: which other
// one to resume from is for the user to say.
//
// The main types:
//
//   - [Model] is an open model, from [Open].
//   - [Checkpoint] is an open checkpoint of a run, from [OpenCheckpoint] or [OpenNewest].
//   - [Contents] is what Save writes; [State] is state.json.
//   - [List], [Latest], [Prune], [MarkBest] and [Best] manage a run's folder.
//
// For example, to resume:
//
//	c, err := checkpoint.OpenNewest("runs/quickstart/checkpoints", note)
//	...
//	defer c.Close()
//	err = c.Model.Load(weights)      // []safetensors.Tensor over the model's memory
//	err = c.LoadOptimizer(moments)   // likewise
//	step := c.State.Step
package checkpoint
