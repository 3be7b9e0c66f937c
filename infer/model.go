package infer

import (
	"cmp"
	"errors"
	"fmt"
	"sync"

	"gorgonia.org/tensor"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/engine"
	"mobilellm/engine/op"
	"mobilellm/infer/grammar"
	"mobilellm/tokenizer"
)

// Device is what a model needs of the machine that computes it.
type Device interface {
	engine.Device
	// For runs f(worker, i) for every i below n on the device's workers.
	For(n int, f func(worker, i int))
	// Workers is their number.
	Workers() int
}

// LoadOptions say how a model is held.
type LoadOptions struct {
	// Precision is the type of the weights: float32, or bf16, which halves what is read
	// for each token.
	Precision engine.Precision
	// AsStored takes bf16, whatever Precision says, where the file's matrices are bf16,
	// which loses nothing of them, and the device keeps such.
	AsStored bool
	// Quantize is what runs in 8 bits; nothing by default, of a file that has weights in 8
	// bits either.
	Quantize Quantization
	// CacheType is the type of the KV cache, F32 or BF16.
	CacheType engine.DType
	// Context is the most tokens of a sequence; 0 for the model's own, which it does
	// not exceed.
	Context int
	// Slots is the number of sequences; 0 for one.
	Slots int
	// CacheTokens is how many tokens the KV cache holds for all sequences together; 0 for
	// a whole context of each. It is rounded up to blocks, and holds one context at least.
	CacheTokens int
}

// SetTypes sets the types of weights and cache by their names: float32 or bf16, and of
// weights auto, as they are stored, or bf16 where the others are quantised; and what is
// quantised, as [ParseQuantization] reads it. An error begins with precision, kv-type or
// quantize.
func (o *LoadOptions) SetTypes(weights, cache, quantize string) (err error) {
	if o.Quantize, err = ParseQuantization(quantize); err != nil {
		return fmt.Errorf("quantize: %w", err)
	}
	switch o.AsStored = false; {
	case weights != "auto":
	case o.Quantize.Rounds():
		weights = engine.PrecisionBF16.String()
	default:
		o.AsStored = true
		weights = engine.PrecisionF32.String()
	}
	if o.Precision, err = engine.ParsePrecision(weights); err != nil {
		return fmt.Errorf("precision: %w, or auto", err)
	}
	c, err := engine.ParsePrecision(cache)
	if err != nil {
		return fmt.Errorf("kv-type: %w", err)
	}
	if o.CacheType = engine.F32; c == engine.PrecisionBF16 {
		o.CacheType = engine.BF16
	}
	return nil
}

// Types names those of the weights: float32, bf16, or w8a8 and what the embedding and the
// head are in, as "w8a8, bf16".
func (o LoadOptions) Types() string {
	switch q := o.Quantize; {
	case !q.Rounds():
		return o.Precision.String()
	case q.Head:
		return q.String()
	default:
		return q.String() + ", " + o.Precision.String()
	}
}

// Model is a model in memory, with its tokenizer. It is not safe for concurrent
// use.
type Model struct {
	Config    arch.Config
	Tokenizer *tokenizer.Tokenizer

	dev       Device
	precision engine.Precision
	quantized Quantization
	weights   *engine.Weights
	context   int
	control   func() map[int32]bool // tokens that are no text
	vocab     func() *grammar.Vocabulary
	slots     []slot
	forward   forward
	runs      int // of the model, so far
}

// slot is a sequence: the tokens whose keys and values are in the cache.
type slot struct {
	tokens []int32
	run    int // the last that it had a step in
}

// forward computes new tokens.
type forward interface {
	// run computes step.Tokens, which follow the slot's, and hands out the logits, some
	// rows at once, by each.
	run(steps []Step, each func(n int, f func(i int))) error
	// room reports that the cache does not hold what steps add to it.
	room(steps []Step) error
	// truncate forgets a slot's tokens from the n-th on.
	truncate(slot, n int)
	// fork makes an empty slot hold what another does.
	fork(from, to int)
	close() error
}

