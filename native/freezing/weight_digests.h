// Digests of frozen weights, by which a prefix store knows what its rows were computed with.
#pragma once

#include <vector>

#include "freezing/prefix_store.h"
#include "model/parameters.h"

namespace permafrost {

// Element d: digest of the embeddings and the first d layers, for d = 0 .. depth.
// What else the outputs depend on, such as the number of heads, goes in, too.
std::vector<WeightDigest> digest_prefixes(const Parameters& parameters, const EncoderConfig& config, int64_t depth);

}  // namespace permafrost
