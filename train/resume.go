package train

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/internal/hint"
	"mobilellm/tokenizer"
)

// RunFolder is the folder of the run that a checkpoint belongs to.
func RunFolder(checkpoint string) string {
	return filepath.Dir(filepath.Dir(filepath.Clean(checkpoint)))
}

// IsRun says whether a folder is that of a run.
func IsRun(path string) bool {
	for _, name := range []string{RunFile, CheckpointsDir} {
		if _, err := os.Stat(filepath.Join(path, name)); err == nil {
			return true
		}
	}
	return false
}

// FindRun is the run that a path to go on from means, and the checkpoint if the path is
// that of one. Its error says what the path is instead.
func FindRun(path string) (run, from string, err error) {
	info, err := os.Stat(path)
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	switch remote := hint.Remote(path, hint.Model); {
	case remote != "":
		return "", "", fmt.Errorf("nothing to resume: %s", remote)
	case errors.Is(err, fs.ErrNotExist):
		return "", "", fmt.Errorf("nothing to resume: there is no run or checkpoint at %s: %w%s", path, fs.ErrNotExist, runsIn(filepath.Dir(filepath.Clean(path))))
	case err != nil:
		return "", "", err
	case !info.IsDir():
		return "", "", fmt.Errorf("nothing to resume: %s is a file; a run's folder is wanted, or that of a checkpoint\nhint: a model's weights start a new run with --init", path)
	case has(checkpoint.StateFile):
		return RunFolder(path), path, nil
	case IsRun(path):
		return path, "", nil
	case filepath.Base(filepath.Clean(path)) == CheckpointsDir:
		return filepath.Dir(filepath.Clean(path)), "", nil
	case has(checkpoint.ConfigFile):
		return "", "", fmt.Errorf("nothing to resume: %s is a model without the state of a run (%s)\nhint: --init %s starts a new run from its weights", path, checkpoint.StateFile, path)
	}
	return "", "", fmt.Errorf("nothing to resume: %s is no run: it has neither %s nor %s%s", path, RunFile, CheckpointsDir, runsIn(path))
}

// runsIn is a hint that names the runs in a folder, if there are any.
func runsIn(dir string) string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "" // it holds none
	}
	const most = 5
	var runs []string
	for _, entry := range slices.Backward(entries) {
		if path := filepath.Join(dir, entry.Name()); entry.IsDir() && IsRun(path) {
			runs = append(runs, path)
		}
	}
	switch {
	case len(runs) == 0:
		return ""
	case len(runs) > most:
		runs = append(runs[:most], "…")
	}
	return "\nhint: runs there are " + strings.Join(runs, ", ")
}

// RunsHint names the runs in the folder that runs are numbered in, if there are any.
func RunsHint() string { return runsIn("runs") }

// LatestCheckpoint is the newest checkpoint of the run in a folder; it is empty for a
// run that was killed before its first one, which is to begin anew.
func LatestCheckpoint(runFolder string) (string, error) {
	entry, err := checkpoint.Latest(filepath.Join(runFolder, CheckpointsDir))
	if errors.Is(err, checkpoint.ErrNone) {
		if _, begun := os.Stat(filepath.Join(runFolder, RunFile)); begun == nil {
			return "", nil
		}
		return "", fmt.Errorf("nothing to resume: %w\nhint: name the run's folder or a checkpoint with --resume PATH", err)
	}
	return entry.Path, err
}

// ConfigOf is the configuration that a checkpoint holds.
func ConfigOf(path string) (*RunConfig, error) {
	state, err := checkpoint.ReadState(path)
	if err != nil {
		return nil, err
	}
	return parseRun(state.Config)
}

// openResumed opens the checkpoint to go on from and compares what must be equal.
func (r *run) openResumed() error {
	var err error
	if r.o.Newest {
		r.from, err = checkpoint.OpenNewest(filepath.Dir(r.o.Resume), func(aside string, err error) {
			r.o.Progress.Note("%v", err)
			r.o.Progress.Note("the checkpoint is kept aside as %s; the run goes on from the one before it", aside)
		})
	} else {
		r.from, err = checkpoint.OpenCheckpoint(r.o.Resume)
	}
	if err != nil {
		return fmt.Errorf("resume: %w%s", err, r.otherCheckpoint())
	}
	if err := compareModels(r.from.Model.Config, r.c.Model, r.from.Path); err != nil {
		return err
	}
	before, err := parseRun(r.from.State.Config)
	if err != nil {
		return fmt.Errorf("%s: config: %w", filepath.Join(r.from.Path, checkpoint.StateFile), err)
	}
	if before.Data.DocumentStart == data.StartOld { // the key was not there: its rule goes on
		r.c.Data.DocumentStart, r.c.Data.ParseSpecial = before.Data.DocumentStart, before.Data.ParseSpecial
	}
	if err := r.compareRuns(before); err != nil {
		return err
	}
	r.noteChanges(before)
	return r.checkBranch()
}

