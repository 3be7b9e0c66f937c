package llama2c

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/export"
	"mobilellm/export/exporttest"
	"mobilellm/tokenizer/sentencepiece"
)

func written(t *testing.T, m *export.Model, v Version) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Write(&out, m, v); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestRoundTrip(t *testing.T) {
	for _, v := range []Version{V0, V1} {
		for _, tied := range []bool{true, false} {
			c := exporttest.Config()
			c.ShareEmbedding = tied
			m := exporttest.Model(c, 1)
			raw := written(t, m, v)
			got, err := ReadFrom(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				t.Fatalf("version %d: %v", v, err)
			}
			if got.Config != m.Config {
				t.Errorf("version %d is\n%+v, want\n%+v", v, got.Config, m.Config)
			}
			if !reflect.DeepEqual(got.Weights, m.Weights) {
				t.Errorf("version %d: weights differ", v)
			}
		}
	}
}

func TestTokenizerRoundTrip(t *testing.T) {
	want := exporttest.Vocabulary()
	var out bytes.Buffer
	if err := WriteTokenizer(&out, want, 300); err != nil {
		t.Fatal(err)
	}
	got, err := ParseTokenizer(out.Bytes(), 300)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Tokens, want.Tokens) {
		t.Errorf("tokens came back as\n%v, want\n%v", got.Tokens, want.Tokens)
	}
}

func TestRefused(t *testing.T) {
	for _, tt := range []struct {
		change func(*arch.Config)
		want   string
	}{
		{func(c *arch.Config) { c.FFN = arch.ReLU }, "relu has no place"},
		{func(c *arch.Config) { c.LayerSharing.Strategy = arch.Immediate }, "shared layers (immediate)"},
		{func(c *arch.Config) { c.HeadDim = 16 }, "head size 16 times 4 heads"},
		{func(c *arch.Config) { c.NormEps = 1e-6 }, "norm_eps (1e-06) must be 1e-05"},
		{func(c *arch.Config) { c.RoPEBase = 500000 }, "rope_base (500000) must be 10000"},
		{func(c *arch.Config) { c.RoPEScaling = arch.RoPEScaling{Type: arch.LinearRoPE, Factor: 2} }, "scaled rotary embeddings"},
	} {
		c := exporttest.Config()
		tt.change(&c)
		err := Write(&bytes.Buffer{}, exporttest.Model(c, 1), V0)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %s", err, tt.want)
		}
	}
}

// A kind that the format does not know is refused, and not written as another.
func TestUnknownKinds(t *testing.T) {
	for want, edit := range map[string]func(c *arch.Config){
		"a feed-forward network of cube": func(c *arch.Config) { c.FFN = "cube" },
		"scaled rotary embeddings":       func(c *arch.Config) { c.RoPEScaling.Type = "yarn" },
	} {
		c := exporttest.Config()
		edit(&c)
		if err := representable(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %s", err, want)
		}
	}
}

func TestMalformed(t *testing.T) {
	good := written(t, exporttest.Model(exporttest.Config(), 1), V0)
	v1 := written(t, exporttest.Model(exporttest.Config(), 1), V1)
	with := func(raw []byte, at int, v uint32) []byte {
		raw = slices.Clone(raw)
		binary.LittleEndian.PutUint32(raw[at:], v)
		return raw
	}
	for _, tt := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"empty", nil, "truncated: 0 bytes"},
		{"header only", good[:28], "truncated: 28 bytes, expected"},
		{"one byte short", good[:len(good)-1], "truncated"},
		{"one byte more", append(slices.Clone(good), 0), "expected"},
		{"a layer more", with(good, 8, 3), "truncated"},
		{"absurd layers", with(good, 8, math.MaxInt32), "model.layers (2147483647) must be at most"},
		{"absurd everything", bytes.Repeat([]byte{0xff, 0xff, 0xff, 0x7f}, 64), "must be at most"},
		{"no heads", with(good, 12, 0), "field 3 of the header (0) must be positive"},
		{"version 2", with(v1, 4, 2), "version 2 is not supported"},
		{"version 1 cut in its header", v1[:100], "truncated: 100 bytes"},
		{"version 1 cut", v1[:len(v1)-4], "truncated"},
	} {
		began := time.Now()
		_, err := ReadFrom(bytes.NewReader(tt.raw), int64(len(tt.raw)))
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
		if d := time.Since(began); d > 10*time.Second {
			t.Errorf("%s took %v", tt.name, d)
		}
	}
}

func TestMalformedTokenizer(t *testing.T) {
	var out bytes.Buffer
	if err := WriteTokenizer(&out, exporttest.Vocabulary(), 300); err != nil {
		t.Fatal(err)
	}
	good := out.Bytes()
	for _, tt := range []struct {
		name string
		raw  []byte
		size int
		want string
	}{
		{"empty", nil, 300, "truncated"},
		{"cut", good[:len(good)-1], 300, "truncated"},
		{"more pieces", good, 301, "truncated"},
		{"fewer pieces", good, 299, "8 bytes follow the 299 pieces"},
		{"absurd pieces", good, math.MaxInt32, "cannot hold 2147483647 pieces"},
		{"absurd longest", append([]byte{0xff, 0xff, 0xff, 0x7f}, good[4:]...), 300, "more than 65536"},
	} {
		_, err := ParseTokenizer(tt.raw, tt.size)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: error %v, want %s", tt.name, err, tt.want)
		}
	}
}

