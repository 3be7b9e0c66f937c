//go:build goexperiment.simd && amd64

package cpu

import (
	"simd/archsimd"
	"unsafe"

	"mobilellm/internal/bfloat16"
)

// avx512 says whether the vector kernels run on this processor.
var avx512 = archsimd.X86.AVX512()

type f32x16 = archsimd.Float32x16

// at loads 16 elements from element i on; the caller keeps i+16 within the
// slice. The size of the element is known when the kernel is compiled.
func at[E elem](x []E, i int) f32x16 {
	var e E
	p := unsafe.Add(unsafe.Pointer(unsafe.SliceData(x)), uintptr(i)*unsafe.Sizeof(e))
	if unsafe.Sizeof(e) == 4 {
		return archsimd.LoadFloat32x16((*[16]float32)(p))
	}
	return bfloat16.Load((*[16]uint16)(p))
}

func put[E elem](x []E, i int, v f32x16) {
	var e E
	p := unsafe.Add(unsafe.Pointer(unsafe.SliceData(x)), uintptr(i)*unsafe.Sizeof(e))
	if unsafe.Sizeof(e) == 4 {
		v.Store((*[16]float32)(p))
		return
	}
	bfloat16.Store((*[16]uint16)(p), v)
}

// all is a vector of sixteen x. For 0 it is zero's: the compiler makes that scalar
// by an instruction of SSE's, and between vectors of 512 bits those cost some
// processors (Intel's of family 6, model 207) a hundred cycles each.
func all(x float32) f32x16 { return archsimd.BroadcastFloat32x16(x) }

func zero() (z f32x16) { return z }

// body is the part of a row of n elements that vectors cover; the rest is left
// to the plain kernels.
func body(n int) int {
	if !avx512 {
		return 0
	}
	return n &^ 15
}

// lanes is the sum of a vector's elements. It clears the upper halves of all
// vectors, before the first scalar sum: a kernel calls it last.
func lanes(v f32x16) float32 {
	h := v.GetHi().Add(v.GetLo())
	var x [4]float32
	h.GetHi().Add(h.GetLo()).Store(&x)
	archsimd.ClearAVXUpperBits()
	return (x[0] + x[1]) + (x[2] + x[3])
}

// top is the largest of a vector's elements; like lanes it is called last.
func top(v f32x16) float32 {
	h := v.GetHi().Max(v.GetLo())
	var x [4]float32
	h.GetHi().Max(h.GetLo()).Store(&x)
	archsimd.ClearAVXUpperBits()
	return max(x[0], x[1], x[2], x[3])
}

// exp is eˣ to 2 units in the last place: x = n·ln2 + r, |r| ≤ ln2/2, and a
// polynomial of degree 6 for eʳ (Cody and Waite's reduction). Below −104 it is
// 0, above 88.7 infinity. The order of Max's operands lets a NaN through.
func exp(x f32x16) f32x16 {
	x = all(-104).Max(x)
	n := x.Mul(all(1.44269504)).RoundToEvenScaled(0)
	r := n.MulAdd(all(-0.693359375), x)
	r = n.MulAdd(all(2.12194440e-4), r)
	p := all(1.3981999507e-3).MulAdd(r, all(8.3334519073e-3))
	p = p.MulAdd(r, all(4.1665795894e-2))
	p = p.MulAdd(r, all(1.6666665459e-1))
	p = p.MulAdd(r, all(5.0000001201e-1))
	p = p.MulAdd(r.Mul(r), r).Add(all(1))
	return p.Scale(n)
}

func sigmoid(x f32x16) f32x16 {
	return all(1).Div(all(1).Add(exp(x.Mul(all(-1)))))
}

// convert is dst = x between element types.
func convert[D, S elem](dst []D, x []S) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		put(dst, i, at(x, i))
	}
	archsimd.ClearAVXUpperBits()
	convertPlain(dst[n:], x[n:])
}

func dot(x, y []float32) float32 {
	n := body(len(x))
	a, b := zero(), zero()
	i := 0
	for ; i+32 <= n; i += 32 {
		a = at(x, i).MulAdd(at(y, i), a)
		b = at(x, i+16).MulAdd(at(y, i+16), b)
	}
	for ; i < n; i += 16 {
		a = at(x, i).MulAdd(at(y, i), a)
	}
	s := lanes(a.Add(b))
	return s + dotPlain(x[n:], y[n:])
}

// total is Σ x.
func total(x []float32) float32 {
	n := body(len(x))
	a, b, c, d := zero(), zero(), zero(), zero()
	i := 0
	for ; i+64 <= n; i += 64 {
		a, b = a.Add(at(x, i)), b.Add(at(x, i+16))
		c, d = c.Add(at(x, i+32)), d.Add(at(x, i+48))
	}
	for ; i < n; i += 16 {
		a = a.Add(at(x, i))
	}
	s := lanes(a.Add(b).Add(c.Add(d)))
	return s + totalPlain(x[n:])
}

// dot3 is Σ x·w·y.
func dot3[E elem](x []E, w []float32, y []E) float32 {
	n := body(len(x))
	a := zero()
	for i := 0; i < n; i += 16 {
		a = at(x, i).Mul(at(w, i)).MulAdd(at(y, i), a)
	}
	s := lanes(a)
	return s + dot3Plain(x[n:], w[n:], y[n:])
}

// axpy is dst += a·x.
func axpy(dst []float32, a float32, x []float32) {
	n := body(len(dst))
	va := all(a)
	for i := 0; i < n; i += 16 {
		put(dst, i, va.MulAdd(at(x, i), at(dst, i)))
	}
	archsimd.ClearAVXUpperBits()
	axpyPlain(dst[n:], a, x[n:])
}

