// The only place that includes libtorch, and with libtorch_card.h the only one that knows how its versions differ.
//
// The engine uses ATen alone: tensors, matrix products and allocation. Gradients are written by hand
// (model/), so nothing here depends on libtorch's autograd. CUDA's own headers are not needed, but for step
// graphs (device/cuda_graph.cc).
#pragma once

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Event.h>
#include <c10/core/InferenceMode.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <torch/version.h>

#include <tuple>
#include <vector>

#define PERMAFROST_LIBTORCH_AT_LEAST(major, minor) \
  (TORCH_VERSION_MAJOR > (major) || (TORCH_VERSION_MAJOR == (major) && TORCH_VERSION_MINOR >= (minor)))

namespace permafrost {

inline const char* libtorch_build_version() { return TORCH_VERSION; }

// What attention over sequences laid end to end keeps for its way back.
struct VarlenState {
  at::Tensor lse, seed, offset;
};

// The shape of such a call: borders [B + 1] on the device, the longest sequence, dropout, scale of the scores.
struct VarlenCall {
  const at::Tensor& cu_seqlens_B;
  int64_t longest;
  double dropout;
  double scale;
};

// Attention over cuSeqlens came in 2.1, its present arguments in 2.6.
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 6)

constexpr bool kHasVarlenAttention = true;

// query, key, value: [T, N, D] in bf16 or fp16, on a card of compute capability 8.0 or later.
inline at::Tensor flash_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const VarlenCall& call,
                                VarlenState& state) {
  auto result = at::_flash_attention_forward(q, k, v, call.cu_seqlens_B, call.cu_seqlens_B, call.longest, call.longest,
                                             call.dropout, /*is_causal=*/false, /*return_debug_mask=*/false, call.scale);
  state = {std::get<1>(result), std::get<2>(result), std::get<3>(result)};
  return std::get<0>(result);
}

inline std::vector<at::Tensor> flash_backward(const at::Tensor& dy, const at::Tensor& q, const at::Tensor& k,
                                              const at::Tensor& v, const at::Tensor& y, const VarlenCall& call,
                                              const VarlenState& state) {
  auto [dq, dk, dv] = at::_flash_attention_backward(dy, q, k, v, y, state.lse, call.cu_seqlens_B, call.cu_seqlens_B,
                                                    call.longest, call.longest, call.dropout, /*is_causal=*/false,
                                                    state.seed, state.offset, call.scale);
  return {dq, dk, dv};
}

// The same for other types and cards; [1, T, N, D].
inline at::Tensor efficient_forward(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                                    const VarlenCall& call, VarlenState& state) {
  auto result = at::_efficient_attention_forward(q, k, v, /*bias=*/{}, call.cu_seqlens_B, call.cu_seqlens_B,
                                                 call.longest, call.longest, call.dropout, /*custom_mask_type=*/0,
                                                 /*compute_log_sumexp=*/true, call.scale);
  state = {std::get<1>(result), std::get<2>(result), std::get<3>(result)};
  return std::get<0>(result);
}

inline std::vector<at::Tensor> efficient_backward(const at::Tensor& dy, const at::Tensor& q, const at::Tensor& k,
                                                  const at::Tensor& v, const at::Tensor& y, const VarlenCall& call,
                                                  const VarlenState& state) {
  auto result = at::_efficient_attention_backward(dy, q, k, v, /*bias=*/{}, y, call.cu_seqlens_B, call.cu_seqlens_B,
                                                  call.longest, call.longest, state.lse, call.dropout, state.seed,
                                                  state.offset, /*custom_mask_type=*/0, /*bias_requires_grad=*/false,
                                                  call.scale);
  return {std::get<0>(result), std::get<1>(result), std::get<2>(result)};
}

#else

constexpr bool kHasVarlenAttention = false;

inline at::Tensor flash_forward(const at::Tensor&, const at::Tensor&, const at::Tensor&, const VarlenCall&,
                                VarlenState&) {
  return {};
}
inline std::vector<at::Tensor> flash_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                              const at::Tensor&, const at::Tensor&, const VarlenCall&,
                                              const VarlenState&) {
  return {};
}
inline at::Tensor efficient_forward(const at::Tensor&, const at::Tensor&, const at::Tensor&, const VarlenCall&,
                                    VarlenState&) {
  return {};
}
inline std::vector<at::Tensor> efficient_backward(const at::Tensor&, const at::Tensor&, const at::Tensor&,
                                                  const at::Tensor&, const at::Tensor&, const VarlenCall&,
                                                  const VarlenState&) {
  return {};
}

#endif

// AdamW over lists of tensors with everything that changes on the device; on cards and, since 2.4, on CPUs.
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 4)
constexpr bool kHasFusedAdamW = true;
inline void fused_adamw(at::TensorList values, at::TensorList grads, at::TensorList exp_avgs, at::TensorList exp_avg_sqs,
                        at::TensorList steps, const at::Tensor& learning_rate, double beta1, double beta2,
                        double weight_decay, double eps, const at::Tensor& grad_divisor, const at::Tensor& skip) {
  at::_fused_adamw_(values, grads, exp_avgs, exp_avg_sqs, {}, steps, learning_rate, beta1, beta2, weight_decay, eps,
                    /*amsgrad=*/false, /*maximize=*/false, grad_divisor, skip);
}
#else
constexpr bool kHasFusedAdamW = false;
inline void fused_adamw(at::TensorList, at::TensorList, at::TensorList, at::TensorList, at::TensorList,
                        const at::Tensor&, double, double, double, double, const at::Tensor&, const at::Tensor&) {}
#endif

// Copies lists of tensors, on a card in few kernels since 2.2.
inline void copy_all(const std::vector<at::Tensor>& targets, const std::vector<at::Tensor>& sources) {
  if (targets.empty()) return;
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 2)
  at::_foreach_copy_(targets, sources);
#else
  for (size_t i = 0; i < targets.size(); ++i) at::Tensor(targets[i]).copy_(sources[i]);
#endif
}

// The driver's handle of a stream, which libtorch gives without CUDA's headers since 2.4.
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 4)
constexpr bool kHasStreamHandles = true;
inline void* native_handle(const c10::Stream& stream) { return stream.native_handle(); }
#else
constexpr bool kHasStreamHandles = false;
inline void* native_handle(const c10::Stream&) { return nullptr; }
#endif

// Waits on the host for everything that was launched before the event was recorded.
inline void wait_for(const c10::Event& event) {
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 4)
  event.synchronize();
#else
  while (!event.query()) {
  }
#endif
}

}  // namespace permafrost
