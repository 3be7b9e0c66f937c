package gguf

import (
	"errors"
	"fmt"
	"math"
	"strconv"

	"mobilellm/arch"
)

// The architectures that are written and read: LLaMA's, and Qwen3's for models with
// model.qk_norm.
const (
	architectureLlama = "llama"
	architectureQwen3 = "qwen3"
)

// The keys of the metadata. Those of the shape have the architecture before them.
const (
	keyArchitecture = "general.architecture"
	keyAlignment    = "general.alignment"
	keyFileType     = "general.file_type"
	keyQuantVersion = "general.quantization_version"
	quantVersion    = 2 // of ggml's blocks

	keyVocab     = ".vocab_size"
	keyContext   = ".context_length"
	keyDim       = ".embedding_length"
	keyLayers    = ".block_count"
	keyFFN       = ".feed_forward_length"
	keyHeads     = ".attention.head_count"
	keyKVHeads   = ".attention.head_count_kv"
	keyKeyLength = ".attention.key_length"
	keyValLength = ".attention.value_length"
	keyEps       = ".attention.layer_norm_rms_epsilon"
	keyRoPEDim   = ".rope.dimension_count"
	keyRoPEBase  = ".rope.freq_base"
	keyRoPEType  = ".rope.scaling.type"
	keyRoPEBy    = ".rope.scaling.factor"
	keyExperts   = ".expert_count"
	keySplits    = "split.count"

	// What llama.cpp has no key for, so that the way back is exact.
	keyOurType     = "mobilellm.rope_scaling.type"
	keyOurFactor   = "mobilellm.rope_scaling.factor"
	keyOurLow      = "mobilellm.rope_scaling.low_freq_factor"
	keyOurHigh     = "mobilellm.rope_scaling.high_freq_factor"
	keyOurOriginal = "mobilellm.rope_scaling.original_context"
)

func architectureOf(c arch.Config) string {
	if c.QKNorm {
		return architectureQwen3
	}
	return architectureLlama
}

// shapeMetadata lists the model's shape.
func shapeMetadata(c arch.Config, t Type) ([]keyValue, error) {
	name := architectureOf(c)
	list := []keyValue{
		{keyArchitecture, name},
		{"general.name", "mobilellm"},
		{keyFileType, t.fileType()},
		{name + keyVocab, uint32(c.VocabSize)},
		{name + keyContext, uint32(c.Context)},
		{name + keyDim, uint32(c.Dim)},
		{name + keyLayers, uint32(c.Layers)},
		{name + keyFFN, uint32(c.FFNDim)},
		{name + keyHeads, uint32(c.Heads)},
		{name + keyKVHeads, uint32(c.KVHeads)},
		{name + keyKeyLength, uint32(c.HeadDim)},
		{name + keyValLength, uint32(c.HeadDim)},
		{name + keyEps, float32(c.NormEps)},
		{name + keyRoPEDim, uint32(c.HeadDim)},
		{name + keyRoPEBase, float32(c.RoPEBase)},
	}
	if layouts[t].halves > 0 {
		list = append(list, keyValue{keyQuantVersion, uint32(quantVersion)})
	}
	s := c.RoPEScaling
	switch s.Type {
	case arch.PlainRoPE:
	case arch.LinearRoPE:
		list = append(list, keyValue{name + keyRoPEType, "linear"}, keyValue{name + keyRoPEBy, float32(s.Factor)})
	case arch.DynamicRoPE, arch.Llama3RoPE:
		list = append(list, keyValue{keyOurType, string(s.Type)}, keyValue{keyOurFactor, s.Factor})
		if s.Type == arch.Llama3RoPE {
			list = append(list, keyValue{keyOurLow, s.LowFreqFactor}, keyValue{keyOurHigh, s.HighFreqFactor},
				keyValue{keyOurOriginal, uint32(s.OriginalContext)})
		}
	default:
		return nil, fmt.Errorf("gguf: rope scaling %q has no place in the format", s.Type)
	}
	return list, nil
}

// factors are what llama.cpp divides the frequencies of Llama 3's scaling by, nil
// for other models.
func factors(c arch.Config) []float32 {
	if c.RoPEScaling.Type != arch.Llama3RoPE {
		return nil
	}
	scaled := c.RoPE()
	plain := scaled
	plain.Scaling.Factor = 1 // stretched by nothing
	a, b := plain.Frequencies(1, c.HeadDim), scaled.Frequencies(1, c.HeadDim)
	list := make([]float32, len(a))
	for i := range a {
		list[i] = float32(a[i] / b[i])
	}
	return list
}

// Config reads the model's shape from the metadata. What the tensors say (tied
// head, vocabulary) comes from them. Errors name the file.
func (f *File) Config() (arch.Config, error) {
	c, err := f.config()
	if err != nil {
		return c, fmt.Errorf("%s: %w", f.name, err)
	}
	return c, nil
}

