//go:build unix

package cuda_test

import (
	"testing"

	"mobilellm/engine/cuda"
	"mobilellm/engine/cuda/shadow"
	"mobilellm/optim"
)

// An optimizer, or a type of moments, that there is no kernel for is refused, and
// not run as another.
func TestUnknownUpdate(t *testing.T) {
	for want, edit := range map[string]func(c *optim.Config){
		"cuda: the GPU has no kernel for the optimizer lion": func(c *optim.Config) { c.Name = "lion" },
		"cuda: the GPU keeps no moments in int8":             func(c *optim.Config) { c.Moments = "int8" },
	} {
		c := optim.Default()
		edit(&c)
		if err := cuda.ChooseUpdate(c); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
		dev, _ := open(t, shadow.Options{}, cuda.Options{})
		if _, err := dev.NewUpdate(c, nil, nil, 1); err == nil {
			t.Errorf("%s: an update is made", want)
		}
	}
}
