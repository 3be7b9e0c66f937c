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
		"cuda: the GPU has no kernel for the optimizer lion\nhint: --device cpu, or --set optim.name=adamw": func(c *optim.Config) { c.Name = "lion" },
		"cuda: the GPU has no kernel for the optimizer muon\nhint: --device cpu, or --set optim.name=adamw": func(c *optim.Config) { c.Name = optim.NameMuon },
		"cuda: the GPU keeps no moments in int8":                                                            func(c *optim.Config) { c.Moments = "int8" },
	} {
		c := optim.Default()
		edit(&c)
		dev, _ := open(t, shadow.Options{}, cuda.Options{})
		if err := dev.CheckUpdate(c); err == nil || err.Error() != want {
			t.Errorf("error is %v, want %s", err, want)
		}
		if _, err := dev.NewUpdate(c, nil, nil, 1); err == nil {
			t.Errorf("%s: an update is made", want)
		}
	}
}
