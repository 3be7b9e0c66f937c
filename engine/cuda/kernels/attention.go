package kernels

import (
	"fmt"
	"math"

	"mobilellm/engine"
)

// MaxHeadDim is the largest head size.
const MaxHeadDim = 256

// Attention is causal attention with RoPE and grouped queries, scaled by 1/√D.
// With B sequences of T tokens, N = B·T: qkv[N,(H+2K)·D] holds the query heads,
// the key heads and the value heads; out is [N,H·D], lse[N,H] float32. cos and
// sin are float32 [T,D/2]. starts, int32 [N], may be 0; else query t of a sequence
// sees the keys s with starts[t] ≤ s ≤ t.
type Attention struct {
	Batch, Seq, Heads, KVHeads, HeadDim int          // B, T, H, K, D
	DType                               engine.DType // of qkv, out and their gradients
	Plain                               bool         // no tensor cores
}

// Check reports a shape that the kernels cannot take.
func (a Attention) Check() error {
	switch {
	case a.HeadDim <= 0 || a.HeadDim%2 != 0 || a.HeadDim > MaxHeadDim:
		return fmt.Errorf("head size %d, want an even number up to %d", a.HeadDim, MaxHeadDim)
	case a.KVHeads <= 0 || a.Heads%a.KVHeads != 0:
		return fmt.Errorf("%d heads do not divide into %d kv heads", a.Heads, a.KVHeads)
	}
	return nil
}

// tensorCores reports whether the attention runs on tensor cores.
func (a Attention) tensorCores() bool {
	return !a.Plain && a.DType == engine.BF16 && a.HeadDim%8 == 0 && a.HeadDim <= 128
}

func (a Attention) tokens() int { return a.Batch * a.Seq }

// rotated is the size of queries and keys with RoPE applied, [N,(H+K)·D].
func (a Attention) rotated() int64 {
	return aligned(int64(a.tokens()*(a.Heads+a.KVHeads)*a.HeadDim) * a.DType.Size())
}

// Scratch is the number of bytes that Forward wants.
func (a Attention) Scratch() int64 { return a.rotated() }

// GradientScratch is the number of bytes that Backward wants: rotated queries and
// keys, and delta[N,H].
func (a Attention) GradientScratch() int64 {
	return a.rotated() + aligned(4*int64(a.tokens()*a.Heads))
}

// shape ends the parameters of the attention kernels.
func (a Attention) shape(starts Pointer) []uint64 {
	return []uint64{
		addr(starts), number(a.Seq), number(a.Heads), number(a.KVHeads), number(a.HeadDim),
		float(float32(1 / math.Sqrt(float64(a.HeadDim)))),
	}
}

// rope applies RoPE to queries and keys.
func (a Attention) rope(rotated, qkv, cos, sin Pointer) Launch {
	heads := a.Heads + a.KVHeads
	return launch(typed("rope", a.DType), a.tokens(), rowThreads(heads*a.HeadDim/2, 4),
		addr(rotated), addr(qkv), addr(cos), addr(sin), number(a.Seq), number(heads), number(a.HeadDim), number((a.Heads+2*a.KVHeads)*a.HeadDim))
}

// Forward makes out and, unless that is 0, lse.
//
//	rope_T(rotated, qkv, cos, sin, t, heads, d, width)
//	attention_V(out, lse, rotated, qkv, starts, t, h, k, d, scale)
//
// V is bf16_d32, d64, d96 or d128, the head size rounded up, on tensor cores and
// plain_f32_d64, plain_bf16_d64, d128 or d256 elsewhere.
func (a Attention) Forward(qkv, starts, cos, sin, out, lse, scratch Pointer) []Launch {
	g := a.geometry()
	l := Launch{
		Kernel: "attention_" + g.variant,
		Grid:   [3]int{ceil(a.Seq, g.queries), a.Heads, a.Batch}, Block: [3]int{plainThreads, 1, 1}, Shared: g.forward,
		Args: append([]uint64{addr(out), addr(lse), addr(scratch), addr(qkv)}, a.shape(starts)...),
	}
	return []Launch{a.rope(scratch, qkv, cos, sin), l}
}

// Backward makes dqkv of the forward pass's operands and results and of dout.
//
//	rope_T(rotated, qkv, cos, sin, t, heads, d, width)
//	attention_delta_T(delta, out, dout, n·h, d)
//	attention_dq_V(dqkv, rotated, qkv, dout, lse, delta, cos, sin, starts, t, h, k, d, scale)
//	attention_dkv_V(the same)
func (a Attention) Backward(qkv, out, lse, dout, starts, cos, sin, dqkv, scratch Pointer) []Launch {
	g := a.geometry()
	delta := scratch.at(a.rotated())
	rows := a.tokens() * a.Heads
	args := append([]uint64{addr(dqkv), addr(scratch), addr(qkv), addr(dout), addr(lse), addr(delta), addr(cos), addr(sin)}, a.shape(starts)...)
	return []Launch{
		a.rope(scratch, qkv, cos, sin),
		launch(typed("attention_delta", a.DType), ceil(rows, warps), Threads, addr(delta), addr(out), addr(dout), number(rows), number(a.HeadDim)),
		{Kernel: "attention_dq_" + g.variant, Grid: [3]int{ceil(a.Seq, g.gradQueries), a.Heads, a.Batch}, Block: [3]int{plainThreads, 1, 1}, Shared: g.dq, Args: args},
		{Kernel: "attention_dkv_" + g.variant, Grid: [3]int{ceil(a.Seq, g.gradKeys), a.KVHeads, a.Batch}, Block: [3]int{plainThreads, 1, 1}, Shared: g.dkv, Args: args},
	}
}
