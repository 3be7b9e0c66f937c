// Cross-entropy of a chunk of logits, with a teacher or without. The gradient of
// the logits may take their place. Shapes: N tokens of the chunk, V vocabulary. T
// is the type of the gradient; logits are float32. A block takes a token.
#include "device.cuh"

const int LOSS_THREADS = 512, LOSS_WARPS = LOSS_THREADS / WARP;

// block_max is as block_sum.
__device__ __forceinline__ float block_max(float x, float* own) {
	x = warp_max(x);
	if (threadIdx.x % WARP == 0) own[threadIdx.x / WARP] = x;
	__syncthreads();
	x = own[0];
	for (int i = 1; i < LOSS_WARPS; i++) x = fmaxf(x, own[i]);
	__syncthreads();
	return x;
}

// each_logit calls f for every i < vocab, four at a time where row and vocabulary
// allow it.
template <int vector, typename F> __device__ __forceinline__ void each_logit(int vocab, F f) {
	for (int i = vector * threadIdx.x; i < vocab; i += vector * LOSS_THREADS) f(i);
}

// write_gradient sets g[i] = f(i) for a row. A bf16 gradient may lie in the first
// half of its row of logits: all threads have read what a round of writes covers,
// and later rounds read beyond it.
template <typename T, typename F> __device__ __forceinline__ void write_gradient(T* g, int vocab, bool four, F f) {
	if (four) {
		for (int first = 0; first < vocab; first += 4 * LOSS_THREADS) {
			int i = first + 4 * threadIdx.x;
			float v[4];
			if (i < vocab)
				for (int k = 0; k < 4; k++) v[k] = f(i + k);
			if (sizeof(T) < sizeof(float)) __syncthreads();
			if (i < vocab) store4(g + i, v);
		}
		return;
	}
	for (int first = 0; first < vocab; first += LOSS_THREADS) {
		int i = first + threadIdx.x;
		float v = i < vocab ? f(i) : 0;
		if (sizeof(T) < sizeof(float)) __syncthreads();
		if (i < vocab) store(g[i], v);
	}
}

// online adds exp(x) to sum·exp(top), keeping top the largest so far.
__device__ __forceinline__ void online(float& top, float& sum, float x) {
	if (x > top) {
		sum = sum * __expf(top - x) + 1;
		top = x;
	} else {
		sum += __expf(x - top);
	}
}

// losses[N] = −log softmax(logits)[target] and gradient[N,V] =
// scale·(softmax(logits) − 1[target]), left out where its address is 0. Both are 0
// where the target is negative.
template <typename T>
__device__ __forceinline__ void cross_entropy(const float* logits, T* gradient, const int* targets, const float* scale, float* losses,
	int64_t vocab, int64_t stride, int64_t gradient_stride) {
	__shared__ float own[LOSS_WARPS];
	int64_t row = blockIdx.x;
	const float* x = logits + row * stride;
	T* g = gradient ? gradient + row * gradient_stride : nullptr;
	int target = targets[row];
	bool four = vocab % 4 == 0 && fours(x) && fours(g);
	if (target < 0) {
		if (threadIdx.x == 0) losses[row] = 0;
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
	if (threadIdx.x == 0) losses[row] = logf(sum) + (largest - hit);
	if (!g) return;
	float weight = *scale, each = weight / sum;
	write_gradient(g, (int)vocab, four, [=](int i) { return each * __expf(x[i] - largest) - (i == target ? weight : 0); });
}

// With p the student's and q the teacher's softmax, at temperature τ where the
// index says so: losses[N] = −α·log p[target] − (1−α)·τ²·Σ q_τ·log p_τ, labels[N] =
// −log p[target] and gradient[N,V] = scale·(α·(p − 1[target]) + (1−α)·τ·(p_τ − q_τ)),
// which is left out where its address is 0 (Hinton et al., 2015). All are 0 where
// the target is negative.
template <typename T>
__device__ __forceinline__ void distillation(const float* logits, T* gradient, const float* teacher, const int* targets, const float* scale,
	float* losses, float* labels, int64_t vocab, int64_t stride, int64_t gradient_stride, int64_t teacher_stride, float alpha,
	float temperature) {
	__shared__ float own[LOSS_WARPS];
	int64_t row = blockIdx.x;
	const float *x = logits + row * stride, *y = teacher + row * teacher_stride;
	T* g = gradient ? gradient + row * gradient_stride : nullptr;
	int target = targets[row];
	bool four = vocab % 4 == 0 && fours(g);
	if (target < 0) {
		if (threadIdx.x == 0) losses[row] = labels[row] = 0;
		if (g) write_gradient(g, (int)vocab, four, [](int) { return 0.0f; });
		return;
	}
	float cold = 1 / temperature, hit = x[target];
	float top = -INFINITY, teacher_top = -INFINITY;
	each_logit<1>((int)vocab, [&](int i) {
		top = fmaxf(top, x[i]);
		teacher_top = fmaxf(teacher_top, y[i]);
	});
	top = block_max(top, own);
	teacher_top = block_max(teacher_top, own);
	float sum = 0, soft = 0, teacher_sum = 0, cross = 0;
	each_logit<1>((int)vocab, [&](int i) {
		float a = x[i] - top, q = __expf(cold * (y[i] - teacher_top));
		sum += __expf(a);
		soft += __expf(cold * a);
		teacher_sum += q;
		cross += q * (cold * a);
	});
	sum = block_sum(sum, own);
	soft = block_sum(soft, own);
	teacher_sum = block_sum(teacher_sum, own);
	cross = block_sum(cross, own);
	if (threadIdx.x == 0) {
		float label = logf(sum) + (top - hit);
		labels[row] = label;
		losses[row] = alpha * label + (1 - alpha) * temperature * temperature * (logf(soft) - cross / teacher_sum);
	}
	if (!g) return;
	float weight = *scale, hard = weight * alpha, warm = weight * (1 - alpha) * temperature;
	write_gradient(g, (int)vocab, four, [=](int i) {
		float a = x[i] - top;
		float e = hard * (__expf(a) / sum - (i == target ? 1 : 0));
		return e + warm * (__expf(cold * a) / soft - __expf(cold * (y[i] - teacher_top)) / teacher_sum);
	});
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

#define LOSS(T, suffix)                                                                                                           \
	KERNEL cross_entropy_##suffix(const float* logits, T* gradient, const int* targets, const float* scale, float* losses,        \
		int64_t vocab, int64_t stride, int64_t gradient_stride) {                                                                 \
		cross_entropy<T>(logits, gradient, targets, scale, losses, vocab, stride, gradient_stride);                               \
	}                                                                                                                             \
	EXPORT(cross_entropy_##suffix)                                                                                                \
	KERNEL distillation_##suffix(const float* logits, T* gradient, const float* teacher, const int* targets, const float* scale,  \
		float* losses, float* labels, int64_t vocab, int64_t stride, int64_t gradient_stride, int64_t teacher_stride, float alpha, \
		float temperature) {                                                                                                      \
		distillation<T>(logits, gradient, teacher, targets, scale, losses, labels, vocab, stride, gradient_stride, teacher_stride, \
			alpha, temperature);                                                                                                  \
	}                                                                                                                             \
	EXPORT(distillation_##suffix)

LOSS(float, f32)
LOSS(bf16, bf16)
