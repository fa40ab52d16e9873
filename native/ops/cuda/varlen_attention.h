// Attention over cuSeqlens by libtorch's own kernels for cards.
#pragma once

#include <unordered_map>

#include "model/batch.h"
#include "ops/dropout.h"

namespace permafrost {

// flash: bf16 or fp16 and compute capability 8.0; efficient: other types and cards; dense: one sequence after
// another by plain products, everywhere.
enum class AttentionKind { flash, efficient, dense };

const char* name_of(AttentionKind kind);

// The best kind that the card, the type and the size of a head allow.
AttentionKind choose_attention(at::Device device, at::ScalarType type, int64_t head_size);

// Attention by `flash` or `efficient`. Dropout masks come from the device's generator; what the way back needs
// of them is kept by place until the way back, or the next pass, comes.
class VarlenAttention {
 public:
  void forward(AttentionKind kind, const BatchTensors& batch, const at::Tensor& qkv_T3H, int64_t num_heads,
               const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse);
  void backward(AttentionKind kind, const BatchTensors& batch, const at::Tensor& dy_TH, const at::Tensor& qkv_T3H,
                const at::Tensor& y_TH, const at::Tensor& lse, int64_t num_heads, const Dropout& dropout,
                at::Tensor& dqkv_T3H);
  void forget() { masks_.clear(); }

 private:
  std::unordered_map<uint32_t, VarlenState> masks_;
};

}  // namespace permafrost
