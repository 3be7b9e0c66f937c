package cpu

import (
	"math"
	"unsafe"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(kernels, newDistilLoss)
	engine.Register(kernels, newDistilTopLoss)
}

// distilLoss is a headLoss whose rows are compared with a teacher's
// distribution too. The matmuls are the head's own; soft replaces the loss of a
// row.
type distilLoss struct {
	engine.Kernel // the head: inputs 0 to 3 and parts 0 to 2 are those of headloss
	soft          *softLoss
	own           int64 // scratch memory of the head, ahead of soft's
}

// softLoss is a teacher beside a head: its logits, or its top-k
// log-probabilities of each token.
type softLoss struct {
	d      *Device
	in     *engine.Instr
	rule   op.Distillation
	logits *chunkLogits // nil where log-probabilities are stored
	labels []float64    // label loss of each row of a chunk
	label  float64      // of the chunks so far

	layout           layout
	chunk            int64 // the teacher's logits of a chunk
	rows, rowsOne    int64 // for each worker: a row of the vocabulary and two of k
	scratch          unsafe.Pointer
	vocab, perWorker int
}

func newDistilLoss(d *Device, in *engine.Instr, o op.DistilLossOp) (engine.Kernel, error) {
	s := newSoftLoss(d, in, o.Distillation)
	var err error
	if s.logits, err = newChunkLogits(d, in.In[4], in.In[5], in.In[0].DType, &s.layout); err != nil {
		return nil, err
	}
	s.chunk = s.layout.take(4 * int64(len(s.labels)) * int64(s.vocab))
	return newDistilHead(d, in, s)
}

func newDistilTopLoss(d *Device, in *engine.Instr, o op.DistilTopLossOp) (engine.Kernel, error) {
	s := newSoftLoss(d, in, o.Distillation)
	s.perWorker = 2 * in.In[5].Cols()
	return newDistilHead(d, in, s)
}

func newSoftLoss(d *Device, in *engine.Instr, rule op.Distillation) *softLoss {
	return &softLoss{d: d, in: in, rule: rule, labels: make([]float64, min(in.In[0].Rows(), headTokens)), vocab: in.In[1].Rows()}
}

func newDistilHead(d *Device, in *engine.Instr, s *softLoss) (engine.Kernel, error) {
	s.rowsOne = aligned(4 * int64(s.vocab+s.perWorker))
	s.rows = s.layout.take(s.rowsOne * int64(d.Workers()))
	head, err := newSoftHead(d, in, s)
	if err != nil {
		return nil, err
	}
	return &distilLoss{Kernel: head, soft: s, own: aligned(head.Scratch())}, nil
}

// newSoftHead is the head, whose rows s compares.
func newSoftHead(d *Device, in *engine.Instr, s *softLoss) (engine.Kernel, error) {
	if in.In[0].DType == engine.BF16 && d.pairs {
		return newDistilHeadBF16(d, in, s), nil
	}
	head, err := newFullHeadLoss(d, in, s)
	if err != nil {
		return nil, err
	}
	return head, nil
}

func (k *distilLoss) Scratch() int64 { return k.own + k.soft.layout.size }

func (k *distilLoss) Run(scratch unsafe.Pointer, accumulating bool) {
	s := k.soft
	s.scratch, s.label = unsafe.Add(scratch, k.own), 0
	if s.logits != nil {
		s.logits.prepare(s.scratch)
	}
	k.Kernel.Run(scratch, accumulating)
	if label := s.in.Out[3]; label != nil {
		label.Float32s()[0] = float32(s.label * float64(s.in.In[3].Float32s()[0]))
	}
}

// begin makes what the rows of a chunk are compared with.
func (s *softLoss) begin(c *headChunk) {
	if s.logits != nil {
		s.logits.run(c.first, c.n, s.scratch, unsafe.Add(s.scratch, s.chunk))
	}
}

// end sums up the label losses of a chunk's rows.
func (s *softLoss) end(c *headChunk) {
	for _, e := range s.labels[:c.n] {
		s.label += e
	}
}

// row is a worker's row of the vocabulary.
func (s *softLoss) row(worker int) []float32 {
	return matrixAt[float32](unsafe.Add(s.scratch, s.rows), int64(worker)*s.rowsOne, s.vocab)
}

