#include "ops/cuda/kernel_attention.h"

#include "ops/cuda/arguments.h"
#include "ops/cuda/card_dropout.h"

namespace permafrost {

namespace {

std::string name_of(const char* kernel, int64_t head_size) {
  return std::string(kernel) + "<" + std::to_string(head_size) + ">";
}

// A block takes one head of as many sequences as it has warps.
LaunchShape shape_of(const BatchTensors& batch, int64_t num_heads, int64_t head_size, bool backward) {
  const int64_t sequences = batch.cu_seqlens_B.size(0) - 1;
  return {{num_heads, (sequences + kAttentionWarps - 1) / kAttentionWarps},
          32 * kAttentionWarps,
          attention_shared_bytes(static_cast<int>(head_size), backward)};
}

int32_t sequences_of(const BatchTensors& batch) { return static_cast<int32_t>(batch.cu_seqlens_B.size(0) - 1); }

}  // namespace

KernelSource attention_source(int64_t head_size) {
  KernelSource source{"attention.cuh", {}};
  if (head_size == 32 || head_size == 64 || head_size == 128) {
    source.names = {name_of("attention_forward", head_size), name_of("attention_backward", head_size)};
  }
  return source;
}

bool attention_is_short(int64_t longest) { return longest <= kAttentionRows; }

void kernel_attention(DeviceKernels& kernels, const BatchTensors& batch, at::Tensor& qkv_T3H, const at::Tensor& bias_3H,
                      int64_t num_heads, const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse_TN) {
  if (bias_3H.defined()) qkv_T3H.add_(bias_3H);
  const int64_t head_size = y_TH.size(1) / num_heads;
  kernels.launch(name_of("attention_forward", head_size), shape_of(batch, num_heads, head_size, false), qkv_T3H,
                 batch.cu_seqlens_B, sequences_of(batch), static_cast<int32_t>(num_heads), mask_of(dropout),
                 pass_of(dropout), rows_of(dropout, y_TH.size(0)), y_TH, lse_TN);
}

void kernel_attention_backward(DeviceKernels& kernels, const BatchTensors& batch, const at::Tensor& dy_TH,
                               const at::Tensor& qkv_T3H, const at::Tensor& y_TH, const at::Tensor& lse_TN,
                               int64_t num_heads, const Dropout& dropout, at::Tensor& dqkv_T3H) {
  const int64_t head_size = y_TH.size(1) / num_heads;
  kernels.launch(name_of("attention_backward", head_size), shape_of(batch, num_heads, head_size, true), dy_TH, qkv_T3H,
                 y_TH, lse_TN, batch.cu_seqlens_B, sequences_of(batch), static_cast<int32_t>(num_heads),
                 mask_of(dropout), pass_of(dropout), rows_of(dropout, y_TH.size(0)), dqkv_T3H);
}

}  // namespace permafrost
