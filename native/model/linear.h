// The matrix products of a linear map, y = x W^T, written into given buffers. At a lower precision than fp32
// they read the rounded copies of the weights; gradients of weights are fp32 at any precision.
#pragma once

#include "model/forward_context.h"

namespace permafrost {

// y_TO = x_TI W^T (+ b)
inline void linear(const at::Tensor& x_TI, const LinearWeights& weights, bool add_bias, at::Tensor& y_TO) {
  if (add_bias) {
    at::addmm_out(y_TO, weights.bias->operand(), x_TI, weights.weight->operand().t());
  } else {
    at::mm_out(y_TO, x_TI, weights.weight->operand().t());
  }
}

// The same for a bias that the next operation can add as well. Returns what is left to add: the bias, or
// nothing where the product adds it for free.
inline at::Tensor linear_but_bias(const PassContext& context, const at::Tensor& x_TI, const LinearWeights& weights,
                                  at::Tensor& y_TO) {
  const bool in_product = context.ops.adds_bias_in_product();
  linear(x_TI, weights, in_product, y_TO);
  return in_product ? at::Tensor() : weights.bias->value;
}

// dW_OI = dy^T x, where the weight learns.
inline void linear_weight_backward(const PassContext& context, const at::Tensor& dy_TO, const at::Tensor& x_TI,
                                   Parameter& weight) {
  const GradSink sink = context.sink(weight);
  if (!sink.wanted()) return;
  context.ops.weight_gradient(dy_TO, x_TI, sink);
}

}  // namespace permafrost
