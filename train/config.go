package train

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/optim"
	"mobilellm/tokenizer/chat"
)

// RunConfig is the configuration of a whole run, a section for each part.
type RunConfig struct {
	Model      arch.Config  `yaml:"model" help:"Shape of the model."`
	Data       data.Config  `yaml:"data" help:"Text to learn from."`
	Optim      optim.Config `yaml:"optim" help:"Optimizer and learning rate."`
	Train      Loop         `yaml:"train" help:"The training loop."`
	Init       Init         `yaml:"init" help:"Starting from the weights of another model."`
	LoRA       *arch.LoRA   `yaml:"lora" help:"Adapters that are trained in place of the model; nothing here trains the model itself."`
	Distil     Distil       `yaml:"distil" help:"Learning from a teacher."`
	Eval       Eval         `yaml:"eval" help:"Scoring of held-out text."`
	Checkpoint Saving       `yaml:"checkpoint" help:"Saving of the run's state."`
	Collective Collective   `yaml:"collective" help:"What the ranks of one run on many machines tell each other."`
	Metrics    Watching     `yaml:"metrics" help:"What is written for those who watch the run."`
	Device     string       `yaml:"device" help:"Where to compute: cpu, cuda, or auto, which takes an NVIDIA GPU where the build and the machine have one."`
	Run        *Record      `yaml:"run" help:"Facts of a run, written into its run.yaml; a new run does not read them."`

	initial *initialShape // of a run that starts from another model's weights
	ranks   int           // of the run, 0 for one
	network Network       // that joins them, for a plan
	compute float64       // seconds that each computes in a step, likewise; 0 where it is not known
	noCopy  bool          // there is no memory for a copy of weights and moments to save
}

// Loop is the `train:` section.
type Loop struct {
	Steps      int        `yaml:"steps" help:"Updates of the weights."`
	Epochs     float64    `yaml:"epochs" help:"Passes over the training data, in place of steps: what they come to is known when it is read; 0 leaves it to steps."`
	Patience   int        `yaml:"patience" help:"Scorings in a row without a lower validation loss after which the run ends; every lowest one is saved. 0 makes all steps."`
	Batch      int        `yaml:"batch" help:"Sequences in a step."`
	MicroBatch MicroBatch `yaml:"micro_batch" help:"Sequences that pass the model at once, a divisor of batch; auto takes the largest that fits memory."`
	Precision  Precision  `yaml:"precision" help:"float32 or bf16; auto takes bf16 where the hardware multiplies it no slower."`
	ZLoss      float64    `yaml:"z_loss" help:"Coefficient of the z-loss, the square of the log of each softmax's denominator, which is added to the loss and keeps logits small: 1e-4 in PaLM; 0 for none."`
	Recompute  Recompute  `yaml:"recompute" help:"What the backward pass computes again to save memory: none, attention or block."`
	Freeze     []string   `yaml:"freeze" help:"Parameters that stay as they are, by patterns of their names in the checkpoint, such as model.embed_tokens.*; * stands for any text."`
	Seed       uint64     `yaml:"seed" help:"Seed of the initial weights and of the order of samples."`
	MaxHours   float64    `yaml:"max_hours" help:"The run saves and ends before it has lasted so long, counted anew where it is resumed: for a queue's limit; 0 for none."`
	SpikeGuard SpikeGuard `yaml:"spike_guard" help:"What is done about a step whose loss or gradient norm is far above those before."`
}

// Eval is the `eval:` section.
type Eval struct {
	Every     int      `yaml:"every" help:"Steps between two scorings of the held-out text; 0 scores at the end only."`
	Tasks     []string `yaml:"tasks" help:"Benchmarks to measure the model by, by the names that mobilellm-eval knows; none by default."`
	TaskEvery int      `yaml:"task_every" help:"Steps between two measurements by tasks; 0 measures at the end only."`
	TaskItems int      `yaml:"task_items" help:"Questions of each task, a subset that is the same in every run; 0 for all."`
	DataDir   string   `yaml:"data_dir" help:"Folder of the tasks' data sets, see mobilellm-eval datasets."`
	Protocol  string   `yaml:"protocol" help:"How questions are put and measured: lm-eval or paper."`
	Samples   []string `yaml:"samples" help:"Prompts that the model continues whenever the held-out text is scored; none by default."`
	Quantize  []string `yaml:"quantize" help:"What the validation loss is measured with too, quantised after training, when tasks are: w8a8, w4a16 and the like, bits of the linear layers' weights and of what they multiply."`
}

