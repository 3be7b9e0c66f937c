// Package op holds the differentiable operations of a language model as nodes
// of a gorgonia graph.
//
// Each operation implements gorgonia.Op and gorgonia.SDOp: it infers types and
// shapes, says how it is differentiated in terms of other operations of this
// package, and carries in Do a plain Go version of itself. Do is the oracle of
// every fast kernel (engine/cpu) and lets a graph run on
// gorgonia's own TapeMachine; training runs on engine.VM, which never calls it.
//
// The operations are coarse: Embedding, Linear, RMSNorm, Attention, SwiGLU,
// ReLU, Add and HeadLoss are a whole LLaMA block and its loss; DistilLoss is the
// loss with a teacher. Shapes use one alphabet: N = B·T tokens, C model width,
// E a teacher's width, H heads, K kv heads, D head size, F FFN width, V
// vocabulary, O outputs of a matmul.
//
// # Packed results
//
// A gorgonia operation returns one value. An operation with several results
// returns them end to end in one vector, and Part i reads the i-th; an executor
// treats parts as views. By convention only part 0 of a packed value may take
// a gradient; the other parts are byproducts for the backward pass, so the
// gradient of part 0 is passed on as the gradient of the packed value itself.
//
// # Traits
//
// What executors and devices must know of an operation besides, it states by
// optional interfaces: which results are bf16 ([Rounder]) or can be added to what
// is there ([Accumulator]), when they are made again ([Recomputer], [Remaker]), which
// inputs are weights of matmuls ([Multiplier]), how many FLOPs those take
// ([FLOPCounter]).
//
// # Names
//
// Every operation carries its scope in the model ("17.attn"). It is part of the
// node's hash: gorgonia merges nodes of equal hash, and two layers must never
// be merged by an unlucky 32-bit collision. Profiles show it too.
package op
