#include "ops/cuda/kernel_attention.h"

#include "core/error.h"
#include "ops/cuda/arguments.h"
#include "ops/cuda/card_dropout.h"

namespace permafrost {

namespace {

std::string name_of(const char* kernel, int64_t head_size) {
  return std::string(kernel) + "<" + std::to_string(head_size) + ">";
}

// Rows are read and written in accesses of 16 bytes.
void expect_aligned(std::initializer_list<at::Tensor> tensors) {
  for (const at::Tensor& x : tensors) {
    const bool is_aligned = x.is_contiguous() && reinterpret_cast<uintptr_t>(x.data_ptr()) % 16 == 0;
    check(is_aligned, ErrorCode::INTERNAL, "Attention over rows that are not aligned.");
  }
}

// About as many blocks as a large card runs at a time.
constexpr int64_t kFewBlocks = 512;

struct Division {
  int32_t sequences, per_block;

  Division(const BatchTensors& batch, int64_t num_heads)
      : sequences(static_cast<int32_t>(batch.cu_seqlens_B.size(0) - 1)),
        per_block(sequences * num_heads <= kFewBlocks ? 1 : kAttentionWarps) {}

  LaunchShape shape(int64_t num_heads, int64_t head_size, bool backward) const {
    return {{num_heads, (sequences + per_block - 1) / per_block},
            32 * kAttentionWarps,
            attention_shared_bytes(static_cast<int>(head_size), backward)};
  }
};

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
  expect_aligned({qkv_T3H, y_TH});
  if (bias_3H.defined()) qkv_T3H.add_(bias_3H);
  const int64_t head_size = y_TH.size(1) / num_heads;
  const Division division(batch, num_heads);
  kernels.launch(name_of("attention_forward", head_size), division.shape(num_heads, head_size, false), qkv_T3H,
                 batch.cu_seqlens_B, division.sequences, division.per_block, static_cast<int32_t>(num_heads),
                 mask_of(dropout), pass_of(dropout), rows_of(dropout, y_TH.size(0)), y_TH, lse_TN);
}

void kernel_attention_backward(DeviceKernels& kernels, const BatchTensors& batch, const at::Tensor& dy_TH,
                               const at::Tensor& qkv_T3H, const at::Tensor& y_TH, const at::Tensor& lse_TN,
                               int64_t num_heads, const Dropout& dropout, at::Tensor& dqkv_T3H) {
  expect_aligned({dy_TH, qkv_T3H, y_TH, dqkv_T3H});
  const int64_t head_size = y_TH.size(1) / num_heads;
  const Division division(batch, num_heads);
  kernels.launch(name_of("attention_backward", head_size), division.shape(num_heads, head_size, true), dy_TH, qkv_T3H,
                 y_TH, lse_TN, batch.cu_seqlens_B, division.sequences, division.per_block,
                 static_cast<int32_t>(num_heads), mask_of(dropout), pass_of(dropout),
                 rows_of(dropout, y_TH.size(0)), dqkv_T3H);
}

}  // namespace permafrost
