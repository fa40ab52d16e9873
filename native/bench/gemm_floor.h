// The matrix products of one training step and nothing else: what a step's time is measured against.
#pragma once

#include <cstdint>

#include "model/model.h"

namespace permafrost {

struct ProductTiming {
  double seconds;
  // Floating-point operations: two for each multiplication with its addition.
  double flops;
  int64_t products;
};

// Computes every product of a linear map that a training step over `num_tokens` tokens computes under the
// model's present freezing: forward, gradients of activations, gradients of weights. The products within
// attention are left out, for they depend on the lengths of the sequences. The last layer goes on behind attention with
// `scored_tokens` of the tokens, the labelled ones, and so does the head.
//
// Reads the model's weights and writes into work buffers that are allocated before the clock starts; changes
// neither weights nor gradients. Throws INVALID_OPTION where `num_tokens` or `scored_tokens` is out of range.
ProductTiming time_step_products(Model& model, int64_t num_tokens, int64_t scored_tokens);

}  // namespace permafrost
