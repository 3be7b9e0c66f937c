package train

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/collective"
	"mobilellm/data"
	"mobilellm/data/topk"
	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/bar"
	"mobilellm/internal/filelock"
	"mobilellm/optim"
	"mobilellm/tokenizer"
)

// CheckpointsDir is the folder of checkpoints within a run's.
const CheckpointsDir = checkpoint.CheckpointsDir

// Options are what a run needs beside its configuration.
type Options struct {
	Out       string   // the run's folder, made where there is none
	Numbered  bool     // the folder is the first of Out-1, Out-2, … that is free
	Resume    string   // a checkpoint of a run to go on from; empty starts anew
	Newest    bool     // Resume is the newest of its run: where it is damaged, one before it will do
	Restart   bool     // begin anew in the folder of a run that has no checkpoint yet
	Init      string   // a model folder whose weights a new run starts from; empty takes that of init.model
	Overfit   bool     // every step trains on the batch of the first
	Profile   bool     // time every operation
	LeaveOut  []string // folders that are not text where they lie in the text's, as Out is not
	Workers   int      // threads; 0 is as many as there are processors, or as the resumed run had
	PeakFLOPS float64  // of the device, FLOP/s, where it is known; 0 measures it
	Versions  map[string]string
	Progress  *Progress        // nil tells nobody
	Group     collective.Group // of ranks that train together; nil is one alone
	Device    device.Device    // to run on, which stays open; nil opens the one that the configuration names
	// Tasks opens what measures by eval.tasks; nil for a program that measures none.
	Tasks func(ctx context.Context, e Eval) (TaskScorer, error)
	// Sampler writes the texts of eval.samples; nil for a program that writes none.
	Sampler Sampler
	// Sink opens what takes the records of the run in a folder besides metrics.jsonl; it
	// may give none.
	Sink func(dir string, c *RunConfig) (Sink, error)

	// SaveNow asks for a checkpoint after the step that is being made; nil never does.
	SaveNow <-chan os.Signal

	afterStep func(step int64) // of tests
}

// Result is what came out of a run.
type Result struct {
	Out        string // the run's folder
	Step       int64
	Tokens     int64
	Loss       float64        // of the last step
	Heldout    *HeldoutRecord // the last scoring; nil where there was none
	Before     *HeldoutRecord // the scoring of step 0, of a run that started from another model
	Checkpoint string         // the last one saved
	Memory     Memory         // as planned
	PeakMemory int64          // VmHWM, or what is in use of an accelerator's memory; bytes
	Profile    *engine.Profile
	PeakFLOPS  float64
}

// ErrInterrupted is what Run's error wraps where its context ended: the run was
// saved and can be resumed.
var ErrInterrupted = errors.New("interrupted")

// run is a run under way.
type run struct {
	c       RunConfig // its model resolved
	o       Options
	choice  Choice
	memory  Memory
	from    *checkpoint.Checkpoint // that it goes on from, or nil
	initial *checkpoint.Model      // whose weights it starts from, or nil
	taught  *checkpoint.Model      // of the teacher, or nil
	base    adapterBase            // of a run with adapters
	shards  *topk.File             // what a teacher stored, or nil
	held    *filelock.Lock         // of its folder
	made    []string               // folders that were not there before
	started bool                   // the folder holds a run
	dev     device.Device
	text    *data.Set
	heldout *data.Heldout
	loader  *data.Loader
	fixed   *data.Batch // of a run that overfits

	trains   trained
	params   []arch.Parameter // all of them
	weights  *engine.Weights
	trained  []optim.Param
	opt      optim.Optimizer
	remote   engine.Update // of an accelerator, which has neither trained nor opt
	schedule optim.Schedule
	lesson   *lesson // nil without a teacher
	training *program
	scoring  *program
	peak     float64 // FLOP/s
	peaks    int     // times it was measured again
	flops    int64   // of a token, a teacher's with them

	tasks TaskScorer // nil without eval.tasks

	teacherTokenizer *tokenizer.Tokenizer
	teacherSum       string // checksum of the teacher's model, empty without

	metrics *metrics
	saver   *saver
	guard   *guard // nil without one
	rounds  rounds
	layers  *layerWatch
	habits  habits
	ranks   *ranks         // nil of a run of one
	reducer *reducer       // likewise
	owner   map[string]int // rank that has each parameter's moments; nil where all have them
	sources *sourceLosses  // of a step; nil where they are not told apart
	used    int64          // memory, at usedAt
	usedAt  time.Time
	state   progressState
}

// newRun is a run that has done nothing yet.
func newRun(c RunConfig, o Options) (*run, error) {
	trains, err := c.parameters()
	return &run{c: c, o: o, trains: trains, params: trains.all(), guard: newGuard(c.Train.SpikeGuard), rounds: rounds{begun: now()}}, err
}

