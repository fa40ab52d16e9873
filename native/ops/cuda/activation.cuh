// The feed-forward activation, and its gradient together with the bias's and the activation itself once more.
#include "ops/cuda/rows.cuh"

namespace permafrost::card {

// As `Activation` numbers them.
constexpr int kGelu = 0, kRelu = 2;  // what is between: gelu_new

struct Activated {
  float value, derivative;
};

// What is not used of the result is not computed.
template <int kKind>
DEVICE Activated activated(float x) {
  if constexpr (kKind == kRelu) {
    return {x > 0 ? x : x != x ? x : 0.0f, x > 0 ? 1.0f : 0.0f};
  } else if constexpr (kKind == kGelu) {
    // The cumulative normal distribution by Abramowitz & Stegun, formula 7.1.26 (absolute error below 1.5e-7), which
    // shares its exponential with the density.
    const float z = fabsf(x) * 0.70710678118654752f;
    const float t = __fdividef(1.0f, 1.0f + 0.3275911f * z);
    const float exponential = __expf(-0.5f * x * x);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float upper = 0.5f * p * t * exponential;
    const float cumulative = x < 0 ? upper : 1.0f - upper;
    return {x * cumulative, cumulative + x * 0.39894228040143268f * exponential};
  } else {
    const float t = tanhf(0.79788456080286536f * (x + 0.044715f * x * x * x));
    return {0.5f * x * (1.0f + t),
            0.5f * (1.0f + t) + 0.5f * x * (1.0f - t * t) * 0.79788456080286536f * (1.0f + 0.134145f * x * x)};
  }
}

// pre <- pre + bias where there is one; y = activation(pre), or, where y is null, pre <- activation(pre + bias). Eight
// elements a thread of R C / 8.
template <typename X, int kKind>
__global__ void activate(GLOBAL(X) pre_RC, GLOBAL(const float) bias_C, GLOBAL(X) y_RC, i64 R, i64 C) {
  const i64 element = (static_cast<i64>(blockIdx.x) * blockDim.x + threadIdx.x) * 8;
  if (element >= R * C) return;
  float x[8], y[8];
  widen(load8(pre_RC, element), x);
  if (bias_C) {
    float bias[8];
    widen(load8(bias_C, element % C), bias);
    UNROLL
    for (int i = 0; i < 8; ++i) x[i] = to_float(to<X>(x[i] + bias[i]));
    if (y_RC) store8(pre_RC, element, x);
  }
  UNROLL
  for (int i = 0; i < 8; ++i) y[i] = activated<kKind>(x[i]).value;
  store8(y_RC ? y_RC : pre_RC, element, y);
}

// gradient <- gradient * activation'(pre); pre <- activation(pre) where `leaves_activation`; parts_PC: the gradient's column
// sums, in the parts of column_sums and by the same blocks, or null.
template <typename X, int kKind>
__global__ void activate_backward(GLOBAL(X) gradient_RC, GLOBAL(X) pre_RC, i32 leaves_activation,
                                  GLOBAL(float) parts_PC, i64 R, i64 C) {
  constexpr int kAtOnce = 2;
  const i64 column = static_cast<i64>(blockIdx.x) * 256 + threadIdx.x % 32 * 8;
  const i64 warps = blockDim.x / 32, step = gridDim.y * warps;
  float sums[8] = {};
  if (column < C) {
    for (i64 row = blockIdx.y * warps + threadIdx.x / 32; row < R; row += kAtOnce * step) {
      Eight<X> gradients[kAtOnce], pres[kAtOnce];
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        const i64 place = (row + k * step) * C + column;
        if (row + k * step >= R) continue;
        gradients[k] = load8(gradient_RC, place);
        pres[k] = load8(pre_RC, place);
      }
      UNROLL
      for (int k = 0; k < kAtOnce; ++k) {
        const i64 place = (row + k * step) * C + column;
        if (row + k * step >= R) continue;
        float gradient[8], x[8];
        widen(gradients[k], gradient);
        widen(pres[k], x);
        UNROLL
        for (int i = 0; i < 8; ++i) {
          const Activated at = activated<kKind>(x[i]);
          gradient[i] *= at.derivative;
          x[i] = at.value;
          sums[i] += gradient[i];
        }
        store8(gradient_RC, place, gradient);
        if (leaves_activation != 0) store8(pre_RC, place, x);
      }
    }
  }
  if (!parts_PC) return;
  const i64 begin = static_cast<i64>(blockIdx.x) * 256;
  leave_part(sums, static_cast<u32>(warps), parts_PC, blockIdx.y * C + begin, C - begin);
}

}  // namespace permafrost::card
