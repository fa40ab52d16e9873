// One update of all parameters that learn, for steps that are launched ahead of the device.
#pragma once

#include <memory>
#include <vector>

#include "core/libtorch.h"

namespace permafrost {

struct UpdateList {
  struct Entry {
    at::Tensor value, grad, exp_avg, exp_avg_sq;
    at::Tensor step;          // number of its updates: fp32, one element, shared by all that have the same one
    at::Tensor rounded;       // undefined where there is no copy
    at::Tensor gradient_sum;  // undefined where gradients are not summed
    double weight_decay;
    size_t rate;  // which of the rates
  };
  std::vector<Entry> entries;
  double beta1, beta2, eps;
  double max_grad_norm;  // 0: no clipping
  double largest_norm;   // of an update without clipping
};

class ListedUpdate {
 public:
  virtual ~ListedUpdate() = default;

  // Multiplies the gradients by `mean_scale`, clips, updates everything in the list; returns the norm before clipping.
  // Nothing changes, not even the step counts, where the norm or the loss is not finite. All are fp32 tensors on the
  // device, of one element but for the rates.
  virtual at::Tensor run(const at::Tensor& rates, const at::Tensor& mean_scale, const at::Tensor& loss) = 0;
};

}  // namespace permafrost
