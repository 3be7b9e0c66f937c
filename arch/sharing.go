package arch

import (
	"fmt"

	"gopkg.in/yaml.v3"
)

// Strategy says in which order a model runs its weight layers more than once
// (section 2.3 and Figure 6 of the paper).
type Strategy string

const (
	// NoSharing runs every layer once.
	NoSharing Strategy = "none"
	// Immediate runs a layer's repetitions one after the other: 0 0 1 1 2 2.
	// The weights stay in the cache between them; it is the paper's choice.
	Immediate Strategy = "immediate"
	// RepeatAllOver runs the whole stack again: 0 1 2 0 1 2.
	RepeatAllOver Strategy = "repeat_all_over"
	// Reverse runs the stack forwards and backwards in turn: 0 1 2 2 1 0.
	Reverse Strategy = "reverse"
)

// strategyChoices is how errors list the strategies.
const strategyChoices = "none, immediate, repeat_all_over or reverse"

// LayerSharing is the `model.layer_sharing` section. It is part of the model, not
// of a run: with another strategy the same weights are another function.
type LayerSharing struct {
	Strategy Strategy `yaml:"strategy" help:"Order in which layers run again: none, immediate, repeat_all_over or reverse."`
	Repeat   int      `yaml:"repeat" help:"Times that each layer runs when layers are shared, 2 or more."`
}

// ParseStrategy returns the strategy of that name, or an error that lists the
// choices.
func ParseStrategy(name string) (Strategy, error) {
	switch s := Strategy(name); s {
	case NoSharing, Immediate, RepeatAllOver, Reverse:
		return s, nil
	}
	return "", fmt.Errorf("unknown layer sharing strategy %q: choose %s", name, strategyChoices)
}

// UnmarshalText accepts the names that [ParseStrategy] does.
func (s *Strategy) UnmarshalText(text []byte) error {
	parsed, err := ParseStrategy(string(text))
	if err != nil {
		return err
	}
	*s = parsed
	return nil
}

// UnmarshalYAML accepts the names that [ParseStrategy] does.
func (s *Strategy) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("layer sharing strategy must be a name: choose %s", strategyChoices)
	}
	return s.UnmarshalText([]byte(node.Value))
}

// Times is how often each layer runs: Repeat, or 1 where nothing is shared.
func (l LayerSharing) Times() int {
	if l.Strategy == NoSharing || l.Strategy == "" {
		return 1
	}
	return l.Repeat
}

// Shared reports whether any layer runs more than once.
func (l LayerSharing) Shared() bool { return l.Times() > 1 }
