// The reference: every operation as a composition of ATen's, on any device.
#pragma once

#include "ops/ops.h"

namespace permafrost {

class PlainOps : public Ops {
 public:
  const char* attention_name() const override { return "dense"; }
  void embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
             const at::Tensor& token_type_YH, at::Tensor& sum_TH) override;
  void embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id,
                      const GradSink& dword, const GradSink& dposition, const GradSink& dtoken_type) override;
  void layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH, const Dropout& dropout,
                  const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps, at::Tensor& y_TH,
                  at::Tensor& mean_T, at::Tensor& rstd_T) override;
  void layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& mean_T,
                           const at::Tensor& rstd_T, const at::Tensor& weight_H, const Dropout& dropout,
                           at::Tensor& dsum_TH, at::Tensor& dbranch_TH, const GradSink& dweight,
                           const GradSink& dnorm_bias, const GradSink& dbias) override;
  void activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI) override;
  void activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation,
                         const GradSink& dbias) override;
  void attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                 const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) override;
  void attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                          const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                          at::Tensor& dqkv_T3H) override;
  void disentangled_attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                              const RelativeRows& rows, const at::Tensor& relative_S2H, int64_t num_heads,
                              const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) override;
  void disentangled_attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                                       const RelativeRows& rows, const at::Tensor& relative_S2H, const at::Tensor& y_TH,
                                       const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                                       at::Tensor& dqkv_T3H, at::Tensor& drelative_S2H) override;
  void dropout(at::Tensor& x_TH, const Dropout& dropout) override;
  void bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) override;
  double cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, double scale,
                       at::Tensor& dlogits_TC) override;
  void argmax(const at::Tensor& logits_TC, int32_t* labels_T) override;
  double squared_norm(const at::Tensor& x) override;
  void adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
             at::Tensor& rounded, const AdamWStep& step) override;
};

}  // namespace permafrost
