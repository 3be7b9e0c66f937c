package arch

import (
	"fmt"
	"math"
	"testing"
)

// paperRow is a row of one of the paper's tables; millions is its #Params.
type paperRow struct {
	layers, heads, kvHeads, dim int
	ffn                         FFN
	shared                      bool
	ffnDim                      int // 0 where the table gives none
	millions                    float64
}

func (r paperRow) config() Config {
	c := Default()
	c.Layers, c.Heads, c.KVHeads, c.Dim = r.layers, r.heads, r.kvHeads, r.dim
	c.FFN, c.FFNDim, c.ShareEmbedding = r.ffn, r.ffnDim, r.shared
	return c
}

// checkRow holds a row's count to 0.11 million: the paper truncates some rows
// and rounds others.
func checkRow(t *testing.T, r paperRow) {
	t.Helper()
	c := r.config()
	name := fmt.Sprintf("%d layers of %d, %d/%d heads, %s, shared %v", r.layers, r.dim, r.heads, r.kvHeads, r.ffn, r.shared)
	if err := c.Validate(); err != nil {
		t.Errorf("%s: %v", name, err)
		return
	}
	got := float64(c.ParameterCount()) / 1e6
	if math.Abs(got-r.millions) > 0.11 {
		t.Errorf("%s: %.2f million parameters, the paper has %.2f", name, got, r.millions)
	}
}

// The two largest models stand as 1.0B and 1.5B in the table; their exact counts
// are those of the released checkpoints' shapes.
func TestTable9(t *testing.T) {
	rows := []paperRow{
		{30, 9, 3, 576, SwiGLU, true, 1536, 124.6},
		{32, 15, 5, 960, SwiGLU, true, 2560, 345.3},
		{40, 18, 6, 1152, SwiGLU, true, 3072, 603.1},
		{54, 20, 5, 1280, SwiGLU, true, 3584, 1005.46},
		{54, 25, 5, 1600, SwiGLU, true, 4352, 1511.19},
	}
	for _, r := range rows {
		checkRow(t, r)
		// The table gives the width; the rule for a width left out agrees.
		if got := SwiGLU.Width(r.dim); got != r.ffnDim {
			t.Errorf("swiglu width for dim %d is %d, the paper has %d", r.dim, got, r.ffnDim)
		}
	}
}

func TestTable10(t *testing.T) {
	rows := []paperRow{
		{12, 12, 12, 768, ReLU, false, 0, 134.1},
		{12, 12, 12, 768, SwiGLU, false, 0, 134.1},
		{30, 8, 8, 512, SwiGLU, false, 0, 135.0},
		{30, 8, 8, 512, SwiGLU, true, 0, 118.6},
		{30, 9, 3, 576, SwiGLU, true, 0, 124.6},
		{15, 20, 20, 1280, ReLU, false, 0, 376.8},
		{15, 20, 20, 1280, SwiGLU, false, 0, 386.7},
		{32, 14, 14, 896, SwiGLU, false, 0, 380.3},
		{32, 14, 14, 896, SwiGLU, true, 0, 351.6},
		{32, 15, 5, 960, SwiGLU, true, 0, 345.3},
	}
	for _, r := range rows {
		checkRow(t, r)
	}
}

func TestTable11(t *testing.T) {
	rows := []struct {
		layers, heads, dim int
		millions           float64
	}{
		{4, 20, 1280, 163.2},
		{6, 16, 1024, 142.6},
		{8, 14, 896, 138.1},
		{12, 12, 768, 134.1},
		{18, 10, 640, 132.4},
		{24, 9, 576, 132.4},
		{30, 8, 512, 135.0},
		{42, 7, 448, 134.6},
		{62, 6, 384, 134.3},
		{5, 32, 2048, 388.0},
		{10, 24, 1536, 381.4},
		{12, 22, 1408, 379.9},
		{15, 20, 1280, 386.7},
		{19, 18, 1152, 376.3},
		{24, 16, 1024, 373.8},
		{28, 15, 960, 371.1},
		{32, 14, 896, 380.3},
		{46, 12, 768, 374.7},
		{66, 10, 640, 376.2},
	}
	for _, r := range rows {
		checkRow(t, paperRow{r.layers, r.heads, r.heads, r.dim, SwiGLU, false, 0, r.millions})
	}
}

