package gguf

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"mobilellm/arch"
	"mobilellm/checkpoint/modeltest"
	"mobilellm/internal/filemap"
	"mobilellm/tokenizer"
)

// sample is a model of drawn weights.
func sample(c arch.Config, seed uint64) Contents {
	return Contents{c.Resolved(), modeltest.Weights(c, seed), modeltest.Vocabulary()}
}

func written(t testing.TB, m Contents, typ Type) []byte {
	t.Helper()
	var out bytes.Buffer
	if _, err := Write(&out, m, typ); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func parsedFile(raw []byte) (*File, error) { return NewFile(filemap.Bytes(raw), "x.gguf") }

// parsed reads all of a model but its tokenizer.
func parsed(raw []byte) (*File, Contents, error) {
	f, err := parsedFile(raw)
	if err != nil {
		return nil, Contents{}, err
	}
	m := Contents{Weights: map[string][]float32{}}
	if m.Config, err = f.Config(); err != nil {
		return nil, m, err
	}
	if err := f.Check(m.Config); err != nil {
		return nil, m, err
	}
	for _, p := range m.Config.Parameters() {
		m.Weights[p.Name] = make([]float32, p.Size())
		if err := f.Load(m.Config, p, m.Weights[p.Name]); err != nil {
			return nil, m, err
		}
	}
	return f, m, nil
}

// vocabularyOf reads the tokenizer as other formats would.
func vocabularyOf(t *testing.T, f *File) *tokenizer.Vocabulary {
	t.Helper()
	tok, err := f.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	v, err := tok.Vocabulary()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*arch.Config)
	}{
		{"tied", func(*arch.Config) {}},
		{"untied", func(c *arch.Config) { c.ShareEmbedding = false }},
		{"as many kv heads", func(c *arch.Config) { c.KVHeads = 4 }},
		{"a head size of its own", func(c *arch.Config) { c.HeadDim = 6 }},
		{"numbers that are no float32", func(c *arch.Config) { c.NormEps, c.RoPEBase = 1e-6, 500000.1 }},
		{"linear", func(c *arch.Config) { c.RoPEScaling = arch.RoPEScaling{Type: arch.LinearRoPE, Factor: 2.5} }},
		{"dynamic", func(c *arch.Config) { c.RoPEScaling = arch.RoPEScaling{Type: arch.DynamicRoPE, Factor: 4} }},
		{"llama3", func(c *arch.Config) {
			c.RoPEScaling = arch.RoPEScaling{Type: arch.Llama3RoPE, Factor: 8, LowFreqFactor: 1.5, HighFreqFactor: 3, OriginalContext: 20}
		}},
	} {
		c := modeltest.Config()
		tt.change(&c)
		m := sample(c, 2)
		f, got, err := parsed(written(t, m, F32))
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if got.Config != m.Config {
			t.Errorf("%s is\n%+v, want\n%+v", tt.name, got.Config, m.Config)
		}
		if !reflect.DeepEqual(got.Weights, m.Weights) {
			t.Errorf("%s: weights differ", tt.name)
		}
		v, tokens := vocabularyOf(t, f), f.ModelTokens(c.VocabSize)
		if want := m.Vocabulary; !slices.Equal(v.Tokens, want.Tokens) || !reflect.DeepEqual(v.Special, want.Special) || !reflect.DeepEqual(tokens, modeltest.Tokens()) {
			t.Errorf("%s: the vocabulary came back as %v, %+v", tt.name, v, tokens)
		}
	}
}

