// Attention within sequences of at most 128 tokens by the kernels of ops/cuda/attention.cuh.
#pragma once

#include "device/kernels.h"
#include "model/batch.h"
#include "ops/dropout.h"

namespace permafrost {

// What is to be compiled for heads of this size; no names where there are no kernels for it. Sizes: 32, 64, 128.
KernelSource attention_source(int64_t head_size);

// Whether the kernels take sequences of these lengths: `longest` is the batch's, which may be an upper bound.
bool attention_is_short(int64_t longest);

// The same as Ops::attention, of activations in bf16. Nothing is read back; the launch depends on shapes alone, so that
// it can be recorded with borders that are repeated at their end.
void kernel_attention(DeviceKernels& kernels, const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                      int64_t num_heads, const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN);
void kernel_attention_backward(DeviceKernels& kernels, const BatchTensors& batch, const at::Tensor& dy_TH,
                               const at::Tensor& qkv_T3H, const at::Tensor& y_TH, const at::Tensor& lse_TN,
                               int64_t num_heads, const Dropout& dropout, at::Tensor& dqkv_T3H);

}  // namespace permafrost
