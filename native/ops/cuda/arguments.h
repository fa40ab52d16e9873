// Structs that go to kernels by value, the same for host and card: numbers alone, nothing included.
#pragma once

namespace permafrost {

// One place of dropout in one pass; see ops/dropout.h. Threshold 0: off.
struct DropoutMask {
  unsigned key0, key1, site, pass;
  unsigned threshold;  // of 16 bits
  float scale;
};

// A parameter as the update takes it: addresses of its tensors, 0 where there is none; which of the rates and of the step
// counts it has.
struct UpdatedTensor {
  unsigned long long value, grad, exp_avg, exp_avg_sq, gradient_sum, rounded;
  long long count;
  double weight_decay;
  int rate, step;
};

// Elements that a block of the update takes, at most, and which.
constexpr long long kUpdateChunk = 8192;
struct UpdatedChunk {
  long long tensor, begin;
};

struct UpdateConstants {
  double beta1, beta2, eps;
  double max_norm;      // 0: no clipping
  double largest_norm;  // of an update without clipping
  int clips;
};

}  // namespace permafrost