// Each type keeps what its bits can hold.
func TestTypes(t *testing.T) {
	m := sample(modeltest.Config(), 3)
	for _, tt := range []struct {
		typ  Type
		most float64 // of the largest magnitude
	}{{F16, 1. / 2048}, {BF16, 1. / 256}, {Q8_0, 1. / 220}, {Q5_1, 1. / 30}, {Q5_0, 1. / 15}, {Q4_1, 1. / 14}, {Q4_0, 1. / 7}} {
		_, got, err := parsed(written(t, m, tt.typ))
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range m.Weights {
			var largest, worst float64
			for i, x := range want {
				largest = max(largest, math.Abs(float64(x)))
				worst = max(worst, math.Abs(float64(x-got.Weights[name][i])))
			}
			if worst > tt.most*largest {
				t.Errorf("%v: %s is off by %g of %g", tt.typ, name, worst, largest)
			}
		}
	}
}

// A byte-level vocabulary keeps its merges and the pattern of words.
func TestByteLevel(t *testing.T) {
	m := sample(modeltest.Config(), 4)
	want := &tokenizer.Vocabulary{
		Kind: tokenizer.ByteLevel, Patterns: []string{tokenizer.WordPattern}, Unknown: tokenizer.None,
		Special: tokenizer.Special{BOS: 2, EOS: []int32{2}, PAD: tokenizer.None, Start: 2},
		Tokens:  []tokenizer.Token{{Text: "a", Type: tokenizer.Normal}, {Text: "Ġ", Type: tokenizer.Normal}, {Text: "<|endoftext|>", Type: tokenizer.Control}, {Text: "Ġa", Type: tokenizer.Normal}},
		Merges:  [][2]string{{"Ġ", "a"}},
	}
	m.Vocabulary = want
	f, _, err := parsed(written(t, m, F32))
	if err != nil {
		t.Fatal(err)
	}
	v := vocabularyOf(t, f)
	if !reflect.DeepEqual(v, want) {
		t.Errorf("came back as %+v", v)
	}
}

func TestRoPEFactorsGolden(t *testing.T) {
	var want []float64
	load(t, "testdata/rope_freqs.json", &want)
	c := arch.Default()
	c.HeadDim, c.RoPEBase = 64, 500000
	c.RoPEScaling = arch.RoPEScaling{Type: arch.Llama3RoPE, Factor: 32, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 8192}
	for i, got := range factors(c) {
		if math.Abs(float64(got)-want[i]) > 1e-5*want[i] {
			t.Errorf("factor %d is %v, want %v", i, got, want[i])
		}
	}
}

// Llama 3's own scaling is known again in a file that has the factors only.
func TestForeignLlama3(t *testing.T) {
	c := modeltest.Config()
	c.RoPEBase = 500000
	c.RoPEScaling = arch.RoPEScaling{Type: arch.Llama3RoPE, Factor: 8, LowFreqFactor: 1, HighFreqFactor: 4, OriginalContext: 8192}
	raw := written(t, sample(c, 5), F32)
	foreign := bytes.ReplaceAll(raw, []byte("mobilellm.rope_scaling"), []byte("foreignxx.rope_scaling"))
	_, got, err := parsed(foreign)
	if err != nil || got.Config.RoPEScaling != c.RoPEScaling {
		t.Errorf("scaling %+v, %v, want %+v", got, err, c.RoPEScaling)
	}
	c.RoPEScaling.LowFreqFactor, c.RoPEScaling.HighFreqFactor = 1.5, 900
	raw = written(t, sample(c, 5), F32)
	foreign = bytes.ReplaceAll(raw, []byte("mobilellm.rope_scaling"), []byte("foreignxx.rope_scaling"))
	if _, _, err := parsed(foreign); err == nil || !strings.Contains(err.Error(), "is not Llama 3's") {
		t.Errorf("other factors: %v", err)
	}
}

func load(t *testing.T, path string, into any) {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, into); err != nil {
		t.Fatal(err)
	}
}

