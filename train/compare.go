package train

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/data"
	"mobilellm/tokenizer"
)

// difference is a key that has another value than before.
type difference struct {
	key      string
	was, now any
}

func (d difference) in(where string) string {
	return fmt.Sprintf("%s is %s in %s and %s in the configuration", d.key, shown(d.was), where, shown(d.now))
}

// shown is a value as a configuration says it.
func shown(value any) string {
	if m, ok := value.(yaml.Marshaler); ok {
		if said, err := m.MarshalYAML(); err == nil {
			value = said
		}
	}
	if value == "" {
		return `""`
	}
	return fmt.Sprint(value)
}

// differing compares two structs of one type key by key, but for some.
func differing(section string, was, now any, but ...string) []difference {
	return differingFields(section, reflect.ValueOf(was), reflect.ValueOf(now), but)
}

func differingFields(section string, was, now reflect.Value, but []string) (list []difference) {
	for i := range was.NumField() {
		name, _, _ := strings.Cut(was.Type().Field(i).Tag.Get("yaml"), ",")
		key := section + "." + name
		a, b := was.Field(i), now.Field(i)
		switch {
		case slices.Contains(but, name), a.Kind() == reflect.Slice && a.Len()+b.Len() == 0: // an empty list may be nil
		case a.Kind() == reflect.Struct && a.Type().Field(0).Tag.Get("yaml") != "":
			list = append(list, differingFields(key, a, b, nil)...)
		case !reflect.DeepEqual(a.Interface(), b.Interface()):
			list = append(list, difference{key, a.Interface(), b.Interface()})
		}
	}
	return list
}

// compareModels reports the keys in which two models differ.
func compareModels(was, want arch.Config, path string) error {
	was, want = was.Resolved(), want.Resolved()
	if !was.LayerSharing.Shared() && !want.LayerSharing.Shared() {
		was.LayerSharing.Repeat = want.LayerSharing.Repeat // of no effect
	}
	was.InitStd = want.InitStd // nor is this, once weights are drawn
	var errs []error
	for _, d := range differing("model", was, want) {
		errs = append(errs, errors.New(d.in(path)))
	}
	return errors.Join(errs...)
}

// compareRuns reports what a resumed run would do otherwise than it began, and cannot
// change: the losses would not be those of one run.
func (r *run) compareRuns(before *RunConfig) error {
	list := differingData(before.Data, r.c.Data)
	for _, d := range []difference{
		{"train.batch", before.Train.Batch, r.c.Train.Batch},
		{"train.seed", before.Train.Seed, r.c.Train.Seed},
		{"optim.name", before.Optim.Name, r.c.Optim.Name},
		{"optim.moments", before.Optim.Moments, r.c.Optim.Moments},
		{"distil.alpha", before.Distil.Alpha, r.c.Distil.Alpha},
		{"distil.temperature", before.Distil.Temperature, r.c.Distil.Temperature},
	} {
		if d.was != d.now {
			list = append(list, d)
		}
	}
	list = append(list, differingTrained(before, &r.c)...)
	tokenizers, err := r.differingTokenizer(before)
	if err != nil {
		return err
	}
	list = append(list, tokenizers...)
	if len(list) == 0 {
		return nil
	}
	lines, them := make([]string, len(list)), "it"
	for i, d := range list {
		lines[i] = d.in("checkpoint " + r.from.Path)
	}
	if len(list) > 1 {
		them = "them"
	}
	return fmt.Errorf("%s: a resumed run cannot change %s\nhint: a new run can start from its weights with --init", strings.Join(lines, "\n"), them)
}

// differingTrained compares what two runs train.
func differingTrained(was, now *RunConfig) (list []difference) {
	if !slices.Equal(was.Train.Freeze, now.Train.Freeze) {
		list = append(list, difference{"train.freeze", was.Train.Freeze, now.Train.Freeze})
	}
	a, b := was.LoRA, now.LoRA
	if (a == nil) != (b == nil) {
		said := map[bool]string{true: "missing", false: "given"}
		return append(list, difference{"lora", said[a == nil], said[b == nil]})
	}
	if a == nil {
		return list
	}
	return append(list, differing("lora", a.Resolved(), b.Resolved())...)
}

// differingData compares the `data:` sections. Files may have moved: their text is
// held to its fingerprint when it is read.
func differingData(was, now data.Config) []difference {
	but := []string{"train", "heldout", "tokenizer", "chat_template"} // the checkpoint has the template
	if len(was.Heldout) > 0 && len(now.Heldout) > 0 {
		but = append(but, "heldout_fraction") // of no effect
	}
	list := differing("data", was, now, but...)
	if (len(was.Heldout) > 0) != (len(now.Heldout) > 0) {
		list = append(list, difference{"data.heldout", paths(was.Heldout), paths(now.Heldout)})
	}
	if a, b := kinds(was), kinds(now); !slices.Equal(a, b) {
		list = append(list, difference{"data.train and data.heldout (kinds)", a, b})
	}
	a, b := weights(was), weights(now)
	mixed := func(w float64) bool { return w != 1 }
	switch {
	case slices.Equal(a, b):
	case len(a) == len(b), slices.ContainsFunc(a, mixed), slices.ContainsFunc(b, mixed), len(was.Stages)+len(now.Stages) > 0:
		list = append(list, difference{"data.train (weights)", a, b})
	}
	return list
}