func (f *File) config() (arch.Config, error) {
	c := arch.Default()
	name, _ := f.Metadata[keyArchitecture].(string)
	if name != architectureLlama && name != architectureQwen3 {
		return c, fmt.Errorf("%s %q is not supported: only %q and %q are", keyArchitecture, name, architectureLlama, architectureQwen3)
	}
	c.QKNorm = name == architectureQwen3
	if n, ok := number(f.Metadata[name+keyExperts]); ok && n > 0 {
		return c, fmt.Errorf("%s (%g) is not supported: experts", name+keyExperts, n)
	}
	if n, ok := number(f.Metadata[keySplits]); ok && n > 1 {
		return c, fmt.Errorf("%s (%g) is not supported: this is one of several files of a model\nhint: llama-gguf-split --merge makes one of them", keySplits, n)
	}
	var errs []error
	integer := func(key string, to *int, otherwise int) {
		key = name + key
		value, given := f.Metadata[key]
		n, ok := number(value)
		switch {
		case !given && otherwise >= 0:
			*to = otherwise
		case !given:
			errs = append(errs, fmt.Errorf("%s is missing", key))
		case !ok:
			errs = append(errs, fmt.Errorf("%s is a %T; one number for all layers is expected", key, value))
		case n != math.Trunc(n) || n < 0 || n > math.MaxInt32:
			errs = append(errs, fmt.Errorf("%s (%g) is no size", key, n))
		default:
			*to = int(n)
		}
	}
	const needed = -1
	integer(keyContext, &c.Context, needed)
	integer(keyDim, &c.Dim, needed)
	integer(keyLayers, &c.Layers, needed)
	integer(keyFFN, &c.FFNDim, needed)
	integer(keyHeads, &c.Heads, needed)
	integer(keyKVHeads, &c.KVHeads, c.Heads)
	integer(keyKeyLength, &c.HeadDim, 0)
	c.NormEps, c.RoPEBase = 1e-5, 10000
	var rotated, values int
	integer(keyRoPEDim, &rotated, 0)
	integer(keyValLength, &values, 0)
	if err := errors.Join(errs...); err != nil {
		return c, err
	}
	if n, ok := decimal(f.Metadata[name+keyEps]); ok {
		c.NormEps = n
	}
	if n, ok := decimal(f.Metadata[name+keyRoPEBase]); ok {
		c.RoPEBase = n
	}
	head := c.Resolved().HeadDim
	switch {
	case rotated != 0 && rotated != head:
		return c, fmt.Errorf("%s (%d) is not supported: heads of %d are rotated whole or not at all", name+keyRoPEDim, rotated, head)
	case values != 0 && values != head:
		return c, fmt.Errorf("%s (%d) is not supported: it differs from keys of %d", name+keyValLength, values, head)
	}
	embedding, ok := f.tensor("token_embd.weight")
	if !ok || len(embedding.Shape) != 2 {
		return c, errors.New("tensor token_embd.weight is missing")
	}
	c.VocabSize = embedding.Shape[0]
	_, untied := f.tensor("output.weight")
	c.ShareEmbedding = !untied
	var err error
	if c.RoPEScaling, err = f.scaling(c.Resolved()); err != nil {
		return c, err
	}
	if err := c.Validate(); err != nil {
		return c, err
	}
	return c.Resolved(), nil
}

func (f *File) scaling(c arch.Config) (arch.RoPEScaling, error) {
	none, name := c.RoPEScaling, architectureOf(c)
	if ours, ok := f.Metadata[keyOurType].(string); ok {
		s := arch.RoPEScaling{Type: arch.RoPEType(ours)}
		s.Factor, _ = decimal(f.Metadata[keyOurFactor])
		s.LowFreqFactor, _ = decimal(f.Metadata[keyOurLow])
		s.HighFreqFactor, _ = decimal(f.Metadata[keyOurHigh])
		original, _ := number(f.Metadata[keyOurOriginal])
		s.OriginalContext = int(min(original, math.MaxInt32))
		return s, nil
	}
	kind, given := f.Metadata[name+keyRoPEType].(string)
	factor, stretched := decimal(f.Metadata[name+keyRoPEBy])
	if !given { // llama.cpp's default
		kind = "linear"
	}
	scaled := none
	switch kind {
	case "none":
	case "linear":
		if stretched && factor != 0 && factor != 1 {
			scaled = arch.RoPEScaling{Type: arch.LinearRoPE, Factor: factor}
		}
	default:
		return none, fmt.Errorf("%s %q is not supported", name+keyRoPEType, kind)
	}
	if _, ok := f.tensor(ropeFactors); !ok {
		return scaled, nil
	}
	if scaled != none {
		return none, fmt.Errorf("%s %q beside tensor %s is not supported", name+keyRoPEType, kind, ropeFactors)
	}
	return f.llama3(c)
}

// llama3 finds the parameters that make the file's factors. Llama 3's own are the
// only ones it tries: the format does not keep them.
func (f *File) llama3(c arch.Config) (arch.RoPEScaling, error) {
	t, err := f.find(ropeFactors, []int{c.HeadDim / 2})
	if err != nil {
		return c.RoPEScaling, err
	}
	given := make([]float32, c.HeadDim/2)
	if err := f.read(t, given, nil); err != nil {
		return c.RoPEScaling, err
	}
	largest := float32(1)
	plain := true
	for _, x := range given {
		largest = max(largest, x)
		plain = plain && x == 1
	}
	if plain {
		return c.RoPEScaling, nil
	}
	c.RoPEScaling = arch.RoPEScaling{
		Type: arch.Llama3RoPE, Factor: float64(largest), LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 8192,
	}
	for i, want := range factors(c) {
		if !(math.Abs(float64(want-given[i])) <= 1e-4*float64(want)) {
			return c.RoPEScaling, fmt.Errorf("tensor %s: the scaling of rotary embeddings is not Llama 3's, and others are not supported", ropeFactors)
		}
	}
	return c.RoPEScaling, nil
}

// number is a metadata value as a float64.
func number(value any) (float64, bool) {
	switch v := value.(type) {
	case uint32:
		return float64(v), true
	case int64:
		return float64(v), true
	case float32:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// decimal is a metadata value as the decimal number that was meant: 1e-5 and not
// float32's 9.99999974e-06.
func decimal(value any) (float64, bool) {
	x, ok := value.(float32)
	if !ok {
		return number(value)
	}
	d, err := strconv.ParseFloat(strconv.FormatFloat(float64(x), 'g', -1, 32), 64)
	return d, err == nil
}
