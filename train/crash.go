package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"

	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/internal/atomicfile"
	"mobilellm/internal/jsonfloat"
	"mobilellm/internal/regular"
)

// The files of a crash folder, which a run leaves that was stopped by a loss or gradient.
const (
	CrashFile  = "crash.json"
	BatchFile  = "batch.json"
	CrashModel = "model" // folder of the weights that the step began with
)

// Crash is crash.json: what a run knows of the step that stopped it.
type Crash struct {
	Step       int64             `json:"step"` // the update that was not made, counted from 1
	What       string            `json:"what"` // loss or gradient norm
	Value      string            `json:"value"`
	Loss       jsonfloat.Float   `json:"loss"` // null where it is not finite
	MicroBatch int               `json:"micro_batch,omitempty"`
	Of         int               `json:"micro_batches"`
	Operation  string            `json:"first_operation,omitempty"` // whose result is not finite
	Checkpoint string            `json:"checkpoint,omitempty"`      // the last before
	Chosen     checkpoint.Chosen `json:"chosen"`
	Parameters []ParameterNorm   `json:"parameters"`
	Samples    []TrainingSample  `json:"samples"`
	Config     string            `json:"config"` // of the run, as YAML
	Versions   map[string]string `json:"versions"`
}

// ParameterNorm is the Euclidean norm of a parameter's weights and of their gradients; what
// is not finite is null.
type ParameterNorm struct {
	Name      string          `json:"name"`
	Weight    jsonfloat.Float `json:"weight"`
	Gradient  jsonfloat.Float `json:"gradient"`
	NonFinite int             `json:"non_finite"` // gradients that are not finite
}

// storedBatch is batch.json. Log-probabilities are bits of float32: those of positions that
// are not supervised may be anything.
type storedBatch struct {
	Step    int64    `json:"step"` // from 0
	Epoch   int64    `json:"epoch"`
	Rows    int      `json:"rows"`
	Seq     int      `json:"seq"`
	Tokens  int      `json:"tokens"` // supervised positions
	Length  int      `json:"length"` // positions that are no filling
	Inputs  []int32  `json:"inputs"`
	Targets []int32  `json:"targets"` // -1 where not supervised
	Docs    []int32  `json:"docs,omitempty"`
	TopIDs  []int32  `json:"top_ids,omitempty"`
	TopLogP []uint32 `json:"top_logp_bits,omitempty"`
}

// parameterNorms are those of the weights, and of the gradients of the last step.
func (r *run) parameterNorms() ([]ParameterNorm, error) {
	var list []ParameterNorm
	var values []float32
	read := func(t *engine.Tensor) (norm float64, bad int, err error) {
		if t.Len() > len(values) {
			values = make([]float32, t.Len())
		}
		part := values[:t.Len()]
		if err := engine.Read(t, part); err != nil {
			return 0, 0, err
		}
		for _, x := range part {
			norm += float64(x) * float64(x)
			if !finite(float64(x)) {
				bad++
			}
		}
		return math.Sqrt(norm), bad, nil
	}
	for _, p := range r.params {
		one := ParameterNorm{Name: p.Name}
		weight, _, err := read(r.weights.Value(p.Name))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
		one.Weight = jsonfloat.Float(weight)
		if g := r.weights.Gradient(p.Name); g != nil {
			gradient, bad, err := read(g)
			if err != nil {
				return nil, fmt.Errorf("%s: gradient: %w", p.Name, err)
			}
			one.Gradient, one.NonFinite = jsonfloat.Float(gradient), bad
		}
		list = append(list, one)
	}
	return list, nil
}

// writeCrash leaves a crash folder, and says where. One of the same step is replaced.
func (r *run) writeCrash(b *data.Batch, c Crash) (_ string, err error) {
	folder := filepath.Join(r.o.Out, fmt.Sprintf("crash-step-%08d", c.Step))
	defer func() {
		if err != nil {
			err = fmt.Errorf("crash folder %s: %w", folder, err)
		}
	}()
	config, err := r.c.yamlText()
	if err != nil {
		return "", err
	}
	c.Config, c.Versions, c.Chosen, c.Checkpoint, c.Samples = string(config), r.o.Versions, r.chosen(), r.state.savedPath, r.samples(b, wholeText)
	tmp, err := atomicfile.CreateFolder(folder)
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	stored := storedBatch{Step: b.Step, Epoch: b.Epoch, Rows: b.Rows, Seq: b.Seq, Tokens: b.Tokens, Length: b.Length, Inputs: b.Inputs, Targets: b.Targets, Docs: b.Docs, TopIDs: b.TopIDs}
	for _, p := range b.TopLogP {
		stored.TopLogP = append(stored.TopLogP, math.Float32bits(p))
	}
	if err := errors.Join(writeJSON(filepath.Join(tmp, CrashFile), c), writeJSON(filepath.Join(tmp, BatchFile), stored)); err != nil {
		return "", err
	}
	model := checkpoint.Contents{
		Config: r.c.Model, Meta: r.meta(), Weights: tensors(r.weightTensors(r.trains.kept(), &hostBuffer{shared: true})),
		Generation: r.text.Tokenizer.GenerationConfig(), Tokenizer: r.text.Tokenizer.Save,
	}
	r.keepAdapter(&model)
	if err := checkpoint.SaveModel(filepath.Join(tmp, CrashModel), model); err != nil {
		return "", err
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	return folder, atomicfile.CommitFolder(tmp, folder)
}

func writeJSON(path string, value any) error {
	raw, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return atomicfile.Write(path, append(raw, '\n'))
}

// ReadCrash reads the crash.json of a crash folder.
func ReadCrash(folder string) (*Crash, error) {
	c := new(Crash)
	return c, readJSON(filepath.Join(folder, CrashFile), c)
}

func readJSON(path string, value any) error {
	raw, err := regular.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, value); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}

