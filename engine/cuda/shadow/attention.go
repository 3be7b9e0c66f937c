//go:build unix

package shadow

import "math"

// turn applies RoPE to the query and key heads.
func turn(r run) {
	rotated, qkv, cos, sin := r.typed(0), r.typed(1), r.f32(2), r.f32(3)
	seq, heads, d, width := r.int(4), r.int(5), r.int(6), r.int(7)
	for n := range r.Grid[0] {
		for k := range heads {
			rotate(rotated.from(n*heads*d+k*d), qkv.from(n*width+k*d), cos, sin, n%seq, d, 1)
		}
	}
}

// rotate turns a head at a position; with sign −1 it turns it back.
func rotate(to, from, cos, sin array, position, d int, sign float32) {
	h := d / 2
	for i := range h {
		c, s := cos.get(position*h+i), sign*sin.get(position*h+i)
		a, b := from.get(i), from.get(i+h)
		to.set(i, a*c-b*s)
		to.set(i+h, b*c+a*s)
	}
}

// shape are the sizes that end the parameters of an attention kernel.
type shape struct {
	run
	starts, seq, heads, kv, d int
	scale                     float32
}

func (r run) shape(starts int) shape {
	return shape{r, starts, r.int(starts + 1), r.int(starts + 2), r.int(starts + 3), r.int(starts + 4), r.float(starts + 5)}
}

// first is the first key that query n sees.
func (s shape) first(n int) int {
	if s.pointer(s.starts) == nil {
		return 0
	}
	return s.id(s.starts, n)
}

// rotatedRow is a query or key head of token n in the rotated copy.
func (s shape) rotatedRow(rotated array, n, head int) array {
	return rotated.from((n*(s.heads+s.kv) + head) * s.d)
}

func (s shape) value(qkv array, n, kv int) array {
	return qkv.from((n*(s.heads+2*s.kv) + s.heads + s.kv + kv) * s.d)
}

func (s shape) dot(a, b array) float32 {
	var sum float32
	for i := range s.d {
		sum += a.get(i) * b.get(i)
	}
	return sum
}

// rows calls f for every token and head of the batch.
func (s shape) rows(heads int, f func(sequence, t, head int)) {
	for b := range s.Grid[2] {
		for h := range heads {
			for t := range s.seq {
				f(b*s.seq, t, h)
			}
		}
	}
}

func attention(r run) {
	out, lse, rotated, qkv := r.typed(0), r.f32(1), r.typed(2), r.typed(3)
	s := r.shape(4)
	p, sum := make([]float32, s.seq), make([]float32, s.d)
	s.rows(s.heads, func(at, t, h int) {
		n, kv := at+t, h/(s.heads/s.kv)
		first, largest := s.first(n), float32(math.Inf(-1))
		q := s.rotatedRow(rotated, n, h)
		for j := first; j <= t; j++ {
			p[j] = s.scale * s.dot(q, s.rotatedRow(rotated, at+j, s.heads+kv))
			largest = max(largest, p[j])
		}
		var total float32
		clear(sum)
		for j := first; j <= t; j++ {
			e := float32(math.Exp(float64(p[j] - largest)))
			total += e
			v := s.value(qkv, at+j, kv)
			for i := range sum {
				sum[i] += e * v.get(i)
			}
		}
		for i, x := range sum {
			out.set((n*s.heads+h)*s.d+i, x/total)
		}
		if lse.there() {
			lse.set(n*s.heads+h, largest+float32(math.Log(float64(total))))
		}
	})
}

func delta(r run) {
	d := r.int(4)
	for n := range r.int(3) {
		var s float32
		for i := range d {
			s += r.typed(1).get(n*d+i) * r.typed(2).get(n*d+i)
		}
		r.f32(0).set(n, s)
	}
}

// gradients are the operands of the attention's two gradient kernels.
type gradients struct {
	shape
	dqkv, rotated, qkv, dout, lse, delta, cos, sin array
}

func (r run) gradients() gradients {
	return gradients{r.shape(8), r.typed(0), r.typed(1), r.typed(2), r.typed(3), r.f32(4), r.f32(5), r.f32(6), r.f32(7)}
}

// pair is the probability of key j for query t of a head, and its score's
// gradient.
func (g gradients) pair(at, t, j, h int) (p, ds float32) {
	n, kv := at+t, h/(g.heads/g.kv)
	row := n*g.heads + h
	p = float32(math.Exp(float64(g.scale*g.dot(g.rotatedRow(g.rotated, n, h), g.rotatedRow(g.rotated, at+j, g.heads+kv)) - g.lse.get(row))))
	return p, p * (g.dot(g.dout.from(row*g.d), g.value(g.qkv, at+j, kv)) - g.delta.get(row)) * g.scale
}

// store writes a head of dqkv rotated back by its position.
func (g gradients) store(n, head, position int, sum []float32) {
	to := g.dqkv.from((n*(g.heads+2*g.kv) + head) * g.d)
	rotate(to, floats(sum), g.cos, g.sin, position, g.d, -1)
}

func attentionDQ(r run) {
	g := r.gradients()
	sum := make([]float32, g.d)
	g.rows(g.heads, func(at, t, h int) {
		clear(sum)
		for j := g.first(at + t); j <= t; j++ {
			_, ds := g.pair(at, t, j, h)
			k := g.rotatedRow(g.rotated, at+j, g.heads+h/(g.heads/g.kv))
			for i := range sum {
				sum[i] += ds * k.get(i)
			}
		}
		g.store(at+t, h, t, sum)
	})
}

func attentionDKV(r run) {
	g := r.gradients()
	dk, dv, group := make([]float32, g.d), make([]float32, g.d), g.heads/g.kv
	g.rows(g.kv, func(at, j, kv int) {
		clear(dk)
		clear(dv)
		for h := kv * group; h < (kv+1)*group; h++ {
			for t := j; t < g.seq; t++ {
				if g.first(at+t) > j {
					continue
				}
				p, ds := g.pair(at, t, j, h)
				q, do := g.rotatedRow(g.rotated, at+t, h), g.dout.from(((at+t)*g.heads+h)*g.d)
				for i := range dk {
					dk[i] += ds * q.get(i)
					dv[i] += p * do.get(i)
				}
			}
		}
		g.store(at+j, g.heads+kv, j, dk)
		to := g.value(g.dqkv, at+j, kv)
		for i, x := range dv {
			to.set(i, x)
		}
	})
}
