#include "model/token_head.h"

#include <cmath>

#include "model/linear.h"
#include "ops/device_loss.h"

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

namespace {

Dropout dropout_of(const PassContext& context) {
  return context.dropout_at(DropoutPlace::head, context.config.num_layers, context.config.classifier_dropout);
}

// Consumes hidden_TH, what the classifier read.
at::Tensor backward(const PassContext& context, const LinearWeights& classifier, const at::Tensor& dlogits_TC,
                    at::Tensor hidden_TH, bool input_wanted) {
  context.ops.bias_backward(dlogits_TC, context.sink(*classifier.bias));
  linear_weight_backward(context, dlogits_TC, hidden_TH, *classifier.weight);
  if (!input_wanted) return {};
  at::Tensor& dhidden_TH = hidden_TH;  // its values are not needed any more
  at::mm_out(dhidden_TH, dlogits_TC, classifier.weight->operand());
  context.ops.dropout(dhidden_TH, dropout_of(context));
  return dhidden_TH;
}

}  // namespace

HeadGradients token_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_TH,
                              double scale, bool input_wanted) {
  context.ops.dropout(hidden_TH, dropout_of(context));
  at::Tensor logits_TC = token_scores(context, parameters, hidden_TH);
  const double loss_sum = context.ops.cross_entropy(logits_TC, context.batch.labels_T, scale, logits_TC);
  if (!std::isfinite(loss_sum)) return {loss_sum, {}};
  return {loss_sum, backward(context, parameters.classifier, logits_TC, hidden_TH, input_wanted)};
}

DeviceHeadGradients token_gradients_on_device(const PassContext& context, const Parameters& parameters,
                                              at::Tensor hidden_TH, const at::Tensor& scale, bool input_wanted) {
  context.ops.dropout(hidden_TH, dropout_of(context));
  at::Tensor logits_TC = token_scores(context, parameters, hidden_TH);
  const at::Tensor loss_sum = cross_entropy_on_device(logits_TC, context.batch.labels_T, scale, logits_TC);
  return {loss_sum, backward(context, parameters.classifier, logits_TC, hidden_TH, input_wanted)};
}

}  // namespace permafrost