// otherCheckpoint is a hint where the checkpoint to resume is damaged.
func (r *run) otherCheckpoint() string {
	list, err := checkpoint.List(filepath.Dir(r.o.Resume))
	if err != nil {
		return ""
	}
	for i := len(list) - 1; i >= 0; i-- {
		if filepath.Clean(list[i].Path) != filepath.Clean(r.o.Resume) {
			return fmt.Sprintf("\nhint: another checkpoint is %s; give it to --resume with a new --out", list[i].Path)
		}
	}
	return ""
}

// checkBranch keeps a run that goes on from an older checkpoint from mixing with
// what came after it.
func (r *run) checkBranch() error {
	same, err := sameFolder(RunFolder(r.from.Path), r.o.Out)
	if err != nil {
		return err
	}
	if same {
		latest, err := checkpoint.Latest(r.checkpoints())
		if err == nil && latest.Step != r.from.State.Step {
			return fmt.Errorf("checkpoint %s is older than the run's latest, %s\nhint: go on from it in a folder of its own with --out", r.from.Path, latest.Name)
		}
		return err
	}
	full, err := occupied(r.o.Out)
	if full {
		return fmt.Errorf("run folder %s is not empty and is not that of checkpoint %s\nhint: name another folder with --out", r.o.Out, r.from.Path)
	}
	return err
}

func sameFolder(a, b string) (bool, error) {
	infoA, err := os.Stat(a)
	if err != nil {
		return false, err
	}
	infoB, err := os.Stat(b)
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return os.SameFile(infoA, infoB), nil
}

// parseRun reads the configuration that a checkpoint holds, as configs.Print
// wrote it. A key that it lacks has the meaning of before there was one.
func parseRun(text string) (*RunConfig, error) {
	c := DefaultRun()
	c.Data.DocumentStart = data.StartOld
	decoder := yaml.NewDecoder(bytes.NewReader([]byte(text)))
	if err := decoder.Decode(&c); err != nil {
		return nil, err
	}
	return &c, nil
}

// recordedChoice is what the resumed run settled on.
func (r *run) recordedChoice() (*Choice, error) {
	if r.from == nil {
		return nil, nil
	}
	return parseChoice(r.from.Path, r.from.State.Chosen, r.c.Train.Batch)
}

// parseChoice reads a choice that was recorded at a path.
func parseChoice(path string, chosen checkpoint.Chosen, batch int) (*Choice, error) {
	precision, err := engine.ParsePrecision(chosen.Precision)
	if err != nil {
		return nil, fmt.Errorf("%s: chosen: %w", path, err)
	}
	recompute, err := engine.ParseRecompute(chosen.Recompute)
	if err != nil {
		return nil, fmt.Errorf("%s: chosen: %w", path, err)
	}
	if chosen.MicroBatch < 1 || batch%chosen.MicroBatch != 0 {
		return nil, fmt.Errorf("%s: chosen: micro_batch (%d) does not divide train.batch (%d)", path, chosen.MicroBatch, batch)
	}
	return &Choice{chosen.MicroBatch, precision, recompute}, nil
}

// givenTokenizer is the one that a checkpoint or another model brings, or that lies at
// data.tokenizer; nil for one that is made.
func (r *run) givenTokenizer() (*tokenizer.Tokenizer, error) {
	switch given := r.c.Data.Tokenizer; {
	case r.from != nil:
		return r.from.Model.Tokenizer()
	case given != data.TokenizerTrain && given != data.TokenizerBytes:
		return checkpoint.OpenTokenizer(given)
	case r.o.Init == "" || r.c.Data.Tokenizer != data.TokenizerTrain:
		return r.tokenizerOfTeacher(), nil
	}
	// Weights mean nothing with other ids than those they were trained with.
	tok, err := r.initial.Tokenizer()
	if errors.Is(err, os.ErrNotExist) {
		r.o.Progress.Note("%s has no tokenizer: one is trained, and what the model knows of its ids is lost", r.o.Init)
		return nil, nil
	}
	if err == nil {
		r.o.Progress.Note("the tokenizer is that of %s", r.o.Init)
	}
	return tok, err
}

func (r *run) startStep() int64 {
	if r.from == nil {
		return 0
	}
	return r.from.State.Step
}

// restore fills weights, moments and counters from the checkpoint.
func (r *run) restore() error {
	var err error
	if a := r.from.Adapter; a != nil {
		err = errors.Join(r.loadBase(r.from.Model), fill(r.weightTensors(r.trains.adapters, new(hostBuffer)), a.Load))
	} else {
		err = fill(r.weightTensors(r.trains.model, new(hostBuffer)), r.from.Model.Load)
	}
	if err != nil {
		return err
	}
	moments, err := r.momentsToLoad()
	if err == nil {
		err = fill(moments, r.from.LoadOptimizer)
	}
	if err != nil {
		return err
	}
	r.weights.Changed()
	if r.remote != nil {
		r.remote.SetSteps(r.from.State.OptimizerSteps)
	} else {
		r.opt.SetSteps(r.from.State.OptimizerSteps)
	}
	r.guard.restore(r.from.State.Guard)
	state, s := r.from.State, &r.state
	s.step, s.tokens, s.begun, s.saved, s.savedPath = state.Step, state.Tokens, state.Step, state.Step, r.from.Path
	for _, f := range []struct {
		to   *float64
		from *float64
	}{{&s.loss, state.Loss.Train}, {&s.smooth, state.Loss.Smooth}, {&s.best, state.Loss.Best}} {
		if f.from != nil {
			*f.to = *f.from
		}
	}
	if by := cmp.Or(state.Loss.BestBy, HeldoutLoss); state.Loss.Best != nil && by == r.c.Checkpoint.bestBy() {
		s.bestStep = state.Loss.BestStep
	}
	r.o.Progress.Note("resuming %s after step %d", r.from.Path, s.step)
	return nil
}

