//go:build unix

package shadow

import (
	"fmt"
	"math"
	"strings"
	"unsafe"

	"mobilellm/engine/cuda/kernels"
	"mobilellm/internal/bfloat16"
	"mobilellm/internal/quant"
)

// run is a launch as a plain kernel reads it.
type run struct {
	kernels.Launch
	bf16 bool // of the type that the kernel is named for
}

func (r run) pointer(i int) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&r.Args[i])) }
func (r run) f32(i int) array              { return array{r.pointer(i), false} }
func (r run) typed(i int) array            { return array{r.pointer(i), r.bf16} }
func (r run) bf16At(i int) array           { return array{r.pointer(i), true} }
func (r run) int(i int) int                { return int(int64(r.Args[i])) }
func (r run) float(i int) float32          { return math.Float32frombits(uint32(r.Args[i])) }
func (r run) flag(i int) bool              { return r.Args[i] != 0 }
func (r run) id(i, j int) int              { return int(*(*int32)(unsafe.Add(r.pointer(i), 4*j))) }
func (r run) setID(i, j, x int)            { *(*int32)(unsafe.Add(r.pointer(i), 4*j)) = int32(x) }
func (r run) long(i, j int) int            { return int(*(*int64)(unsafe.Add(r.pointer(i), 8*j))) }
func (r run) double(i, j int) *float64     { return (*float64)(unsafe.Add(r.pointer(i), 8*j)) }

// Plain runs a launch whose addresses are the host's in plain Go.
func Plain(l kernels.Launch) error {
	name := l.Kernel
	r := run{l, strings.Contains(name, "_bf16")}
	switch {
	case strings.HasPrefix(name, "attention_dq_"):
		attentionDQ(r)
		return nil
	case strings.HasPrefix(name, "attention_dkv_"):
		attentionDKV(r)
		return nil
	case strings.HasPrefix(name, "attention_") && !strings.HasPrefix(name, "attention_delta"):
		attention(r)
		return nil
	}
	name = strings.TrimSuffix(strings.TrimSuffix(name, "_bf16"), "_f32")
	k, ok := plain[name]
	if !ok {
		return fmt.Errorf("shadow: no plain version of kernel %s", l.Kernel)
	}
	k(r)
	return nil
}

