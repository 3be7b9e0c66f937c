package kernels

import "mobilellm/engine"

// ChunkSize is the number of elements of a parameter that one block updates.
const ChunkSize = 16 << 10

// Chunks is the table that an update works through: for each chunk the first
// element, the one after its last, counted from the first parameter's first
// element, and 1 where the parameter decays. Parameters lie end to end. It goes
// to the device as it is; an update is told the number of chunks,
// len(table)/3.
func Chunks(sizes []int, decays []bool) (table []int64) {
	at := 0
	for i, n := range sizes {
		for lo := 0; lo < n; lo += ChunkSize {
			table = append(table, int64(at+lo), int64(at+min(lo+ChunkSize, n)), int64(flag(decays[i])))
		}
		at += n
	}
	return table
}

// AdamScalars are the numbers of one update, in the order in which the kernel
// reads them from device memory. They stay there so that a captured step can be
// launched again with others.
type AdamScalars struct {
	L2        float32 // coupled decay of Adam, for parameters that decay
	Keep      float32 // 1 − lr·λ of AdamW, for parameters that decay
	Beta1C    float32 // 1−β₁
	Beta2     float32
	Beta2C    float32 // 1−β₂
	RootScale float32 // 1/√(1−β₂ᵗ)
	Eps       float32
	StepSize  float32 // lr/(1−β₁ᵗ)
}

// Adam updates value, float32, by grad, float32, with moments m and v of type
// moments, and writes value in bf16 to rounded, unless that is 0. scalars is
// an AdamScalars in device memory, norm what GradientNorm made: the gradient is
// multiplied by norm[1], and where norm[0] is not finite nothing is changed.
//
//	adam_T(value, grad, m, v, rounded, chunks, scalars, norm)
func Adam(value, grad, m, v, rounded, chunks, scalars, norm Pointer, count int, moments engine.DType) []Launch {
	return []Launch{launch(typed("adam", moments), count, Threads,
		addr(value), addr(grad), addr(m), addr(v), addr(rounded), addr(chunks), addr(scalars), addr(norm))}
}

// SGDScalars are SGD's numbers of one update, as AdamScalars are Adam's.
type SGDScalars struct {
	L2       float32 // for parameters that decay
	Momentum float32
	LR       float32
}

// SGD updates value by grad with the momentum buffer b, float32, which may be 0.
//
//	sgd(value, grad, b, rounded, chunks, scalars, norm)
func SGD(value, grad, b, rounded, chunks, scalars, norm Pointer, count int) []Launch {
	return []Launch{launch("sgd", count, Threads,
		addr(value), addr(grad), addr(b), addr(rounded), addr(chunks), addr(scalars), addr(norm))}
}

// squaresPerBlock is the number of elements whose squares a block sums.
const squaresPerBlock = 64 << 10

// GradientNormScratch is the number of bytes that GradientNorm wants.
func GradientNormScratch(n int) int64 { return aligned(8 * int64(ceil(n, squaresPerBlock))) }

// GradientNorm makes norm, float32 [2]: the L2 norm of grad, n elements of
// float32, and the factor that brings it to at most clip: clip/(norm+1e-6), at
// most 1; 1 where clip is 0. Squares are summed in float64.
//
//	sum_squares(parts, x, n)
//	gradient_norm(norm, parts, blocks, clip)
func GradientNorm(norm, grad, scratch Pointer, n int, clip float32) []Launch {
	blocks := ceil(n, squaresPerBlock)
	return []Launch{
		launch("sum_squares", blocks, Threads, addr(scratch), addr(grad), number(n)),
		launch("gradient_norm", 1, 1024, addr(norm), addr(scratch), number(blocks), float(clip)),
	}
}
