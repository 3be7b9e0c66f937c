package optim

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// torch's Newton-Schulz iterations are in bf16: the update of 20 steps is theirs but
// for what that rounds.
func TestMuonBesideBF16(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden map[string]goldenCase
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	start, _ := goldenMatrices()
	exact, rounded := golden["muon"].Final, golden["muon, bf16"].Final
	for _, p := range start {
		var difference, update float64
		for i, x := range p.Value {
			d, u := float64(rounded[p.Name][i]-exact[p.Name][i]), float64(exact[p.Name][i]-x)
			difference, update = difference+d*d, update+u*u
		}
		share := math.Sqrt(difference / update)
		if hidden := p.Hidden != [2]int{}; !(share < 0.02) || hidden != (share > 0) {
			t.Errorf("%s: the update differs by %.3g %%", p.Name, 100*share)
		}
	}
}

// The update's singular values lie near 1, whatever those of the gradient: that of a
// matrix whose rows are orthogonal is the matrix with rows of length about 1.
func TestNewtonSchulz(t *testing.T) {
	for _, shape := range [][2]int{{4, 9}, {9, 4}, {4, 4}, {1, 7}, {7, 1}} {
		rows, cols := shape[0], shape[1]
		ns, err := newNewtonSchulz(Serial(), rows, cols)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, rows*cols)
		for i := range min(rows, cols) {
			x[i*cols+i] = float32(math.Pow(-0.5, float64(i)))
		}
		space := &muonSpace{x: x, next: make([]float32, len(x)), gram: make([]float32, len(x)), poly: make([]float32, len(x))}
		for i, y := range ns.orthogonalise(0, x, space) {
			row, col := i/cols, i%cols
			want := 0.0
			if row == col {
				want = math.Copysign(1, math.Pow(-0.5, float64(row)))
			}
			if d := math.Abs(float64(y) - want); d > 0.35 || want == 0 && d > 1e-6 {
				t.Errorf("%v: [%d,%d] is %v, want about %v", shape, row, col, y, want)
			}
		}
	}
}

// A matrix without gradient stays, but for its decay.
func TestMuonWithoutGradient(t *testing.T) {
	c := Default()
	c.Name = NameMuon
	p := Param{Name: "w", Hidden: [2]int{2, 3}, Value: []float32{1, 2, 3, 4, 5, 6}, Grad: make([]float32, 6)}
	opt, err := New(c, []Param{p}, Serial())
	if err != nil {
		t.Fatal(err)
	}
	opt.Step(1e-2, 1)
	for i, x := range p.Value {
		if x != float32(i+1) {
			t.Errorf("value %d is %v", i, x)
		}
	}
}

// What is planned of a worker's memory is what it has.
func TestMuonScratch(t *testing.T) {
	c := Default()
	c.Name = NameMuon
	params := testParams()
	opt, err := newMuon(c, params, pool(3))
	if err != nil {
		t.Fatal(err)
	}
	var most int64
	for _, p := range params {
		n, err := c.ScratchBytes(p.Hidden[0], p.Hidden[1])
		if err != nil {
			t.Fatal(err)
		}
		most = max(most, n)
	}
	s := opt.spaces[2]
	if got := 4 * int64(len(s.x)+len(s.next)+len(s.gram)+len(s.poly)); len(opt.spaces) != 3 || got < most || got > 2*most {
		t.Errorf("%d workers have %d bytes, planned are %d", len(opt.spaces), got, most)
	}
}
