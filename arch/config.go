package arch

import (
	"errors"
	"fmt"
	"math"
)

// Config is the shape of a model: the `model:` section of a configuration.
// HeadDim, FFNDim and KVHeads may be left zero; [Config.Resolved] derives them.
type Config struct {
	VocabSize      int          `yaml:"vocab_size" help:"Tokens in the vocabulary."`
	Layers         int          `yaml:"layers" help:"Layers with weights of their own."`
	Dim            int          `yaml:"dim" help:"Width of the residual stream and of the embeddings."`
	Heads          int          `yaml:"heads" help:"Query heads."`
	KVHeads        int          `yaml:"kv_heads" help:"Key and value heads, a divisor of heads; 0 means as many as heads."`
	HeadDim        int          `yaml:"head_dim" help:"Size of a head, an even number; 0 means dim/heads."`
	FFN            FFN          `yaml:"ffn" help:"Kind of feed-forward network: {choices}."`
	FFNDim         int          `yaml:"ffn_dim" help:"Width of the feed-forward network; 0 means 8/3 of dim rounded up to a multiple of 256 for swiglu and 4 times dim for a network without a gate."`
	QKNorm         bool         `yaml:"qk_norm" help:"RMSNorm with a weight over each head's query and key before the rotary position embedding, as Qwen3 has it."`
	NormEps        float64      `yaml:"norm_eps" help:"Added to the mean square in RMSNorm."`
	RoPEBase       float64      `yaml:"rope_base" help:"Base of the rotary position embedding's wavelengths."`
	RoPEScaling    RoPEScaling  `yaml:"rope_scaling" help:"Stretches the rotary position embedding's wavelengths beyond those trained with."`
	Context        int          `yaml:"context" help:"Longest sequence in tokens that the model is meant for."`
	ShareEmbedding bool         `yaml:"share_embedding" help:"Use one table for the input embedding and the output head."`
	LayerSharing   LayerSharing `yaml:"layer_sharing" help:"Layers that run more than once with the same weights."`
	Quantize       Quantize     `yaml:"quantize" help:"Linear layers of few bits."`
	InitStd        float64      `yaml:"init_std" help:"Standard deviation of the normal distribution that weights start from."`
}

// The largest sizes accepted. They lie far beyond any model of this family and
// keep every count within int64.
const (
	maxVocab     = 1 << 24
	maxSize      = 1 << 20
	maxContext   = 1 << 24
	maxLayersRun = 1 << 14
)

// Default returns MobileLLM-125M (Table 9 of the paper), its derived sizes left
// to [Config.Resolved].
func Default() Config {
	return Config{
		VocabSize:      32000,
		Layers:         30,
		Dim:            576,
		Heads:          9,
		KVHeads:        3,
		FFN:            SwiGLU,
		NormEps:        1e-5,
		RoPEBase:       10000,
		RoPEScaling:    RoPEScaling{Type: PlainRoPE},
		Context:        2048,
		ShareEmbedding: true,
		LayerSharing:   LayerSharing{Strategy: NoSharing, Repeat: 2},
		Quantize:       Quantize{}.resolved(),
		InitStd:        0.02,
	}
}

// Resolved returns c with what was left out filled in: kv_heads (heads), head_dim
// (dim/heads), ffn (swiglu), ffn_dim ([FFN.Width]), the sharing strategy (none),
// the kind of RoPE scaling (none) and what is quantised (nothing).
func (c Config) Resolved() Config {
	if c.KVHeads == 0 {
		c.KVHeads = c.Heads
	}
	if c.HeadDim == 0 && c.Heads > 0 {
		c.HeadDim = c.Dim / c.Heads
	}
	if c.FFN == "" {
		c.FFN = SwiGLU
	}
	if c.FFNDim == 0 {
		c.FFNDim = c.FFN.Width(c.Dim)
	}
	if c.LayerSharing.Strategy == "" {
		c.LayerSharing.Strategy = NoSharing
	}
	if c.RoPEScaling.Type == "" {
		c.RoPEScaling.Type = PlainRoPE
	}
	c.Quantize = c.Quantize.resolved()
	return c
}

