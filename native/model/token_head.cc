#include "model/token_head.h"

#include <cmath>

#include "model/linear.h"

namespace permafrost {

at::Tensor token_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH) {
  at::Tensor logits_RC = context.empty({hidden_RH.size(0), context.config.num_labels});
  linear(hidden_RH, parameters.classifier, true, logits_RC);
  return logits_RC;
}

double token_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_TH) {
  at::Tensor unwanted;
  return context.ops.cross_entropy(token_scores(context, parameters, hidden_TH), context.batch.labels_T, 1, unwanted);
}

HeadGradients token_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_TH,
                              double scale, bool input_wanted) {
  const LinearWeights& classifier = parameters.classifier;
  const Dropout dropout =
      context.dropout_at(DropoutPlace::head, context.config.num_layers, context.config.classifier_dropout);
  context.ops.dropout(hidden_TH, dropout);
  at::Tensor logits_TC = token_scores(context, parameters, hidden_TH);
  const double loss_sum = context.ops.cross_entropy(logits_TC, context.batch.labels_T, scale, logits_TC);
  if (!std::isfinite(loss_sum)) return {loss_sum, {}};

  const at::Tensor& dlogits_TC = logits_TC;
  context.ops.bias_backward(dlogits_TC, context.sink(*classifier.bias));
  linear_weight_backward(context, dlogits_TC, hidden_TH, *classifier.weight);
  if (!input_wanted) return {loss_sum, {}};
  at::Tensor& dhidden_TH = hidden_TH;  // its values are not needed any more
  at::mm_out(dhidden_TH, dlogits_TC, classifier.weight->value);
  context.ops.dropout(dhidden_TH, dropout);
  return {loss_sum, dhidden_TH};
}

}  // namespace permafrost
