package experiments

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mobilellm/arch"
	"mobilellm/configs"
	"mobilellm/data/conversation"
	"mobilellm/optim"
	"mobilellm/train"
)

// Every experiment of the paper resolves at both scales, and its models have the
// parameters that the paper gives them.
func TestTables(t *testing.T) {
	entries, err := Tables.ReadDir(".")
	if err != nil || len(entries) != 9 {
		t.Fatalf("%d files, %v", len(entries), err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	for _, path := range files {
		f, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(f.ScaleNames(), []string{"desk", "paper"}) {
			t.Errorf("%s has scales %v", path, f.ScaleNames())
		}
		paper, err := f.Resolve("paper", Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range paper.Members {
			if want, ok := m.Paper["parameters"]; ok {
				near := 0.11 // the paper cuts the second decimal
				if want == math.Trunc(want) {
					near = 0.5
				}
				if got := float64(m.Parameters) / 1e6; math.Abs(got-want) > near {
					t.Errorf("%s: %s has %.2fM parameters, the paper says %g", path, m.Name, got, want)
				}
			}
			if m.Steps != 120000 && m.Steps != 480000 {
				t.Errorf("%s: %s makes %d steps", path, m.Name, m.Steps)
			}
		}
		desk, err := f.Resolve("desk", Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		seeds := map[string]int{}
		for _, m := range desk.Members {
			seeds[m.Name]++
			c, err := m.run()
			if err != nil {
				t.Fatal(err)
			}
			if c.Train.Seed != m.Seed || int64(c.Train.Steps) != m.Steps || c.Model.ParameterCount() != m.Parameters {
				t.Errorf("%s: %s reads back as seed %d, %d steps, %d parameters", path, m.Label(), c.Train.Seed, c.Train.Steps, c.Model.ParameterCount())
			}
		}
		delete(seeds, "teacher")
		if len(seeds) < 2 || len(seeds) > 8 {
			t.Errorf("%s has %d members at desk scale", path, len(seeds))
		}
		for name, n := range seeds {
			if n != 3 {
				t.Errorf("%s: %s is trained with %d seeds", path, name, n)
			}
		}
	}
}

// API calls are learnt by the paper's recipe (section 3.3.2).
func TestTable6(t *testing.T) {
	c := train.DefaultRun()
	if _, err := configs.Load(&c, configs.Source{Name: "table6.yaml"}); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	o := c.Optim
	if c.Train.Epochs != 4 || o.Name != optim.NameAdam || o.LR != 2e-5 || o.WeightDecay != 0.01 || o.Schedule != optim.ScheduleLinear || o.WarmupSteps != 0 || o.MinLRRatio != 0 || c.Data.Kind != conversation.Chat {
		t.Errorf("%+v, %+v, %s", c.Train, o, c.Data.Kind)
	}
}

// Tables 2 and 14 begin with the same models: their runs have the same ids.
func TestSharedMembers(t *testing.T) {
	ids := map[string]string{}
	for _, path := range []string{"table2.yaml", "table13.yaml", "table14.yaml"} {
		f, err := Load(path)
		if err != nil {
			t.Fatal(err)
		}
		s, err := f.Resolve("desk", Overrides{})
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range s.Members {
			if m.Seed == 1 {
				ids[path+" "+m.Name] = m.ID
			}
		}
	}
	for a, b := range map[string]string{
		"table2.yaml baseline": "table14.yaml ×1", "table2.yaml immediate": "table14.yaml ×2",
	} {
		if ids[a] == "" || ids[a] != ids[b] {
			t.Errorf("%s is %s, %s is %s", a, ids[a], b, ids[b])
		}
	}
	if ids["table2.yaml baseline"] != ids["table13.yaml 16 heads 16 kv"] {
		t.Errorf("the baseline of Table 2 is %s, that of Table 13 %s", ids["table2.yaml baseline"], ids["table13.yaml 16 heads 16 kv"])
	}
}

// The reports that are in the repository are those that this program makes of their manifests.
func TestLandedReports(t *testing.T) {
	folders, err := filepath.Glob("../docs/results/*/manifests")
	if err != nil || len(folders) == 0 {
		t.Fatalf("%d folders, %v", len(folders), err)
	}
	for _, dir := range folders {
		s, err := Open(dir)
		if err != nil {
			t.Error(err)
			continue
		}
		r, err := NewReport(s, dir)
		if err != nil {
			t.Error(err)
			continue
		}
		var made bytes.Buffer
		if err := r.Markdown(&made, r.Plots()); err != nil {
			t.Error(err)
		}
		landed, err := os.ReadFile(filepath.Join(dir, "..", "report.md"))
		if err != nil || !bytes.Equal(landed, made.Bytes()) {
			t.Errorf("%s: report.md differs (%v): mobilellm-sweep report %s --out %s makes it again", s.Name, err, dir, filepath.Dir(dir))
		}
	}
}

// The sweep of rates has models as --size makes them, and rates about its own.
func TestRates(t *testing.T) {
	f, err := Load("rates.yaml")
	if err != nil {
		t.Fatal(err)
	}
	s, err := f.Resolve("", Overrides{})
	if err != nil {
		t.Fatal(err)
	}
	rates := map[string][]float64{}
	for _, m := range s.Members {
		c, err := m.run()
		if err != nil {
			t.Fatal(err)
		}
		rates[m.Group] = append(rates[m.Group], c.Optim.LR/train.RateFor(c.Model, c.Optim.Name))
		if want := arch.InitStdFor(c.Model.Dim); c.Model.InitStd != want {
			t.Errorf("%s: initial weights of %g, --size chooses %g", m.Name, c.Model.InitStd, want)
		}
	}
	for group, times := range rates {
		if len(times) != 3 || times[0] >= 1 || times[2] <= 1 || math.Abs(times[1]/times[0]-2) > 0.01 || math.Abs(times[2]/times[1]-2) > 0.01 {
			t.Errorf("%s: rates are %.2f of those of --size", group, times)
		}
	}
	if len(s.Members) != 12 || len(rates) != 4 {
		t.Errorf("%d members in %d groups", len(s.Members), len(rates))
	}
}
