#include "ops/plain/plain_ops.h"

#include <cmath>

#include "core/error.h"
#include "ops/plain/mask.h"

namespace permafrost {

namespace {

void put(const GradSink& sink, const at::Tensor& value) {
  if (!sink.wanted()) return;
  at::Tensor target = sink.grad;
  if (sink.accumulate) {
    target.add_(value);
  } else {
    target.copy_(value);
  }
}

at::Tensor column_sums(const at::Tensor& x_TH) { return x_TH.sum(at::IntArrayRef{0}, false, at::kFloat); }

at::Tensor mask_like(const Dropout& dropout, const at::Tensor& x_TH) {
  return dropout_factors(dropout, x_TH.size(0), x_TH.size(1), 0, x_TH.device());
}

at::Tensor standardise(const at::Tensor& sum_TH, const at::Tensor& mean_T, const at::Tensor& rstd_T) {
  return (sum_TH - mean_T.unsqueeze(1)) * rstd_T.unsqueeze(1);
}

}  // namespace

void PlainOps::embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                     const at::Tensor& token_type_YH, at::Tensor& sum_TH) {
  at::Tensor total_TH = word_VH.index_select(0, batch.input_ids_T);
  if (token_type_YH.defined()) total_TH.add_(token_type_YH[0]);
  if (position_PH.defined()) total_TH.add_(position_PH.index_select(0, batch.positions_T));
  sum_TH.copy_(total_TH);
}

void PlainOps::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                              const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  if (dword.wanted()) {
    const at::Tensor rows_TH =
        dsum_TH.to(at::kFloat).masked_fill((batch.input_ids_T == static_cast<int32_t>(pad_token_id)).unsqueeze(1), 0);
    put(dword, at::zeros_like(dword.grad).index_add_(0, batch.input_ids_T, rows_TH));
  }
  if (dposition.wanted()) {
    const at::Tensor rows_TH = dsum_TH.to(at::kFloat).masked_fill(
        (batch.positions_T == static_cast<int32_t>(batch.position_base)).unsqueeze(1), 0);
    put(dposition, at::zeros_like(dposition.grad).index_add_(0, batch.positions_T, rows_TH));
  }
  if (dtoken_type.wanted()) {
    at::Tensor rows_YH = at::zeros_like(dtoken_type.grad);
    rows_YH[0].copy_(column_sums(dsum_TH));
    put(dtoken_type, rows_YH);
  }
}

void PlainOps::layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                          const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps,
                          at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) {
  sum_TH = sum_TH.to(at::kFloat);
  if (bias_H.defined()) sum_TH.add_(bias_H);
  this->dropout(sum_TH, dropout);
  if (residual_TH.defined()) sum_TH.add_(residual_TH);
  const auto normalised = at::native_layer_norm(sum_TH, {sum_TH.size(1)}, weight_H, norm_bias_H, eps);
  y_TH.copy_(std::get<0>(normalised));
  mean_T.copy_(std::get<1>(normalised).flatten());
  rstd_T.copy_(std::get<2>(normalised).flatten());
}

void PlainOps::layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                                   const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                                   at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                                   const GradSink& dnorm_bias, const GradSink& dbias) {
  const at::Tensor x_TH = standardise(sum_TH, mean_T, rstd_T);
  put(dweight, (dy_TH * x_TH).sum(0));
  put(dnorm_bias, column_sums(dy_TH));
  const at::Tensor dx_TH = dy_TH * weight_H;
  const at::Tensor projection_TH = x_TH * (dx_TH * x_TH).mean(1, true);
  dsum_TH.copy_((dx_TH - dx_TH.mean(1, true) - projection_TH) * rstd_T.unsqueeze(1));
  if (!dbranch_TH.is_same(dsum_TH)) dbranch_TH.copy_(dsum_TH);
  this->dropout(dbranch_TH, dropout);
  bias_backward(dbranch_TH, dbias);
}

void PlainOps::activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) {
  if (bias_I.defined()) pre_TI.add_(bias_I);
  switch (activation) {
    case Activation::gelu:
      y_TI.copy_(at::gelu(pre_TI));
      break;
    case Activation::gelu_new:
      y_TI.copy_(at::gelu(pre_TI, "tanh"));
      break;
    case Activation::relu:
      y_TI.copy_(at::relu(pre_TI));
      break;
  }
}

void PlainOps::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                 const GradSink& dbias) {
  switch (activation) {
    case Activation::gelu:
      dy_TI.copy_(at::gelu_backward(dy_TI, pre_TI));
      break;
    case Activation::gelu_new:
      dy_TI.copy_(at::gelu_backward(dy_TI, pre_TI, "tanh"));
      break;
    case Activation::relu:
      dy_TI.mul_(pre_TI > 0);
      break;
  }
  bias_backward(dy_TI, dbias);
}

void PlainOps::dropout(at::Tensor& x_TH, const Dropout& dropout) {
  if (dropout.on()) x_TH.mul_(mask_like(dropout, x_TH));
}

void PlainOps::bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) {
  if (dbias.wanted()) put(dbias, column_sums(dy_TH));
}

double PlainOps::cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, double scale,
                               at::Tensor& dlogits_TC) {
  const at::Tensor log_probabilities_TC = at::log_softmax(logits_TC.to(at::kFloat), 1);
  const at::Tensor counted_T1 = labels_T.ne(kIgnoredLabel).unsqueeze(1);
  const at::Tensor index_T1 = labels_T.clamp_min(0).to(at::kLong).unsqueeze(1);
  const double loss =
      -log_probabilities_TC.gather(1, index_T1).masked_fill(counted_T1.logical_not(), 0).to(at::kDouble).sum().item<double>();
  if (dlogits_TC.defined()) {
    const at::Tensor ones_T1 = at::ones(index_T1.sizes(), log_probabilities_TC.options());
    at::Tensor gradient_TC = log_probabilities_TC.exp().scatter_add(1, index_T1, -ones_T1);
    dlogits_TC.copy_(gradient_TC.mul_(counted_T1).mul_(scale));
  }
  return loss;
}

void PlainOps::argmax(const at::Tensor& logits_TC, int32_t* labels_T) {
  const at::Tensor largest_T = logits_TC.argmax(1).to(at::kInt).to(at::kCPU).contiguous();
  const int32_t* data = largest_T.data_ptr<int32_t>();
  std::copy(data, data + largest_T.numel(), labels_T);
}

double PlainOps::squared_norm(const at::Tensor& x) { return x.to(at::kDouble).square().sum().item<double>(); }

void PlainOps::adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
                     at::Tensor& rounded, const AdamWStep& step) {
  const at::Tensor scaled = grad * step.grad_scale;
  const double correction1 = 1.0 - std::pow(step.beta1, static_cast<double>(step.step));
  const double correction2 = 1.0 - std::pow(step.beta2, static_cast<double>(step.step));
  value.mul_(1.0 - step.learning_rate * step.weight_decay);
  exp_avg.mul_(step.beta1).add_(scaled, 1.0 - step.beta1);
  exp_avg_sq.mul_(step.beta2).addcmul_(scaled, scaled, 1.0 - step.beta2);
  const at::Tensor denominator = (exp_avg_sq.sqrt() / std::sqrt(correction2)).add_(step.eps);
  value.addcdiv_(exp_avg, denominator, -step.learning_rate / correction1);
  if (rounded.defined()) rounded.copy_(value);
}

}  // namespace permafrost
