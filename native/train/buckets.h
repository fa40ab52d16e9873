// Batches of nearly equal size brought to equal shapes, so that one recorded step serves many.
#pragma once

#include <cstdint>
#include <tuple>

#include "model/batch.h"

namespace permafrost {

// The shape that a step is laid out for.
struct Bucket {
  int64_t tokens = 0;
  int64_t sequences = 0;  // borders are sequences + 1
  int64_t longest = 0;    // upper bound on the length of a sequence
  bool stored_prefix = false;  // whether the frozen prefix's output is an input
  bool weighted = false;       // whether weights of the sequences are

  bool operator<(const Bucket& other) const {
    return std::tie(tokens, sequences, longest, stored_prefix, weighted) <
           std::tie(other.tokens, other.sequences, other.longest, other.stored_prefix, other.weighted);
  }
};

// Tokens are rounded up by at most an eighth, or 32; lengths to powers of two from 64 on, but not above the
// tokens; sequences, with those of the filler, to multiples of 8.
Bucket bucket_of(const PackedBatch& batch, int64_t max_positions);

// The batch with filler tokens up to the bucket's: they form one more sequence (several, where one would be longer
// than the bucket's longest) that no other token sees, and whose labels do not count.
PackedBatch fill(const PackedBatch& batch, const Bucket& bucket, int32_t filler_id);

// The borders repeated at their end until there are sequences + 1, which makes empty sequences.
std::vector<int32_t> repeat_last_border(const std::vector<int32_t>& cu_seqlens, int64_t sequences);

}  // namespace permafrost
