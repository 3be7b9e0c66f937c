package bfloat16

import (
	"encoding/json"
	"math"
	"os"
	"testing"
)

// Rounding as torch.Tensor.to(torch.bfloat16) has it; testdata/golden.py made the
// table. PyTorch gives every NaN one payload, so of those only that they stay.
func TestRound(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var table [][2]uint32 // bits of a float32, bits of its bf16
	if err := json.Unmarshal(raw, &table); err != nil {
		t.Fatal(err)
	}
	if len(table) < 100 {
		t.Fatalf("%d rows", len(table))
	}
	for _, row := range table {
		x := math.Float32frombits(row[0])
		got, want := Round(x), uint16(row[1])
		if x != x {
			if y := Float32(got); y == y {
				t.Errorf("NaN %#x became %v", row[0], y)
			}
			continue
		}
		if got != want {
			t.Errorf("%#x rounds to %#x, want %#x", row[0], got, want)
		}
	}
}

func TestNaNStaysNaN(t *testing.T) {
	for _, tt := range []struct {
		bits uint32
		want uint16
	}{
		{0x7f800001, 0x7fc0}, // a payload that the upper half does not hold
		{0xff800001, 0xffc0},
		{0x7fffffff, 0x7fff}, // one that a plain sum carries into −0
		{0xffffffff, 0xffff},
		{0x7fa50000, 0x7fe5},
	} {
		if got := Round(math.Float32frombits(tt.bits)); got != tt.want {
			t.Errorf("%#x became %#x, want %#x", tt.bits, got, tt.want)
		}
	}
}

// Every bf16 is a float32, and rounding that gives the bf16 again; a NaN's quiet bit
// is set on the way.
func TestRoundTrip(t *testing.T) {
	for i := range 1 << 16 {
		h, want := uint16(i), uint16(i)
		x := Float32(h)
		if x != x {
			want |= quiet
		}
		if got := Round(x); got != want {
			t.Errorf("%#x comes back as %#x", h, got)
		}
	}
}
