package checkpoint

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/regular"
	"mobilellm/tokenizer"
)

// The files of a model folder.
const (
	ConfigFile  = "config.json"
	WeightsFile = "model.safetensors"
	IndexFile   = "model.safetensors.index.json" // where the weights are in shards

	// GenerationFile holds what other tools generate text with by default.
	GenerationFile = tokenizer.GenerationFile

	// CardFile is the model card of a folder: what the Hub shows of it, with metadata between
	// two lines of dashes (huggingface.co/docs/hub/model-cards).
	CardFile = "README.md"
)

// maxConfig bounds config.json.
const maxConfig = 16 << 20

// The values of model_type that are read and written.
const (
	typeLlama     = "llama"
	typeQwen3     = "qwen3" // LLaMA with model.qk_norm
	typeMobileLLM = "mobilellm"
)

// torchDType is what config.json calls each type of weights.
var torchDType = map[safetensors.DType]string{
	safetensors.F32: "float32", safetensors.BF16: "bfloat16", safetensors.F16: "float16",
}

// Meta is what config.json says of a model besides its shape.
type Meta struct {
	Tokens tokenizer.ModelTokens // with a meaning of their own
	DType  safetensors.DType     // of the weights; empty where the file does not say
	// Quantization is what of a folder that was read is in 8 bits. Of one that is written
	// [Contents] says it.
	Quantization Quantization
}

// NoTokens is what a model without special tokens has.
func NoTokens() tokenizer.ModelTokens {
	return tokenizer.ModelTokens{BOS: tokenizer.None, PAD: tokenizer.None}
}

// configFile is config.json as it is written.
type configFile struct {
	Architectures []string       `json:"architectures"`
	ModelType     string         `json:"model_type"`
	VocabSize     int            `json:"vocab_size"`
	Layers        int            `json:"num_hidden_layers"`
	Dim           int            `json:"hidden_size"`
	Heads         int            `json:"num_attention_heads"`
	KVHeads       int            `json:"num_key_value_heads"`
	HeadDim       int            `json:"head_dim"`
	FFN           arch.FFN       `json:"ffn,omitempty"`
	QKNorm        bool           `json:"qk_norm,omitempty"`
	HiddenAct     string         `json:"hidden_act"`
	FFNDim        int            `json:"intermediate_size"`
	NormEps       float64        `json:"rms_norm_eps"`
	RoPEBase      float64        `json:"rope_theta"`
	RoPEScaling   *scaling       `json:"rope_scaling,omitempty"`
	Context       int            `json:"max_position_embeddings"`
	Tie           bool           `json:"tie_word_embeddings"`
	Share         *bool          `json:"share_embedding,omitempty"`
	LayerSharing  *sharing       `json:"layer_sharing,omitempty"`
	Quantize      *arch.Quantize `json:"quantize,omitempty"`
	InitStd       float64        `json:"initializer_range"`
	AttentionBias bool           `json:"attention_bias"`
	MLPBias       bool           `json:"mlp_bias"`
	BOS           any            `json:"bos_token_id"`
	EOS           any            `json:"eos_token_id"` // an id or several
	PAD           any            `json:"pad_token_id,omitempty"`
	DType         string         `json:"torch_dtype,omitempty"`
	UseCache      bool           `json:"use_cache"`

	Quantization *quantizationConfig `json:"quantization_config,omitempty"`
}

// sharing is the layer_sharing of a mobilellm folder.
type sharing struct {
	Strategy arch.Strategy `json:"strategy"`
	Repeat   int           `json:"repeat"`
}

// MarshalConfig returns the config.json of a model. It says llama or qwen3 only where
// LLaMA's or Qwen3's code computes the same function.
func MarshalConfig(c arch.Config, m Meta) ([]byte, error) {
	c = c.Resolved()
	if err := c.Validate(); err != nil {
		return nil, err
	}
	rope, err := marshalScaling(c.RoPEScaling)
	if err != nil {
		return nil, err
	}
	f := configFile{
		Architectures: []string{"LlamaForCausalLM"},
		ModelType:     typeLlama,
		VocabSize:     c.VocabSize,
		Layers:        c.Layers,
		Dim:           c.Dim,
		Heads:         c.Heads,
		KVHeads:       c.KVHeads,
		HeadDim:       c.HeadDim,
		HiddenAct:     c.FFN.HiddenAct(),
		FFNDim:        c.FFNDim,
		NormEps:       c.NormEps,
		RoPEBase:      c.RoPEBase,
		RoPEScaling:   rope,
		Context:       c.Context,
		Tie:           c.ShareEmbedding,
		InitStd:       c.InitStd,
		DType:         torchDType[m.DType],
		UseCache:      true,
		Quantization:  m.Quantization.config(),
	}
	f.BOS, f.EOS, f.PAD = m.Tokens.Values()
	if c.QKNorm {
		f.Architectures, f.ModelType = []string{"Qwen3ForCausalLM"}, typeQwen3
	}
	if c.LayerSharing.Shared() || c.FFN != arch.SwiGLU || c.Quantize.Rounds() {
		f.Architectures = []string{"MobileLLMForCausalLM"}
		f.ModelType = typeMobileLLM
		f.FFN = c.FFN
		f.QKNorm = c.QKNorm
		f.Share = &c.ShareEmbedding
		f.LayerSharing = &sharing{c.LayerSharing.Strategy, c.LayerSharing.Repeat}
	}
	if c.Quantize.Rounds() {
		f.Quantize = &c.Quantize
	}
	raw, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, err
	}
	return append(raw, '\n'), nil
}

