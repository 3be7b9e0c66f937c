package chart

import (
	"fmt"
	"slices"
	"testing"
)

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		axis Axis
		want string
	}{
		{Axis{Low: 36.2, High: 53.1}, "[40 45 50]"},
		{Axis{Low: -0.5, High: 62}, "[0 10 20 30 40 50 60]"},
		{Axis{Low: 0.9, High: 21, Log: true}, "[1 2 5 10 20]"},
		{Axis{Low: 6.7612, High: 6.7788}, "[6.765 6.770 6.775]"},
		{Axis{Low: 46.97, High: 47.95}, "[47.0 47.2 47.4 47.6 47.8]"},
	} {
		if got := fmt.Sprint(TickTexts(c.axis.Ticks(7))); got != c.want {
			t.Errorf("from %g to %g: %s, want %s", c.axis.Low, c.axis.High, got, c.want)
		}
	}
}

// Places that lie together come apart, within their limits and in their order.
func TestSpread(t *testing.T) {
	for _, c := range []struct{ places, want []float64 }{
		{nil, nil},
		{[]float64{10, 50}, []float64{10, 50}},
		{[]float64{10, 10, 10}, []float64{10, 22, 34}},
		{[]float64{95, 99}, []float64{88, 100}},
		{[]float64{-5, 0, 99, 100}, []float64{0, 12, 88, 100}},
	} {
		if got := Spread(c.places, 12, 0, 100); !slices.Equal(got, c.want) {
			t.Errorf("%v are moved to %v, want %v", c.places, got, c.want)
		}
	}
}

// Names of points that lie together are written apart, and off every point.
func TestLabels(t *testing.T) {
	d := &Drawing{Width: 400, Height: 200}
	d.Keep(100, 100, 5)
	d.Keep(110, 105, 5)
	for range 12 {
		d.Label(100, 100, 5, "label", "60 wide", Anywhere, Box{0, 0, 400, 200})
	}
	for i, a := range d.taken {
		for _, b := range d.taken[:i] {
			if i >= 2 && a.meets(b) {
				t.Errorf("%v is written over %v", a, b)
			}
		}
	}
}
