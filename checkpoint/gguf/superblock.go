package gguf

// ggml's blocks of 256, k-quants (ggml-common.h): 8 groups of 32, or 16 of 16, with
// integer scales of their own, which a half scales. Rounding is as of the blocks of 32.

// scaleMin is group g's scale and minimum, of 6 bits: those of the first four groups
// lie in the low bits of bytes 0 to 7; of the others, low halves in bytes 8 to 11 and
// their upper two bits above those of the first.
func scaleMin(s []byte, g int) (scale, least float32) {
	if g < 4 {
		return float32(s[g] & 63), float32(s[g+4] & 63)
	}
	return float32(s[g+4]&15 | s[g-4]>>6<<4), float32(s[g+4]>>4 | s[g]>>6<<4)
}

// dequantiseQ4_K reads blocks d, dmin, scales[12], q[128]: (d·scale)·q − dmin·min of
// the group. 32 bytes hold a group in their low halves and the next in their high ones.
func dequantiseQ4_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[144:] {
		d, least, scales, q := half(src), half(src[2:]), src[4:16], src[16:144]
		for g := range 8 {
			scale, low := scaleMin(scales, g)
			scale, low = d*scale, least*low
			to, shift := dst[32*g:][:32], g%2*4
			for j, b := range q[g/2*32:][:32] {
				to[j] = float32(scale*float32(int(b>>shift&15))) - low
			}
		}
	}
}

// dequantiseQ5_K reads blocks d, dmin, scales[12], h[32], q[128]: as q4_k with a fifth
// bit, bit g of h for group g.
func dequantiseQ5_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[176:] {
		d, least, scales, h, q := half(src), half(src[2:]), src[4:16], src[16:48], src[48:176]
		for g := range 8 {
			scale, low := scaleMin(scales, g)
			scale, low = d*scale, least*low
			to, shift := dst[32*g:][:32], g%2*4
			for j, b := range q[g/2*32:][:32] {
				to[j] = float32(scale*float32(int(b>>shift&15|h[j]>>g&1<<4))) - low
			}
		}
	}
}

// dequantiseQ6_K reads blocks q[128], h[64], scales[16], d: (d·scale)·(q + 16·h − 32),
// a scale for 16 elements. Of each half of 128, 64 bytes hold four low bits of elements
// 0 to 63 and 64 to 127, 32 bytes the two high ones of 0 to 31, 32 to 63 and so on.
func dequantiseQ6_K(dst []float32, src []byte) {
	for ; len(dst) > 0; dst, src = dst[256:], src[210:] {
		scales, d := src[192:208], half(src[208:])
		for g := range 16 { // of 16 elements
			part, within := g/8, g%8
			q := src[64*part+within%4*16:][:16]
			h := src[128+32*part+within%2*16:][:16]
			scale, to := d*float32(int8(scales[g])), dst[16*g:][:16]
			qShift, hShift := within/4*4, within/2*2
			for j, b := range q {
				to[j] = scale * float32(int(b>>qShift&15|h[j]>>hShift&3<<4)-32)
			}
		}
	}
}
