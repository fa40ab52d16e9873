// Embeddings and layers in order: forth and back.
#pragma once

#include <optional>
#include <vector>

#include "model/embeddings.h"
#include "model/forward_context.h"
#include "model/layer.h"
#include "model/prefix_lookup.h"
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

// Output of the last layer, [T, hidden], or where `labelled_only` that of the labelled tokens, [M, hidden], for which the
// last layer then computes no more than it has to. `kept` records what backward needs, above the frozen prefix only;
// `prefix_dropout` says whether the frozen prefix applies its dropout. Where `lookup` is given, the outputs of the frozen
// prefix come from its store as far as they are there.
at::Tensor encode(const PassContext& context, const Parameters& parameters, bool prefix_dropout,
                  EncoderActivations* kept, const PrefixLookup* lookup = nullptr, bool labelled_only = false);

// The same from the output of the frozen prefix on, which must not be empty.
at::Tensor encode_above(const PassContext& context, const Parameters& parameters, at::Tensor hidden_TH,
                        EncoderActivations* kept, bool labelled_only = false);

// Fills the gradients of the encoder's parameters that learn. Consumes `kept` and the gradient of the output, which is
// undefined where nothing below the head learns.
void encode_backward(const PassContext& context, const Parameters& parameters, EncoderActivations& kept,
                     at::Tensor dhidden_RH);

}  // namespace permafrost
