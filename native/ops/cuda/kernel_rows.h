// The operations over rows as kernels of a card: layer_norm.cuh, activation.cuh, column_sums.cuh, dropout.cuh,
// embedding.cuh and cross_entropy.cuh.
#pragma once

#include <string>
#include <vector>

#include "device/kernels.h"
#include "ops/ops.h"

namespace permafrost {

// Each operation has the arguments of Ops's of the same name, and returns false, having done nothing, where a kernel is
// missing or does not take the shape. Sums over rows, which are the gradients of biases and LayerNorms, come in parts;
// those of a whole pass are added up in one launch, by `finish_sums`.
class RowKernels {
 public:
  // `type`: of the activations.
  RowKernels(DeviceKernels& kernels, at::ScalarType type);

  // Every kernel that is launched here.
  static std::vector<KernelSource> sources(at::ScalarType type);

  // Forgets what an earlier pass left unfinished.
  void begin_pass() { waiting_.clear(); }
  // Gradients are complete behind this.
  void finish_sums();

  // Instead of the sum, the forward pass leaves its standardised value, (sum - mean) * rstd, in the sum's memory and of its
  // type. One shape has either both passes here or neither.
  bool layer_norm(at::Tensor& sum_TH, const at::Tensor& bias_H, const at::Tensor& residual_TH, const Dropout& dropout,
                  const at::Tensor& weight_H, const at::Tensor& norm_bias_H, double eps, at::Tensor& y_TH,
                  at::Tensor& mean_T, at::Tensor& rstd_T);
  bool layer_norm_backward(const at::Tensor& dy_TH, const at::Tensor& sum_TH, const at::Tensor& rstd_T,
                           const at::Tensor& weight_H, const Dropout& dropout, at::Tensor& dsum_TH,
                           at::Tensor& dbranch_TH, const GradSink& dweight, const GradSink& dnorm_bias,
                           const GradSink& dbias);

  bool activate(at::Tensor& pre_TI, const at::Tensor& bias_I, Activation activation, at::Tensor& y_TI);
  // `leaves_activation`: pre_TI <- activation(pre_TI).
  bool activate_backward(at::Tensor& dy_TI, const at::Tensor& pre_TI, Activation activation, const GradSink& dbias,
                         bool leaves_activation = false);

  bool dropout(at::Tensor& x_TH, const Dropout& dropout);
  bool bias_backward(const at::Tensor& dy_TH, const GradSink& dbias);

  bool embed(const BatchTensors& batch, const at::Tensor& word_VH, const at::Tensor& position_PH,
             const at::Tensor& token_type_YH, at::Tensor& sum_TH);
  bool embed_backward(const BatchTensors& batch, const at::Tensor& dsum_TH, int64_t pad_token_id, const GradSink& dword,
                      const GradSink& dposition, const GradSink& dtoken_type);

  // Ops's cross_entropy_on_device. `loss`: what that returns.
  bool cross_entropy(const at::Tensor& logits_TC, const at::Tensor& labels_T, const at::Tensor& scale,
                     at::Tensor& dlogits_TC, at::Tensor& loss);

 private:
  bool has(const std::string& kernel) const { return kernels_.has(kernel); }
  bool normalises(int64_t H) const;
  // The kernel's name with the type, or types, of its arguments.
  std::string of(const char* kernel, const at::Tensor& x) const;
  void scatter(const GradSink& sink, const at::Tensor& rows_T, int64_t skipped, const at::Tensor& x_TH);
  // target_C (+)= the sum of the rows of parts_PC, when sums are finished.
  void put_off(const GradSink& target_C, const at::Tensor& parts_PC);

  DeviceKernels& kernels_;
  const at::ScalarType type_;
  const std::vector<std::string> norms_;  // the kernels of LayerNorm, which come all or not at all
  struct Waiting {
    GradSink target_C;
    at::Tensor parts_PC;
  };
  std::vector<Waiting> waiting_;
};

}  // namespace permafrost