// plain are the kernels by name, without the type. Grids do not matter beyond
// what they say of the number of rows.
var plain = map[string]func(run){
	"embedding": func(r run) {
		x, w, c := r.f32(0), r.f32(1), r.int(3)
		for n := range r.Grid[0] {
			for j := range c {
				x.set(n*c+j, w.get(r.id(2, n)*c+j))
			}
		}
	},
	"token_order": func(r run) {
		n := r.int(2)
		for i := range n {
			rank := 0
			for j := range n {
				if r.id(1, j) < r.id(1, i) || r.id(1, j) == r.id(1, i) && j < i {
					rank++
				}
			}
			r.setID(0, rank, i)
		}
	},
	"embedding_gradient": func(r run) {
		dw, dx, n, c := r.f32(0), r.f32(1), r.int(4), r.int(5)
		for i := range n {
			t := r.id(3, i)
			for j := range c {
				dw.add(r.id(2, t)*c+j, dx.get(t*c+j), true)
			}
		}
	},
	"add":    func(r run) { each(r.int(3), func(i int) { r.f32(0).set(i, r.f32(1).get(i)+r.f32(2).get(i)) }) },
	"negate": func(r run) { each(r.int(2), func(i int) { r.f32(0).set(i, 0-r.f32(1).get(i)) }) },
	"fill":   func(r run) { each(r.int(2), func(i int) { r.f32(0).set(i, r.float(1)) }) },
	"round": func(r run) {
		each(r.int(2), func(i int) { r.bf16At(0).set(i, r.f32(1).get(i)) })
	},
	"widen": func(r run) {
		each(r.int(2), func(i int) { r.f32(0).set(i, r.bf16At(1).get(i)) })
	},
	"nonfinite": func(r run) {
		each(r.int(3), func(i int) {
			if x := r.typed(1).get(i); x-x != 0 {
				r.setID(0, 0, r.int(2))
			}
		})
	},
	"rmsnorm": func(r run) {
		y, xhat, rstd, x, w, n, c := r.typed(0), r.typed(1), r.f32(2), r.f32(3), r.f32(4), r.int(5), r.int(6)
		for t := range n {
			var ss float64
			for j := range c {
				ss += float64(x.get(t*c+j)) * float64(x.get(t*c+j))
			}
			s := float32(1 / math.Sqrt(ss/float64(c)+float64(r.float(7))))
			if rstd.there() {
				rstd.set(t, s)
			}
			for j := range c {
				h := x.get(t*c+j) * s
				if r.bf16 {
					h = bfloat16.Float32(bfloat16.Round(h))
				}
				if xhat.there() {
					xhat.set(t*c+j, h)
				}
				if y.there() {
					y.set(t*c+j, h*w.get(j))
				}
			}
		}
	},
	"qk_norm":          qkNorm,
	"qk_norm_gradient": qkNormGradient,
	"rmsnorm_gradient": func(r run) {
		dx, parts, dy, xhat, rstd, w := r.f32(0), r.f32(1), r.typed(2), r.typed(3), r.f32(4), r.f32(5)
		n, c, rows := r.int(6), r.int(7), r.int(8)
		for t := range n {
			var mean float64
			for j := range c {
				g := dy.get(t*c+j) * xhat.get(t*c+j)
				mean += float64(g * w.get(j))
				if parts.there() {
					parts.add(t/rows*c+j, g, t%rows > 0)
				}
			}
			m := float32(mean / float64(c))
			for j := range c {
				if dx.there() {
					dx.add(t*c+j, rstd.get(t)*(dy.get(t*c+j)*w.get(j)-xhat.get(t*c+j)*m), r.flag(9))
				}
			}
		}
	},
	"column_sum": func(r run) {
		c := r.int(3)
		for j := range c {
			var s float32
			for b := range r.int(2) {
				s += r.f32(1).get(b*c + j)
			}
			r.f32(0).add(j, s, r.flag(4))
		}
	},
	"scale": func(r run) {
		c := r.int(3)
		each(r.Grid[0]*c, func(i int) { r.typed(0).set(i, r.typed(1).get(i)*r.f32(2).get(i%c)) })
	},
	"quantize": func(r run) {
		y, x, alpha, c, rule := r.typed(0), r.typed(1), r.f32(2), r.int(3), quantizeRule(r.int(4), r.float(5))
		row := make([]float32, c)
		for n := range r.Grid[0] {
			for j := range row {
				row[j] = x.get(n*c + j)
			}
			quant.Round(rule, row, row, alphaOf(alpha, n))
			for j, v := range row {
				y.set(n*c+j, v)
			}
		}
	},
	"quantize_gradient": func(r run) {
		dx, dalpha, x, dy, alpha, c, rule := r.typed(0), r.f32(1), r.typed(2), r.typed(3), r.f32(4), r.int(5), quantizeRule(r.int(6), r.float(7))
		row, grad := make([]float32, c), make([]float32, c)
		for n := range r.Grid[0] {
			for j := range row {
				row[j], grad[j] = x.get(n*c+j), dy.get(n*c+j)
			}
			sum := quant.Backward(rule, grad, row, grad, alphaOf(alpha, n))
			for j, v := range grad {
				if dx.there() {
					dx.add(n*c+j, v, r.flag(10))
				}
			}
			if dalpha.there() {
				dalpha.add(n, r.float(9)*sum, r.flag(11))
			}
		}
	},
	"swiglu": func(r run) {
		f := r.int(2)
		each(r.Grid[0]*f, func(i int) {
			g, u := r.typed(1).get(i/f*2*f+i%f), r.typed(1).get(i/f*2*f+f+i%f)
			r.typed(0).set(i, g*sigmoid(g)*u)
		})
	},
	"swiglu_gradient": func(r run) {
		f := r.int(3)
		each(r.Grid[0]*f, func(i int) {
			at := i/f*2*f + i%f
			g, u, dh := r.typed(1).get(at), r.typed(1).get(at+f), r.typed(2).get(i)
			s := sigmoid(g)
			r.typed(0).set(at, dh*u*s*(1+g*(1-s)))
			r.typed(0).set(at+f, dh*g*s)
		})
	},
	"relu": func(r run) { each(r.int(2), func(i int) { r.typed(0).set(i, max(r.typed(1).get(i), 0)) }) },
	"relu_gradient": func(r run) {
		each(r.int(3), func(i int) {
			g := r.typed(2).get(i)
			if !(r.typed(1).get(i) > 0) {
				g = 0
			}
			r.typed(0).set(i, g)
		})
	},
	"rope":            turn,
	"attention_delta": delta,
	"cross_entropy":   crossEntropy,
	"distillation":    distillation,
	"sum_losses": func(r run) {
		var s float64
		for i := range r.int(3) {
			s += float64(r.f32(1).get(i))
		}
		r.f32(0).set(0, float32(s*float64(r.f32(2).get(0))))
	},
	"adam": adam,
	"sgd":  sgd,
	"sum_squares": func(r run) {
		n := r.int(2)
		piece := (n + r.Grid[0] - 1) / r.Grid[0]
		for b := range r.Grid[0] {
			var s float64
			for i := b * piece; i < min((b+1)*piece, n); i++ {
				x := float64(r.f32(1).get(i))
				s += x * x
			}
			*r.double(0, b) = s
		}
	},
	"gradient_norm": func(r run) {
		var s float64
		for b := range r.int(2) {
			s += *r.double(1, b)
		}
		norm, factor := math.Sqrt(s), 1.0
		if clip := float64(r.float(3)); clip != 0 {
			factor = min(1, clip/(norm+1e-6))
		}
		r.f32(0).set(0, float32(norm))
		r.f32(0).set(1, float32(factor))
	},
}

