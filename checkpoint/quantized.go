package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/quant"
)

// Quantization says which matrices a folder holds in 8 bits, in compressed-tensors' layout:
// NAME.weight int8 [out, in] beside NAME.weight_scale [out, 1], a scale for each output.
// Who computes with them rounds each token's activations to 8 bits too, as
// [quant.Compressed] does.
type Quantization string

// The kinds.
const (
	NotQuantized Quantization = ""
	W8A8         Quantization = "w8a8"      // the linear layers
	W8A8Head     Quantization = "w8a8-head" // and the head, which must not be the embedding
)

// ParseQuantization returns the kind of that name; empty and none are none.
func ParseQuantization(name string) (Quantization, error) {
	switch name {
	case "", "none":
		return NotQuantized, nil
	case string(W8A8), string(W8A8Head):
		return Quantization(name), nil
	}
	return "", fmt.Errorf("unknown quantisation %q of a folder: choose none, %s or %s, whose activations are %s", name, W8A8, W8A8Head, quant.Compressed)
}

const (
	compressedTensors = "compressed-tensors"
	intQuantized      = "int-quantized"
	headModule        = "lm_head"
	scaleEnd          = "_scale"
)

// quantizationConfig is the quantization_config of compressed-tensors.
type quantizationConfig struct {
	Method    string                `json:"quant_method"`
	Format    string                `json:"format"`
	Status    string                `json:"quantization_status"`
	Ignore    []string              `json:"ignore"`
	KVCache   any                   `json:"kv_cache_scheme"`
	Ratio     any                   `json:"global_compression_ratio"`
	Groups    map[string]quantGroup `json:"config_groups"`
	Sparsity  *sparsityConfig       `json:"sparsity_config,omitempty"`
	Transform map[string]any        `json:"transform_config,omitempty"`
}

type sparsityConfig struct {
	Format string `json:"format"`
}

type quantGroup struct {
	Targets []string   `json:"targets"`
	Weights *quantArgs `json:"weights"`
	Inputs  *quantArgs `json:"input_activations"`
	Outputs *quantArgs `json:"output_activations"`
	Format  string     `json:"format,omitempty"`
}

type quantArgs struct {
	Bits      int    `json:"num_bits"`
	Type      string `json:"type"`
	Symmetric bool   `json:"symmetric"`
	GroupSize *int   `json:"group_size"`
	Strategy  string `json:"strategy"`
	Dynamic   any    `json:"dynamic"`
}

// config is the quantization_config of a folder, nil for one in floating point.
func (q Quantization) config() *quantizationConfig {
	if q == NotQuantized {
		return nil
	}
	c := &quantizationConfig{Method: compressedTensors, Format: intQuantized, Status: "compressed", Ignore: []string{headModule}, Groups: map[string]quantGroup{"group_0": {
		Targets: []string{"Linear"},
		Weights: &quantArgs{Bits: 8, Type: "int", Symmetric: true, Strategy: "channel", Dynamic: false},
		Inputs:  &quantArgs{Bits: 8, Type: "int", Symmetric: true, Strategy: "token", Dynamic: true},
	}}}
	if q == W8A8Head {
		c.Ignore = []string{}
	}
	return c
}

