//go:build linux

package kernels_test

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"mobilellm/engine"
	"mobilellm/engine/cuda/kernels"
	"mobilellm/engine/op"
)

// softmax of x/temperature, and its logarithm, in float64.
func softmax(x []float32, temperature float64) (p, logs []float64) {
	top := math.Inf(-1)
	for _, v := range x {
		top = max(top, float64(v)/temperature)
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v)/temperature - top)
	}
	for _, v := range x {
		l := float64(v)/temperature - top - math.Log(sum)
		p, logs = append(p, math.Exp(l)), append(logs, l)
	}
	return p, logs
}

// lossCase is a chunk of logits; rows of them and of gradients have a gap where
// gap says so.
type lossCase struct {
	rows, vocab, gap int
	inPlace          bool
}

var lossCases = []lossCase{
	{rows: 1, vocab: 5},
	{rows: 3, vocab: 71, gap: 3},
	{rows: 2, vocab: 700, gap: 4},
	{rows: 2, vocab: 5003, inPlace: true}, // several rounds of writes
	{rows: 2, vocab: 5000, inPlace: true},
	{rows: 3, vocab: 70, inPlace: true},
}

const lossScale = 0.25

// loss places the case's operands; targets alternate with one that does not count.
func (c lossCase) loss(g *gpu, d engine.DType) (l kernels.Loss, logits []float32, targets []int32) {
	stride := c.vocab + c.gap
	logits = normal(1, c.rows*stride)
	for i := range logits {
		logits[i] *= 5
	}
	targets = tokens(2, c.rows, c.vocab)
	if c.rows > 1 {
		targets[1] = op.Unsupervised
	}
	l = kernels.Loss{
		Rows: c.rows, Vocab: c.vocab, DType: d, Stride: stride, GradientStride: stride,
		Logits: g.floats(logits, engine.F32), Targets: g.ints(targets),
		Scale: g.floats([]float32{lossScale}, engine.F32), Losses: g.empty(int64(4 * c.rows)),
	}
	if !c.inPlace {
		l.Gradient = g.empty(d.Size() * int64(c.rows*stride))
		return l, logits, targets
	}
	l.Gradient = l.Logits
	if d == engine.BF16 {
		l.GradientStride *= 2
	}
	return l, logits, targets
}

// gradient reads the rows of a gradient without what lies between them.
func (c lossCase) gradient(g *gpu, l kernels.Loss) []float32 {
	var x []float32
	for r := range c.rows {
		x = append(x, g.read(l.Gradient+kernels.Pointer(int64(r*l.GradientStride)*l.DType.Size()), c.vocab, l.DType)...)
	}
	return x
}

func forLosses(t *testing.T, f func(g *gpu, c lossCase, d engine.DType)) {
	for _, c := range lossCases {
		each(t, fmt.Sprintf("%+v", c), func(g *gpu, d engine.DType) { f(g, c, d) })
	}
}

func TestCrossEntropy(t *testing.T) {
	for _, z := range []float32{0, 0.125} {
		t.Run(fmt.Sprint("z ", z), func(t *testing.T) { crossEntropy(t, z) })
	}
}

