package train

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"unsafe"

	"mobilellm/arch"
	"mobilellm/checkpoint/safetensors"
	"mobilellm/optim"
)

// A sharded run (optim.shard, ZeRO's first stage: Rajbhandari et al., 2020) keeps the moments
// of each parameter with one rank, its owner, which alone updates it. All else is as in any run
// of several ranks, and so is every bit of the result.

// shards says whether moments are divided among ranks.
func (c *RunConfig) shards() bool { return c.Optim.Shard && c.ranks > 1 }

// owners divides whole parameters among ranks, the largest first, each to the rank that has
// the least.
func owners(params []arch.Parameter, ranks int) map[string]int {
	sorted := slices.Clone(params)
	slices.SortStableFunc(sorted, func(a, b arch.Parameter) int { return cmp.Compare(b.Size(), a.Size()) })
	owner, load := map[string]int{}, make([]int64, ranks)
	for _, p := range sorted {
		least := 0
		for rank, n := range load {
			if n < load[least] {
				least = rank
			}
		}
		owner[p.Name] = least
		load[least] += p.Size()
	}
	return owner
}

// owned are the parameters that this rank updates.
func (r *run) owned() []optim.Param {
	if r.owner == nil {
		return r.trained
	}
	return slices.DeleteFunc(slices.Clone(r.trained), func(p optim.Param) bool { return r.owner[p.Name] != r.rank() })
}

// agreed is whether something is done that all ranks have to do together, as rank 0 says.
// Where they need not, it is done by rank 0 alone.
func (r *run) agreed(due bool, err error) (bool, error) {
	if r.owner == nil {
		return due && r.ranks.first(), err
	}
	var say float64
	if due {
		say = 1
	}
	all, err := r.ranks.share(context.Background(), err, say)
	return err == nil && all[0][0] != 0, err
}

// gatheredMoments are the moments of all parameters, in their order, in memory of b: those of
// other ranks are brought to rank 0, which saves them. Elsewhere there are none.
func (r *run) gatheredMoments(b *hostBuffer) ([]safetensors.Tensor, error) {
	mine := map[string]hostCopy{}
	var own [][]byte
	for _, t := range r.momentTensors(b) {
		mine[t.Name] = t
		own = append(own, tensorBytes(t.Tensor))
	}
	if !r.ranks.first() {
		return nil, r.ranks.Gather(own, nil, 0)
	}
	all := make([][][]byte, r.ranks.Size())
	var list []safetensors.Tensor
	shapes, err := r.c.Optim.StateShapes(r.trained)
	if err != nil {
		return nil, err
	}
	for _, m := range shapes {
		t := safetensors.Tensor{Name: m.Name, DType: safetensors.F32, Shape: r.shape(m.Param)}
		if m.BF16 {
			t.DType, t.BF16 = safetensors.BF16, take(b, &b.half, m.Len)
		} else {
			t.Data = take(b, &b.data, m.Len)
		}
		if rank := r.owner[m.Param]; rank != 0 {
			all[rank] = append(all[rank], tensorBytes(t))
		} else if own, ok := mine[m.Name]; ok {
			copy(tensorBytes(t), tensorBytes(own.Tensor))
			all[0] = append(all[0], nil) // it is there
		} else {
			return nil, fmt.Errorf("rank 0 owns %s and has no %s", m.Param, m.Name)
		}
		list = append(list, t)
	}
	return list, r.ranks.Gather(make([][]byte, len(all[0])), all, 0)
}

// momentsToLoad are the tensors of the optimizer's state, without memory where another rank
// keeps them.
func (r *run) momentsToLoad() ([]hostCopy, error) {
	list := r.momentTensors(new(hostBuffer))
	if r.owner == nil {
		return list, nil
	}
	shapes, err := r.c.Optim.StateShapes(r.trained)
	for _, m := range shapes {
		if r.owner[m.Param] != r.rank() {
			list = append(list, hostCopy{Tensor: safetensors.Tensor{Name: m.Name, DType: safetensors.F32, Shape: r.shape(m.Param)}})
		}
	}
	return list, err
}

// tensorBytes is a tensor's memory.
func tensorBytes(t safetensors.Tensor) []byte {
	if t.BF16 != nil {
		return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.BF16))), 2*len(t.BF16))
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(t.Data))), 4*len(t.Data))
}

// shape is a parameter's.
func (r *run) shape(name string) []int {
	for _, p := range r.params {
		if p.Name == name {
			return p.Shape
		}
	}
	return nil
}
