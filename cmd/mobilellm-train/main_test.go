package main

import (
	"errors"
	"fmt"
	"testing"

	"mobilellm/collective"
	"mobilellm/train"
)

func TestExitCode(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{&collective.TimeoutError{Ranks: []int{1}}, 5},
		{fmt.Errorf("gradients: %w", &collective.TransportError{Err: errors.New("peer is gone")}), 5},
		{&train.NonFiniteError{}, 3},
		{&train.SaveError{Err: errors.New("no space")}, 4},
		{train.ErrTimeLimit, 75},
		{errors.New("another"), 1},
	} {
		if got := exitCode(test.err); got != test.want {
			t.Errorf("%v: exit code %d, want %d", test.err, got, test.want)
		}
	}
}
