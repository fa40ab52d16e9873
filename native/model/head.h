// What stands on top of the encoder, whichever head the configuration names.
#pragma once

#include "model/forward_context.h"

namespace permafrost {

// Loss and gradient of a pass through the head.
struct HeadGradients {
  // Sum of the cross-entropies.
  double loss_sum = 0;
  // Gradient of the encoder's output; undefined where it was not wanted.
  at::Tensor dhidden_RH;
};

// Scores of R tokens, [R, classes]. Dropout off.
at::Tensor head_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH);

// Sum of the cross-entropies of the labelled tokens. hidden_RH: of all tokens, or where `labelled_only` of those alone,
// which masked language modelling asks for. Dropout off.
double head_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH,
                 bool labelled_only);

// Loss, and `scale` times its gradients: those of the head's parameters that learn and, where `input_wanted`,
// that of hidden_RH, which is consumed. Gives up, leaving gradients unfinished, once the loss is not finite.
HeadGradients head_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_RH,
                             bool labelled_only, double scale, bool input_wanted);

// Number of tokens whose scores take a bounded amount of memory.
int64_t rows_scored_at_once(const EncoderConfig& config);

}  // namespace permafrost
