// The operations in one pass over memory each, on all cores of the CPU.
#pragma once

#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/ops.h"

namespace permafrost {

class FusedCpuOps : public Ops {
 public:
  explicit FusedCpuOps(const CpuKernels& kernels) : kernels_(kernels) {}

  const char* attention_name() const override { return "fused"; }
  const char* kernels_name() const override { return "own"; }
  void product(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add, bool rows_apart) override;
  void weight_gradient(const at::Tensor& dy_TO, const at::Tensor& x_TI, const GradSink& dweight) override;

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
  bool updates_rows() const override { return true; }
  double squared_norm(const at::Tensor& x) override;
  void adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq,
             const AdamWStep& step) override;
  void adamw_rows(const std::vector<int32_t>& rows, const std::vector<int32_t>& first,
                  const std::vector<AdamWStep>& steps, at::Tensor& value, at::Tensor& exp_avg,
                  at::Tensor& exp_avg_sq) override;
  void adamw_rows(const std::vector<int32_t>& rows, const AdamWStep& step, const at::Tensor& grad, at::Tensor& value,
                  at::Tensor& exp_avg, at::Tensor& exp_avg_sq) override;

 private:
  struct Scratch {
    float* data;
    int64_t stride;
  };
  // `floats` for each thread.
  Scratch scratch(int64_t floats);

  // A product by oneDNN where it is there, else by libtorch's BLAS.
  void multiply_by_library(at::Tensor& out_MN, const at::Tensor& a_MK, const at::Tensor& b_KN, bool add);
  // Room for parts of column sums, and their sums over `rows` rows into a gradient.
  float* parts(int64_t floats);
  void add_parts(const float* parts, int64_t rows, const GradSink& sink);

  const CpuKernels& kernels_;
  std::vector<float> scratch_;
  std::vector<float> packed_;
  std::vector<float> relative_parts_;
  std::vector<float> parts_;
  std::vector<double> partial_;
};

}  // namespace permafrost
