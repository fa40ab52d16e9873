// AdamW over the parameters that learn, with global-norm clipping.
#pragma once

#include <limits>
#include <memory>
#include <optional>
#include <unordered_map>
#include <vector>

#include "model/parameters.h"
#include "optim/learning_rates.h"
#include "ops/ops.h"

namespace permafrost {

struct AdamWOptions {
  double beta1 = 0.9;
  double beta2 = 0.999;
  double eps = 1e-8;
  double weight_decay = 0.01;
};

struct OptimizerOptions : RateOptions {
  AdamWOptions adamw;
  double max_grad_norm = 1;  // 0: no clipping
  // Whether the gradients of the layers are added up from update to update.
  bool sums_gradients = false;
};

// The rates of one update by group of weights; in a step that is launched ahead, on the device as well.
struct UpdateRates {
  std::vector<double> values;
  at::Tensor on_device = {};  // fp32 [groups]
};

class Optimizer {
 public:
  // First and second moment of a parameter's gradient, and the number of its updates.
  struct State {
    at::Tensor exp_avg, exp_avg_sq;
    int64_t step = 0;
    at::Tensor device_step;  // the number in update_on_device; one tensor for all that have it
    // Sum of the mean gradients before clipping, where they are summed.
    at::Tensor gradient_sum;
    // Of a parameter that is kept by rows: updates that rows without a gradient still wait for, and how many of them
    // each row has had.
    std::vector<AdamWStep> pending;
    std::vector<int32_t> done;
  };

  Optimizer(Parameters& parameters, Ops& ops, const OptimizerOptions& options);
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

  LearningRates& rates() { return rates_; }
  // A stage begins, behind the change of the plan: what learns from here on and did not before has a warm-up.
  void begin_stage(const TrainingStage& stage);

  // What came of an update: the norm of the gradients before clipping, and whether the new weights were finite. Where
  // they were not, or the norm was not, nothing has changed.
  struct Update {
    double norm;
    bool fits = true;
  };
  // Multiplies the gradients by `mean_scale`, clips and updates. State of a parameter begins at its first update.
  Update update(const UpdateRates& rates, double mean_scale);
  // The same with nothing read back, for steps that are launched ahead of the device. `mean_scale` is an fp32 tensor of
  // one element. Updates nothing, not even the step counts, where `loss`, too, is not finite. `fits` is undefined where
  // `may_overflow` rules out that the new weights are not finite.
  struct DeviceUpdate {
    at::Tensor norm, fits;
  };
  DeviceUpdate update_on_device(const UpdateRates& rates, const at::Tensor& mean_scale, const at::Tensor& loss);
  // Begins what `update_on_device` keeps of parameters that have a gradient, so that it allocates nothing of its own.
  void lay_out_on_device();
  // Whether, by the rates alone, an update may give a weight that is not finite. Never at rates that anybody trains
  // with: an update that may is first computed beside the weights.
  bool may_overflow(const std::vector<double>& rates);

  // For each layer the L1 norm of its summed gradients, 0 where it has none; clears the sums. [layers]
  // Throws INVALID_OPTION, as the others do, where gradients are not summed.
  std::vector<double> take_gradient_l1();
  // The summed gradients of a parameter; undefined where there are none.
  at::Tensor gradient_sum(const Parameter& parameter) const;
  // The same, begun where there are none, to go on where an earlier optimizer stopped.
  at::Tensor begin_gradient_sum(const Parameter& parameter);

  // Changes whenever parameters or their state may have moved in memory, or weights have other groups of rates.
  uint64_t layout() const { return layout_; }
  // Forgets the state of every parameter that does not learn.
  void drop_frozen();
  // The state of a parameter, null where it has none.
  const State* state_of(const Parameter& parameter);
  // The same, begun where there is none; to go on where an earlier optimizer stopped.
  State& begin_state(const Parameter& parameter);
  // Forgets what a parameter has.
  void forget(const Parameter& parameter);
  // Bytes of moments and sums.
  size_t state_bytes() const;

 private:
  double gradient_norm() const;
  State& begun(const Parameter& parameter);
  void note_frozen();
  AdamWStep step_of(const Parameter& parameter, double learning_rate, double grad_scale, int64_t step) const;
  bool fits(const UpdateRates& rates, double grad_scale);
  bool fits(const Parameter& parameter, const AdamWStep& step) const;
  void update_rows(Parameter& parameter, State& state, const AdamWStep& step);
  bool sums(const Parameter& parameter) const;
  void require_sums() const;
  double largest_moment();

  Parameters& parameters_;
  Ops& ops_;
  const OptimizerOptions options_;
  LearningRates rates_;
  std::unordered_map<const Parameter*, State> state_;
  // In the order of stored(): whether it was frozen at any time since the last stage began.
  std::vector<bool> was_frozen_;
  // No element of a first moment is larger; unknown where moments came from elsewhere.
  std::optional<double> largest_moment_;
  uint64_t layout_ = 0;

  // What one call of the fused update takes: parameters of one decay, one step count and one rate.
  struct Group {
    double weight_decay;
    size_t rate;
    at::Tensor step;
    std::vector<at::Tensor> values, grads, exp_avgs, exp_avg_sqs, steps;
  };
  void apply(const Group& group, const UpdateRates& rates, const at::Tensor& divisor, const at::Tensor& skip) const;
  at::Tensor fits_on_device(const UpdateRates& rates, const at::Tensor& divisor, const at::Tensor& skip) const;
  std::vector<Group> groups_;
  std::vector<at::Tensor> step_counts_, gradients_, rounded_, unrounded_, summed_, sums_;
  // The same update in few kernels, where the operations have them.
  std::unique_ptr<ListedUpdate> listed_;
  bool laid_out_ = false;
};

// Gradients up to here have squares that fp32 holds, whatever it adds to them. Clipping counts.
constexpr double kLargestGradient = 9223372036854775808.0;  // 2^63

// Whether every element is finite.
inline at::Tensor all_finite(const at::Tensor& x) { return at::isfinite(x).all(); }

// Factor that brings a gradient of norm `norm` down to `max_norm`, as torch.nn.utils.clip_grad_norm_ has it.
double clip_factor(double norm, double max_norm);

}  // namespace permafrost