// distilTokenLoss is tokenLoss with a teacher: α·label + (1−α)·τ²·soft. With z
// the logits, the gradient of z is
//
//	α·(softmax(z) − 1[target]) + (1−α)·τ·(softmax(z/τ) − p)
//
// times the loss's scale.
func distilTokenLoss[E elem](k *headLoss, worker, token, r int, logits, gradients unsafe.Pointer) float64 {
	s := k.soft
	target := k.in.In[2].Ids()[token]
	g := gradientRow[E](k, r, gradients)
	s.labels[r] = 0
	if target < 0 {
		clear(g[:min(cap(g), even(len(g)))])
		return 0
	}
	x := matrixAt[float32](logits, int64(4*r*s.vocab), s.vocab)
	logit, top := x[target], largest(x)
	var cross, soft, label float32
	if s.logits != nil {
		cross, soft, label = fullTeacher(s, worker, r, int(target), x, g, top)
	} else {
		cross, soft, label = topTeacher(s, worker, token, int(target), x, g, top)
	}
	if g != nil {
		clear(g[len(g):min(cap(g), even(len(g)))]) // the last pair's other half
	}
	s.labels[r] = math.Log(float64(label)) + float64(top-logit)
	t := s.rule.Temperature
	softLoss := math.Log(float64(soft)) + float64(top-cross)/t
	return s.rule.Alpha*s.labels[r] + (1-s.rule.Alpha)*t*t*softLoss
}

// fullTeacher returns the teacher's mean of the logits x and the sums of
// exp((x−top)/τ) and exp(x−top), and writes the gradient to g unless that is
// nil. It uses up x, where g may lie, and the teacher's row.
func fullTeacher[E elem](s *softLoss, worker, r, target int, x []float32, g []E, top float32) (cross, soft, label float32) {
	t := matrixAt[float32](unsafe.Add(s.scratch, s.chunk), int64(4*r*s.vocab), s.vocab)
	weight := s.in.In[3].Float32s()[0]
	alpha, temperature := float32(s.rule.Alpha), float32(s.rule.Temperature)
	inverse := 1 / temperature
	sum := expSum(t, t, inverse, largest(t)*inverse)
	cross = dot(t, x) / sum
	if temperature == 1 {
		label = expSum(x, x, 1, top)
		if g != nil {
			a, c := weight/label, weight*(1-alpha)/sum
			hit := a*x[target] - c*t[target] - weight*alpha
			combine(g, a, x, -c, t)
			set(&g[target], hit)
		}
		return cross, label, label
	}
	row := s.row(worker)
	soft = expSum(row, x, inverse, top*inverse)
	label = expSum(x, x, 1, top)
	if g != nil {
		a, c := weight*alpha/label, weight*(1-alpha)*temperature
		combine(t, c/soft, row, -c/sum, t)
		hit := a*x[target] + t[target] - weight*alpha
		combine(g, a, x, 1, t)
		set(&g[target], hit)
	}
	return cross, soft, label
}

// topTeacher is fullTeacher by the stored log-probabilities: the gradient is the
// student's but at k tokens.
func topTeacher[E elem](s *softLoss, worker, token, target int, x []float32, g []E, top float32) (cross, soft, label float32) {
	k := s.in.In[5].Cols()
	ids, logp := s.in.In[4].Ids()[token*k:(token+1)*k], rowOf[float32](s.in.In[5], token)
	own := matrixAt[float32](unsafe.Add(s.scratch, s.rows), int64(worker)*s.rowsOne+int64(4*s.vocab), 2*k)
	p, hits := own[:k], own[k:]
	weight := s.in.In[3].Float32s()[0]
	alpha, temperature := float32(s.rule.Alpha), float32(s.rule.Temperature)
	inverse := 1 / temperature
	sum := expSum(p, logp, inverse, largest(logp)*inverse)
	for i, id := range ids {
		cross += p[i] * x[id]
	}
	cross /= sum
	var row []float32
	a, b, c := weight, float32(0), weight*(1-alpha)*temperature/sum
	if temperature != 1 {
		row = s.row(worker)
		soft = expSum(row, x, inverse, top*inverse)
		a, b = weight*alpha, weight*(1-alpha)*temperature/soft
	}
	label = expSum(x, x, 1, top)
	a /= label
	if g != nil {
		at := func(id int) float32 {
			y := a * x[id]
			if row != nil {
				y += b * row[id]
			}
			if id == target {
				y -= weight * alpha
			}
			return y
		}
		hit := at(target)
		for i, id := range ids {
			hits[i] = at(int(id)) - c*p[i]
		}
		if row != nil {
			combine(g, a, x, b, row)
		} else {
			scale(g, a, x)
		}
		set(&g[target], hit)
		for i, id := range ids {
			set(&g[id], hits[i])
		}
	}
	if row == nil {
		soft = label
	}
	return cross, soft, label
}

func combinePlain[D elem](dst []D, a float32, x []float32, b float32, y []float32) {
	for i := range dst {
		set(&dst[i], a*x[i]+b*y[i])
	}
}
