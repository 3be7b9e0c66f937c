// The update of the weights. Values and gradients are float32; moments are float32
// or bf16, of type M; half is the values' bf16 copy, left out where its address is
// 0. chunks[blocks,3] says of each block's elements the first, the end, and
// whether they decay. norm[2] is the gradient's norm and the factor that clips it;
// where the norm is not finite nothing changes.
#include "device.cuh"

__device__ __forceinline__ bool finite(float x) { return (__float_as_uint(x) & 0x7f800000u) != 0x7f800000u; }

struct AdamScalars {
	float l2, keep, beta1c, beta2, beta2c, root_scale, eps, step_size;
};

// Adam (Kingma and Ba, 2015), with decay coupled by l2 or decoupled by keep
// (Loshchilov and Hutter, 2019). A step works in float32 and rounds moments at its
// end.
template <typename M>
__device__ __forceinline__ void adam(float* value_, const float* grad, M* m, M* v, bf16* half, const int64_t* chunks,
	const AdamScalars* scalars, const float* norm) {
	if (!finite(norm[0])) return;
	AdamScalars s = *scalars;
	float factor = norm[1];
	const int64_t* chunk = chunks + 3 * blockIdx.x;
	int64_t end = chunk[1];
	if (!chunk[2]) {
		s.l2 = 0;
		s.keep = 1;
	}
#pragma unroll 4
	for (int64_t i = chunk[0] + threadIdx.x; i < end; i += blockDim.x) {
		float p = value_[i], mean = value(m[i]), square = value(v[i]);
		float g = grad[i] * factor + s.l2 * p;
		mean += s.beta1c * (g - mean);
		square = s.beta2 * square + s.beta2c * g * g;
		p = p * s.keep - s.step_size * mean / (sqrtf(square) * s.root_scale + s.eps);
		value_[i] = p;
		store(m[i], mean);
		store(v[i], square);
		if (half) store(half[i], p);
	}
}

#define ADAM(M, suffix)                                                                                                       \
	KERNEL adam_##suffix(float* values, const float* grad, M* m, M* v, bf16* half, const int64_t* chunks,                     \
		const AdamScalars* scalars, const float* norm) {                                                                      \
		adam<M>(values, grad, m, v, half, chunks, scalars, norm);                                                             \
	}                                                                                                                         \
	EXPORT(adam_##suffix)

ADAM(float, f32)
ADAM(bf16, bf16)

struct SGDScalars {
	float l2, momentum, lr;
};

// Stochastic gradient descent; b is the momentum's buffer, 0 without momentum.
KERNEL sgd(float* values, const float* grad, float* b, bf16* half, const int64_t* chunks, const SGDScalars* scalars, const float* norm) {
	if (!finite(norm[0])) return;
	SGDScalars s = *scalars;
	float factor = norm[1];
	const int64_t* chunk = chunks + 3 * blockIdx.x;
	int64_t end = chunk[1];
	if (!chunk[2]) s.l2 = 0;
	for (int64_t i = chunk[0] + threadIdx.x; i < end; i += blockDim.x) {
		float p = values[i], g = grad[i] * factor + s.l2 * p;
		if (b) b[i] = g = s.momentum * b[i] + g;
		p -= s.lr * g;
		values[i] = p;
		if (half) store(half[i], p);
	}
}
EXPORT(sgd)

// parts[blocks] are the sums of squares of 64K elements each of x[n].
KERNEL sum_squares(double* parts, const float* x, int64_t n) {
	__shared__ double own[32];
	const int64_t each = 64 << 10;
	int64_t begin = blockIdx.x * each, end = begin + each < n ? begin + each : n;
	double sum = 0;
#pragma unroll 4
	for (int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) sum += (double)x[i] * x[i];
	sum = block_sum(sum, own);
	if (threadIdx.x == 0) parts[blockIdx.x] = sum;
}
EXPORT(sum_squares)

// norm[0] = √Σ parts[blocks], norm[1] = min(1, clip/(norm+1e-6)), 1 where clip is 0.
KERNEL gradient_norm(float* norm, const double* parts, int64_t blocks, float clip) {
	__shared__ double own[32];
	double sum = 0;
	for (int64_t i = threadIdx.x; i < blocks; i += blockDim.x) sum += parts[i];
	sum = sqrt(block_sum(sum, own));
	if (threadIdx.x > 0) return;
	norm[0] = (float)sum;
	double factor = clip / (sum + 1e-6);
	norm[1] = clip == 0 || factor > 1 ? 1 : (float)factor;
}
EXPORT(gradient_norm)
