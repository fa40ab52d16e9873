// What heads for labels have in common: dropout and one linear map, as BertForTokenClassification has it.
#pragma once

#include "model/head.h"
#include "model/linear.h"

namespace permafrost {

class ClassifierHead : public Head {
 public:
  ClassifierHead(const EncoderConfig& config, Parameters& parameters)
      : classifier_(parameters.add_linear("classifier", config.num_labels, config.hidden_size, config.num_layers)) {}

  std::vector<LinearWeights> linear_maps() const override { return {classifier_}; }
  at::Tensor scores(const PassContext& context, const at::Tensor& hidden_RH) const override;
  HeadGradients gradients(const PassContext& context, at::Tensor hidden_RH, bool labelled_only,
                          const StepNumber& scale, bool input_wanted) const override;

 protected:
  // The loss of scores, which become `scale` times their gradient; gradients of weights of its own are left, too.
  virtual StepNumber loss_of_scores(const PassContext& context, at::Tensor& scores_RC, bool labelled_only,
                                    const StepNumber& scale) const = 0;

 private:
  const LinearWeights classifier_;
};

}  // namespace permafrost
