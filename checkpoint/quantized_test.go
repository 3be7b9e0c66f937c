package checkpoint

import (
	"encoding/json"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/internal/quant"
)

// What is stored in 8 bits is read as it is, and as floats; scales may lie in another file.
func TestSaveQuantized(t *testing.T) {
	for _, tt := range []struct {
		kind  Quantization
		tied  bool
		shard int64
	}{{W8A8, true, 0}, {W8A8, false, 100}, {W8A8Head, false, 0}} {
		c := tiny()
		c.ShareEmbedding = tt.tied
		weights := weightsOf(c, safetensors.BF16)
		dir := filepath.Join(t.TempDir(), "model")
		if err := SaveModel(dir, Contents{Config: c, Meta: Meta{Tokens: NoTokens()}, Weights: weights, Quantize: tt.kind, ShardBytes: tt.shard}); err != nil {
			t.Fatal(err)
		}
		m, err := Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		if m.Meta.Quantization != tt.kind || !m.StoresBF16() || !m.HasParts() {
			t.Errorf("%s: read as %q, bf16 %v, parts %v", tt.kind, m.Meta.Quantization, m.StoresBF16(), m.HasParts())
		}
		for i, p := range c.Parameters() {
			linear := len(p.Shape) == 2 && (p.Layer >= 0 || tt.kind == W8A8Head && p.Name == arch.HeadName)
			if m.StoresInt8(p.Name) != linear {
				t.Errorf("%s: %s in 8 bits: %v", tt.kind, p.Name, !linear)
			}
			if !linear {
				continue
			}
			rows, cols := p.Shape[0], p.Shape[1]
			q, scales := quant.Matrix(weights[i].Data, cols, quant.CompressedWeights)
			gotQ, gotScales := make([]int8, cols), make([]float32, 1)
			whole, part := make([]float32, len(q)), make([]float32, cols)
			if err := m.LoadInto(p.Name, whole, p.Shape); err != nil {
				t.Fatal(err)
			}
			for row := range rows {
				if err := m.LoadInt8(p.Name, row, gotQ, gotScales); err != nil {
					t.Fatal(err)
				}
				if err := m.LoadPart(p.Name, row*cols, part, p.Shape); err != nil {
					t.Fatal(err)
				}
				for j := range cols {
					at := row*cols + j
					if want := scales[row] * float32(q[at]); gotQ[j] != q[at] || gotScales[0] != scales[row] || whole[at] != want || part[j] != want {
						t.Fatalf("%s: %s[%d,%d] is %d·%v, %v and %v, want %d·%v", tt.kind, p.Name, row, j, gotQ[j], gotScales[0], whole[at], part[j], q[at], scales[row])
					}
				}
			}
		}
	}
}

func TestSaveQuantizedErrors(t *testing.T) {
	c := tiny()
	save := func(kind Quantization, change func(weights []safetensors.Tensor)) error {
		weights := weightsOf(c, safetensors.F32)
		change(weights)
		return SaveModel(filepath.Join(t.TempDir(), "model"), Contents{Config: c, Meta: Meta{Tokens: NoTokens()}, Weights: weights, Quantize: kind})
	}
	err := save(W8A8, func(weights []safetensors.Tensor) {
		for _, w := range weights {
			if strings.HasSuffix(w.Name, "1.mlp.up_proj.weight") {
				w.Data[7] = float32(math.Inf(1))
			}
		}
	})
	if err == nil || !strings.Contains(err.Error(), "tensor model.layers.1.mlp.up_proj.weight: element 7 is +Inf") {
		t.Errorf("an infinity: %v", err)
	}
	c.ShareEmbedding = true
	if err := save(W8A8Head, func([]safetensors.Tensor) {}); err == nil || !strings.Contains(err.Error(), "the head is the embedding (tie_word_embeddings)") {
		t.Errorf("a tied head: %v", err)
	}
}

// What a quantization_config may not say is an error with its key and value.
func TestQuantizationConfig(t *testing.T) {
	for _, tt := range []struct{ from, to, want string }{
		{`"compressed-tensors"`, `"gptq"`, `quant_method ("gptq") is not supported: only "compressed-tensors" is`},
		{`"int-quantized"`, `"pack-quantized"`, `format ("pack-quantized") is not supported`},
		{`"kv_cache_scheme":null`, `"kv_cache_scheme":{"num_bits":8}`, `kv_cache_scheme is not supported`},
		{`"num_bits":8`, `"num_bits":4`, `config_groups.group_0.weights.num_bits (4) is not supported: only 8 is`},
		{`"strategy":"channel"`, `"strategy":"group"`, `weights.strategy ("group") is not supported: only "channel" is`},
		{`"group_size":null`, `"group_size":128`, `weights.group_size (128) is not supported`},
		{`"dynamic":true`, `"dynamic":false`, `input_activations.dynamic (false) is not supported: only true is`},
		{`"dynamic":true`, `"dynamic":{"a":1}`, `input_activations.dynamic ({"a":1}) is not supported`},
		{`"symmetric":true`, `"symmetric":false`, `weights.symmetric (false) is not supported`},
		{`"type":"int"`, `"type":"float"`, `weights.type ("float") is not supported`},
		{`["Linear"]`, `["Embedding"]`, `config_groups.group_0.targets (["Embedding"]) is not supported`},
		{`"output_activations":null`, `"output_activations":{"num_bits":8}`, `output_activations is not supported`},
	} {
		raw, err := json.Marshal(W8A8.config())
		if err != nil {
			t.Fatal(err)
		}
		bad := strings.Replace(string(raw), tt.from, tt.to, 1)
		if bad == string(raw) {
			t.Fatalf("%s has no %s", raw, tt.from)
		}
		if _, err := readQuantization([]byte(bad)); err == nil || !strings.Contains(err.Error(), "quantization_config: ") || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.to, err)
		}
	}
}
