package train

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"testing"

	"mobilellm/arch"
	"mobilellm/data"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/internal/golden"
	"mobilellm/optim"
)

// loraCase is a case of testdata/lora.json, see lora.py.
type loraCase struct {
	LoRA struct {
		Rank    int      `json:"r"`
		Alpha   float64  `json:"lora_alpha"`
		Targets []string `json:"target_modules"`
		RSLoRA  bool     `json:"use_rslora"`
	} `json:"lora"`
	Weights  map[string][]float64 `json:"weights"`
	Adapters map[string][]float64 `json:"adapters"`
	Steps    []struct {
		Tokens    []int32              `json:"tokens"`
		Targets   []int32              `json:"targets"`
		Loss      float64              `json:"loss"`
		Gradients map[string][]float64 `json:"gradients"`
	} `json:"steps"`
	After map[string][]float64 `json:"after"`
}

// loraModel is the shape of lora.py's.
func loraModel() arch.Config {
	c := arch.Default()
	c.VocabSize, c.Dim, c.FFNDim, c.Layers, c.Heads, c.KVHeads, c.HeadDim, c.Context = 37, 16, 24, 2, 4, 2, 4, 32
	return c
}

// Losses, gradients and updates of five steps are those of PyTorch with peft, whole or in
// micro-batches.
func TestLoRAStepsArePEFTs(t *testing.T) {
	raw, err := os.ReadFile("testdata/lora.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Batch, Seq int
		Cases      map[string]loraCase
	}
	if err := json.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) != 2 {
		t.Fatalf("%d cases, want 2", len(file.Cases))
	}
	dev := cpu.New(cpu.Options{Workers: 2})
	defer dev.Close()
	for name, c := range file.Cases {
		for _, micro := range []int{file.Batch, 1} {
			t.Run(fmt.Sprintf("%s, micro-batches of %d", name, micro), func(t *testing.T) { c.run(t, dev, file.Batch, file.Seq, micro) })
		}
	}
}

func (c loraCase) run(t *testing.T, dev *cpu.Device, batch, seq, micro int) {
	config := DefaultRun()
	config.Model, config.Data.Seq, config.Train.Batch = loraModel(), seq, batch
	config.LoRA = &arch.LoRA{Rank: c.LoRA.Rank, Alpha: c.LoRA.Alpha, Targets: c.LoRA.Targets, RSLoRA: c.LoRA.RSLoRA}
	config.Optim.LR, config.Optim.WeightDecay = 1e-2, 0.1
	params, err := config.parameters()
	if err != nil {
		t.Fatal(err)
	}
	w, err := params.newWeights(dev, engine.WeightOptions{Gradients: true})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for _, values := range []map[string][]float64{c.Weights, c.Adapters} {
		for name, x := range values {
			for i, v := range x {
				w.Value(name).Float32s()[i] = float32(v)
			}
		}
	}
	w.Changed()
	p, err := compileTraining(&config, micro, w, dev, engine.Options{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer p.close()
	var learned []optim.Param
	for _, p := range params.learning() {
		learned = append(learned, optim.Param{Name: p.Name, Decay: p.Decays(), Value: w.Value(p.Name).Float32s(), Grad: w.Gradient(p.Name).Float32s()})
	}
	if len(learned) != len(c.Adapters) {
		t.Fatalf("%d parameters are trained, want %d", len(learned), len(c.Adapters))
	}
	o, err := optim.New(config.Optim, learned, optim.Serial())
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range c.Steps {
		b := &data.Batch{Rows: batch, Seq: seq, Inputs: step.Tokens, Targets: step.Targets}
		for _, target := range step.Targets {
			if target >= 0 {
				b.Tokens++
			}
		}
		loss := 0.0
		for first := 0; first < batch; first += micro {
			p.vm.Accumulate(first > 0)
			part, err := p.run(b, first, 1/float32(b.Tokens))
			if err != nil {
				t.Fatal(err)
			}
			loss += part
		}
		if math.Abs(loss-step.Loss) > 1e-5 {
			t.Errorf("step %d: loss %v, want %v", i, loss, step.Loss)
		}
		for _, l := range learned {
			if err := golden.Check(fmt.Sprintf("step %d: gradient of %s", i, l.Name), l.Grad, step.Gradients[l.Name], 1e-4); err != nil {
				t.Error(err)
			}
		}
		o.Step(1e-2, 1)
		w.Updated()
	}
	for _, l := range learned {
		if err := golden.Check(l.Name, l.Value, c.After[l.Name], 1e-4); err != nil {
			t.Error(err)
		}
	}
}
