package train

import (
	"math"
	"slices"
	"testing"
)

// What is measured of the layers adds up to the step's, and measuring changes no bit.
func TestLayers(t *testing.T) {
	c := tiny(t)
	c.Train.Steps = 4
	_, plain := train(t, c, Options{})
	c.Metrics.LayersEvery = 2
	out, watched := train(t, c, Options{})
	if plain.Loss != watched.Loss || plain.Heldout.HeldoutLoss != watched.Heldout.HeldoutLoss {
		t.Errorf("loss %v and %v held out, without measuring %v and %v", watched.Loss, watched.Heldout.HeldoutLoss, plain.Loss, plain.Heldout.HeldoutLoss)
	}
	if more := watched.Memory.Process - plain.Memory.Process; more != 4*c.Model.ParameterCount() {
		t.Errorf("the plan has %d bytes more", more)
	}
	m, err := ReadMetrics(out)
	if err != nil || len(m.Layers) != 2 || m.Layers[1].Step != 4 {
		t.Fatalf("%+v, %v", m.Layers, err)
	}
	r := m.Layers[1]
	var names []string
	squares := 0.0
	for _, l := range r.Layers {
		names = append(names, l.Name)
		squares += float64(l.Gradient * l.Gradient)
		if !(l.Weight > 0) || !(l.Update > 0) || math.Abs(float64(l.Ratio-l.Update/l.Weight)) > 1e-9 {
			t.Errorf("layer %s: %+v", l.Name, l)
		}
	}
	if !slices.Equal(names, []string{"embedding", "0", "1", "norm"}) {
		t.Errorf("layers %q", names)
	}
	if norm := m.Steps[3].GradNorm; math.Abs(math.Sqrt(squares)-norm) > 1e-6*norm {
		t.Errorf("the layers' gradients have the norm %v, the step's %v", math.Sqrt(squares), norm)
	}
	if len(r.Positions) != 4 { // each layer runs twice
		t.Fatalf("positions %+v", r.Positions)
	}
	for i, p := range r.Positions {
		// Logits are small at first: the log-sum-exp of 32 of them is about log 32.
		if !(p.Activation > 0.1 && p.Activation < 20) || !(p.AttentionLSE > 3 && p.AttentionLSE < 5) {
			t.Errorf("position %d: %+v", i, p)
		}
	}
}

// What stands out is told for some steps, and not before it is known what is usual.
func TestUnusual(t *testing.T) {
	step := func(n int64, change func(*StepRecord)) StepRecord {
		s := StepRecord{Step: n, Loss: 4 + 0.01*math.Sin(float64(n)), GradNorm: 1 + 0.1*math.Cos(float64(3*n)), TokensPerSecond: 1000}
		if change != nil {
			change(&s)
		}
		return s
	}
	for _, tt := range []struct {
		change func(*StepRecord)
		want   string
	}{
		{nil, ""},
		{func(s *StepRecord) { s.GradNorm = 9 }, "step 101: gradient norm 9, usually 1"},
		{func(s *StepRecord) { s.Loss = 6 }, "step 101: loss 6.0000, usually 3.9"},
		{func(s *StepRecord) { s.DataWait = 0.34 }, "step 101: waited for data 34 %"},
		{func(s *StepRecord) { s.TokensPerSecond = 400 }, "step 101: 400 tokens/s, usually 1000"},
	} {
		var h habits
		if said := h.unusual(step(1, tt.change)); said != "" {
			t.Errorf("of the first step: %q", said)
		}
		h = habits{}
		for n := range int64(100) {
			if said := h.unusual(step(n+1, nil)); said != "" {
				t.Errorf("of step %d: %q", n+1, said)
			}
		}
		said := h.unusual(step(101, tt.change))
		if len(said) < len(tt.want) || said[:len(tt.want)] != tt.want || tt.want == "" && said != "" {
			t.Errorf("%q, want %q", said, tt.want)
		}
		for n := int64(102); n < 101+told; n++ {
			if again := h.unusual(step(n, nil)); again != said {
				t.Errorf("at step %d: %q, want %q", n, again, said)
			}
		}
		if again := h.unusual(step(101+told, nil)); again != "" {
			t.Errorf("still told: %q", again)
		}
	}
}