func each(n int, f func(i int)) {
	for i := range n {
		f(i)
	}
}

func sigmoid(x float32) float32 { return float32(1 / (1 + math.Exp(-float64(x)))) }

// crossEntropy reads a row of logits before it writes the gradient, which may
// lie in its place.
func crossEntropy(r run) {
	logits, gradient, losses, zLosses, vocab, z := r.f32(0), r.typed(1), r.f32(4), r.f32(5), r.int(6), float64(r.float(9))
	scale, p := r.f32(3).get(0), make([]float32, vocab)
	for t := range r.Grid[0] {
		target := r.id(2, t)
		if target < 0 {
			losses.set(t, 0)
			if zLosses.there() {
				zLosses.set(t, 0)
			}
			for j := range vocab {
				if gradient.there() {
					gradient.set(t*r.int(8)+j, 0)
				}
			}
			continue
		}
		largest := math.Inf(-1)
		for j := range vocab {
			p[j] = logits.get(t*r.int(7) + j)
			largest = max(largest, float64(p[j]))
		}
		var sum float64
		for _, x := range p {
			sum += math.Exp(float64(x) - largest)
		}
		lse := largest + math.Log(sum)
		losses.set(t, float32(lse-float64(p[target])))
		if zLosses.there() {
			zLosses.set(t, float32(z*lse*lse))
		}
		for j, x := range p {
			g := math.Exp(float64(x)-lse) * (1 + 2*z*lse)
			if j == target {
				g--
			}
			if gradient.there() {
				gradient.set(t*r.int(8)+j, scale*float32(g))
			}
		}
	}
}

// softmax is the distribution of logits at a temperature, and the log of the sum
// that they are divided by.
func softmax(z []float64, temperature float64) (p []float64, lse float64) {
	largest := math.Inf(-1)
	for _, x := range z {
		largest = max(largest, x/temperature)
	}
	var sum float64
	p = make([]float64, len(z))
	for i, x := range z {
		p[i] = math.Exp(x/temperature - largest)
		sum += p[i]
	}
	for i := range p {
		p[i] /= sum
	}
	return p, largest + math.Log(sum)
}

