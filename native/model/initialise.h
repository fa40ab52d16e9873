// Fresh weights from a seed.
#pragma once

#include <string>
#include <vector>

#include "model/config.h"
#include "model/parameters.h"
#include "model/snapshot.h"

namespace permafrost {

// Draws the named parameters (all of them where `names` is empty) as Hugging Face's BERT does: weights
// from a normal distribution of mean 0 and deviation `initializer_range`, biases 0, LayerNorm weights 1,
// the embeddings of the padding token and of its position 0. Each tensor's numbers depend on the seed and its name alone.
// A snapshot, where there is one, keeps them before.
void initialise(Parameters& parameters, const EncoderConfig& config, uint64_t seed,
                const std::vector<std::string>& names, Snapshot* snapshot = nullptr);

}  // namespace permafrost
