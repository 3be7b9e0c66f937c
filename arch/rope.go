package arch

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v3"

	"mobilellm/engine/op"
	"mobilellm/internal/choices"
)

// RoPEType is a rule by which the wavelengths of the rotary position embedding
// are stretched, by Hugging Face's name for it.
type RoPEType string

const (
	// PlainRoPE stretches nothing.
	PlainRoPE RoPEType = "none"
	// LinearRoPE makes every wavelength `factor` times longer.
	LinearRoPE RoPEType = "linear"
	// DynamicRoPE raises the base once a sequence is longer than the context.
	// All positions of a graph have the base of its sequence length.
	DynamicRoPE RoPEType = "dynamic"
	// Llama3RoPE stretches long wavelengths only (Llama 3.1).
	Llama3RoPE RoPEType = "llama3"
)

// ropeKind is a rule with what it makes of a model's scaling.
type ropeKind struct {
	name    RoPEType
	scaling func(c Config) op.RoPEScaling
}

// ropeKinds are the rules in the order in which errors list them.
var ropeKinds = []ropeKind{
	{PlainRoPE, func(Config) op.RoPEScaling { return op.RoPEScaling{} }},
	{LinearRoPE, func(c Config) op.RoPEScaling {
		return op.RoPEScaling{Kind: op.LinearRoPE, Factor: c.RoPEScaling.Factor}
	}},
	{DynamicRoPE, func(c Config) op.RoPEScaling {
		return op.RoPEScaling{Kind: op.DynamicRoPE, Factor: c.RoPEScaling.Factor, Original: c.Context}
	}},
	{Llama3RoPE, func(c Config) op.RoPEScaling {
		s := c.RoPEScaling
		return op.RoPEScaling{
			Kind: op.Llama3RoPE, Factor: s.Factor, Original: s.OriginalContext, LowFreq: s.LowFreqFactor, HighFreq: s.HighFreqFactor,
		}
	}},
}

// RoPETypes are the rules that there are.
func RoPETypes() []RoPEType {
	names := make([]RoPEType, len(ropeKinds))
	for i, k := range ropeKinds {
		names[i] = k.name
	}
	return names
}

// RoPEScaling is the `model.rope_scaling` section. Like layer sharing it is part
// of the model: with another rule the same weights are another function.
type RoPEScaling struct {
	Type            RoPEType `yaml:"type" help:"Rule of the scaling: {choices}."`
	Factor          float64  `yaml:"factor" help:"How many times longer wavelengths become, 1 or more."`
	LowFreqFactor   float64  `yaml:"low_freq_factor" help:"For llama3: turns within the original context below which a wavelength is stretched in full."`
	HighFreqFactor  float64  `yaml:"high_freq_factor" help:"For llama3: turns within the original context above which a wavelength stays."`
	OriginalContext int      `yaml:"original_context" help:"For llama3: the context that the model was trained with before it was stretched."`
}

// Choices lists them for the help of a key.
func (RoPEType) Choices() string { return choices.Of(RoPETypes()) }

// lookup finds the rule of t.
func (t RoPEType) lookup() (ropeKind, error) {
	for _, k := range ropeKinds {
		if k.name == t {
			return k, nil
		}
	}
	return ropeKind{}, fmt.Errorf("unknown rope scaling type %q: choose %s", string(t), t.Choices())
}

// ParseRoPEType returns the rule of that name, or an error that lists the choices.
func ParseRoPEType(name string) (RoPEType, error) {
	k, err := RoPEType(name).lookup()
	return k.name, err
}

// UnmarshalText accepts the names that [ParseRoPEType] does.
func (t *RoPEType) UnmarshalText(text []byte) error {
	parsed, err := ParseRoPEType(string(text))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}

// UnmarshalYAML accepts the names that [ParseRoPEType] does.
func (t *RoPEType) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("rope scaling type must be a name: choose %s", t.Choices())
	}
	return t.UnmarshalText([]byte(node.Value))
}

// RoPE is the model's rotary position embedding. A rule that is none of [RoPETypes],
// nor empty for none, panics.
func (c Config) RoPE() op.RoPE {
	t := c.RoPEScaling.Type
	if t == "" {
		t = PlainRoPE
	}
	k, err := t.lookup()
	if err != nil {
		panic("arch: " + err.Error())
	}
	return op.RoPE{Base: c.RoPEBase, Scaling: k.scaling(c)}
}

func (c Config) ropeScalingError() error {
	s := c.RoPEScaling
	if _, err := ParseRoPEType(string(s.Type)); err != nil {
		return fmt.Errorf("model.rope_scaling.type (%s) must be %s", s.Type, s.Type.Choices())
	}
	if s.Type == PlainRoPE {
		return nil
	}
	errs := []error{positiveError("model.rope_scaling.factor", s.Factor)}
	if s.Factor > 0 && s.Factor < 1 {
		errs = append(errs, fmt.Errorf("model.rope_scaling.factor (%g) must be at least 1", s.Factor))
	}
	if s.Type == DynamicRoPE && c.HeadDim == 2 {
		errs = append(errs, fmt.Errorf("model.rope_scaling.type (%s) needs heads larger than model.head_dim (%d)", s.Type, c.HeadDim))
	}
	if s.Type == Llama3RoPE {
		errs = append(errs,
			positiveError("model.rope_scaling.low_freq_factor", s.LowFreqFactor),
			positiveError("model.rope_scaling.high_freq_factor", s.HighFreqFactor),
			sizeError("model.rope_scaling.original_context", s.OriginalContext, maxContext))
		if s.LowFreqFactor >= s.HighFreqFactor {
			errs = append(errs, fmt.Errorf("model.rope_scaling.low_freq_factor (%g) must be less than high_freq_factor (%g)", s.LowFreqFactor, s.HighFreqFactor))
		}
	}
	return errors.Join(errs...)
}
