package arch

import (
	"slices"
	"testing"
)

func TestSchedule(t *testing.T) {
	tests := []struct {
		sharing LayerSharing
		want    []int
	}{
		{LayerSharing{}, []int{0, 1, 2}},
		{LayerSharing{NoSharing, 2}, []int{0, 1, 2}},
		{LayerSharing{Immediate, 2}, []int{0, 0, 1, 1, 2, 2}},
		{LayerSharing{Immediate, 3}, []int{0, 0, 0, 1, 1, 1, 2, 2, 2}},
		{LayerSharing{RepeatAllOver, 2}, []int{0, 1, 2, 0, 1, 2}},
		{LayerSharing{RepeatAllOver, 3}, []int{0, 1, 2, 0, 1, 2, 0, 1, 2}},
		{LayerSharing{Reverse, 2}, []int{0, 1, 2, 2, 1, 0}},
		{LayerSharing{Reverse, 3}, []int{0, 1, 2, 2, 1, 0, 0, 1, 2}},
		{LayerSharing{Reverse, 4}, []int{0, 1, 2, 2, 1, 0, 0, 1, 2, 2, 1, 0}},
	}
	for _, test := range tests {
		s := Config{Layers: 3, LayerSharing: test.sharing}.Schedule()
		var got []int
		for pos, layer := range s.All() {
			if pos != len(got) || layer != s.Layer(pos) {
				t.Errorf("%v: All yields (%d, %d) at position %d, where Layer is %d", test.sharing, pos, layer, len(got), s.Layer(pos))
			}
			got = append(got, layer)
		}
		if !slices.Equal(got, test.want) || s.Len() != len(test.want) {
			t.Errorf("%v: schedule %v of length %d, want %v", test.sharing, got, s.Len(), test.want)
		}
		if shared := len(test.want) > 3; test.sharing.Shared() != shared {
			t.Errorf("%v: Shared is %v", test.sharing, !shared)
		}
	}
}

func TestScheduleStopsEarly(t *testing.T) {
	for pos := range Default().Schedule().All() {
		if pos == 4 {
			return
		}
	}
	t.Error("a schedule of 30 layers ended before position 4")
}
