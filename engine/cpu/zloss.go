package cpu

import (
	"mobilellm/engine"
	"mobilellm/engine/op"
)

// zLoss is the term z·lse² of each token's loss in a head that has one, with lse the log
// of the softmax's denominator.
type zLoss struct {
	z    float64        // 0 for none
	out  *engine.Tensor // the term's sum; nil where nobody reads it
	rows []float64      // the term of each row of a chunk
	sum  float64        // over the chunks so far
}

func newZLoss(in *engine.Instr, o op.HeadLossOp) zLoss {
	if o.Z == 0 {
		return zLoss{}
	}
	return zLoss{z: o.Z, out: in.Out[4], rows: make([]float64, min(in.In[0].Rows(), headTokens))}
}

// keep notes the term of a row and returns what the gradient of its softmax is
// multiplied by. lse is 0 for a token that is not supervised.
func (l *zLoss) keep(row int, lse float64) float64 {
	if l.z == 0 {
		return 1
	}
	l.rows[row] = l.z * lse * lse
	return 1 + 2*l.z*lse
}

// add returns the term of a chunk of n rows.
func (l *zLoss) add(n int) float64 {
	if l.z == 0 {
		return 0
	}
	var sum float64
	for _, term := range l.rows[:n] {
		sum += term
	}
	l.sum += sum
	return sum
}

// write makes the operation's part and begins anew.
func (l *zLoss) write(scale *engine.Tensor) {
	if l.out != nil {
		l.out.Float32s()[0] = float32(l.sum * float64(scale.Float32s()[0]))
	}
	l.sum = 0
}
