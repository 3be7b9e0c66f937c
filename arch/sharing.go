package arch

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"mobilellm/internal/choices"
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

// sharing is everything that a strategy decides.
type sharing struct {
	name Strategy
	// once says that layers run once, whatever the number of repetitions.
	once bool
	// order is that of n layers which run so many times.
	order func(n, times int) []int
}

// sharings are the strategies in the order in which errors list them.
var sharings = []sharing{
	{NoSharing, true, repeatAllOver},
	{Immediate, false, immediate},
	{RepeatAllOver, false, repeatAllOver},
	{Reverse, false, reverse},
}

// Strategies are those that there are.
func Strategies() []Strategy {
	names := make([]Strategy, len(sharings))
	for i, s := range sharings {
		names[i] = s.name
	}
	return names
}

// Choices lists them for the help of a key.
func (Strategy) Choices() string { return choices.Of(Strategies()) }

// lookup finds what s decides.
func (s Strategy) lookup() (sharing, error) {
	for _, k := range sharings {
		if k.name == s {
			return k, nil
		}
	}
	return sharing{}, fmt.Errorf("unknown layer sharing strategy %q: choose %s", string(s), s.Choices())
}

// sharing is what s decides: one of [Strategies], or empty for none. Another
// panics.
func (s Strategy) sharing() sharing {
	if s == "" {
		s = NoSharing
	}
	k, err := s.lookup()
	if err != nil {
		panic("arch: " + err.Error())
	}
	return k
}

// LayerSharing is the `model.layer_sharing` section. It is part of the model, not
// of a run: with another strategy the same weights are another function.
type LayerSharing struct {
	Strategy Strategy `yaml:"strategy" help:"Order in which layers run again: {choices}."`
	Repeat   int      `yaml:"repeat" help:"Times that each layer runs when layers are shared, 2 or more."`
}

// ParseStrategy returns the strategy of that name, or an error that lists the
// choices.
func ParseStrategy(name string) (Strategy, error) {
	k, err := Strategy(name).lookup()
	return k.name, err
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
		return fmt.Errorf("layer sharing strategy must be a name: choose %s", s.Choices())
	}
	return s.UnmarshalText([]byte(node.Value))
}

// Times is how often each layer runs: Repeat, or 1 where nothing is shared. An
// unknown strategy panics.
func (l LayerSharing) Times() int {
	if l.Strategy.sharing().once {
		return 1
	}
	return l.Repeat
}

// Shared reports whether any layer runs more than once.
func (l LayerSharing) Shared() bool { return l.Times() > 1 }

func immediate(n, times int) []int {
	layers := make([]int, 0, n*times)
	for layer := range n {
		for range times {
			layers = append(layers, layer)
		}
	}
	return layers
}

func repeatAllOver(n, times int) []int {
	layers := make([]int, 0, n*times)
	for range times {
		layers = appendForward(layers, n)
	}
	return layers
}

func reverse(n, times int) []int {
	layers := make([]int, 0, n*times)
	for pass := range times {
		layers = appendForward(layers, n)
		if pass%2 == 1 {
			slices.Reverse(layers[len(layers)-n:])
		}
	}
	return layers
}

func appendForward(layers []int, n int) []int {
	for layer := range n {
		layers = append(layers, layer)
	}
	return layers
}

// Unrolled is the config of the same function without layer sharing: each position of the
// schedule is a layer of its own.
func (c Config) Unrolled() Config {
	c.Layers = c.Schedule().Len()
	c.LayerSharing = Default().LayerSharing
	return c
}
