package huggingface

import "testing"

// What the tokenizers library wrote again of scores that it had read.
func TestLibraryNumber(t *testing.T) {
	for text, want := range map[string]float64{
		"-3.4012345678901234": -3.401234567890123, "-7.103208065032959": -7.103208065032959, "-1.8970681428909302": -1.8970681428909304,
		"-3.0123284804704786": -3.012328480470478, "-14.825037124029805": -14.825037124029803, "1e-7": 1e-07, "0": 0,
		"12345678901234567890123": 1.2345678901234568e+22, "-1.5E+3": -1500, "3.00000000000000000000000001": 3, "18446744073709551616.5": 1.8446744073709552e+19,
	} {
		if got := libraryNumber(text, 0); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
	if got := libraryNumber("2.5e-310", 2.5e-310); got != 2.5e-310 {
		t.Errorf("a very small number: %v", got)
	}
}
