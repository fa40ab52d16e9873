// Embeddings, layers in order, classification head: forth and back.
#pragma once

#include <vector>

#include "model/embeddings.h"
#include "model/forward_context.h"
#include "model/layer.h"
#include "model/stored_prefix.h"

namespace permafrost {

// What a training pass keeps between forth and back.
struct EncoderActivations {
  EmbeddingActivations embeddings;
  std::vector<LayerActivations> layers;
  at::Tensor hidden_TH;  // input of the classifier, dropout applied
};

// Number of leading layers that need no gradient; -1 where the embeddings learn.
int64_t frozen_prefix(const Parameters& parameters);

// Logits [T, labels]. `kept` records what backward needs, above the frozen prefix only; `prefix_dropout`
// says whether the frozen prefix applies its dropout. Where `stored` is given, the outputs of the frozen
// prefix come from its store as far as they are there.
at::Tensor forward(const PassContext& context, const Parameters& parameters, bool prefix_dropout,
                   EncoderActivations* kept, const StoredPrefix* stored = nullptr);

// Fills the gradients of all parameters that learn. Consumes `kept` and dlogits_TC.
void backward(const PassContext& context, const Parameters& parameters, EncoderActivations& kept,
              const at::Tensor& dlogits_TC);

}  // namespace permafrost
