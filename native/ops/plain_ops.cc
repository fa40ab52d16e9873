#include "ops/plain_ops.h"

#include <cmath>

#include "core/error.h"
#include "core/parallel.h"

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

// The factors of a [rows, columns] mask whose first row has number `first_row` and whose rows are
// `row_stride` numbers apart.
at::Tensor mask(const Dropout& dropout, int64_t rows, int64_t columns, int64_t first_row, int64_t row_stride,
                at::Device device) {
  at::Tensor factors = at::empty({rows, columns}, at::kFloat);
  float* data = factors.data_ptr<float>();
  parallel_for(rows, 16, [&](int64_t row) {
    const auto number = static_cast<uint32_t>(first_row + row * row_stride);
    for (int64_t column = 0; column < columns; ++column) {
      data[row * columns + column] = mask_factor(dropout, number, column);
    }
  });
  return device.is_cpu() ? factors : factors.to(device);
}

at::Tensor mask_like(const Dropout& dropout, const at::Tensor& x_TH) {
  return mask(dropout, x_TH.size(0), x_TH.size(1), 0, 1, x_TH.device());
}

// Query, key and value of one sequence, each [N, n, D].
struct Heads {
  at::Tensor query_NnD, key_NnD, value_NnD;

  Heads(const at::Tensor& qkv_T3H, int64_t begin, int64_t end, int64_t num_heads) {
    const at::Tensor split = qkv_T3H.slice(0, begin, end).view({end - begin, 3, num_heads, -1}).permute({1, 2, 0, 3});
    query_NnD = split[0];
    key_NnD = split[1];
    value_NnD = split[2];
  }
};

// Rows of one sequence of a [T, H] tensor as [N, n, D].
at::Tensor heads_of(const at::Tensor& x_TH, int64_t begin, int64_t end, int64_t num_heads) {
  return x_TH.slice(0, begin, end).view({end - begin, num_heads, -1}).transpose(0, 1);
}

// Mask of the attention weights of one sequence, [N, n, n]; row number of (token, head) is token * N + head.
at::Tensor attention_mask(const Dropout& dropout, int64_t begin, int64_t end, int64_t num_heads, at::Device device) {
  const int64_t n = end - begin;
  return mask(dropout, n * num_heads, n, begin * num_heads, 1, device).view({n, num_heads, n}).transpose(0, 1);
}

at::Tensor standardise(const at::Tensor& sum_TH, const at::Tensor& mean_T, const at::Tensor& rstd_T) {
  return (sum_TH - mean_T.unsqueeze(1)) * rstd_T.unsqueeze(1);
}

}  // namespace

void PlainOps::embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
                     const at::Tensor& token_type_YH, at::Tensor& sum_TH) {
  sum_TH.copy_(word_VH.index_select(0, batch.input_ids_T) + token_type_YH[0] +
               position_PH.index_select(0, batch.positions_T));
}

void PlainOps::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                              const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  if (dword.wanted()) {
    const at::Tensor rows_TH =
        dsum_TH.to(at::kFloat).masked_fill((batch.input_ids_T == static_cast<int32_t>(pad_token_id)).unsqueeze(1), 0);
    put(dword, at::zeros_like(dword.grad).index_add_(0, batch.input_ids_T, rows_TH));
  }
  if (dposition.wanted()) {
    put(dposition, at::zeros_like(dposition.grad).index_add_(0, batch.positions_T, dsum_TH.to(at::kFloat)));
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

void PlainOps::attention(const BatchTensors& batch, const at::Tensor& qkv_T3H, int64_t num_heads,
                         const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads));
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    const at::Tensor scores_Nnn = at::matmul(heads.query_NnD, heads.key_NnD.transpose(1, 2)).to(at::kFloat) * scale;
    const at::Tensor lse_Nn = at::logsumexp(scores_Nnn, 2);
    at::Tensor weights_Nnn = (scores_Nnn - lse_Nn.unsqueeze(2)).exp();
    if (dropout.on()) weights_Nnn.mul_(attention_mask(dropout, begin, end, num_heads, y_TH.device()));
    heads_of(y_TH, begin, end, num_heads).copy_(at::matmul(weights_Nnn.to(y_TH.scalar_type()), heads.value_NnD));
    lse_TN.slice(0, begin, end).copy_(lse_Nn.transpose(0, 1));
  }
}

void PlainOps::attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                  const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                  const Dropout& dropout, at::Tensor& dqkv_T3H) {
  const double scale = 1.0 / std::sqrt(static_cast<double>(y_TH.size(1) / num_heads));
  for (size_t s = 0; s + 1 < batch.cu_seqlens->size(); ++s) {
    const int64_t begin = (*batch.cu_seqlens)[s];
    const int64_t end = (*batch.cu_seqlens)[s + 1];
    const Heads heads(qkv_T3H, begin, end, num_heads);
    const Heads gradients(dqkv_T3H, begin, end, num_heads);
    const at::Tensor dy_NnD = heads_of(dy_TH, begin, end, num_heads);
    const at::Tensor lse_Nn1 = lse_TN.slice(0, begin, end).transpose(0, 1).unsqueeze(2);
    const at::Tensor weights_Nnn =
        (at::matmul(heads.query_NnD, heads.key_NnD.transpose(1, 2)).to(at::kFloat) * scale - lse_Nn1).exp();
    at::Tensor dropped_Nnn = weights_Nnn;
    at::Tensor dweights_Nnn = at::matmul(dy_NnD, heads.value_NnD.transpose(1, 2)).to(at::kFloat);
    if (dropout.on()) {
      const at::Tensor factors_Nnn = attention_mask(dropout, begin, end, num_heads, y_TH.device());
      dropped_Nnn = weights_Nnn * factors_Nnn;
      dweights_Nnn.mul_(factors_Nnn);
    }
    const at::Tensor inner_Nn1 = (dweights_Nnn * weights_Nnn).sum(2, true);
    const at::Tensor dscores_Nnn = (weights_Nnn * (dweights_Nnn - inner_Nn1) * scale).to(dy_TH.scalar_type());
    gradients.query_NnD.copy_(at::matmul(dscores_Nnn, heads.key_NnD));
    gradients.key_NnD.copy_(at::matmul(dscores_Nnn.transpose(1, 2), heads.query_NnD));
    gradients.value_NnD.copy_(at::matmul(dropped_Nnn.to(dy_TH.scalar_type()).transpose(1, 2), dy_NnD));
  }
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
                     const AdamWStep& step) {
  const at::Tensor scaled = grad * step.grad_scale;
  const double correction1 = 1.0 - std::pow(step.beta1, static_cast<double>(step.step));
  const double correction2 = 1.0 - std::pow(step.beta2, static_cast<double>(step.step));
  value.mul_(1.0 - step.learning_rate * step.weight_decay);
  exp_avg.mul_(step.beta1).add_(scaled, 1.0 - step.beta1);
  exp_avg_sq.mul_(step.beta2).addcmul_(scaled, scaled, 1.0 - step.beta2);
  const at::Tensor denominator = (exp_avg_sq.sqrt() / std::sqrt(correction2)).add_(step.eps);
  value.addcdiv_(exp_avg, denominator, -step.learning_rate / correction1);
}

}  // namespace permafrost
