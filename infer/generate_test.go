package infer

import (
	"context"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"mobilellm/arch"
	"mobilellm/engine/cpu"
	"mobilellm/tokenizer"
)

// The logits are those of the whole model's graph, for every padded length and
// beyond the context, where the window slides.
func TestLogits(t *testing.T) {
	m := loaded(t)
	ids := make([]int32, 60)
	for i := range ids {
		ids[i] = int32(i * 37 % 256)
	}
	for _, n := range []int{1, 15, 16, 17, 32, 33, 40, 41, 60} {
		got, err := m.Logits(ids[:n])
		if err != nil {
			t.Fatal(err)
		}
		want := reference(t, m, ids[max(0, n-40):n])
		for i := range got {
			if math.Abs(float64(got[i]-want[i])) > 1e-4*(1+math.Abs(float64(want[i]))) {
				t.Fatalf("%d tokens: logit %d is %g, want %g", n, i, got[i], want[i])
			}
		}
	}
	for _, bad := range [][]int32{{}, {260}, {-1}} {
		if _, err := m.Logits(bad); err == nil {
			t.Errorf("tokens %v give no error", bad)
		}
	}
}

// reference computes the last token's logits by the graph of the whole model, on weights
// that are not packed.
func reference(t *testing.T, m *Model, ids []int32) []float32 {
	t.Helper()
	all := oracle(t, m.Config, folderOf[m], ids)
	return all[len(all)-1]
}

func generated(t *testing.T, m *Model, o Options) []int32 {
	t.Helper()
	var ids []int32
	if err := m.Generate(context.Background(), m.Tokenizer.Prompt("deep and thin"), o, func(id int32) { ids = append(ids, id) }); err != nil {
		t.Fatal(err)
	}
	return ids
}

// Temperature 0 takes the likeliest of the tokenizer's ids each time; a seed fixes
// what is drawn.
func TestGenerate(t *testing.T) {
	m := loaded(t)
	greedy := generated(t, m, Options{MaxTokens: 50})
	ids := m.Tokenizer.Prompt("deep and thin")
	for _, id := range greedy {
		logits := reference(t, m, ids[max(0, len(ids)-40):])[:m.Tokenizer.VocabSize()]
		if best := slices.Max(logits); logits[id] < best-1e-4 {
			t.Fatalf("token %d has logit %g, the best is %g", id, logits[id], best)
		}
		ids = append(ids, id)
	}
	if len(greedy) == 0 {
		t.Fatal("nothing was generated")
	}
	for _, o := range []Options{{MaxTokens: 30, Temperature: 5, TopK: 1}, {MaxTokens: 30, Temperature: 1, TopP: 1e-9}} {
		if got := generated(t, m, o); !slices.Equal(got, greedy[:min(30, len(greedy))]) {
			t.Errorf("%+v gives %v, greedy %v", o, got, greedy)
		}
	}
	hot := Options{MaxTokens: 30, Temperature: 2, Seed: 1}
	first := generated(t, m, hot)
	if !slices.Equal(first, generated(t, m, hot)) {
		t.Error("the same seed gives other tokens")
	}
	hot.Seed = 2
	if slices.Equal(first, generated(t, m, hot)) {
		t.Error("another seed gives the same tokens")
	}
}

// Generation ends at EOS, which is not handed out.
func TestGenerateEnds(t *testing.T) {
	m := loaded(t)
	eos, _ := m.Tokenizer.Special().End()
	c := m.Config.Dim
	prompt := []int32{'x'} // without BOS, which has the id of EOS
	logits, err := m.Logits(prompt)
	if err != nil {
		t.Fatal(err)
	}
	best := likeliest(logits)
	m = loadedWith(t, LoadOptions{}, func(name string, x []float32) {
		if name == arch.EmbeddingName {
			for i := range c {
				x[int(eos)*c+i] = 3 * x[int(best)*c+i] // and so its logit is three times the largest
			}
		}
	})
	n := 0
	if err := m.Generate(context.Background(), prompt, Options{MaxTokens: 5}, func(int32) { n++ }); err != nil || n > 0 {
		t.Errorf("%d tokens were handed out before EOS, the likeliest (%v)", n, err)
	}
}