// weights are the sources' shares, in order.
func weights(c data.Config) (list []float64) {
	for _, s := range c.Train {
		list = append(list, s.Weight)
	}
	return list
}

// kinds are the sources' own, in order, of those that have one.
func kinds(c data.Config) (list []string) {
	for _, s := range slices.Concat(c.Train, c.Heldout) {
		if s.Kind != "" {
			list = append(list, string(s.Kind))
		}
	}
	return list
}

// paths are the sources', in order.
func paths(sources data.Sources) (list []string) {
	for _, s := range sources {
		list = append(list, s.Path)
	}
	return list
}

// differingTokenizer compares the tokenizer that the configuration names, where that is
// another than before, with the one of the checkpoint, which the run goes on with.
func (r *run) differingTokenizer(before *RunConfig) ([]difference, error) {
	was, now := before.Data.Tokenizer, r.c.Data.Tokenizer
	if was == now {
		return nil, nil
	}
	own, err := r.from.Model.Tokenizer()
	if err != nil {
		return nil, fmt.Errorf("resume: %w", err)
	}
	var named *tokenizer.Tokenizer
	switch now {
	case data.TokenizerTrain:
		return []difference{{"data.tokenizer", was, now}}, nil
	case data.TokenizerBytes:
		named = tokenizer.Bytes()
	default:
		if named, err = checkpoint.OpenTokenizer(now); err != nil {
			return nil, fmt.Errorf("data.tokenizer: %w", err)
		}
	}
	a, b := own.Fingerprint(), named.Fingerprint()
	if a == b {
		return nil, nil // the file has moved
	}
	return []difference{{"data.tokenizer", fmt.Sprintf("%s (%s)", was, a), fmt.Sprintf("%s (%s)", now, b)}}, nil
}

// noteChanges tells what a resumed run does otherwise than it began.
func (r *run) noteChanges(before *RunConfig) {
	now := &r.c
	list := differing("optim", before.Optim, now.Optim)
	list = append(list, differing("train", before.Train, now.Train, "steps", "freeze")...)
	list = append(list, differing("distil", before.Distil, now.Distil)...)
	list = append(list, differing("eval", before.Eval, now.Eval)...)
	list = append(list, differing("checkpoint", before.Checkpoint, now.Checkpoint)...)
	list = append(list, differing("metrics", before.Metrics, now.Metrics)...)
	list = append(list,
		difference{"data.train", paths(before.Data.Train), paths(now.Data.Train)},
		difference{"data.heldout", paths(before.Data.Heldout), paths(now.Data.Heldout)},
		difference{"data.tokenizer", before.Data.Tokenizer, now.Data.Tokenizer},
		difference{"device", before.Device, now.Device})
	for _, d := range list {
		if was, is := shown(d.was), shown(d.now); was != is { // an empty list may be nil
			r.o.Progress.Note("%s changes from %s to %s", d.key, was, is)
		}
	}
	if before.Train.Steps != now.Train.Steps {
		r.o.Progress.Note("train.steps changes from %d to %d, and the learning rate's schedule with it", before.Train.Steps, now.Train.Steps)
	}
}

// compareText holds the text to what the run began with.
func (r *run) compareText() error {
	if r.from == nil {
		return nil
	}
	before, err := parseRun(r.from.State.Config)
	if err != nil {
		return err
	}
	was := r.from.State.Data
	for _, side := range []struct {
		name, was, now string
		paths          difference
	}{
		{"data.train", was.Fingerprint, r.text.Train.Fingerprint(), difference{"data.train", paths(before.Data.Train), paths(r.c.Data.Train)}},
		{"the held-out text", was.HeldoutFingerprint, r.text.Heldout.Fingerprint(), difference{"data.heldout", paths(before.Data.Heldout), paths(r.c.Data.Heldout)}},
	} {
		if side.was == side.now || side.was == "" { // earlier versions did not record the held-out side
			continue
		}
		change := "the text has changed"
		if shown(side.paths.was) != shown(side.paths.now) {
			change += "\n" + side.paths.in("the checkpoint")
		}
		return fmt.Errorf("%s has fingerprint %s in checkpoint %s and %s now: %s\nhint: a new run can start from its weights with --init", side.name, side.was, r.from.Path, side.now, change)
	}
	return nil
}