func TestRefused(t *testing.T) {
	c := modeltest.Config()
	c.FFN = arch.ReLU
	if _, err := Write(&bytes.Buffer{}, sample(c, 1), F32); err == nil || !strings.Contains(err.Error(), "relu has no place") {
		t.Errorf("relu: %v", err)
	}
	c = modeltest.Config()
	c.LayerSharing.Strategy = arch.Reverse
	if _, err := Write(&bytes.Buffer{}, sample(c, 1), F32); err == nil || !strings.Contains(err.Error(), "shared layers (reverse)") {
		t.Errorf("reverse: %v", err)
	}
	m := sample(modeltest.Config(), 1)
	m.Vocabulary = &tokenizer.Vocabulary{
		Kind: tokenizer.ByteLevel, Patterns: []string{"x+"}, Special: tokenizer.NoSpecial(), Unknown: tokenizer.None,
		Tokens: []tokenizer.Token{{Text: "a", Type: tokenizer.Normal}, {Text: "b", Type: tokenizer.Normal}, {Text: "ab", Type: tokenizer.Normal}}, Merges: [][2]string{{"a", "b"}},
	}
	if _, err := Write(&bytes.Buffer{}, m, F32); err == nil || !strings.Contains(err.Error(), `no name for the tokenizer's words: pattern ["x+"]`) {
		t.Errorf("pattern: %v", err)
	}
}

// file builds a GGUF file by hand.
type file struct{ bytes.Buffer }

func (f *file) put(values ...any) *file {
	for _, v := range values {
		if s, ok := v.(string); ok {
			f.put(uint64(len(s)))
			f.WriteString(s)
			continue
		}
		if err := binary.Write(f, binary.LittleEndian, v); err != nil {
			panic(err)
		}
	}
	return f
}

func start(tensors, values uint64) *file {
	f := &file{}
	f.WriteString("GGUF")
	return f.put(uint32(3), tensors, values)
}

