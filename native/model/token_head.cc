#include "model/token_head.h"

#include <cmath>

#include "model/linear.h"
#include "ops/device_loss.h"

namespace permafrost {

at::Tensor token_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH) {
  at::Tensor logits_RC = context.empty({hidden_RH.size(0), context.config.num_labels});
  affine(context, hidden_RH, parameters.classifier, logits_RC);
  return logits_RC;
}

double token_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH,
                  bool labelled_only) {
  at::Tensor unwanted;
  return context.ops.cross_entropy(token_scores(context, parameters, hidden_RH),
                                   context.batch.labels(labelled_only), 1, unwanted);
}

namespace {

Dropout dropout_of(const PassContext& context, bool labelled_only) {
  return context.dropout_at(DropoutPlace::head, context.config.num_layers, context.config.classifier_dropout,
                            labelled_only);
}

// Consumes hidden_RH, what the classifier read.
at::Tensor backward(const PassContext& context, const LinearWeights& classifier, const at::Tensor& dlogits_RC,
                    at::Tensor hidden_RH, bool labelled_only, bool input_wanted) {
  context.ops.bias_backward(dlogits_RC, context.sink(*classifier.bias));
  linear_weight_backward(context, dlogits_RC, hidden_RH, *classifier.weight);
  if (!input_wanted) return {};
  at::Tensor& dhidden_RH = hidden_RH;  // its values are not needed any more
  context.ops.product(dhidden_RH, dlogits_RC, classifier.weight->operand());
  context.ops.dropout(dhidden_RH, dropout_of(context, labelled_only));
  return dhidden_RH;
}

}  // namespace

HeadGradients token_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_RH,
                              bool labelled_only, double scale, bool input_wanted) {
  context.ops.dropout(hidden_RH, dropout_of(context, labelled_only));
  at::Tensor logits_RC = token_scores(context, parameters, hidden_RH);
  const double loss_sum = context.ops.cross_entropy(logits_RC, context.batch.labels(labelled_only), scale, logits_RC);
  if (!std::isfinite(loss_sum)) return {loss_sum, {}};
  return {loss_sum, backward(context, parameters.classifier, logits_RC, hidden_RH, labelled_only, input_wanted)};
}

DeviceHeadGradients token_gradients_on_device(const PassContext& context, const Parameters& parameters,
                                              at::Tensor hidden_TH, const at::Tensor& scale, bool input_wanted) {
  context.ops.dropout(hidden_TH, dropout_of(context, false));
  at::Tensor logits_TC = token_scores(context, parameters, hidden_TH);
  const at::Tensor loss_sum = cross_entropy_on_device(logits_TC, context.batch.labels_T, scale, logits_TC);
  return {loss_sum, backward(context, parameters.classifier, logits_TC, hidden_TH, false, input_wanted)};
}

}  // namespace permafrost
