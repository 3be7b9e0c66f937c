package eval

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/engine"
	"mobilellm/engine/cpu"
	"mobilellm/infer"
	"mobilellm/tokenizer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func small() arch.Config {
	return arch.Config{
		VocabSize: 257, Layers: 2, Dim: 32, Heads: 4, KVHeads: 2, FFN: arch.SwiGLU, FFNDim: 64, Context: 150, ShareEmbedding: true,
		NormEps: 1e-5, RoPEBase: 10000, InitStd: 0.02, LayerSharing: arch.LayerSharing{Strategy: arch.Immediate, Repeat: 2},
	}.Resolved()
}

// drawn gives weights that are the same each time they are asked for.
func drawn(c arch.Config) func(name string, dst []float32, shape []int) error {
	norms := map[string]bool{}
	for _, p := range c.Parameters() {
		norms[p.Name] = p.Norm
	}
	return func(name string, dst []float32, _ []int) error {
		var seed uint64
		for _, b := range []byte(name) {
			seed = 31*seed + uint64(b)
		}
		r := rand.New(rand.NewPCG(seed, 1))
		for i := range dst {
			if dst[i] = 1; !norms[name] {
				dst[i] = float32(0.3 * r.NormFloat64())
			}
		}
		return nil
	}
}

// made is a model over bytes, which no token opens.
func made(t *testing.T, c arch.Config, o infer.LoadOptions, load func(string, []float32, []int) error) *infer.Model {
	t.Helper()
	tok, err := tokenizer.Bytes().StartingWith(tokenizer.None)
	if err != nil {
		t.Fatal(err)
	}
	return madeWith(t, c, tok, o, load)
}

