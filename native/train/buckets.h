// Batches of nearly equal size brought to equal shapes, so that one recorded step serves many.
#pragma once

#include <cstdint>
#include <tuple>
#include <vector>

#include "model/batch.h"

namespace permafrost {

// The shape that a step is laid out for.
struct Bucket {
  int64_t tokens = 0;
  int64_t sequences = 0;  // borders are sequences + 1
  int64_t longest = 0;    // upper bound on the length of a sequence
  int64_t labelled = 0;   // tokens that are scored; 0: all
  bool stored_prefix = false;  // whether the frozen prefix's output is an input
  bool weighted = false;       // whether weights of the sequences are

  bool operator<(const Bucket& other) const {
    return std::tie(tokens, sequences, longest, labelled, stored_prefix, weighted) <
           std::tie(other.tokens, other.sequences, other.longest, other.labelled, other.stored_prefix, other.weighted);
  }
};

// What decides the bucket of a batch.
struct BatchShape {
  int64_t tokens = 0;
  int64_t sequences = 0;
  int64_t longest = 0;
  int64_t labelled = 0;  // where those alone are scored; else 0
  bool weighted = false;
};

BatchShape shape_of(const PackedBatch& batch, bool labelled_only = false);

// Tokens are rounded up by at most an eighth, or 32, and so are labelled ones, for which there is a filler token at the
// end; lengths to powers of two from 128 on, but not above the tokens; sequences, with those of the filler, as tokens
// are, from 8 on.
Bucket bucket_of(const BatchShape& shape, int64_t max_positions);

// The buckets of batches that are to come, but for those that come once only: at most `most` of them, those that come
// oftenest, the largest first.
std::vector<Bucket> buckets_to_come(const std::vector<BatchShape>& shapes, int64_t max_positions, size_t most);

// The batch with filler tokens up to the bucket's: they form one more sequence (several, where one would be longer
// than the bucket's longest) that no other token sees, and whose labels do not count.
PackedBatch fill(const PackedBatch& batch, const Bucket& bucket, int32_t filler_id);

// Such a batch of filler alone, none of whose tokens has a label.
PackedBatch filler_batch(const Bucket& bucket, int32_t filler_id);

// The borders repeated at their end until there are sequences + 1, which makes empty sequences.
std::vector<int32_t> repeat_last_border(const std::vector<int32_t>& cu_seqlens, int64_t sequences);

}  // namespace permafrost
