// The matrix products of a linear map, y = x W^T, written into given buffers. At a lower precision than fp32
// they read the rounded copies of the weights; gradients of weights are fp32 at any precision.
#pragma once

#include "core/interruption.h"
#include "model/forward_context.h"

namespace permafrost {

// y_TO = x_TI W^T
inline void linear(const PassContext& context, const at::Tensor& x_TI, const LinearWeights& weights, at::Tensor& y_TO) {
  interruption_point();
  context.ops.linear(y_TO, x_TI, *weights.weight, context.rows_apart);
}

// The same for a bias that the next operation can add as well. Returns what is left to add: the bias, or nothing
// where the product adds it for free. `rounded`: whether the sum is rounded to y's type before it is used, which at a
// lower precision should happen once.
inline at::Tensor linear_but_bias(const PassContext& context, const at::Tensor& x_TI, const LinearWeights& weights,
                                  at::Tensor& y_TO, bool rounded = false) {
  const bool apart = !context.ops.adds_bias_in_product() && !(rounded && y_TO.scalar_type() != at::kFloat);
  if (apart) {
    linear(context, x_TI, weights, y_TO);
    return weights.bias->value;
  }
  interruption_point();
  context.ops.affine(y_TO, x_TI, *weights.weight, *weights.bias);
  return {};
}

// y_TO = x_TI W^T + b
inline void affine(const PassContext& context, const at::Tensor& x_TI, const LinearWeights& weights, at::Tensor& y_TO) {
  const at::Tensor bias_O = linear_but_bias(context, x_TI, weights, y_TO, true);
  if (bias_O.defined()) y_TO.add_(bias_O);
}

// dW_OI = dy^T x, where the weight learns.
inline void linear_weight_backward(const PassContext& context, const at::Tensor& dy_TO, const at::Tensor& x_TI,
                                   Parameter& weight) {
  interruption_point();
  const GradSink sink = context.sink(weight);
  if (!sink.wanted()) return;
  context.ops.weight_gradient(dy_TO, x_TI, sink);
}

}  // namespace permafrost
