package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() {
	engine.Register(compilers, (*Device).headLoss)
	engine.Register(compilers, (*Device).distilLoss)
	engine.Register(compilers, (*Device).distilTopLoss)
}

// headBytes bounds the logits of a chunk of tokens: so large that the matmuls with
// the gradient of the logits fill a large GPU.
const headBytes = 1 << 30

// headChunk is the number of tokens whose logits exist at once, at least 128.
func (d *Device) headChunk(n, stride int) int {
	return min(n, max(128, d.opt.HeadBytes/(4*stride)/128*128))
}

// headLoss goes through the tokens in chunks: logits by a matmul, their
// cross-entropy and its gradient in their place, and the gradients of x and w by
// two matmuls.
func (d *Device) headLoss(in *engine.Instr, o op.HeadLossOp) (engine.Kernel, error) {
	h, err := d.newHead(in)
	if err != nil {
		return nil, err
	}
	h.z = float32(o.Z)
	return h.compile(d)
}

// distilLoss is headLoss with a teacher: the cross-entropy is distillation against
// logits made likewise.
func (d *Device) distilLoss(in *engine.Instr, o op.DistilLossOp) (engine.Kernel, error) {
	h, err := d.newHead(in)
	if err != nil {
		return nil, err
	}
	if h.teacher, err = h.newTeacher(o.Distillation); err != nil {
		return nil, err
	}
	return h.compile(d)
}

// distilTopLoss is distilLoss against the log-probabilities that were stored.
func (d *Device) distilTopLoss(in *engine.Instr, o op.DistilTopLossOp) (engine.Kernel, error) {
	h, err := d.newHead(in)
	if err != nil {
		return nil, err
	}
	h.stored = &storedTeacher{rule: o.Distillation, ids: in.In[4], logProbs: in.In[5], labels: h.take(4 * int64(h.n))}
	return h.compile(d)
}

func (d *Device) newHead(in *engine.Instr) (*head, error) {
	x := in.In[0]
	w, _, err := weightsFor(in.In[1:2], x)
	if err != nil {
		return nil, err
	}
	h := &head{in: in, n: x.Rows(), c: x.Cols(), vocab: w.Rows(), t: w.DType, w: w, targets: in.In[2], scale: in.In[3]}
	// Rows begin at multiples of 16 bytes in either type.
	h.stride = (h.vocab + 7) &^ 7
	h.chunk = d.headChunk(h.n, h.stride)
	h.gradStride = h.stride
	if h.t == engine.BF16 {
		h.gradStride = 2 * h.stride // within the logits' own rows
	}
	h.x = operandOf(x, h.t, &h.layout)
	h.losses = h.take(2 * 4 * int64(h.n)) // and behind them those of z
	h.logits = h.take(4 * int64(h.chunk) * int64(h.stride))
	return h, nil
}

// compile plans the matmuls of the chunks.
func (h *head) compile(d *Device) (engine.Kernel, error) {
	var workspace int64
	for _, rows := range h.sizes() {
		p, err := h.plans(d, rows)
		if err != nil {
			return nil, err
		}
		h.chunks = append(h.chunks, p)
		workspace = max(workspace, p.workspace())
	}
	h.work = h.take(workspace)
	return &kernel{d: d, scratch: h.taken(), list: h.list}, nil
}

// head is a compiled HeadLoss.
type head struct {
	layout
	in                 *engine.Instr
	n, c, vocab        int
	chunk              int
	stride, gradStride int          // elements from row to row of logits and their gradient
	t                  engine.DType // of matmuls
	x                  operand
	w, targets, scale  *engine.Tensor
	chunks             []headPlans
	losses, logits     kernels.Pointer
	z                  float32 // coefficient of the z-loss, 0 for none
	work               kernels.Pointer
	teacher            *teacherHead // nil without a teacher
	stored             *storedTeacher
}

// teacherHead makes a teacher's logits.
type teacherHead struct {
	rule           op.Distillation
	hidden         operand
	w              *engine.Tensor
	logits, labels kernels.Pointer
}

// storedTeacher is what was stored of a teacher: log-probabilities [N,k] and their
// tokens.
type storedTeacher struct {
	rule          op.Distillation
	ids, logProbs *engine.Tensor
	labels        kernels.Pointer
}

// loss is that of a chunk from token first on.
func (s *storedTeacher) loss(l kernels.Loss, first int, labels kernels.Pointer) []kernels.Launch {
	k := s.logProbs.Cols()
	from := kernels.Pointer(4 * first * k)
	return l.DistillationTop(at(s.ids)+from, at(s.logProbs)+from, labels+kernels.Pointer(4*first), k,
		float32(s.rule.Alpha), float32(s.rule.Temperature))
}

func (h *head) newTeacher(rule op.Distillation) (*teacherHead, error) {
	w, _, err := weightsFor(h.in.In[5:6], h.in.In[4])
	if err != nil {
		return nil, err
	}
	return &teacherHead{
		rule: rule, hidden: operandOf(h.in.In[4], w.DType, &h.layout), w: w,
		labels: h.take(4 * int64(h.n)), logits: h.take(4 * int64(h.chunk) * int64(h.stride)),
	}, nil
}

