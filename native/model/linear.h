// The matrix products of a linear map, y = x W^T, written into given buffers.
#pragma once

#include "model/forward_context.h"

namespace permafrost {

// y_TO = x_TI W^T (+ b)
inline void linear(const at::Tensor& x_TI, const LinearWeights& weights, bool add_bias, at::Tensor& y_TO) {
  if (add_bias) {
    at::addmm_out(y_TO, weights.bias->value, x_TI, weights.weight->value.t());
  } else {
    at::mm_out(y_TO, x_TI, weights.weight->value.t());
  }
}

// dW_OI = dy^T x, where the weight learns.
inline void linear_weight_backward(const PassContext& context, const at::Tensor& dy_TO, const at::Tensor& x_TI,
                                   Parameter& weight) {
  const GradSink sink = context.sink(weight);
  if (!sink.wanted()) return;
  at::Tensor grad_OI = sink.grad;
  if (sink.accumulate) {
    grad_OI.addmm_(dy_TO.t(), x_TI);
  } else {
    at::mm_out(grad_OI, dy_TO.t(), x_TI);
  }
}

}  // namespace permafrost