// storiesText is what the authors' program prints at temperature 0
// (github.com/karpathy/llama2.c, doc/stories260K.md).
const storiesText = `Once upon a time, there was a little girl named Lily. She loved to play outside in the park. One day, she saw a big, red ball. She wanted to play with it, but it was too high.
Lily's mom said, "Lily, let's go to the park." Lily was sad and didn't know what to do. She said, "I want to play with your ball, but I can't find it."
Lily was sad and didn't know what to do. She said, "I'm sorry, Lily. I didn't know what to do."
Lily didn't want to help her mom, so she said, "I'm sorry, mom. I didn't know what to do." Her mom said, "Don't worry, Lily. We can help you.`

// readModel reads a model with its tokenizer, and the tokenizer again from a folder that
// they were saved to.
func readModel(t *testing.T, model, vocabulary string) (*export.Model, *sentencepiece.Model) {
	t.Helper()
	m, err := Read(model)
	if err != nil {
		t.Fatal(err)
	}
	v, err := ReadTokenizer(vocabulary, m.Config.VocabSize)
	if err != nil {
		t.Fatal(err)
	}
	m.SetVocabulary(v)
	folder := filepath.Join(t.TempDir(), "model")
	if _, err := m.SaveFolder(folder, export.FolderOptions{DType: "F32"}); err != nil {
		t.Fatal(err)
	}
	tok, err := sentencepiece.Open(filepath.Join(folder, "tokenizer.model"))
	if err != nil {
		t.Fatal(err)
	}
	return m, tok
}

// likeliest is the likeliest token after each of the ids, fed at once.
func likeliest(t *testing.T, m *export.Model, ids []int32) (next []int32, last []float32) {
	t.Helper()
	dev := cpu.New(cpu.Options{})
	t.Cleanup(dev.Close)
	logits, err := m.Logits(dev, ids)
	if err != nil {
		t.Fatal(err)
	}
	for row := range slices.Chunk(logits, m.Config.VocabSize) {
		next, last = append(next, int32(slices.Index(row, slices.Max(row)))), row
	}
	return next, last
}

// TestGolden runs a tiny model with random weights beside testdata/golden.py.
func TestGolden(t *testing.T) {
	raw, err := os.ReadFile("testdata/golden.json")
	if err != nil {
		t.Fatal(err)
	}
	var golden struct {
		IDs, Likeliest []int32
		Logits         []float64
		Texts          []struct {
			Text string
			IDs  []int32
		}
	}
	if err := json.Unmarshal(raw, &golden); err != nil {
		t.Fatal(err)
	}
	m, tok := readModel(t, "testdata/tiny.bin", "testdata/tiny.tokenizer.bin")
	next, last := likeliest(t, m, golden.IDs)
	if len(next) != 48 || !slices.Equal(next, golden.Likeliest) {
		t.Errorf("the likeliest tokens are %v, want %v", next, golden.Likeliest)
	}
	for i, want := range golden.Logits {
		if math.Abs(float64(last[i])-want) > 2e-5*(1+math.Abs(want)) {
			t.Errorf("logit %d is %v, want %v", i, last[i], want)
		}
	}
	for _, text := range golden.Texts {
		if got := tok.Encode([]byte(text.Text)); !slices.Equal(got, text.IDs) {
			t.Errorf("%q is %v, want %v", text.Text, got, text.IDs)
		}
	}
}

// TestStories260K runs the real model: 255 greedy tokens after the first, and the
// text of the authors' own program.
func TestStories260K(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data", "models", "stories260K")
	if _, err := os.Stat(dir); err != nil {
		t.Skipf("%s is not there: the model is not part of the repository", dir)
	}
	m, tok := readModel(t, filepath.Join(dir, "stories260K.bin"), filepath.Join(dir, "tok512.bin"))

	// The ids of the text, fed at once: each must be the likeliest after those
	// before it, which is what greedy decoding means.
	ids := append([]int32{1}, tok.Encode([]byte(storiesText))...)
	next, _ := likeliest(t, m, ids[:len(ids)-1])
	for i, want := range ids[1:] {
		if got := next[i]; got != want {
			t.Fatalf("token %d is %d (%q), want %d (%q)", i+1, got, tok.Decode([]int32{got}), want, tok.Decode([]int32{want}))
		}
	}
	if len(ids) < 250 {
		t.Errorf("the text has %d tokens, the program's 256", len(ids))
	}
}

func FuzzModel(f *testing.F) {
	for _, v := range []Version{V0, V1} {
		var out bytes.Buffer
		c := exporttest.Config()
		c.Dim, c.HeadDim, c.FFNDim, c.VocabSize, c.Layers = 8, 2, 8, 275, 1
		if err := Write(&out, exporttest.Model(c, 1), v); err != nil {
			f.Fatal(err)
		}
		f.Add(out.Bytes())
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := ReadFrom(bytes.NewReader(raw), int64(len(raw)))
		if err != nil {
			return
		}
		if err := m.Check(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzTokenizer(f *testing.F) {
	var out bytes.Buffer
	if err := WriteTokenizer(&out, exporttest.Vocabulary(), 300); err != nil {
		f.Fatal(err)
	}
	f.Add(out.Bytes(), 300)
	f.Fuzz(func(t *testing.T, raw []byte, size int) {
		v, err := ParseTokenizer(raw, size)
		if err == nil && len(v.Tokens) > max(size, 0) {
			t.Fatalf("%d tokens of %d", len(v.Tokens), size)
		}
	})
}
