package checkpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/safetensors"
)

// averagedCount is what PyTorch's AveragedModel keeps beside its module.
const averagedCount = "n_averaged"

// Model is an open model, of a folder or of a GGUF file.
type Model struct {
	Path   string      // of the folder or the file
	Config arch.Config // resolved
	Meta   Meta

	weights tensorFiles
	gguf    *gguf.File // nil for a folder
	adapter *Adapter   // merged into the weights; nil for none
}

// openFolder opens a model folder: its config, and the headers of its weights.
//
// Tensors are known by Hugging Face's names, whatever wrappers put before or into
// them. Extra tensors that change nothing are let pass: the rotary embedding's
// inv_freq of old folders, an lm_head.weight that equals the embedding it is tied
// to, and the count of an averaged model.
//
// Files of a run's checkpoint are compared with their checksums.
func openFolder(dir string) (*Model, error) {
	if err := verifyModel(dir); err != nil {
		return nil, err
	}
	return readModel(dir)
}

func readModel(dir string) (*Model, error) {
	path := filepath.Join(dir, ConfigFile)
	config, meta, err := ReadConfig(path)
	if err != nil {
		return nil, err
	}
	weights, err := openWeights(dir)
	if err != nil {
		return nil, err
	}
	if meta.Quantization != NotQuantized {
		if err := weights.scaled(); err != nil {
			weights.close()
			return nil, err
		}
	}
	m := &Model{Path: dir, Config: config, Meta: meta, weights: weights}
	if err := m.Check(config.Parameters()); err != nil {
		m.Close()
		return nil, m.hint(err)
	}
	return m, nil
}

// hint says why tensors may be missing.
func (m *Model) hint(err error) error {
	switch {
	case m.weights.where[arch.EmbeddingName] == nil:
		return fmt.Errorf("%w\nhint: tensors need Hugging Face's names for LLaMA, such as %s", err, arch.LayerParameterName("self_attn.q_proj", 0))
	case m.weights.where[m.Config.HeadParameter()] == nil:
		return fmt.Errorf("%w\nhint: the model was saved without its head; if that is the embedding, %s must say \"tie_word_embeddings\": true", err, ConfigFile)
	}
	return err
}

// Close closes the model's files.
func (m *Model) Close() error { return m.weights.close() }

// Check reports where the weights are not those that a model with
// these parameters has: the first missing tensor, wrong shape or extra tensor,
// and how many there are.
func (m *Model) Check(params []arch.Parameter) error {
	wanted := make([]shaped, len(params))
	for i, p := range params {
		wanted[i] = shaped{p.Name, p.Shape}
	}
	return m.weights.check(wanted, m.ignored)
}

// ignored lets an extra tensor pass that changes nothing.
func (m *Model) ignored(name string) (bool, error) {
	if strings.HasSuffix(name, ".rotary_emb.inv_freq") || name == averagedCount {
		return true, nil // the first follows from rope_theta
	}
	if name != arch.HeadName || !m.Config.ShareEmbedding {
		return false, nil
	}
	same, err := m.weights.equal(arch.HeadName, arch.EmbeddingName)
	if err == nil && !same {
		err = fmt.Errorf("%s: %s differs from %s, though %s says that they are tied",
			m.weights.path(name), arch.HeadName, arch.EmbeddingName, ConfigFile)
	}
	return true, err
}

// LoadInto reads the tensor of that name, which must have the given shape, into
// dst as float32, row-major.
func (m *Model) LoadInto(name string, dst []float32, shape []int) error {
	err := m.weights.load(name, dst, shape)
	if err == nil && m.adapter != nil {
		m.adapter.Merge(name, 0, dst)
	}
	return err
}

// LoadPart reads as many elements of a tensor as dst has, from the first-th on, where
// [Model.HasParts].
func (m *Model) LoadPart(name string, first int, dst []float32, shape []int) error {
	err := m.weights.loadPart(name, first, dst, shape)
	if err == nil && m.adapter != nil {
		m.adapter.Merge(name, first, dst)
	}
	return err
}

// HasParts reports whether some elements of a tensor are read as cheaply as all. GGUF's
// rows may lie in another order, and PyTorch's files are read from their beginning.
func (m *Model) HasParts() bool { return m.weights.hasParts() }

// StoresBF16 reports whether all matrices of the file are bf16 that are not in 8 bits. With
// an adapter they are not.
func (m *Model) StoresBF16() bool {
	if m.adapter != nil {
		return false
	}
	for _, p := range m.Config.Parameters() {
		if info, _ := m.weights.where[p.Name].Lookup(p.Name); len(p.Shape) == 2 && info.DType != safetensors.BF16 && !m.StoresInt8(p.Name) {
			return false
		}
	}
	return true
}

// Load reads all weights: tensors must be exactly those of the model, each with
// memory for its values in Data. Their DType does not matter.
func (m *Model) Load(tensors []safetensors.Tensor) error {
	if err := m.weights.loadAll(tensors, m.ignored); err != nil || m.adapter == nil {
		return err
	}
	for _, t := range tensors {
		if t.BF16 != nil {
			return fmt.Errorf("%s: tensor %s has an adapter, and is read as float32", m.Path, t.Name)
		}
		m.adapter.Merge(t.Name, 0, t.Data)
	}
	return nil
}

// openWeights opens the folder's weights and gives its tensors the parameters'
// names.
func openWeights(dir string) (tensorFiles, error) {
	weights, err := openStored(dir)
	if err != nil {
		return tensorFiles{}, err
	}
	own, err := ownNames(weights.names())
	if err != nil {
		weights.close()
		return tensorFiles{}, fmt.Errorf("%s: %w", weights.name, err)
	}
	if len(own) > 0 {
		weights.rename(own)
	}
	return weights, nil
}

// openStored opens one file, or all shards that an index names, in safetensors or
// else in PyTorch's format.
func openStored(dir string) (tensorFiles, error) {
	for _, format := range []struct{ whole, index string }{
		{WeightsFile, IndexFile},
		{torchWeightsFile, torchIndexFile},
	} {
		whole := filepath.Join(dir, format.whole)
		if _, err := os.Stat(whole); err == nil {
			return openTensors(whole, whole)
		}
		index := filepath.Join(dir, format.index)
		if _, err := os.Stat(index); err == nil {
			return openShards(dir, index)
		}
	}
	return tensorFiles{}, fmt.Errorf("%s holds neither %s nor %s, and neither %s nor %s",
		dir, WeightsFile, IndexFile, torchWeightsFile, torchIndexFile)
}
