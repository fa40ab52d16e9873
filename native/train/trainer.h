// Training of one model: optimizer, schedule, accumulation, dropout numbering.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "model/batch.h"
#include "model/model.h"
#include "optim/lr_schedule.h"
#include "optim/optimizer.h"
#include "train/device_step.h"

namespace permafrost {

struct TrainerOptions {
  double learning_rate = 3e-5;
  AdamWOptions adamw;
  double max_grad_norm = 1;  // 0: no clipping
  Schedule schedule = Schedule::linear;
  int64_t warmup_steps = 0;
  int64_t total_steps = 0;
  int64_t gradient_accumulation = 1;
  uint64_t seed = 42;
  bool frozen_dropout = true;
  // On a card: whether steps are recorded as graphs, and how many may be launched before a loss is read back.
  bool graphs = true;
  int64_t read_back_every = 8;
  // Takes the way of a card on a CPU, too, which then computes the same.
  bool launch_ahead_on_cpu = false;
};

struct StepOptions {
  // Updates with what was accumulated so far.
  bool update_now = false;
  // Where the outputs of the frozen prefix come from, with frozen dropout off.
  PrefixStore* store = nullptr;
  // Computes the whole last layer for tokens without a label, too, whose output goes nowhere. On a CPU it is left out
  // otherwise.
  bool every_token = false;
};

struct StepResult {
  double loss;
  double grad_norm;  // before clipping; meaningless where not updated
  double learning_rate;
  int64_t tokens;
  bool updated;
};

// How far a training has come: what a later trainer needs, beside weights and moments, to go on in its place.
struct TrainerPosition {
  int64_t updates = 0;  // decides the learning rate
  uint32_t passes = 0;  // decides the dropout masks
};

class Trainer {
 public:
  Trainer(Model& model, const TrainerOptions& options);

  // Forward, loss, backward and, on every gradient_accumulation-th call or where `update_now` says so,
  // clipping and update.
  // Throws NON_FINITE, leaving the weights as they were, where loss or gradient is not a number.
  StepResult step(const PackedBatch& batch, const StepOptions& options = {});

  // The same in two parts: what is returned waits for the device and gives the result. On a CPU everything is done
  // at once. On a card NON_FINITE comes only from what is returned; later steps may have been launched by then,
  // from the weights before the bad step, which changed none.
  std::function<StepResult()> launch(const PackedBatch& batch, const StepOptions& options = {});

  // Number of launched steps whose results may be waited for.
  int64_t read_back_every() const { return device_step_ ? options_.read_back_every : 1; }
  // Null where steps are not launched ahead.
  const DeviceStep* device_step() const { return device_step_.get(); }

  // L2 norm of the gradient of each named parameter, NaN where it does not learn. Dropout as in a
  // training step; changes neither weights nor optimizer, and drops what was accumulated.
  std::vector<double> gradient_norms(const PackedBatch& batch);

  // Throws INVALID_OPTION between the batches of one update, whose gradients no position holds.
  TrainerPosition position() const;
  void seek(const TrainerPosition& position);

  Optimizer& optimizer() { return optimizer_; }
  // Brings all weights up to date. To be called before anything but a step of this trainer reads them.
  void settle() { optimizer_.settle(); }

 private:
  // Gradients of the summed loss times `scale`; returns the sum.
  double forward_backward(const PackedBatch& batch, double scale, bool accumulate, const StepOptions& options);
  StepResult step_at_once(const PackedBatch& batch, const StepOptions& options);
  std::function<StepResult()> launch_ahead(const PackedBatch& batch, const StepOptions& options);
  double present_learning_rate() const;
  void check_something_learns() const;

  Model& model_;
  TrainerOptions options_;
  Optimizer optimizer_;
  std::unique_ptr<DeviceStep> device_step_;
  uint32_t passes_ = 0;
  int64_t updates_ = 0;
  int64_t accumulated_batches_ = 0;
  int64_t accumulated_labelled_ = 0;
};

}  // namespace permafrost