func crossEntropy(t *testing.T, z float32) {
	forLosses(t, func(g *gpu, c lossCase, d engine.DType) {
		l, logits, targets := c.loss(g, d)
		scored := l
		scored.Gradient, scored.Losses = 0, g.empty(int64(4*c.rows))
		l.Z, l.ZLosses = z, g.empty(int64(4*c.rows))
		total, totalScored := g.empty(4), g.empty(4)
		launches := append(scored.Entropy(), l.Entropy()...)
		launches = append(launches, kernels.SumLosses(total, l.Losses, l.Scale, c.rows)...)
		g.run(append(launches, kernels.SumLosses(totalScored, scored.Losses, l.Scale, c.rows)...))

		var sum float64
		losses, zLosses, gradient := make([]float64, c.rows), make([]float64, c.rows), make([]float64, 0, c.rows*c.vocab)
		for r, target := range targets {
			row := logits[r*l.Stride:][:c.vocab]
			p, logs := softmax(row, 1)
			lse := float64(row[0]) - logs[0]
			for i, v := range p {
				v *= 1 + 2*float64(z)*lse
				switch {
				case target < 0:
					v = 0
				case i == int(target):
					v--
				}
				gradient = append(gradient, lossScale*v)
			}
			if target >= 0 {
				losses[r], zLosses[r] = -logs[target], float64(z)*lse*lse
				sum += lossScale * losses[r]
			}
		}
		g.agree("losses", g.read(l.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
		g.agree("z-losses", g.read(l.ZLosses, c.rows, engine.F32), zLosses, 0, engine.F32, exact)
		g.agree("losses of scoring", g.read(scored.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
		g.agree("loss", g.read(total, 1, engine.F32), []float64{sum}, 0, engine.F32, exact)
		g.agree("loss of scoring", g.read(totalScored, 1, engine.F32), []float64{sum}, 0, engine.F32, exact)
		g.agree("gradient", c.gradient(g, l), gradient, 0, d, exact)
	})
}

// TestHeadLoss takes logits as the head's input, whose weight is the identity, so
// that the operation's dx is their gradient.
func TestHeadLoss(t *testing.T) {
	g, c := newGPU(t), lossCase{rows: 4, vocab: 70}
	l, logits, targets := c.loss(g, engine.F32)
	loss := g.empty(4)
	g.run(append(l.Entropy(), kernels.SumLosses(loss, l.Losses, l.Scale, c.rows)...))
	identity := make([]float32, c.vocab*c.vocab)
	for i := range c.vocab {
		identity[i*c.vocab+i] = 1
	}
	want := plain(t, op.HeadLossOp{}, matrix(logits, c.rows, c.vocab), matrix(identity, c.vocab, c.vocab), vector(targets), gorgonia.NewF64(lossScale))
	g.agree("loss", g.read(loss, 1, engine.F32), want[0], 0, engine.F32, exact)
	g.agree("gradient", c.gradient(g, l), want[1], 0, engine.F32, exact)
}

// TestSumLosses takes more losses than a block has threads.
func TestSumLosses(t *testing.T) {
	g, n := newGPU(t), 3000
	losses := normal(1, n)
	var sum float64
	for _, x := range losses {
		sum += lossScale * float64(x)
	}
	loss := g.empty(4)
	g.run(kernels.SumLosses(loss, g.floats(losses, engine.F32), g.floats([]float32{lossScale}, engine.F32), n))
	g.agree("loss", g.read(loss, 1, engine.F32), []float64{sum}, 0, engine.F32, exact)
}

// distilled is the loss of one token in float64, and its gradient by the logits.
func distilled(x, y []float32, target int32, alpha, temperature float64) (loss, label float64, gradient []float64) {
	p, logs := softmax(x, 1)
	soft, softLogs := softmax(x, temperature)
	q, _ := softmax(y, temperature)
	label = -logs[target]
	var cross float64
	for i := range x {
		cross -= q[i] * softLogs[i]
		hit := 0.0
		if i == int(target) {
			hit = 1
		}
		gradient = append(gradient, alpha*(p[i]-hit)+(1-alpha)*temperature*(soft[i]-q[i]))
	}
	return alpha*label + (1-alpha)*temperature*temperature*cross, label, gradient
}

// TestDistilledGradient checks the oracle by finite differences.
func TestDistilledGradient(t *testing.T) {
	x, y := normal(1, 9), normal(2, 9)
	_, _, gradient := distilled(x, y, 3, 0.3, 2.5)
	const h = 1.0 / 64
	for i, want := range gradient {
		at := x[i]
		x[i] = at + h
		up, _, _ := distilled(x, y, 3, 0.3, 2.5)
		x[i] = at - h
		down, _, _ := distilled(x, y, 3, 0.3, 2.5)
		x[i] = at
		if got := (up - down) / (2 * h); math.Abs(got-want) > 1e-4 {
			t.Errorf("logit %d: gradient %v, differences give %v", i, want, got)
		}
	}
}

func TestDistillation(t *testing.T) {
	for _, mix := range []struct{ alpha, temperature float64 }{{0, 1}, {0.25, 2}} {
		forLosses(t, func(g *gpu, c lossCase, d engine.DType) {
			l, logits, targets := c.loss(g, d)
			stride := c.vocab + 1
			teacher := normal(3, c.rows*stride)
			for i := range teacher {
				teacher[i] *= 4
			}
			labels, pTeacher := g.empty(int64(4*c.rows)), g.floats(teacher, engine.F32)
			scored := l
			scored.Gradient, scored.Losses = 0, g.empty(int64(4*c.rows))
			alpha, temperature := float32(mix.alpha), float32(mix.temperature)
			g.run(append(scored.Distillation(pTeacher, labels, stride, alpha, temperature), l.Distillation(pTeacher, labels, stride, alpha, temperature)...))

			losses, ownLabels := make([]float64, c.rows), make([]float64, c.rows)
			var gradient []float64
			for r, target := range targets {
				own := make([]float64, c.vocab)
				if target >= 0 {
					losses[r], ownLabels[r], own = distilled(logits[r*l.Stride:][:c.vocab], teacher[r*stride:][:c.vocab], target, mix.alpha, mix.temperature)
				}
				for _, v := range own {
					gradient = append(gradient, lossScale*v)
				}
			}
			g.agree("losses", g.read(l.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
			g.agree("losses of scoring", g.read(scored.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
			g.agree("labels", g.read(labels, c.rows, engine.F32), ownLabels, 0, engine.F32, exact)
			g.agree("gradient", c.gradient(g, l), gradient, 0, d, exact)
		})
	}
}

func TestDistillationTop(t *testing.T) {
	for _, mix := range []struct {
		alpha, temperature float64
		k                  int
	}{{0, 1, 1}, {0.25, 2, 5}} {
		forLosses(t, func(g *gpu, c lossCase, d engine.DType) {
			l, logits, targets := c.loss(g, d)
			k := mix.k
			logProbs, ids := normal(3, c.rows*k), make([]int32, c.rows*k)
			for i := range ids {
				ids[i] = int32((i*i*977 + i%k) % c.vocab)
				if i%k > 0 { // distinct in a row
					ids[i] = (ids[i-1] + 1 + int32(c.vocab/7)) % int32(c.vocab)
				}
			}
			labels := g.empty(int64(4 * c.rows))
			pIDs, pLogProbs := g.ints(ids), g.floats(logProbs, engine.F32)
			alpha, temperature := float32(mix.alpha), float32(mix.temperature)
			scored := l
			scored.Gradient, scored.Losses = 0, g.empty(int64(4*c.rows))
			g.run(append(scored.DistillationTop(pIDs, pLogProbs, labels, k, alpha, temperature), l.DistillationTop(pIDs, pLogProbs, labels, k, alpha, temperature)...))

			losses, ownLabels := make([]float64, c.rows), make([]float64, c.rows)
			var gradient []float64
			for r, target := range targets {
				own := make([]float64, c.vocab)
				if target >= 0 {
					teacher := filled(c.vocab, float32(math.Inf(-1)))
					for i := range k {
						teacher[ids[r*k+i]] = logProbs[r*k+i]
					}
					losses[r], ownLabels[r], own = distilled(logits[r*l.Stride:][:c.vocab], teacher, target, mix.alpha, mix.temperature)
				}
				for _, v := range own {
					gradient = append(gradient, lossScale*v)
				}
			}
			g.agree("losses", g.read(l.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
			g.agree("losses of scoring", g.read(scored.Losses, c.rows, engine.F32), losses, 0, engine.F32, exact)
			g.agree("labels", g.read(labels, c.rows, engine.F32), ownLabels, 0, engine.F32, exact)
			g.agree("gradient", c.gradient(g, l), gradient, 0, d, exact)
		})
	}
}

func TestTopLogProbs(t *testing.T) {
	for _, c := range []struct{ rows, vocab, stride, k int }{{1, 3, 3, 3}, {3, 2000, 2003, 7}} {
		g := newGPU(t)
		logits := normal(1, c.rows*c.stride)
		for i := range logits {
			logits[i] = float32(math.Round(float64(8*logits[i]))) / 8 // so that some are equal
		}
		logProbs, ids := g.empty(int64(4*c.rows*c.k)), g.empty(int64(4*c.rows*c.k))
		g.run(kernels.TopLogProbs(logProbs, ids, g.floats(logits, engine.F32), c.rows, c.vocab, c.stride, c.k))
		var want, wantIDs []float64
		for r := range c.rows {
			x := logits[r*c.stride:][:c.vocab]
			_, logs := softmax(x, 1)
			order := make([]int, c.vocab)
			for i := range order {
				order[i] = i
			}
			slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(x[j], x[i]) })
			for _, id := range order[:c.k] {
				want, wantIDs = append(want, logs[id]), append(wantIDs, float64(id))
			}
		}
		g.agree("log-probabilities", g.read(logProbs, c.rows*c.k, engine.F32), want, 0, engine.F32, exact)
		g.agree("ids", g.read(ids, c.rows*c.k, engine.F32), wantIDs, 0, engine.F32, 0)
	}
}
