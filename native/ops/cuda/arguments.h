// Structs that go to kernels by value, the same for host and card: numbers alone, nothing included.
#pragma once

namespace permafrost {

// One place of dropout in one pass; see ops/dropout.h. Threshold 0: off.
struct DropoutMask {
  unsigned key0, key1, site, pass;
  unsigned threshold;  // of 16 bits
  float scale;
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
