// The loss of a chunk of logits against a teacher's (the paper's section 3.5), and
// what is stored of a teacher. Shapes: N tokens of the chunk, V vocabulary. T is the
// type of the gradient; logits are float32. A block takes a token.
#include "loss.cuh"

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

// distillation with a teacher of which the largest log-probabilities are known,
// log_probs[N,count] of the tokens ids[N,count], distinct in a row: q_τ is their
// softmax at τ and 0 elsewhere. A round's part of q is laid out in shared memory.
template <typename T>
__device__ __forceinline__ void distillation_top(const float* logits, T* gradient, const int* ids, const float* log_probs,
	const int* targets, const float* scale, float* losses, float* labels, int64_t vocab, int64_t stride, int64_t gradient_stride,
	int64_t count, float alpha, float temperature) {
	__shared__ float own[LOSS_WARPS];
	__shared__ float part[4 * LOSS_THREADS];
	int64_t row = blockIdx.x;
	const float* x = logits + row * stride;
	T* g = gradient ? gradient + row * gradient_stride : nullptr;
	ids += row * count;
	log_probs += row * count;
	int target = targets[row];
	if (target < 0) {
		if (threadIdx.x == 0) losses[row] = labels[row] = 0;
		if (g) write_gradient(g, (int)vocab, false, [](int) { return 0.0f; });
		return;
	}
	float cold = 1 / temperature, hit = x[target];
	float top = -INFINITY, teacher_top = -INFINITY;
	each_logit<1>((int)vocab, [&](int i) { top = fmaxf(top, x[i]); });
	each_logit<1>((int)count, [&](int i) { teacher_top = fmaxf(teacher_top, log_probs[i]); });
	top = block_max(top, own);
	teacher_top = block_max(teacher_top, own);
	float sum = 0, soft = 0, teacher_sum = 0, cross = 0;
	each_logit<1>((int)vocab, [&](int i) {
		sum += __expf(x[i] - top);
		soft += __expf(cold * (x[i] - top));
	});
	each_logit<1>((int)count, [&](int i) {
		float q = __expf(cold * (log_probs[i] - teacher_top));
		teacher_sum += q;
		cross += q * (cold * (x[ids[i]] - top));
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
	const int round = 4 * LOSS_THREADS;
	for (int first = 0; first < vocab; first += round) {
		for (int i = threadIdx.x; i < round; i += LOSS_THREADS) part[i] = 0;
		__syncthreads();
		for (int i = threadIdx.x; i < count; i += LOSS_THREADS) {
			int at = ids[i] - first;
			if (at >= 0 && at < round) part[at] = __expf(cold * (log_probs[i] - teacher_top)) / teacher_sum;
		}
		__syncthreads();
		float v[4];
#pragma unroll
		for (int k = 0; k < 4; k++) {
			int at = threadIdx.x + k * LOSS_THREADS, i = first + at;
			if (i >= vocab) continue;
			float a = x[i] - top;
			v[k] = hard * (__expf(a) / sum - (i == target ? 1 : 0)) + warm * (__expf(cold * a) / soft - part[at]);
		}
		__syncthreads(); // the logits that these writes cover are read, and part is free
#pragma unroll
		for (int k = 0; k < 4; k++) {
			int i = first + threadIdx.x + k * LOSS_THREADS;
			if (i < vocab) store(g[i], v[k]);
		}
	}
}

// The largest log-probabilities of each row of logits[N,V], largest first and of
// equal ones that of the lower id: log_probs[N,count], and their ids[N,count] as
// numbers. One walk through the row for each.
KERNEL top_log_probs(float* log_probs, float* ids, const float* logits, int64_t vocab, int64_t stride, int64_t count) {
	__shared__ float own[LOSS_WARPS];
	__shared__ int found[LOSS_WARPS];
	int64_t row = blockIdx.x;
	const float* x = logits + row * stride;
	float top = -INFINITY, sum = 0;
	each_logit<1>((int)vocab, [&](int i) { online(top, sum, x[i]); });
	float largest = block_max(top, own);
	sum = block_sum(sum == 0 ? 0 : sum * __expf(top - largest), own);
	float norm = largest + logf(sum), last = INFINITY;
	int last_id = -1;
	for (int k = 0; k < count; k++) {
		float best = -INFINITY;
		int id = 0x7fffffff;
		each_logit<1>((int)vocab, [&](int i) {
			bool after = x[i] < last || (x[i] == last && i > last_id);
			if (after && (x[i] > best || (x[i] == best && i < id))) {
				best = x[i];
				id = i;
			}
		});
		last = block_max(best, own);
		id = warp_min(best == last ? id : 0x7fffffff);
		if (threadIdx.x % WARP == 0) found[threadIdx.x / WARP] = id;
		__syncthreads();
		last_id = found[0];
		for (int i = 1; i < LOSS_WARPS; i++) last_id = min(last_id, found[i]);
		__syncthreads();
		if (threadIdx.x > 0) continue;
		log_probs[row * count + k] = last - norm;
		ids[row * count + k] = (float)last_id;
	}
}
EXPORT(top_log_probs)

#define DISTILLATION(T, suffix)                                                                                                    \
	KERNEL distillation_##suffix(const float* logits, T* gradient, const float* teacher, const int* targets, const float* scale,   \
		float* losses, float* labels, int64_t vocab, int64_t stride, int64_t gradient_stride, int64_t teacher_stride, float alpha, \
		float temperature) {                                                                                                       \
		distillation<T>(logits, gradient, teacher, targets, scale, losses, labels, vocab, stride, gradient_stride, teacher_stride, \
			alpha, temperature);                                                                                                   \
	}                                                                                                                              \
	EXPORT(distillation_##suffix)                                                                                                  \
	KERNEL distillation_top_##suffix(const float* logits, T* gradient, const int* ids, const float* log_probs, const int* targets, \
		const float* scale, float* losses, float* labels, int64_t vocab, int64_t stride, int64_t gradient_stride, int64_t count,   \
		float alpha, float temperature) {                                                                                          \
		distillation_top<T>(logits, gradient, ids, log_probs, targets, scale, losses, labels, vocab, stride, gradient_stride,      \
			count, alpha, temperature);                                                                                            \
	}                                                                                                                              \
	EXPORT(distillation_top_##suffix)

DISTILLATION(float, f32)
DISTILLATION(bf16, bf16)
