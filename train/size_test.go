package train

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"testing"

	"mobilellm/configs"
	"mobilellm/optim"
)

func TestForSize(t *testing.T) {
	for _, size := range []int64{5e5, 1e6, 2e6, 5e6, 8e6, 15e6, 25e6, 40e6, 60e6, 90e6, 125e6, 350e6, 1e9, 15e8} {
		c, err := ForSize(size, 0, optim.NameMuon)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Validate(); err != nil {
			t.Errorf("%d: %v", size, err)
		}
		if doubts := c.doubts(); len(doubts) > 0 {
			t.Errorf("%d: %q", size, doubts)
		}
		if tokens := int64(c.Train.Steps) * c.stepTokens() / c.Model.ParameterCount(); tokens < 19 || tokens > 20 {
			t.Errorf("%d: %d tokens a parameter", size, tokens)
		}
		t.Logf("%10d: %d x %d, vocabulary %d, seq %d, batch %d, steps %d, lr %g, warm-up %d", size, c.Model.Layers, c.Model.Dim, c.Model.VocabSize, c.Data.Seq, c.Train.Batch, c.Train.Steps, c.Optim.LR, c.Optim.WarmupSteps)
	}
	for _, bad := range [][2]int64{{3, 0}, {5e6, 100}} {
		if c, err := ForSize(bad[0], bad[1], optim.NameAdamW); err == nil {
			t.Errorf("%d parameters, %d tokens: %+v", bad[0], bad[1], c)
		}
	}
}

// The recipe is that of the configurations written by hand where it was taken from.
func TestForSizeRecipe(t *testing.T) {
	for name, size := range map[string]int64{"125m.yaml": 125e6, "350m.yaml": 350e6, "1b.yaml": 1e9, "1.5b.yaml": 15e8} {
		want := DefaultRun()
		if _, err := configs.Load(&want, configs.Source{Name: name}); err != nil {
			t.Fatal(err)
		}
		c, err := ForSize(size, 0, optim.NameAdamW)
		if err != nil {
			t.Fatal(err)
		}
		if c.Model != want.Model || c.Train.Batch != want.Train.Batch {
			t.Errorf("%s: %+v, batch %d, want %+v, %d", name, c.Model, c.Train.Batch, want.Model, want.Train.Batch)
		}
		if off := c.Optim.LR / want.Optim.LR; off < 0.7 || off > 1.1 {
			t.Errorf("%s: rate %g, want about %g", name, c.Optim.LR, want.Optim.LR)
		}
	}
}

// The configurations between the quick start and the paper's are what the dial picks.
func TestForSizeConfigs(t *testing.T) {
	picks := regexp.MustCompile(`(?s)# mobilellm-train --size (\d+)M --tokens (\d+)M picks`)
	for _, name := range []string{"5m.yaml", "15m.yaml", "40m.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "configs", name))
		if err != nil {
			t.Fatal(err)
		}
		said := picks.FindSubmatch(text)
		if said == nil {
			t.Fatalf("%s does not say what picks it", name)
		}
		size, _ := strconv.ParseInt(string(said[1]), 10, 64)
		tokens, _ := strconv.ParseInt(string(said[2]), 10, 64)
		if fmt.Sprintf("%dm.yaml", size) != name {
			t.Errorf("%s is of --size %dM", name, size)
		}
		want, err := ForSize(size*1e6, tokens*1e6, optim.NameMuon)
		if err != nil {
			t.Fatal(err)
		}
		c := DefaultRun()
		if _, err := configs.Load(&c, configs.Source{Name: name}); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(c, want) {
			t.Errorf("%s is\n%+v\n--size picks\n%+v", name, c, want)
		}
	}
}
