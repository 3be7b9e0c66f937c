package kerneltest

import (
	"fmt"
	"math/rand/v2"

	"gorgonia.org/tensor"

	"mobilellm/engine"
	"mobilellm/engine/op"
)

// distilCases are heads with a teacher, of which the targets and some
// others are among the stored tokens.
func distilCases(n, c, vocab int, targets []int32, size string) []Case {
	rng := rand.New(rand.NewPCG(5, 6))
	const f, b, width, k = engine.F32, engine.BF16, 40, 6
	var top []int32
	for i, target := range targets {
		order := rng.Perm(vocab)
		for j, id := range order {
			if int32(id) == target && i%3 > 0 {
				order[0], order[j] = order[j], order[0]
			}
		}
		for _, id := range order[:k] {
			top = append(top, int32(id))
		}
	}
	var cases []Case
	for _, d := range []op.Distillation{{Alpha: 0, Temperature: 1}, {Alpha: 0.5, Temperature: 2}, {Alpha: 0.25, Temperature: 1}, {Alpha: 1, Temperature: 0.5}} {
		online := Case{
			Name: fmt.Sprintf("distilloss %+v%s", d, size), Op: op.DistilLossOp{Distillation: d}, IDs: targets,
			In:      []tensor.Shape{{n, c}, {vocab, c}, nil, {}, {n, width}, {vocab, width}},
			Weights: map[int]bool{1: true, 5: true}, F32: map[int]bool{3: true, 4: true}, Out: []engine.DType{f, b, f, f},
		}
		stored := online
		stored.Name, stored.Op = fmt.Sprintf("distiltoploss %+v%s", d, size), op.DistilTopLossOp{Distillation: d}
		stored.In = []tensor.Shape{{n, c}, {vocab, c}, nil, {}, nil, {n, k}}
		stored.IDsOf = map[int][]int32{4: top}
		stored.Weights, stored.F32 = map[int]bool{1: true}, map[int]bool{3: true, 5: true}
		scoring := online
		scoring.Name, scoring.Gaps = "scoring "+online.Name, []int{1, 2}
		cases = append(cases, online, stored, scoring)
	}
	return cases
}
