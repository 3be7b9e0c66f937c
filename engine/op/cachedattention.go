package op

import (
	"fmt"
	"hash"
	"math"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// CacheBlock is the number of positions of a block of a KV cache, the unit in which
// it is given to sequences; keyGroup is the number of keys that lie transposed
// together.
const (
	CacheBlock = 64
	keyGroup   = 16
)

// Cache are the sizes of a KV cache and of an attention that reads it. It holds the
// rotated keys and the values of every position of the schedule, block after block
// of [CacheBlock] positions of one sequence:
//
//	block, layer, kv head, keys [CacheBlock/16, D, 16], values [CacheBlock, D]
//
// 16 keys lie transposed, so that their scores are lanes of one vector and a sum's
// order does not depend on what else is computed.
type Cache struct {
	Heads   int // H query heads
	KVHeads int // K key and value heads
	HeadDim int // D
	RoPE    RoPE
	Layers  int // positions of the schedule
	Context int // most positions of a sequence
	Blocks  int // that the cache has
}

// Shape is the cache's as a matrix of rows of D elements.
func (c Cache) Shape() tensor.Shape {
	return tensor.Shape{c.Blocks * c.Layers * c.KVHeads * 2 * CacheBlock, c.HeadDim}
}

// Table is the number of blocks that a sequence of Context positions has.
func (c Cache) Table() int { return (c.Context + CacheBlock - 1) / CacheBlock }

// Width is the number of columns of q, k and v together: (H+2K)·D.
func (c Cache) Width() int { return (c.Heads + 2*c.KVHeads) * c.HeadDim }

// Keys is where the keys of a block's kv head begin, in elements; the values follow
// after CacheBlock·D.
func (c Cache) Keys(block, layer, kv int) int {
	return ((block*c.Layers+layer)*c.KVHeads + kv) * 2 * CacheBlock * c.HeadDim
}

// Key is where element d of the key of a position lies, counted from its block's keys.
func (c Cache) Key(position, d int) int {
	return (position/keyGroup*c.HeadDim+d)*keyGroup + position%keyGroup
}

// Value is where the value of a position begins, counted from its block's keys.
func (c Cache) Value(position int) int { return (CacheBlock + position) * c.HeadDim }

// CachedAttentionOp is causal self-attention of new tokens on those before, whose
// keys and values are in a KV cache, where the new ones are written too. Its rows may
// be of several sequences, of each some or one, in the order of their positions.
type CachedAttentionOp struct {
	scope
	Cache
	Layer int // position in the schedule
}

// CachedAttention returns out[N,H·D] of qkv[N,(H+2K)·D], and writes their keys and
// values to cache, which has [Cache.Shape]. Token n is at position positions[n] of
// the sequence in row sequences[n] of table, the numbers of a sequence's blocks,
// [S·Table()]; a negative row marks a token that is none, whose result is 0.
func CachedAttention(at string, qkv, cache, positions, sequences, table *gorgonia.Node, layer int, c Cache) (*gorgonia.Node, error) {
	return apply(CachedAttentionOp{scope(at), c, layer}, qkv, cache, positions, sequences, table)
}

func (o CachedAttentionOp) Kind() string { return "cachedattention" }
func (o CachedAttentionOp) Arity() int   { return 5 }
func (o CachedAttentionOp) Type() hm.Type {
	return fnType(matrix, matrix, matrix, ids, ids, ids)
}
func (o CachedAttentionOp) WriteHash(h hash.Hash) { writeHash(h, o, o.Cache, o.Layer) }
func (o CachedAttentionOp) Hashcode() uint32      { return hashcode(o) }
func (o CachedAttentionOp) String() string        { return string(o.scope) + ".cachedattention" }

// OverwritesInput implements gorgonia.Op: the cache.
func (CachedAttentionOp) OverwritesInput() int { return 1 }

// Parts implements Op.
func (o CachedAttentionOp) Parts(in []tensor.Shape) []tensor.Shape {
	return []tensor.Shape{{in[0][0], o.Heads * o.HeadDim}}
}

func (o CachedAttentionOp) InferShape(in ...gorgonia.DimSizer) (tensor.Shape, error) {
	return inferShape(o, in)
}

func (o CachedAttentionOp) check(in []tensor.Shape) error {
	heads := AttentionOp{Heads: Heads{Batch: 1, Seq: in[0][0], Heads: o.Heads, KVHeads: o.KVHeads, HeadDim: o.HeadDim, RoPE: o.RoPE}}
	if err := heads.check(in[:1]); err != nil {
		return err
	}
	switch n := in[0][0]; {
	case o.Layer < 0 || o.Layer >= o.Layers:
		return fmt.Errorf("layer %d of %d", o.Layer, o.Layers)
	case o.Context < 1:
		return fmt.Errorf("a context of %d positions", o.Context)
	case !in[1].Eq(o.Cache.Shape()):
		return fmt.Errorf("cache is %v, want %v", in[1], o.Cache.Shape())
	case in[2][0] != n || in[3][0] != n:
		return fmt.Errorf("positions are %v and sequences %v of %d tokens", in[2], in[3], n)
	case in[4][0]%o.Table() != 0:
		return fmt.Errorf("table is %v, no multiple of %d blocks", in[4], o.Table())
	}
	return nil
}

// Check reports the first token whose sequence, position or block is not there.
func (o CachedAttentionOp) Check(positions, sequences, table []int32) error {
	for n, s := range sequences {
		if s < 0 {
			continue
		}
		p := int(positions[n])
		if p < 0 || p >= o.Context || (int(s)+1)*o.Table() > len(table) {
			return fmt.Errorf("token %d is at position %d of sequence %d: the cache has %d sequences of %d positions", n, p, s, len(table)/o.Table(), o.Context)
		}
		for i, b := range table[int(s)*o.Table():][:p/CacheBlock+1] {
			if b < 0 || int(b) >= o.Blocks {
				return fmt.Errorf("token %d: block %d of sequence %d is %d, the cache has %d", n, i, s, b, o.Blocks)
			}
		}
	}
	return nil
}

// Do is the plain version. A position or block that is not there is an error.
func (o CachedAttentionOp) Do(v ...gorgonia.Value) (gorgonia.Value, error) {
	positions, sequences, table := v[2].Data().([]int32), v[3].Data().([]int32), v[4].Data().([]int32)
	if err := o.Check(positions, sequences, table); err != nil {
		return nil, fmt.Errorf("op: cached attention %s: %w", o.scope, err)
	}
	return evaluate(o, v,
		func(a operands[float32]) { cachedAttention(o, a) },
		func(a operands[float64]) { cachedAttention(o, a) })
}

func cachedAttention[T Float](o CachedAttentionOp, a operands[T]) {
	d, w, group := o.HeadDim, o.Width(), o.Heads/o.KVHeads
	qkv, cache, positions, sequences, table := a.in[0], a.in[1], a.idsOf[2], a.idsOf[3], a.idsOf[4]
	cos, sin := o.RoPE.Table(o.Context, d)
	turned := func(x []T, position int) []T {
		y, p := make([]T, d), position*d/2
		rotate(y, x[:d], cos[p:p+d/2], sin[p:p+d/2], 1)
		return y
	}
	keys := func(n, position, kv int) int {
		return o.Keys(int(table[int(sequences[n])*o.Table()+position/CacheBlock]), o.Layer, kv)
	}
	for n, s := range sequences {
		if s < 0 {
			continue
		}
		p := int(positions[n])
		for kv := range o.KVHeads {
			at, k := keys(n, p, kv), qkv[n*w+(o.Heads+kv)*d:]
			for i, x := range turned(k, p) {
				cache[at+o.Key(p%CacheBlock, i)] = x
				cache[at+o.Value(p%CacheBlock)+i] = k[o.KVHeads*d+i]
			}
		}
	}
	scale := T(1 / math.Sqrt(float64(d)))
	for n, s := range sequences {
		if s < 0 {
			continue
		}
		last := int(positions[n])
		for i := range o.Heads {
			q, score := turned(qkv[n*w+i*d:], last), make([]T, last+1)
			largest := T(math.Inf(-1))
			for p := range score {
				at := keys(n, p, i/group)
				for j, x := range q {
					score[p] += scale * x * cache[at+o.Key(p%CacheBlock, j)]
				}
				largest = max(largest, score[p])
			}
			var sum T
			for p, x := range score {
				score[p] = T(math.Exp(float64(x - largest)))
				sum += score[p]
			}
			out := a.out[(n*o.Heads+i)*d:][:d]
			for p, x := range score {
				at := keys(n, p, i/group)
				for j := range out {
					out[j] += x / sum * cache[at+o.Value(p%CacheBlock)+j]
				}
			}
		}
	}
}
