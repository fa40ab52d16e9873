// The loss without a value read back, for steps that are launched ahead of the device.
#pragma once

#include "core/libtorch.h"

namespace permafrost {

// Sum of the cross-entropies of the labelled tokens, a tensor of one fp32 element; dlogits_TC becomes `scale`, a
// tensor of one element too, times its gradient. `logits` and `dlogits` may be one tensor.
at::Tensor cross_entropy_on_device(const at::Tensor& logits_TC, const at::Tensor& labels_T, const at::Tensor& scale,
                                   at::Tensor& dlogits_TC);

}  // namespace permafrost
