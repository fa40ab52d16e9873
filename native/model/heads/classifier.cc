#include "model/heads/classifier.h"

namespace permafrost {

at::Tensor ClassifierHead::scores(const PassContext& context, const at::Tensor& hidden_RH) const {
  at::Tensor scores_RC = context.empty({hidden_RH.size(0), context.config.num_labels});
  affine(context, hidden_RH, classifier_, scores_RC);
  return scores_RC;
}

HeadGradients ClassifierHead::gradients(const PassContext& context, at::Tensor hidden_RH, bool labelled_only,
                                        const StepNumber& scale, bool input_wanted) const {
  const Dropout dropout = context.dropout_at(DropoutPlace::head, context.config.num_layers,
                                             context.config.classifier_dropout, labelled_only);
  context.ops.dropout(hidden_RH, dropout);
  at::Tensor scores_RC = scores(context, hidden_RH);
  HeadGradients result;
  result.loss_sum = loss_of_scores(context, scores_RC, labelled_only, scale);
  if (result.loss_sum.is_known_bad()) return result;

  const at::Tensor& dscores_RC = scores_RC;
  context.ops.bias_backward(dscores_RC, context.sink(*classifier_.bias));
  linear_weight_backward(context, dscores_RC, hidden_RH, *classifier_.weight);
  if (!input_wanted) return result;
  result.dhidden_RH = hidden_RH;  // its values are not needed any more
  context.ops.linear_backward(result.dhidden_RH, dscores_RC, *classifier_.weight);
  context.ops.dropout(result.dhidden_RH, dropout);
  return result;
}

}  // namespace permafrost