// Load reads the model at path, which [checkpoint.Open] opens.
func Load(path string, dev Device, o LoadOptions) (*Model, error) {
	return LoadAdapted(path, "", dev, o)
}

// LoadAdapted is Load with the adapter at a path merged into the weights; empty for none.
func LoadAdapted(path, adapter string, dev Device, o LoadOptions) (_ *Model, err error) {
	folder, err := checkpoint.OpenWith(path, adapter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	return FromCheckpoint(folder, dev, o)
}

// FromCheckpoint reads an open model, which can be closed then.
func FromCheckpoint(folder *checkpoint.Model, dev Device, o LoadOptions) (*Model, error) {
	if _, packs := dev.(engine.Packer); packs && o.AsStored && folder.StoresBF16() {
		o.Precision = engine.PrecisionBF16
	}
	// The tokenizer is read beside the weights.
	read := make(chan error, 1)
	var tok *tokenizer.Tokenizer
	go func() {
		var err error
		tok, err = folder.Tokenizer()
		read <- err
	}()
	o.Quantize = o.Quantize.of(folder)
	from := source{whole: folder.LoadInto, int8: folder}
	if folder.HasParts() {
		from.part = folder.LoadPart
	}
	m, err := newModel(folder.Config, nil, dev, o, from)
	if err := cmp.Or(<-read, err); err != nil {
		if m != nil {
			err = errors.Join(err, m.Close())
		}
		return nil, err
	}
	m.Tokenizer = tok
	return m, nil
}

// New makes a model of weights that load reads, each by its name, as float32, row-major.
// load is called from several goroutines.
func New(c arch.Config, tok *tokenizer.Tokenizer, dev Device, o LoadOptions, load func(name string, dst []float32, shape []int) error) (*Model, error) {
	return newModel(c, tok, dev, o, source{whole: load})
}

// source is what weights are read from: whole, and, where part is not nil, the elements
// from the first-th on.
type source struct {
	whole func(name string, dst []float32, shape []int) error
	part  func(name string, first int, dst []float32, shape []int) error
	int8  *checkpoint.Model // that may hold matrices in 8 bits; nil for none
}

// stored reads a matrix that is held in 8 bits; nil for another.
func (s source) stored(name string) func(row int, q []int8, scales []float32) error {
	if s.int8 == nil || !s.int8.StoresInt8(name) {
		return nil
	}
	return func(row int, q []int8, scales []float32) error { return s.int8.LoadInt8(name, row, q, scales) }
}

func (s source) read(p engine.Parameter, first int, dst []float32) error {
	if len(dst) == tensor.Shape(p.Shape).TotalSize() {
		return s.whole(p.Name, dst, p.Shape)
	}
	return s.part(p.Name, first, dst, p.Shape)
}

// maxSlots bounds what a table of all slots' cache blocks may take.
const maxSlots = 1 << 16

func newModel(c arch.Config, tok *tokenizer.Tokenizer, dev Device, o LoadOptions, from source) (*Model, error) {
	if o.Slots > maxSlots {
		return nil, fmt.Errorf("slots (%d) must be at most %d", o.Slots, maxSlots)
	}
	m := &Model{Config: c, Tokenizer: tok, dev: dev, slots: make([]slot, max(o.Slots, 1))}
	m.control = sync.OnceValue(func() map[int32]bool { return controls(m.Tokenizer) })
	m.vocab = sync.OnceValue(func() *grammar.Vocabulary { return grammar.NewVocabulary(m.Tokenizer) })
	var err error
	if m.context, err = m.contextFor(o.Context); err != nil {
		return nil, err
	}
	if c, err = m.rounded(&o, &from); err != nil {
		return nil, err
	}
	var list []engine.Parameter
	for _, p := range c.Parameters() {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	m.precision, m.quantized = o.Precision, o.Quantize
	packer, packs := dev.(engine.Packer)
	if !packs {
		if err := m.loadWhole(list, o, from); err != nil {
			return nil, err
		}
		return m, nil
	}
	if m.weights, err = engine.LoadPacked(packer, list, o.typed(c, from), dev.Workers(), from.read, from.part != nil); err != nil {
		return nil, err
	}
	if m.forward, err = newCached(m, o); err != nil {
		return nil, errors.Join(err, m.weights.Close())
	}
	return m, nil
}

// contextFor is the longest sequence: the model's context or less. Keys that a dynamic
// RoPE turned by one length cannot be turned by another, so that it ends where it would
// begin to stretch.
func (m *Model) contextFor(asked int) (int, error) {
	most := m.Config.Context
	if s := m.Config.RoPE().Scaling; s.Kind == op.DynamicRoPE {
		most = min(most, s.Original)
	}
	if asked < 0 || asked > most {
		return 0, fmt.Errorf("context (%d) must lie between 1 and the model's %d", asked, most)
	}
	if asked == 0 {
		return most, nil
	}
	return asked, nil
}

// loadWhole holds the weights for a device without kernels for the cache.
func (m *Model) loadWhole(list []engine.Parameter, o LoadOptions, from source) (err error) {
	if o.Quantize.Layers() {
		return fmt.Errorf("%s has no kernels for %s\nhint: --quantize none computes with the weights as float32", m.dev.Name(), o.Quantize)
	}
	if o.Precision != engine.PrecisionF32 || o.CacheType != engine.F32 {
		return fmt.Errorf("%s has no kernels for a KV cache: it generates in float32 only", m.dev.Name())
	}
	if m.weights, err = engine.NewWeights(m.dev, list, engine.WeightOptions{}); err != nil {
		return err
	}
	m.forward = newWhole(m)
	for _, p := range list {
		if err := engine.Fill(m.weights.Value(p.Name), func(dst []float32) error { return from.whole(p.Name, dst, p.Shape) }); err != nil {
			return errors.Join(err, m.Close())
		}
	}
	m.weights.Changed()
	return nil
}

// Note is what the user should know of the model's tokenizer; empty for nothing.
func (m *Model) Note() string { return m.Tokenizer.Beyond(m.Config.VocabSize) }

// Precision is the type of the weights in memory that are not quantised.
func (m *Model) Precision() engine.Precision { return m.precision }

// Types names those of the weights in memory, as [LoadOptions.Types] does.
func (m *Model) Types() string {
	return LoadOptions{Precision: m.precision, Quantize: m.quantized}.Types()
}

// Vocabulary is that of the tokenizer, for grammars of what the model may write.
func (m *Model) Vocabulary() *grammar.Vocabulary { return m.vocab() }

// Context is the most tokens of a sequence.
func (m *Model) Context() int { return m.context }

// Slots is the number of sequences.
func (m *Model) Slots() int { return len(m.slots) }

// Bytes is the memory of the weights.
func (m *Model) Bytes() int64 { return m.weights.Bytes() }

// CacheBytes is the memory that a token takes in the KV cache; 0 without one.
func (m *Model) CacheBytes() int64 {
	c, ok := m.forward.(*cached)
	if !ok {
		return 0
	}
	return 2 * int64(c.cache.Layers*c.cache.KVHeads*c.cache.HeadDim) * c.tensor.DType.Size()
}

// Close frees the model's memory; the device stays.
func (m *Model) Close() error { return errors.Join(m.forward.close(), m.weights.Close()) }

// CacheTokens is how many tokens the KV cache holds for all sequences together, in whole
// blocks of [op.CacheBlock]; 0 without one.
func (m *Model) CacheTokens() int {
	c, ok := m.forward.(*cached)
	if !ok {
		return 0
	}
	return c.cache.Blocks * op.CacheBlock
}

// Step is new tokens of a sequence.
type Step struct {
	Slot   int
	Tokens []int32
	// Last is the number of Tokens, the last ones, whose logits are wanted; 0 for one.
	Last int
	// Logits is given the logits [V] that follow Tokens[i]. They are valid until it
	// returns. Nil where none are wanted.
	Logits func(i int, logits []float32)
}

// firstWanted is the first of Tokens whose logits are wanted.
func (s *Step) firstWanted() int {
	if s.Logits == nil {
		return len(s.Tokens)
	}
	return max(0, len(s.Tokens)-max(s.Last, 1))
}

// Forward computes new tokens of several sequences, at most one step of each slot, and
// hands out their logits in order. No sequence becomes longer than the context. A run
// that fails leaves its slots empty.
func (m *Model) Forward(steps []Step) error { return m.run(steps, inOrder) }

// ForwardParallel is Forward, but the steps' Logits are called by the device's workers,
// several at once and in no order, and may change the logits that they are given.
func (m *Model) ForwardParallel(steps []Step) error {
	return m.run(steps, func(n int, f func(i int)) { m.dev.For(n, func(_, i int) { f(i) }) })
}

func inOrder(n int, f func(i int)) {
	for i := range n {
		f(i)
	}
}

func (m *Model) run(steps []Step, each func(n int, f func(i int))) error {
	m.runs++
	for _, s := range steps {
		if s.Slot < 0 || s.Slot >= len(m.slots) {
			return fmt.Errorf("infer: slot %d of %d", s.Slot, len(m.slots))
		}
		if m.slots[s.Slot].run == m.runs {
			return fmt.Errorf("infer: slot %d has two steps", s.Slot)
		}
		m.slots[s.Slot].run = m.runs
		if n := len(m.slots[s.Slot].tokens) + len(s.Tokens); n > m.context {
			return fmt.Errorf("infer: %d tokens are more than the context of %d", n, m.context)
		}
		if err := engine.CheckIDs(s.Tokens, m.Config.VocabSize); err != nil {
			return fmt.Errorf("infer: %w", err)
		}
	}
	if err := m.forward.room(steps); err != nil {
		return fmt.Errorf("infer: %w", err)
	}
	err := m.forward.run(steps, each)
	if err != nil { // what the cache holds is not known any more
		for _, s := range steps {
			m.Truncate(s.Slot, 0)
		}
	}
	return err
}

// Tokens are those of a slot so far. They must not be changed.
func (m *Model) Tokens(slot int) []int32 { return m.slots[slot].tokens }

// Truncate forgets the tokens of a slot from the n-th on.
func (m *Model) Truncate(slot, n int) {
	m.slots[slot].tokens = m.slots[slot].tokens[:n]
	m.forward.truncate(slot, n)
}

// Fork makes slot to hold the tokens of slot from, and forgets what it held. They share
// the blocks of the KV cache: one that is written to by a sequence is copied first if
// another has it too.
func (m *Model) Fork(from, to int) {
	if from == to {
		return
	}
	m.Truncate(to, 0)
	m.slots[to].tokens = append(m.slots[to].tokens, m.slots[from].tokens...)
	m.forward.fork(from, to)
}

// vectors are kernels on one row of logits that a device may have.
type vectors interface {
	Largest(x []float32) float32
	LogSumExp(x []float32) float64
}

// Largest is the largest of a row of logits. Several workers may call it at once.
func (m *Model) Largest(logits []float32) float32 {
	if d, ok := m.dev.(vectors); ok {
		return d.Largest(logits)
	}
	return logits[likeliest(logits)]
}

// LogSumExp is log Σ exp(logits), in float32 where the device has a kernel for it. It
// changes the logits. Several workers may call it at once.
func (m *Model) LogSumExp(logits []float32) float64 {
	if d, ok := m.dev.(vectors); ok {
		return d.LogSumExp(logits)
	}
	return logSumExp(logits)
}

// Logits are the scores [V] of the token that follows ids, valid until the next
// call. Of more ids than the context only the last count. It takes slot 0.
func (m *Model) Logits(ids []int32) ([]float32, error) {
	if len(ids) == 0 {
		return nil, errors.New("infer: there is no token to go on from")
	}
	ids = ids[max(0, len(ids)-m.context):]
	n := min(agree(m.slots[0].tokens, ids), len(ids)-1)
	m.Truncate(0, n)
	var logits []float32
	err := m.Forward([]Step{{Tokens: ids[n:], Logits: func(_ int, l []float32) { logits = l }}})
	return logits, err
}

// agree is how many tokens a and b begin with in common.
func agree(a, b []int32) int {
	n := 0
	for n < min(len(a), len(b)) && a[n] == b[n] {
		n++
	}
	return n
}