// givenConfig is config.json as it is read: by others' hands, so fields may be
// left out, and some have had several forms.
type givenConfig struct {
	ModelType     string          `json:"model_type"`
	VocabSize     *int            `json:"vocab_size"`
	Layers        *int            `json:"num_hidden_layers"`
	Dim           *int            `json:"hidden_size"`
	Heads         *int            `json:"num_attention_heads"`
	KVHeads       *int            `json:"num_key_value_heads"`
	HeadDim       *int            `json:"head_dim"`
	FFN           *arch.FFN       `json:"ffn"`
	QKNorm        bool            `json:"qk_norm"` // ours; qwen3 has it always
	Window        bool            `json:"use_sliding_window"`
	HiddenAct     *string         `json:"hidden_act"`
	FFNDim        *int            `json:"intermediate_size"`
	NormEps       *float64        `json:"rms_norm_eps"`
	RoPEBase      *float64        `json:"rope_theta"`
	RoPEScaling   json.RawMessage `json:"rope_scaling"`
	RoPE          json.RawMessage `json:"rope_parameters"` // transformers 5
	Partial       *float64        `json:"partial_rotary_factor"`
	Original      *int            `json:"original_max_position_embeddings"`
	Context       *int            `json:"max_position_embeddings"`
	Tie           bool            `json:"tie_word_embeddings"`
	Share         bool            `json:"share_embedding"` // the official MobileLLM code
	LayerSharing  json.RawMessage `json:"layer_sharing"`   // its bool, or our strategy and repeat
	Repeats       *int            `json:"layer_sharing_repeats"`
	Quantize      arch.Quantize   `json:"quantize"` // ours
	InitStd       *float64        `json:"initializer_range"`
	AttentionBias bool            `json:"attention_bias"`
	MLPBias       bool            `json:"mlp_bias"`
	Quantization  json.RawMessage `json:"quantization_config"`
	PerLayer      json.RawMessage `json:"per_layer_config"` // transformers 5
	LayerTypes    []string        `json:"layer_types"`
	DType         string          `json:"dtype"` // transformers 5
	TorchDType    string          `json:"torch_dtype"`
}

// ReadConfig reads a config.json. It takes llama and qwen3 folders, this program's
// mobilellm ones, and those of the official MobileLLM code, whose
// `"layer_sharing": true` means that each layer runs twice in a row. A model
// that computes anything else is refused; errors name the file and the field.
func ReadConfig(path string) (arch.Config, Meta, error) {
	info, err := os.Stat(path)
	if err != nil {
		return arch.Config{}, Meta{}, err
	}
	if info.Size() > maxConfig {
		return arch.Config{}, Meta{}, fmt.Errorf("%s: %d bytes are more than a configuration of %d", path, info.Size(), maxConfig)
	}
	raw, err := regular.ReadFile(path)
	if err != nil {
		return arch.Config{}, Meta{}, err
	}
	c, m, err := parseConfig(raw)
	if err != nil {
		return arch.Config{}, Meta{}, fmt.Errorf("%s: %w", path, err)
	}
	return c, m, nil
}

func parseConfig(raw []byte) (arch.Config, Meta, error) {
	var g givenConfig
	if err := json.Unmarshal(raw, &g); err != nil {
		return arch.Config{}, Meta{}, fieldError(err)
	}
	tokens, err := tokenizer.ParseModelTokens(raw)
	if err != nil {
		return arch.Config{}, Meta{}, err
	}
	return g.parse(tokens)
}

// fieldError names a field of the wrong kind by its key alone.
func fieldError(err error) error {
	var wrong *json.UnmarshalTypeError
	switch {
	case !errors.As(err, &wrong) || wrong.Field == "":
		return err
	case wrong.Value == "array":
		return fmt.Errorf("%s is a list: one for each layer is not supported", wrong.Field)
	}
	return fmt.Errorf("%s is a JSON %s where %s is expected", wrong.Field, wrong.Value, wrong.Type)
}

