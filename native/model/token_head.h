// Token classification: dropout and one linear map, as BertForTokenClassification has it.
#pragma once

#include "model/head.h"

namespace permafrost {

at::Tensor token_scores(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_RH);
double token_loss(const PassContext& context, const Parameters& parameters, const at::Tensor& hidden_TH);
HeadGradients token_gradients(const PassContext& context, const Parameters& parameters, at::Tensor hidden_TH,
                              double scale, bool input_wanted);

}  // namespace permafrost