// QuantizedLoss names the validation loss of a model that is quantised after training.
func QuantizedLoss(quantize string) string { return HeldoutLoss + "_" + quantize }

// Measures are the names of what the model is measured by besides the validation loss.
func (e Eval) Measures() []string {
	list := slices.Clone(e.Tasks)
	for _, q := range e.Quantize {
		list = append(list, QuantizedLoss(q))
	}
	return list
}

func (e Eval) validate() error {
	errs := []error{atLeast("eval.every", e.Every, 0), atLeast("eval.task_every", e.TaskEvery, 0), atLeast("eval.task_items", e.TaskItems, 0)}
	for i, task := range e.Tasks {
		if slices.Contains(e.Tasks[:i], task) {
			errs = append(errs, fmt.Errorf("eval.tasks: %q comes twice", task))
		}
	}
	for i, q := range e.Quantize {
		if _, err := arch.ParseQuantize(q); err != nil {
			errs = append(errs, fmt.Errorf("eval.quantize: %w", err))
		}
		if slices.Contains(e.Quantize[:i], q) {
			errs = append(errs, fmt.Errorf("eval.quantize: %q comes twice", q))
		}
	}
	return errors.Join(errs...)
}

// HeldoutLoss names the validation loss where a task's name may stand.
const HeldoutLoss = "heldout_loss"

// Saving is the `checkpoint:` section.
type Saving struct {
	Every        int     `yaml:"every" help:"Steps between two checkpoints; 0 leaves it to minutes."`
	Minutes      float64 `yaml:"minutes" help:"A checkpoint also falls due when the last is this old; 0 turns it off."`
	Keep         int     `yaml:"keep" help:"Newest checkpoints that are kept beside the best; 0 keeps all."`
	KeepEvery    int     `yaml:"keep_every" help:"Checkpoints of steps that are a multiple of this are kept for good; 0 for none."`
	RetryMinutes float64 `yaml:"retry_minutes" help:"How long a checkpoint that cannot be written, on a full disk for one, is tried again while the run goes on; then the run ends. 0 ends it at once."`
	Best         string  `yaml:"best" help:"What makes a checkpoint the best: heldout_loss, or one of eval.tasks."`
}

// Watching is the `metrics:` section.
type Watching struct {
	TensorBoard bool `yaml:"tensorboard" help:"Whether TensorBoard's event files are written beside metrics.jsonl."`
	LayersEvery int  `yaml:"layers_every" help:"Steps between two measurements of each layer's weights, gradients, updates and activations; 0 makes none. On processors only."`
}

// DefaultRun trains the paper's 125M model on the Go source tree: what a
// configuration does not set is as here.
func DefaultRun() RunConfig {
	return RunConfig{
		Model: arch.Default(),
		Data:  data.DefaultConfig(),
		Optim: optim.Default(),
		Train: Loop{
			Steps: 20000, Batch: 64, Seed: 1, Precision: Precision{Auto: true},
			SpikeGuard: SpikeGuard{Action: SpikeNone, Of: spikeEither, ZScore: 6, Window: 100, Most: 10},
		},
		Distil:     Distil{Temperature: 1},
		Eval:       Eval{Every: 1000, TaskItems: 200, Protocol: "lm-eval"},
		Checkpoint: Saving{Every: 1000, Minutes: 15, Keep: 3, RetryMinutes: 10, Best: HeldoutLoss},
		Collective: Collective{Compress: CompressNone, Timeout: 10 * time.Minute, BucketMB: 25},
		Metrics:    Watching{TensorBoard: true},
		Device:     "auto",
	}
}

