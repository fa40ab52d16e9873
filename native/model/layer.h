// One encoder layer on packed tokens: self-attention and feed-forward, each followed by dropout,
// residual and LayerNorm (Vaswani et al. 2017, post-norm as in BERT). T tokens, of which R go on behind attention.
#pragma once

#include "model/forward_context.h"
#include "model/relative_positions.h"

namespace permafrost {

// What a layer keeps on the way forth for the way back. A tensor that only the gradient of a frozen
// weight would need is not kept.
struct LayerActivations {
  bool labelled_only = false;
  at::Tensor x_TH;
  at::Tensor qkv_T3H, context_TH, lse_TN;
  at::Tensor attention_sum_RH, attention_mean_R, attention_rstd_R;
  at::Tensor middle_RH;
  at::Tensor pre_RI;
  at::Tensor output_sum_RH, output_mean_R, output_rstd_R;
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

// Output of the layer for R tokens: all, or those that have a label. Every token is attended to, but what follows
// attention is computed for those R alone.
at::Tensor layer_forward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                         const at::Tensor& x_TH, LayerActivations* kept, bool labelled_only = false);

// Consumes dy_RH and `kept`; returns the gradient of x, [T, H], undefined where `input_wanted` is false.
at::Tensor layer_backward(const PassContext& context, const LayerWeights& weights, int64_t layer,
                          LayerActivations& kept, at::Tensor dy_RH, bool input_wanted);

}  // namespace permafrost
