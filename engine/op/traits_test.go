package op

import (
	"fmt"
	"reflect"
	"testing"

	"gorgonia.org/tensor"

	"mobilellm/internal/quant"
)

// stated is what an operation states of itself, for the parts and inputs that it
// has in this test.
type stated struct {
	rounds, accumulates []bool // of each part
	recompute           Recompute
	remakes             string // parts that are made again from another
	weights             [][]int
	stacks              bool
	flops               int64
}

// The traits of each kind, for N = 6 tokens of width 8 and a vocabulary, or
// outputs of a matmul, of 10.
func TestTraits(t *testing.T) {
	const n, c, o = 6, 8, 10
	x, w, y, v, scalar := tensor.Shape{n, c}, tensor.Shape{o, c}, tensor.Shape{n, o}, tensor.Shape{c}, tensor.ScalarShape()
	h := Heads{Batch: 2, Seq: 3, Heads: 4, KVHeads: 2, HeadDim: 6}
	qkv := tensor.Shape{n, h.Width()}
	scores := int64(h.Batch * h.Heads * h.Seq * h.Seq * h.HeadDim)
	const product = 2 * n * c * o
	teacher := []tensor.Shape{x, w, {n}, scalar, {n, 5}, {o, 5}}
	yes, no := []bool{true}, []bool{false}
	for _, test := range []struct {
		op   Op
		in   []tensor.Shape
		want stated
	}{
		{AddOp{}, []tensor.Shape{x, x}, stated{rounds: no, accumulates: no}},
		{EmbeddingOp{}, []tensor.Shape{w, {n}}, stated{rounds: no, accumulates: no}},
		{EmbeddingGradOp{Vocab: o}, []tensor.Shape{{n}, x}, stated{rounds: no, accumulates: yes}},
		{LinearOp{weights: 1}, []tensor.Shape{x, w}, stated{rounds: yes, accumulates: yes, weights: [][]int{{1}}, flops: product}},
		{LinearOp{weights: 2}, []tensor.Shape{x, {4, c}, {6, c}}, stated{rounds: yes, accumulates: yes, weights: [][]int{{1, 2}}, flops: product}},
		{LinearGradInputOp{weights: 2}, []tensor.Shape{y, {4, c}, {6, c}}, stated{rounds: yes, accumulates: yes, weights: [][]int{{1, 2}}, flops: product}},
		{LinearGradWeightOp{Rows: []int{4, 6}}, []tensor.Shape{y, x}, stated{rounds: []bool{false, false}, accumulates: []bool{true, true}, stacks: true, flops: product}},
		{RMSNormOp{}, []tensor.Shape{x, v}, stated{rounds: []bool{true, true, false}, accumulates: []bool{false, false, false}, remakes: "0"}},
		{RMSNormGradOp{}, []tensor.Shape{x, x, {n}, v}, stated{rounds: []bool{false, false}, accumulates: []bool{true, true}}},
		{ScaleOp{}, []tensor.Shape{x, v}, stated{rounds: yes, accumulates: no}},
		{Round("0", WithBlock), []tensor.Shape{w}, stated{rounds: yes, accumulates: no}},
		{Round("0", Always), []tensor.Shape{w}, stated{rounds: yes, accumulates: no, recompute: Always}},
		{SwiGLUOp{}, []tensor.Shape{x}, stated{rounds: yes, accumulates: no, recompute: Always}},
		{SwiGLUGradOp{}, []tensor.Shape{x, {n, c / 2}}, stated{rounds: yes, accumulates: no}},
		{ReLUOp{}, []tensor.Shape{x}, stated{rounds: yes, accumulates: no, recompute: Always}},
		{ReLUGradOp{}, []tensor.Shape{x, x}, stated{rounds: yes, accumulates: no}},
		{QuantizeOp{}, []tensor.Shape{x}, stated{rounds: yes, accumulates: no, recompute: Always}},
		{QuantizeGradOp{}, []tensor.Shape{x, x}, stated{rounds: yes, accumulates: no}},
		{QuantizeGradOp{Rule: quant.Rule{Scaled: true}}, []tensor.Shape{w, w}, stated{rounds: no, accumulates: yes}},
		{LearnedQuantizeOp{}, []tensor.Shape{w, {o}}, stated{rounds: no, accumulates: no, recompute: Always}},
		{LearnedQuantizeGradOp{}, []tensor.Shape{w, {o}, w}, stated{rounds: []bool{false, false}, accumulates: []bool{true, true}}},
		{AttentionOp{Heads: h}, []tensor.Shape{qkv}, stated{rounds: []bool{true, false}, accumulates: []bool{false, false}, recompute: WithAttention, flops: 2 * scores}},
		{AttentionGradOp{Heads: h}, []tensor.Shape{qkv, qkv, y, qkv}, stated{rounds: yes, accumulates: no, flops: 4 * scores}},
		{QKNormOp{}, []tensor.Shape{qkv, {h.HeadDim}, {h.HeadDim}}, stated{rounds: yes, accumulates: no, recompute: Always}},
		{QKNormGradOp{}, []tensor.Shape{qkv, qkv, {h.HeadDim}, {h.HeadDim}}, stated{rounds: []bool{true, false, false}, accumulates: []bool{false, true, true}}},
		{HeadLossOp{}, []tensor.Shape{x, w, {n}, scalar}, stated{rounds: []bool{false, true, false, false}, accumulates: []bool{false, false, true, false}, weights: [][]int{{1}}, flops: 3 * product}},
		{HeadLossOp{Z: 1e-4}, []tensor.Shape{x, w, {n}, scalar}, stated{rounds: []bool{false, true, false, false, false}, accumulates: []bool{false, false, true, false, false}, weights: [][]int{{1}}, flops: 3 * product}},
		{DistilLossOp{}, teacher, stated{rounds: []bool{false, true, false, false}, accumulates: []bool{false, false, true, false}, weights: [][]int{{1}, {5}}, flops: 3*product + 2*n*5*o}},
		{DistilTopLossOp{}, teacher, stated{rounds: []bool{false, true, false, false}, accumulates: []bool{false, false, true, false}, weights: [][]int{{1}}, flops: 3 * product}},
		{TopLogProbsOp{K: 3}, []tensor.Shape{x, w}, stated{rounds: []bool{false, false}, accumulates: []bool{false, false}, weights: [][]int{{1}}, flops: product}},
	} {
		t.Run(fmt.Sprintf("%+v/%d inputs", test.op, len(test.in)), func(t *testing.T) {
			parts := test.op.Parts(test.in)
			got := stated{
				recompute: RecomputeOf(test.op), weights: Weights(test.op, len(test.in)), stacks: Stacks(test.op),
				flops: FLOPs(test.op, test.in, parts),
			}
			for i := range parts {
				got.rounds, got.accumulates = append(got.rounds, Rounds(test.op, i)), append(got.accumulates, Accumulates(test.op, i))
				if r, ok := Remakes(test.op); ok {
					if _, ok := r.Remake(i); ok {
						got.remakes += fmt.Sprint(i)
					}
				}
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("states %+v, want %+v", got, test.want)
			}
		})
	}
}

// A head that nobody reads the gradients of makes the logits alone.
func TestFLOPsOfScoring(t *testing.T) {
	in := []tensor.Shape{{6, 8}, {10, 8}, {6}, tensor.ScalarShape()}
	for _, o := range []Op{HeadLossOp{}, DistilTopLossOp{}} {
		out := o.Parts(in)
		out[1], out[2] = nil, nil
		if got := FLOPs(o, in, out); got != 2*6*8*10 {
			t.Errorf("%T: %d FLOPs for scoring, want %d", o, got, 2*6*8*10)
		}
	}
}
