// Prediction of hidden tokens, as BertForMaskedLM has it: dense map, activation, LayerNorm, and the table of
// word embeddings as decoder.
//
// Only the labelled tokens, M of the T, are given and scored, in parts of bounded memory. The gradient of the table is
// left where the embeddings' own way back adds that of the lookup to it.
#pragma once

#include "model/head.h"

namespace permafrost {

at::Tensor masked_lm_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH);
double masked_lm_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_MH);
HeadGradients masked_lm_gradients(const PassContext& context, const Parameters& parameters,
                                  const at::Tensor& hidden_MH, double scale, bool input_wanted);

}  // namespace permafrost
