// Token classification: dropout and one linear map, as BertForTokenClassification has it.
#pragma once

#include "model/head.h"

namespace permafrost {

at::Tensor token_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH);
double token_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH,
                  bool labelled_only);
HeadGradients token_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_RH,
                              bool labelled_only, double scale, bool input_wanted);

// The same for all tokens with nothing read back: the loss and its scale are fp32 tensors of one element on the device.
struct DeviceHeadGradients {
  at::Tensor loss_sum;
  at::Tensor dhidden_TH;
};
DeviceHeadGradients token_gradients_on_device(const PassContext& context, const Parameters& parameters,
                                              at::Tensor hidden_TH, const at::Tensor& scale, bool input_wanted);

}  // namespace permafrost
