// The operations of a card by our own kernels, where there is one for the type and shape; else by libtorch's.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "device/kernels.h"
#include "ops/cuda/cuda_ops.h"
#include "ops/cuda/kernel_rows.h"

namespace permafrost {

class KernelOps : public CudaOps {
 public:
  // `problem`: why some kernels are missing.
  KernelOps(at::Device device, at::ScalarType type, int64_t head_size, std::shared_ptr<DeviceKernels> kernels,
            const std::string& problem = "");

  // Every kernel that is launched for a model of this type.
  static std::vector<KernelSource> sources(at::ScalarType type, int64_t head_size);

  const char* attention_name() const override { return attention_name_.c_str(); }
  const char* kernels_name() const override { return "own"; }
  bool masks_by_row() const override { return true; }
  void begin_pass() override;
  void finish_gradients() override { rows_.finish_sums(); }

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
  bool joins_activations() const override { return true; }
  void activate_and_back(at::Tensor& dy_TI, at::Tensor& pre_TI, Activation activation, const GradSink& dbias) override;
  void attention(const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H, int64_t num_heads,
                 const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) override;
  void attention_backward(const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                          const at::Tensor& y_TH, const at::Tensor& lse_TN, int64_t num_heads, const Dropout& dropout,
                          at::Tensor& dqkv_T3H) override;
  void dropout(at::Tensor& x_TH, const Dropout& dropout) override;
  void bias_backward(const at::Tensor& dy_TH, const GradSink& dbias) override;
  at::Tensor cross_entropy_on_device(const at::Tensor& logits_TC, const at::Tensor& labels_T, const at::Tensor& scale,
                                     at::Tensor& dlogits_TC) override;
  std::unique_ptr<ListedUpdate> listed_update(const UpdateList& list) override;

 private:
  bool attends(const BatchTensors& batch) const;

  const std::shared_ptr<DeviceKernels> kernels_;
  RowKernels rows_;
  const bool has_attention_;
  const std::string attention_name_;
};

// KernelOps with the kernels that are there and agree with the plain operations on the device (ops/cuda/kernel_check.h), or
// where there are none, or PERMAFROST_KERNELS is `libtorch`, CudaOps, which says why. The device must be entered.
std::unique_ptr<Ops> make_card_ops(at::Device device, at::ScalarType type, int64_t head_size);

}  // namespace permafrost