func madeWith(t *testing.T, c arch.Config, tok *tokenizer.Tokenizer, o infer.LoadOptions, load func(string, []float32, []int) error) *infer.Model {
	t.Helper()
	dev := cpu.New(cpu.Options{Workers: 2})
	t.Cleanup(dev.Close)
	m, err := infer.New(c, tok, dev, o, load)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// oracle scores sequences one by one by the graph of the whole model.
type oracle struct {
	t *testing.T
	c arch.Config
	d *cpu.Device
	w *engine.Weights
}

func newOracle(t *testing.T, c arch.Config) *oracle {
	t.Helper()
	p := &oracle{t: t, c: c, d: cpu.New(cpu.Options{Workers: 1})}
	t.Cleanup(p.d.Close)
	var list []engine.Parameter
	for _, p := range c.Parameters() {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	var err error
	if p.w, err = engine.NewWeights(p.d, list, engine.WeightOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.w.Close() })
	for _, l := range list {
		if err := drawn(c)(l.Name, p.w.Value(l.Name).Float32s(), l.Shape); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// logProbs are those of ids[from:], and whether all of them are the likeliest.
func (p *oracle) logProbs(ids []int32, from int) (sum float64, greedy bool) {
	p.t.Helper()
	g, err := p.c.BuildLogits(1, len(ids)-1)
	if err != nil {
		p.t.Fatal(err)
	}
	vm, err := engine.Compile(engine.Program{Outputs: []*gorgonia.Node{g.Logits}, Weights: p.w}, p.d, engine.Options{})
	if err != nil {
		p.t.Fatal(err)
	}
	defer vm.Close()
	copy(vm.Input(g.Tokens).Ids(), ids)
	if err := vm.RunAll(); err != nil {
		p.t.Fatal(err)
	}
	logits, v := vm.Output(g.Logits).Float32s(), p.c.VocabSize
	greedy = true
	for i := from; i < len(ids); i++ {
		row := logits[(i-1)*v : i*v]
		best, total := 0, 0.0
		for j, x := range row {
			total += math.Exp(float64(x))
			if x > row[best] {
				best = j
			}
		}
		sum += float64(row[ids[i]]) - math.Log(total)
		greedy = greedy && best == int(ids[i])
	}
	return sum, greedy
}

// bytesOf are a text's ids by tokenizer.Bytes.
func bytesOf(text string) (ids []int32) {
	for _, b := range []byte(text) {
		ids = append(ids, int32(b))
	}
	return ids
}

const eot = 256 // BOS and EOS of tokenizer.Bytes

func near(got, want float64) bool { return math.Abs(got-want) <= 1e-3 }

// word is some letters.
func word(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('a' + r.IntN(4))
	}
	return string(b)
}

// asked are items of all kinds of sharing: choices with common beginnings, one token
// each, equal, one the beginning of another, of several contexts, about one long text,
// with contexts that do not fit.
func asked() []Item {
	r := rand.New(rand.NewPCG(5, 6))
	var items []Item
	add := func(requests ...Request) { items = append(items, Item{ID: fmt.Sprint(len(items)), Requests: requests}) }
	for range 6 {
		context := word(r, 1+r.IntN(100))
		add(Request{Context: context, Continuation: " " + word(r, 9)}, Request{Context: context, Continuation: " " + word(r, 3)},
			Request{Context: context, Continuation: " " + word(r, 20)}, Request{Context: context, Continuation: " x"})
	}
	add(Request{Context: "ab", Continuation: "cc"}, Request{Context: "ab", Continuation: "cc"}, Request{Context: "ab", Continuation: "ccdd"})
	add(Request{Context: "The cat", Continuation: " sat"}, Request{Context: "The dog", Continuation: " sat"})
	add(Request{Context: "", Continuation: "one"}, Request{Context: "two", Continuation: "three"})
	article := word(r, 90)
	for range 3 {
		context := article + word(r, 10)
		add(Request{Context: context, Continuation: " " + word(r, 7)}, Request{Context: context, Continuation: " " + word(r, 8)})
	}
	long := word(r, 300)
	add(Request{Context: long, Continuation: " " + word(r, 5)}, Request{Context: long, Continuation: " " + word(r, 6)})
	add(Request{Context: "x", Continuation: word(r, 150)}, Request{Context: "x", Continuation: word(r, 149)})
	add(Request{Context: "white space \n ", Continuation: "one"}, Request{Context: "  ", Continuation: "two"})
	add(Request{Context: "a character cut: caf", Continuation: "é"}, Request{Context: "a character cut: caf", Continuation: "è"})
	return items
}

// wanted are the scores of items by whole forward passes, for texts that opening stands
// before.
func wanted(p *oracle, items []Item, opening ...int32) [][]Score {
	var all [][]Score
	for _, item := range items {
		var scores []Score
		for _, r := range item.Requests {
			s := Score{}
			score := func(context, continuation string) (float64, bool) {
				cut := strings.TrimRight(context, " \n") // what is cut off goes to the continuation
				before, after := append(slices.Clone(opening), bytesOf(cut)...), bytesOf(context[len(cut):]+continuation)
				if len(before) == 0 {
					before = []int32{eot}
				}
				ids := append(before, after...)
				s.Tokens, s.Cut = len(after), max(0, len(ids)-p.c.Context-1)
				ids = ids[s.Cut:]
				return p.logProbs(ids, len(ids)-len(after))
			}
			s.LogProb, s.Greedy = score(r.Context, r.Continuation)
			scores = append(scores, s)
		}
		all = append(all, scores)
	}
	return all
}

// checkScores compares the answers to items.
func checkScores(t *testing.T, m *infer.Model, items []Item, wants [][]Score) {
	t.Helper()
	var last, total int64
	s := NewScorer(m, func(done, all int64) { last, total = done, all })
	seen := make([]bool, len(items))
	err := s.Score(t.Context(), items, func(i int, a Answer) error {
		if seen[i] {
			t.Errorf("item %d is answered twice", i)
		}
		seen[i] = true
		if len(a.Scores) != len(wants[i]) {
			t.Fatalf("item %d has %d scores", i, len(a.Scores))
		}
		for j, got := range a.Scores {
			want := wants[i][j]
			if !near(got.LogProb, want.LogProb) || got.Greedy != want.Greedy || got.Tokens != want.Tokens || got.Cut != want.Cut {
				t.Errorf("item %d, request %d: %+v, want %+v", i, j, got, want)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if i := slices.Index(seen, false); i >= 0 {
		t.Errorf("item %d has no answer", i)
	}
	if last != total || total == 0 {
		t.Errorf("progress ends at %d of %d tokens", last, total)
	}
}

// Scores are those of whole forward passes, for every strategy of sharing layers, however
// many sequences the model has room for.
func TestScore(t *testing.T) {
	items := asked()
	for _, strategy := range arch.Strategies() {
		c := small()
		c.LayerSharing.Strategy = strategy
		wants := wanted(newOracle(t, c), items)
		for name, o := range map[string]infer.LoadOptions{"usual": LoadOptions(infer.LoadOptions{}), "one slot": {}, "two slots": {Slots: 2}, "small cache": {Slots: 40, CacheTokens: 320}} {
			t.Run(fmt.Sprintf("%s/%s", strategy, name), func(t *testing.T) { checkScores(t, made(t, c, o, drawn(c)), items, wants) })
		}
	}
}

// A token that opens texts stands before each, but once.
func TestScoreOpened(t *testing.T) {
	c := small()
	items := asked()
	m := madeWith(t, c, tokenizer.Bytes(), LoadOptions(infer.LoadOptions{}), drawn(c))
	checkScores(t, m, items, wanted(newOracle(t, c), items, eot))
	if got := newEncoder(m).encode(tokenizer.EndOfText + "a"); !slices.Equal(got, []int32{eot, 'a'}) {
		t.Errorf("a text that begins with BOS has ids %v", got)
	}
}

// What choices share is computed once.
func TestSharedOnce(t *testing.T) {
	c := small()
	context := strings.Repeat("a", 99)
	item := Item{Requests: []Request{{Context: context, Continuation: " bc"}, {Context: context, Continuation: " bd"}, {Context: context, Continuation: " efg"}}}
	var total int64
	s := NewScorer(made(t, c, LoadOptions(infer.LoadOptions{}), drawn(c)), func(_, all int64) { total = all })
	answer := func(int, Answer) error { return nil }
	if err := s.Score(t.Context(), []Item{item}, answer); err != nil {
		t.Fatal(err)
	}
	// The context and a space, b once for two, e and f.
	if total != 99+1+1+2 {
		t.Errorf("%d tokens are computed, want 103", total)
	}
	// Questions about one text share it.
	other := Item{Requests: []Request{{Context: context, Continuation: " x"}, {Context: context, Continuation: " y"}}}
	if err := s.Score(t.Context(), []Item{item, other}, answer); err != nil {
		t.Fatal(err)
	}
	if total != 103 {
		t.Errorf("%d tokens are computed, want 103", total)
	}
}

// Every choice is as likely for a model that knows nothing: the first of all tokens is
// the greedy one.
func TestScoreTies(t *testing.T) {
	c := small()
	nothing := func(_ string, dst []float32, _ []int) error { clear(dst); return nil }
	s := NewScorer(made(t, c, infer.LoadOptions{Slots: 4}, nothing), nil)
	item := Item{Requests: []Request{{Context: "x", Continuation: "ab"}, {Context: "x", Continuation: "cd"}, {Context: "x", Continuation: "\x00"}}}
	err := s.Score(t.Context(), []Item{item}, func(_ int, a Answer) error {
		each := -math.Log(257)
		for i, want := range []Score{{LogProb: 2 * each, Tokens: 2}, {LogProb: 2 * each, Tokens: 2}, {LogProb: each, Tokens: 1, Greedy: true}} {
			if got := a.Scores[i]; math.Abs(got.LogProb-want.LogProb) > 1e-6 || got.Greedy != want.Greedy || got.Tokens != want.Tokens {
				t.Errorf("request %d: %+v, want %+v", i, got, want)
			}
		}
		if a.Scores[0].LogProb != a.Scores[1].LogProb {
			t.Error("equal choices differ")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestScoreRefuses(t *testing.T) {
	c := small()
	s := NewScorer(made(t, c, infer.LoadOptions{Slots: 2}, drawn(c)), nil)
	for _, tt := range []struct {
		item Item
		want string
	}{
		{Item{ID: "a"}, "item a: there is nothing to score"},
		{Item{ID: "b", Requests: []Request{{Context: "x"}}}, `item b: request 0: the continuation "" has no tokens`},
		{Item{ID: "c", Requests: []Request{{Context: "x", Continuation: strings.Repeat("y", 151)}}}, "item c: request 0: the continuation \"yyyy"},
		{Item{ID: "c", Requests: []Request{{Context: "x", Continuation: strings.Repeat("y", 151)}}}, "has 151 tokens, the model's context 150"},
	} {
		err := s.Score(t.Context(), []Item{tt.item}, nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("error %v, want %q", err, tt.want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := s.Score(ctx, asked(), func(int, Answer) error { n++; cancel(); return nil })
	if err != context.Canceled || n == len(asked()) {
		t.Errorf("after a cancel: %v, %d items", err, n)
	}
	for slot := range s.m.Slots() {
		if len(s.m.Tokens(slot)) > 0 {
			t.Errorf("slot %d still holds tokens", slot)
		}
	}
}

// Examples that do not fit fall away whole, the first first.
func TestShots(t *testing.T) {
	c := small()
	m := made(t, c, infer.LoadOptions{Slots: 2}, drawn(c))
	shots := []string{strings.Repeat("a", 59) + "\n", strings.Repeat("b", 59) + "\n", strings.Repeat("c", 59) + "\n"}
	request := func(context string) []Request { return []Request{{Context: context, Continuation: "de"}} }
	items := []Item{
		{Shots: shots, Requests: request("q:")},                     // two fit
		{Shots: shots, Requests: request(strings.Repeat("d", 140))}, // none
		{Shots: shots[:2], Requests: request("q:")},                 // both
		{Requests: request(shots[1] + shots[2] + "q:")},
	}
	var got [4]Answer
	if err := NewScorer(m, nil).Score(t.Context(), items, func(i int, a Answer) error { got[i] = a; return nil }); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{1, 3, 0, 0} {
		if got[i].Dropped != want {
			t.Errorf("item %d lost %d examples, want %d", i, got[i].Dropped, want)
		}
	}
	if got[0].Scores[0] != got[3].Scores[0] {
		t.Errorf("two examples give %v, the same text as context %v", got[0].Scores[0], got[3].Scores[0])
	}
	prompt := newEncoder(m)
	if _, _, _, err := prompt.prompt(nil, "x"); err == nil || !strings.Contains(err.Error(), "leaves none") {
		t.Errorf("a context less than what is generated: %v", err)
	}
	prompt.context = generated + 70
	ids, dropped, cut, err := prompt.prompt(shots, "q:")
	if err != nil || dropped != 2 || cut != 0 || string(m.Tokenizer.Decode(ids)) != shots[2]+"q:" {
		t.Errorf("a prompt of %q, without %d examples and %d tokens, %v", m.Tokenizer.Decode(ids), dropped, cut, err)
	}
	ids, dropped, cut, err = prompt.prompt(shots, strings.Repeat("x", 80)+"q:")
	if err != nil || dropped != 3 || cut != 12 || len(ids) != 70 {
		t.Errorf("a prompt of %d tokens, without %d examples and %d tokens, %v", len(ids), dropped, cut, err)
	}
}

// A text's windows by both rules.
func TestRoll(t *testing.T) {
	c := small()
	p := newOracle(t, c)
	m := made(t, c, infer.LoadOptions{Slots: 3}, drawn(c))
	text := word(rand.New(rand.NewPCG(9, 9)), 2*150+40)
	ids := bytesOf(text)
	first, _ := p.logProbs(append([]int32{eot}, ids[:150]...), 1)
	second, _ := p.logProbs(ids[149:300], 1)
	third, _ := p.logProbs(ids[340-151:], 111)
	a, _ := p.logProbs(ids[:150], 1)
	b, _ := p.logProbs(ids[150:300], 1)
	short, _ := p.logProbs(append([]int32{eot}, ids[:30]...), 1)
	items := []Item{
		{Requests: []Request{{Continuation: text}}},
		{Requests: []Request{{Continuation: text}}, Windows: true},
		{Requests: []Request{{Continuation: text[:30]}}},
	}
	want := []Score{{LogProb: first + second + third, Tokens: 340}, {LogProb: a + b, Tokens: 298}, {LogProb: short, Tokens: 30}}
	err := NewScorer(m, nil).Roll(t.Context(), items, func(i int, a Answer) error {
		if got := a.Scores[0]; !near(got.LogProb, want[i].LogProb) || got.Tokens != want[i].Tokens {
			t.Errorf("text %d: %+v, want %+v", i, got, want[i])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for text, windows := range map[string]bool{"": false, "short": true} {
		err := NewScorer(m, nil).Roll(t.Context(), []Item{{Requests: []Request{{Continuation: text}}, Windows: windows}}, nil)
		if err == nil {
			t.Errorf("%q gives no error", text)
		}
	}
}

// Texts are generated up to what ends them, many at once.
func TestGenerate(t *testing.T) {
	c := small()
	c.Context = 400
	m := made(t, c, infer.LoadOptions{Slots: 3}, drawn(c))
	var items []Item
	var want []string
	r := rand.New(rand.NewPCG(3, 1))
	for i := range 7 {
		prompt := word(r, 5+r.IntN(40))
		var all []int32
		if err := m.Generate(t.Context(), m.Tokenizer.Prompt(prompt), infer.Options{MaxTokens: generated}, func(id int32) { all = append(all, id) }); err != nil {
			t.Fatal(err)
		}
		text := strings.ToValidUTF8(string(m.Tokenizer.Decode(all)), "�")
		item := Item{ID: fmt.Sprint(i), Requests: []Request{{Context: prompt}}}
		if stop := []rune(text); i > 0 && len(stop) > 3 {
			item.Until = []string{"never there", string(stop[2:4])}
			text, _, _ = strings.Cut(text, item.Until[1])
		}
		items, want = append(items, item), append(want, text)
	}
	err := NewScorer(m, nil).Generate(t.Context(), items, func(i int, a Answer) error {
		if i > 0 && a.Text != want[i] {
			t.Errorf("text %d is %q, want %q", i, a.Text, want[i])
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