// readQuantization takes what [Quantization.config] writes, and others' with the same
// meaning. An error names the key and its value.
func readQuantization(raw json.RawMessage) (Quantization, error) {
	if !given(raw) {
		return NotQuantized, nil
	}
	var c quantizationConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return "", fmt.Errorf("quantization_config: %w", fieldError(err))
	}
	type field struct {
		key       string
		value     any
		supported any
	}
	check := func(fields ...field) error {
		for _, f := range fields {
			value, _ := json.Marshal(f.value)
			wanted, _ := json.Marshal(f.supported)
			if string(value) != string(wanted) {
				return fmt.Errorf("quantization_config: %s (%s) is not supported: only %s is", f.key, value, wanted)
			}
		}
		return nil
	}
	if err := check(field{"quant_method", c.Method, compressedTensors}, field{"format", c.Format, intQuantized}); err != nil {
		return "", err
	}
	if c.KVCache != nil {
		return "", errors.New("quantization_config: kv_cache_scheme is not supported: only null is")
	}
	if c.Sparsity != nil && c.Sparsity.Format != "" && c.Sparsity.Format != "dense" {
		return "", fmt.Errorf("quantization_config: sparsity_config.format (%q) is not supported: only \"dense\" is", c.Sparsity.Format)
	}
	if len(c.Transform) > 0 {
		return "", errors.New("quantization_config: transform_config is not supported")
	}
	if len(c.Groups) != 1 {
		return "", fmt.Errorf("quantization_config: config_groups has %d groups: only one is supported", len(c.Groups))
	}
	for name, g := range c.Groups {
		at := "config_groups." + name
		if !slices.Equal(g.Targets, []string{"Linear"}) {
			return "", fmt.Errorf("quantization_config: %s.targets (%q) is not supported: only [\"Linear\"] is", at, g.Targets)
		}
		if g.Outputs != nil {
			return "", fmt.Errorf("quantization_config: %s.output_activations is not supported: only null is", at)
		}
		if g.Format != "" && g.Format != intQuantized {
			return "", fmt.Errorf("quantization_config: %s.format (%q) is not supported: only %q is", at, g.Format, intQuantized)
		}
		for _, part := range []struct {
			key      string
			args     *quantArgs
			strategy string
			dynamic  bool
		}{{"weights", g.Weights, "channel", false}, {"input_activations", g.Inputs, "token", true}} {
			key := at + "." + part.key
			if part.args == nil {
				return "", fmt.Errorf("quantization_config: %s (null) is not supported: only 8 bits are", key)
			}
			if n := part.args.GroupSize; n != nil {
				return "", fmt.Errorf("quantization_config: %s.group_size (%d) is not supported: only null is", key, *n)
			}
			if part.args.Dynamic == nil {
				part.args.Dynamic = false
			}
			if err := check(field{key + ".num_bits", part.args.Bits, 8}, field{key + ".type", part.args.Type, "int"}, field{key + ".symmetric", part.args.Symmetric, true},
				field{key + ".strategy", part.args.Strategy, part.strategy}, field{key + ".dynamic", part.args.Dynamic, part.dynamic}); err != nil {
				return "", err
			}
		}
	}
	if slices.Contains(c.Ignore, headModule) {
		return W8A8, nil
	}
	return W8A8Head, nil
}

// tensors are the weights as q stores them, by [quant.CompressedWeights].
func (q Quantization) tensors(c arch.Config, weights []safetensors.Tensor) ([]safetensors.Tensor, error) {
	if q == NotQuantized {
		return weights, nil
	}
	if q == W8A8Head && c.ShareEmbedding {
		return nil, fmt.Errorf("%s: the head is the embedding (tie_word_embeddings), and compressed-tensors quantises linear layers alone\nhint: %s leaves it as it is", q, W8A8)
	}
	var list []safetensors.Tensor
	for i, p := range c.Parameters() {
		w := weights[i]
		if len(p.Shape) != 2 || p.Layer < 0 && (q != W8A8Head || p.Name != arch.HeadName) {
			list = append(list, w)
			continue
		}
		if err := quant.Finite(w.Data); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", p.Name, err)
		}
		values, scales := quant.Matrix(w.Data, p.Shape[1], quant.CompressedWeights)
		list = append(list,
			safetensors.Tensor{Name: p.Name, DType: safetensors.I8, Shape: p.Shape, Int8: values},
			safetensors.Tensor{Name: p.Name + scaleEnd, DType: safetensors.F32, Shape: []int{p.Shape[0], 1}, Data: scales})
	}
	return list, nil
}

// int8Reader is a file whose I8 tensors can be read as they are.
type int8Reader interface {
	ReadInt8(name string, first int, dst []int8) error
}

// int8File is a file whose int8 matrices are read as float32, each row times its scale.
type int8File struct {
	tensorFile
	tensors []safetensors.Info
	scales  map[string][]float32 // by the matrix
}

