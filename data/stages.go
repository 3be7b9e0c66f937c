package data

import (
	"fmt"
	"math"

	"go.yaml.in/yaml/v3"
)

// Stages are mixtures that follow each other.
type Stages []Stage

// UnmarshalYAML accepts a list of mappings and no unknown key.
func (s *Stages) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.SequenceNode {
		return fmt.Errorf("line %d: data.stages: want a list of {after_tokens, weights}", node.Line)
	}
	*s = nil
	for _, item := range node.Content {
		if item.Kind != yaml.MappingNode {
			return fmt.Errorf("line %d: data stage: want {after_tokens, weights}", item.Line)
		}
		for i := 0; i < len(item.Content); i += 2 {
			if key := item.Content[i]; key.Value != "after_tokens" && key.Value != "weights" {
				return fmt.Errorf("line %d: data stage: unknown key %q, want after_tokens or weights", key.Line, key.Value)
			}
		}
		var stage Stage
		if err := item.Decode(&stage); err != nil {
			return fmt.Errorf("data stage: %w", err)
		}
		*s = append(*s, stage)
	}
	return nil
}

func (s Stages) validate(sources int) error {
	last := int64(-1)
	for i, stage := range s {
		if len(stage.Weights) != sources {
			return fmt.Errorf("data.stages[%d]: %d weights for %d sources of data.train", i, len(stage.Weights), sources)
		}
		if stage.AfterTokens <= last {
			return fmt.Errorf("data.stages[%d]: after_tokens (%d) must be above %d", i, stage.AfterTokens, last)
		}
		last = stage.AfterTokens
		sum := 0.0
		for _, w := range stage.Weights {
			if !(w >= 0) || math.IsInf(w, 0) {
				return fmt.Errorf("data.stages[%d]: weight %g must be a number of 0 or more", i, w)
			}
			sum += w
		}
		if sum == 0 {
			return fmt.Errorf("data.stages[%d]: no weight is above 0", i)
		}
	}
	return nil
}

// mixes says whether sources are drawn from by weight; weights that are all 1,
// or were never set, are none.
func (c Config) mixes() bool {
	if _, sum := c.weights(); sum == 0 {
		return len(c.Stages) > 0
	}
	for _, s := range c.Train {
		if s.Weight != 1 {
			return true
		}
	}
	return len(c.Stages) > 0
}

// weights is the mixture of data.train itself.
func (c Config) weights() (weights []float64, sum float64) {
	for _, s := range c.Train {
		weights = append(weights, s.Weight)
		sum += s.Weight
	}
	return weights, sum
}
