// Structs that go to kernels by value, the same for host and card: numbers alone, nothing included.
#pragma once

namespace permafrost {

// One place of dropout in one pass; see ops/dropout.h. Threshold 0: off.
struct DropoutMask {
  unsigned key0, key1, site, pass;
  unsigned threshold;  // of 16 bits
  float scale;
};

// Sums of columns that wait for their last stage: target_C (+)= the `parts` rows of C columns. Addresses of fp32 numbers.
struct PendingSum {
  unsigned long long parts, target;
  int count, columns;
  int accumulates;
  int first_block;  // of those of the launch, each of which has 32 columns
};

// As many as the arguments of a kernel hold.
constexpr int kMostPendingSums = 120;
struct PendingSums {
  PendingSum sum[kMostPendingSums];
  int count;
};

// A parameter as the update takes it: addresses of its tensors, 0 where there is none; which of the rates and of the step
// counts it has.
struct UpdatedTensor {
  unsigned long long value, grad, exp_avg, exp_avg_sq, gradient_sum, rounded;
  long long count;
  double weight_decay;
  int rate, step;
};

// Threads of the one block that decides on an update.
constexpr int kDecidingThreads = 1024;

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

// Attention within short sequences: see ops/cuda/attention.cuh.
constexpr int kAttentionWarps = 4;   // of a block
constexpr int kAttentionAlone = 32;  // tokens of a sequence that a warp takes alone
constexpr int kAttentionRows = 128;  // tokens of a sequence that a block takes
constexpr int kAttentionWords = 33;  // of the mask of a sequence that a warp takes alone, and one more

// Shared memory of a block: matrices of a row a token, two numbers a token, the mask.
constexpr int attention_shared_bytes(int head_size, bool backward) {
  return (backward ? 4 : 3) * kAttentionRows * head_size * 2 + 2 * kAttentionRows * 4 +
         (kAttentionRows * kAttentionRows / 32 + 1) * 4;
}

}  // namespace permafrost
