package convert

import (
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/export/exporttest"
)

// A model with norms of queries and keys is Qwen3 in folders and GGUF files, with
// shared layers too once they are unrolled; ONNX computes it, llama2.c cannot.
func TestQKNorm(t *testing.T) {
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	for _, strategy := range []arch.Strategy{arch.NoSharing, arch.Immediate} {
		c := exporttest.Config()
		c.QKNorm, c.LayerSharing.Strategy = true, strategy
		m := exporttest.Model(c, 1)
		for _, f := range []Format{HF, GGUF, ONNX} {
			path := filepath.Join(t.TempDir(), "x")
			if _, _, err := Write(m, Options{Format: f, Out: path}); err != nil {
				t.Fatal(err)
			}
			if r, err := Verify(m, path, dev, 8); err != nil || r.RoundedDifference > Tolerance {
				t.Errorf("%s, %s: %+v, %v", f, strategy, r, err)
			}
			if f == ONNX {
				continue
			}
			if got, err := Read(path, ""); err != nil || !got.Config.QKNorm {
				t.Errorf("%s, %s: read as %+v, %v", f, strategy, got, err)
			}
		}
	}
	c := exporttest.Config()
	c.QKNorm = true
	_, _, err := Write(exporttest.Model(c, 1), Options{Format: Llama2c, Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "llama2.c: norms of queries and keys (model.qk_norm) have no place") {
		t.Errorf("llama2.c: %v", err)
	}
	c.RoPEScaling = arch.RoPEScaling{Type: arch.Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 16}
	_, _, err = Write(exporttest.Model(c, 1), Options{Format: GGUF, Out: filepath.Join(t.TempDir(), "x")})
	if err == nil || !strings.Contains(err.Error(), "llama.cpp's qwen3 has no place for rope scaling llama3") {
		t.Errorf("GGUF with Llama 3's scaling: %v", err)
	}
}