func TestMalformed(t *testing.T) {
	const u32, str, arr = uint32(typeUint32), uint32(typeString), uint32(typeArray)
	huge := uint64(math.MaxUint64)
	good := written(t, sample(modeltest.Config(), 1), F32)
	tensor := func(offset uint64, typ uint32, dims ...uint64) *file {
		return start(1, 0).put("a", uint32(len(dims)), dims, typ, offset)
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "does not begin with GGUF"},
		{"other", []byte("PK\x03\x04...."), "does not begin with GGUF"},
		{"version 1", append([]byte("GGUF\x01\x00\x00\x00"), make([]byte, 16)...), "version 1 is not supported"},
		{"absurd tensors", start(huge, 0).Bytes(), "do not fit into 24 bytes"},
		{"absurd metadata", start(0, huge).Bytes(), "do not fit into 24 bytes"},
		{"absurd text", start(0, 1).put(huge, uint64(0), uint64(0)).Bytes(), "longer than 65536"},
		{"absurd value", start(0, 1).put("a", str, huge, uint64(0)).Bytes(), "truncated"},
		{"absurd list", start(0, 1).put("a", arr, u32, huge>>1, uint64(0)).Bytes(), "truncated: a list of"},
		{"a list of texts", start(0, 1).put("a", arr, str, huge>>8, uint64(0)).Bytes(), "truncated: a list of"},
		{"a list of lists", start(0, 1).put("a", arr, arr, uint64(1), uint64(0)).Bytes(), "a list of type 9 is not supported"},
		{"an unknown type", start(0, 1).put("a", uint32(77), uint64(0)).Bytes(), "unknown type 77"},
		{"a key twice", start(0, 2).put("a", u32, uint32(1), "a", u32, uint32(1)).Bytes(), `metadata "a" is given twice`},
		{"nine dimensions", tensor(0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1).Bytes(), "9 dimensions are more than 4"},
		{"absurd dimensions", tensor(0, 0, 1<<30, 1<<30, 1<<30, 1<<30).Bytes(), "too large"},
		{"an unknown tensor type", tensor(0, 77, 256).Bytes(), "type 77 is not supported: only f32, f16, q4_0, q4_1, q5_0, q5_1, q8_0, q4_k, q5_k, q6_k, bf16 are"},
		{"a type that is not read", tensor(0, 10, 256).Bytes(), "q2_k is not supported: only f32,"},
		{"big-endian", []byte("GGUF\x00\x00\x00\x03\x00\x00\x00\x00"), "big-endian machine"},
		{"a part of a model", start(0, 2).put(keyArchitecture, str, "llama", keySplits, u32, uint32(3)).Bytes(), "split.count (3) is not supported: this is one of several files"},
		{"heads by layer", start(0, 5).put(keyArchitecture, str, "llama", "llama"+keyContext, u32, uint32(8), "llama"+keyDim, u32, uint32(8), "llama"+keyLayers, u32, uint32(1), "llama"+keyFFN, arr, u32, uint64(1), uint32(8)).Bytes(), "llama.feed_forward_length is a []int64; one number for all layers is expected"},
		{"part of a super block", tensor(0, 14, 128).Bytes(), "no whole blocks of q6_k"},
		{"part of a block", tensor(0, 8, 40).Bytes(), "no whole blocks of q8_0"},
		{"beyond the end", tensor(0, 0, 1<<20).Bytes(), "truncated: tensor a takes bytes 0 to 4194304"},
		{"an absurd offset", tensor(1<<63, 0, 1).Bytes(), "too large"},
		{"an offset beyond", tensor(1<<40, 0, 1).Bytes(), "truncated"},
		{"an odd offset", tensor(4, 0, 1).Bytes(), "no multiple of 32"},
		{"overlap", start(2, 0).put("a", uint32(1), uint64(16), uint32(0), uint64(0), "b", uint32(1), uint64(16), uint32(0), uint64(32), make([]byte, 200)).Bytes(), "within another"},
		{"alignment 3", start(0, 1).put(keyAlignment, u32, uint32(3)).Bytes(), "no power of two"},
		{"another architecture", start(0, 1).put(keyArchitecture, str, "mamba").Bytes(), `general.architecture "mamba" is not supported`},
		{"no shape", start(0, 1).put(keyArchitecture, str, "llama").Bytes(), "llama.context_length is missing"},
		{"a tensor renamed", bytes.ReplaceAll(good, []byte("blk.1.ffn_up"), []byte("blk.1.ffn_xx")), "tensor blk.1.ffn_xx.weight of shape [64 32] is not expected"},
		{"an absurd count of layers", bytes.Replace(good, layers(2), layers(1<<30), 1), "model.layers (1073741824) must be at most"},
		{"a layer more", bytes.Replace(good, layers(2), layers(3), 1), "tensor blk.2.attn_norm.weight is missing"},
		{"cut", good[:len(good)-1], "truncated"},
		{"cut in its header", good[:3000], "truncated"},
	} {
		began := time.Now()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, _, err := parsed(tt.raw)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "x.gguf: ") {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%s took %v", tt.name, d)
		}
		if used := after.TotalAlloc - before.TotalAlloc; used > 16<<20 {
			t.Errorf("%s allocated %d bytes", tt.name, used)
		}
	}
}

// layers is the metadata entry of the number of layers.
func layers(n uint32) []byte {
	return (&file{}).put("llama"+keyLayers, uint32(typeUint32), n).Bytes()
}

func FuzzFile(f *testing.F) {
	c := modeltest.Config()
	c.Dim, c.HeadDim, c.FFNDim, c.VocabSize, c.Layers = 8, 2, 8, 275, 1
	for _, typ := range []Type{F32, Q8_0} {
		f.Add(written(f, sample(c, 1), typ))
	}
	f.Add(start(1, 0).put("a", uint32(1), uint64(16), uint32(0), uint64(0), make([]byte, 64)).Bytes())
	f.Fuzz(func(t *testing.T, raw []byte) {
		f, _, err := parsed(raw)
		if err != nil {
			return
		}
		if _, err := f.Tokenizer(); err != nil && !strings.HasPrefix(err.Error(), "x.gguf") {
			t.Fatal(err)
		}
	})
}

func ExampleParseType() {
	t, err := ParseType("q8_0")
	fmt.Println(t, err)
	// Output: q8_0 <nil>
}