// headPlans are the matmuls of a chunk; dx and dw are nil where nobody reads
// them.
type headPlans struct {
	rows                    int
	logits, dx, dw, teacher Plan
}

func (p headPlans) workspace() int64 {
	var n int64
	for _, q := range []Plan{p.logits, p.dx, p.dw, p.teacher} {
		if q != nil {
			n = max(n, q.Workspace())
		}
	}
	return n
}

// sizes are the rows of the chunks.
func (h *head) sizes() []int {
	var s []int
	for first := 0; first < h.n; first += h.chunk {
		s = append(s, min(h.chunk, h.n-first))
	}
	return s
}

func (h *head) plans(d *Device, rows int) (p headPlans, err error) {
	p.rows = rows
	dx, dw := h.in.Out[1], h.in.Out[2]
	align := alignment(arenaAlignment, offset(h.w), pitch(h.c, h.t)*int64(h.chunk))
	p.logits, err = d.plan(Product{
		M: rows, N: h.vocab, K: h.c, AB: h.t, C: engine.F32, TransB: true, LDA: h.c, LDB: h.c, LDC: h.stride, Align: align,
	})
	if err != nil {
		return p, err
	}
	if t := h.teacher; t != nil {
		e := t.w.Cols()
		p.teacher, err = d.plan(Product{
			M: rows, N: h.vocab, K: e, AB: t.w.DType, C: engine.F32, TransB: true, LDA: e, LDB: e, LDC: h.stride,
			Align: alignment(arenaAlignment, offset(t.w), pitch(e, t.w.DType)*int64(h.chunk)),
		})
		if err != nil {
			return p, err
		}
	}
	if dx != nil {
		p.dx, err = d.plan(Product{
			M: rows, N: h.c, K: h.vocab, AB: h.t, C: dx.DType, LDA: h.gradStride, LDB: h.c, LDC: h.c,
			Align: alignment(int64(align), pitch(h.c, dx.DType)*int64(h.chunk)),
		})
		if err != nil {
			return p, err
		}
	}
	if dw != nil {
		p.dw, err = d.plan(Product{
			M: h.vocab, N: h.c, K: rows, AB: h.t, C: engine.F32, TransA: true, LDA: h.gradStride, LDB: h.c, LDC: h.c,
			Align: alignment(int64(align), offset(dw)),
		})
	}
	return p, err
}

func (h *head) list(c *commands) {
	x, logits, losses, work := h.x.read(c), c.piece(h.logits), c.piece(h.losses), c.piece(h.work)
	dx, dw := h.in.Out[1], h.in.Out[2]
	zLosses := losses + 4*kernels.Pointer(h.n)
	var hidden, labels, teacher kernels.Pointer
	if h.teacher != nil {
		hidden, labels, teacher = h.teacher.hidden.read(c), c.piece(h.teacher.labels), c.piece(h.teacher.logits)
	}
	if h.stored != nil {
		labels = c.piece(h.stored.labels)
	}
	first := 0
	for i, p := range h.chunks {
		rows := kernels.Pointer(first)
		xs := x + rows*kernels.Pointer(pitch(h.c, h.t))
		c.multiply(p.logits, xs, at(h.w), logits, work, false)
		loss := kernels.Loss{
			Rows: p.rows, Vocab: h.vocab, DType: h.t, Stride: h.stride, GradientStride: h.gradStride,
			Logits: logits, Targets: at(h.targets) + 4*rows, Scale: at(h.scale), Losses: losses + 4*rows,
		}
		if p.dx != nil || p.dw != nil {
			loss.Gradient = logits
		}
		if h.z != 0 {
			loss.Z, loss.ZLosses = h.z, zLosses+4*rows
		}
		switch t := h.teacher; {
		case t != nil:
			c.multiply(p.teacher, hidden+rows*kernels.Pointer(pitch(t.w.Cols(), t.w.DType)), at(t.w), teacher, work, false)
			c.launch(loss.Distillation(teacher, labels+4*rows, h.stride, float32(t.rule.Alpha), float32(t.rule.Temperature)))
		case h.stored != nil:
			c.launch(h.stored.loss(loss, first, labels))
		default:
			c.launch(loss.Entropy())
		}
		if p.dx != nil {
			c.multiply(p.dx, logits, at(h.w), at(dx)+rows*kernels.Pointer(pitch(h.c, dx.DType)), work, false)
		}
		if p.dw != nil {
			c.multiply(p.dw, logits, xs, at(dw), work, i > 0 || c.adds(h.in, 2))
		}
		first += p.rows
	}
	if loss := h.in.Out[0]; loss != nil {
		n := h.n
		if h.z != 0 {
			n *= 2
		}
		c.launch(kernels.SumLosses(at(loss), losses, at(h.scale), n))
	}
	if h.z != 0 && h.in.Out[4] != nil {
		c.launch(kernels.SumLosses(at(h.in.Out[4]), zLosses, at(h.scale), h.n))
	}
	switch last := h.in.Out[3]; {
	case last == nil:
	case labels != 0:
		c.launch(kernels.SumLosses(at(last), labels, at(h.scale), h.n))
	default:
		c.launch(kernels.Negate(at(last), losses, h.n))
	}
}