func TestGenerateContext(t *testing.T) {
	m := endless(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	err := m.Generate(ctx, m.Tokenizer.Prompt("x"), Options{MaxTokens: 1000, Slide: true}, func(int32) {
		if n++; n == 3 {
			cancel()
		}
	})
	if n != 3 || !errors.Is(err, context.Canceled) {
		t.Errorf("%d tokens, of which the third ended the context; error %v", n, err)
	}
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"max-tokens (0) must be at least 1":                {},
		"temperature (-1) must be 0 or a positive number":  {MaxTokens: 1, Temperature: -1},
		"temperature (NaN) must be 0 or a positive number": {MaxTokens: 1, Temperature: math.NaN()},
		"top-k (-1) must not be negative":                  {MaxTokens: 1, TopK: -1},
		"top-p (1.5) must lie between 0 and 1":             {MaxTokens: 1, TopP: 1.5},
		"min-p (NaN) must lie between 0 and 1":             {MaxTokens: 1, MinP: math.NaN()},
		"repeat-penalty (-1) must be a positive number":    {MaxTokens: 1, RepeatPenalty: -1},
		"logprobs (-1) must not be negative":               {MaxTokens: 1, LogProbs: -1},
	} {
		if err := o.Validate(); err == nil || err.Error() != want {
			t.Errorf("%+v: %v, want %s", o, err, want)
		}
	}
}

// What is drawn has the frequencies of the distribution that the options leave.
func TestSampler(t *testing.T) {
	logits := []float32{float32(math.Log(1)), float32(math.Log(4)), float32(math.Log(2)), float32(math.Log(3))} // of 10
	tests := []struct {
		o    Options
		want []float64
	}{
		{Options{Temperature: 1}, []float64{.1, .4, .2, .3}},
		{Options{Temperature: .5}, []float64{1. / 30, 16. / 30, 4. / 30, 9. / 30}},
		{Options{Temperature: 1, TopK: 2}, []float64{0, 4. / 7, 0, 3. / 7}},
		{Options{Temperature: 1, TopK: 9}, []float64{.1, .4, .2, .3}},
		{Options{Temperature: 1, TopP: .69}, []float64{0, 4. / 7, 0, 3. / 7}},
		{Options{Temperature: 1, TopP: .71}, []float64{0, 4. / 9, 2. / 9, 3. / 9}},
		{Options{Temperature: 1, TopK: 3, TopP: .5}, []float64{0, 4. / 7, 0, 3. / 7}}, // 4/9 is not enough
		{Options{Temperature: 1, TopP: 1}, []float64{.1, .4, .2, .3}},
		{Options{Temperature: 1, MinP: .49}, []float64{0, 4. / 9, 2. / 9, 3. / 9}},
		{Options{Temperature: 1, TopK: 2, MinP: .8}, []float64{0, 1, 0, 0}},
		{Options{Temperature: 1, TopK: 1, MinP: 1, TopP: .1}, []float64{0, 1, 0, 0}},
	}
	const n = 40000
	for _, test := range tests {
		s := newSampler(test.o)
		counts := make([]float64, len(logits))
		for range n {
			id, err := s.next(logits, nil)
			if err != nil {
				t.Fatal(err)
			}
			counts[id]++
		}
		for id, want := range test.want {
			if got := counts[id] / n; math.Abs(got-want) > 5*math.Sqrt(want*(1-want)/n) {
				t.Errorf("%+v: token %d has share %.4f, want %.4f", test.o, id, got, want)
			}
		}
	}
}

