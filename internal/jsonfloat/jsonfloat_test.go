package jsonfloat

import (
	"encoding/json"
	"math"
	"testing"
)

func TestFloat(t *testing.T) {
	type record struct {
		A, B Float
		C    Float `json:",omitempty"`
	}
	for want, r := range map[string]record{
		`{"A":1.5,"B":-2e-7}`:         {A: 1.5, B: -2e-7},
		`{"A":null,"B":null}`:         {A: Float(math.Inf(1)), B: Float(math.NaN())},
		`{"A":0,"B":null,"C":12}`:     {B: Float(math.Inf(-1)), C: 12},
		`{"A":1e+300,"B":0,"C":null}`: {A: 1e300, C: Float(math.NaN())},
	} {
		raw, err := json.Marshal(r)
		if err != nil || string(raw) != want {
			t.Errorf("%s, %v; want %s", raw, err, want)
		}
		var back record
		err = json.Unmarshal(raw, &back)
		for i, x := range []Float{back.A, back.B, back.C} {
			if w := []Float{r.A, r.B, r.C}[i]; err != nil || x.Finite() != w.Finite() || w.Finite() && x != w {
				t.Errorf("%s is read as %v, %v", raw, back, err)
			}
		}
	}
	var x Float
	if json.Unmarshal([]byte(`"12"`), &x) == nil {
		t.Error("a text is read as a number")
	}
}