// readBatch reads the batch of a crash folder for a configuration.
func readBatch(folder string, c *RunConfig) (*data.Batch, error) {
	path := filepath.Join(folder, BatchFile)
	var s storedBatch
	if err := readJSON(path, &s); err != nil {
		return nil, err
	}
	n := c.Train.Batch * c.Data.Seq
	for _, list := range []struct {
		key       string
		got, want int
	}{
		{"rows", s.Rows, c.Train.Batch},
		{"seq", s.Seq, c.Data.Seq},
		{"inputs", len(s.Inputs), n},
		{"targets", len(s.Targets), n},
		{"docs", len(s.Docs), map[bool]int{true: n}[c.Data.DocumentMask]},
		{"top_logp_bits", len(s.TopLogP), len(s.TopIDs)},
	} {
		if list.got != list.want {
			return nil, fmt.Errorf("%s: %s (%d) should be %d", path, list.key, list.got, list.want)
		}
	}
	if s.Tokens < 1 || len(s.TopIDs)%n != 0 {
		return nil, fmt.Errorf("%s: tokens (%d) and top_ids (%d) are not those of a batch", path, s.Tokens, len(s.TopIDs))
	}
	b := &data.Batch{Step: s.Step, Epoch: s.Epoch, Rows: s.Rows, Seq: s.Seq, Tokens: s.Tokens, Length: s.Length, Inputs: s.Inputs, Targets: s.Targets, Docs: s.Docs, TopIDs: s.TopIDs}
	for _, bits := range s.TopLogP {
		b.TopLogP = append(b.TopLogP, math.Float32frombits(bits))
	}
	return b, nil
}

// replayHint tells of a crash folder, if there is one.
func replayHint(folder string) string {
	if folder == "" {
		return ""
	}
	return fmt.Sprintf("\nhint: %s has the batch, its text and norms; --replay %s runs it again", folder, folder)
}

// refuse says why a step's update is not made, and leaves a crash folder.
func (r *run) refuse(b *data.Batch, loss, norm float64, bad int) error {
	e := &NonFiniteError{Step: r.state.step + 1, MicroBatch: bad + 1, Of: r.c.rankBatch() / r.choice.MicroBatch, What: "loss", Value: loss}
	if finite(loss) {
		e.What, e.Value = "gradient norm", norm
	}
	norms, reading := r.parameterNorms() // before their memory is used again
	if err := errors.Join(reading, r.training.close()); err != nil {
		return errors.Join(e, err)
	}
	if err := r.locate(b, e); err != nil {
		return errors.Join(e, err)
	}
	if r.ranks != nil {
		return errors.Join(e, r.abandon(), r.saveLast()) // its batch is in parts
	}
	c := Crash{Step: e.Step, What: e.What, Value: fmt.Sprint(e.Value), Loss: jsonfloat.Float(loss), MicroBatch: e.MicroBatch, Of: e.Of, Parameters: norms}
	if e.Cause != nil {
		c.Operation = e.Cause.Error()
	}
	var err error
	if e.Folder, err = r.writeCrash(b, c); err != nil {
		return errors.Join(e, err)
	}
	return e
}

// refuseSpike likewise of a spike, which stops the run; what came before is saved.
func (r *run) refuseSpike(b *data.Batch, e *SpikeError, loss float64) error {
	if r.ranks != nil {
		return errors.Join(e, r.abandon(), r.saveLast())
	}
	norms, err := r.parameterNorms()
	if err != nil {
		return errors.Join(e, err)
	}
	c := Crash{Step: e.Step, What: e.Of, Value: fmt.Sprint(e.Value), Loss: jsonfloat.Float(loss), Of: r.c.rankBatch() / r.choice.MicroBatch, Parameters: norms}
	if e.Folder, err = r.writeCrash(b, c); err != nil {
		return errors.Join(e, err)
	}
	return errors.Join(e, r.abandon(), r.saveLast())
}
