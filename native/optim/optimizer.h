// AdamW over the parameters that learn, with global-norm clipping.
#pragma once

#include <unordered_map>

#include "model/parameters.h"
#include "ops/ops.h"

namespace permafrost {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
};

class Optimizer {
 public:
  // First and second moment of a parameter's gradient, and the number of its updates.
  struct State {
    at::Tensor exp_avg, exp_avg_sq;
    int64_t step = 0;
  };

  Optimizer(Parameters& parameters, Ops& ops, const AdamWOptions& options);

  // Global L2 norm of the gradients of all parameters that learn.
  double gradient_norm() const;
  // One update with gradients multiplied by `grad_scale`. State of a parameter begins at its first update.
  void update(double learning_rate, double grad_scale);
  // Forgets the state of every parameter that does not learn.
  void drop_frozen();
  // The state of a parameter, null where it has none.
  const State* state_of(const Parameter& parameter) const;
  // The same, begun where there is none; to go on where an earlier optimizer stopped.
  State& begin_state(const Parameter& parameter);
  // Bytes of the moments.
  size_t state_bytes() const;

 private:
  Parameters& parameters_;
  Ops& ops_;
  AdamWOptions options_;
  std::unordered_map<const Parameter*, State> state_;
};

// Factor that brings a gradient of norm `norm` down to `max_norm`, as torch.nn.utils.clip_grad_norm_ has it.
double clip_factor(double norm, double max_norm);

}  // namespace permafrost
