// Cross-entropy of a chunk of logits. Shapes: N tokens of the chunk, V vocabulary.
// T is the type of the gradient; logits are float32. A block takes a token.
#include "loss.cuh"

// losses[N] = −log softmax(logits)[target], z_losses[N] = z·lse² with lse the log of
// the softmax's denominator, and gradient[N,V] = scale·(softmax(logits)·(1 + 2·z·lse) −
// 1[target]); the latter two are left out where their address is 0. All are 0 where the
// target is negative.
template <typename T>
__device__ __forceinline__ void cross_entropy(const float* logits, T* gradient, const int* targets, const float* scale, float* losses,
	float* z_losses, int64_t vocab, int64_t stride, int64_t gradient_stride, float z) {
	__shared__ float own[LOSS_WARPS];
	int64_t row = blockIdx.x;
	const float* x = logits + row * stride;
	T* g = gradient ? gradient + row * gradient_stride : nullptr;
	int target = targets[row];
	bool four = vocab % 4 == 0 && fours(x) && fours(g);
	if (target < 0) {
		if (threadIdx.x == 0) losses[row] = 0;
		if (threadIdx.x == 0 && z_losses) z_losses[row] = 0;
		if (g) write_gradient(g, (int)vocab, four, [](int) { return 0.0f; });
		return;
	}
	float hit = x[target], top = -INFINITY, sum = 0;
	if (four) {
		each_logit<4>((int)vocab, [&](int i) {
			float v[4];
			load4(v, x + i);
#pragma unroll
			for (int k = 0; k < 4; k++) online(top, sum, v[k]);
		});
	} else {
		each_logit<1>((int)vocab, [&](int i) { online(top, sum, x[i]); });
	}
	float largest = block_max(top, own);
	sum = block_sum(sum == 0 ? 0 : sum * __expf(top - largest), own);
	float lse = logf(sum) + largest;
	if (threadIdx.x == 0) losses[row] = logf(sum) + (largest - hit);
	if (threadIdx.x == 0 && z_losses) z_losses[row] = z * lse * lse;
	if (!g) return;
	float weight = *scale, each = weight / sum * (1 + 2 * z * lse);
	write_gradient(g, (int)vocab, four, [=](int i) { return each * __expf(x[i] - largest) - (i == target ? weight : 0); });
}

// loss = scale·Σ losses[N], in one block, in float64.
KERNEL sum_losses(float* loss, const float* losses, const float* scale, int64_t n) {
	__shared__ double own[32];
	double sum = 0;
	for (int64_t i = threadIdx.x; i < n; i += blockDim.x) sum += losses[i];
	sum = block_sum(sum, own);
	if (threadIdx.x == 0) *loss = (float)(sum * *scale);
}
EXPORT(sum_losses)

#define LOSS(T, suffix)                                                                                                    \
	KERNEL cross_entropy_##suffix(const float* logits, T* gradient, const int* targets, const float* scale, float* losses, \
		float* z_losses, int64_t vocab, int64_t stride, int64_t gradient_stride, float z) {                                \
		cross_entropy<T>(logits, gradient, targets, scale, losses, z_losses, vocab, stride, gradient_stride, z);           \
	}                                                                                                                      \
	EXPORT(cross_entropy_##suffix)

LOSS(float, f32)
LOSS(bf16, bf16)
