// Token classification: dropout and one linear map, as BertForTokenClassification has it.
#include "model/head.h"
#include "model/linear.h"
#include "ops/device_loss.h"

namespace permafrost {

namespace {

class TokenHead : public Head {
 public:
  TokenHead(const EncoderConfig& config, Parameters& parameters)
      : classifier_(parameters.add_linear("classifier", config.num_labels, config.hidden_size, config.num_layers)) {}

  bool reads_back() const override { return false; }
  std::vector<LinearWeights> linear_maps() const override { return {classifier_}; }

  at::Tensor scores(const PassContext& context, const at::Tensor& hidden_RH) const override {
    at::Tensor logits_RC = context.empty({hidden_RH.size(0), context.config.num_labels});
    affine(context, hidden_RH, classifier_, logits_RC);
    return logits_RC;
  }

  double loss(const PassContext& context, const at::Tensor& hidden_RH, bool labelled_only) const override {
    at::Tensor unwanted;
    return context.ops.cross_entropy(scores(context, hidden_RH), context.batch.labels(labelled_only), 1, unwanted);
  }

  HeadGradients gradients(const PassContext& context, at::Tensor hidden_RH, bool labelled_only,
                          const StepNumber& scale, bool input_wanted) const override {
    const Dropout dropout = context.dropout_at(DropoutPlace::head, context.config.num_layers,
                                               context.config.classifier_dropout, labelled_only);
    context.ops.dropout(hidden_RH, dropout);
    at::Tensor logits_RC = scores(context, hidden_RH);
    const at::Tensor labels_R = context.batch.labels(labelled_only);
    HeadGradients result;
    if (scale.on_device()) {
      result.loss_sum.tensor = cross_entropy_on_device(logits_RC, labels_R, scale.tensor, logits_RC);
    } else {
      result.loss_sum.value = context.ops.cross_entropy(logits_RC, labels_R, scale.value, logits_RC);
    }
    if (result.loss_sum.is_known_bad()) return result;

    const at::Tensor& dlogits_RC = logits_RC;
    context.ops.bias_backward(dlogits_RC, context.sink(*classifier_.bias));
    linear_weight_backward(context, dlogits_RC, hidden_RH, *classifier_.weight);
    if (!input_wanted) return result;
    result.dhidden_RH = hidden_RH;  // its values are not needed any more
    context.ops.product(result.dhidden_RH, dlogits_RC, classifier_.weight->operand());
    context.ops.dropout(result.dhidden_RH, dropout);
    return result;
  }

 private:
  const LinearWeights classifier_;
};

}  // namespace

std::unique_ptr<Head> make_token_head(const EncoderConfig& config, Parameters& parameters) {
  return std::make_unique<TokenHead>(config, parameters);
}

}  // namespace permafrost