// cutMetrics goes on with the run's metrics and takes from them the scorings that
// came after the checkpoint was written.
func (r *run) cutMetrics() error {
	m, stay, damaged, err := cutMetrics(RunFolder(r.from.Path), r.o.Out, r.state.step, r.c.Checkpoint.retry())
	if err != nil {
		return err
	}
	if len(damaged) > 0 {
		r.o.Progress.Note("%s: %d damaged lines are kept aside in %s, the first is line %d", MetricsFile, len(damaged), DamagedMetricsFile, damaged[0])
	}
	r.metrics = m
	marked, err := checkpoint.Best(r.checkpoints())
	if err != nil && !errors.Is(err, checkpoint.ErrNone) {
		return err
	}
	s := &r.state
	if errors.Is(err, checkpoint.ErrNone) {
		s.bestStep = 0 // a branch: the best of the other run is not here
	}
	by := r.c.Checkpoint.bestBy()
	for i, h := range stay.Heldout {
		if h.Step == 0 {
			s.before = &stay.Heldout[i]
			continue
		}
		s.heldout = &stay.Heldout[i]
		s.patience.count(s.heldout)
		if by == HeldoutLoss && h.Step == marked.Step && marked.Step > 0 {
			s.best, s.bestStep = float64(h.HeldoutLoss), h.Step
		}
	}
	for i, t := range stay.Tasks {
		s.tasks = &stay.Tasks[i]
		if score, ok := t.find(by); ok && t.Step == marked.Step && marked.Step > 0 {
			s.best, s.bestStep = float64(score.Value), t.Step
		}
	}
	return nil
}

// openInitial opens the model that a new run starts from, before any other work.
func (r *run) openInitial() error {
	if r.o.Init == "" {
		if c := r.c.Init; c.Layers.given() || c.WiderVocab {
			return fmt.Errorf("init.layers (%s) and init.wider_vocab (%v) are for a run that starts from a model\nhint: name it in init.model or with --init", shown(c.Layers), c.WiderVocab)
		}
		return nil
	}
	var err error
	if r.initial, err = checkpoint.Open(r.o.Init); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	initial := r.initial.Config
	if err := r.growVocabulary(&initial); err != nil {
		return err
	}
	if err := r.c.compareInitial(initial, r.o.Init); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	return nil
}

// loadInitial takes its weights, and what their rows learned where it is quantised alike.
func (r *run) loadInitial() error {
	if r.c.LoRA != nil {
		if n := len(r.newRows()); n > 0 {
			return fmt.Errorf("lora: %d tokens have no row in %s, and an adapter holds none\nhint: a template of the model's own tokens, such as alpaca, or the whole model trained, without lora", n, r.o.Init)
		}
		if err := errors.Join(r.loadBase(r.initial), initialiseAdapters(r.weights, r.trains.adapters, r.c.Train.Seed)); err != nil {
			return fmt.Errorf("init: %w", err)
		}
		r.weights.Changed()
		r.o.Progress.Note("adapters of the weights of %s", r.o.Init)
		return nil
	}
	was, now := r.initial.Config.Quantize, r.c.Model.Quantize
	load, begin := r.initial.Load, []arch.Parameter(nil)
	if was.Weights != now.Weights || was.Method != now.Method {
		load, begin = r.loadMatrices, clips(r.params)
	}
	if r.c.Init.Layers.given() {
		skip := map[string]bool{}
		for _, p := range begin {
			skip[p.Name] = true
		}
		load = func(tensors []safetensors.Tensor) error { return r.loadMapped(tensors, skip) }
	}
	if err := fill(r.weightTensors(r.trains.model, new(hostBuffer)), r.withNewRows(load)); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	if err := startClips(r.weights, r.c.Model, begin); err != nil {
		return fmt.Errorf("init: %w", err)
	}
	r.o.Progress.Note("starting from the weights of %s", r.o.Init)
	return r.noteMapped()
}

// loadMatrices takes all of them but what the rows of a matrix learn.
func (r *run) loadMatrices(tensors []safetensors.Tensor) error {
	learned := map[string]bool{}
	for _, p := range clips(r.params) {
		learned[p.Name] = true
	}
	for _, t := range tensors {
		if learned[t.Name] {
			continue
		}
		if err := r.initial.LoadInto(t.Name, t.Data, t.Shape); err != nil {
			return err
		}
	}
	return nil
}
