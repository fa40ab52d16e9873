// Word, position and token type embeddings, LayerNorm, dropout and, where the embeddings are of another size
// than the layers, a linear map → hidden_TH.
#pragma once

#include "model/forward_context.h"

namespace permafrost {

struct EmbeddingActivations {
  at::Tensor sum_TE, mean_T, rstd_T;
  at::Tensor embedded_TE;  // input of the linear map, where there is one
};

// Keeps what the way back needs in `kept` where one is given.
at::Tensor embed(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations* kept);

// Consumes dhidden_TH.
void embed_backward(const PassContext& context, const EmbeddingWeights& weights, EmbeddingActivations& kept,
                    at::Tensor dhidden_TH);

}  // namespace permafrost