// Table 13's count depends on the ratio of query to kv heads alone: their sizes
// follow from dim/heads.
func TestTable13(t *testing.T) {
	models := []struct {
		layers, dim int
		millions    []float64 // at 1, 2, 4, 8, 16, 32 query heads a kv head
	}{
		{8, 896, []float64{138.1, 131.7, 128.5, 126.8, 126.0, 125.6}},
		{15, 1280, []float64{386.7, 362.1, 349.8, 343.7, 340.6, 339.0}},
	}
	for _, m := range models {
		for _, heads := range []int{32, 16, 8} {
			for i, kvHeads := 0, heads; kvHeads >= 1; i, kvHeads = i+1, kvHeads/2 {
				checkRow(t, paperRow{m.layers, heads, kvHeads, m.dim, SwiGLU, false, 0, m.millions[i]})
			}
		}
	}
}

// small is a model whose counts can be checked by hand: head size 2, groups of 2.
func small() Config {
	return Config{
		VocabSize: 10, Layers: 3, Dim: 8, Heads: 4, KVHeads: 2, FFN: SwiGLU, FFNDim: 16,
		NormEps: 1e-5, RoPEBase: 10000, Context: 32, InitStd: 0.02,
		LayerSharing: LayerSharing{Strategy: NoSharing, Repeat: 2},
	}
}

func TestForwardFLOPs(t *testing.T) {
	const (
		layer = 8*8 + 2*4*8 + 8*8 + 3*16*8 // q, k and v, o, FFN
		head  = 10 * 8
	)
	tests := []struct {
		name string
		edit func(*Config)
		seq  int
		want int64
	}{
		{"each layer once", func(*Config) {}, 4, 2*(3*layer+head) + 2*3*8*4},
		{"no attention", func(*Config) {}, 0, 2 * (3*layer + head)},
		{"shared embedding", func(c *Config) { c.ShareEmbedding = true }, 4, 2*(3*layer+head) + 2*3*8*4},
		{"layers twice", func(c *Config) { c.LayerSharing.Strategy = Immediate }, 4, 2*(6*layer+head) + 2*6*8*4},
		{"layers thrice", func(c *Config) { c.LayerSharing = LayerSharing{Reverse, 3} }, 4, 2*(9*layer+head) + 2*9*8*4},
		{"relu", func(c *Config) { c.FFN = ReLU }, 4, 2*(3*(layer-16*8)+head) + 2*3*8*4},
	}
	for _, test := range tests {
		c := small()
		test.edit(&c)
		if got := c.ForwardFLOPs(test.seq); got != test.want {
			t.Errorf("%s: forward FLOPs %d, want %d", test.name, got, test.want)
		}
		if got := c.TrainingFLOPs(test.seq); got != 3*test.want {
			t.Errorf("%s: training FLOPs %d, want %d", test.name, got, 3*test.want)
		}
	}
}

func TestBytes(t *testing.T) {
	c := small()
	const weights = 2*10*8 + 8 + 3*(64+64+64+384+2*8)
	if got := c.ParameterCount(); got != weights {
		t.Fatalf("%d parameters, want %d", got, weights)
	}
	const saved = 4*8 + 2*8 + 2*4 + 4 + 3*16
	train := Workload{Batch: 2, Seq: 5, ValueBytes: 4, Moments: 2}
	want := Bytes{
		Weights: 4 * weights, Gradients: 4 * weights, Optimizer: 8 * weights,
		Activations: 3 * 10 * saved * 4, KVCache: 3 * 10 * 2 * 4 * 4,
	}
	if got := c.Bytes(train); got != want {
		t.Errorf("bytes are %+v, want %+v", got, want)
	}

	// Sharing leaves the weights alone; what belongs to positions doubles.
	c.LayerSharing.Strategy = Immediate
	want.Activations *= 2
	want.KVCache *= 2
	if got := c.Bytes(train); got != want {
		t.Errorf("bytes with shared layers are %+v, want %+v", got, want)
	}

	// bf16 halves what is stored, not gradients and optimizer state.
	half := train
	half.ValueBytes = 2
	want.Weights /= 2
	want.Activations /= 2
	want.KVCache /= 2
	if got := c.Bytes(half); got != want {
		t.Errorf("bytes in bf16 are %+v, want %+v", got, want)
	}
}
