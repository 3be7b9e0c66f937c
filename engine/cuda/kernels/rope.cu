// RoPE (Su et al., 2021): elements i and i+D/2 of a head are turned together by an
// angle that depends on position and i. Shapes: N tokens, T of a sequence, H heads,
// K kv heads, D head size.
#include "device.cuh"

// turned[N,heads·D] are the first `heads` heads of rows of qkv[N,width], turned;
// cos and sin are [T,D/2]. A block takes a token, a thread pairs of elements.
template <typename E>
__device__ __forceinline__ void rope(E* turned, const E* qkv, const float* cos, const float* sin, int64_t t, int heads, int d, int64_t width) {
	int64_t n = blockIdx.x;
	int half = d / 2;
	turned += n * heads * d;
	qkv += n * width;
	cos += n % t * half;
	sin += n % t * half;
	if (half % 4 == 0 && fours(turned) && fours(qkv) && fours(cos) && fours(sin)) {
		int quarter = half / 4; // fours in half a head
		for (int k = threadIdx.x; k < heads * quarter; k += blockDim.x) {
			int head = k / quarter, i = k % quarter * 4, at = head * d + i;
			float a[4], b[4], c[4], s[4], u[4];
			load4(a, qkv + at);
			load4(b, qkv + at + half);
			load4(c, cos + i);
			load4(s, sin + i);
#pragma unroll
			for (int e = 0; e < 4; e++) {
				u[e] = a[e] * c[e] - b[e] * s[e];
				b[e] = b[e] * c[e] + a[e] * s[e];
			}
			store4(turned + at, u);
			store4(turned + at + half, b);
		}
		return;
	}
	for (int k = threadIdx.x; k < heads * half; k += blockDim.x) {
		int head = k / half, i = k % half, at = head * d + i;
		float a = value(qkv[at]), b = value(qkv[at + half]);
		store(turned[at], a * cos[i] - b * sin[i]);
		store(turned[at + half], b * cos[i] + a * sin[i]);
	}
}

#define ROPE(E, suffix)                                                                                                  \
	KERNEL rope_##suffix(E* turned, const E* qkv, const float* cos, const float* sin, int64_t t, int64_t heads, int64_t d, \
		int64_t width) {                                                                                                 \
		rope<E>(turned, qkv, cos, sin, t, (int)heads, (int)d, width);                                                    \
	}                                                                                                                    \
	EXPORT(rope_##suffix)

ROPE(float, f32)
ROPE(bf16, bf16)
