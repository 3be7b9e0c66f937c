package checkpoint

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/atomicfile"
)

// tmpPrefix begins the names of folders that are not whole: being written, or
// being removed.
const tmpPrefix = ".tmp-"

// Contents is what a checkpoint is made of.
type Contents struct {
	Config arch.Config
	Meta   Meta
	// Weights are the parameters of Config, in its order, in the type to save.
	Weights []safetensors.Tensor
	// Quantize is what of them is written in 8 bits. Such have their numbers in Data.
	Quantize Quantization
	// ShardBytes is the size above which weights are split over files; 0 means
	// 5 GB.
	ShardBytes int64
	// Generation is the generation_config.json that came with the model; nil makes
	// one of Meta.
	Generation []byte
	// Card is the README.md that a Hugging Face folder shows of itself; nil for none.
	Card []byte
	// Tokenizer writes the tokenizer's files into dir; nil writes none.
	Tokenizer func(dir string) error
	// Adapter, where it is not nil, is written in place of the model that it adapts: Config,
	// Weights and what else describes that model are not needed.
	Adapter *AdapterContents

	// A run's checkpoint has these besides. Optimizer may be empty: SGD without
	// momentum has no state.
	Optimizer []safetensors.Tensor
	State     State
}

// Save writes a checkpoint of step c.State.Step into a run's folder of
// checkpoints, which it creates where there is none, and returns its path. A
// checkpoint of the same step is replaced at once, without a moment in which
// neither is there where the file system can do that.
//
// After an error the folder is as it was: what was written is removed, and
// earlier checkpoints have not been touched. Only one process may save into a
// folder; Save begins by removing what an earlier one left unfinished.
func Save(dir string, c Contents) (path string, err error) {
	name := stepName(c.State.Step)
	defer func() {
		if err != nil {
			err = fmt.Errorf("saving checkpoint %s: %w%s", name, err, fullDiskHint(err))
		}
	}()
	if c.State.Step < 0 {
		return "", fmt.Errorf("step (%d) must not be negative", c.State.Step)
	}
	if err := makeDir(dir); err != nil {
		return "", err
	}
	if err := Clean(dir); err != nil {
		return "", err
	}
	tmp := filepath.Join(dir, tmpPrefix+name)
	final := filepath.Join(dir, name)
	if err := os.Mkdir(tmp, 0o755); err != nil {
		return "", err
	}
	err = build(tmp, c, func(d *folder) error {
		if err := d.writeTensors(OptimizerFile, c.Optimizer, nil); err != nil {
			return err
		}
		state := c.State
		state.Files = d.sums
		raw, err := state.marshal()
		if err != nil {
			return fmt.Errorf("%s: %w", StateFile, err)
		}
		return d.writeBytes(StateFile, raw)
	})
	if err != nil {
		return "", err
	}
	if err := install(tmp, final); err != nil {
		return "", errors.Join(err, os.RemoveAll(tmp))
	}
	return final, atomicfile.SyncFolder(dir)
}

// SaveAdapter writes an adapter's folder, as SaveModel writes a model's.
func SaveAdapter(dir string, c AdapterContents) error {
	return SaveModel(dir, Contents{Adapter: &c})
}

// SaveModel writes a model folder without a run's state: config, weights and
// tokenizer. dir must not exist; it appears whole or not at all.
func SaveModel(dir string, c Contents) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("saving model %s: %w%s", dir, err, fullDiskHint(err))
		}
	}()
	if _, err := os.Lstat(dir); err == nil {
		return errors.New("it exists already")
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	tmp, err := atomicfile.CreateFolder(dir)
	if err != nil {
		return err
	}
	if err := build(tmp, c, func(*folder) error { return nil }); err != nil {
		return err
	}
	if err := atomicfile.CommitFolder(tmp, dir); err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// build fills the new folder tmp with a model's files and what more adds, and
// syncs it. After an error the folder is gone.
func build(tmp string, c Contents, more func(*folder) error) (err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, os.RemoveAll(tmp))
		}
	}()
	d := &folder{path: tmp, sums: map[string]FileSum{}}
	if c.Adapter != nil {
		err = c.Adapter.writeTo(d)
		if err == nil && c.Generation != nil { // what the tokenizer's files mean by BOS and EOS
			err = d.writeBytes(GenerationFile, c.Generation)
		}
	} else {
		err = c.writeModel(d)
	}
	if err != nil {
		return err
	}
	if c.Tokenizer != nil {
		if err := c.Tokenizer(tmp); err != nil {
			return fmt.Errorf("tokenizer: %w", err)
		}
		if err := d.adopt(); err != nil {
			return err
		}
	}
	if err := more(d); err != nil {
		return err
	}
	return atomicfile.SyncFolder(tmp)
}

// writeModel adds the model's files to a folder, all but the tokenizer's.
func (c Contents) writeModel(d *folder) error {
	config, err := modelConfig(c)
	if err != nil {
		return err
	}
	if err := d.writeBytes(ConfigFile, config); err != nil {
		return err
	}
	generation := c.Generation
	if generation == nil {
		generation = c.Meta.Tokens.GenerationConfig()
	}
	if err := d.writeBytes(GenerationFile, generation); err != nil {
		return err
	}
	if c.Card != nil {
		if err := d.writeBytes(CardFile, c.Card); err != nil {
			return err
		}
	}
	weights, err := c.Quantize.tensors(c.Config, c.Weights)
	if err != nil {
		return err
	}
	return d.writeWeights(weights, c.ShardBytes)
}

// modelConfig returns config.json, once the weights are known to be those that
// it describes: a folder that Open refuses must not be written.
func modelConfig(c Contents) ([]byte, error) {
	params := c.Config.Parameters()
	if len(c.Weights) != len(params) {
		return nil, fmt.Errorf("%d weights are given; the model has %d", len(c.Weights), len(params))
	}
	for i, p := range params {
		if w := c.Weights[i]; w.Name != p.Name || !slices.Equal(w.Shape, p.Shape) {
			return nil, fmt.Errorf("weight %d is %s of shape %d; the model's is %s of shape %d", i, w.Name, w.Shape, p.Name, p.Shape)
		}
	}
	meta := c.Meta
	meta.Quantization = c.Quantize
	if meta.DType == "" && len(c.Weights) > 0 {
		meta.DType = c.Weights[0].DType
	}
	return MarshalConfig(c.Config, meta)
}

// install gives the finished folder tmp its final name.
func install(tmp, final string) error {
	if _, err := os.Lstat(final); err != nil {
		return os.Rename(tmp, final)
	}
	if err := exchange(tmp, final); err != nil {
		return err
	}
	return os.RemoveAll(tmp) // the one replaced
}

// Clean removes what an interrupted Save or Prune left in a run's folder.
func Clean(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), tmpPrefix) {
			if err := os.RemoveAll(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// makeDir creates a folder and its parents, and syncs the entry of each: what is
// saved in a folder must not go with its name.
func makeDir(dir string) error {
	if info, err := os.Stat(dir); err == nil && info.IsDir() {
		return nil
	}
	parent := filepath.Dir(dir)
	if err := makeDir(parent); err != nil {
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	return atomicfile.SyncFolder(parent)
}

func fullDiskHint(err error) string {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return "\nhint: free some space, or keep fewer checkpoints with checkpoint.keep"
	}
	return ""
}
