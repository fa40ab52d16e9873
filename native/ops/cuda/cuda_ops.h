// The operations for a card: few kernels each, masks drawn on the device, nothing read back.
//
// Everything is libtorch's own, so that no CUDA compiler is needed; but for attention it runs on any device.
#pragma once

#include <string>
#include <unordered_map>
#include <utility>

#include "ops/plain/plain_ops.h"
#include "ops/cuda/varlen_attention.h"

namespace permafrost {

class CudaOps : public PlainOps {
 public:
  // `why_no_kernels`: why libtorch's kernels are used and not our own.
  CudaOps(at::Device device, at::ScalarType type, int64_t head_size, std::string why_no_kernels = "")
      : attention_(choose_attention(device, type, head_size)), why_no_kernels_(std::move(why_no_kernels)) {}

  bool adds_bias_in_product() const override { return true; }
  bool masks_by_row() const override { return false; }
  void begin_pass() override;
  const char* attention_name() const override { return name_of(attention_); }
  std::string why_no_kernels() const override { return why_no_kernels_; }
  bool reads_nothing_back() const override { return attention_ != AttentionKind::dense; }
  void weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight) override;

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
  void dropout(at::Tensor& x_TH, const Dropout& dropout) override;
  void bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) override;

 private:
  at::Tensor drop(const at::Tensor& x_TH, const Dropout& dropout);
  at::Tensor drop_backward(const at::Tensor& dy_TH, const Dropout& dropout);

  const AttentionKind attention_;
  const std::string why_no_kernels_;
  VarlenAttention varlen_;
  // Which elements were kept, by place, until the way back or the next pass.
  std::unordered_map<uint32_t, at::Tensor> masks_;
};

}  // namespace permafrost