func (g *givenConfig) parse(tokens tokenizer.ModelTokens) (c arch.Config, m Meta, err error) {
	if err := g.refuse(); err != nil {
		return c, m, err
	}
	for _, f := range []struct {
		key  string
		from *int
		to   *int
	}{
		{"vocab_size", g.VocabSize, &c.VocabSize},
		{"num_hidden_layers", g.Layers, &c.Layers},
		{"hidden_size", g.Dim, &c.Dim},
		{"num_attention_heads", g.Heads, &c.Heads},
		{"intermediate_size", g.FFNDim, &c.FFNDim},
	} {
		if f.from == nil {
			return c, m, fmt.Errorf("%s is missing", f.key)
		}
		if *f.from <= 0 {
			return c, m, fmt.Errorf("%s (%d) must be positive", f.key, *f.from)
		}
		*f.to = *f.from
	}
	// What LLaMA's own config takes where a field is left out.
	c.KVHeads = or(g.KVHeads, c.Heads)
	c.HeadDim = or(g.HeadDim, 0)
	c.NormEps = or(g.NormEps, 1e-6)
	c.Context = or(g.Context, 2048)
	c.QKNorm = g.QKNorm
	if g.ModelType == typeQwen3 { // and Qwen3's
		c.QKNorm = true
		c.KVHeads = or(g.KVHeads, 32)
		c.HeadDim = or(g.HeadDim, 128)
		c.Context = or(g.Context, 32768)
	}
	c.InitStd = or(g.InitStd, 0.02)
	if c.RoPEBase, c.RoPEScaling, err = g.rope(c.Context); err != nil {
		return c, m, err
	}
	c.ShareEmbedding = g.Tie || g.Share

	if c.FFN, err = g.ffn(); err != nil {
		return c, m, err
	}
	if c.LayerSharing, err = g.layerSharing(); err != nil {
		return c, m, err
	}
	c.Quantize = g.Quantize
	m = g.meta(tokens)
	if m.Quantization, err = readQuantization(g.Quantization); err != nil {
		return c, m, err
	}
	if err := c.Validate(); err != nil {
		return c, m, err
	}
	return c.Resolved(), m, nil
}

func or[T any](given *T, otherwise T) T {
	if given == nil {
		return otherwise
	}
	return *given
}

// refuse reports what the model has and this program does not compute.
func (g *givenConfig) refuse() error {
	switch {
	case g.ModelType != typeLlama && g.ModelType != typeQwen3 && g.ModelType != typeMobileLLM:
		return fmt.Errorf("model_type %q is not supported: only %s, %s and %s are", g.ModelType, typeLlama, typeQwen3, typeMobileLLM)
	case g.QKNorm && g.ModelType == typeLlama:
		return errors.New("qk_norm (true) is not LLaMA's: the model_type is qwen3 or mobilellm")
	case g.Window:
		return errors.New("use_sliding_window (true) is not supported")
	case g.AttentionBias:
		return errors.New("attention_bias (true) is not supported")
	case g.MLPBias:
		return errors.New("mlp_bias (true) is not supported")
	case given(g.PerLayer):
		return errors.New("per_layer_config: layers of different shapes are not supported")
	}
	// transformers' LLaMA overlooks these; other programs do not.
	for i, kind := range g.LayerTypes {
		if kind != "full_attention" && kind != "attention" {
			return fmt.Errorf("layer_types: %q (layer %d) is not supported: only full_attention is", kind, i)
		}
	}
	return nil
}

// given reports whether a field is there and not null.
func given(raw json.RawMessage) bool { return len(raw) > 0 && string(raw) != "null" }

func (g *givenConfig) ffn() (arch.FFN, error) {
	act := or(g.HiddenAct, arch.SwiGLU.HiddenAct())
	if g.FFN != nil {
		if g.HiddenAct != nil && act != g.FFN.HiddenAct() {
			return "", fmt.Errorf("hidden_act (%q) does not fit ffn (%q)", act, *g.FFN)
		}
		return *g.FFN, nil
	}
	for _, f := range arch.FFNs() {
		// LLaMA's code with another activation still has a gate.
		if act == f.HiddenAct() && (f == arch.SwiGLU || g.ModelType == typeMobileLLM) {
			return f, nil
		}
	}
	return "", fmt.Errorf("hidden_act (%q) is not supported for model_type %s", act, g.ModelType)
}

func (g *givenConfig) layerSharing() (arch.LayerSharing, error) {
	none := arch.Default().LayerSharing
	if !given(g.LayerSharing) {
		return none, nil
	}
	var flag bool
	if err := json.Unmarshal(g.LayerSharing, &flag); err == nil {
		if flag {
			return arch.LayerSharing{Strategy: arch.Immediate, Repeat: or(g.Repeats, 2)}, nil
		}
		return none, nil
	}
	var s sharing
	dec := json.NewDecoder(bytes.NewReader(g.LayerSharing))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&s); err != nil {
		return none, fmt.Errorf("layer_sharing must be true, false or {\"strategy\": …, \"repeat\": …}: %w", err)
	}
	return arch.LayerSharing{Strategy: s.Strategy, Repeat: s.Repeat}, nil
}

// meta leaves out ids that the model has no row for, as that of a padding token which
// was added to the tokenizer alone.
func (g *givenConfig) meta(tokens tokenizer.ModelTokens) Meta {
	m := Meta{Tokens: tokens.Within(*g.VocabSize)}
	name := g.DType
	if name == "" {
		name = g.TorchDType
	}
	for dtype, torch := range torchDType {
		if torch == name {
			m.DType = dtype
		}
	}
	return m
}
