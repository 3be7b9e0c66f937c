package kernels

import "mobilellm/engine"

// perThread is the number of elements that a thread of an element-wise kernel
// takes.
const perThread = 8

func elementwise(kernel string, n int, args ...uint64) Launch {
	return launch(kernel, max(1, ceil(n, Threads*perThread)), Threads, append(args, number(n))...)
}

// Add makes y = a + b, n elements of float32; y may be a or b.
//
//	add_f32(y, a, b, n)
func Add(y, a, b Pointer, n int) []Launch {
	return []Launch{elementwise("add_f32", n, addr(y), addr(a), addr(b))}
}

// Accumulate makes y += x, n elements of float32.
//
//	add_f32(y, y, x, n)
func Accumulate(y, x Pointer, n int) []Launch { return Add(y, y, x, n) }

// Negate makes y = −x, n elements of float32; of 0 it makes 0, and not −0.
//
//	negate_f32(y, x, n)
func Negate(y, x Pointer, n int) []Launch {
	return []Launch{elementwise("negate_f32", n, addr(y), addr(x))}
}

// Fill sets n elements of float32.
//
//	fill_f32(x, value, n)
func Fill(x Pointer, value float32, n int) []Launch {
	return []Launch{elementwise("fill_f32", n, addr(x), float(value))}
}

// Round makes y, bf16, of x, float32, n elements.
//
//	round_bf16(y, x, n)
func Round(y, x Pointer, n int) []Launch {
	return []Launch{elementwise("round_bf16", n, addr(y), addr(x))}
}

// Widen makes y, float32, of x, bf16, n elements.
//
//	widen_bf16(y, x, n)
func Widen(y, x Pointer, n int) []Launch {
	return []Launch{elementwise("widen_bf16", n, addr(y), addr(x))}
}

// Nonfinite sets flag, an int32, to mark where one of n elements of type t is
// infinite or NaN, and leaves it alone elsewhere.
//
//	nonfinite_T(flag, x, mark, n)
func Nonfinite(flag, x Pointer, mark int32, n int, t engine.DType) []Launch {
	return []Launch{elementwise(typed("nonfinite", t), n, addr(flag), addr(x), number(int(mark)))}
}