// Validate reports everything that keeps c from being run, joined by
// errors.Join; each error names the key and its value.
func (c *RunConfig) Validate() error {
	errs := []error{
		c.validateModel(), c.Data.Validate(), c.Optim.Validate(), c.Train.validate(), c.Distil.validate(), c.validateShards(), c.validatePlaces(),
		c.Eval.validate(), c.Checkpoint.validate(), c.Collective.validate(), atLeast("metrics.layers_every", c.Metrics.LayersEvery, 0), device.Validate(c.Device),
	}
	if errs[0] == nil {
		errs = append(errs, c.validateTrained())
	}
	if best := c.Checkpoint.bestBy(); best != HeldoutLoss && !slices.Contains(c.Eval.Measures(), best) {
		errs = append(errs, fmt.Errorf("checkpoint.best (%q) must be %s or one of eval.tasks %q", best, HeldoutLoss, c.Eval.Measures()))
	}
	if c.Train.ZLoss > 0 && c.Distil.on() {
		errs = append(errs, fmt.Errorf("train.z_loss (%g) is for a run without a teacher", c.Train.ZLoss))
	}
	if c.Train.Patience > 0 && c.Eval.Every == 0 {
		errs = append(errs, fmt.Errorf("train.patience (%d) needs scorings on the way: eval.every is 0", c.Train.Patience))
	}
	if len(c.Eval.Quantize) > 0 && c.Model.Quantize.Rounds() {
		errs = append(errs, fmt.Errorf("eval.quantize (%q) is for a model that is not quantised; model.quantize is %s", c.Eval.Quantize, c.Model.Quantize))
	}
	if c.Data.Seq > c.Model.Context {
		err := fmt.Errorf("data.seq (%d) must be at most model.context (%d)", c.Data.Seq, c.Model.Context)
		if c.initial != nil {
			err = fmt.Errorf("%w, which is that of %s\nhint: --set data.seq=%d", err, c.initial.path, c.Model.Context)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

func (l Loop) validate() error {
	var z, epochs error
	if !(l.ZLoss >= 0) || math.IsInf(l.ZLoss, 0) {
		z = fmt.Errorf("train.z_loss (%g) must not be negative", l.ZLoss)
	}
	if !(l.Epochs >= 0) || math.IsInf(l.Epochs, 0) {
		epochs = fmt.Errorf("train.epochs (%g) must be a number of 0 or more", l.Epochs)
	}
	err := errors.Join(atLeast("train.steps", l.Steps, 1), atLeast("train.batch", l.Batch, 1), atLeast("train.patience", l.Patience, 0), z, epochs,
		notNegative("train.max_hours", l.MaxHours), l.SpikeGuard.validate())
	if m := int(l.MicroBatch); err == nil && m > 0 && l.Batch%m != 0 {
		err = fmt.Errorf("train.batch (%d) must be a multiple of train.micro_batch (%d)\nhint: the nearest smaller micro-batch is %d",
			l.Batch, m, largestDivisor(l.Batch, m))
	}
	return err
}

// bestBy is what makes a checkpoint the best.
func (s Saving) bestBy() string { return cmp.Or(s.Best, HeldoutLoss) }

// retry is how long what cannot be written is tried again.
func (s Saving) retry() time.Duration { return time.Duration(s.RetryMinutes * float64(time.Minute)) }

func (s Saving) validate() error {
	return errors.Join(notNegative("checkpoint.minutes", s.Minutes), notNegative("checkpoint.retry_minutes", s.RetryMinutes), atLeast("checkpoint.every", s.Every, 0),
		atLeast("checkpoint.keep", s.Keep, 0), atLeast("checkpoint.keep_every", s.KeepEvery, 0))
}

// notNegative refuses what no time is.
func notNegative(key string, value float64) error {
	if !(value >= 0) || math.IsInf(value, 0) {
		return fmt.Errorf("%s (%g) must not be negative", key, value)
	}
	return nil
}

func atLeast(key string, value, least int) error {
	if value < least {
		return fmt.Errorf("%s (%d) must be at least %d", key, value, least)
	}
	return nil
}

// largestDivisor is the largest divisor of n that is at most limit, which is 1
// or more.
func largestDivisor(n, limit int) int {
	for d := min(n, limit); d > 1; d-- {
		if n%d == 0 {
			return d
		}
	}
	return 1
}

// stepTokens is the number of tokens in a step.
func (c *RunConfig) stepTokens() int64 { return int64(c.Train.Batch) * int64(c.Data.Seq) }

// AbsolutePaths makes the paths of text, tokenizer and teacher absolute, so that the
// run can be resumed from any folder.
func (c *RunConfig) AbsolutePaths() error {
	for _, list := range []*data.Sources{&c.Data.Train, &c.Data.Heldout} {
		*list = slices.Clone(*list)
		for i := range *list {
			if err := absolute(&(*list)[i].Path, data.GoSourceName); err != nil {
				return err
			}
		}
	}
	if err := errors.Join(absolute(&c.Init.Model, ""), absolute(&c.Distil.Teacher, ""), absolute(&c.Distil.Shards, ""), absolute(&c.Eval.DataDir, "")); err != nil {
		return err
	}
	return errors.Join(absolute(&c.Data.ChatTemplate, append(chat.Names(), "")...), absolute(&c.Data.Tokenizer, data.TokenizerBytes, data.TokenizerTrain))
}

func absolute(path *string, names ...string) error {
	if slices.Contains(names, *path) {
		return nil
	}
	full, err := filepath.Abs(*path)
	*path = full
	return err
}
