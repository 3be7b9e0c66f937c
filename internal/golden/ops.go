package golden

import (
	"encoding/json"
	"fmt"
	"os"
)

// Op is one operation's reference, computed in float64 from inputs that are
// exact in float32. The gradients are those of Σ output∘upstream; of a scalar
// output, those of the output itself.
type Op struct {
	Kind     string             `json:"kind"` // as op.Op's Kind: linear, attention, …
	Name     string             `json:"name"` // of the case, unique within its kind
	Attrs    map[string]float64 `json:"attrs"`
	Inputs   []Array            `json:"inputs"` // in the operation's order
	Output   Array              `json:"output"`
	Upstream []float64          `json:"upstream"`
}

// Array is an input or output of an [Op]: floats, or ids.
type Array struct {
	Name  string    `json:"name"`
	Shape []int     `json:"shape"` // empty for a scalar
	Data  []float64 `json:"data"`
	IDs   []int32   `json:"ids"`
	Grad  []float64 `json:"grad"` // absent where the operation has none
}

// Int returns an attribute that is a whole number.
func (o Op) Int(attr string) int { return int(o.Attrs[attr]) }

// LoadOps reads the operations in a file written by engine/op/testdata/golden.py.
func LoadOps(path string) ([]Op, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("golden: %w", err)
	}
	var ops []Op
	if err := json.Unmarshal(raw, &ops); err != nil {
		return nil, fmt.Errorf("golden: %s: %w", path, err)
	}
	for _, o := range ops {
		for _, a := range append(o.Inputs, o.Output) {
			if len(a.Data)+len(a.IDs) != size(a.Shape) {
				return nil, fmt.Errorf("golden: %s: %s %s: %s has %d elements, its shape is %v", path, o.Kind, o.Name, a.Name, len(a.Data)+len(a.IDs), a.Shape)
			}
		}
	}
	return ops, nil
}
