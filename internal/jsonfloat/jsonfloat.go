// Package jsonfloat has numbers that JSON may lack: the perplexity of a large loss is
// +Inf, a diverged model's loss NaN.
package jsonfloat

import (
	"encoding/json"
	"math"
)

// Float is written as null where it is not finite, and null is read as NaN.
type Float float64

// Finite says whether x is a number that JSON has.
func (x Float) Finite() bool { return !math.IsNaN(float64(x)) && !math.IsInf(float64(x), 0) }

// MarshalJSON implements json.Marshaler.
func (x Float) MarshalJSON() ([]byte, error) {
	if !x.Finite() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(x))
}

// UnmarshalJSON implements json.Unmarshaler.
func (x *Float) UnmarshalJSON(raw []byte) error {
	if string(raw) == "null" {
		*x = Float(math.NaN())
		return nil
	}
	return json.Unmarshal(raw, (*float64)(x))
}
