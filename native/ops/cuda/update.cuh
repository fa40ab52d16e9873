// The update of all parameters in three launches: the gradients' squares by chunks; their norm, whether there is an
// update and by what gradients are multiplied; AdamW (Loshchilov & Hutter 2019) with the rounded copies, in one pass over
// memory.
#include "ops/cuda/device.cuh"

namespace permafrost::card {

// Block of 256 threads: squares_P[block] = sum of the squares of a chunk. Each thread adds up few of them in fp32.
__global__ void squares(GLOBAL(const UpdatedTensor) tensors, GLOBAL(const UpdatedChunk) chunks,
                               GLOBAL(float) squares_P) {
  const UpdatedChunk chunk = chunks[blockIdx.x];
  const UpdatedTensor tensor = tensors[chunk.tensor];
  GLOBAL(const float) grad = pointer_at<const float>(tensor.grad, tensor.count);
  const i64 begin = chunk.begin, end = min(begin + kUpdateChunk, tensor.count), whole = begin + (end - begin) / 4 * 4;
  float sum = 0;
  for (i64 i = begin + threadIdx.x * 4; i < whole; i += blockDim.x * 4) {
    const float4 g = load_vector<float4>(grad, i);
    sum += g.x * g.x + g.y * g.y + (g.z * g.z + g.w * g.w);
  }
  if (whole + threadIdx.x < end) {
    const float g = grad[whole + threadIdx.x];
    sum += g * g;
  }
  sum = warp_sum(sum);
  SHARED(float) shared = shared_memory<float>(0);
  if (threadIdx.x % 32 == 0) shared[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float total = 0;
  for (u32 warp = 0; warp < blockDim.x / 32; ++warp) {
    const float part = shared[warp];
    total += part;
  }
  squares_P[blockIdx.x] = total;
}

// One block. outcome: the norm of the mean gradients; what a gradient is multiplied by; 1 where there is an update, else
// 0. Nothing is updated, not even the step counts, where the norm or the loss is not finite. steps_S: addresses of the
// counts; corrections_S2: of each 1 - beta1^step and sqrt(1 - beta2^step).
__global__ void __launch_bounds__(kDecidingThreads)
    decide(GLOBAL(const float) squares_P, i64 P, GLOBAL(const float) mean_scale, GLOBAL(const float) loss,
           UpdateConstants constants, GLOBAL(const u64) steps_S, i32 S, GLOBAL(float) corrections_S2,
           GLOBAL(float) outcome) {
  SHARED(double) shared = shared_memory<double>(0);
  double sum = 0;
  for (i64 p = threadIdx.x; p < P; p += blockDim.x) {
    const float square = squares_P[p];
    sum += square;
  }
  shared[threadIdx.x] = sum;
  __syncthreads();
  for (u32 half = blockDim.x / 2; half > 0; half /= 2) {
    if (threadIdx.x < half) {
      const double other = shared[threadIdx.x + half];
      shared[threadIdx.x] += other;
    }
    __syncthreads();
  }
  const double total = shared[0];
  const float mean = mean_scale[0];
  const double scale = mean;
  const double norm = sqrt(total) * scale;
  const double largest = constants.clips != 0 ? 3.4028234663852886e38 : constants.largest_norm;
  const float loss_value = loss[0];
  const bool updates = norm <= largest && fabsf(loss_value) <= 3.402823466e38f;
  for (i32 s = static_cast<i32>(threadIdx.x); s < S && updates; s += blockDim.x) {
    const u64 address = steps_S[s];
    GLOBAL(float) step = pointer_at<float>(address, 1);
    const float count = step[0] + 1.0f;
    step[0] = count;
    corrections_S2[2 * s] = static_cast<float>(1.0 - pow(constants.beta1, static_cast<double>(count)));
    corrections_S2[2 * s + 1] = static_cast<float>(sqrt(1.0 - pow(constants.beta2, static_cast<double>(count))));
  }
  if (threadIdx.x != 0) return;
  const double clip = constants.max_norm > 0 ? constants.max_norm / (norm + 1e-6) : 1.0;
  outcome[0] = static_cast<float>(norm);
  outcome[1] = static_cast<float>(clip < 1 ? scale * clip : scale);
  outcome[2] = updates ? 1.0f : 0.0f;
}

struct AdamWFactors {
  float beta1, beta2, one_minus_beta1, one_minus_beta2, eps, decay, step_size, sqrt_correction2, scale;
};

DEVICE float moved(const AdamWFactors& k, float value, float gradient, float& exp_avg, float& exp_avg_sq) {
  exp_avg = exp_avg * k.beta1 + gradient * k.one_minus_beta1;
  exp_avg_sq = exp_avg_sq * k.beta2 + gradient * gradient * k.one_minus_beta2;
  return value * k.decay - k.step_size * (exp_avg / (sqrtf(exp_avg_sq) / k.sqrt_correction2 + k.eps));
}

// A chunk a block of 256 threads. Reads value, gradient and moments, writes back all but the gradient: 28 bytes an
// element, and 2 for the rounded copy.
__global__ void adamw(GLOBAL(const UpdatedTensor) tensors, GLOBAL(const UpdatedChunk) chunks,
                             GLOBAL(const float) rates, UpdateConstants constants, GLOBAL(const float) mean_scale,
                             GLOBAL(const float) corrections_S2, GLOBAL(const float) outcome) {
  const float updates = outcome[2];
  if (updates == 0.0f) return;
  const UpdatedChunk chunk = chunks[blockIdx.x];
  const UpdatedTensor tensor = tensors[chunk.tensor];
  const float rate = rates[tensor.rate];
  AdamWFactors k;
  k.beta1 = static_cast<float>(constants.beta1);
  k.beta2 = static_cast<float>(constants.beta2);
  k.one_minus_beta1 = static_cast<float>(1.0 - constants.beta1);
  k.one_minus_beta2 = static_cast<float>(1.0 - constants.beta2);
  k.eps = static_cast<float>(constants.eps);
  k.decay = static_cast<float>(1.0 - static_cast<double>(rate) * tensor.weight_decay);
  k.step_size = rate / corrections_S2[2 * tensor.step];
  k.sqrt_correction2 = corrections_S2[2 * tensor.step + 1];
  k.scale = outcome[1];
  const float mean = mean_scale[0];

  GLOBAL(float) value = pointer_at<float>(tensor.value, tensor.count);
  GLOBAL(const float) grad = pointer_at<const float>(tensor.grad, tensor.count);
  GLOBAL(float) exp_avg = pointer_at<float>(tensor.exp_avg, tensor.count);
  GLOBAL(float) exp_avg_sq = pointer_at<float>(tensor.exp_avg_sq, tensor.count);
  GLOBAL(float) sum = pointer_at<float>(tensor.gradient_sum, tensor.count);
  GLOBAL(bf16) rounded = pointer_at<bf16>(tensor.rounded, tensor.count);
  const i64 begin = chunk.begin, end = min(begin + kUpdateChunk, tensor.count), whole = begin + (end - begin) / 4 * 4;
  for (i64 i = begin + threadIdx.x * 4; i < whole; i += blockDim.x * 4) {
    const float4 g = load_vector<float4>(grad, i);
    float4 w = load_vector<float4>(value, i), m = load_vector<float4>(exp_avg, i), v = load_vector<float4>(exp_avg_sq, i);
    w.x = moved(k, w.x, g.x * k.scale, m.x, v.x);
    w.y = moved(k, w.y, g.y * k.scale, m.y, v.y);
    w.z = moved(k, w.z, g.z * k.scale, m.z, v.z);
    w.w = moved(k, w.w, g.w * k.scale, m.w, v.w);
    store_vector(value, i, w);
    store_vector(exp_avg, i, m);
    store_vector(exp_avg_sq, i, v);
    if (rounded) store_vector(rounded, i, make_uint2(pack_bf16(w.x, w.y), pack_bf16(w.z, w.w)));
    if (sum) {
      float4 s = load_vector<float4>(sum, i);
      s.x += g.x * mean, s.y += g.y * mean, s.z += g.z * mean, s.w += g.w * mean;
      store_vector(sum, i, s);
    }
  }
  const i64 i = whole + threadIdx.x;
  if (i >= end) return;
  const float g = grad[i];
  float m = exp_avg[i], v = exp_avg_sq[i];
  const float before = value[i];
  const float w = moved(k, before, g * k.scale, m, v);
  value[i] = w;
  exp_avg[i] = m;
  exp_avg_sq[i] = v;
  if (rounded) rounded[i] = to_bf16(w);
  if (sum) sum[i] += g * mean;
}

}  // namespace permafrost::card
