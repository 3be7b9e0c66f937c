package rotary

import (
	"slices"
	"testing"
)

func TestLayouts(t *testing.T) {
	// Two heads of six rows of two columns; row r is (r, r).
	var halves []float32
	for r := range 12 {
		halves = append(halves, float32(r), float32(r))
	}
	neighbours := ToNeighbours(halves, 2, 6)
	var rows []float32
	for i := 0; i < len(neighbours); i += 2 {
		if neighbours[i] != neighbours[i+1] {
			t.Fatalf("row %d was torn apart", i/2)
		}
		rows = append(rows, neighbours[i])
	}
	if want := []float32{0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}; !slices.Equal(rows, want) {
		t.Errorf("rows %v, want %v", rows, want)
	}
	if back := ToHalves(neighbours, 2, 6); !slices.Equal(back, halves) {
		t.Errorf("came back as %v", back)
	}
}
