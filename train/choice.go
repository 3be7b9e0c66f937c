package train

import (
	"fmt"
	"strconv"

	"go.yaml.in/yaml/v3"

	"mobilellm/device"
	"mobilellm/engine"
)

const auto = "auto"

// MicroBatch is the number of sequences that pass the model at once; 0 is auto.
type MicroBatch int

// UnmarshalYAML accepts auto or a positive integer.
func (m *MicroBatch) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == auto {
		*m = 0
		return nil
	}
	n, err := strconv.Atoi(node.Value)
	if err != nil || n < 1 {
		return fmt.Errorf("%q is neither auto nor a positive integer", node.Value)
	}
	*m = MicroBatch(n)
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (m MicroBatch) MarshalYAML() (any, error) {
	if m == 0 {
		return auto, nil
	}
	return int(m), nil
}

// Precision is the type of matmuls and kept activations, or auto, which is
// bf16 where the device multiplies it no slower than float32, and float32 elsewhere.
type Precision struct {
	Auto  bool
	Value engine.Precision
}

// UnmarshalYAML accepts auto and the names that engine.ParsePrecision does.
func (p *Precision) UnmarshalYAML(node *yaml.Node) error {
	if node.Value == auto {
		*p = Precision{Auto: true}
		return nil
	}
	value, err := engine.ParsePrecision(node.Value)
	if err != nil {
		return fmt.Errorf("%q is none of auto, float32 and bf16", node.Value)
	}
	*p = Precision{Value: value}
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (p Precision) MarshalYAML() (any, error) {
	if p.Auto {
		return auto, nil
	}
	return p.Value.String(), nil
}

func (p Precision) resolve(dev device.Device) engine.Precision {
	switch {
	case !p.Auto:
		return p.Value
	case dev.FastBF16():
		return engine.PrecisionBF16
	}
	return engine.PrecisionF32
}

// Recompute is what the backward pass computes again.
type Recompute engine.Recompute

// UnmarshalYAML accepts the names that engine.ParseRecompute does.
func (r *Recompute) UnmarshalYAML(node *yaml.Node) error {
	value, err := engine.ParseRecompute(node.Value)
	if err != nil {
		return fmt.Errorf("%q is none of none, attention and block", node.Value)
	}
	*r = Recompute(value)
	return nil
}

// MarshalYAML writes what UnmarshalYAML reads.
func (r Recompute) MarshalYAML() (any, error) { return engine.Recompute(r).String(), nil }
