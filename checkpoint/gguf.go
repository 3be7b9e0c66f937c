package checkpoint

import (
	"errors"
	"fmt"

	"mobilellm/arch"
	"mobilellm/checkpoint/gguf"
	"mobilellm/checkpoint/safetensors"
)

// openGGUF opens a GGUF file as a model.
func openGGUF(path string) (*Model, error) {
	f, err := gguf.Open(path)
	if err != nil {
		return nil, err
	}
	c, err := f.Config()
	if err == nil {
		err = f.Check(c)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	t := newGGUFTensors(f, c)
	return &Model{
		Path: path, Config: c, Meta: Meta{Tokens: f.ModelTokens(c.VocabSize)}, gguf: f,
		weights: tensorFiles{name: path, files: []tensorFile{t}, where: t.where()},
	}, nil
}

// ggufTensors are a file's tensors by the parameters' names.
type ggufTensors struct {
	*gguf.File
	config  arch.Config
	params  map[string]arch.Parameter
	tensors []safetensors.Info
}

func newGGUFTensors(f *gguf.File, c arch.Config) *ggufTensors {
	t := &ggufTensors{File: f, config: c, params: map[string]arch.Parameter{}}
	at := int64(0)
	for _, p := range c.Parameters() {
		t.params[p.Name] = p
		info := safetensors.NewInfo(p.Name, readAs(f.Stored(p)), p.Shape, at)
		at += info.Bytes()
		t.tensors = append(t.tensors, info)
	}
	return t
}

// readAs is the type of elements as they are read: quantised ones become float32.
func readAs(t gguf.Type) safetensors.DType {
	switch t {
	case gguf.F16:
		return safetensors.F16
	case gguf.BF16:
		return safetensors.BF16
	}
	return safetensors.F32
}

func (t *ggufTensors) where() map[string]tensorFile {
	where := map[string]tensorFile{}
	for name := range t.params {
		where[name] = t
	}
	return where
}

func (t *ggufTensors) Tensors() []safetensors.Info { return t.tensors }

func (t *ggufTensors) Lookup(name string) (safetensors.Info, bool) {
	for _, info := range t.tensors {
		if info.Name == name {
			return info, true
		}
	}
	return safetensors.Info{}, false
}

func (t *ggufTensors) ReadFloat32(name string, dst []float32) error {
	p, ok := t.params[name]
	if !ok {
		return fmt.Errorf("%s: no tensor for %s", t.Name(), name)
	}
	return t.Load(t.config, p, dst)
}
