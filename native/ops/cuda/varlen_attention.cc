#include "ops/cuda/varlen_attention.h"

#include <cmath>

#include "device/nvidia_driver.h"

namespace permafrost {

namespace {

VarlenCall call_of(const BatchTensors& batch, const Dropout& dropout, int64_t head_size) {
  return {batch.cu_seqlens_B, batch.longest, dropout.on() ? dropout.probability : 0.0,
          1.0 / std::sqrt(static_cast<double>(head_size))};
}

// Query, key and value as views of [T, 3H], each [T, N, D], or [1, T, N, D] for the kernels that want a batch.
struct Views {
  at::Tensor query, key, value;

  Views(AttentionKind kind, const at::Tensor& qkv_T3H, int64_t num_heads) {
    at::Tensor split = qkv_T3H.view({qkv_T3H.size(0), 3, num_heads, -1});
    if (kind == AttentionKind::efficient) split = split.unsqueeze(0);
    const int64_t dim = kind == AttentionKind::efficient ? 2 : 1;
    query = split.select(dim, 0);
    key = split.select(dim, 1);
    value = split.select(dim, 2);
  }
};

}  // namespace

const char* name_of(AttentionKind kind) {
  switch (kind) {
    case AttentionKind::flash:
      return "flash";
    case AttentionKind::efficient:
      return "memory-efficient";
    case AttentionKind::dense:
      return "dense";
  }
  return "dense";
}

AttentionKind choose_attention(at::Device device, at::ScalarType type, int64_t head_size) {
  if (!device.is_cuda() || !kHasVarlenAttention) return AttentionKind::dense;
  const NvidiaDriver driver = describe_nvidia_driver();
  const auto card = static_cast<size_t>(device.index());
  const int capability = card < driver.cards.size() ? driver.cards[card].capability_major : 0;
  const bool is_half = type == at::kBFloat16 || type == at::kHalf;
  // bf16 products came with 8.0 as well.
  if (is_half && capability >= 8 && head_size % 8 == 0 && head_size <= 256) return AttentionKind::flash;
  if (capability >= (type == at::kBFloat16 ? 8 : 5) && head_size % (is_half ? 8 : 4) == 0) return AttentionKind::efficient;
  return AttentionKind::dense;
}

void VarlenAttention::forward(AttentionKind kind, const BatchTensors& batch, const at::Tensor& qkv_T3H,
                              int64_t num_heads, const Dropout& dropout, at::Tensor& y_TH, at::Tensor& lse) {
  const Views views(kind, qkv_T3H, num_heads);
  const VarlenCall call = call_of(batch, dropout, y_TH.size(1) / num_heads);
  VarlenState state;
  const at::Tensor y = kind == AttentionKind::flash ? flash_forward(views.query, views.key, views.value, call, state)
                                                    : efficient_forward(views.query, views.key, views.value, call, state);
  y_TH = y.reshape(y_TH.sizes());
  lse = state.lse;
  masks_[dropout.site] = {{}, state.seed, state.offset};
}

void VarlenAttention::backward(AttentionKind kind, const BatchTensors& batch, const at::Tensor& dy_TH,
                               const at::Tensor& qkv_T3H, const at::Tensor& y_TH, const at::Tensor& lse,
                               int64_t num_heads, const Dropout& dropout, at::Tensor& dqkv_T3H) {
  const Views views(kind, qkv_T3H, num_heads);
  const VarlenCall call = call_of(batch, dropout, y_TH.size(1) / num_heads);
  const auto mask = masks_.find(dropout.site);
  const VarlenState state{lse, mask->second.seed, mask->second.offset};
  masks_.erase(mask);
  const at::Tensor dy = dy_TH.reshape(views.query.sizes());
  const at::Tensor y = y_TH.reshape(views.query.sizes());
  const std::vector<at::Tensor> gradients =
      kind == AttentionKind::flash ? flash_backward(dy, views.query, views.key, views.value, y, call, state)
                                   : efficient_backward(dy, views.query, views.key, views.value, y, call, state);
  std::vector<at::Tensor> parts;
  for (const at::Tensor& gradient : gradients) parts.push_back(gradient.reshape({dy_TH.size(0), num_heads, -1}));
  at::Tensor split = dqkv_T3H.view({dy_TH.size(0), 3, num_heads, -1});
  at::stack_out(split, parts, 1);
}

}  // namespace permafrost
