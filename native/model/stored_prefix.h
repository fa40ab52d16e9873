// The frozen prefix by way of its store.
#pragma once

#include <vector>

#include "freezing/prefix_store.h"
#include "model/forward_context.h"

namespace permafrost {

// A store, the digests of the weights at every depth, and the batch whose examples are looked up.
struct StoredPrefix {
  PrefixStore& store;
  const std::vector<WeightDigest>& digests;
  const PackedBatch& batch;
};

// Output of the embeddings and the first `depth` layers, dropout off, [T, hidden]. Sequences that the store
// lacks are computed, by themselves, and kept, also at lesser depths where the store wants them.
at::Tensor read_or_compute_prefix(const PassContext& context, const Parameters& parameters, int64_t depth,
                                  const StoredPrefix& stored);

}  // namespace permafrost
