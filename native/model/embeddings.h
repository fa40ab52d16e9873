// Word, position and token type embeddings, LayerNorm, dropout → hidden_TH.
#pragma once

#include "model/forward_context.h"

namespace permafrost {

struct EmbeddingActivations {
  at::Tensor sum_TH, mean_T, rstd_T;
};

// Keeps what the way back needs in `kept` where one is given.
at::Tensor embed(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations* kept);

// Consumes dhidden_TH.
void embed_backward(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations& kept,
                    at::Tensor dhidden_TH);

}  // namespace permafrost
