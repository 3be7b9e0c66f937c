package checkpoint

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
)

// Model is an open model folder.
type Model struct {
	Dir    string
	Config arch.Config // resolved
	Meta   Meta

	weights tensorFiles
}

// ReadModel opens a model folder: its config, and the headers of its weights,
// which must be exactly the parameters that the config describes. Weights are
// read by [Model.LoadInto] or [Model.Load].
//
// Two kinds of extra tensors that old folders have are let pass: the rotary
// embedding's inv_freq, and an lm_head.weight that equals the embedding it is
// tied to.
func ReadModel(dir string) (*Model, error) {
	path := filepath.Join(dir, ConfigFile)
	config, meta, err := ReadConfig(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is no model folder: %w", dir, err)
	}
	if err != nil {
		return nil, err
	}
	weights, err := openWeights(dir)
	if err != nil {
		return nil, err
	}
	m := &Model{Dir: dir, Config: config, Meta: meta, weights: weights}
	if err := m.Check(config.Parameters()); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

// Close closes the folder's files.
func (m *Model) Close() error { return m.weights.close() }

// Check reports where the folder's weights are not those that a model with
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
	if strings.HasSuffix(name, ".rotary_emb.inv_freq") {
		return true, nil // follows from rope_theta
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
	return m.weights.load(name, dst, shape)
}

// Load reads all weights: tensors must be exactly those of the folder, each with
// memory for its values in Data. Their DType does not matter.
func (m *Model) Load(tensors []safetensors.Tensor) error {
	return m.weights.loadAll(tensors, m.ignored)
}

// openWeights opens the folder's weights: one file, or all shards that an index
// names, in safetensors or else in PyTorch's format.
func openWeights(dir string) (tensorFiles, error) {
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
