// The output of the frozen prefix, looked up in its store as far as it is there and computed where it is not.
#pragma once

#include <vector>

#include "freezing/prefix_store.h"
#include "model/forward_context.h"

namespace permafrost {

// A store, the digests of the weights at every depth, and the batch whose examples are looked up.
struct PrefixLookup {
  PrefixStore& store;
  const std::vector<WeightDigest>& digests;
  const PackedBatch& batch;
};

// Output of the embeddings and the first `depth` layers, dropout off, [T, hidden]. Sequences that the store
// lacks are computed, by themselves, from the deepest rows that it has of them, and kept, also at lesser depths where the
// store wants them.
at::Tensor read_or_compute_prefix(const PassContext& context, const Parameters& parameters, int64_t depth,
                                  const PrefixLookup& lookup);

}  // namespace permafrost