// A rule of rotary embeddings that the format does not know is refused.
func TestUnknownRoPEScaling(t *testing.T) {
	c := arch.Default()
	c.RoPEScaling.Type = "yarn"
	if _, err := shapeMetadata(c, F32); err == nil || err.Error() != `gguf: rope scaling "yarn" has no place in the format` {
		t.Errorf("error is %v", err)
	}
}

// The scaling is what llama.cpp makes of the keys and the tensor.
func TestReadScaling(t *testing.T) {
	c := modeltest.Config()
	linear := arch.RoPEScaling{Type: arch.LinearRoPE, Factor: 2}
	ones, twos := make([]float32, 4), []float32{2, 2, 2, 2}
	for i := range ones {
		ones[i] = 1
	}
	for _, tt := range []struct {
		name     string
		metadata map[string]any
		factors  []float32
		want     arch.RoPEScaling
		err      string
	}{
		{"plain", nil, nil, c.RoPEScaling, ""},
		{"linear", map[string]any{"llama" + keyRoPEType: "linear", "llama" + keyRoPEBy: float32(2)}, nil, linear, ""},
		{"a factor alone", map[string]any{"llama" + keyRoPEBy: float32(2)}, nil, linear, ""},
		{"a factor of none", map[string]any{"llama" + keyRoPEType: "none", "llama" + keyRoPEBy: float32(2)}, nil, c.RoPEScaling, ""},
		{"no factor", map[string]any{"llama" + keyRoPEType: "linear"}, nil, c.RoPEScaling, ""},
		{"a factor of 0", map[string]any{"llama" + keyRoPEBy: float32(0)}, nil, c.RoPEScaling, ""},
		{"factors of 1", nil, ones, c.RoPEScaling, ""},
		{"other factors", nil, twos, c.RoPEScaling, "tensor rope_freqs.weight: the scaling of rotary embeddings is not Llama 3's"},
		{"no numbers", nil, []float32{1, float32(math.NaN()), 1, 1}, c.RoPEScaling, "is not Llama 3's"},
		{"both", map[string]any{"llama" + keyRoPEBy: float32(2)}, ones, c.RoPEScaling, `llama.rope.scaling.type "linear" beside tensor rope_freqs.weight is not supported`},
		{"yarn", map[string]any{"llama" + keyRoPEType: "yarn", "llama" + keyRoPEBy: float32(2)}, nil, c.RoPEScaling, `llama.rope.scaling.type "yarn" is not supported`},
	} {
		f := &File{Metadata: tt.metadata, file: filemap.Bytes(float32Bytes(tt.factors)), index: map[string]int{}}
		if tt.factors != nil {
			f.index[ropeFactors], f.Tensors = 0, []Tensor{{Name: ropeFactors, Shape: []int{4}, Type: F32, bytes: 16}}
		}
		got, err := f.scaling(c)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
		}
		if err == nil && got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// A byte that the vocabulary has no token for stands for nothing, as in the tokenizers
// library, and joins nothing over it.
func TestMissingByte(t *testing.T) {
	v := byteLevel()
	v.Tokens[4].Text = "<gone>"
	v.Tokens = append(v.Tokens, tokenizer.Token{Text: "ab", Type: tokenizer.Normal})
	v.Merges, v.Patterns = [][2]string{{"a", "b"}}, []string{digit, gpt2Words}
	m := sample(modeltest.Config(), 1)
	m.Vocabulary = v
	f, _, err := parsed(written(t, m, F32))
	if err != nil {
		t.Fatal(err)
	}
	tok, err := f.Tokenizer()
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string][]int32{"ab\x04": {260}, "\x04": nil, "a\x04\x03": {'a', 3}} {
		if got := tok.EncodeOrdinary([]byte(text)); !slices.Equal(got, want) {
			t.Errorf("%q has ids %d, want %d", text, got, want)
		}
	}
}
