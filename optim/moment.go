package optim

import "fmt"

// moment is the type that an optimizer keeps its state in: float32, or bf16 as
// the upper half of a float32. All arithmetic is in float32.
//
// Rounding a moment to the 8 significant bits of bf16 errs by at most 2⁻⁹ of
// it. The errors of about 1/(1−β) steps add up at random, so the update differs
// by less than a percent, which the noise of a gradient hides. Its range is
// float32's: no square underflows that would not otherwise.
type moment interface{ float32 | uint16 }

// momentBytes is the size of an element of the type that c names.
func (c Config) momentBytes() (int64, error) {
	switch c.Moments {
	case MomentsFloat32:
		return 4, nil
	case MomentsBF16:
		return 2, nil
	}
	return 0, fmt.Errorf("optim.moments (%q) must be float32 or bf16", c.Moments)
}

// moments allocates one zeroed tensor for each parameter.
func moments[M moment](params []Param) [][]M {
	m := make([][]M, len(params))
	for i, p := range params {
		m[i] = make([]M, len(p.Value))
	}
	return m
}

// view is a parameter's moment as State gives it out.
func view[M moment](name string, p *Param, data []M) StateTensor {
	t := StateTensor{Name: name + "." + p.Name, Param: p.Name}
	switch data := any(data).(type) {
	case []float32:
		t.Data = data
	case []uint16:
		t.BF16 = data
	}
	return t
}
