#include "ops/cuda/cuda_ops.h"

#include "core/libtorch_card.h"

namespace permafrost {

namespace {

const char* approximation_of(Activation activation) { return activation == Activation::gelu_new ? "tanh" : "none"; }

// Adds the rows of x to the rows of a table of gradients.
void scatter_rows(const GradSink& sink, const at::Tensor& index_T, const at::Tensor& x_TH) {
  at::Tensor grad = sink.grad;
  if (!sink.accumulate) grad.zero_();
  grad.index_add_(0, index_T, x_TH);
}

void put(const GradSink& sink, const at::Tensor& value) {
  if (!sink.wanted()) return;
  at::Tensor grad = sink.grad;
  if (sink.accumulate) {
    grad.add_(value);
  } else {
    grad.copy_(value);
  }
}

}  // namespace

void CudaOps::begin_pass() {
  masks_.clear();
  varlen_.forget();
}

void CudaOps::weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight) {
  if (x_TI.scalar_type() == at::kFloat) return PlainOps::weight_gradient(dy_TO, x_TI, dweight);
  at::Tensor grad_OI = dweight.grad;
  product_into_fp32(grad_OI, dy_TO.t(), x_TI, dweight.accumulate);
}

void CudaOps::embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                             const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) {
  const at::Tensor rows_TH = dsum_TH.to(at::kFloat);
  if (dword.wanted()) {
    const at::Tensor is_pad_T1 = batch.input_ids_T.eq(static_cast<int32_t>(pad_token_id)).unsqueeze(1);
    scatter_rows(dword, batch.input_ids_T, rows_TH.masked_fill(is_pad_T1, 0));
  }
  if (dposition.wanted()) {
    const bool has_base = batch.position_base >= 0;
    const auto is_base_T1 = [&] { return batch.positions_T.eq(static_cast<int32_t>(batch.position_base)).unsqueeze(1); };
    scatter_rows(dposition, batch.positions_T, has_base ? rows_TH.masked_fill(is_base_T1(), 0) : rows_TH);
  }
  if (dtoken_type.wanted()) {
    at::Tensor grad_YH = dtoken_type.grad;
    if (!dtoken_type.accumulate) grad_YH.zero_();
    grad_YH.select(0, 0).add_(rows_TH.sum(0));
  }
}

void CudaOps::layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH,
                         const Dropout& dropout, const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps,
                         at::Tensor& y_TH, at::Tensor& mean_T, at::Tensor& rstd_T) {
  if (bias_H.defined()) sum_TH.add_(bias_H);
  sum_TH = drop(sum_TH, dropout).to(at::kFloat);
  if (residual_TH.defined()) sum_TH.add_(residual_TH);
  const auto [y, mean, rstd] = at::native_layer_norm(sum_TH, {sum_TH.size(1)}, weight_H, norm_bias_H, eps);
  y_TH = y.to(y_TH.scalar_type());
  mean_T = mean.view({-1});
  rstd_T = rstd.view({-1});
}

void CudaOps::layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                                  const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                                  at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                                  const GradSink& dnorm_bias, const GradSink& dbias) {
  const at::ScalarType type = dy_TH.scalar_type();
  const bool weights_wanted = dweight.wanted() || dnorm_bias.wanted();
  const auto [dx, dw, db] = at::native_layer_norm_backward(
      dy_TH.to(at::kFloat), sum_TH, {sum_TH.size(1)}, mean_T.view({-1, 1}), rstd_T.view({-1, 1}), weight_H,
      weights_wanted ? weight_H : at::Tensor(), {true, weights_wanted, weights_wanted});
  if (weights_wanted) {
    put(dweight, dw);
    put(dnorm_bias, db);
  }
  const at::Tensor dsum = dx.to(type);
  dsum_TH = dsum;
  dbranch_TH = drop_backward(dsum, dropout);
  bias_backward(dbranch_TH, dbias);
}

void CudaOps::activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) {
  if (bias_I.defined()) pre_TI.add_(bias_I);
  y_TI = activation == Activation::relu ? at::relu(pre_TI) : at::gelu(pre_TI, approximation_of(activation));
}

void CudaOps::activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                                const GradSink& dbias) {
  dy_TI = activation == Activation::relu ? at::threshold_backward(dy_TI, pre_TI, 0)
                                         : at::gelu_backward(dy_TI, pre_TI, approximation_of(activation));
  bias_backward(dy_TI, dbias);
}

void CudaOps::attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                        const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  if (attention_ == AttentionKind::dense) {
    return PlainOps::attention(batch, qkv_T3H, bias_3H, num_heads, dropout, y_TH, lse_TN);
  }
  if (bias_3H.defined()) qkv_T3H.add_(bias_3H);
  varlen_.forward(attention_, batch, qkv_T3H, num_heads, dropout, y_TH, lse_TN);
}

void CudaOps::attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                 const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads,
                                 const Dropout& dropout, at::Tensor& dqkv_T3H) {
  if (attention_ == AttentionKind::dense) {
    return PlainOps::attention_backward(batch, dy_TH, qkv_T3H, y_TH, lse_TN, num_heads, dropout, dqkv_T3H);
  }
  varlen_.backward(attention_, batch, dy_TH, qkv_T3H, y_TH, lse_TN, num_heads, dropout, dqkv_T3H);
}

void CudaOps::dropout(at::Tensor& x_TH, const Dropout& dropout) {
  if (!dropout.on()) return;
  // The first call of a place in a pass is on the way forth, the second on the way back.
  x_TH = masks_.count(dropout.site) == 0 ? drop(x_TH, dropout) : drop_backward(x_TH, dropout);
}

void CudaOps::bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) {
  if (!dbias.wanted()) return;
  at::Tensor grad = dbias.grad;
  if (dbias.accumulate) {
    grad.add_(dy_TH.sum(at::IntArrayRef{0}, false, at::kFloat));
  } else {
    at::sum_out(grad, dy_TH, at::IntArrayRef{0}, false, at::kFloat);
  }
}

at::Tensor CudaOps::drop(const at::Tensor& x_TH, const Dropout& dropout) {
  if (!dropout.on()) return x_TH;
  const auto [y, mask] = at::native_dropout(x_TH, dropout.probability, true);
  masks_[dropout.site] = mask;
  return y;
}

at::Tensor CudaOps::drop_backward(const at::Tensor& dy_TH, const Dropout& dropout) {
  if (!dropout.on()) return dy_TH;
  const auto mask = masks_.find(dropout.site);
  const at::Tensor dx_TH = at::native_dropout_backward(dy_TH, mask->second, 1.0 / (1.0 - dropout.probability));
  masks_.erase(mask);
  return dx_TH;
}

}  // namespace permafrost
