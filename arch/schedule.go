package arch

import (
	"iter"
	"slices"
)

// Schedule is the list of weight-layer numbers in execution order. A position in
// it is a place in the depth of the model that runs; activations and KV-cache
// entries belong to positions, weights to the layers named there.
type Schedule struct {
	layers []int
}

// Schedule returns the execution order of c's layers. c must be valid; an unknown
// strategy panics.
func (c Config) Schedule() Schedule {
	l := c.LayerSharing
	return Schedule{layers: l.Strategy.sharing().order(c.Layers, l.Times())}
}

// Len is the number of layers that run, repetitions included.
func (s Schedule) Len() int { return len(s.layers) }

// Layer is the number of the weight layer that runs at position pos.
func (s Schedule) Layer(pos int) int { return s.layers[pos] }

// All yields (position, weight layer) in execution order.
func (s Schedule) All() iter.Seq2[int, int] { return slices.All(s.layers) }
