package infer

import (
	"errors"
	"fmt"

	"gorgonia.org/gorgonia"

	"mobilellm/arch"
	"mobilellm/checkpoint"
	"mobilellm/engine"
	"mobilellm/tokenizer"
)

// Device is what a model needs of the machine that computes it.
type Device interface {
	engine.Device
	// For runs f(worker, i) for every i below n on the device's workers.
	For(n int, f func(worker, i int))
}

// Model is a model in memory, with its tokenizer. It is not safe for concurrent
// use.
type Model struct {
	Config    arch.Config
	Tokenizer *tokenizer.Tokenizer

	dev      Device
	weights  *engine.Weights
	programs map[int]*program // by padded length
	logits   []float32        // [V]
}

// program computes, for so many tokens, what the head reads or, on a device whose
// memory the host cannot touch, the logits of all.
type program struct {
	graph *arch.Graph
	vm    *engine.VM
	out   *gorgonia.Node
	away  []float32 // what is copied from such a device, [T,V]
}

// Load reads a model that [checkpoint.Open] opens: its shape, the weights, which are
// held in float32, and the tokenizer.
func Load(path string, dev Device) (_ *Model, err error) {
	folder, err := checkpoint.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	tok, err := folder.Tokenizer()
	if err != nil {
		return nil, err
	}
	m := &Model{
		Config: folder.Config, Tokenizer: tok, dev: dev, programs: map[int]*program{}, logits: make([]float32, folder.Config.VocabSize),
	}
	var list []engine.Parameter
	for _, p := range m.Config.Parameters() {
		list = append(list, engine.Parameter{Name: p.Name, Shape: p.Shape})
	}
	if m.weights, err = engine.NewWeights(dev, list, engine.WeightOptions{}); err != nil {
		return nil, err
	}
	for _, p := range list {
		load := func(dst []float32) error { return folder.LoadInto(p.Name, dst, p.Shape) }
		if err := engine.Fill(m.weights.Value(p.Name), load); err != nil {
			return nil, errors.Join(err, m.Close())
		}
	}
	m.weights.Changed()
	return m, nil
}

// Note is what the user should know of the model's tokenizer; empty for nothing.
func (m *Model) Note() string { return m.Tokenizer.Beyond(m.Config.VocabSize) }

// Close frees the model's memory; the device stays.
func (m *Model) Close() error {
	var errs []error
	for _, p := range m.programs {
		errs = append(errs, p.vm.Close())
	}
	clear(m.programs)
	return errors.Join(append(errs, m.weights.Close())...)
}

// shortest is the length of the smallest program.
const shortest = 16

// paddedLength is the least power of two that holds n tokens, at most the
// context. Attention looks back only, so what follows the last token changes
// nothing.
func (m *Model) paddedLength(n int) int {
	length := shortest
	for length < n {
		length *= 2
	}
	return min(length, m.Config.Context)
}

func (m *Model) program(length int) (*program, error) {
	if p := m.programs[length]; p != nil {
		return p, nil
	}
	p := new(program)
	var err error
	if _, remote := m.dev.(engine.Remote); remote {
		if p.graph, err = m.Config.BuildLogits(1, length); err == nil {
			p.out, p.away = p.graph.Logits, make([]float32, length*m.Config.VocabSize)
		}
	} else if p.graph, err = m.Config.BuildHidden(1, length); err == nil {
		p.out = p.graph.Hidden
	}
	if err != nil {
		return nil, err
	}
	if p.vm, err = engine.Compile(engine.Program{Outputs: []*gorgonia.Node{p.out}, Weights: m.weights}, m.dev, engine.Options{}); err != nil {
		return nil, err
	}
	m.programs[length] = p
	return p, nil
}

// Logits are the scores [V] of the token that follows ids, valid until the next
// call. Of more ids than the model's context only the last count.
func (m *Model) Logits(ids []int32) ([]float32, error) {
	if len(ids) == 0 {
		return nil, errors.New("infer: there is no token to go on from")
	}
	ids = ids[max(0, len(ids)-m.Config.Context):]
	if err := engine.CheckIDs(ids, m.Config.VocabSize); err != nil {
		return nil, fmt.Errorf("infer: %w", err)
	}
	p, err := m.program(m.paddedLength(len(ids)))
	if err != nil {
		return nil, err
	}
	padded := make([]int32, m.paddedLength(len(ids)))
	copy(padded, ids)
	if err := engine.Write(p.vm.Input(p.graph.Tokens), padded); err != nil {
		return nil, err
	}
	if err := p.vm.RunAll(); err != nil {
		return nil, err
	}
	out, last := p.vm.Output(p.out), len(ids)-1
	if p.away == nil {
		m.head(out.Float32s()[last*m.Config.Dim:][:m.Config.Dim])
		return m.logits, nil
	}
	if err := engine.Read(out, p.away); err != nil {
		return nil, err
	}
	copy(m.logits, p.away[last*len(m.logits):])
	return m.logits, nil
}

// headRows is the number of rows of the head that a worker takes at a time.
const headRows = 256

// head multiplies the hidden state x [C] of the last token with the output matrix
// [V,C].
func (m *Model) head(x []float32) {
	name := arch.HeadName
	if m.Config.ShareEmbedding {
		name = arch.EmbeddingName
	}
	w, c := m.weights.Value(name).Float32s(), len(x)
	m.dev.For((len(m.logits)+headRows-1)/headRows, func(_, i int) {
		for row := i * headRows; row < min((i+1)*headRows, len(m.logits)); row++ {
			m.logits[row] = dot(w[row*c:][:c], x)
		}
	})
}

func dot(a, b []float32) float32 {
	var s [4]float32
	n := len(a) &^ 3
	for i := 0; i < n; i += 4 {
		u, v := a[i:i+4:i+4], b[i:i+4:i+4]
		s[0] += u[0] * v[0]
		s[1] += u[1] * v[1]
		s[2] += u[2] * v[2]
		s[3] += u[3] * v[3]
	}
	for i := n; i < len(a); i++ {
		s[0] += a[i] * b[i]
	}
	return s[0] + s[1] + s[2] + s[3]
}
