package cuda

import (
	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

func init() { engine.Register(compilers, (*Device).topLogProbs) }

// topLogProbs makes what is stored of a teacher, the top-k log-probabilities of
// each token and their ids, from the logits of a chunk of tokens at a time.
func (d *Device) topLogProbs(in *engine.Instr, o op.TopLogProbsOp) (engine.Kernel, error) {
	k := o.K
	x := in.In[0]
	w, _, err := weightsFor(in.In[1:2], x)
	if err != nil {
		return nil, err
	}
	n, c, vocab := x.Rows(), x.Cols(), w.Rows()
	stride := (vocab + 7) &^ 7
	chunk := d.headChunk(n, stride)
	var l layout
	hidden := operandOf(x, w.DType, &l)
	made := l.take(4 * int64(chunk) * int64(stride))
	pairs := l.take(2 * 4 * int64(n) * int64(k)) // for a part that nobody reads
	var plans []Plan
	var workspace int64
	for first := 0; first < n; first += chunk {
		p, err := d.plan(Product{
			M: min(chunk, n-first), N: vocab, K: c, AB: w.DType, C: engine.F32, TransB: true, LDA: c, LDB: c, LDC: stride,
			Align: alignment(arenaAlignment, offset(w), pitch(c, w.DType)*int64(chunk)),
		})
		if err != nil {
			return nil, err
		}
		plans, workspace = append(plans, p), max(workspace, p.Workspace())
	}
	work := l.take(workspace)
	return &kernel{d: d, scratch: l.taken(), list: func(cs *commands) {
		xs, logits := hidden.read(cs), cs.piece(made)
		logProbs, ids := cs.piece(pairs), cs.piece(pairs)+kernels.Pointer(4*n*k)
		if in.Out[0] != nil {
			logProbs = at(in.Out[0])
		}
		if in.Out[1] != nil {
			ids = at(in.Out[1])
		}
		for i, p := range plans {
			first := i * chunk
			cs.multiply(p, xs+kernels.Pointer(first)*kernels.Pointer(pitch(c, w.DType)), at(w), logits, cs.piece(work), false)
			to := kernels.Pointer(4 * first * k)
			cs.launch(kernels.TopLogProbs(logProbs+to, ids+to, logits, min(chunk, n-first), vocab, stride, k))
		}
	}}, nil
}
