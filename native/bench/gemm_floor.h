// The matrix products of one training step and nothing else: what a step's time is measured against.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model/model.h"

namespace permafrost {

struct ProductTiming {
  double seconds;
  // Floating-point operations: two for each multiplication with its addition.
  double flops;
  int64_t products;
  // What can be named as `library`.
  std::vector<std::string> libraries;
};

// Computes every product of a linear map that a training step over `num_tokens` tokens computes under the
// model's present freezing: forward, gradients of activations, gradients of weights. The products within
// attention are left out, for they depend on the lengths of the sequences. The last layer goes on behind attention with
// `scored_tokens` of the tokens, the labelled ones, and so does the head.
//
// `library`: what multiplies all of them, by its name; empty for what the model takes.
//
// Reads the model's weights and writes into work buffers that are allocated before the clock starts; changes
// neither weights nor gradients. Throws INVALID_OPTION where `num_tokens` or `scored_tokens` is out of range, or there is
// no such library.
ProductTiming time_step_products(Model& model, int64_t num_tokens, int64_t scored_tokens, const std::string& library = "");

}  // namespace permafrost
