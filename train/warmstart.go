package train

import (
	"cmp"
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/choices"
)

// Init is the `init:` section: a new run that starts from the weights of a model of
// another depth, another sharing of layers or a smaller vocabulary.
type Init struct {
	Model      string   `yaml:"model" help:"Model whose weights a new run starts from, as --init has it, but with the shape of the section model; empty draws them."`
	Layers     LayerMap `yaml:"layers" help:"Which of its layers each layer begins as, where the model has more, fewer or shared ones: interleave (0 0 1 1), stack (0 1 0 1), or a list such as [0, 1, 1, 2]; empty takes no other depth or sharing."`
	WiderVocab bool     `yaml:"wider_vocab" help:"Whether model.vocab_size may be larger than the model's: the further rows begin as the mean of its rows."`
}

// LayerMap says which layer of another model each layer begins as: by a rule or a list.
type LayerMap struct {
	rule string
	list string // of numbers, as YAML writes it; text, so that maps compare with ==
}

// layerRules give the source, of m layers, of layer i of n.
var layerRules = []struct {
	name string
	from func(i, n, m int) int
}{
	{"interleave", func(i, n, m int) int { return i * m / n }},
	{"stack", func(i, _, m int) int { return i % m }},
}

// UnmarshalYAML accepts the name of a rule or a list of layers.
func (l *LayerMap) UnmarshalYAML(node *yaml.Node) error {
	*l = LayerMap{}
	if node.Kind == yaml.SequenceNode {
		var numbers []int
		if err := node.Decode(&numbers); err != nil {
			return err
		}
		l.list = fmt.Sprint(numbers)
		return nil
	}
	var names []string
	for _, r := range layerRules {
		if names = append(names, r.name); r.name == node.Value {
			l.rule = r.name
		}
	}
	if l.rule != node.Value && node.Tag != "!!null" {
		return fmt.Errorf("%q is neither %s nor a list of layers", node.Value, choices.Of(names))
	}
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (l LayerMap) MarshalYAML() (any, error) {
	if l.list != "" {
		return l.numbers(), nil
	}
	return l.rule, nil
}

func (l LayerMap) numbers() (list []int) {
	if err := yaml.Unmarshal([]byte(separated(l.list)), &list); err != nil {
		panic("train: a list of layers that fmt wrote: " + err.Error())
	}
	return list
}

// separated is fmt's list with YAML's commas.
func separated(list string) string {
	out := make([]byte, 0, 2*len(list))
	for i := range len(list) {
		if list[i] == ' ' {
			out = append(out, ',')
		}
		out = append(out, list[i])
	}
	return string(out)
}

func (l LayerMap) given() bool { return l != LayerMap{} }

// layers are the sources, of a model of m layers, of all n.
func (l LayerMap) layers(n, m int) ([]int, error) {
	if l.list != "" {
		list := l.numbers()
		if len(list) != n {
			return nil, fmt.Errorf("init.layers (%s) has %d layers, model.layers is %d", l.list, len(list), n)
		}
		for _, from := range list {
			if from < 0 || from >= m {
				return nil, fmt.Errorf("init.layers (%s): layer %d is not one of the model's %d", l.list, from, m)
			}
		}
		return list, nil
	}
	list := make([]int, n)
	for i := range list {
		for _, r := range layerRules {
			if r.name == l.rule {
				list[i] = r.from(i, n, m)
			}
		}
	}
	return list, nil
}

// compareInitial reports the keys in which c's model differs from the one that it starts
// from, but for what the section init maps. It may be quantised otherwise: that is what
// quantisation-aware training is.
func (c *RunConfig) compareInitial(initial arch.Config, path string) error {
	model := c.Model.Resolved()
	initial = initial.Resolved()
	initial.Quantize = model.Quantize
	var hints string
	switch deeper := initial.Layers != model.Layers || initial.LayerSharing != model.LayerSharing; {
	case c.Init.Layers.given():
		if _, err := c.Init.Layers.layers(model.Layers, initial.Layers); err != nil {
			return err
		}
		initial.Layers, initial.LayerSharing = model.Layers, model.LayerSharing
	case deeper:
		hints = "\nhint: --set init.layers=interleave or stack says which of its layers each begins as"
	}
	switch wider := model.VocabSize > initial.VocabSize; {
	case wider && c.Init.WiderVocab:
		initial.VocabSize = model.VocabSize
	case wider:
		hints += "\nhint: --set init.wider_vocab=true lets further rows begin as the mean of its rows"
	}
	if err := compareModels(initial, c.Model, path); err != nil {
		return fmt.Errorf("%w%s", err, hints)
	}
	return nil
}

// loadMapped takes the weights of the layers that init.layers names, and all that is outside
// them, but for what skip names.
func (r *run) loadMapped(tensors []safetensors.Tensor, skip map[string]bool) error {
	layers, err := r.c.Init.Layers.layers(r.c.Model.Layers, r.initial.Config.Layers)
	if err != nil {
		return err
	}
	from := map[string]string{}
	for _, p := range r.c.Model.Parameters() {
		if p.Layer >= 0 {
			from[p.Name] = p.In(layers[p.Layer])
		}
	}
	for _, t := range tensors {
		if skip[t.Name] {
			continue
		}
		if err := r.initial.LoadInto(cmp.Or(from[t.Name], t.Name), t.Data, t.Shape); err != nil {
			return err
		}
	}
	return nil
}

// noteMapped tells which layers began as which.
func (r *run) noteMapped() error {
	if !r.c.Init.Layers.given() {
		return nil
	}
	layers, err := r.c.Init.Layers.layers(r.c.Model.Layers, r.initial.Config.Layers)
	if err != nil {
		return err
	}
	r.o.Progress.Note("the %d layers begin as its layers %s", len(layers), ranges(layers))
	return nil
}

// ranges writes numbers with their runs in short: 0–3 0–3.
func ranges(list []int) string {
	var out string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		if i > 0 {
			out += " "
		}
		out += strconv.Itoa(list[i])
		if j > i {
			out += "–" + strconv.Itoa(list[j])
		}
		i = j + 1
	}
	return out
}
