// AdamW over the parameters that learn, with global-norm clipping.
#pragma once

#include <unordered_map>
#include <vector>

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
    at::Tensor device_step;  // the number in update_on_device; one tensor for all that have it
    // Of a parameter that is kept by rows: updates that rows without a gradient still wait for, and how many of them
    // each row has had.
    std::vector<AdamWStep> pending;
    std::vector<int32_t> done;
  };

  Optimizer(Parameters& parameters, Ops& ops, const AdamWOptions& options);
  ~Optimizer() { settle(); }
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  // A row of a table that no token of a step looks up has a gradient of zero, and its update follows from the step's
  // constants alone. It is put off until the row is read: by `settle_rows` before a pass that reads those of `ids`
  // alone, by `settle` before anything else looks at weights or moments. The bits are those of updates at once.
  void settle_rows(const std::vector<int32_t>& ids);
  void settle();
  // Forgets what is pending, where nobody will look at the weights again.
  void abandon();

  // Global L2 norm of the gradients of all parameters that learn.
  double gradient_norm() const;
  // One update with gradients multiplied by `grad_scale`. State of a parameter begins at its first update.
  void update(double learning_rate, double grad_scale);
  // The same with nothing read back, for steps that are launched ahead of the device. Learning rate and
  // `mean_scale`, which the gradients are multiplied by, are fp32 tensors of one element. Clips to `max_norm`
  // (0: not at all), and updates nothing, not even the step counts, where `loss` or the norm is not finite.
  // Returns the norm before clipping.
  at::Tensor update_on_device(const at::Tensor& learning_rate, const at::Tensor& mean_scale, const at::Tensor& loss,
                              double max_norm);
  // Changes whenever parameters or their state may have moved in memory.
  uint64_t layout() const { return layout_; }
  // Forgets the state of every parameter that does not learn.
  void drop_frozen();
  // The state of a parameter, null where it has none.
  const State* state_of(const Parameter& parameter);
  // The same, begun where there is none; to go on where an earlier optimizer stopped.
  State& begin_state(const Parameter& parameter);
  // Bytes of the moments.
  size_t state_bytes() const;

 private:
  State& begun(const Parameter& parameter);
  void update_rows(Parameter& parameter, State& state, const AdamWStep& step);

  Parameters& parameters_;
  Ops& ops_;
  AdamWOptions options_;
  std::unordered_map<const Parameter*, State> state_;
  uint64_t layout_ = 0;

  // What one call of the fused update takes: parameters of one decay and one step count.
  struct Group {
    double weight_decay;
    at::Tensor step;
    std::vector<at::Tensor> values, grads, exp_avgs, exp_avg_sqs, steps;
  };
  void lay_out();
  std::vector<Group> groups_;
  std::vector<at::Tensor> step_counts_, gradients_, rounded_, unrounded_;
  bool laid_out_ = false;
};

// Factor that brings a gradient of norm `norm` down to `max_norm`, as torch.nn.utils.clip_grad_norm_ has it.
double clip_factor(double norm, double max_norm);

}  // namespace permafrost