// scaled makes float32 of the set's int8 matrices, whose scales may lie in other files.
func (t tensorFiles) scaled() error {
	scales := map[string][]float32{}
	for name, f := range t.where {
		info, _ := f.Lookup(name)
		if info.DType != safetensors.I8 || len(info.Shape) != 2 {
			continue
		}
		if _, ok := f.(int8Reader); !ok {
			return fmt.Errorf("%s: tensor %s is %s; such are read from safetensors files only", f.Name(), name, info.DType)
		}
		s := make([]float32, info.Shape[0])
		if err := t.load(name+scaleEnd, s, []int{info.Shape[0], 1}); err != nil {
			return err
		}
		if err := quant.Finite(s); err != nil {
			return fmt.Errorf("%s: tensor %s: %w", t.path(name+scaleEnd), name+scaleEnd, err)
		}
		scales[name] = s
	}
	for i, f := range t.files {
		r := &int8File{tensorFile: f, scales: scales}
		for _, info := range f.Tensors() {
			if weight, ok := cutScale(info.Name); ok && scales[weight] != nil {
				delete(t.where, info.Name)
				continue
			}
			r.tensors = append(r.tensors, r.info(info))
			t.where[info.Name] = r
		}
		t.files[i] = r
	}
	return nil
}

// cutScale is the matrix whose scales a tensor has.
func cutScale(name string) (weight string, ok bool) {
	n := len(name) - len(scaleEnd)
	if n < 0 || name[n:] != scaleEnd {
		return "", false
	}
	return name[:n], true
}

func (r *int8File) info(stored safetensors.Info) safetensors.Info {
	if r.scales[stored.Name] == nil {
		return stored
	}
	return safetensors.NewInfo(stored.Name, safetensors.F32, stored.Shape, 0)
}

func (r *int8File) Tensors() []safetensors.Info { return r.tensors }

func (r *int8File) Lookup(name string) (safetensors.Info, bool) {
	info, ok := r.tensorFile.Lookup(name)
	return r.info(info), ok
}

func (r *int8File) ReadFloat32(name string, dst []float32) error {
	if r.scales[name] == nil {
		return r.tensorFile.ReadFloat32(name, dst)
	}
	return r.ReadFloat32From(name, 0, dst)
}

// ReadFloat32From implements [partReader] for int8 matrices.
func (r *int8File) ReadFloat32From(name string, first int, dst []float32) error {
	q := make([]int8, len(dst))
	if err := r.tensorFile.(int8Reader).ReadInt8(name, first, q); err != nil {
		return err
	}
	info, _ := r.tensorFile.Lookup(name)
	for i, v := range q {
		dst[i] = r.scales[name][(first+i)/info.Shape[1]] * float32(v)
	}
	return nil
}

// part reads some elements of a tensor, see [partReader].
func (r *int8File) part(name string) (partReader, string) {
	if r.scales[name] == nil {
		return partOf(r.tensorFile, name)
	}
	return r, name
}

// int8Of is the file of a matrix in 8 bits, nil for another tensor.
func (t tensorFiles) int8Of(name string) *int8File {
	if r, ok := t.where[name].(*int8File); ok && r.scales[name] != nil {
		return r
	}
	return nil
}

// StoresInt8 reports whether a matrix is stored in 8 bits, with a scale for each row.
func (m *Model) StoresInt8(name string) bool {
	return m.weights.int8Of(name) != nil && !m.adapter.adapts(name)
}

// LoadInt8 reads rows of such a matrix from the row-th on, as many as there are scales, as
// they are stored: row i is scales[i]·q[i].
func (m *Model) LoadInt8(name string, row int, q []int8, scales []float32) error {
	r := m.weights.int8Of(name)
	if r == nil {
		return fmt.Errorf("%s: tensor %s is not stored in 8 bits", m.weights.name, name)
	}
	copy(scales, r.scales[name][row:])
	return r.tensorFile.(int8Reader).ReadInt8(name, row*(len(q)/len(scales)), q)
}
