package shadow

import "math"

// qkNorm is each query and key divided by its root mean square, times its weight.
func qkNorm(r run) {
	y, x, d := r.typed(0), r.typed(1), r.int(7)
	r.qkHeads(4, func(unit, weight int) {
		s := r.inverseRMS(x, unit*d, d, 8)
		for i := range d {
			v := x.get(unit*d + i)
			if weight >= 0 {
				v *= s * r.f32(2+weight).get(i)
			}
			y.set(unit*d+i, v)
		}
	})
}

func qkNormGradient(r run) {
	dx, dy, x, d, rows := r.typed(0), r.typed(3), r.typed(4), r.int(10), r.int(11)
	heads := r.int(8) + 2*r.int(9)
	for block := range r.Grid[0] {
		for i := range d {
			r.f32(1).set(block*d+i, 0)
			r.f32(2).set(block*d+i, 0)
		}
	}
	r.qkHeads(7, func(unit, weight int) {
		if weight < 0 {
			for i := range d {
				if dx.there() {
					dx.set(unit*d+i, dy.get(unit*d+i))
				}
			}
			return
		}
		s, w, parts := r.inverseRMS(x, unit*d, d, 12), r.f32(5+weight), r.f32(1+weight)
		var mean float64
		for i := range d {
			g, xhat := dy.get(unit*d+i), x.get(unit*d+i)*s
			mean += float64(g * w.get(i) * xhat)
			parts.add(unit/heads/rows*d+i, g*xhat, true)
		}
		m := float32(mean / float64(d))
		for i := range d {
			if dx.there() {
				dx.set(unit*d+i, s*(dy.get(unit*d+i)*w.get(i)-x.get(unit*d+i)*s*m))
			}
		}
	})
}

// qkHeads calls f for every head of every token, with the number of its weight, −1 for
// a value. The tokens, query heads and key heads are arguments from at on.
func (r run) qkHeads(at int, f func(unit, weight int)) {
	n, h, kv := r.int(at), r.int(at+1), r.int(at+2)
	for unit := range n * (h + 2*kv) {
		switch head := unit % (h + 2*kv); {
		case head < h:
			f(unit, 0)
		case head < h+kv:
			f(unit, 1)
		default:
			f(unit, -1)
		}
	}
}

func (r run) inverseRMS(x array, at, d, eps int) float32 {
	var squares float64
	for i := range d {
		squares += float64(x.get(at+i)) * float64(x.get(at+i))
	}
	return float32(1 / math.Sqrt(squares/float64(d)+float64(r.float(eps))))
}