// Run trains a model. Where ctx ends, it saves and returns an error that wraps
// [ErrInterrupted] with the result so far. A loss or gradient that is not finite
// gives a [NonFiniteError].
func Run(ctx context.Context, c RunConfig, o Options) (result *Result, err error) {
	if err := c.Validate(); err != nil {
		return nil, err
	}
	if o.Progress == nil {
		o.Progress = NewProgress(io.Discard, false)
	}
	c.Model = c.Model.Resolved()
	if o.Resume == "" {
		o.Init = cmp.Or(o.Init, c.Init.Model)
	}
	config, err := c.yamlText()
	if err != nil {
		return nil, err
	}
	joined, done, err := joinRanks(&c, &o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, done()) }()
	r, err := newRun(c, o)
	if err != nil {
		return nil, err
	}
	r.ranks = joined
	defer func() { err = errors.Join(err, r.close()) }()
	err = r.prepare(ctx)
	if err == nil {
		err = r.alike(ctx, string(config))
	}
	if err != nil {
		if ctx.Err() != nil {
			err = fmt.Errorf("%w before the first step: nothing to save", ErrInterrupted)
		}
		return nil, err
	}
	err = r.loop(ctx)
	if err == nil {
		err = errors.Join(r.writeProfile(), r.summarize())
		r.metrics.finished = err == nil
	}
	err = r.ranks.leave(errors.Join(err, r.abandon()))
	o.Progress.Done()
	return r.result(), err
}

