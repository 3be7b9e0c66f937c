package checkpoint

import (
	"path/filepath"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
)

// BenchmarkOpen opens checkpoints with their optimizer's state from the page cache, as
// resuming does (all) and as generation and exports do (model); checksums is the part of
// all that reads every file. 125M writes 1.5 GB, 8M 0.1.
func BenchmarkOpen(b *testing.B) {
	for name, layers := range map[string]int{"8M": 2, "125M": 30} {
		b.Run(name, func(b *testing.B) {
			c := arch.Config{
				VocabSize: 32000, Layers: layers, Dim: 576, Heads: 9, KVHeads: 3, FFN: arch.SwiGLU, FFNDim: 1536, Context: 2048,
				ShareEmbedding: true, NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.NoSharing, Repeat: 1},
			}
			if name == "8M" {
				c.VocabSize = 2000
			}
			benchmarkOpen(b, c.Resolved())
		})
	}
}

func benchmarkOpen(b *testing.B, c arch.Config) {
	weights := weightsOf(c, safetensors.F32)
	var moments []safetensors.Tensor
	for _, w := range weights {
		for _, kind := range []string{"exp_avg", "exp_avg_sq"} {
			moment := w
			moment.Name = kind + "." + w.Name
			moments = append(moments, moment)
		}
	}
	path, err := Save(b.TempDir(), Contents{Config: c, Weights: weights, Optimizer: moments, State: State{Step: 1}})
	if err != nil {
		b.Fatal(err)
	}
	state, err := readState(filepath.Join(path, StateFile))
	if err != nil {
		b.Fatal(err)
	}
	var bytes int64
	for _, f := range state.Files {
		bytes += f.Bytes
	}
	b.Run("all", func(b *testing.B) {
		b.SetBytes(bytes)
		for b.Loop() {
			c, err := OpenCheckpoint(path)
			if err != nil {
				b.Fatal(err)
			}
			if err := c.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("checksums", func(b *testing.B) {
		b.SetBytes(bytes)
		for b.Loop() {
			if err := verify(path, state.Files); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("model", func(b *testing.B) { // as generation and exports open it
		for b.Loop() {
			m, err := Open(path)
			if err != nil {
				b.Fatal(err)
			}
			if err := m.Close(); err != nil {
				b.Fatal(err)
			}
		}
	})
}
