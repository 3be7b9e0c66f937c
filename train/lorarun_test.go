package train

import (
	"context"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/data"
	"mobilellm/device"
	"mobilellm/engine"
)

// base trains a small model for a run with adapters and returns its folder.
func base(t *testing.T, c RunConfig) string {
	t.Helper()
	c.Train.Steps = 3
	_, result := train(t, c, Options{})
	return result.Checkpoint
}

// weightsOf reads what a model computes with.
func weightsOf(t *testing.T, path, adapter string) map[string][]float32 {
	t.Helper()
	m, err := checkpoint.OpenWith(path, adapter)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	all := map[string][]float32{}
	for _, p := range m.Config.Parameters() {
		all[p.Name] = make([]float32, p.Size())
		if err := m.LoadInto(p.Name, all[p.Name], p.Shape); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// A run with adapters that was interrupted and resumed has the losses of the unbroken one to
// the bit, with dropout, on shared layers and in micro-batches; its checkpoint is the adapter,
// and the model with it scores as the run did.
func TestLoRARun(t *testing.T) {
	c := tiny(t)
	c.Eval.Every = 0
	from := base(t, c)
	c.LoRA = &arch.LoRA{Rank: 4, Dropout: 0.1}
	c.Checkpoint.Every = 4
	whole, result := train(t, c, Options{Init: from})
	before := weightsOf(t, from, "")
	m, err := checkpoint.OpenCheckpoint(result.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if m.Adapter == nil || m.Adapter.LoRA.Rank != 4 || m.Adapter.LoRA.Dropout != 0.1 || !slices.Contains(m.Adapter.LoRA.Targets, "down_proj") {
		t.Errorf("the checkpoint holds %+v", m.Adapter)
	}
	after := weightsOf(t, whole, "")
	for _, p := range c.Model.Parameters() {
		if same := slices.Equal(before[p.Name], after[p.Name]); same != (p.Layer < 0 || p.Norm) {
			t.Errorf("%s is the base's: %v", p.Name, same)
		}
	}
	for name, w := range weightsOf(t, from, whole) {
		if !slices.Equal(w, after[name]) {
			t.Errorf("%s: the base with the adapter differs from the run's folder", name)
		}
	}

	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	out := filepath.Join(t.TempDir(), "run")
	_, err = Run(ctx, c, Options{Init: from, Out: out, Workers: 2, PeakFLOPS: 1e11, afterStep: func(step int64) {
		if step == 6 {
			cancel()
		}
	}})
	checkError(t, err, "interrupted")
	latest, err := LatestCheckpoint(out)
	if err != nil {
		t.Fatal(err)
	}
	train(t, c, Options{Out: out, Resume: latest})
	if a, b := records(t, whole), records(t, out); !slices.Equal(a, b) {
		t.Errorf("the resumed run's records differ:\n%q\n%q", a, b)
	}
	for name, w := range weightsOf(t, out, "") {
		if !slices.Equal(w, after[name]) {
			t.Errorf("%s differs after resuming", name)
		}
	}

	// Merged, the model is scored as the run scored it.
	merged := c
	merged.LoRA, merged.Train.Steps = nil, 1
	_, again := train(t, merged, Options{Init: whole})
	if a, b := float64(result.Heldout.HeldoutLoss), float64(again.Before.HeldoutLoss); math.Abs(a-b) > 1e-5 {
		t.Errorf("the run scored %v, the merged model %v", a, b)
	}

	other := c
	other.LoRA = &arch.LoRA{Rank: 8, Dropout: 0.1}
	_, err = Run(context.Background(), other, Options{Out: out, Resume: latest, Workers: 2, PeakFLOPS: 1e11})
	checkError(t, err, "lora.rank is 4", "8 in the configuration", "cannot change")
	other.LoRA = nil
	_, err = Run(context.Background(), other, Options{Out: out, Resume: latest, Workers: 2, PeakFLOPS: 1e11})
	checkError(t, err, "lora is given in checkpoint", "missing in the configuration")
}

// How a batch is split does not change what is dropped.
func TestDropoutOfMicroBatches(t *testing.T) {
	c := tiny(t)
	from := base(t, c)
	c.LoRA, c.Train.Steps = &arch.LoRA{Rank: 4, Dropout: 0.5}, 2
	var losses []float64
	for _, micro := range []MicroBatch{4, 1} {
		c.Train.MicroBatch = micro
		_, result := train(t, c, Options{Init: from})
		losses = append(losses, result.Loss)
	}
	if math.Abs(losses[0]-losses[1]) > 1e-6 {
		t.Errorf("losses %v", losses)
	}
	c.Train.Seed++
	if _, result := train(t, c, Options{Init: from}); math.Abs(result.Loss-losses[1]) < 1e-6 {
		t.Errorf("another seed gives the loss %v too", result.Loss)
	}
}

// A layer that runs twice has one adapter, whose gradient is the sum of those of both
// positions, unrolled.
func TestSharedLayersShareTheirAdapter(t *testing.T) {
	shared := tiny(t)
	shared.LoRA = &arch.LoRA{Rank: 3}
	unrolled := shared
	unrolled.Model = shared.Model.Unrolled()
	dev, err := device.Open("cpu", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	gradients := func(c RunConfig, start func(name string, dst []float32)) map[string][]float32 {
		params, err := c.parameters()
		if err != nil {
			t.Fatal(err)
		}
		w, err := params.newWeights(dev, engine.WeightOptions{Gradients: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		for _, p := range params.all() {
			start(p.Name, w.Value(p.Name).Float32s())
		}
		program, err := compileTraining(&c, 4, w, dev, engine.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer program.close()
		b := &data.Batch{Rows: 4, Seq: c.Data.Seq, Tokens: 4 * c.Data.Seq}
		for i := range b.Tokens {
			b.Inputs, b.Targets = append(b.Inputs, int32(i*7%250)), append(b.Targets, int32(i*11%250))
		}
		if _, err := program.run(b, 0, 1/float32(b.Tokens)); err != nil {
			t.Fatal(err)
		}
		all := map[string][]float32{}
		for _, p := range params.learning() {
			all[p.Name] = slices.Clone(w.Gradient(p.Name).Float32s())
		}
		return all
	}
	schedule, position := shared.Model.Schedule(), regexp.MustCompile(`layers\.(\d+)\.`)
	layerOf := func(name string) string { // the name of the shared weight
		return position.ReplaceAllStringFunc(name, func(at string) string {
			n, err := strconv.Atoi(position.FindStringSubmatch(at)[1])
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Sprintf("layers.%d.", schedule.Layer(n))
		})
	}
	values := func(name string, dst []float32) {
		seed := uint32(0)
		for _, r := range name {
			seed = seed*31 + uint32(r)
		}
		for i := range dst {
			seed = seed*1664525 + 1013904223
			dst[i] = (float32(seed>>8)/(1<<24) - 0.5) / 5
		}
	}
	one := gradients(shared, values)
	each := gradients(unrolled, func(name string, dst []float32) { values(layerOf(name), dst) })
	sums := map[string][]float32{}
	for name, g := range each {
		to := sums[layerOf(name)]
		if to == nil {
			to = make([]float32, len(g))
			sums[layerOf(name)] = to
		}
		for i, x := range g {
			to[i] += x
		}
	}
	if want := 2 * 7 * shared.Model.Layers; len(sums) != len(one) || len(one) != want || len(each) != 2*want {
		t.Fatalf("%d gradients, %d of the unrolled model, want %d", len(one), len(each), want)
	}
	for name, g := range one {
		largest, worst := 0.0, 0.0
		for i, x := range g {
			largest, worst = max(largest, math.Abs(float64(x))), max(worst, math.Abs(float64(x-sums[name][i])))
		}
		if worst > 1e-4*largest || largest == 0 {
			t.Errorf("%s: differs by %v of %v", name, worst, largest)
		}
	}
}

func TestFreeze(t *testing.T) {
	c := tiny(t)
	c.Train.Freeze = []string{"model.embed_tokens.*", "model.layers.0.*", "*.k_proj.weight", "model.norm.weight"}
	_, result := train(t, c, Options{})
	m, err := checkpoint.OpenCheckpoint(result.Checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c.Train.Steps = 1 // nothing but the drawn weights is common
	_, first := train(t, c, Options{})
	before, after := weightsOf(t, first.Checkpoint, ""), weightsOf(t, result.Checkpoint, "")
	params, err := c.parameters()
	if err != nil {
		t.Fatal(err)
	}
	var moments []safetensors.Tensor
	for _, p := range params.model {
		if same := slices.Equal(before[p.Name], after[p.Name]); same != params.frozen[p.Name] {
			t.Errorf("%s stays: %v, want %v", p.Name, same, params.frozen[p.Name])
		}
		if !params.frozen[p.Name] {
			for _, name := range []string{"exp_avg.", "exp_avg_sq."} {
				moments = append(moments, safetensors.Tensor{Name: name + p.Name, Shape: p.Shape, Data: make([]float32, p.Size())})
			}
		}
	}
	if err := m.LoadOptimizer(moments); err != nil {
		t.Errorf("moments: %v", err)
	}
	if len(params.frozen) != 12 {
		t.Errorf("%d parameters are frozen: %v", len(params.frozen), params.frozen)
	}
}

// Gradients with frozen weights are those without, and cost fewer FLOPs.
func TestFrozenGradients(t *testing.T) {
	c := tiny(t)
	dev, err := device.Open("cpu", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	var flops []int64
	var all []map[string][]float32
	for _, freeze := range [][]string{nil, {"*.k_proj.*", "model.layers.1.mlp.*", "*norm*"}, {"model.embed_tokens.*", "model.layers.0.*", "*.up_proj.*"}} {
		c.Train.Freeze = freeze
		params, err := c.parameters()
		if err != nil {
			t.Fatal(err)
		}
		w, err := params.newWeights(dev, engine.WeightOptions{Gradients: true})
		if err != nil {
			t.Fatal(err)
		}
		defer w.Close()
		if err := initialise(w, params.all(), 0.02, 1, dev); err != nil {
			t.Fatal(err)
		}
		p, err := compileTraining(&c, 4, w, dev, engine.Options{}, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer p.close()
		b := &data.Batch{Rows: 4, Seq: c.Data.Seq, Tokens: 4 * c.Data.Seq}
		for i := range b.Tokens {
			b.Inputs, b.Targets = append(b.Inputs, int32(i*7%250)), append(b.Targets, int32(i*11%250))
		}
		if _, err := p.run(b, 0, 1/float32(b.Tokens)); err != nil {
			t.Fatal(err)
		}
		got := map[string][]float32{}
		for _, q := range params.learning() {
			got[q.Name] = w.Gradient(q.Name).Float32s()
		}
		all, flops = append(all, got), append(flops, p.vm.FLOPs())
	}
	for i, got := range all[1:] {
		for name, g := range got {
			if !slices.Equal(g, all[0][name]) {
				t.Errorf("case %d: the gradient of %s differs", i+1, name)
			}
		}
		if flops[i+1] >= flops[0] {
			t.Errorf("case %d: %d FLOPs, %d with all gradients", i+1, flops[i+1], flops[0])
		}
	}
}

func TestTrainedRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*RunConfig)
		want   []string
	}{
		"rank 0":               {func(c *RunConfig) { c.LoRA = &arch.LoRA{Alpha: 8} }, []string{"lora.rank (0) must be from 1"}},
		"negative alpha":       {func(c *RunConfig) { c.LoRA = &arch.LoRA{Rank: 1, Alpha: -1} }, []string{"lora.alpha (-1)"}},
		"dropout of all":       {func(c *RunConfig) { c.LoRA = &arch.LoRA{Rank: 1, Dropout: 1} }, []string{"lora.dropout (1)"}},
		"target of nothing":    {func(c *RunConfig) { c.LoRA = &arch.LoRA{Rank: 1, Targets: []string{"q_proj", "query"}} }, []string{`lora.targets[1] ("query") matches no linear layer`, "q_proj, k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj", "all-linear"}},
		"target twice":         {func(c *RunConfig) { c.LoRA = &arch.LoRA{Rank: 1, Targets: []string{"q_proj", "q_proj"}} }, []string{`"q_proj" comes twice`}},
		"adapters of few bits": {func(c *RunConfig) { c.LoRA, c.Model.Quantize.Weights = &arch.LoRA{Rank: 1}, 4 }, []string{"lora", "model.quantize"}},
		"pattern of nothing":   {func(c *RunConfig) { c.Train.Freeze = []string{"model.layers.7.*"} }, []string{`train.freeze[0] ("model.layers.7.*") matches no parameter`, "model.embed_tokens.weight"}},
		"the tied head":        {func(c *RunConfig) { c.Train.Freeze = []string{"lm_head.*"} }, []string{"the head is the embedding"}},
		"no pattern":           {func(c *RunConfig) { c.Train.Freeze = []string{"model.["} }, []string{"is no pattern"}},
		"everything":           {func(c *RunConfig) { c.Train.Freeze = []string{"*"} }, []string{"leaves nothing to train"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := tiny(t)
			test.change(&c)
			checkError(t, c.Validate(), test.want...)
		})
	}
	c := tiny(t)
	c.LoRA = &arch.LoRA{Rank: 2}
	_, err := Run(context.Background(), c, Options{Out: filepath.Join(t.TempDir(), "run"), PeakFLOPS: 1e11})
	checkError(t, err, "adapters need a model that they adapt", "--init")
}

// The plan of a run with adapters has gradients and moments of those alone.
func TestPlanOfTrained(t *testing.T) {
	c := tiny(t)
	dev, err := device.Open("cpu", 2, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer dev.Close()
	plan := func() *Plan {
		p, err := NewPlan(context.Background(), c, dev)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	all := plan()
	c.LoRA = &arch.LoRA{Rank: 2, Targets: []string{"q_proj"}}
	p := plan()
	learned := int64(c.Model.Layers) * (2*32 + 32*2)
	if p.Trained != learned || p.Memory.Gradients != 4*learned || p.Memory.Optimizer != 8*learned || p.Memory.Weights != all.Memory.Weights+4*learned {
		t.Errorf("%+v of %+v, want %d values that learn", p, all.Memory, learned)
	}
	if p.FLOPsPerToken >= all.FLOPsPerToken || p.FLOPsPerToken <= c.Model.ForwardFLOPs(c.Data.Seq) {
		t.Errorf("%d FLOPs, %d of the whole model", p.FLOPsPerToken, all.FLOPsPerToken)
	}
}