func distillation(r run) {
	gradient, vocab, scale := r.typed(1), r.int(7), float64(r.f32(4).get(0))
	alpha, tau := float64(r.float(11)), float64(r.float(12))
	z, teacher := make([]float64, vocab), make([]float64, vocab)
	for t := range r.Grid[0] {
		target := r.id(3, t)
		for j := range vocab {
			z[j], teacher[j] = float64(r.f32(0).get(t*r.int(8)+j)), float64(r.f32(2).get(t*r.int(10)+j))
		}
		hard, lse := softmax(z, 1)
		soft, lseSoft := softmax(z, tau)
		q, _ := softmax(teacher, tau)
		label, from := 0.0, 0.0
		if target >= 0 {
			label = lse - z[target]
		}
		for j := range z {
			g := 0.0
			if target >= 0 {
				from += q[j] * (lseSoft - z[j]/tau)
				g = alpha*hard[j] + (1-alpha)*tau*(soft[j]-q[j])
				if j == target {
					g -= alpha
				}
			}
			if gradient.there() {
				gradient.set(t*r.int(9)+j, float32(scale*g))
			}
		}
		r.f32(5).set(t, float32(alpha*label+(1-alpha)*tau*tau*from))
		r.f32(6).set(t, float32(label))
	}
}

// elements calls f for every element that an update changes.
func (r run) elements(table int, norm array, f func(i int, decays bool)) {
	if n := norm.get(0); n-n != 0 {
		return
	}
	for k := range r.Grid[0] {
		for i := r.long(table, 3*k); i < r.long(table, 3*k+1); i++ {
			f(i, r.long(table, 3*k+2) != 0)
		}
	}
}

func adam(r run) {
	value, grad, m, v, rounded, s, norm := r.f32(0), r.f32(1), r.typed(2), r.typed(3), r.bf16At(4), r.f32(6), r.f32(7)
	l2All, keepAll, beta1c, beta2, beta2c, root, eps, step := s.get(0), s.get(1), s.get(2), s.get(3), s.get(4), s.get(5), s.get(6), s.get(7)
	r.elements(5, norm, func(i int, decays bool) {
		l2, keep := float32(0), float32(1)
		if decays {
			l2, keep = l2All, keepAll
		}
		p := value.get(i)
		g := grad.get(i)*norm.get(1) + l2*p
		mean := m.get(i)
		mean += beta1c * (g - mean)
		square := beta2*v.get(i) + beta2c*g*g
		p = p*keep - step*mean/(float32(math.Sqrt(float64(square)))*root+eps)
		m.set(i, mean)
		v.set(i, square)
		value.set(i, p)
		if rounded.there() {
			rounded.set(i, p)
		}
	})
}

func sgd(r run) {
	value, grad, b, rounded, s, norm := r.f32(0), r.f32(1), r.f32(2), r.bf16At(3), r.f32(5), r.f32(6)
	r.elements(4, norm, func(i int, decays bool) {
		p := value.get(i)
		g := grad.get(i) * norm.get(1)
		if decays {
			g += s.get(0) * p
		}
		if b.there() {
			g += s.get(1) * b.get(i)
			b.set(i, g)
		}
		p -= s.get(2) * g
		value.set(i, p)
		if rounded.there() {
			rounded.set(i, p)
		}
	})
}

func alphaOf(alpha array, n int) float32 {
	if !alpha.there() {
		return 0
	}
	return alpha.get(n)
}

// quantizeRule is the rule of a kind of kernels.QuantizeKind that has the number a.
func quantizeRule(kind int, a float32) quant.Rule {
	for _, m := range quant.Methods() {
		for _, b := range m.Bits() {
			for _, s := range quant.Schemes() {
				for _, scaled := range []bool{false, true} {
					r := quant.Rule{Method: m, Bits: b, Scheme: s, Scaled: scaled}
					if k, first, _ := kernels.QuantizeKind(r); k == kind && first == a {
						return r
					}
				}
			}
		}
	}
	panic(fmt.Sprintf("shadow: no rule has the kind %d and the number %v", kind, a))
}