// Validate reports everything that keeps c from being a model, joined by
// [errors.Join]; each error names the key and its value.
func (c Config) Validate() error {
	r := c.Resolved()
	errs := []error{
		sizeError("model.vocab_size", r.VocabSize, maxVocab),
		sizeError("model.layers", r.Layers, maxLayersRun),
		sizeError("model.dim", r.Dim, maxSize),
		sizeError("model.heads", r.Heads, maxSize),
		r.headsError(c),
		r.ffnError(c),
		sizeError("model.context", r.Context, maxContext),
		positiveError("model.norm_eps", r.NormEps),
		positiveError("model.rope_base", r.RoPEBase),
		r.ropeScalingError(),
		positiveError("model.init_std", r.InitStd),
		r.sharingError(),
	}
	if _, _, err := r.Quantize.rules(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// headsError checks the division of dim into heads and of heads into groups;
// given is the config as it was written.
func (c Config) headsError(given Config) error {
	if c.Heads <= 0 || c.Dim <= 0 {
		return nil // reported as sizes
	}
	var errs []error
	switch {
	case given.HeadDim == 0 && c.Dim%c.Heads != 0:
		errs = append(errs, fmt.Errorf("model.dim (%d) must be divisible by model.heads (%d)", c.Dim, c.Heads))
	case given.HeadDim == 0 && c.HeadDim%2 != 0:
		errs = append(errs, fmt.Errorf("model.dim (%d) divided by model.heads (%d) must be even, as rotary position embeddings need pairs; it is %d", c.Dim, c.Heads, c.HeadDim))
	case given.HeadDim != 0:
		if err := sizeError("model.head_dim", c.HeadDim, maxSize); err != nil {
			errs = append(errs, err)
		} else if c.HeadDim%2 != 0 {
			errs = append(errs, fmt.Errorf("model.head_dim (%d) must be even, as rotary position embeddings need pairs", c.HeadDim))
		}
	}
	if err := sizeError("model.kv_heads", c.KVHeads, maxSize); err != nil {
		errs = append(errs, err)
	} else if c.Heads%c.KVHeads != 0 {
		errs = append(errs, fmt.Errorf("model.heads (%d) must be divisible by model.kv_heads (%d)", c.Heads, c.KVHeads))
	}
	return errors.Join(errs...)
}

func (c Config) ffnError(given Config) error {
	if _, err := ParseFFN(string(c.FFN)); err != nil {
		return fmt.Errorf("model.ffn (%s) must be %s", c.FFN, c.FFN.Choices())
	}
	if given.FFNDim == 0 {
		return nil // follows from dim
	}
	return sizeError("model.ffn_dim", c.FFNDim, 4*maxSize)
}

func (c Config) sharingError() error {
	s := c.LayerSharing
	if _, err := ParseStrategy(string(s.Strategy)); err != nil {
		return fmt.Errorf("model.layer_sharing.strategy (%s) must be %s", s.Strategy, s.Strategy.Choices())
	}
	if s.Strategy == NoSharing {
		return nil
	}
	if s.Repeat < 2 {
		return fmt.Errorf("model.layer_sharing.repeat (%d) must be 2 or more where the strategy is %s", s.Repeat, s.Strategy)
	}
	if c.Layers > 0 && s.Repeat > maxLayersRun/c.Layers {
		return fmt.Errorf("model.layer_sharing.repeat (%d) times model.layers (%d) must be at most %d", s.Repeat, c.Layers, maxLayersRun)
	}
	return nil
}

func sizeError(key string, value, most int) error {
	if value <= 0 {
		return fmt.Errorf("%s (%d) must be positive", key, value)
	}
	if value > most {
		return fmt.Errorf("%s (%d) must be at most %d", key, value, most)
	}
	return nil
}

func positiveError(key string, value float64) error {
	if !(value > 0) || math.IsInf(value, 1) {
		return fmt.Errorf("%s (%g) must be a positive number", key, value)
	}
	return nil
}