// recorder keeps every write by itself.
type recorder struct {
	writes []string
	err    error
}

func (r *recorder) Write(p []byte) (int, error) {
	r.writes = append(r.writes, string(p))
	return len(p), r.err
}

// A character is written when its last byte has come; what is none becomes U+FFFD.
func TestStream(t *testing.T) {
	tests := []struct{ bytes, want string }{
		{"ab", "a|b"},
		{"é€😀", "é|€|😀"},
		{"a\xff\x80b", "a|\uFFFD|\uFFFD|b"},
		{"\xe2\x82a", "\uFFFD\uFFFDa"},
		{"a\xf0\x9f\x98", "a|\uFFFD\uFFFD\uFFFD"},
		{"", ""},
	}
	for _, test := range tests {
		var r recorder
		s := &Stream{w: &r, text: newText(tokenizer.Bytes(), nil, nil)}
		for _, b := range []byte(test.bytes) {
			s.Token(int32(b))
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(r.writes, "|"); got != test.want {
			t.Errorf("%q is written as %q, want %q", test.bytes, got, test.want)
		}
	}
	r := recorder{err: errors.New("closed pipe")}
	s := &Stream{w: &r, text: newText(tokenizer.Bytes(), nil, nil)}
	s.Token('a')
	s.Token('b')
	if err := s.Close(); !errors.Is(err, r.err) || len(r.writes) != 1 {
		t.Errorf("the error is %v after %d writes", err, len(r.writes))
	}
}

func TestLoadErrors(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	if _, err := Load(t.TempDir(), dev, LoadOptions{}); err == nil || !strings.Contains(err.Error(), "holds no model") {
		t.Errorf("an empty folder gives %v", err)
	}
	small := saved(t, filepath.Join(t.TempDir(), "small"), 200)
	m, err := Load(small, dev, LoadOptions{}) // has fewer ids than its tokenizer, which matters where one occurs
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if err := m.Generate(context.Background(), []int32{'a', 'b'}, Options{MaxTokens: 3}, func(int32) {}); err != nil {
		t.Error(err)
	}
	if _, err := m.Logits([]int32{'a', 256}); err == nil || !strings.Contains(err.Error(), "token 256 is not in the vocabulary of 200") {
		t.Errorf("an id beyond the model gives %v", err)
	}
}

// A probability of 0 leaves the likeliest token, as in llama.cpp and transformers.
func TestTopPZero(t *testing.T) {
	m := loaded(t)
	greedy, o := Options{MaxTokens: 12}, Options{MaxTokens: 12, Temperature: 1.5, Seed: 3}
	o.SetTopP(0)
	var texts [2][]int32
	for i, o := range []Options{greedy, o} {
		if err := m.Generate(context.Background(), m.Tokenizer.Prompt("thin"), o, func(id int32) { texts[i] = append(texts[i], id) }); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(texts[0], texts[1]) {
		t.Errorf("top-p 0 draws %v, greedily %v", texts[1], texts[0])
	}
}

func TestTooManySlots(t *testing.T) {
	dev := cpu.New(cpu.Options{Workers: 1})
	defer dev.Close()
	if _, err := Load(saved(t, filepath.Join(t.TempDir(), "model"), 260), dev, LoadOptions{Slots: 1 << 30}); err == nil || !strings.Contains(err.Error(), "slots (1073741824) must be at most 65536") {
		t.Errorf("the error is %v", err)
	}
}

func TestTwoStepsOfASlot(t *testing.T) {
	m := loaded(t)
	step := Step{Tokens: []int32{1}}
	if err := m.Forward([]Step{step, step}); err == nil || !strings.Contains(err.Error(), "slot 0 has two steps") {
		t.Errorf("the error is %v", err)
	}
	if err := m.Forward([]Step{step}); err != nil || len(m.Tokens(0)) != 1 {
		t.Errorf("afterwards: %v, %v", m.Tokens(0), err)
	}
}