func (r *run) prepare(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		r.openFolder, r.openTasks, r.openDevice, r.readText, r.makeModel, r.compile, r.startFolder,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// openFolder looks at what is there already, before any work is done.
func (r *run) openFolder(context.Context) error {
	if err := r.claim(); err != nil {
		return err
	}
	if r.o.Resume != "" {
		if err := r.openResumed(); err != nil {
			return err
		}
		if err := r.openBase(); err != nil {
			return err
		}
		return r.openTeacher()
	}
	if err := r.openInitial(); err != nil {
		return err
	}
	if err := r.openBase(); err != nil {
		return err
	}
	if err := r.openTeacher(); err != nil {
		return err
	}
	return r.checkEmpty()
}

func (r *run) checkEmpty() error {
	full, err := occupied(r.o.Out)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	if full && r.o.Restart {
		return r.checkUnsaved()
	}
	if full {
		return fmt.Errorf("run folder %s is not empty\nhint: go on with the run there by --resume, or name another folder with --out", r.o.Out)
	}
	return nil
}

// checkUnsaved keeps a run from beginning anew where there is something to go on from.
func (r *run) checkUnsaved() error {
	latest, err := checkpoint.Latest(r.checkpoints())
	switch {
	case errors.Is(err, checkpoint.ErrNone):
		return nil
	case err != nil:
		return fmt.Errorf("run folder: %w", err)
	}
	return fmt.Errorf("run folder %s has checkpoint %s\nhint: go on with it by --resume", r.o.Out, latest.Name)
}

func (r *run) openDevice(ctx context.Context) error {
	workers := r.o.Workers
	if r.from != nil && workers == 0 {
		workers = r.from.State.Chosen.Workers
		if n := runtime.GOMAXPROCS(0); workers != n {
			r.o.Progress.Note("resuming with %d workers, as the run began; this machine has %d processors", workers, n)
		}
	}
	var err error
	if r.dev = r.o.Device; r.dev == nil {
		r.dev, err = device.Open(r.c.Device, workers, func(text string) { r.o.Progress.Note("%s", text) })
	}
	if err != nil {
		return err
	}
	if r.ranks != nil { // messages have a thread beside the workers
		runtime.GOMAXPROCS(max(runtime.GOMAXPROCS(0), r.dev.Workers()+1))
	}
	if r.from != nil && r.from.State.Chosen.Device != r.dev.Name() {
		r.o.Progress.Note("the run began on %s and goes on on %s: its losses may differ from the unbroken run's in their last bits", r.from.State.Chosen.Device, r.dev.Name())
	}
	for _, missing := range r.dev.Missing() {
		r.o.Progress.Note("slower than it could be without %s", missing)
	}
	r.c.estimateSteps(ctx)
	fixed, err := r.recordedChoice()
	if err != nil {
		return err
	}
	var notes []string
	r.choice, r.memory, notes, err = choose(&r.c, fixed, deviceMemory(r.dev), textSize(ctx, r.c.Data, r.leaveOut()...), r.dev)
	if err != nil {
		return err
	}
	if r.choice, err = r.ranks.chosenTogether(r.choice); err != nil {
		return err
	}
	for _, note := range notes {
		r.o.Progress.Note("%s", note)
	}
	if r.peak = r.o.PeakFLOPS; r.peak == 0 {
		if r.peak, err = r.dev.Peak(r.choice.Precision, peakRun); err != nil {
			return err
		}
	}
	r.peak *= float64(max(1, r.c.ranks))
	r.o.Progress.Note("%s: %s, %s, %d steps of %d × %d tokens in micro-batches of %d",
		r.dev.Name(), r.trains, r.choice.Precision, r.c.Train.Steps, r.c.Train.Batch, r.c.Data.Seq, r.choice.MicroBatch)
	model, teacher, err := r.c.flopsPerToken()
	if err != nil {
		return err
	}
	r.flops = model + teacher
	steps := int64(r.c.Train.Steps) - min(r.startStep(), int64(r.c.Train.Steps))
	r.o.Progress.Note("memory about %s, time about %s if the run reaches %.0f %% of the device's %.0f GFLOP/s",
		gigabytes(r.memory.Total()), bar.Time(estimateTime(&r.c, r.flops, steps, r.peak)), 100*assumedMFU, r.peak/1e9)
	return nil
}

// leaveOut are the folders that are not text where they lie in the text's.
func (r *run) leaveOut() []string { return append([]string{r.o.Out}, r.o.LeaveOut...) }

func (r *run) readText(ctx context.Context) error {
	tok, err := r.givenTokenizer()
	if err != nil {
		return err
	}
	err = sparingly(func() error {
		r.text, err = data.Load(ctx, r.c.Data, data.LoadOptions{
			Tokenizer: tok, Resumed: r.from != nil, Vocab: r.c.Model.VocabSize, LeaveOut: r.leaveOut(), MaxText: mostText(availableMemory(), r.c.Data), Progress: r.o.Progress.Stage,
		})
		return err
	})
	if err != nil {
		return err
	}
	for _, note := range r.text.Notes {
		r.o.Progress.Note("%s", note)
	}
	if got, have := r.text.Tokenizer.VocabSize(), r.c.Model.VocabSize; got < have {
		r.o.Progress.Note("the tokenizer has %d ids; the other %d rows of model.vocab_size (%d) stay unused", got, have-got, have)
	}
	r.o.Progress.Note("text: %s in %d documents; %s tokens to train on, %s held out",
		textBytes(float64(r.text.Read.Bytes)), r.text.Read.Documents, count(float64(r.text.Train.Len())), count(float64(r.text.Heldout.Len())))
	if err := errors.Join(r.compareText(), r.checkTeacherTokenizer(), r.checkShards()); err != nil {
		return err
	}
	r.heldout, err = data.HeldoutBatches(r.text.Heldout, r.choice.MicroBatch, r.c.Data.Seq, r.c.Data.HeldoutTokens)
	if err != nil {
		return err
	}
	if r.c.Data.DocumentMask {
		if err := r.heldout.NumberDocuments(); err != nil {
			return err
		}
	}
	if err := r.openLoader(ctx); err != nil {
		return err
	}
	r.countSteps()
	r.notePasses()
	return nil
}

func (r *run) openLoader(ctx context.Context) error {
	config := data.LoaderConfig{
		Batch: r.c.rankBatch(), Seq: r.c.Data.Seq, Seed: r.c.Train.Seed, StartStep: r.startStep(), Rank: r.rank(), Ranks: max(1, r.c.ranks),
		Packing: r.c.Data.Packing, Docs: r.c.Data.DocumentMask,
	}
	if r.shards != nil {
		config.Teacher = r.shards
	}
	var err error
	r.loader, err = data.NewLoader(r.text.Train, config)
	if err != nil || !r.o.Overfit {
		return err
	}
	r.fixed, err = r.loader.Next(ctx)
	return err
}

// makeModel takes memory for weights and moments and fills them.
func (r *run) makeModel(context.Context) error {
	var err error
	r.weights, err = r.trains.newWeights(r.dev, engine.WeightOptions{Gradients: true, BF16: r.choice.Precision == engine.PrecisionBF16})
	if err != nil {
		return err
	}
	if err := r.makeOptimizer(); err != nil {
		return err
	}
	if r.saver, err = newSaver(r.hostCopyBytes()); err != nil {
		return err
	}
	if r.schedule, _, err = optim.NewSchedule(r.c.Optim, r.c.Train.Steps); err != nil {
		return err
	}
	for _, doubt := range r.c.doubts() {
		r.o.Progress.Note("%s", doubt)
	}
	switch {
	case r.from != nil:
		return errors.Join(r.restore(), r.from.Close())
	case r.o.Init != "":
		err = errors.Join(r.loadInitial(), r.initial.Close())
		r.initial = nil
		return err
	}
	if err := initialise(r.weights, r.params, r.c.Model.InitStd, r.c.Train.Seed, r.dev); err != nil {
		return err
	}
	return startClips(r.weights, r.c.Model, clips(r.params))
}

func (r *run) makeOptimizer() (err error) {
	if dev, ok := r.dev.(device.Accelerator); ok {
		if err := r.joinDevices(dev); err != nil {
			return err
		}
		decays := make([]bool, len(r.trains.learning()))
		for i, p := range r.trains.learning() {
			decays[i] = r.c.decays(p)
		}
		r.remote, err = dev.NewUpdate(r.c.Optim, r.weights, decays, 2*r.c.Train.Batch/r.choice.MicroBatch) // a loss each, and what is reported beside it
		return err
	}
	for _, p := range r.trains.learning() {
		r.trained = append(r.trained, optim.Param{
			Name: p.Name, Decay: r.c.decays(p), Hidden: p.Hidden(), Value: r.weights.Value(p.Name).Float32s(), Grad: r.weights.Gradient(p.Name).Float32s(),
		})
	}
	if r.c.shards() {
		r.owner = owners(r.trains.learning(), r.c.ranks)
	}
	r.opt, err = optim.New(r.c.Optim, r.owned(), r.dev)
	return err
}

// decays reports whether weight decay applies to p.
func (c *RunConfig) decays(p arch.Parameter) bool {
	return p.Decays() && (c.Optim.DecayEmbeddings || p.Name != arch.EmbeddingName)
}

func (r *run) compile(context.Context) error {
	o := engine.Options{Precision: r.choice.Precision, Recompute: r.choice.Recompute, Profile: r.o.Profile}
	var err error
	if err := r.makeLesson(); err != nil {
		return err
	}
	if r.training, err = compileTraining(&r.c, r.choice.MicroBatch, r.weights, r.dev, o, r.lesson); err != nil {
		return err
	}
	r.watchLayers()
	if r.ranks != nil && r.remote == nil {
		r.reducer = newReducer(r.ranks, r.c.Collective.kind(), r.c.Collective.bucketElements(), r.training.vm.GradientOrder(), r.trained, r.owner)
	}
	r.sources = newSourceLosses(r.text.Train.Sources(), r.training)
	o.Profile = false
	r.scoring, err = compileScoring(&r.c, r.choice.MicroBatch, r.weights, r.dev, o)
	return err
}

// startFolder fills the run's folder, now that the run can start.
func (r *run) startFolder(context.Context) error {
	r.started = true
	err := atomicfile.Sweep(r.o.Out)
	if err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	if r.from != nil {
		err = errors.Join(r.cutMetrics(), unfinish(r.o.Out))
	} else {
		if r.o.Restart { // what a run that was killed early left
			err = os.RemoveAll(filepath.Join(r.o.Out, MetricsFile))
		}
		if err == nil {
			r.metrics, err = createMetrics(r.o.Out, r.c.Checkpoint.retry())
		}
	}
	if err = errors.Join(err, r.listSkipped()); err != nil {
		return fmt.Errorf("run folder: %w", err)
	}
	r.c.Run = &Record{
		Versions: maps.Clone(r.o.Versions), DataFingerprint: r.text.Train.Fingerprint(), Device: r.dev.Name(), Workers: r.dev.Workers(),
		MicroBatch: r.choice.MicroBatch, Precision: r.choice.Precision.String(), Recompute: r.choice.Recompute.String(), Init: r.o.Init, Teacher: r.teacherSum,
	}
	if err := writeRun(r.o.Out, &r.c); err != nil {
		return err
	}
	r.openSink()
	return nil
}

func (r *run) checkpoints() string { return filepath.Join(r.o.Out, CheckpointsDir) }

func (r *run) result() *Result {
	s := &r.state
	out := &Result{
		Out: r.o.Out, Step: s.step, Tokens: s.tokens, Loss: s.loss, Heldout: s.heldout, Before: s.before, Checkpoint: s.savedPath,
		Memory: r.memory, PeakMemory: usedMemory(r.dev), PeakFLOPS: r.peak,
	}
	if r.o.Profile {
		out.Profile = r.training.vm.Profile()
	}
	return out
}

func (r *run) close() error {
	var errs []error
	if r.loader != nil {
		r.loader.Close()
	}
	errs = append(errs, r.training.close(), r.scoring.close(), r.lesson.close(), r.metrics.close(), r.saver.close(), r.unclaim())
	if r.remote != nil {
		errs = append(errs, r.remote.Close())
	}
	if r.weights != nil {
		errs = append(errs, r.weights.Close())
	}
	if r.from != nil {
		errs = append(errs, r.from.Close())
	}
	if r.initial != nil {
		errs = append(errs, r.initial.Close())
	}
	if r.shards != nil {
		errs = append(errs, r.shards.Close())
	}
	if r.taught != nil {
		errs = append(errs, r.taught.Close())
	}
	if r.dev != nil && r.o.Device == nil {
		r.dev.Close()
	}
	return errors.Join(errs...)
}
