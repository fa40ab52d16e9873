// The loss without a value read back, for steps that are launched ahead of the device.
#include "ops/ops.h"

namespace permafrost {

at::Tensor Ops::cross_entropy_on_device(const at::Tensor& logits_TC, const at::Tensor& labels_T,
                                        const at::Tensor& scale, at::Tensor& dlogits_TC) {
  const at::Tensor log_probabilities_TC = at::log_softmax(logits_TC, 1, at::kFloat);
  const at::Tensor counted_T1 = labels_T.ne(kIgnoredLabel).unsqueeze(1);
  const at::Tensor index_T1 = labels_T.clamp_min(0).to(at::kLong).unsqueeze(1);
  const at::Tensor picked_T1 = log_probabilities_TC.gather(1, index_T1);
  // masked_fill, not a product: an infinite loss must not become a NaN where it does not count.
  const at::Tensor loss = picked_T1.masked_fill(counted_T1.logical_not(), 0).sum().neg();
  const at::Tensor factor_T1 = counted_T1.to(at::kFloat).mul_(scale);
  at::Tensor gradient_TC = log_probabilities_TC.exp();
  gradient_TC.scatter_add_(1, index_T1, at::full_like(picked_T1, -1));
  dlogits_TC.copy_(gradient_TC.mul_(factor_T1));
  return loss;
}

}  // namespace permafrost
