package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/device"
	"mobilellm/engine"
	"mobilellm/optim"
)

// Less memory means smaller micro-batches, then blocks computed again, then an
// error with the numbers.
func TestChoose(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	c := tiny(t)
	c.Model.Dim, c.Model.Heads, c.Model.KVHeads, c.Model.HeadDim, c.Model.FFNDim, c.Model.Layers, c.Model.Context = 64, 2, 1, 32, 256, 8, 512
	c.Data.Seq, c.Train.Batch, c.Train.MicroBatch = 512, 48, 0
	need := func(rows int, r engine.Recompute) int64 {
		m, err := estimate(&c, rows, engine.PrecisionF32, r, 0, dev)
		if err != nil {
			t.Fatal(err)
		}
		return m.Total()
	}
	lean := c
	lean.noCopy = true
	least, err := estimate(&lean, 1, engine.PrecisionF32, engine.RecomputeBlock, 0, dev)
	if err != nil {
		t.Fatal(err)
	}
	if copied := need(1, engine.RecomputeBlock) - least.Total(); copied < 12*c.Model.ParameterCount() {
		t.Errorf("the copy of weights and moments is %d bytes of %d parameters", copied, c.Model.ParameterCount())
	}
	fits := func(n int64) int64 { return int64(float64(n)/memoryShare) + 1 }
	kept, again := engine.RecomputeNone, engine.RecomputeBlock
	if need(1, again) >= need(1, kept) {
		t.Fatal("computing blocks again saves nothing here")
	}
	tests := []struct {
		name      string
		available int64
		rows      int
		recompute engine.Recompute
		notes     int
		err       string
	}{
		{"plenty", 1 << 50, 24, kept, 0, ""}, // 16k tokens are 32 sequences, 24 the largest divisor
		{"unknown", 0, 24, kept, 0, ""},
		{"exactly", fits(need(24, kept)), 24, kept, 0, ""},
		{"a byte less", fits(need(24, kept)) - 3, 16, kept, 0, ""},
		{"one", fits(need(1, kept)), 1, kept, 0, ""},
		{"less than one", fits(need(1, again)), 1, again, 1, ""},
		{"no copy", fits(need(1, again)) - 3, 1, again, 2, ""},
		{"too little", fits(least.Total()) - 3, 0, 0, 0, "not enough memory: one sequence at a time needs "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, m, notes, err := choose(&c, nil, test.available, 0, dev)
			if test.err != "" {
				checkError(t, err, test.err, "\nhint: ")
				var tooLarge *MemoryError
				if !errors.As(err, &tooLarge) || tooLarge.Memory.Total() != least.Total() {
					t.Errorf("the error is %#v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.MicroBatch != test.rows || got.Recompute != test.recompute || len(notes) != test.notes {
				t.Errorf("chose %+v with notes %q, want %d rows and %s", got, notes, test.rows, test.recompute)
			}
			want := need(test.rows, test.recompute)
			if test.notes == 2 {
				want = least.Total()
			}
			if m.Total() != want {
				t.Errorf("planned %d bytes, the choice needs %d", m.Total(), want)
			}
		})
	}
	recorded := &Choice{MicroBatch: 12, Precision: engine.PrecisionBF16, Recompute: again}
	if !dev.BF16() {
		recorded.Precision = engine.PrecisionF32
	}
	c.Train.Precision = Precision{Auto: true}
	if got, _, _, err := choose(&c, recorded, 1<<50, 0, dev); err != nil || got != *recorded {
		t.Errorf("a resumed run chose %+v (%v), want what was recorded", got, err)
	}
}

func TestPlan(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	c := tiny(t)
	p, err := NewPlan(context.Background(), c, dev)
	if err != nil {
		t.Fatal(err)
	}
	if p.Parameters != c.Model.ParameterCount() || p.FLOPsPerToken != c.Model.TrainingFLOPs(32) || p.Tokens != 12*4*32 ||
		p.MicroBatch != 2 || p.Precision != "float32" || p.MemoryBytes != p.Memory.Total() || !(p.PeakFLOPS > 0) || !(p.Seconds > 0) {
		t.Errorf("the plan is %+v", p)
	}
}

// What the optimizer keeps is planned by its kind and its moments' type.
func TestOptimizerMemory(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	tests := []struct {
		name, moments string
		momentum      float64
		want          int64 // bytes for each weight
	}{
		{optim.NameAdamW, optim.MomentsFloat32, 0, 8},
		{optim.NameAdamW, optim.MomentsBF16, 0, 4},
		{optim.NameAdam, optim.MomentsBF16, 0.9, 4},
		{optim.NameSGD, optim.MomentsFloat32, 0.9, 4},
		{optim.NameSGD, optim.MomentsFloat32, 0, 0},
		{optim.NameMuon, optim.MomentsFloat32, 0, 8}, // and less for matrices
	}
	for _, test := range tests {
		c := tiny(t)
		c.Optim.Name, c.Optim.Moments, c.Optim.Momentum = test.name, test.moments, test.momentum
		m, err := estimate(&c, 1, engine.PrecisionF32, engine.RecomputeNone, 0, dev)
		if err != nil {
			t.Fatal(err)
		}
		want := test.want * c.Model.ParameterCount()
		if test.name == optim.NameMuon {
			var widest int64
			for _, p := range c.Model.Parameters() {
				if p.Hidden() != [2]int{} {
					side := int64(min(p.Shape[0], p.Shape[1]))
					want, widest = want-4*p.Size(), max(widest, 4*(2*p.Size()+2*side*side))
				}
			}
			want += widest // of one worker
		}
		if m.Optimizer != want {
			t.Errorf("%s, moments %s, momentum %v: %d bytes planned, want %d", test.name, test.moments, test.momentum, m.Optimizer, want)
		}
		opt, err := optim.New(c.Optim, []optim.Param{{Name: "w", Value: make([]float32, 10), Grad: make([]float32, 10)}}, optim.Serial())
		if err != nil {
			t.Fatal(err)
		}
		var kept int64
		for _, s := range opt.State() {
			kept += 4*int64(len(s.Data)) + 2*int64(len(s.BF16))
		}
		if kept != 10*test.want {
			t.Errorf("%s, moments %s, momentum %v: 10 weights keep %d bytes, want %d", test.name, test.moments, test.momentum, kept, 10*test.want)
		}
	}
}

// An optimizer that nothing knows is not planned as another.
func TestUnknownOptimizerIsNotPlanned(t *testing.T) {
	dev, err := device.Open("cpu", 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	for want, edit := range map[string]func(c *RunConfig){
		`optim.name ("lion") must be `:    func(c *RunConfig) { c.Optim.Name = "lion" },
		`optim.moments ("int8") must be `: func(c *RunConfig) { c.Optim.Moments = "int8" },
	} {
		c := tiny(t)
		edit(&c)
		if m, err := estimate(&c, 1, engine.PrecisionF32, engine.RecomputeNone, 0, dev); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d bytes planned, error is %v, want %s", m.Optimizer, err, want)
		}
	}
}

// The memory planned is what the process takes. It runs in a process of its own,
// as the largest size is one of a whole process.
func TestMemoryPlan(t *testing.T) {
	if testing.Short() {
		t.Skip("-short leaves out: trains a model of 30 million parameters")
	}
	c := tiny(t)
	c.Model.VocabSize, c.Model.Dim, c.Model.Heads, c.Model.KVHeads, c.Model.FFNDim, c.Model.Layers, c.Model.Context = 8192, 512, 8, 2, 1536, 8, 256
	c.Data.Seq, c.Train.Steps, c.Train.Batch, c.Train.MicroBatch = 128, 2, 4, 4
	for _, test := range [][2]string{{"float32", "none"}, {"bf16", "block"}} {
		if test[0] == "bf16" {
			skipWithoutBF16(t)
		}
		out := runChild(t, c, test[0], test[1])
		planned, peak := out[0], out[1]
		if ratio := planned / peak; ratio < 0.85 || ratio > 1.15 {
			t.Errorf("%s, recompute %s: planned %.0f MB, took %.0f", test[0], test[1], planned/(1<<20), peak/(1<<20))
		}
	}
}

func TestGroupMemory(t *testing.T) {
	root := t.TempDir()
	write := func(path, text string) {
		t.Helper()
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("a/memory.max", "1000\n")
	write("a/memory.current", "700\n")
	write("a/memory.stat", "anon 500\ninactive_file 100\n")
	write("a/b/memory.max", "max\n")
	write("a/b/memory.current", "600\n")
	write("memory/c/memory.limit_in_bytes", "5000\n")
	write("memory/c/memory.usage_in_bytes", "1000\n")
	tests := []struct {
		self string
		left int64
		ok   bool
	}{
		{"0::/a/b\n", 400, true}, // the parent's limit holds
		{"0::/a\n", 400, true},
		{"0::/\n", 0, false},
		{"0::/elsewhere\n", 0, false},
		{"5:cpu:/c\n7:memory:/c\n", 4000, true},
		{"nonsense\n", 0, false},
	}
	for _, test := range tests {
		write("self", test.self)
		if left, ok := groupMemory(root, filepath.Join(root, "self")); left != test.left || ok != test.ok {
			t.Errorf("%q: %d %v, want %d %v", strings.TrimSpace(test.self), left, ok, test.left, test.ok)
		}
	}
}