// scale is dst = a·x.
func scale[D elem](dst []D, a float32, x []float32) {
	n := body(len(dst))
	va := all(a)
	for i := 0; i < n; i += 16 {
		put(dst, i, va.Mul(at(x, i)))
	}
	archsimd.ClearAVXUpperBits()
	scalePlain(dst[n:], a, x[n:])
}

// add is dst = x+y.
func add(dst, x, y []float32) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		put(dst, i, at(x, i).Add(at(y, i)))
	}
	archsimd.ClearAVXUpperBits()
	addPlain(dst[n:], x[n:], y[n:])
}

// mul is dst = x·w.
func mul[E elem](dst, x []E, w []float32) {
	n := body(len(dst))
	for i := 0; i < n; i += 16 {
		put(dst, i, at(x, i).Mul(at(w, i)))
	}
	archsimd.ClearAVXUpperBits()
	mulPlain(dst[n:], x[n:], w[n:])
}

// normalize is xhat = r·x, y = xhat·w, with xhat as it is stored.
func normalize[E elem](y, xhat []E, x, w []float32, r float32) {
	n := body(len(x))
	vr := all(r)
	for i := 0; i < n; i += 16 {
		put(xhat, i, vr.Mul(at(x, i)))
		put(y, i, at(xhat, i).Mul(at(w, i)))
	}
	archsimd.ClearAVXUpperBits()
	normalizePlain(y[n:], xhat[n:], x[n:], w[n:], r)
}

// normalizeGrad is dx = base + r·(dy·w − m·xhat), dw += dy·xhat.
func normalizeGrad[E elem](dx, base, dw []float32, dy, xhat []E, w []float32, r, m float32) {
	n := body(len(dx))
	vr, vm := all(r), all(-m)
	for i := 0; i < n; i += 16 {
		g, h := at(dy, i), at(xhat, i)
		put(dw, i, g.MulAdd(h, at(dw, i)))
		put(dx, i, vr.MulAdd(vm.MulAdd(h, g.Mul(at(w, i))), at(base, i)))
	}
	archsimd.ClearAVXUpperBits()
	normalizeGradPlain(dx[n:], base[n:], dw[n:], dy[n:], xhat[n:], w[n:], r, m)
}

// swiglu is h = silu(g)·u.
func swiglu(h, g, u []float32) {
	n := body(len(h))
	for i := 0; i < n; i += 16 {
		v := at(g, i)
		put(h, i, v.Mul(at(u, i)).Mul(sigmoid(v)))
	}
	archsimd.ClearAVXUpperBits()
	swigluPlain(h[n:], g[n:], u[n:])
}

func swigluGrad(dg, du, g, u, dh []float32) {
	n := body(len(dh))
	for i := 0; i < n; i += 16 {
		v, d := at(g, i), at(dh, i)
		s := sigmoid(v)
		t := d.Mul(s)
		put(du, i, t.Mul(v))
		put(dg, i, t.Mul(at(u, i)).Mul(v.MulAdd(all(1).Sub(s), all(1))))
	}
	archsimd.ClearAVXUpperBits()
	swigluGradPlain(dg[n:], du[n:], g[n:], u[n:], dh[n:])
}

func largest(x []float32) float32 {
	n := body(len(x))
	m := negInf
	if n > 0 {
		u := at(x, 0)
		v := u
		i := 16
		for ; i+32 <= n; i += 32 {
			u, v = u.Max(at(x, i)), v.Max(at(x, i+16))
		}
		if i < n {
			u = u.Max(at(x, i))
		}
		m = top(u.Max(v))
	}
	if n == len(x) {
		return m
	}
	return max(m, largestPlain(x[n:]))
}

// expSum is dst = exp(a·x − b), and returns the sum before rounding.
func expSum(dst, x []float32, a, b float32) float32 {
	n := body(len(dst))
	va, vb, sum := all(a), all(-b), zero()
	for i := 0; i < n; i += 16 {
		e := exp(va.MulAdd(at(x, i), vb))
		put(dst, i, e)
		sum = sum.Add(e)
	}
	s := lanes(sum)
	return s + expSumPlain(dst[n:], x[n:], a, b)
}

// softmaxGrad is p = exp(a·s − lse), ds = a·p·(dp − delta). p and ds may lie
// where s and dp do.
func softmaxGrad(p, ds []float32, s, dp []float32, a, lse, delta float32) {
	n := body(len(p))
	va, vl, vd := all(a), all(-lse), all(delta)
	for i := 0; i < n; i += 16 {
		e := exp(va.MulAdd(at(s, i), vl))
		g := va.Mul(e).Mul(at(dp, i).Sub(vd))
		put(p, i, e)
		put(ds, i, g)
	}
	archsimd.ClearAVXUpperBits()
	softmaxGradPlain(p[n:], ds[n:], s[n:], dp[n:], a, lse, delta)
}

// rotate is RoPE on one head: dst and x have 2·len(cos) elements.
func rotate(dst, x, cos, sin []float32) {
	h := len(cos)
	n := body(h)
	for i := 0; i < n; i += 16 {
		a, b, c, s := at(x, i), at(x, h+i), at(cos, i), at(sin, i)
		put(dst, i, a.Mul(c).Sub(b.Mul(s)))
		put(dst, h+i, b.Mul(c).Add(a.Mul(s)))
	}
	archsimd.ClearAVXUpperBits()
	rotatePlain(dst, x, cos, sin, n)
}
