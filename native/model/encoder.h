// Embeddings and layers in order: forth and back.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "model/embeddings.h"
#include "model/forward_context.h"
#include "model/layer.h"
#include "model/relative_positions.h"

namespace permafrost {

// What a training pass keeps between forth and back.
struct EncoderActivations {
  EmbeddingActivations embeddings;
  std::vector<LayerActivations> layers;
  std::optional<RelativePass> relative;
};

// Number of leading layers that need no gradient; -1 where the embeddings learn.
int64_t frozen_prefix(const Parameters& parameters);

// What of the encoder is computed, and how.
struct EncodeOptions {
  // Whether the frozen prefix applies its dropout.
  bool prefix_dropout = false;
  // Whether only the labelled tokens' output is wanted, for which the last layer then computes no more than it has to.
  bool labelled_only = false;
  // Output of the frozen prefix, [T, hidden], where it is known: then it is not computed, and this is consumed.
  at::Tensor prefix_TH = {};
  // Is shown the output of the embeddings and of each layer, [T, hidden], where it is computed; it must not be kept.
  std::function<void(const at::Tensor& hidden_TH)> on_output = {};
};

// Output of the last layer, [T, hidden], or of the labelled tokens, [M, hidden]. `kept` records what backward needs,
// above the frozen prefix only.
at::Tensor encode(const PassContext& context, const Parameters& parameters, const EncodeOptions& options,
                  EncoderActivations* kept);

// Fills the gradients of the encoder's parameters that learn. Consumes `kept` and the gradient of the output, which is
// undefined where nothing below the head learns. `on_layer` is told each layer whose gradients are complete, from the
// last one down to the embeddings.
void encode_backward(const PassContext& context, const Parameters& parameters, EncoderActivations& kept,
                     at::Tensor dhidden_RH, const std::function<void(int64_t layer)>& on_layer);

}  // namespace permafrost
