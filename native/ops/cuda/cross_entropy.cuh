// The loss of a step that is launched ahead of the device, and its gradient.
#include "ops/cuda/device.cuh"

namespace permafrost::card {

// logits_TC becomes `scale` times the gradient of the summed cross-entropies of the tokens whose label is not `ignored`;
// losses_P: that sum by blocks. A warp a token.
template <typename X>
__global__ void cross_entropy(GLOBAL(X) logits_TC, GLOBAL(const i32) labels_T, i32 ignored, GLOBAL(const float) scale,
                              GLOBAL(float) losses_P, i64 T, i64 C) {
  const i64 lane = threadIdx.x % 32, warp = threadIdx.x / 32, warps = blockDim.x / 32;
  const float factor = scale[0];
  float loss = 0;
  for (i64 t = blockIdx.x * warps + warp; t < T; t += gridDim.x * warps) {
    GLOBAL(X) x_C = logits_TC + t * C;
    const i32 label = labels_T[t];
    if (label == ignored) {
      for (i64 c = lane; c < C; c += 32) x_C[c] = to<X>(0.0f);
      continue;
    }
    float largest = -infinity();
    for (i64 c = lane; c < C; c += 32) {
      const X x = x_C[c];
      largest = fmaxf(largest, to_float(x));
    }
    largest = warp_max(largest);
    float total = 0;
    for (i64 c = lane; c < C; c += 32) {
      const X x = x_C[c];
      total += expf(to_float(x) - largest);
    }
    total = warp_sum(total);
    const X labelled = x_C[label];
    const float log_total = logf(total);
    loss += log_total - (to_float(labelled) - largest);
    __syncwarp();
    for (i64 c = lane; c < C; c += 32) {
      const X x = x_C[c];
      const float p = expf(to_float(x) - largest - log_total);
      x_C[c] = to<X>((c == label ? p - 1.0f : p) * factor);
    }
  }
  SHARED(float) shared = shared_memory<float>(0);
  if (lane == 0) shared[warp] = loss;
  __syncthreads();
  if (threadIdx.x != 0) return;
  float sum = 0;
  for (i64 w = 0; w < warps; ++w) {
    const float part = shared[w];
    sum += part;
  }
  losses_P[blockIdx.x] = sum;
}

// sum = the losses of the blocks; one warp.
static __global__ void sum_losses(GLOBAL(const float) losses_P, GLOBAL(float) sum, i64 P) {
  double total = 0;
  for (i64 p = threadIdx.x; p < P; p += 32) {
    const float loss = losses_P[p];
    total += loss;
  }
  UNROLL
  for (int distance = 16; distance > 0; distance /= 2) total += __shfl_xor_sync(kWarp, total, distance);
  if (threadIdx.x == 0) sum[0] = static_cast<float>(total);
}

}  // namespace permafrost::card
