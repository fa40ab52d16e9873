// The operations in one pass over memory each, on all cores of the CPU, for activations in fp32 and in bf16.
#pragma once

#include <vector>

#include "ops/cpu/kernels.h"
#include "ops/ops.h"
#include "products/cpu_products.h"
#include "products/int8_products.h"

namespace permafrost {

class FusedCpuOps : public Ops {
 public:
  explicit FusedCpuOps(const CpuKernels& kernels, at::ScalarType type = at::kFloat, ProductShape shape = {},
                       const ProductSettings& products = {})
      : kernels_(kernels), products_(kernels, type, shape, products), int8_products_(kernels.int8) {}

  const char* attention_name() const override { return "fused"; }
  const char* kernels_name() const override { return "own"; }
  const ProductChoice* product_choice() override { return &products_.choice(); }
  std::vector<ProductLibrary*> product_libraries() const override { return products_.libraries(); }
  Int8Weight pack(Int8Weight weight) override;
  bool sums_in_fp32() const override { return true; }
  void linear(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, bool rows_apart) override;
  void affine(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias) override;
  void linear_activated(at::Tensor& y_TO, const at::Tensor& x_TI, const Parameter& weight, const Parameter& bias,
                        Activation activation, bool rows_apart) override;
  void linear_backward(at::Tensor& dx_TI, const at::Tensor& dy_TO, const Parameter& weight, bool add) override;
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
  void activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation, const GradSink& dbias) override;
  bool joins_activations() const override { return true; }
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
  void adamw(at::Tensor& value, const at::Tensor& grad, at::Tensor& exp_avg, at::Tensor& exp_avg_sq, at::Tensor& rounded,
             const AdamWStep& step) override;
  void adamw_rows(const std::vector<int32_t>& rows, const std::vector<int32_t>& first,
                  const std::vector<AdamWStep>& steps, at::Tensor& value, at::Tensor& exp_avg,
                  at::Tensor& exp_avg_sq) override;
  void adamw_rows(const std::vector<int32_t>& rows, const AdamWStep& step, const at::Tensor& grad, at::Tensor& value,
                  at::Tensor& exp_avg, at::Tensor& exp_avg_sq) override;

 private:
  // y_TI, where defined: receives activation(pre_TI).
  void activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation, const at::Tensor& y_TI,
                         const GradSink& dbias);

  struct Scratch {
    float* data;
    int64_t stride;
  };
  // `floats` for each thread.
  Scratch scratch(int64_t floats);

  // Room for parts of column sums, and their sums over `rows` rows into a gradient.
  float* parts(int64_t floats);
  void add_parts(const float* parts, int64_t rows, const GradSink& sink);

  const CpuKernels& kernels_;
  CpuProducts products_;
  Int8Products int8_products_;
  std::vector<float> scratch_;
  std::vector<float> relative_parts_;
  std::vector<float> parts_;
  std::vector<double> partial_;
};

}  // namespace permafrost
