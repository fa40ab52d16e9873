// Token classification: the label of each token by itself.
#include "model/heads/classifier.h"

namespace permafrost {

namespace {

class TokenHead : public ClassifierHead {
 public:
  using ClassifierHead::ClassifierHead;

  bool reads_back() const override { return false; }

  double loss(const PassContext& context, const at::Tensor& hidden_RH, bool labelled_only) const override {
    at::Tensor unwanted;
    return context.ops.cross_entropy(scores(context, hidden_RH), context.batch.labels(labelled_only), 1, unwanted);
  }

 protected:
  StepNumber loss_of_scores(const PassContext& context, at::Tensor& scores_RC, bool labelled_only,
                            const StepNumber& scale) const override {
    const at::Tensor labels_R = context.batch.labels(labelled_only);
    const at::Tensor weights_R = context.batch.weights(labelled_only);
    if (context.loss != nullptr && (!context.loss->is_plain() || weights_R.defined())) {
      const at::Tensor factor = scale.on_device() ? scale.tensor : at::full({}, scale.value, at::kDouble);
      const at::Tensor sum = context.loss->compute(scores_RC, labels_R, weights_R, factor, scores_RC);
      return scale.on_device() ? StepNumber{0, sum.to(at::kFloat)} : StepNumber{sum.item<double>()};
    }
    if (scale.on_device()) return {0, context.ops.cross_entropy_on_device(scores_RC, labels_R, scale.tensor, scores_RC)};
    return {context.ops.cross_entropy(scores_RC, labels_R, scale.value, scores_RC)};
  }
};

}  // namespace

std::unique_ptr<Head> make_token_head(const EncoderConfig& config, Parameters& parameters) {
  return std::make_unique<TokenHead>(config, parameters);
}

}  // namespace permafrost
