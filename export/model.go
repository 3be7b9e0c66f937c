package export

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/quant"
	"mobilellm/tokenizer"
)

// Model is a model in memory.
type Model struct {
	Config  arch.Config // resolved
	Meta    checkpoint.Meta
	Weights map[string][]float32 // by Hugging Face's name, row-major

	// OpenTokenizer reads the tokenizer, which only some formats need; nil where the
	// model came without one.
	OpenTokenizer func() (*tokenizer.Tokenizer, error)

	path string // of the folder that the model came from, empty for none
	// files reads what the folder has of a tokenizer, and its generation_config.json;
	// nil for a model that came from no folder.
	files func() (tokenizer.Files, error)
}

// Open reads a model that [checkpoint.Open] opens. One without a tokenizer gives a
// model without a vocabulary; the tokenizer is read when something asks for it.
func Open(path string) (_ *Model, err error) {
	from, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	config, load, err := from.Config.Rounded(from.LoadInto)
	if err != nil {
		return nil, err
	}
	if config.Quantize.Activations == 1 {
		return nil, fmt.Errorf("%s: the model multiplies signs of activations (model.quantize.activations 1), which no other program does", path)
	}
	config.Quantize.Activations = quant.Whole // others compute with them as they are
	m := &Model{Config: config.Resolved(), Meta: from.Meta, Weights: map[string][]float32{}, files: from.TokenizerFiles}
	if info, err := os.Stat(from.Path); err == nil && info.IsDir() {
		m.path = from.Path
	}
	for _, p := range m.Config.Parameters() {
		m.Weights[p.Name] = make([]float32, p.Size())
		if err := load(p.Name, m.Weights[p.Name], p.Shape); err != nil {
			return nil, err
		}
	}
	if from.HasTokenizer() {
		m.OpenTokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) { return checkpoint.OpenTokenizer(from.Path) })
	}
	return m, nil
}

// Tokenizer reads the tokenizer, nil where the model came without one.
func (m *Model) Tokenizer() (*tokenizer.Tokenizer, error) {
	if m.OpenTokenizer == nil {
		return nil, nil
	}
	return m.OpenTokenizer()
}

// TokenizerFiles reads what the folder that the model came from has of a tokenizer.
func (m *Model) TokenizerFiles() (tokenizer.Files, error) {
	if m.files == nil {
		return nil, nil
	}
	return m.files()
}

// SetVocabulary gives the model the tokenizer of a vocabulary.
func (m *Model) SetVocabulary(v *tokenizer.Vocabulary) {
	m.OpenTokenizer = sync.OnceValues(func() (*tokenizer.Tokenizer, error) { return tokenizer.FromVocabulary(v) })
}

// Vocabulary is what other formats keep of the tokenizer, nil where there is none.
func (m *Model) Vocabulary() (*tokenizer.Vocabulary, error) {
	t, err := m.Tokenizer()
	if t == nil || err != nil {
		return nil, err
	}
	return t.Vocabulary()
}

// Check reports a config that is no model's, and the first weight that is missing
// or has another size than the config says.
func (m *Model) Check() error {
	if err := m.Config.Validate(); err != nil {
		return err
	}
	for _, p := range m.Config.Parameters() {
		x, ok := m.Weights[p.Name]
		if !ok {
			return fmt.Errorf("tensor %s is missing; shape %d is expected", p.Name, p.Shape)
		}
		if int64(len(x)) != p.Size() {
			return fmt.Errorf("tensor %s has %d elements; shape %d is expected", p.Name, len(x), p.Shape)
		}
	}
	return nil
}

// Unrolled returns the same function without layer sharing: position i of the
// schedule becomes layer i. Layers that share weights share memory.
func (m *Model) Unrolled() (*Model, error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if !m.Config.LayerSharing.Shared() {
		return m, nil
	}
	u := *m
	u.Weights = maps.Clone(m.Weights)
	schedule := m.Config.Schedule()
	u.Config = m.Config.Unrolled()
	if err := u.Config.Validate(); err != nil {
		return nil, fmt.Errorf("unrolling shared layers: %w", err)
	}
	for _, p := range u.Config.Parameters() {
		if p.Layer < 0 {
			continue
		}
		from := arch.LayerParameterName(layerPart(p), schedule.Layer(p.Layer))
		u.Weights[p.Name] = m.Weights[from]
	}
	return &u, nil
}

// layerPart is the part of a layer that a parameter is, e.g. mlp.up_proj.
func layerPart(p arch.Parameter) string {
	prefix := len(arch.LayerParameterName("", p.Layer)) - len(".weight")
	return p.Name[prefix : len(p.Name)-len(".weight")]
}

// Tensors are the weights in the config's order, to be saved as the given type.
func (m *Model) Tensors(dtype safetensors.DType) []safetensors.Tensor {
	var list []safetensors.Tensor
	for _, p := range m.Config.Parameters() {
		list = append(list, safetensors.Tensor{Name: p.Name, DType: dtype, Shape: p.Shape, Data: m.Weights[p.Name]})
	}
	return list
}

// FolderOptions say how a Hugging Face folder is written.
type FolderOptions struct {
	DType    safetensors.DType
	Quantize checkpoint.Quantization // what is in 8 bits; the rest has DType
	License  string                  // that the model card names, an identifier of the Hub; empty for none
}

// SaveFolder writes the model as a Hugging Face folder, which must not exist, and
// says what the user should know of its tokenizer. Without layer sharing and with
// SwiGLU it is a llama folder. The files of a tokenizer are copied, so it need not be
// one that this program can apply.
func (m *Model) SaveFolder(dir string, o FolderOptions) (notes []string, err error) {
	if err := m.Check(); err != nil {
		return nil, err
	}
	if o.Quantize != checkpoint.NotQuantized && m.Meta.Quantization != checkpoint.NotQuantized {
		return nil, fmt.Errorf("the model's weights are in 8 bits already (%s): to quantise them again would change them", m.Meta.Quantization)
	}
	c := checkpoint.Contents{Config: m.Config, Meta: m.Meta, Weights: m.Tensors(o.DType), Quantize: o.Quantize}
	c.Meta.DType = o.DType
	if c.Card, err = m.card(filepath.Base(dir), o); err != nil {
		return nil, err
	}
	if o.License != "" && !bytes.Contains(c.Card, []byte("license: "+o.License)) {
		notes = append(notes, fmt.Sprintf("%s is the model's own, without the license %s", checkpoint.CardFile, o.License))
	}
	files, err := m.TokenizerFiles()
	if err != nil {
		return nil, err
	}
	c.Generation = files[tokenizer.GenerationFile]
	t, err := m.Tokenizer()
	switch {
	case err != nil && files.Has():
		c.Tokenizer = files.Write
		notes = append(notes, fmt.Sprintf("the tokenizer's files are copied as they are; this program cannot apply them: %v", err))
	case err != nil:
		return nil, err
	case t != nil:
		c.Tokenizer = t.Save
	}
	return notes, checkpoint.SaveModel(dir, c)
}
