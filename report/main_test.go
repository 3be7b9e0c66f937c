package report

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mobilellm/configs"
	"mobilellm/engine"
	"mobilellm/internal/jsonfloat"
	"mobilellm/train"
)

// runFolder writes the folder of a run whose loss comes down to one, as train does: 400
// steps, resumed after 200.
func runFolder(t *testing.T, dir string, loss float64, change func(*train.RunConfig)) string {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	c := train.DefaultRun()
	c.Train.Steps = 400
	c.Run = &train.Record{Versions: map[string]string{"commit": "0123abc", "go": "go1.26"}, Device: "a processor", Workers: 2, MicroBatch: 4, Precision: "float32", Recompute: "none", DataFingerprint: "77"}
	if change != nil {
		change(&c)
	}
	var text, lines bytes.Buffer
	if err := configs.Print(&text, &c); err != nil {
		t.Fatal(err)
	}
	add := func(record any) {
		raw, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		lines.Write(append(raw, '\n'))
	}
	for step := int64(1); step <= int64(c.Train.Steps); step++ {
		if step == 201 {
			add(train.ResumeRecord{Step: 200, Resumed: time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC), Again: 7})
		}
		at := loss + 6*math.Exp(-float64(step)/60)
		add(train.StepRecord{
			Step: step, Tokens: 5000 * step, Loss: at + 0.05*math.Sin(float64(step*step)), LR: 1e-3 * (1 - float64(step)/500), GradNorm: 1 + 3*math.Exp(-float64(step)/30),
			TokensPerSecond: 10000 + 200*math.Sin(float64(step)), MFU: 0.5, DataWait: 0.001, MemoryBytes: 3e8 + step*1e4,
		})
		if step%100 == 0 {
			add(train.HeldoutRecord{Step: step, HeldoutLoss: jsonfloat.Float(at + 0.1), BitsPerByte: 2, Perplexity: jsonfloat.Float(math.Inf(1)), Tokens: 100})
			add(train.LayersRecord{
				Step: step, Layers: []train.LayerNorms{{Name: "embedding", Weight: 30, Gradient: 0.2, Update: 0.01, Ratio: 3e-4}, {Name: "0", Weight: 20, Gradient: 0.3, Update: 0.02, Ratio: jsonfloat.Float(1 / float64(1000+step))}},
				Positions: []train.PositionPeak{{Activation: 7, AttentionLSE: 5}, {Activation: jsonfloat.Float(math.Inf(1)), AttentionLSE: jsonfloat.Float(3 + float64(step)/100)}},
			})
			add(train.SampleRecord{Step: step, Samples: []train.Sample{{Prompt: "Once upon", Text: " a time <b>there</b> was\na model."}}})
			add(train.TaskRecord{Step: step, Tasks: []train.TaskScore{{Task: "arc_easy", Measure: "acc", Value: jsonfloat.Float(0.25 + float64(step)/4000), N: 100}}})
		}
	}
	profile, err := json.Marshal([]engine.Row{{Kind: "linear", Calls: 400, Time: 3 * time.Second, FLOPs: 4e11, Share: 0.75, GFLOPPS: 133}, {Kind: "rmsnorm", Calls: 800, Time: time.Second, Share: 0.25}})
	if err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{train.RunFile: text.Bytes(), train.MetricsFile: lines.Bytes(), train.ProfileFile: profile} {
		if err := os.WriteFile(filepath.Join(dir, name), raw, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}
