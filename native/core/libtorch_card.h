// What libtorch's versions for cards differ in, beside libtorch.h.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// fp32 product of lower factors, or where `add` the sum with it: on a card in one kernel, since 2.8 and 2.11, else by way of
// their type.
inline void product_into_fp32(at::Tensor& out, const at::Tensor& a, const at::Tensor& b, bool add) {
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 8)
  if (out.is_cuda() && !add) {
    at::mm_out(out, a, b, at::kFloat);
    return;
  }
#endif
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 11)
  // Earlier versions refuse a summand of another type than the factors'.
  if (out.is_cuda()) {
    at::addmm_out(out, out, a, b, at::kFloat);
    return;
  }
#endif
  if (add) {
    out.add_(at::mm(a, b));
  } else {
    out.copy_(at::mm(a, b));
  }
}

// Gives a generator another state and returns the one it had; recorded steps need it, which came with 2.6's attention.
#if PERMAFROST_LIBTORCH_AT_LEAST(2, 6)
constexpr bool kHasGeneratorStates = true;
inline at::Generator exchange_state(at::Generator& generator, const at::Generator& state) {
  at::Generator earlier = generator.graphsafe_get_state();
  generator.graphsafe_set_state(state);
  return earlier;
}
#else
constexpr bool kHasGeneratorStates = false;
inline at::Generator exchange_state(at::Generator&, const at::Generator&) { return {}; }
#endif

}  // namespace permafrost
