// One encoder layer on packed tokens: self-attention and feed-forward, each followed by dropout,
// residual and LayerNorm (Vaswani et al. 2017, post-norm as in BERT).
#pragma once

#include "model/forward_context.h"
#include "model/relative_positions.h"

namespace permafrost {

// What a layer keeps on the way forth for the way back. A tensor that only the gradient of a frozen
// weight would need is not kept.
struct LayerActivations {
  at::Tensor x_TH;
  at::Tensor qkv_T3H, context_TH, lse_TN;
  at::Tensor attention_sum_TH, attention_mean_T, attention_rstd_T;
  at::Tensor middle_TH;
  at::Tensor pre_TI;
  at::Tensor output_sum_TH, output_mean_T, output_rstd_T;
  RelativeActivations relative;
};

// Which gradients a backward pass through the layer has to compute.
struct LayerNeeds {
  bool input = false;         // gradient of x, for what lies below
  bool attention = false;     // through the attention product
  bool middle = false;        // through the first LayerNorm
  bool feed_forward = false;  // through the second linear map

  LayerNeeds(const LayerWeights& weights, bool input_wanted);
};

at::Tensor layer_forward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                         const at::Tensor& x_TH, LayerActivations* kept);

// Consumes dy_TH and `kept`; returns the gradient of x, undefined where `input_wanted` is false.
at::Tensor layer_backward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                          LayerActivations& kept, at::Tensor dy_TH, bool input_wanted);

}  // namespace permafrost
